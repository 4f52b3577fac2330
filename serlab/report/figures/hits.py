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
    """Draw by how many points each codec's hit rate is above the baseline's, against capacity.

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
    figure, panels = sheet(1, 1, [2.7], width=5.8)
    axis = panels[0][0]
    for name in gains.columns:
        draw(axis, gains[name])
    axis.set_ylabel("more hits, percentage points")
    tell_rates(axis, rates.iloc[:, 0])
    settle(figure)
    capacity, peak = rates.index[widest] * POINTS, gains.iloc[widest]
    label_points(axis, [(f"{name} {others}".rstrip(), capacity, peak[name]) for name, others in names.items()])
    return figure


def distinct_lines(rates: pd.DataFrame) -> dict[str, str]:
    """Choose one codec for each line, the baseline first, and say how many others lie under it."""
    found: dict[tuple[float, ...], list[str]] = {}
    for name in rates.columns:
        found.setdefault(tuple(rates[name].round(9)), []).append(str(name))
    return {first: f"(and {len(others)} more)" if others else "" for first, *others in found.values()}


def draw(axis: Any, gains: "pd.Series[float]") -> None:
    """Draw a codec's line."""
    name = str(gains.name)
    look = look_of(name)
    capacities = [float(share) * POINTS for share in gains.index]
    axis.plot(capacities, gains, look.mark + "-", color=look.colour, mfc=look.fill, ms=4, lw=1.2, gid=name)


def tell_rates(axis: Any, rates: "pd.Series[float]") -> None:
    """Write each capacity, and below it what the baseline hits with it."""
    axis.set_xscale("log")
    ticks = [float(share) * POINTS for share in rates.index]
    axis.set_xticks(ticks, [f"{tick:.0f} %\n{rate:.0f} %" for tick, rate in zip(ticks, rates, strict=True)])
    axis.set_xticks([], minor=True)
    axis.set_xlabel(f"capacity, of what all answers take as {rates.name}; below: requests that hit as {rates.name}")
