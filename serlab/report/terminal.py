"""The summary for a terminal: what someone with two minutes reads."""

from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from serlab.report.tables import baseline_of, build_tables
from serlab.report.units import show

COLUMNS = (
    ("size_ratio", "size", None),
    ("encode_ratio", "encode", "encode_verdict"),
    ("decode_ratio", "decode", "decode_verdict"),
    ("read_one_ratio", "read one", "read_one_verdict"),
    ("decode_allocations", "allocations", None),
)


def terminal_tables(rows: pd.DataFrame) -> list[Table]:
    """Build the summary, one block per workload.

    Args:
        rows: the tidy table of a run.

    Returns:
        What rich prints; empty if nothing was measured.
    """
    summary = build_tables(rows)["summary"]
    if summary.empty:
        return []
    columns = [entry for entry in COLUMNS if entry[0] in summary.columns]
    table = Table(title=title_of(rows, columns), title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("workload", no_wrap=True)
    table.add_column("codec", no_wrap=True)
    for _, heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for workload, group in summary.groupby("workload", sort=False):
        add_group(table, str(workload), group, columns)
    return [table]


def title_of(rows: pd.DataFrame, columns: list[tuple[str, str, str | None]]) -> str:
    """Explain the figures in two lines."""
    base = baseline_of(rows)
    text = f"Ratios to {base}: 0.50 is half the bytes or half the time. Bold is the best."
    return f"{text}\n= is a tie with {base}, no difference beyond the machine's noise."


def add_group(table: Table, workload: str, group: pd.DataFrame, columns: list[Any]) -> None:
    """Add a workload's codecs; its name stands in the first row only."""
    best = {name: group[name].min() for name, _, _ in columns}
    for i, row in enumerate(group.to_dict("records")):
        cells: list[Text | str] = [workload if i == 0 else "", str(row["codec"])]
        cells += [cell_of(row, name, verdict, best[name]) for name, _, verdict in columns]
        if row["parity"] not in ("", "equal"):
            cells[2] = Text(row["parity"], style="yellow")
        table.add_row(*cells, end_section=i == len(group) - 1)


def cell_of(row: dict[Any, Any], name: str, verdict: str | None, best: float) -> Text:
    """Write one figure: bold where it is the best, `=` where it ties with the baseline."""
    value = row[name]
    text = show(name, value)
    tie = verdict is not None and row.get(verdict) == "tie"
    return Text(f"{text} {'=' if tie else ' '}" if verdict else text, style="bold" if value == best else "")
