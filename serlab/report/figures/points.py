"""Size against time: which codecs are worth a thought, because no other is both smaller and faster?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from serlab.report.figures import charts
from serlab.report.figures.data import (
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
from serlab.report.figures.labels import along, label_points, padded
from serlab.report.figures.look import ACCENT, QUIET, RATIO, Spread, painted, shortened
from serlab.report.figures.picture import Picture, Row, Spec, panel, sheet
from serlab.report.formatting import SIZE, TIME
from serlab.report.tables import baseline_of
from serlab.report.wire_forms import Form, stream_forms
from serlab.report.wire_tables import PREFIX, wire_arms
from serlab.stats import CONFIDENCE, Estimate, band

COLUMNS = 2
Points = dict[str, tuple[float, Spread]]
"""Codec → mean bytes per message, nanoseconds per message."""


def pareto_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = ("encode", "decode"),
    size: str = "raw",
    codecs: Sequence[str] | None = None,
) -> Picture:
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
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    found = {name: points_of(kept, name, operations, size, baseline) for name in kept["workload"].unique()}
    names = workloads_with(kept, workloads, lambda name: bool(found.get(name)))
    if not names:
        needs = f"sizes ({size}) and times of {' and '.join(operations)}"
        raise missing("size against time", needs, rows, "serlab compare")
    columns = min(COLUMNS, len(names))
    panels: list[Spec] = []
    for name in names:
        arms = sums(kept, name, operations)
        control, time = control_of(arms, baseline), middle(arms.get(baseline, {}))
        noise = [end * time for end in band(control.low, control.high)]
        width, title = 306 if columns > 1 else 660, f"{' + '.join(operations)}, time per message"
        panels.append(
            _scatter(found[name], noise, width, 300, shortened(name), title if not len(panels) % columns else "")
        )
    legend = f"95 % intervals of the time; dashed: none is smaller and faster; grey: {baseline}'s A/A interval"
    return sheet(panels, columns, f"bytes per message, {size} (log scales)", legend)


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


def _scatter(
    points: Points, noise: Sequence[float], width: float, height: float, title: str, up: str, has_front: bool = True
) -> Spec:
    """Draw a mark for each name, which begins with a codec's, those on the front in bold, and the front as steps."""
    x = padded([size for size, _ in points.values()], width, 70, 100)
    y = padded([end for _, time in points.values() for end in time], height, 26, 26, 1.5, is_up=True)
    front = front_of(points)
    corners = [(points[front[0]][0], y.high)]
    for name in front:
        size, time = points[name]
        corners += [(size, corners[-1][1]), (size, time.value)]
    corners.append((x.high, corners[-1][1]))
    place = {
        "x": charts.log("x", "", SIZE, "bytes", ends=x.ends),
        "y": charts.log("y", up, TIME, "ns", ends=y.ends),
    }
    rows = [{"kind": "A/A", "low": low, "high": high} for low, high in [noise] if low == low]
    rows += [
        {"kind": "front", "bytes": size, "ns": ns, "order": i} for i, (size, ns) in enumerate(corners) if has_front
    ]
    rows += [
        painted(name.partition(" ")[0], name=name, bytes=size, ns=time.value, low=time.low, high=time.high)
        for name, (size, time) in points.items()
    ]
    obstacles = [box for size, time in points.values() for box in along([(size, time.low), (size, time.high)], x, y)]
    obstacles += along(corners, x, y) if has_front else []
    edge = {"type": "line", "strokeDash": charts.DASHED, "color": QUIET, "strokeWidth": 1}
    layers = [
        charts.band(charts.REACH, "rect", opacity=0.35, **charts.EDGE),
        {"mark": edge, "transform": charts.only("datum.kind === 'front'"),
         "encoding": {**place, "order": charts.amount("order")}},
        charts.reach({"x": place["x"], **charts.REACH}),
        charts.points(place, charts.MARKED, size=55) | charts.OWN,
        *label_points([(name, size, time.value) for name, (size, time) in points.items()], x, y, obstacles, front),
    ]  # fmt: skip
    return panel(rows, layers, width, height, title)


# A streamed token: bytes against time, for every form that a stream was sent in.

STREAM = "stream"


def token_figure(rows: pd.DataFrame, workload: str = "") -> Picture:
    """Draw bytes a token against time a token, a mark for each form of a stream.

    Args:
        rows: the tidy table of a run with the experiment `stream`.
        workload: of the requests; "" stands for the first.

    Returns:
        The figure; names on the front, which none beats in both, are bold; the baseline's A/A interval is a band.

    Raises:
        NotMeasuredError: the run lacks the experiment.
    """
    if not rows["operation"].str.startswith(f"{PREFIX}{STREAM}/").any():
        raise missing("bytes and time of a token", "the experiment stream", rows, "serlab wire stream")
    arms = wire_arms(rows, STREAM, workload)
    points = _tokens_points_of(stream_forms(arms))
    control, base = arms.control(arms.baseline()), arms.value(arms.baseline())
    noise = [end * base for end in band(control.low, control.high)]
    return sheet(
        [_scatter(points, noise, 640, 310, shortened(arms.workload), "time per token", has_front=False)],
        1,
        "bytes per token (log scales); over HTTP/1.1 unless it is said; × tokens in a piece",
        "95 % intervals of the time; bold: none is smaller and faster; "
        f"grey: A/A interval of {Form.read(arms.baseline())}",
    )


