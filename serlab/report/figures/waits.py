"""A call as a bar: what its bytes cost alone, and what coding them adds, by codec, payload and transport."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from serlab.cases import CONTROL, FLOOR
from serlab.report.figures.data import Values, arms, chosen, is_codec, middle, missing, names_of
from serlab.report.figures.look import (
    BAND,
    QUIET,
    SMALL,
    Spread,
    drawn,
    label_points,
    look_of,
    settle,
    sheet,
    tick,
    time_axis,
)
from serlab.report.formatting import SIZE, TIME
from serlab.report.tables import baseline_of
from serlab.report.wire_calls import BASELINE, TRANSPORTS, call_table
from serlab.report.wire_reuse import hit_rates
from serlab.report.wire_tables import wire_arms
from serlab.stats import TIE, band, paired_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture


ROW = 0.19
"""Inches of one bar."""
ALONE = "#CCCCCC"
"""The colour of the transport's part, which is no codec's."""
REACH = 1.35
"""Of the longest bar, that an axis shows: room for the shares. Intervals that go on are cut off, or bars were lines."""


@drawn
def call_figure(
    rows: pd.DataFrame, workloads: Sequence[str] | None = None, codecs: Sequence[str] | None = None
) -> "Picture":
    """Draw calls one at a time, a line of panels for each workload, a column for each transport.

    Args:
        rows: the tidy table of a run with the experiment `transport`.
        workloads: which, in this order; None: all, the shortest call first.
        codecs: which; None: all but variants of a codec.

    Returns:
        The figure: in each bar the transport alone is grey and the codec coloured, with the percentage that is codec
        (`=`: not more than the A/A spread) and a 95 % interval of the call; a band is the baseline's A/A interval.

    Raises:
        NotMeasuredError: the run lacks the experiment.
        MissingPackageError: matplotlib is not installed.
    """
    calls = call_table(rows)
    if workloads is not None and len(calls):
        calls = calls[calls["workload"].isin(list(workloads))]
    if calls.empty:
        raise missing("what a call is made of", "the experiment transport", rows, "serlab wire transport")
    kept = codecs or [name for name in calls["codec"].unique() if not look_of(name).is_variant]
    shown = calls[calls["codec"].isin(list(kept)) | (calls["verdict"] == BASELINE)]
    names = list(workloads or shown.groupby("workload")["call_ns"].median().sort_values(kind="stable").index)
    ways = [name for name in TRANSPORTS if name in set(shown["transport"])]
    orders = [_order_of(shown[shown["workload"] == name]) for name in names]
    figure, panels = sheet(len(names), len(ways), [ROW * len(order) + 0.75 for order in orders], sharex="row")
    for name, order, axes in zip(names, orders, panels, strict=True):
        here = shown[shown["workload"] == name]
        for way, axis in zip(ways, axes, strict=True):
            axis.set_title(f"{name}\n{TRANSPORTS[way]}" if way == ways[0] else TRANSPORTS[way])
            _draw_panel(axis, here[here["transport"] == way], order)
        axes[0].set_yticks(range(len(order)), order)
        axes[0].set_xlim(0, REACH * here["call_ns"].max())
    figure.supxlabel(
        "time of a call; grey: the same bytes that nobody decodes; coloured: the codec, with its share (=: a tie)\n"
        "lines: 95 % interval of the call; band: the baseline's call once more (A/A)"
    )
    settle(figure)
    return figure


def _order_of(calls: pd.DataFrame) -> list[str]:
    """List the codecs of a workload, the slowest first, that is lowest, by their median over transports."""
    found = calls.groupby("codec", sort=False)["call_ns"].median().sort_values(ascending=False, kind="stable")
    return [str(name) for name in found.index]


def _draw_panel(axis: "Axes", calls: pd.DataFrame, order: Sequence[str]) -> None:
    """Draw one transport of one workload."""
    for row in calls.to_dict("records"):
        _draw_call(axis, order.index(row["codec"]), row)
        if row["verdict"] == BASELINE:
            low, high = (row["call_ns"] * end for end in band(row["aa_low"], row["aa_high"]))
            axis.axvspan(low, high, fc=BAND, ec=BAND, alpha=0.35, lw=1, zorder=0, gid="control")
    axis.set_yticks(range(len(order)), [""] * len(order))
    axis.set_ylim(-0.7, len(order) - 0.3)
    axis.tick_params(axis="y", length=0)
    axis.locator_params(axis="x", nbins=4)
    axis.xaxis.set_major_formatter(lambda value, _: tick(value, TIME))


def _draw_call(axis: "Axes", place: int, row: dict[Any, Any]) -> None:
    """Draw one bar, its interval and its percentage."""
    look, alone, codec = look_of(row["codec"]), row["transport_ns"], max(row["codec_ns"], 0.0)
    axis.barh(place, alone, height=0.66, fc=ALONE, ec="none", zorder=1, gid=f"{row['codec']} alone")
    axis.barh(place, codec, left=alone, height=0.66, fc=look.fill, ec=look.colour, lw=0.8, zorder=2, gid=row["codec"])
    low, high = row["call_ns"] - row["call_ns_low"], row["call_ns_high"] - row["call_ns"]
    axis.errorbar(row["call_ns"], place, xerr=[[low], [high]], fmt="none", ecolor=QUIET, elinewidth=1, zorder=4)
    text = f"{100 * row['codec_share']:.0f} %" + (" =" if row["part_verdict"] == TIE else "")
    box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.3}
    style: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": SMALL, "bbox": box, "zorder": 5, "gid": "share"}
    # At the panel's edge, where it covers no bar; the place counts bars, the 1 is of the panel's width.
    axis.text(1, place, text, transform=axis.get_yaxis_transform(), **style)


# Hit rate against a cache's capacity: what a compact codec buys by holding more answers in the same bytes.

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
    names = _distinct_lines(rates)
    gains = rates[list(names)].sub(rates.iloc[:, 0], axis=0)
    widest = int(gains.abs().max(axis=1).to_numpy().argmax())
    figure, panels = sheet(1, 1, [2.7], width=5.8)
    axis = panels[0][0]
    for name in gains.columns:
        _draw(axis, gains[name])
    axis.set_ylabel("more hits, percentage points")
    _tell_rates(axis, rates.iloc[:, 0])
    settle(figure)
    capacity, peak = rates.index[widest] * POINTS, gains.iloc[widest]
    label_points(axis, [(f"{name} {others}".rstrip(), capacity, peak[name]) for name, others in names.items()])
    return figure


def _distinct_lines(rates: pd.DataFrame) -> dict[str, str]:
    """Choose one codec for each line, the baseline first, and say how many others lie under it."""
    found: dict[tuple[float, ...], list[str]] = {}
    for name in rates.columns:
        found.setdefault(tuple(rates[name].round(9)), []).append(str(name))
    return {first: f"(and {len(others)} more)" if others else "" for first, *others in found.values()}


def _draw(axis: Any, gains: "pd.Series[float]") -> None:
    """Draw a codec's line."""
    name = str(gains.name)
    look = look_of(name)
    capacities = [float(share) * POINTS for share in gains.index]
    axis.plot(capacities, gains, look.mark + "-", color=look.colour, mfc=look.fill, ms=4, lw=1.2, gid=name)


