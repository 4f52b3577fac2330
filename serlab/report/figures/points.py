"""Size against time: which codecs are worth a thought, because no other is both smaller and faster?"""

from collections.abc import Mapping, Sequence

import pandas as pd

from serlab.cases import Case
from serlab.report.figures import charts
from serlab.report.figures.charts import Row, Scale, Spec, padded
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
from serlab.report.figures.labels import label_points
from serlab.report.figures.look import ACCENT, QUIET, RATIO, Spread, painted, shortened
from serlab.report.figures.picture import Picture, panel, sheet
from serlab.report.formatting import SIZE, TIME
from serlab.report.tables import baseline_of
from serlab.report.wire_forms import baseline_form, stream_forms
from serlab.report.wire_tables import of_experiment, wire_arms
from serlab.stats import CONFIDENCE, band

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

    A mark with a 95 % interval of the time for each codec; names on the front are bold; the baseline's A/A interval is
    a band. `operations` are those whose times are added up.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    found = {name: points_of(kept, name, operations, size, baseline) for name in kept["workload"].unique()}
    needs = f"sizes ({size}) and times of {' and '.join(operations)}"
    names = workloads_with(
        kept, workloads, lambda name: bool(found.get(name)), "size against time", needs, "serlab compare"
    )
    columns = min(COLUMNS, len(names))
    panels: list[Spec] = []
    for name in names:
        times = sums(kept, name, operations)
        time, (_, *control, _) = middle(times.get(Case(baseline), {})), control_of(times, baseline)
        title = "" if len(panels) % columns else f"{' + '.join(operations)}, time per message"
        noise = [end * time for end in band(*control)]
        panels.append(_scatter(found[name], noise, (306 if columns > 1 else 660, 300), shortened(name), title))
    legend = f"95 % intervals of the time; dashed: none is smaller and faster; grey: {baseline}'s A/A interval"
    return sheet(panels, columns, f"bytes per message, {size} (log scales)", legend)


def points_of(rows: pd.DataFrame, workload: str, operations: Sequence[str], size: str, baseline: str) -> Points:
    """Return the codecs of a workload that have both a size and a time."""
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
    points: Points, noise: Sequence[float], sides: tuple[float, float], title: str, up: str, has_front: bool = True
) -> Spec:
    """Draw a mark for each name, which begins with a codec's, those on the front in bold, and the front as steps."""
    x = padded([size for size, _ in points.values()], sides[0], 70, 0.17 * sides[0] + 50)
    y = padded([end for _, time in points.values() for end in time], sides[1], 26, 26, 1.5, is_up=True)
    front = front_of(points)
    corners = [(points[front[0]][0], y.high)]
    for size, time in map(points.__getitem__, front):
        corners += [(size, corners[-1][1]), (size, time.value)]
    corners.append((x.high, corners[-1][1]))
    place = {"x": charts.fixed("bytes", x, SIZE), "y": charts.fixed("value", y, TIME, up)}
    rows = [painted(name.partition(" ")[0], bytes=size, **time._asdict()) for name, (size, time) in points.items()]
    rows += [{"kind": "A/A", "low": noise[0], "high": noise[1]}] if noise[0] == noise[0] else []
    rows += [
        {"kind": "front", "bytes": size, "value": ns, "order": i} for i, (size, ns) in enumerate(corners) if has_front
    ]
    steps = {"type": "line", "strokeDash": charts.DASHED, "color": QUIET, "strokeWidth": 1}
    obstacles = [[(size, time.low), (size, time.high)] for size, time in points.values()]
    named = [(name, size, time.value) for name, (size, time) in points.items()]
    layers = [
        charts.band(charts.REACH, "rect", opacity=0.35, **charts.EDGE),
        {
            "mark": steps,
            **charts.only("datum.kind === 'front'"),
            "encoding": {**place, "order": charts.amount("order")},
        },
        charts.reach({"x": place["x"], **charts.REACH}),
        charts.points(place, charts.MARKED, size=55) | charts.OWN,
        *label_points(named, x, y, [*obstacles, corners] if has_front else obstacles, front),
    ]
    return panel(rows, layers, *sides, title)


# A streamed token: bytes against time, for every form that a stream was sent in.

STREAM = "stream"


