"""Size against time: which codecs are worth a thought, because no other is both smaller and faster?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from serlab.report.figures.data import (
    Values,
    arms,
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
from serlab.report.figures.look import (
    ACCENT,
    BAND,
    QUIET,
    SMALL,
    Spread,
    drawn,
    label_points,
    marks,
    ratio_axis,
    ratio_text,
    segments,
    settle,
    sheet,
    size_axis,
    time_axis,
)
from serlab.report.tables import baseline_of
from serlab.report.wire_forms import Form, stream_forms
from serlab.report.wire_tables import of_experiment, wire_arms
from serlab.stats import CONFIDENCE, Estimate, band

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
        _draw_marks(axis, found[name])
        _draw_control(axis, sums(kept, name, operations), baseline)
    legend = f"95 % intervals of the time; dashed: none is smaller and faster; grey: {baseline}'s A/A interval"
    figure.supxlabel(f"bytes per message, {size} (log scales)\n{legend}")
    figure.supylabel(f"{' + '.join(operations)}, time per message")
    settle(figure)
    for name, axis in zip(names, flat, strict=False):
        points = [(codec, x, y.value) for codec, (x, y) in found[name].items()]
        obstacles = segments(axis, *_corners_of(axis, found[name]))
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


def _draw_marks(axis: "Axes", points: Points) -> None:
    """Draw the codecs of one workload and the front as steps."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    for name, (x, y) in points.items():
        marks(axis, name, [x], [y])
    _pad(axis, points)
    axis.plot(
        *_corners_of(axis, points), color=QUIET, lw=1, ls=(0, (4, 2)), zorder=1, gid="front", scalex=False, scaley=False
    )
    size_axis(axis.xaxis)
    time_axis(axis.yaxis)
    axis.tick_params(labelsize=SMALL)


def _draw_control(axis: "Axes", found: Mapping[str, Values], baseline: str) -> None:
    """Draw the baseline's A/A interval, which in a panel of several powers of ten is a line."""
    control, time = control_of(found, baseline), middle(found.get(baseline, {}))
    if control.n:
        low, high = (end * time for end in band(control.low, control.high))
        axis.axhspan(low, high, fc=BAND, ec=BAND, lw=1, zorder=0, gid="control")


def _corners_of(axis: "Axes", points: Points) -> tuple[list[float], list[float]]:
    """Give the corners of the front as steps, from the top of the panel to its right edge."""
    ends = [points[name] for name in front_of(points)]
    xs, ys = [ends[0][0]], [axis.get_ylim()[1]]
    for x, y in ends:
        xs += [x, x]
        ys += [ys[-1], y.value]
    return [*xs, axis.get_xlim()[1]], [*ys, ys[-1]]


def _pad(axis: "Axes", points: Points) -> None:
    """Leave room for the names."""
    xs = [x for x, _ in points.values()]
    ys = [value for _, y in points.values() for value in (y.low, y.high)]
    wide, tall = max(max(xs) / min(xs), 1.3), max(max(ys) / min(ys), 1.5)
    axis.set_xlim(min(xs) / wide**0.35, max(xs) * wide**0.45)
    axis.set_ylim(min(ys) / tall**0.12, max(ys) * tall**0.12)


# A streamed token: bytes against time, for every form that a stream was sent in.

STREAM = "stream"


