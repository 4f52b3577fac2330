"""Lag of an event loop: how long is everything else kept waiting while bodies are coded?

Codecs stand below each other, so that 18 can be told apart; their curves over the body sizes of 13 workloads could not
be read. A title names the size.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from serlab.report.figures.data import Values, arms, chosen, is_codec, middle, missing, names_of
from serlab.report.figures.look import BAND, QUIET, Spread, drawn, look_of, settle, sheet, tick, time_axis
from serlab.report.tables import baseline_of
from serlab.report.units import SIZE
from serlab.stats import CONTROL, FLOOR, paired_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

OPERATIONS = ("encode", "decode")
WAYS = {"inline": "in the coroutine", "thread": "in a thread", "pool": "in a pool"}
"""Where a body is coded → how it is written."""
IDLE = FLOOR + "idle"
RATES = ("rate", "byte-rate")
"""Metrics whose ratio is a body's size."""
ROW = 0.19
"""Inches of one codec."""


class Lag(NamedTuple):
    """How late a loop is while one codec works on it, nanoseconds."""

    median: float
    p99: Spread
    most: float


Lags = dict[str, Lag]
"""Arm → lag."""


@drawn
def lag_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = OPERATIONS,
    codecs: Sequence[str] | None = None,
) -> "Picture":
    """Draw how late the loop is, a line of panels for each workload and operation, a column for each way to code.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all whose lag was measured, the smallest bodies first.
        operations: encode, decode.
        codecs: which; None: all.

    Returns:
        The figure: the 99th percentile as a mark with a 95 % interval, on a pale bar from the median to the maximum;
        the baseline's second arm (A/A) as a band; a loop without any coding as a dashed line.

    Raises:
        NotMeasuredError: the run holds no lag of these operations.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    sizes = {name: size_of(kept, name, baseline) for name in workloads or names_of(kept, "workload")}
    names = workloads or sorted(sizes, key=lambda name: (sizes[name], name))
    lines = {(name, operation): ways_of(kept, name, operation) for name in names for operation in operations}
    lines = {place: ways for place, ways in lines.items() if ways}
    if not lines:
        raise missing("the lag figure", "the lag of an event loop", rows, "serlab throughput")
    columns = [way for way in WAYS if any(way in ways for ways in lines.values())]
    heights = [ROW * len(order_of(ways)) + 0.8 for ways in lines.values()]
    figure, panels = sheet(len(lines), len(columns), heights, sharex="row", sharey="row")
    for ((name, operation), ways), axes in zip(lines.items(), panels, strict=True):
        for way, axis in zip(columns, axes, strict=True):
            place = f"{operation} {name}\n{size_text(sizes[name])}" if way == columns[0] else ""
            axis.set_title(place + WAYS[way])
            draw_panel(axis, ways.get(way, {}), order_of(ways), baseline)
    figure.supxlabel(
        "lag of the event loop (log scale): 99th percentile with 95 % interval; pale bar: median to maximum\n"
        f"band: 99th percentile of {baseline} once more (A/A); dashed: a loop without any coding"
    )
    settle(figure)
    return figure


def ways_of(rows: pd.DataFrame, workload: str, operation: str) -> dict[str, Lags]:
    """Give the lags of each way to code that was measured."""
    found = {way: lags_of(rows, workload, f"{operation}/{way}") for way in WAYS}
    return {way: lags for way, lags in found.items() if lags}


def lags_of(rows: pd.DataFrame, workload: str, operation: str) -> Lags:
    """Give the lags of one group of rows."""
    median, p99, most = (arms(rows, workload, operation, f"lag-{name}") for name in ("p50", "p99", "max"))
    return {
        arm: Lag(middle(median.get(arm, {})), spread_of(values), middle(most.get(arm, {})))
        for arm, values in p99.items()
    }


def spread_of(values: Values) -> Spread:
    """Give the median over workers with an interval that resamples them.

    A lag stands for itself: what delays a loop does not delay all codecs alike, so a ratio would be less certain.
    """
    found = paired_ratio(values, dict.fromkeys(values, 1.0))
    return Spread(found.value, found.low, found.high)


def size_of(rows: pd.DataFrame, workload: str, baseline: str) -> float:
    """Give the baseline's mean bytes per message, from the size part or the rates; not a number where neither is."""
    here = rows[(rows["workload"] == workload) & (rows["codec"] == baseline)]
    raw = here[(here["operation"] == "size") & (here["metric"] == "raw")]["value"]
    if len(raw):
        return float(raw.mean())
    rate, volume = (here[here["metric"] == metric].groupby("operation")["value"].median() for metric in RATES)
    return float((volume / rate).median())


def size_text(size: float) -> str:
    """Write a size where it is known."""
    return "" if np.isnan(size) else f"{tick(float(f'{size:.3g}'), SIZE)}, "


def order_of(ways: Mapping[str, Lags]) -> list[str]:
    """List the codecs, the one with the most lag first, by the first way that each was measured in."""
    late: dict[str, float] = {}
    for lags in ways.values():
        for arm, lag in lags.items():
            late.setdefault(arm, lag.p99.value)
    return sorted(filter(is_codec, late), key=lambda codec: -late[codec])


def draw_panel(axis: "Axes", lags: Lags, order: Sequence[str], baseline: str) -> None:
    """Draw one way of one operation."""
    axis.set_xscale("log")
    for place, codec in enumerate(order):
        if codec in lags:
            draw_codec(axis, place, codec, lags[codec])
    if baseline + CONTROL in lags:
        _, low, high = lags[baseline + CONTROL].p99
        axis.axvspan(low, high, fc=BAND, ec=BAND, alpha=0.5, lw=1, zorder=0, gid="control")
    if IDLE in lags:
        axis.axvline(lags[IDLE].p99.value, color=QUIET, ls=(0, (4, 3)), lw=1, zorder=1, gid="floor")
    axis.set_yticks(range(len(order)), list(order))
    axis.set_ylim(-0.7, len(order) - 0.3)
    axis.tick_params(axis="y", length=0)
    time_axis(axis.xaxis)


def draw_codec(axis: "Axes", place: int, codec: str, lag: Lag) -> None:
    """Draw one codec's 99th percentile on its reach."""
    look, (value, low, high) = look_of(codec), lag.p99
    reach: dict[str, Any] = {"left": lag.median, "height": 0.62, "color": look.colour, "alpha": 0.3, "lw": 0}
    axis.barh(place, lag.most - lag.median, **reach, zorder=2, gid=f"{codec} reach")
    style: dict[str, Any] = {"color": look.colour, "mfc": look.fill, "ms": 4.5, "elinewidth": 1, "capsize": 2.5}
    axis.errorbar(value, place, xerr=[[value - low], [high - value]], fmt=look.mark, **style, zorder=4, gid=codec)
