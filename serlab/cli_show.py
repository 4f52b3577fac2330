"""What the command shows to people."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serlab import workloads
from serlab.codecs import codec_infos
from serlab.console import literal
from serlab.measure import EXPERIMENTS, OPERATIONS, OUTCOMES, Report
from serlab.messages import KINDS
from serlab.records import FAILED
from serlab.report import paired_lines, terminal_tables

LISTED = ("name", "package", "version", "install", "schema", "lazy", "description", "verifies")
"""Of a codec's record, what is listed."""
MOST_FIELDS = 20
MOST_FINDINGS = 20


def inventory() -> dict[str, Any]:
    """List what there is as JSON values."""
    codecs = [{name: getattr(info, name) for name in LISTED} for info in codec_infos()]
    built_in = [{"name": name, "message": work.kind, "description": work.description} for name, work in _built()]
    experiments = [{"name": name, **one._asdict()} for name, one in EXPERIMENTS.items()]
    found = {"codecs": codecs, "messages": list(KINDS), "workloads": built_in, "operations": list(OPERATIONS)}
    return found | {"experiments": experiments}


def _built() -> Any:
    """Return the built-in workloads with their names."""
    return workloads.WORKLOADS.items()


def show_inventory(console: Console, found: dict[str, Any]) -> None:
    """Show codecs, messages, workloads and experiments."""
    rows = [
        [
            codec["name"],
            codec["version"] or codec["install"],
            _yes(codec["schema"]),
            _yes(codec["lazy"]),
            codec["description"],
        ]
        for codec in found["codecs"]
    ]
    _show_table(console, "Codecs", ("codec", "version", "schema", "view", "what"), rows)
    console.print(Text.assemble("\n", ("Messages", "bold"), f" {', '.join(found['messages'])}\n"))
    console.print(Text.assemble(("Operations", "bold"), f" {', '.join(found['operations'])}\n"))
    rows = [[work["name"], work["message"], work["description"]] for work in found["workloads"]]
    _show_table(console, "Workloads", ("workload", "message", "what"), rows)
    rows = [[one["name"], one["question"], ", ".join(one["kinds"]) or "any"] for one in found["experiments"]]
    _show_table(console, "Experiments on the wire", ("experiment", "asks", "of"), rows)


def _yes(value: bool) -> str:
    """Write a capability."""
    return "yes" if value else ""


def _show_table(console: Console, title: str, heads: tuple[str, ...], rows: list[list[str]], numbers: int = 0) -> None:
    """Show a plain table; the last `numbers` columns are figures."""
    look = {"title_justify": "left", "title_style": "bold", "header_style": "bold"}
    table = Table(title=title or None, box=box.SIMPLE_HEAD, pad_edge=False, **look)  # type: ignore[arg-type]
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i >= len(heads) - numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(literal, row))
    console.print(table)


def show_check(console: Console, report: Report) -> None:
    """Show what a check found: outcomes by codec, unknown fields, the share of `extra`, and each finding."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.kinds.most_common()) or "none"
    console.print(literal(f"{report.bodies:,} bodies: {kinds}"))
    rows = [[name, *(f"{counts[outcome]:,}" for outcome in OUTCOMES)] for name, counts in report.codecs.items()]
    _show_table(console, "", ("codec", "equal", "refused", "changed", "no schema"), rows, numbers=4)
    fields = report.unknown_fields.most_common(MOST_FIELDS)
    if fields:
        rows = [[pointer or "(the whole body)", f"{count:,}"] for pointer, count in fields]
        _show_table(console, "Fields that the types do not know", ("pointer", "times"), rows, numbers=1)
        _tell_rest(console, len(report.unknown_fields) - len(fields), "fields")
    if report.extra_share:
        rows = [[kind, f"{share:.3%}"] for kind, share in report.extra_share.items()]
        _show_table(console, "Share of the bytes that travels in extra", ("message", "share"), rows, numbers=1)
    for finding in report.findings:
        place = f"{finding['file']}:{finding['line']}"
        console.print(literal(f"{finding['outcome']}: {place}: {finding['reason']}"))
    for error in report.unreadable[:MOST_FINDINGS]:
        console.print(literal(f"unreadable: {error}"))
    _tell_rest(
        console, report.unreadable_lines - min(MOST_FINDINGS, len(report.unreadable)), "lines that cannot be read"
    )
    for hint in report.hints:
        console.print(literal(f"hint: {hint}"), soft_wrap=True)


def _tell_rest(console: Console, count: int, what: str) -> None:
    """Say that a list goes on."""
    if count > 0:
        console.print(literal(f"… and {count:,} more {what}"))


def _finding_lines(findings: Iterable[dict[str, Any]]) -> list[str]:
    """Write each finding once, and how many processes met it."""
    found = Counter(f"{one['outcome'].replace('_', ' ')}: {one['workload']}: {one['reason']}" for one in findings)
    return [line if count == 1 else f"{line} (in {count} processes)" for line, count in found.items()]


def is_amiss(table: pd.DataFrame, findings: Iterable[dict[str, Any]]) -> bool:
    """Return whether a run found something amiss; that a format has no schema for a body is no fault of either."""
    lost = table["metric"].isin(set(OUTCOMES[1:]) - {"no_schema"} | {FAILED}) & (table["value"] > 0)
    return bool(lost.any()) or any(finding["outcome"] != "no_schema" for finding in findings)


def show_summary(console: Console, table: pd.DataFrame, findings: Iterable[dict[str, Any]]) -> None:
    """Show a run's summary and what it found amiss."""
    for block in terminal_tables(table):
        console.print(block)
    for line in paired_lines(table):
        console.print(literal(line))
    # The summary says "no schema" itself.
    lines = _finding_lines(finding for finding in findings if finding["outcome"] != "no_schema")
    for line in lines[:MOST_FINDINGS]:
        console.print(literal(line))
    _tell_rest(console, len(lines) - MOST_FINDINGS, "findings")


def show_results(console: Console, table: pd.DataFrame, directory: Path) -> None:
    """Show a run's summary, what it found amiss, and where the rest is."""
    show_summary(console, table, table.attrs["findings"])
    console.print(literal(f"Tables with units, intervals and versions: {directory / 'tables'}"), soft_wrap=True)
    console.print(literal(f"All rows: {directory / 'results.parquet'}"), soft_wrap=True)