@drawn
def token_figure(rows: pd.DataFrame, workload: str = "") -> "Picture":
    """Draw bytes a token against time a token, a mark for each form of a stream.

    Args:
        rows: the tidy table of a run with the experiment `stream`.
        workload: of the requests; "" stands for the first.

    Returns:
        The figure; names on the front, which none beats in both, are bold; the baseline's A/A interval is a band.

    Raises:
        NotMeasuredError: the run lacks the experiment.
        MissingPackageError: matplotlib is not installed.
    """
    if not of_experiment(rows, STREAM).any():
        raise missing("bytes and time of a token", "the experiment stream", rows, "serlab wire stream")
    arms = wire_arms(rows, STREAM, workload)
    points = _tokens_points_of(stream_forms(arms))
    figure, panels = sheet(1, 1, [3.8], width=7.5)
    axis = panels[0][0]
    axis.set_title(arms.workload)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for name, (x, y) in points.items():
        marks(axis, name.partition(" ")[0], [x], [y])
    _pad(axis, points)
    size_axis(axis.xaxis)
    time_axis(axis.yaxis)
    axis.tick_params(labelsize=SMALL)
    control, base = arms.control(arms.baseline()), arms.value(arms.baseline())
    low, high = (end * base for end in band(control.low, control.high))
    axis.axhspan(low, high, fc=BAND, lw=0, alpha=0.5, zorder=0, gid="control")
    figure.supxlabel(
        "bytes per token (log scales); over HTTP/1.1 unless it is said; × tokens in a piece\n"
        "95 % intervals of the time; bold: none is smaller and faster; "
        f"grey: A/A interval of {Form.read(arms.baseline())}"
    )
    figure.supylabel("time per token")
    settle(figure)
    obstacles = [box for x, y in points.values() for box in segments(axis, [x, x], [y.low, y.high])]
    label_points(axis, [(name, x, y.value) for name, (x, y) in points.items()], obstacles, front_of(points))
    return figure


def _tokens_points_of(forms: pd.DataFrame) -> Points:
    """Give each form its bytes and its time."""
    columns = ["wire_bytes", "time_ns", "low_ns", "high_ns"]
    return {
        str(name): (float(size), Spread(*map(float, time)))
        for name, size, *time in forms[columns].itertuples(name=None)
        if size > 0
    }


# The A/A ratios of a run: how often does the machine claim a difference between two equal things?

ROW = 0.165
"""Inches of a group that is named."""
MOST_NAMED = 45
"""Of more groups than these, only those are named that claim a difference."""


class _Group(NamedTuple):
    """The A/A ratio of one workload and operation."""

    name: str
    ratio: Estimate

    @property
    def claims(self) -> bool:
        """Tell whether the interval leaves 1 out: a difference between two equal things."""
        return not self.ratio.low <= 1 <= self.ratio.high