def _tokens_points_of(forms: pd.DataFrame) -> Points:
    """Give each form its bytes and its time."""
    columns = ["wire_bytes", "time_ns", "low_ns", "high_ns"]
    return {
        str(name): (float(size), Spread(*map(float, time)))
        for name, size, *time in forms[columns].itertuples(name=None)
        if size > 0
    }


# The A/A ratios of a run: how often does the machine claim a difference between two equal things?

ROW, THIN = 16, 7
"""Pixels of a group that is named, and of one that is not."""
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


def noise_figure(rows: pd.DataFrame, workloads: Sequence[str] | None = None) -> Picture:
    """Draw the A/A ratios of all timed groups with their intervals, in order.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all that were timed.

    Returns:
        The figure; the title counts the intervals that leave 1 out, which stand out and are named.

    Raises:
        NotMeasuredError: the run has no A/A arm.
        UnknownNameError: it has no such workload.
    """
    kept, baseline = chosen(rows, workloads, None), baseline_of(rows)
    groups = _groups_of(kept, baseline)
    if not groups:
        raise missing("the A/A ratios", "times with an A/A arm", rows, "serlab time")
    is_named = len(groups) <= MOST_NAMED
    low, high = pd.Series([group.ratio.value for group in groups]).quantile([0.25, 0.75])
    shown: list[Row] = [{"kind": "A/A", "low": float(low), "high": float(high)}]
    shown += [
        {"place": i, "ratio": group.ratio.value, "low": group.ratio.low, "high": group.ratio.high, "codec": group.name,
         "colour": ACCENT if group.claims else QUIET, "mark": "diamond" if group.claims else "circle"}
        for i, group in enumerate(groups)
    ]  # fmt: skip
    ends = [end for row in shown for end in (row["low"], row["high"])]
    room = 0.04 * (max(ends) - min(ends))
    x = charts.linear("ratio", "", (min(ends) - room, max(ends) + room), RATIO)
    named = [shortened(group.name) if is_named or group.claims else "" for group in groups]
    y = charts.named("place", named, (-0.8, len(groups) - 0.2))
    paint = {**charts.MARKED, "fill": charts.COLOUR}
    layers = [
        charts.band(charts.ACROSS, "rect", **charts.EDGE),
        {"mark": {"type": "rule", "strokeWidth": 0.8}, "encoding": {"x": {"datum": 1}}},
        charts.reach({"y": y, **charts.ACROSS}),
        charts.points({"x": x, "y": y}, paint, size=22) | charts.OWN,
    ]
    note = f"{baseline} against itself: time ratio, {CONFIDENCE} % interval; band: middle half of the ratios"
    height = (ROW if is_named else THIN) * len(groups) + 10
    return sheet([panel(shown, layers, 600, height, *_title_of(groups))], 1, note)


def _groups_of(rows: pd.DataFrame, baseline: str) -> list[_Group]:
    """Give the groups with an A/A arm, the smallest ratio first."""
    timed = rows[rows["metric"] == "time"][["workload", "operation"]].drop_duplicates()
    found = [
        _Group(f"{operation} {workload}", control_of(arms(rows, workload, operation), baseline))
        for workload, operation in timed.itertuples(index=False)
    ]
    return sorted((group for group in found if group.ratio.n), key=lambda group: (group.ratio.value, group.name))


def _title_of(groups: Sequence[_Group]) -> tuple[str, str]:
    """Count the false claims beside what was to be expected."""
    count = sum(group.claims for group in groups)
    text = f"{count} of {len(groups)} A/A intervals leave 1 out ({count / len(groups):.0%})".replace("%", " %")
    return text, f"about {100 - CONFIDENCE} % are to be expected"


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


def repeats_figure(repeats: pd.DataFrame) -> Picture:
    """Draw every answer of every tool, with its interval where the tool gives one.

    Args:
        repeats: one line for each repetition of each tool.

    Returns:
        The figure, the tools from top to bottom, on one logarithmic axis.
    """
    tools = [str(tool) for tool in repeats["tool"].unique()]
    rows = []
    for place, tool in enumerate(tools):
        answers = repeats[repeats["tool"] == tool]
        for i, (ratio, low, high) in enumerate(answers[["ratio", "low", "high"]].itertuples(index=False)):
            # An interval that a symmetric error makes may reach below nothing.
            reach = {"low": max(low, 1e-3), "high": high} if low == low else {"low": ratio, "high": ratio}
            at = place - 0.3 + 0.6 * i / max(len(answers) - 1, 1)
            rows.append({"codec": tool, "place": at, "ratio": ratio, **reach, "colour": INK})
    scale = padded([1.0, *(row[end] for row in rows for end in ("low", "high"))], 620, 12, 12)
    x = charts.log(
        "x", "ratio that the tool found; right of 1× the baseline is faster", RATIO, "ratio", ends=scale.ends
    )
    y = charts.named("place", [*map(shortened, tools)], (len(tools) - 0.5, -0.5))
    layers = [
        {"mark": {"type": "rule", "color": QUIET}, "encoding": {"x": {"datum": 1}}},
        charts.reach({"y": y, **charts.ACROSS}),
        charts.points({"x": x, "y": y}, {"stroke": charts.COLOUR, "fill": charts.COLOUR}, size=40),
    ]
    return sheet([panel(rows, layers, scale.size, 78 * len(tools), "The same question, asked again and again")], 1)
