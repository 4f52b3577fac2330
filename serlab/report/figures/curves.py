"""The access curve: what does it cost to open a message and read a share of it, and from where on is a view dearer?

Between two measured shares the time is taken as a straight line, fixed cost plus cost per field, which is a curve on
the logarithmic scale.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from serlab.cases import Case
from serlab.report.figures import charts
from serlab.report.figures.charts import Row, Scale, Spec, padded
from serlab.report.figures.data import (
    Values,
    arms,
    chosen,
    control_of,
    floor_time,
    is_codec,
    middle,
    ratio_of,
    sizes,
    sums,
    times,
    workloads_with,
)
from serlab.report.figures.labels import label_ends
from serlab.report.figures.look import RATE, RATIO, Spread, painted, shortened
from serlab.report.figures.picture import Picture, panel, sheet
from serlab.report.formatting import TIME, scaled
from serlab.report.tables import baseline_of
from serlab.stats import FASTER, SLOWER, Estimate, band, is_tie, verdict

STEPS = {
    "read-0%": "only\nopen", "read-1": "one\nfield", "read-1%": "1 %", "read-10%": "10 %", "read-50%": "50 %",
    "read-100%": "all",
}  # fmt: skip
"""Operation → how it is written."""
SHARES = {"read-0%": 0.0, "read-1%": 0.01, "read-10%": 0.1, "read-50%": 0.5, "read-100%": 1.0}
"""Operation → share of the fields; that of `read-1` depends on the message and is not in the rows."""
FINE = 12
"""Points of a curve between two steps."""


class BreakEven(NamedTuple):
    """Where a codec's curve crosses the baseline's from below.

    Attributes:
        codec: that is faster left of it.
        place: between the steps, 0 is the first.
        share: of the fields; not a number where a step beside it has no known share.
        time_ns: there.
    """

    codec: str
    place: float
    share: float
    time_ns: float


NO_CONTROL = Estimate(float("nan"), float("nan"), float("nan"), 0)

Curves = dict[str, list[Spread]]
"""Codec → nanoseconds at each step."""


def access_figure(
    rows: pd.DataFrame, workloads: Sequence[str] | None = None, codecs: Sequence[str] | None = None
) -> Picture:
    """Draw the time to open a message and read a share of its fields, a panel for each workload.

    A curve with 95 % intervals for each codec, its name at the end, a ring where a codec that is faster at first
    crosses the baseline, the baseline's A/A interval as a band, the floor dashed.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    names = workloads_with(
        kept, workloads, lambda name: len(steps_of(kept, name)) > 1,
        "the access curve", "operations read-0% to read-100%", "serlab time --operation read-k",
    )  # fmt: skip
    said = f"share of the fields that are read; ring and ≤: faster than {baseline} up to there"
    return sheet([_access_panel(kept, name, baseline) for name in names], 1, f"{said}; band: A/A; dashed: floor")


def steps_of(rows: pd.DataFrame, workload: str) -> list[str]:
    """List the steps that a workload was measured at."""
    here = set(rows[(rows["workload"] == workload) & (rows["metric"] == "time")]["place"])
    return [step for step in STEPS if step in here]


def curves_of(rows: pd.DataFrame, workload: str, baseline: str) -> Curves:
    """Return the times of the codecs that were measured at every step."""
    found = [times(arms(rows, workload, step), baseline) for step in steps_of(rows, workload)]
    codecs = [codec for codec in found[0] if is_codec(codec) and all(codec in step for step in found)]
    return {codec: [step[codec] for step in found] for codec in codecs}


