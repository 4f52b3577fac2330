"""The summary for a terminal: what someone with two minutes reads."""

from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from serlab.console import literal
from serlab.report.formatting import show
from serlab.report.load_test import load_summaries
from serlab.report.tables import OUTCOMES, baseline_of, build_tables, common_lines, own, without_figures
from serlab.report.wire_summary import wire_summaries
from serlab.stats import band

BUSY = 0.15
"""Difference of the baseline from itself from which a group is said to be disturbed."""
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("size_ratio", "size", ""),
    ("encode_ratio", "encode", "encode_verdict"),
    ("decode_ratio", "decode", "decode_verdict"),
    ("read_one_ratio", "read one", "read_one_verdict"),
    ("decode_allocations", "allocs", ""),
)
"""Column of the summary, its heading, and the column that says whether it is a tie."""
PARITY = ("parity", "outcome", "")
"""What is shown where no codec has a figure."""


def terminal_tables(rows: pd.DataFrame) -> list[Table]:
    """Build the summary, one block per workload, the fastest codec first.

    Args:
        rows: the tidy table of a run.

    Returns:
        What rich prints; empty if nothing was measured.
    """
    tables = build_tables(rows)
    summary = tables["summary"]
    columns = [column for column in COLUMNS if column[0] in summary.columns] or [PARITY]
    load = [*load_summaries(own(rows), baseline_of(own(rows))), *wire_summaries(tables.get("wire", pd.DataFrame()))]
    # On the wire sizes are an aside, and their table would push the answer off the screen.
    if summary.empty or (load and {column[0] for column in columns} <= {"size_ratio", PARITY[0]}):
        return load
    # As a text, since the name of a corpus may look like markup.
    title = Text(_legend(rows, columns, noise_of(tables["time"])))
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    # A corpus may have a long name, which must not take the room of the figures.
    table.add_column("workload, codec", max_width=26, overflow="fold")
    for _, heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for workload, group in summary.groupby("workload", sort=False):
        _add_group(table, str(workload), _ranked(group), columns)
    return [table, *load]


def _legend(rows: pd.DataFrame, columns: list[tuple[str, str, str]], noise: str) -> str:
    """Explain the figures."""
    base = baseline_of(own(rows))
    shown = [heading for _, heading, _ in columns]
    if columns == [PARITY]:
        return "No codec has a figure." if without_figures(own(rows)) else "The figures are in the tables."
    text = f"Ratios to {base}: 0.50 is half the bytes or time. Bold is the best."
    if any(verdict for _, _, verdict in columns):
        text += f"\n= is a tie with {base}: inside the machine's noise."
    if noise:
        text += f"\n{noise}"
    if "allocs" in shown:
        text += "\nallocs is how many allocations one decode makes."
    return "\n".join([text, *common_lines(own(rows))])


def noise_of(times: pd.DataFrame) -> str:
    """Say where the baseline differs most from itself, if that is more than people expect; else "".

    Of the operations that the summary shows, or of all where it shows none of them: what nobody reads does not matter.
    """
    if times.empty or times["aa_low"].isna().all():
        return ""
    names = [column.removesuffix("_ratio").replace("_", "-") for column, _, _ in COLUMNS]
    groups = times.dropna(subset=["aa_low"]).drop_duplicates(["workload", "operation"])
    shown = groups[groups["operation"].isin(names)]
    records = (shown if len(shown) else groups).to_dict("records")
    off = [band(row["aa_low"], row["aa_high"])[1] - 1 for row in records]
    busy = sum(one >= BUSY for one in off)
    if not busy:
        return ""
    worst = records[off.index(max(off))]
    most = f"by up to {100 * max(off):.0f} % (A/A; {worst['workload']}, {worst['operation']})"
    several = f" and by {100 * BUSY:.0f} % or more in {busy} of {len(off)} groups" if len(off) > 1 else ""
    return f"The machine was busy: the baseline differs from itself {most}{several}; less is a tie there."


def _ranked(group: pd.DataFrame) -> pd.DataFrame:
    """Order codecs by the time of one encode and one decode, or by size where no time was measured."""
    times = [name for name in ("encode_ns", "decode_ns", "encode_ratio", "decode_ratio") if name in group.columns]
    by = group[times].sum(axis=1, min_count=1) if times else group.get("size_ratio", group["codec"])
    return group.assign(_rank=by).sort_values("_rank", kind="stable").drop(columns="_rank")


def _add_group(table: Table, workload: str, group: pd.DataFrame, columns: list[tuple[str, str, str]]) -> None:
    """Add a workload's name and its codecs."""
    best = {name: group[name].min() for name, _, _ in columns if columns != [PARITY]}
    table.add_row(literal(workload, "bold"))
    for i, row in enumerate(group.to_dict("records")):
        cells = [_cell_of(row, name, verdict, best.get(name)) for name, _, verdict in columns]
        if row["parity"] in OUTCOMES.values():
            cells[0] = Text(str(row["parity"]), style="yellow")
        table.add_row(literal(f"  {row['codec']}"), *cells, end_section=i == len(group) - 1)


def _cell_of(row: dict[Any, Any], name: str, verdict: str, best: float | None) -> Text:
    """Write one figure: bold where it is the best, `=` where it ties with the baseline."""
    value = row[name]
    mark = " =" if verdict and row.get(verdict) == "tie" else "  " if verdict else ""
    return Text(show(name, value) + mark, style="bold" if value == best else "")
