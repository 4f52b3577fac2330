"""The access curve: what does it cost to open a message and read a share of it, and from where on is a view dearer?

Between two measured shares the time is taken as a straight line, fixed cost plus cost per field, which is a curve on
the logarithmic scale.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from serlab.report.figures.data import (
    arms,
    chosen,
    control_of,
    floor_time,
    is_codec,
    middle,
    missing,
    ratio_of,
    times,
    workloads_with,
)
from serlab.report.figures.labels import reserve_ends, spread_ends
from serlab.report.figures.look import BAND, QUIET, SMALL, Spread, drawn, look_of, marks, settle, sheet, time_axis
from serlab.report.tables import baseline_of
from serlab.stats import FASTER, SLOWER, Estimate, band, verdict

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
        draw_curves(axis, kept, name, curves[name], baseline)
        steps = steps_of(kept, name)
        found = break_evens(curves[name], steps, baseline, controls_of(kept, name, baseline))
        notes = {even.codec: until(even, steps) for even in found}
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


def controls_of(rows: pd.DataFrame, workload: str, baseline: str) -> list[Estimate]:
    """Give the A/A ratio at each step."""
    return [control_of(arms(rows, workload, step), baseline) for step in steps_of(rows, workload)]


def draw_curves(axis: "Axes", rows: pd.DataFrame, workload: str, curves: Curves, baseline: str) -> None:
    """Draw the curves of one workload."""
    steps = steps_of(rows, workload)
    axis.set_yscale("log")
    for codec, curve in curves.items():
        look, values = look_of(codec), [point.value for point in curve]
        fine = np.linspace(0, len(steps) - 1, (len(steps) - 1) * FINE + 1)
        axis.plot(fine, np.interp(fine, range(len(steps)), values), color=look.colour, lw=1.2, gid="curve")
        marks(axis, codec, range(len(steps)), curve)
    draw_limits(axis, rows, workload, steps, baseline)
    for even in break_evens(curves, steps, baseline, controls_of(rows, workload, baseline)):
        axis.plot(even.place, even.time_ns, "o", ms=11, mfc="none", mec=look_of(even.codec).ink, gid="break-even")
    axis.set_xticks(range(len(steps)), [STEPS[step] for step in steps])
    axis.set_xlim(-0.2, len(steps) - 0.9)
    time_axis(axis.yaxis)


def draw_limits(axis: "Axes", rows: pd.DataFrame, workload: str, steps: list[str], baseline: str) -> None:
    """Draw the baseline's A/A interval and the floor."""
    groups = [arms(rows, workload, step) for step in steps]
    base = [middle(group.get(baseline, {})) for group in groups]
    controls = controls_of(rows, workload, baseline)
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
            found.append(crossing(codec, curve, base, steps))
    return found


def crossing(codec: str, curve: list[Spread], base: list[Spread], steps: list[str]) -> BreakEven:
    """Find the last place where a curve comes up through the baseline's."""
    gaps = [one.value - other.value for one, other in zip(curve, base, strict=True)]
    i = max(i for i in range(len(gaps) - 1) if gaps[i] <= 0 < gaps[i + 1])
    part = gaps[i] / (gaps[i] - gaps[i + 1])
    left, right = (SHARES.get(step, float("nan")) for step in steps[i : i + 2])
    time = base[i].value + part * (base[i + 1].value - base[i].value)
    return BreakEven(codec, i + part, left + part * (right - left), time)


def until(even: BreakEven, steps: list[str]) -> str:
    """Write up to which share a codec is faster; where the share of a step is unknown, below which step."""
    if even.share == even.share:
        return f"≤ {even.share:.0%}".replace("%", " %")
    return "< " + STEPS[steps[int(even.place) + 1]].replace("\n", " ")