def _access_panel(rows: pd.DataFrame, workload: str, baseline: str) -> Spec:
    """Draw the curves of one workload."""
    steps, curves = steps_of(rows, workload), curves_of(rows, workload, baseline)
    groups = [arms(rows, workload, step) for step in steps]
    controls = [control_of(group, baseline) for group in groups]
    base = [middle(group.get(Case(baseline), {})) for group in groups]
    evens = break_evens(curves, steps, baseline, controls)
    fine = np.linspace(0, len(steps) - 1, (len(steps) - 1) * FINE + 1)
    shown: list[Row] = [painted(even.codec, place=even.place, value=even.time_ns, kind="crossing") for even in evens]
    for codec, curve in curves.items():
        shown += [painted(codec, place=i, kind="mark", **one._asdict()) for i, one in enumerate(curve)]
        between = np.interp(fine, range(len(steps)), [one.value for one in curve])
        shown += [
            painted(codec, place=float(i), value=float(ns), kind="curve") for i, ns in zip(fine, between, strict=True)
        ]
    for i, (step, group, one) in enumerate(zip(steps, groups, controls, strict=True)):
        low, high = (base[i] * end for end in band(one.low, one.high))
        shown.append({"kind": "A/A", "place": i, "low": low, "high": high})
        shown.append({"kind": "floor", "place": i, "value": floor_time(group, step)})
    ns = [row[key] for row in shown for key in ("value", "low", "high") if row.get(key, 0) > 0]
    across = Scale(-0.2, len(steps) - 0.9, 540, is_log=False)
    up = padded(ns, max(260, 16 * len(curves)), 14, 16, is_up=True)
    x = charts.named("place", [STEPS[step].split("\n") for step in steps], *across[:2], labelAngle=0, ticks=True)
    place = {"x": x, "y": charts.fixed("value", up, TIME, "time per message (log scale; 95 % interval)")}
    notes = {even.codec: _until(even, steps) for even in evens}
    mark = charts.only("datum.kind === 'mark'")
    layers = [
        charts.band({"x": x, **charts.REACH}),
        charts.floor(place, strokeWidth=1.2),
        charts.lines(place, strokeWidth=1.3) | charts.only("datum.kind === 'curve'"),
        charts.reach({"x": x, **charts.REACH}, mark),
        charts.points(place, charts.MARKED, size=45) | mark,
        charts.ring(place),
        *label_ends([(codec, curve[-1].value, notes.get(codec, "")) for codec, curve in curves.items()], across, up),
    ]
    return panel(shown, layers, across.size, up.size, shortened(workload))


def break_evens(curves: Curves, steps: list[str], baseline: str, controls: Sequence[Estimate] = ()) -> list[BreakEven]:
    """Find where codecs that are faster at the first step and slower at the last cross the baseline.

    Args:
        curves: codec → its times, step by step.
        steps: their names.
        baseline: which of the codecs it is.
        controls: the A/A ratio at each step; none: it was not measured.
    """
    base = curves.get(baseline)
    if base is None:
        return []
    found = []
    for codec, curve in curves.items():
        said = [verdict(ratio_of(curve[i], base[i]), controls[i] if controls else NO_CONTROL) for i in (0, -1)]
        if said == [FASTER, SLOWER]:
            found.append(_access_crossing(codec, curve, base, steps))
    return found


def _access_crossing(codec: str, curve: list[Spread], base: list[Spread], steps: list[str]) -> BreakEven:
    """Find the last place where a curve comes up through the baseline's."""
    gaps = [one.value - other.value for one, other in zip(curve, base, strict=True)]
    i = max(i for i in range(len(gaps) - 1) if gaps[i] <= 0 < gaps[i + 1])
    part = gaps[i] / (gaps[i] - gaps[i + 1])
    left, right = (SHARES.get(step, float("nan")) for step in steps[i : i + 2])
    time = base[i].value + part * (base[i + 1].value - base[i].value)
    return BreakEven(codec, i + part, left + part * (right - left), time)


def _until(even: BreakEven, steps: list[str]) -> str:
    """Write up to which share a codec is faster; where the share of a step is unknown, below which step."""
    if even.share == even.share:
        return f"≤ {even.share:.0%}".replace("%", " %")
    return "< " + STEPS[steps[int(even.place) + 1]].replace("\n", " ")


# Bandwidth crossover: on a slow wire bytes decide, on a fast one the processor; where is the change?
#
# Time per message = encode + decode + bytes / bandwidth: no overlap of work and transfer, no latency, one core.

SLOWEST, FASTEST = 1e6, 1e11
"""Bits per second at both ends of the figure: a poor mobile link, a fast network card."""
BANDWIDTHS = np.geomspace(SLOWEST, FASTEST, 121)
BITS_NS = 8e9
"""Bits × nanoseconds per byte and second."""


class Cost(NamedTuple):
    """What a message costs.

    Attributes:
        bytes: on the wire.
        time: nanoseconds of the processor.
    """

    bytes: float
    time: Spread


