"""Size against time: which codecs are worth a thought, because no other is both smaller and faster?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from serlab.report.figures.data import (
    Values,
    chosen,
    control_of,
    is_codec,
    middle,
    missing,
    sizes,
    sums,
    times,
    workloads_with,
)
from serlab.report.figures.labels import label_points, segments
from serlab.report.figures.look import BAND, QUIET, SMALL, Spread, drawn, marks, settle, sheet, size_axis, time_axis
from serlab.report.tables import baseline_of
from serlab.stats import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

COLUMNS = 2
Points = dict[str, tuple[float, Spread]]
"""Codec → mean bytes per message, nanoseconds per message."""


@drawn
def pareto_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = ("encode", "decode"),
    size: str = "raw",
    codecs: Sequence[str] | None = None,
) -> "Picture":
    """Draw size against time, a panel for each workload, with the front of the codecs that none beats in both.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all with sizes and times.
        operations: whose times are added up.
        size: raw, gzip or zstd.
        codecs: which; None: all.

    Returns:
        The figure: a mark with a 95 % interval of the time for each codec; names on the front are bold; the
        baseline's A/A interval as a band.

    Raises:
        NotMeasuredError: the run lacks sizes or times.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    found = {name: points_of(kept, name, operations, size, baseline) for name in kept["workload"].unique()}
    names = workloads_with(kept, workloads, lambda name: bool(found.get(name)))
    if not names:
        needs = f"sizes ({size}) and times of {' and '.join(operations)}"
        raise missing("size against time", needs, rows, "serlab compare")
    columns = min(COLUMNS, len(names))
    lines = -(-len(names) // columns)
    figure, panels = sheet(lines, columns, [3.6 if columns > 1 else 4.4] * lines)
    flat = [axis for line in panels for axis in line]
    for axis in flat[len(names) :]:
        axis.set_axis_off()
    for name, axis in zip(names, flat, strict=False):
        axis.set_title(name)
        draw_marks(axis, found[name])
        draw_control(axis, sums(kept, name, operations), baseline)
    legend = f"95 % intervals of the time; dashed: none is smaller and faster; grey: {baseline}'s A/A interval"
    figure.supxlabel(f"bytes per message, {size} (log scales)\n{legend}")
    figure.supylabel(f"{' + '.join(operations)}, time per message")
    settle(figure)
    for name, axis in zip(names, flat, strict=False):
        points = [(codec, x, y.value) for codec, (x, y) in found[name].items()]
        obstacles = segments(axis, *corners_of(axis, found[name]))
        for x, y in found[name].values():
            obstacles += segments(axis, [x, x], [y.low, y.high])
        if baseline in found[name]:
            obstacles += segments(axis, axis.get_xlim(), [found[name][baseline][1].value] * 2)
        label_points(axis, points, obstacles, front_of(found[name]))
    return figure


def points_of(rows: pd.DataFrame, workload: str, operations: Sequence[str], size: str, baseline: str) -> Points:
    """Give the codecs of a workload that have both a size and a time."""
    bytes_of = sizes(rows, workload, size)
    found = times(sums(rows, workload, operations), baseline)
    return {name: (bytes_of[name], time) for name, time in found.items() if is_codec(name) and name in bytes_of}


def front_of(points: Mapping[str, tuple[float, Spread]]) -> list[str]:
    """Name the codecs that no other beats in both size and time, from the smallest to the fastest."""
    front: list[str] = []
    for name in sorted(points, key=lambda name: (points[name][0], points[name][1].value)):
        if not front or points[name][1].value < points[front[-1]][1].value:
            front.append(name)
    return front


def draw_marks(axis: "Axes", points: Points) -> None:
    """Draw the codecs of one workload and the front as steps."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    for name, (x, y) in points.items():
        marks(axis, name, [x], [y])
    pad(axis, points)
    axis.plot(
        *corners_of(axis, points), color=QUIET, lw=1, ls=(0, (4, 2)), zorder=1, gid="front", scalex=False, scaley=False
    )
    size_axis(axis.xaxis)
    time_axis(axis.yaxis)
    axis.tick_params(labelsize=SMALL)


def draw_control(axis: "Axes", found: Mapping[str, Values], baseline: str) -> None:
    """Draw the baseline's A/A interval, which in a panel of several powers of ten is a line."""
    control, time = control_of(found, baseline), middle(found.get(baseline, {}))
    if control.n:
        low, high = (end * time for end in band(control.low, control.high))
        axis.axhspan(low, high, fc=BAND, ec=BAND, lw=1, zorder=0, gid="control")


def corners_of(axis: "Axes", points: Points) -> tuple[list[float], list[float]]:
    """Give the corners of the front as steps, from the top of the panel to its right edge."""
    ends = [points[name] for name in front_of(points)]
    xs, ys = [ends[0][0]], [axis.get_ylim()[1]]
    for x, y in ends:
        xs += [x, x]
        ys += [ys[-1], y.value]
    return [*xs, axis.get_xlim()[1]], [*ys, ys[-1]]


def pad(axis: "Axes", points: Points) -> None:
    """Leave room for the names."""
    xs = [x for x, _ in points.values()]
    ys = [value for _, y in points.values() for value in (y.low, y.high)]
    wide, tall = max(max(xs) / min(xs), 1.3), max(max(ys) / min(ys), 1.5)
    axis.set_xlim(min(xs) / wide**0.35, max(xs) * wide**0.45)
    axis.set_ylim(min(ys) / tall**0.12, max(ys) * tall**0.12)
