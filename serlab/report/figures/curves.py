"""The access curve: what does it cost to open a message and read a share of it, and from where on is a view dearer?

Between two measured shares the time is taken as a straight line, fixed cost plus cost per field, which is a curve on
the logarithmic scale.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from serlab.report.figures.data import (
    Values,
    arms,
    chosen,
    control_of,
    floor_time,
    is_codec,
    middle,
    missing,
    ratio_of,
    sizes,
    sums,
    times,
    workloads_with,
)
from serlab.report.figures.look import (
    BAND,
    QUIET,
    RATE,
    SMALL,
    Spread,
    drawn,
    look_of,
    marks,
    ratio_axis,
    reserve_ends,
    settle,
    sheet,
    spread_ends,
    tick,
    time_axis,
    unit_axis,
)
from serlab.report.formatting import scaled
from serlab.report.tables import baseline_of
from serlab.stats import FASTER, SLOWER, Estimate, band, is_tie, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture


STEPS = {
    "read-0%": "only\nopen", "read-1": "one\nfield", "read-1%": "1 %", "read-10%": "10 %", "read-50%": "50 %",
    "read-100%": "all",
}  # fmt: skip
"""Operation → how it is written."""
SHARES = {"read-0%": 0.0, "read-1%": 0.01, "read-10%": 0.1, "read-50%": 0.5, "read-100%": 1.0}
"""Operation → share of the fields; that of `read-1` depends on the message and is not in the rows."""
FINE = 24
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


@drawn
def access_figure(
    rows: pd.DataFrame, workloads: Sequence[str] | None = None, codecs: Sequence[str] | None = None
) -> "Picture":
    """Draw the time to open a message and read a share of its fields, a panel for each workload.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all with an access curve.
        codecs: which; None: all.

    Returns:
        The figure: a curve with 95 % intervals for each codec, its name at the end, a ring where a codec that is
        faster at first crosses the baseline, the baseline's A/A interval as a band, the floor dashed.

    Raises:
        NotMeasuredError: the run has no access curve of two steps or more.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    names = workloads_with(kept, workloads, lambda name: len(steps_of(kept, name)) > 1)
    if not names:
        needs = "operations read-0% to read-100%"
        raise missing("the access curve", needs, rows, "serlab time --operation read-k")
    curves = {name: curves_of(kept, name, baseline) for name in names}
    heights = [max(3.2, 0.9 + 0.165 * len(curves[name])) for name in names]
    figure, panels = sheet(len(names), 1, heights)
    ends = []
    for name, (axis,) in zip(names, panels, strict=True):
        axis.set_title(name)
        _draw_curves(axis, kept, name, curves[name], baseline)
        steps = steps_of(kept, name)
        found = break_evens(curves[name], steps, baseline, _controls_of(kept, name, baseline))
        notes = {even.codec: _until(even, steps) for even in found}
        ends.append(reserve_ends(axis, [(codec, curve[-1].value) for codec, curve in curves[name].items()], notes))
    figure.supxlabel(
        f"share of the fields that are read; ring and ≤: faster than {baseline} up to there; band: A/A; dashed: floor",
        fontsize=SMALL,
    )
    figure.supylabel("time per message (log scale; 95 % interval)", fontsize=9)
    settle(figure)
    for (axis,), labels in zip(panels, ends, strict=True):
        spread_ends(axis, labels)
    return figure


def steps_of(rows: pd.DataFrame, workload: str) -> list[str]:
    """List the steps that a workload was measured at."""
    here = set(rows[(rows["workload"] == workload) & (rows["metric"] == "time")]["operation"])
    return [step for step in STEPS if step in here]


def curves_of(rows: pd.DataFrame, workload: str, baseline: str) -> Curves:
    """Give the times of the codecs that were measured at every step."""
    found = [times(arms(rows, workload, step), baseline) for step in steps_of(rows, workload)]
    codecs = [codec for codec in found[0] if is_codec(codec) and all(codec in step for step in found)]
    return {codec: [step[codec] for step in found] for codec in codecs}


def _controls_of(rows: pd.DataFrame, workload: str, baseline: str) -> list[Estimate]:
    """Give the A/A ratio at each step."""
    return [control_of(arms(rows, workload, step), baseline) for step in steps_of(rows, workload)]