def token_figure(rows: pd.DataFrame, workload: str = "") -> Picture:
    """Draw bytes a token against time a token, a mark for each form of a stream.

    Names on the front, which none beats in both, are bold; the baseline's A/A interval is a band.
    """
    if not of_experiment(rows, STREAM).any():
        raise missing("bytes and time of a token", "the experiment stream", rows, "serlab wire stream")
    arms = wire_arms(rows, STREAM, workload)
    columns = ["wire_bytes", "time_ns", "low_ns", "high_ns"]
    forms = stream_forms(arms)[columns].itertuples(name=None)
    points = {str(name): (float(size), Spread(*map(float, time))) for name, size, *time in forms if size > 0}
    control, base = arms.control(arms.baseline()), arms.value(arms.baseline())
    noise = [end * base for end in band(control.low, control.high)]
    return sheet(
        [_scatter(points, noise, (640, 310), shortened(arms.workload), "time per token", has_front=False)], 1,
        "bytes per token (log scales); over HTTP/1.1 unless it is said; × tokens in a piece",
        "95 % intervals of the time; bold: none is smaller and faster; "
        f"grey: A/A interval of {baseline_form(arms)}",
    )  # fmt: skip


# The A/A ratios of a run: how often does the machine claim a difference between two equal things?

ROW, THIN = 16, 7
"""Pixels of a group that is named, and of one that is not."""
MOST_NAMED = 45
"""Of more groups than these, only those are named that claim a difference."""


def noise_figure(rows: pd.DataFrame, workloads: Sequence[str] | None = None) -> Picture:
    """Draw the A/A ratios of all timed groups with their intervals, in order.

    The title counts the intervals that leave 1 out, which stand out and are named.
    """
    kept, baseline = chosen(rows, workloads, None), baseline_of(rows)
    timed = kept[kept["metric"] == "time"][["workload", "operation"]].drop_duplicates().itertuples(index=False)
    found = {f"{operation} {name}": control_of(arms(kept, name, operation), baseline) for name, operation in timed}
    groups = sorted((one.value, name, one.low, one.high) for name, one in found.items() if one.n)
    if not groups:
        raise missing("the A/A ratios", "times with an A/A arm", rows, "serlab time")
    shown: list[Row] = [
        {"place": i, "ratio": ratio, "low": low, "high": high, "codec": name,
         **({"colour": QUIET, "mark": "circle"} if low <= 1 <= high else {"colour": ACCENT, "mark": "diamond"})}
        for i, (ratio, name, low, high) in enumerate(groups)
    ]  # fmt: skip
    claims = [row["colour"] == ACCENT for row in shown]
    is_named = len(groups) <= MOST_NAMED
    first, last = min(row["low"] for row in shown), max(row["high"] for row in shown)
    room = 0.04 * (last - first)
    low, high = pd.Series([ratio for ratio, *_ in groups]).quantile([0.25, 0.75])
    x = charts.fixed("ratio", Scale(first - room, last + room, 600, is_log=False), RATIO)
    names = [shortened(row["codec"]) if is_named or claim else "" for row, claim in zip(shown, claims, strict=True)]
    y = charts.named("place", names, -0.8, len(groups) - 0.2)
    layers = [
        charts.band(charts.ACROSS, "rect", **charts.EDGE),
        charts.one(strokeWidth=0.8),
        charts.reach({"y": y, **charts.ACROSS}),
        charts.points({"x": x, "y": y}, {**charts.MARKED, "fill": charts.COLOUR}, size=22) | charts.OWN,
    ]
    share = f"{sum(claims) / len(groups):.0%}".replace("%", " %")
    title = f"{sum(claims)} of {len(groups)} A/A intervals leave 1 out ({share})"
    expected = f"about {100 - CONFIDENCE} % are to be expected"
    note = f"{baseline} against itself: time ratio, {CONFIDENCE} % interval; band: middle half of the ratios"
    rows_shown = [{"kind": "A/A", "low": float(low), "high": float(high)}, *shown]
    height = (ROW if is_named else THIN) * len(groups) + 10
    return sheet([panel(rows_shown, layers, 600, height, title, expected)], 1, note)


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
    """Draw every answer of every tool, with its interval where the tool gives one, on one logarithmic axis."""
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
    x = charts.fixed("ratio", scale, RATIO, "ratio that the tool found; right of 1× the baseline is faster")
    y = charts.named("place", [*map(shortened, tools)], len(tools) - 0.5, -0.5)
    layers = [
        charts.one(color=QUIET),
        charts.reach({"y": y, **charts.ACROSS}),
        charts.points({"x": x, "y": y}, {"stroke": charts.COLOUR, "fill": charts.COLOUR}, size=40),
    ]
    return sheet([panel(rows, layers, scale.size, 78 * len(tools), "The same question, asked again and again")], 1)
