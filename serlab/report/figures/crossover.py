"""Bandwidth crossover: on a slow wire bytes decide, on a fast one the processor; where is the change?

Time per message = encode + decode + bytes / bandwidth: no overlap of work and transfer, no latency, one core.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from serlab.report.figures.data import (
    Values,
    chosen,
    control_of,
    is_codec,
    middle,
    missing,
    ratio_of,
    sizes,
    sums,
    times,
    workloads_with,
)
from serlab.report.figures.labels import reserve_ends, spread_ends
from serlab.report.figures.look import (
    BAND,
    RATE,
    SMALL,
    Spread,
    drawn,
    look_of,
    ratio_axis,
    settle,
    sheet,
    tick,
    time_axis,
    unit_axis,
)
from serlab.report.tables import baseline_of
from serlab.report.units import scaled
from serlab.stats import Estimate, band, is_tie

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

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
        draw_times(left, found[name], name)
        draw_ratios(right, found[name], baseline, sums(kept, name, operations))
        control = control_of(sums(kept, name, operations), baseline)
        labels.append(reserve_ends(right, ends_of(found[name], baseline), notes_of(found[name], baseline, control)))
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


def is_certain(cost: Cost, base: Cost, control: Estimate) -> bool:
    """Tell whether a codec's time differs from the baseline's, so that its crossing is more than noise."""
    return not is_tie(ratio_of(cost.time, base.time), control)


def draw_times(axis: "Axes", costs: dict[str, Cost], workload: str) -> None:
    """Draw the times themselves."""
    axis.set_title(workload)
    axis.set_ylabel("time per message")
    for codec, cost in costs.items():
        look = look_of(codec)
        style = "--" if look.is_variant else "-"
        axis.plot(BANDWIDTHS, total_ns(cost, BANDWIDTHS), color=look.colour, lw=1.3, ls=style, gid=codec)
    finish(axis)
    time_axis(axis.yaxis)


def draw_ratios(axis: "Axes", costs: dict[str, Cost], baseline: str, found: dict[str, Values]) -> None:
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
        if SLOWEST <= at <= FASTEST and is_certain(cost, base, control):
            axis.plot(at, 1, "o", ms=9, mfc="none", mec=look.ink, zorder=5, gid="crossing")
    low, high = ((wire + own * end) / below for end in band(control.low, control.high))
    axis.fill_between(BANDWIDTHS, low, high, color=BAND, lw=1.5, zorder=0, gid="control")
    finish(axis)
    ratio_axis(axis.yaxis)


def finish(axis: "Axes") -> None:
    """Set both scales."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(SLOWEST, FASTEST)
    unit_axis(axis.xaxis, RATE)
    axis.set_xticks([1e6, 1e8, 1e10], [tick(rate, RATE) for rate in (1e6, 1e8, 1e10)])
    axis.tick_params(labelsize=SMALL)


def ends_of(costs: dict[str, Cost], baseline: str) -> list[tuple[str, float]]:
    """Give the height at which each line ends."""
    base = costs[baseline]
    return [(codec, float(total_ns(cost, FASTEST) / total_ns(base, FASTEST))) for codec, cost in costs.items()]


def notes_of(costs: dict[str, Cost], baseline: str, control: Estimate) -> dict[str, str]:
    """Say up to or from which bandwidth a codec is faster than the baseline."""
    base, notes = costs[baseline], {}
    for codec, cost in costs.items():
        at = crossing(cost, base)
        if SLOWEST <= at <= FASTEST and is_certain(cost, base, control):
            notes[codec] = f"{'<' if cost.bytes < base.bytes else '>'} {scaled(at, RATE)}"
    return notes