def _draw_curves(axis: "Axes", rows: pd.DataFrame, workload: str, curves: Curves, baseline: str) -> None:
    """Draw the curves of one workload."""
    steps = steps_of(rows, workload)
    axis.set_yscale("log")
    for codec, curve in curves.items():
        look, values = look_of(codec), [point.value for point in curve]
        fine = np.linspace(0, len(steps) - 1, (len(steps) - 1) * FINE + 1)
        axis.plot(fine, np.interp(fine, range(len(steps)), values), color=look.colour, lw=1.2, gid="curve")
        marks(axis, codec, range(len(steps)), curve)
    _draw_limits(axis, rows, workload, steps, baseline)
    for even in break_evens(curves, steps, baseline, _controls_of(rows, workload, baseline)):
        axis.plot(even.place, even.time_ns, "o", ms=11, mfc="none", mec=look_of(even.codec).ink, gid="break-even")
    axis.set_xticks(range(len(steps)), [STEPS[step] for step in steps])
    axis.set_xlim(-0.2, len(steps) - 0.9)
    time_axis(axis.yaxis)


def _draw_limits(axis: "Axes", rows: pd.DataFrame, workload: str, steps: list[str], baseline: str) -> None:
    """Draw the baseline's A/A interval and the floor."""
    groups = [arms(rows, workload, step) for step in steps]
    base = [middle(group.get(baseline, {})) for group in groups]
    controls = _controls_of(rows, workload, baseline)
    bands = [band(one.low, one.high) for one in controls]
    low, high = ([ends[i] * time for ends, time in zip(bands, base, strict=True)] for i in range(2))
    axis.fill_between(range(len(steps)), low, high, color=BAND, lw=1.5, zorder=0, gid="control")
    floors = [floor_time(group, step) for group, step in zip(groups, steps, strict=True)]
    if not all(np.isnan(floors)):
        axis.plot(range(len(steps)), floors, color=QUIET, ls=(0, (4, 3)), lw=1, zorder=0, gid="floor")


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


