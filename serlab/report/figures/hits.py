"""Hit rate against a cache's capacity: what a compact codec buys by holding more answers in the same bytes."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from serlab.report.figures.data import missing
from serlab.report.figures.labels import label_points
from serlab.report.figures.look import drawn, look_of, settle, sheet
from serlab.report.wirearms import wire_arms
from serlab.report.wirecache import hit_rates

if TYPE_CHECKING:
    from serlab.report.figures.canvas import Picture

EXPERIMENT = "cache"
POINTS = 100
"""Percentage points in a whole."""


@drawn
def hit_figure(rows: pd.DataFrame, workload: str = "") -> "Picture":
    """Draw hit rate against capacity, and how many points each codec gains over the baseline.

    Args:
        rows: the tidy table of a run with the experiment `cache`.
        workload: of the answers; "" stands for the first.

    Returns:
        The figure; codecs whose answers take the same bytes share a line, which the name of one stands for.

    Raises:
        NotMeasuredError: the run lacks the experiment.
        MissingPackageError: matplotlib is not installed.
    """
    if "hit-rate" not in set(rows["metric"]):
        raise missing("hit rates", "the experiment cache", rows, "serlab wire cache")
    rates = hit_rates(wire_arms(rows, EXPERIMENT, workload)) * POINTS
    names = distinct_lines(rates)
    gains = rates[list(names)].sub(rates.iloc[:, 0], axis=0)
    widest = int(gains.abs().max(axis=1).to_numpy().argmax())
    figure, panels = sheet(1, 2, [3.6], sharex=True)
    left, right = panels[0]
    draw(left, rates[list(names)], "requests that hit, %")
    draw(right, gains, f"points more than {rates.columns[0]}")
    figure.supxlabel(f"capacity, % of what all answers take as {rates.columns[0]}")
    settle(figure)
    capacity, peak = rates.index[widest] * POINTS, gains.iloc[widest]
    label_points(right, [(f"{name} {others}".rstrip(), capacity, peak[name]) for name, others in names.items()])
    return figure


def distinct_lines(rates: pd.DataFrame) -> dict[str, str]:
    """Choose one codec for each line, the baseline first, and say how many others lie under it."""
    found: dict[tuple[float, ...], list[str]] = {}
    for name in rates.columns:
        found.setdefault(tuple(rates[name].round(9)), []).append(str(name))
    return {first: f"(and {len(others)} more)" if others else "" for first, *others in found.values()}


def draw(axis: Any, table: pd.DataFrame, label: str) -> None:
    """Draw a line for each codec."""
    axis.set_ylabel(label)
    axis.set_xscale("log")
    for name in table.columns:
        look = look_of(str(name))
        axis.plot(table.index * POINTS, table[name], look.mark + "-", color=look.colour, ms=4, lw=1.2, gid=str(name))
    ticks = [float(share) * POINTS for share in table.index]
    axis.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks], minor=False)
    axis.set_xticks([], minor=True)
