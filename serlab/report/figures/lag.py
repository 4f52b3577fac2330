"""Lag of an event loop against body size: how long is everything else kept waiting while bodies are coded?

Codecs stand side by side at each size, so that their intervals can be told apart; only the middle of each group is at
the true size.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from serlab.report.figures.data import Values, arms, chosen, is_codec, middle, missing, names_of
from serlab.report.figures.labels import reserve_ends, spread_ends
from serlab.report.figures.look import BAND, QUIET, SMALL, Spread, drawn, look_of, marks, settle, sheet, tick, time_axis
from serlab.report.tables import baseline_of
from serlab.report.units import SIZE
from serlab.stats import CONTROL, FLOOR, paired_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

OPERATIONS = ("encode", "decode")
WAYS = {"inline": "in the coroutine", "thread": "in a thread", "pool": "in a pool of one process"}
"""Where a body is coded → how it is written."""
IDLE = FLOOR + "idle"
DODGE = 0.6
"""Share of the distance between two sizes that the codecs of one size spread over."""
RATES = ("rate", "byte-rate")
"""Metrics whose ratio is a body's size."""
Place = tuple[str, str]
"""Operation and way."""


@drawn
def lag_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = OPERATIONS,
    codecs: Sequence[str] | None = None,
) -> "Picture":
    """Draw how late the loop is, a line of panels for each way to code and a column for each operation.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all whose lag was measured.
        operations: encode, decode.
        codecs: which; None: all.

    Returns:
        The figure: the 99th percentile as a mark with a 95 % interval, joined over the body sizes; the median below
        and the maximum above as dashes; the baseline's second arm (A/A) as a band; a
        loop without any coding as a dashed line.

    Raises:
        NotMeasuredError: the run holds no lag of these operations.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept = chosen(rows, workloads, codecs)
    found = [name for name in workloads or names_of(kept, "workload") if has_lag(kept, name)]
    places = [(one, way) for way in WAYS for one in operations if f"{one}/{way}" in set(kept["operation"])]
    if not found or not places:
        raise missing("the lag curves", "the lag of an event loop", rows, "serlab throughput")
    ways = list(dict.fromkeys(way for _, way in places))
    columns = list(dict.fromkeys(one for one, _ in places))
    figure, panels = sheet(len(ways), len(columns), [2.9] * len(ways), sharey=True)
    ends = []
    for axis, place in ((panels[ways.index(way)][columns.index(one)], (one, way)) for one, way in places):
        axis.set_title(f"{place[0]} {WAYS[place[1]]}")
        ends.append((axis, draw_panel(axis, kept, found, place)))
    time_axis(panels[0][0].yaxis)
    figure.supxlabel(f"bytes per message, {baseline_of(rows)}'s", fontsize=9)
    figure.supylabel(
        "lag: median (-), 99th percentile (mark, 95 % interval), maximum (-); log scale\n"
        "band: A/A; dashed: a loop without any coding",
        fontsize=SMALL,
    )
    settle(figure)
    for axis, labels in ends:
        spread_ends(axis, labels)
    return figure


def has_lag(rows: pd.DataFrame, workload: str) -> bool:
    """Tell whether the lag was measured on a workload."""
    return bool(((rows["workload"] == workload) & (rows["metric"] == "lag-p99")).any())


def size_of(rows: pd.DataFrame, workload: str, baseline: str) -> float:
    """Give the baseline's mean bytes per message, from the size part or the rates; not a number where neither is."""
    here = rows[(rows["workload"] == workload) & (rows["codec"] == baseline)]
    raw = here[(here["operation"] == "size") & (here["metric"] == "raw")]["value"]
    if len(raw):
        return float(raw.mean())
    rate, volume = (here[here["metric"] == metric].groupby("operation")["value"].median() for metric in RATES)
    return float((volume / rate).median())


def spread_of(values: Values) -> Spread:
    """Give the median over workers with an interval that resamples them.

    A lag stands for itself: what delays a loop does not delay all codecs alike, so a ratio would be less certain.
    """
    found = paired_ratio(values, dict.fromkeys(values, 1.0))
    return Spread(found.value, found.low, found.high)


def draw_panel(axis: "Axes", rows: pd.DataFrame, workloads: list[str], place: Place) -> list[Any]:
    """Draw one way of one operation; give the labels at the ends."""
    operation, baseline = "/".join(place), baseline_of(rows)
    workloads = [name for name in workloads if arms(rows, name, operation, "lag-p99")]
    workloads.sort(key=lambda name: (size_of(rows, name, baseline), name))
    axis.set_yscale("log")
    ends = draw_codecs(axis, rows, workloads, operation)
    draw_limits(axis, rows, workloads, operation, baseline)
    axis.set_xlim(-0.5, len(workloads) - 0.5)
    texts = [f"{name}\n{size_text(size_of(rows, name, baseline))}" for name in workloads]
    axis.set_xticks(range(len(workloads)), texts)
    return reserve_ends(axis, ends)


def size_text(size: float) -> str:
    """Write a size where it is known."""
    return "" if np.isnan(size) else tick(float(f"{size:.3g}"), SIZE)


def draw_codecs(axis: "Axes", rows: pd.DataFrame, workloads: list[str], operation: str) -> list[tuple[str, float]]:
    """Draw the codecs' curves; give each one's last 99th percentile."""
    p99 = [
        {codec: spread_of(values) for codec, values in arms(rows, name, operation, "lag-p99").items()}
        for name in workloads
    ]
    codecs = sorted({codec for found in p99 for codec in found if is_codec(codec)})
    ends = []
    for i, codec in enumerate(codecs):
        shift = DODGE * ((i + 0.5) / len(codecs) - 0.5)
        places = [(k + shift, found[codec], name) for k, (found, name) in enumerate(zip(p99, workloads, strict=True))
                  if codec in found]  # fmt: skip
        marks(axis, codec, [x for x, _, _ in places], [figure for _, figure, _ in places], "-")
        for x, _, name in places:
            draw_reach(axis, rows, name, operation, codec, x)
        ends.append((codec, places[-1][1].value))
    return ends


def draw_reach(axis: "Axes", rows: pd.DataFrame, workload: str, operation: str, codec: str, x: float) -> None:
    """Draw a codec's median and maximum, joined by a thin line."""
    ends = [middle(arms(rows, workload, operation, f"lag-{name}").get(codec, {})) for name in ("p50", "max")]
    colour = look_of(codec).colour
    axis.plot([x, x], ends, "-", color=colour, lw=0.6, marker="_", ms=6, alpha=0.7, zorder=2, gid=f"{codec} reach")


def draw_limits(axis: "Axes", rows: pd.DataFrame, workloads: list[str], operation: str, baseline: str) -> None:
    """Draw the A/A interval and the idle loop at each size."""
    for k, name in enumerate(workloads):
        found = arms(rows, name, operation, "lag-p99")
        again = found.get(baseline + CONTROL)
        if again:
            _, low, high = spread_of(again)
            axis.fill_between([k - 0.5, k + 0.5], low, high, color=BAND, alpha=0.5, lw=1, zorder=0, gid="control")
        idle = middle(found.get(IDLE, {}))
        if not np.isnan(idle):
            axis.plot([k - 0.5, k + 0.5], [idle, idle], color=QUIET, ls=(0, (4, 3)), lw=1, zorder=1, gid="floor")