@drawn
def crossover_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = ("encode", "decode"),
    size: str = "raw",
    codecs: Sequence[str] | None = None,
) -> "Picture":
    """Draw time per message against bandwidth: as such, and as a ratio to the baseline with the crossings marked.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all with sizes and times; a line of two panels each.
        operations: whose times are added up.
        size: raw, gzip or zstd; the time to compress counts where `operations` names it, as gzip and gunzip.
        codecs: which; None: all.

    Returns:
        The figure; a ring and the bandwidth stand where a codec is as fast as the baseline.

    Raises:
        NotMeasuredError: the run lacks sizes or times.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    found = {name: costs_of(kept, name, operations, size, baseline) for name in kept["workload"].unique()}
    names = workloads_with(kept, workloads, lambda name: baseline in found.get(name, {}))
    if not names:
        needs = f"sizes ({size}) and times of {' and '.join(operations)}, the baseline's too"
        raise missing("the bandwidth crossover", needs, rows, "serlab compare")
    heights = [max(3.3, 0.9 + 0.165 * len(found[name])) for name in names]
    figure, panels = sheet(len(names), 2, heights, width_ratios=[3, 4])
    labels = []
    for name, (left, right) in zip(names, panels, strict=True):
        _draw_times(left, found[name], name)
        _draw_ratios(right, found[name], baseline, sums(kept, name, operations))
        control = control_of(sums(kept, name, operations), baseline)
        labels.append(reserve_ends(right, _ends_of(found[name], baseline), _notes_of(found[name], baseline, control)))
    work = " + ".join(operations)
    figure.supxlabel(
        f"bandwidth (log scale); time per message = {work} + bytes ({size}) / bandwidth\n"
        f"ring and <, >: faster than {baseline} below or above this bandwidth; shades: 95 % intervals, A/A in grey"
    )
    settle(figure)
    for (_, right), ends in zip(panels, labels, strict=True):
        spread_ends(right, ends)
    return figure


def costs_of(rows: pd.DataFrame, workload: str, operations: Sequence[str], size: str, baseline: str) -> dict[str, Cost]:
    """Give the costs of the codecs that have both a size and a time."""
    bytes_of = sizes(rows, workload, size)
    found = times(sums(rows, workload, operations), baseline)
    return {name: Cost(bytes_of[name], time) for name, time in found.items() if is_codec(name) and name in bytes_of}


def total_ns(cost: Cost, bandwidth: "np.ndarray | float", time: float | None = None) -> "np.ndarray":
    """Give the time per message at a bandwidth in bits per second."""
    return np.asarray((cost.time.value if time is None else time) + cost.bytes * BITS_NS / bandwidth)


def crossing(cost: Cost, base: Cost) -> float:
    """Give the bandwidth at which two codecs take equally long, bits per second; not a number where none does."""
    saved, lost = base.bytes - cost.bytes, cost.time.value - base.time.value
    bandwidth = saved * BITS_NS / lost if lost else float("nan")
    return bandwidth if bandwidth > 0 else float("nan")


def _is_certain(cost: Cost, base: Cost, control: Estimate) -> bool:
    """Tell whether a codec's time differs from the baseline's, so that its crossing is more than noise."""
    return not is_tie(ratio_of(cost.time, base.time), control)


def _draw_times(axis: "Axes", costs: dict[str, Cost], workload: str) -> None:
    """Draw the times themselves."""
    axis.set_title(workload)
    axis.set_ylabel("time per message")
    for codec, cost in costs.items():
        look = look_of(codec)
        style = "--" if look.is_variant else "-"
        axis.plot(BANDWIDTHS, total_ns(cost, BANDWIDTHS), color=look.colour, lw=1.3, ls=style, gid=codec)
    _finish(axis)
    time_axis(axis.yaxis)


def _draw_ratios(axis: "Axes", costs: dict[str, Cost], baseline: str, found: dict[str, Values]) -> None:
    """Draw the times against the baseline's, with intervals, the A/A band and the crossings."""
    axis.set_title(f"time per message against {baseline}")
    base = costs[baseline]
    below = total_ns(base, BANDWIDTHS)
    control = control_of(found, baseline)
    wire, own = base.bytes * BITS_NS / BANDWIDTHS, middle(found[baseline])
    for codec, cost in costs.items():
        look = look_of(codec)
        style = "--" if look.is_variant else "-"
        axis.plot(BANDWIDTHS, total_ns(cost, BANDWIDTHS) / below, color=look.colour, lw=1.3, ls=style, gid=codec)
        low, high = (total_ns(cost, BANDWIDTHS, time) / below for time in (cost.time.low, cost.time.high))
        axis.fill_between(BANDWIDTHS, low, high, color=look.colour, alpha=0.25, lw=0)
        at = crossing(cost, base)
        if SLOWEST <= at <= FASTEST and _is_certain(cost, base, control):
            axis.plot(at, 1, "o", ms=9, mfc="none", mec=look.ink, zorder=5, gid="crossing")
    low, high = ((wire + own * end) / below for end in band(control.low, control.high))
    axis.fill_between(BANDWIDTHS, low, high, color=BAND, lw=1.5, zorder=0, gid="control")
    _finish(axis)
    ratio_axis(axis.yaxis)


def _finish(axis: "Axes") -> None:
    """Set both scales."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(SLOWEST, FASTEST)
    unit_axis(axis.xaxis, RATE)
    axis.set_xticks([1e6, 1e8, 1e10], [tick(rate, RATE) for rate in (1e6, 1e8, 1e10)])
    axis.tick_params(labelsize=SMALL)


def _ends_of(costs: dict[str, Cost], baseline: str) -> list[tuple[str, float]]:
    """Give the height at which each line ends."""
    base = costs[baseline]
    return [(codec, float(total_ns(cost, FASTEST) / total_ns(base, FASTEST))) for codec, cost in costs.items()]


def _notes_of(costs: dict[str, Cost], baseline: str, control: Estimate) -> dict[str, str]:
    """Say up to or from which bandwidth a codec is faster than the baseline."""
    base, notes = costs[baseline], {}
    for codec, cost in costs.items():
        at = crossing(cost, base)
        if SLOWEST <= at <= FASTEST and _is_certain(cost, base, control):
            notes[codec] = f"{'<' if cost.bytes < base.bytes else '>'} {scaled(at, RATE)}"
    return notes
