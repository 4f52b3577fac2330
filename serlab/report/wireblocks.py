"""The experiments on the wire as blocks that a terminal and a page can show: one for each experiment and workload.

Where arms meet under several conditions, conditions are the columns. Where each condition has arms of its own, as the
forms of a stream do, or several metrics, every arm has a line.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from serlab.report.units import in_unit, three_digits
from serlab.report.wire import BYTES_OF
from serlab.stats import CONTROL

WIDEST = 6
"""Conditions that fit beside each other."""
BUSY = 0.9
"""Share of a core above which the client is said to be the bottleneck."""


class Block(NamedTuple):
    """One experiment on one workload.

    Attributes:
        experiment: its name.
        workload: the messages' workload.
        legend: sentences that explain the figures.
        heads: of the columns after the first.
        lines: the first column's text and the cells; no cells where the line heads those below it.
    """

    experiment: str
    workload: str
    legend: list[str]
    heads: list[str]
    lines: list[tuple[str, list[str]]]


def blocks(table: pd.DataFrame) -> list[Block]:
    """Build the blocks.

    Args:
        table: what `serlab.report.wire.wire_table` gave.

    Returns:
        One for each experiment and workload; empty if nothing was measured on the wire.
    """
    if table.empty:
        return []
    kept = table[~table["codec"].str.endswith(CONTROL) & ~table["codec"].str.startswith(BYTES_OF)]
    groups = kept.groupby(["experiment", "workload"], sort=False)
    return [block(str(experiment), str(workload), group) for (experiment, workload), group in groups]


def block(experiment: str, workload: str, group: pd.DataFrame) -> Block:
    """Lay out one experiment on one workload."""
    metrics = [str(name) for name in group["metric"].unique()]
    conditions = [str(name) for name in group["conditions"].unique()]
    # What holds under all conditions, such as the size of a body, is a column beside theirs.
    crossing = group[group["conditions"] != ""]
    is_crossed = crossing["metric"].nunique() == 1 and 1 < len(conditions) <= WIDEST
    is_crossed = is_crossed and group["codec"].nunique() * 2 <= len(group)
    heads = [name or metric_without_conditions(group) for name in conditions] if is_crossed else metrics
    lines = crossed(group, conditions) if is_crossed else listed(group, metrics)
    return Block(experiment, workload, legend(group), heads, list(lines))


def metric_without_conditions(group: pd.DataFrame) -> str:
    """Name the metric of the rows that hold under all conditions."""
    return str(group[group["conditions"] == ""]["metric"].iloc[0])


def legend(group: pd.DataFrame) -> list[str]:
    """Explain the figures, and say where the client was what was waited for."""
    said = []
    bases = [str(name) for name in group[group["verdict"] == "baseline"]["codec"].unique()]
    if bases:
        said.append(f"Ratios to {' or '.join(bases)}, whose own figures stand there; = is a tie.")
    if group["codec_share"].notna().any():
        said.append("% is the codec's share of the call, on both sides of it.")
    busiest = group[group["verdict"] != "floor"]["client_cpu_share"].max()
    if busiest >= BUSY:
        said.append(f"The client's core is busy up to {100 * busiest:.0f} % of the time: it is the limit there.")
    return said


def crossed(group: pd.DataFrame, conditions: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Put conditions side by side."""
    cells = {(row["codec"], row["conditions"]): row for row in group.to_dict("records")}
    for codec in group["codec"].unique():
        found = [cells.get((codec, condition)) for condition in conditions]
        yield str(codec), ["–" if row is None else short(row) for row in found]


def listed(group: pd.DataFrame, metrics: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Give every arm a line, and every metric a column."""
    for condition, part in group.groupby("conditions", sort=False):
        if condition:
            yield str(condition), []
        cells = {(row["codec"], row["metric"]): row for row in part.to_dict("records")}
        for codec in part["codec"].unique():
            found = [cells.get((codec, metric)) for metric in metrics]
            yield f"  {codec}", ["–" if row is None else full(row) for row in found]


def short(row: dict[Any, Any]) -> str:
    """Write a ratio, or the figure itself where there is none, with the codec's share."""
    has_ratio = row["ratio"] == row["ratio"] and row["verdict"] != "baseline"
    text = ratio_of(row) if has_ratio else in_unit(row["value"], row["unit"])
    share = row["codec_share"]
    return text if share != share else f"{text} {100 * share:.0f}%"


def full(row: dict[Any, Any]) -> str:
    """Write a figure, and its ratio where that says something."""
    text = in_unit(row["value"], row["unit"])
    if row["ratio"] != row["ratio"] or row["verdict"] in ("baseline", "floor", "formula"):
        return text
    return f"{text}  {ratio_of(row)}"


def ratio_of(row: dict[Any, Any]) -> str:
    """Write a ratio, marked where it is a tie."""
    return f"{three_digits(row['ratio'])}×" + ("=" if row["verdict"] == "tie" else " ")