def crossover_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = ("encode", "decode"),
    size: str = "raw",
    codecs: Sequence[str] | None = None,
) -> Picture:
    """Draw time per message against bandwidth: as such, and as a ratio to the baseline with the crossings marked.

    A ring and the bandwidth stand where a codec is as fast as the baseline. `operations` are those whose times are
    added up; the time to compress counts where gzip and gunzip are among them.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    found = {name: costs_of(kept, name, operations, size, baseline) for name in kept["workload"].unique()}
    needs = f"sizes ({size}) and times of {' and '.join(operations)}, the baseline's too"
    names = workloads_with(
        kept,
        workloads,
        lambda name: baseline in found.get(name, {}),
        "the bandwidth crossover",
        needs,
        "serlab compare",
    )
    panels = []
    for name in names:
        panels += _crossover_panels(name, found[name], baseline, sums(kept, name, operations))
    note = f"bandwidth (log scale); time per message = {' + '.join(operations)} + bytes ({size}) / bandwidth"
    more = f"ring and <, >: faster than {baseline} below or above this bandwidth; shades: 95 % intervals, A/A in grey"
    return sheet(panels, 2, note, more)


def costs_of(rows: pd.DataFrame, workload: str, operations: Sequence[str], size: str, baseline: str) -> dict[str, Cost]:
    """Return the costs of the codecs that have both a size and a time."""
    bytes_of = sizes(rows, workload, size)
    found = times(sums(rows, workload, operations), baseline)
    return {name: Cost(bytes_of[name], time) for name, time in found.items() if is_codec(name) and name in bytes_of}


def total_ns(cost: Cost, bandwidth: "np.ndarray | float", time: float | None = None) -> "np.ndarray":
    """Return the time per message at a bandwidth in bits per second."""
    return np.asarray((cost.time.value if time is None else time) + cost.bytes * BITS_NS / bandwidth)


def crossing(cost: Cost, base: Cost) -> float:
    """Return the bandwidth at which two codecs take equally long, bits per second; not a number where none does."""
    saved, lost = base.bytes - cost.bytes, cost.time.value - base.time.value
    bandwidth = saved * BITS_NS / lost if lost else float("nan")
    return bandwidth if bandwidth > 0 else float("nan")


def _crossover_panels(workload: str, costs: dict[str, Cost], baseline: str, found: dict[Case, Values]) -> list[Spec]:
    """Draw the times themselves, and against the baseline's, with intervals, the A/A band and the crossings."""
    base, control, own = costs[baseline], control_of(found, baseline), middle(found[Case(baseline)])
    below, wire = total_ns(base, BANDWIDTHS), base.bytes * BITS_NS / BANDWIDTHS
    shown, noise, notes, last = list[Row](), list[Row](), dict[str, str](), dict[str, float]()
    for codec, cost in costs.items():
        each = [total_ns(cost, BANDWIDTHS, time) for time in cost.time]
        figures = zip(BANDWIDTHS.tolist(), each[0].tolist(), *((one / below).tolist() for one in each), strict=True)
        for at, ns, ratio, low, high in figures:
            shown.append(painted(codec, bandwidth=at, ns=ns, ratio=ratio, low=low, high=high))
        last[codec] = shown[-1]["ratio"]
        at = crossing(cost, base)
        if SLOWEST <= at <= FASTEST and not is_tie(ratio_of(cost.time, base.time), control):
            notes[codec] = f"{'<' if cost.bytes < base.bytes else '>'} {scaled(at, RATE)}"
            noise.append(painted(codec, bandwidth=at, ratio=1.0, kind="crossing"))
    ends = [((wire + own * end) / below).tolist() for end in band(control.low, control.high)]
    for at, low, high in zip(BANDWIDTHS.tolist(), *ends, strict=True):
        noise.append({"kind": "A/A", "bandwidth": at, "low": low, "high": high})
    left, right = Scale(SLOWEST, FASTEST, 230), Scale(SLOWEST, FASTEST, 290)
    tall = max(240, 16 * len(costs))
    times = padded([row["ns"] for row in shown], tall, 8, 16, is_up=True)
    ratios = padded([row[key] for row in shown for key in ("low", "high")], tall, 8, 16, is_up=True)
    x = charts.fixed("bandwidth", left, RATE, values=[1e6, 1e8, 1e10])
    first = charts.lines({"x": x, "y": charts.fixed("ns", times, TIME, "time per message")}, strokeWidth=1.5)
    place, mine = {"x": x, "y": charts.fixed("ratio", ratios, RATIO)}, charts.only("!datum.kind")
    shades = {"x": x, **charts.REACH, "detail": {"field": "codec"}, "color": charts.COLOUR}
    second = [
        charts.band({"x": x, **charts.REACH}),
        {"mark": {"type": "area", "opacity": 0.25}, **mine, "encoding": shades},
        charts.lines(place, strokeWidth=1.5) | mine,
        charts.ring(place),
        *label_ends([(codec, ratio, notes.get(codec, "")) for codec, ratio in last.items()], right, ratios),
    ]
    return [
        panel(shown, [first], left.size, tall, shortened(workload)),
        panel([*noise, *shown], second, right.size, tall, f"time per message against {baseline}"),
    ]
