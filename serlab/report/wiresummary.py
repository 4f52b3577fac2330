"""The experiments on the wire for a terminal: a block for each experiment and workload.

Where arms meet under several conditions, conditions are the columns; where each condition has arms of its own, as in a
stream's forms, every arm has a line. A cell is the ratio to the baseline, or the figure where there is no ratio.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from serlab.report.units import in_unit, three_digits
from serlab.report.wire import FORMULA, wire_table
from serlab.stats import CONTROL, FLOOR

WIDEST = 6
"""Conditions that fit beside each other."""
BUSY = 0.9
"""Share of a core above which the client is said to be the bottleneck."""


def wire_summaries(rows: pd.DataFrame) -> list[Table]:
    """Build the blocks; empty if nothing was measured on the wire."""
    table = wire_table(rows)
    if table.empty:
        return []
    kept = table[~table["codec"].str.endswith(CONTROL) & ~table["codec"].str.startswith(f"{FLOOR}bytes of")]
    groups = kept.groupby(["experiment", "workload"], sort=False)
    return [block(str(experiment), str(workload), group) for (experiment, workload), group in groups]


def block(experiment: str, workload: str, group: pd.DataFrame) -> Table:
    """Lay out one experiment on one workload."""
    metrics = list(group["metric"].unique())
    conditions = list(group["conditions"].unique())
    text = legend(experiment, workload, group)
    shown = Table(title=text, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    is_crossed = len(metrics) == 1 and 1 < len(conditions) <= WIDEST and group["codec"].nunique() * 2 <= len(group)
    return crossed(shown, group, conditions) if is_crossed else listed(shown, group, metrics)


def legend(experiment: str, workload: str, group: pd.DataFrame) -> Text:
    """Name the block, and say where the client was what was waited for."""
    text = Text(f"{experiment}, {workload}", style="bold")
    bases = group[group["verdict"] == "baseline"]["codec"].unique()
    if len(bases):
        text.append(f"\nRatios to {' or '.join(bases)}, whose figures stand there; = is a tie.", "not bold")
    if group["codec_share"].notna().any():
        text.append("\n% is the codec's share of the call, on both sides of it.", "not bold")
    busiest = group[group["verdict"] != "floor"]["client_cpu_share"].max()
    if busiest >= BUSY:
        text.append(
            f"\nThe client's core is busy up to {100 * busiest:.0f} % of the time: it is the limit there.", "not bold"
        )
    return text


def crossed(shown: Table, group: pd.DataFrame, conditions: list[str]) -> Table:
    """Put conditions side by side; a cell is the ratio, with the codec's share of the call."""
    shown.add_column("", overflow="fold", max_width=24)
    for condition in conditions:
        shown.add_column(condition.replace(", ", "\n"), justify="right")
    cells = {(row["codec"], row["conditions"]): row for row in group.to_dict("records")}
    for codec in group["codec"].unique():
        row = [cells.get((codec, condition)) for condition in conditions]
        shown.add_row(Text(str(codec)), *(Text("–") if one is None else cell_of(one) for one in row))
    return shown


def listed(shown: Table, group: pd.DataFrame, metrics: list[str]) -> Table:
    """Give every arm a line, and every metric a column."""
    shown.add_column("", overflow="fold")
    for metric in metrics:
        shown.add_column(metric, justify="right", no_wrap=True)
    for condition, part in group.groupby("conditions", sort=False):
        if condition:
            shown.add_row(Text(str(condition), style="bold"))
        for line in lines_of(part, metrics):
            shown.add_row(*line)
    return shown


def lines_of(part: pd.DataFrame, metrics: list[str]) -> Iterator[list[Text]]:
    """Give the lines of one condition, each arm with its figures."""
    cells = {(row["codec"], row["metric"]): row for row in part.to_dict("records")}
    for codec in part["codec"].unique():
        row = [cells.get((codec, metric)) for metric in metrics]
        yield [Text(f"  {codec}"), *(Text("–") if one is None else figure_of(one) for one in row)]


def figure_of(row: dict[Any, Any]) -> Text:
    """Write a figure, and its ratio where that says something."""
    text = Text(in_unit(float(row["value"]), str(row["unit"])))
    ratio = float(row["ratio"])
    if ratio == ratio and row["verdict"] not in ("baseline", "floor"):
        text.append(f" {three_digits(ratio)}×{mark(row)}")
    return text


def cell_of(row: dict[Any, Any]) -> Text:
    """Write a ratio with the codec's share, or the figure itself for the baseline."""
    share, ratio = float(row["codec_share"]), float(row["ratio"])
    is_plain = row["verdict"] == "baseline" or ratio != ratio
    value = in_unit(float(row["value"]), str(row["unit"]))
    text = Text(value if is_plain else f"{three_digits(ratio)}×{mark(row)}")
    if share == share:
        text.append(f" {100 * share:.0f}%", "dim")
    return text


def mark(row: dict[Any, Any]) -> str:
    """Mark a tie."""
    return "=" if row["verdict"] == "tie" else "" if str(row["codec"]).startswith(FORMULA) else " "