def _tell_rates(axis: Any, rates: "pd.Series[float]") -> None:
    """Write each capacity, and below it what the baseline hits with it."""
    axis.set_xscale("log")
    ticks = [float(share) * POINTS for share in rates.index]
    axis.set_xticks(ticks, [f"{tick:.0f} %\n{rate:.0f} %" for tick, rate in zip(ticks, rates, strict=True)])
    axis.set_xticks([], minor=True)
    axis.set_xlabel(f"capacity, of what all answers take as {rates.name}; below: requests that hit as {rates.name}")


# Lag of an event loop: how long is everything else kept waiting while bodies are coded?
#
# Codecs stand below each other, so that 18 can be told apart; their curves over the body sizes of 13 workloads could
# not be read. A title names the size.

OPERATIONS = ("encode", "decode")
WAYS = {"inline": "in the coroutine", "thread": "in a thread", "pool": "in a pool"}
"""Where a body is coded → how it is written."""
IDLE = FLOOR + "idle"
RATES = ("rate", "byte-rate")
"""Metrics whose ratio is a body's size."""


class _Lag(NamedTuple):
    """How late a loop is while one codec works on it, nanoseconds."""

    median: float
    p99: Spread
    most: float


Lags = dict[str, _Lag]
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
    lines = {(name, operation): _ways_of(kept, name, operation) for name in names for operation in operations}
    lines = {place: ways for place, ways in lines.items() if ways}
    if not lines:
        raise missing("the lag figure", "the lag of an event loop", rows, "serlab throughput")
    columns = [way for way in WAYS if any(way in ways for ways in lines.values())]
    heights = [ROW * len(_lag_order_of(ways)) + 0.8 for ways in lines.values()]
    figure, panels = sheet(len(lines), len(columns), heights, sharex="row", sharey="row")
    for ((name, operation), ways), axes in zip(lines.items(), panels, strict=True):
        for way, axis in zip(columns, axes, strict=True):
            place = f"{operation} {name}\n{_size_text(sizes[name])}" if way == columns[0] else ""
            axis.set_title(place + WAYS[way])
            _lag_draw_panel(axis, ways.get(way, {}), _lag_order_of(ways), baseline)
    figure.supxlabel(
        "lag of the event loop (log scale): 99th percentile with 95 % interval; pale bar: median to maximum\n"
        f"band: 99th percentile of {baseline} once more (A/A); dashed: a loop without any coding"
    )
    settle(figure)
    return figure