@drawn
def noise_figure(rows: pd.DataFrame, workloads: Sequence[str] | None = None) -> "Picture":
    """Draw the A/A ratios of all timed groups with their intervals, in order.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all that were timed.

    Returns:
        The figure; the title counts the intervals that leave 1 out, which stand out and are named.

    Raises:
        NotMeasuredError: the run has no A/A arm.
        UnknownNameError: it has no such workload.
        MissingPackageError: matplotlib is not installed.
    """
    kept, baseline = chosen(rows, workloads, None), baseline_of(rows)
    groups = _groups_of(kept, baseline)
    if not groups:
        raise missing("the A/A ratios", "times with an A/A arm", rows, "serlab time")
    is_named = len(groups) <= MOST_NAMED
    figure, ((axis,),) = sheet(1, 1, [0.9 + (ROW if is_named else 0.07) * len(groups)])
    for place, group in enumerate(groups):
        _draw_group(axis, place, group)
    axis.axvline(1, color="#000000", lw=0.8, zorder=0)
    figure.suptitle(_title_of(groups), x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    _draw_spread(axis, groups)
    named = [(place, group) for place, group in enumerate(groups) if is_named or group.claims]
    axis.set_yticks([place for place, _ in named], [group.name for _, group in named])
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(-0.8, len(groups) - 0.2)
    figure.supxlabel(f"{baseline} against itself: time ratio, {CONFIDENCE} % interval; band: middle half of the ratios")
    settle(figure)
    return figure


def _groups_of(rows: pd.DataFrame, baseline: str) -> list[_Group]:
    """Give the groups with an A/A arm, the smallest ratio first."""
    timed = rows[rows["metric"] == "time"][["workload", "operation"]].drop_duplicates()
    found = [
        _Group(f"{operation} {workload}", control_of(arms(rows, workload, operation), baseline))
        for workload, operation in timed.itertuples(index=False)
    ]
    return sorted((group for group in found if group.ratio.n), key=lambda group: (group.ratio.value, group.name))


def _title_of(groups: Sequence[_Group]) -> str:
    """Count the false claims beside what was to be expected."""
    count = sum(group.claims for group in groups)
    text = f"{count} of {len(groups)} A/A intervals leave 1 out ({count / len(groups):.0%})".replace("%", " %")
    return f"{text}\nabout {100 - CONFIDENCE} % are to be expected"


def _draw_group(axis: "Axes", place: int, group: _Group) -> None:
    """Draw one ratio with its interval."""
    colour = ACCENT if group.claims else QUIET
    ratio = group.ratio
    reach = [[ratio.value - ratio.low], [ratio.high - ratio.value]]
    mark = "D" if group.claims else "o"
    axis.errorbar(ratio.value, place, xerr=reach, fmt=mark, ms=3.5, color=colour, capsize=1.5, elinewidth=1, zorder=3)


def _draw_spread(axis: "Axes", groups: Sequence[_Group]) -> None:
    """Draw the middle half of the ratios as a band."""
    values = pd.Series([group.ratio.value for group in groups])
    axis.axvspan(*values.quantile([0.25, 0.75]), fc=BAND, ec=BAND, lw=1, zorder=0, gid="control")
    # So near to 1 a logarithmic scale is straight, and round ticks of a straight one can be read.
    axis.xaxis.set_major_formatter(lambda value, _: ratio_text(value))


# One ratio that several tools were asked for again and again: who finds the same twice?
#
# The table is the file that `scripts/noise.py --csv FILE` writes: repetition, tool, ratio, low, high, seconds,
# load_average, busy_processes (how many were started beside it).

INK = "#0072B2"


def repeats_table(repeats: pd.DataFrame) -> pd.DataFrame:
    """Sum up how far a tool's answers lie apart.

    Args:
        repeats: one line for each repetition of each tool.

    Returns:
        For each tool: repetitions, median, smallest and largest ratio, the coefficient of variation, how many of its
        intervals hold its median (not a number where it gives none), how often it puts the other codec ahead than its
        median does, and the seconds that one answer takes.
    """
    return pd.DataFrame({str(tool): _summed_up(answers) for tool, answers in repeats.groupby("tool", sort=False)}).T


def _summed_up(answers: pd.DataFrame) -> dict[str, float]:
    """Sum up one tool's answers."""
    ratio = answers["ratio"]
    middle = float(ratio.median())
    covered = (answers["low"] <= middle) & (middle <= answers["high"])
    return {
        "repetitions": len(answers),
        "median": middle,
        "smallest": float(ratio.min()),
        "largest": float(ratio.max()),
        "variation": float(ratio.std() / ratio.mean()),
        "intervals that hold the median": float(covered.sum()) if answers["low"].notna().any() else float("nan"),
        "other codec ahead": float(((ratio < 1) != (middle < 1)).sum()),
        "seconds": float(answers["seconds"].median()),
    }


@drawn
def repeats_figure(repeats: pd.DataFrame) -> "Picture":
    """Draw every answer of every tool, with its interval where the tool gives one.

    Args:
        repeats: one line for each repetition of each tool.

    Returns:
        The figure, the tools from top to bottom, on one logarithmic axis.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    tools = list(repeats["tool"].unique())
    figure, ((axis,),) = sheet(1, 1, [0.7 + 0.8 * len(tools)])
    for place, tool in enumerate(tools):
        answers = repeats[repeats["tool"] == tool]
        heights = [place - 0.3 + 0.6 * i / max(len(answers) - 1, 1) for i in range(len(answers))]
        # An interval that a symmetric error makes may reach below nothing.
        low = (answers["ratio"] - answers["low"].clip(lower=1e-3)).fillna(0)
        high = (answers["high"] - answers["ratio"]).fillna(0)
        axis.errorbar(
            answers["ratio"], heights, xerr=[low, high], fmt="o", ms=4, color=INK, elinewidth=1, capsize=1.5, gid=tool
        )
    axis.set_xscale("log")
    axis.axvline(1, color=QUIET, lw=0.8, zorder=0)
    axis.set_yticks(range(len(tools)), tools)
    axis.set_ylim(len(tools) - 0.5, -0.5)
    axis.set_title("The same question, asked again and again")
    axis.set_xlabel("ratio that the tool found; right of 1× the baseline is faster")
    ratio_axis(axis.xaxis)
    settle(figure)
    return figure