def _ways_of(rows: pd.DataFrame, workload: str, operation: str) -> dict[str, Lags]:
    """Give the lags of each way to code that was measured."""
    found = {way: _lags_of(rows, workload, f"{operation}/{way}") for way in WAYS}
    return {way: lags for way, lags in found.items() if lags}


def _lags_of(rows: pd.DataFrame, workload: str, operation: str) -> Lags:
    """Give the lags of one group of rows."""
    median, p99, most = (arms(rows, workload, operation, f"lag-{name}") for name in ("p50", "p99", "max"))
    return {
        arm: _Lag(middle(median.get(arm, {})), spread_of(values), middle(most.get(arm, {})))
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


def _size_text(size: float) -> str:
    """Write a size where it is known."""
    return "" if np.isnan(size) else f"{tick(float(f'{size:.3g}'), SIZE)}, "


def _lag_order_of(ways: Mapping[str, Lags]) -> list[str]:
    """List the codecs, the one with the most lag first, by the first way that each was measured in."""
    late: dict[str, float] = {}
    for lags in ways.values():
        for arm, lag in lags.items():
            late.setdefault(arm, lag.p99.value)
    return sorted(filter(is_codec, late), key=lambda codec: -late[codec])


def _lag_draw_panel(axis: "Axes", lags: Lags, order: Sequence[str], baseline: str) -> None:
    """Draw one way of one operation."""
    axis.set_xscale("log")
    for place, codec in enumerate(order):
        if codec in lags:
            _draw_codec(axis, place, codec, lags[codec])
    if baseline + CONTROL in lags:
        _, low, high = lags[baseline + CONTROL].p99
        axis.axvspan(low, high, fc=BAND, ec=BAND, alpha=0.5, lw=1, zorder=0, gid="control")
    if IDLE in lags:
        axis.axvline(lags[IDLE].p99.value, color=QUIET, ls=(0, (4, 3)), lw=1, zorder=1, gid="floor")
    axis.set_yticks(range(len(order)), list(order))
    axis.set_ylim(-0.7, len(order) - 0.3)
    axis.tick_params(axis="y", length=0)
    time_axis(axis.xaxis)


def _draw_codec(axis: "Axes", place: int, codec: str, lag: _Lag) -> None:
    """Draw one codec's 99th percentile on its reach."""
    look, (value, low, high) = look_of(codec), lag.p99
    reach: dict[str, Any] = {"left": lag.median, "height": 0.62, "color": look.colour, "alpha": 0.3, "lw": 0}
    axis.barh(place, lag.most - lag.median, **reach, zorder=2, gid=f"{codec} reach")
    style: dict[str, Any] = {"color": look.colour, "mfc": look.fill, "ms": 4.5, "elinewidth": 1, "capsize": 2.5}
    axis.errorbar(value, place, xerr=[[value - low], [high - value]], fmt=look.mark, **style, zorder=4, gid=codec)
