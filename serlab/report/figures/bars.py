"""Ratios to the baseline as bars with intervals: which codec is faster, by how much, and is it more than noise?

A bar reaches from 1 to the ratio, on a logarithmic scale, so that twice as fast is as long as half as fast.
"""

from collections.abc import Sequence
from math import exp, log
from typing import TYPE_CHECKING, Any

import pandas as pd

from serlab.report.figures.data import chosen, missing, names_of, sizes, workloads_with
from serlab.report.figures.look import BAND, QUIET, SMALL, drawn, look_of, ratio_axis, ratio_text, settle, sheet, tick
from serlab.report.formatting import SIZE, interval, show, three_digits
from serlab.report.tables import baseline_of, build_tables, memory_table
from serlab.stats import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture


OPERATIONS = ("encode", "decode")
ROW = 0.2
"""Inches of one bar."""
ROOM = 0.23
"""Share of a panel's width that a figure beyond a bar takes."""
REACH = 8.0
"""A floor that would make the axis this many times longer than the codecs need is written at its edge."""


@drawn
def ratio_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = OPERATIONS,
    codecs: Sequence[str] | None = None,
) -> "Picture":
    """Draw the ratios of times to the baseline, a line of panels for each workload, the fastest codec on top.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all that were timed.
        operations: one column of panels each.
        codecs: which; None: all.

    Returns:
        The figure: bars with 95 % intervals, `=` at a tie, the A/A interval as a band, the floor as a dashed line.

    Raises:
        NotMeasuredError: the run holds no times of these operations.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept = chosen(rows, workloads, codecs)
    time = build_tables(kept[kept["metric"] == "time"])["time"]
    has = (lambda name: any(len(group_of(time, name, one)) for one in operations)) if len(time) else lambda name: False
    names = workloads_with(kept, workloads, has)
    if not names:
        raise missing("the ratios", f"times of {' or '.join(operations)}", rows, "serlab time")
    groups = [[group_of(time, name, operation) for operation in operations] for name in names]
    heights = [ROW * max(map(len, line)) + 0.9 for line in groups]
    figure, panels = sheet(len(names), len(operations), heights)
    for name, line, axes in zip(names, groups, panels, strict=True):
        for operation, group, axis in zip(operations, line, axes, strict=True):
            axis.set_title(f"{operation} {name}")
            _draw_panel(axis, group, floor_of(time, name, operation))
    figure.supxlabel(
        f"time per message against {baseline_of(rows)} (log scale, 95 % interval, =: tie, band: A/A, dashed: floor)"
    )
    settle(figure)
    return figure


def group_of(time: pd.DataFrame, workload: str, operation: str) -> pd.DataFrame:
    """Pick the codecs of one group of the time table, the slowest first; neither the A/A arm nor the floors are any."""
    here = (time["workload"] == workload) & (time["operation"] == operation)
    group = time[here & ~time["verdict"].isin(["A/A", "floor", "failed", "unmeasured"])].dropna(subset=["ratio"])
    return group.sort_values("ratio", ascending=False, kind="stable", ignore_index=True)


def floor_of(time: pd.DataFrame, workload: str, operation: str) -> float:
    """Give the ratio of an operation's floor to the baseline; not a number where it was not measured."""
    here = (time["workload"] == workload) & (time["operation"] == operation) & (time["verdict"] == "baseline")
    return 1 / float(time[here]["times_floor"].iloc[0]) if here.any() else float("nan")


def _draw_panel(axis: "Axes", group: pd.DataFrame, floor: float) -> None:
    """Draw one group."""
    if group.empty:
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", va="center", color=QUIET)
        axis.set_axis_off()
        return
    axis.set_xscale("log")
    for place, row in enumerate(group.to_dict("records")):
        _draw_bar(axis, place, row)
    axis.axvline(1, color="#000000", lw=0.8, zorder=3)
    axis.axvspan(*_noise_in(group), fc=BAND, ec=BAND, lw=1, zorder=0, gid="control")
    axis.set_yticks(range(len(group)), list(group["codec"]))
    axis.set_ylim(-0.7, len(group) - 0.3)
    axis.tick_params(axis="y", length=0)
    _set_limits(axis, group, floor)
    ratio_axis(axis.xaxis)


def _noise_in(group: pd.DataFrame) -> tuple[float, float]:
    """Give the band of ratios that are ties."""
    return band(group["aa_low"].iloc[0], group["aa_high"].iloc[0])


def _set_limits(axis: "Axes", group: pd.DataFrame, floor: float) -> None:
    """Leave room for the figures at the bars' ends, and show the floor, or say where it is."""
    low, high = min(group["ratio_low"].min(), 1.0), max(group["ratio_high"].max(), 1.0)
    is_near = floor == floor and low / REACH < floor
    # A figure takes a share of the panel, whatever the scale is, where bars end; the floor's line takes a little.
    spans = [(log(high / low), ROOM if low < 1 else 0.05)] + ([(log(high / floor), 0.04)] if is_near else [])
    span = max(log(2), *(length / (1 - ROOM - left) for length, left in spans))
    right = high * exp(span * ROOM)
    axis.set_xlim(right / exp(span), right)
    if is_near:
        axis.axvline(floor, color=QUIET, ls=(0, (4, 3)), lw=1, zorder=0, gid="floor")
    band = f"A/A {interval(*_noise_in(group))}"
    beyond = f"◂ floor {ratio_text(floor)}    " if floor == floor and not is_near else ""
    axis.set_xlabel(beyond + band, loc="left", fontsize=SMALL, color=QUIET, gid="floor" if beyond else "band")


def _draw_bar(axis: "Axes", place: int, row: dict[Any, Any]) -> None:
    """Draw one codec's bar from 1 to its ratio, the interval, and the figure beyond it."""
    look, ratio = look_of(row["codec"]), row["ratio"]
    axis.barh(place, ratio - 1, left=1, height=0.62, fc=look.fill, ec=look.colour, lw=1.2, zorder=1, gid=row["codec"])
    reach = [[ratio - row["ratio_low"]], [row["ratio_high"] - ratio]]
    axis.errorbar(ratio, place, xerr=reach, fmt="none", ecolor="#444444", elinewidth=1, capsize=2.5, zorder=4)
    end, side = (row["ratio_low"], -1) if ratio < 1 else (row["ratio_high"], 1)
    text = ratio_text(ratio) + (" =" if row["verdict"] == "tie" else "")
    label: dict[str, Any] = {
        "textcoords": "offset points",
        "va": "center",
        "ha": "right" if side < 0 else "left",
        "fontsize": SMALL,
    }
    box = {"fc": "white", "ec": "none", "pad": 0.4}
    axis.annotate(text, (end, place), (5 * side, 0), bbox=box, gid="label", zorder=5, **label)


# Sizes as ratios to the baseline, a line for each workload: what is left of a format's lead after compression?

METRICS = ("raw", "gzip", "zstd")
TITLES = {"raw": "raw", "gzip": "after gzip", "zstd": "after zstd"}
SIZES_ROW = 0.24
"""Inches of a line."""
DODGE = 0.5
"""Share of a line that its marks spread over, so that equal sizes do not hide each other."""
Sizes = dict[str, dict[str, float]]
"""Workload → codec → ratio to the baseline."""


@drawn
def size_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    codecs: Sequence[str] | None = None,
    metrics: Sequence[str] = ("raw", "zstd"),
) -> "Picture":
    """Draw sizes against the baseline, a line for each workload, the workload that gains most on top.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all with sizes.
        codecs: which; None: all.
        metrics: a panel for each of raw, gzip, zstd.

    Returns:
        The figure: a mark for each codec on a logarithmic scale; left of the line at 1 is smaller than the baseline.

    Raises:
        NotMeasuredError: the run holds no sizes of the baseline.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    found = {metric: _ratios_of(kept, metric, baseline) for metric in metrics}
    first = found[metrics[0]]
    names = sorted(workloads_with(kept, workloads, lambda name: name in first), key=lambda name: -_least(first[name]))
    if not names:
        raise missing("the sizes", f"sizes ({', '.join(metrics)}) of {baseline}", rows, "serlab size")
    figure, panels = sheet(1, len(metrics), [SIZES_ROW * len(names) + 0.9], sharey=True)
    shown = [codec for codec in names_of(kept, "codec") if codec != baseline and any(codec in first[n] for n in names)]
    limits = _limits_of(found, names, shown)
    for metric, axis in zip(metrics, panels[0], strict=True):
        axis.set_title(TITLES[metric])
        _sizes_draw_panel(axis, names, found[metric], shown, limits)
        axis.axvline(1, color="#000000", lw=0.8, zorder=1, gid=baseline)
    marks, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(marks, labels, loc="outside upper center", ncols=5, frameon=False, fontsize=SMALL)
    figure.supxlabel(f"bytes per message against {baseline} (log scale)")
    settle(figure)
    return figure


def _ratios_of(rows: pd.DataFrame, metric: str, baseline: str) -> Sizes:
    """Give the ratios of the workloads that the baseline carries."""
    found = {workload: sizes(rows, workload, metric) for workload in names_of(rows, "workload")}
    return {
        workload: {codec: value / by_codec[baseline] for codec, value in by_codec.items()}
        for workload, by_codec in found.items()
        if baseline in by_codec
    }


def _least(ratios: dict[str, float]) -> float:
    """Give the smallest ratio of a workload."""
    return min(ratios.values())


def _limits_of(found: dict[str, Sizes], names: Sequence[str], codecs: Sequence[str]) -> tuple[float, float]:
    """Give the ends of the axis, one for all panels, so that they can be compared."""
    values = [ratios[name][codec] for ratios in found.values() for name in names for codec in codecs
              if codec in ratios.get(name, {})]  # fmt: skip
    low, high = min([1.0, *values]), max([1.0, *values])
    wide = max(high / low, 1.3) ** 0.06
    return low / wide, high * wide


def _sizes_draw_panel(
    axis: "Axes", names: Sequence[str], ratios: Sizes, codecs: Sequence[str], limits: tuple[float, float]
) -> None:
    """Draw one kind of size."""
    axis.set_xscale("log")
    for number, codec in enumerate(codecs):
        look = look_of(codec)
        places = [place for place, name in enumerate(names) if codec in ratios.get(name, {})]
        aside = DODGE * (0.5 - (number + 0.5) / len(codecs))
        xs, ys = [ratios[names[place]][codec] for place in places], [place + aside for place in places]
        axis.plot(xs, ys, look.mark, color=look.colour, mfc=look.fill, ms=5, ls="", label=codec, gid=codec, zorder=3)
    axis.set_xlim(limits)
    axis.hlines(range(len(names)), *limits, color="#EEEEEE", lw=0.8, zorder=0)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(-0.7, len(names) - 0.3)
    axis.tick_params(axis="y", length=0)
    ratio_axis(axis.xaxis)


# Memory per operation as bars: how many allocations, how many bytes, and how high does it pile up?
#
# Counts repeat exactly, so there are no intervals. Bars start at 0; one that would leave the others no room is cut
# off, with an arrow, and its figure says how long it is.

MEASURES = {
    "allocations_per_op": "allocations",
    "bytes_per_op": "bytes allocated",
    "peak_bytes": "peak of bytes held",
}
"""Column of the memory table → title of its panels."""
MEMORY_ROW = 0.19
CUT = 6.0
"""A bar longer than this multiple of the median is cut off."""


@drawn
def memory_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = OPERATIONS,
    codecs: Sequence[str] | None = None,
) -> "Picture":
    """Draw allocations, bytes and peak per operation, a line of panels for each workload and operation.

    Args:
        rows: the tidy table of a run.
        workloads: which; None: all whose memory was measured.
        operations: encode, decode or open.
        codecs: which; None: all.

    Returns:
        The figure: a bar with its figure for each codec, the one that allocates the fewest bytes on top.

    Raises:
        NotMeasuredError: the run holds no memory figures of these operations.
        UnknownNameError: it has no such workload or codec.
        MissingPackageError: matplotlib is not installed.
    """
    kept = chosen(rows, workloads, codecs)
    table = memory_table(kept)
    groups = {
        (name, operation): _memory_group_of(table, name, operation)
        for name in workloads_with(kept, workloads, lambda name: True)
        for operation in operations
    }
    groups = {place: group for place, group in groups.items() if len(group)}
    if not groups:
        raise missing("the memory figure", f"memory of {' or '.join(operations)}", rows, "serlab memory")
    heights = [MEMORY_ROW * len(group) + 0.7 for group in groups.values()]
    figure, panels = sheet(len(groups), len(MEASURES), heights, sharey="row")
    for ((name, operation), group), axes in zip(groups.items(), panels, strict=True):
        for (column, title), axis in zip(MEASURES.items(), axes, strict=True):
            axis.set_title(f"{operation} {name}\n{title}" if axis is axes[0] else title)
            _memory_draw_panel(axis, group, column)
    figure.supxlabel("per message, counted once, hence no intervals; ▸: a bar that is cut off")
    settle(figure)
    return figure


def _memory_group_of(table: pd.DataFrame, workload: str, operation: str) -> pd.DataFrame:
    """Pick the codecs of one group, those that allocate most first."""
    if table.empty:
        return table
    group = table[(table["workload"] == workload) & (table["operation"] == operation)]
    return group.sort_values("bytes_per_op", ascending=False, kind="stable", ignore_index=True)


def _memory_draw_panel(axis: "Axes", group: pd.DataFrame, column: str) -> None:
    """Draw one measure of one group."""
    values = group[column].fillna(0)
    short = values[values <= CUT * values.median()]
    limit = float(short.max()) if len(short) and short.max() > 0 else 1.0
    for place, row in enumerate(group.to_dict("records")):
        _memory_draw_bar(axis, place, row, column, limit)
    # The figures stand beyond the bars and take about a third of a narrow panel.
    axis.set_xlim(0, limit * 1.6)
    axis.set_yticks(range(len(group)), list(group["codec"]))
    axis.tick_params(axis="y", length=0)
    _unit_ticks(axis, limit, column)


def _unit_ticks(axis: "Axes", limit: float, column: str) -> None:
    """Write three round ticks with their unit."""
    from matplotlib.ticker import MaxNLocator

    ticks = [float(value) for value in MaxNLocator(2, steps=[1, 2, 5, 10]).tick_values(0, limit) if value <= limit]
    texts = [tick(value, SIZE) if "bytes" in column else f"{value:,.4g}" for value in ticks]
    axis.set_xticks(ticks, texts)


def _memory_draw_bar(axis: "Axes", place: int, row: dict[Any, Any], column: str, limit: float) -> None:
    """Draw one codec's bar and its figure."""
    look, value = look_of(row["codec"]), row[column]
    text = show(column, value) if "bytes" in column else three_digits(value)
    length = max(0.0, min(value, limit * 1.05)) if value == value else 0.0
    axis.barh(place, length, height=0.62, fc=look.fill, ec=look.colour, lw=1.2, zorder=2, gid=row["codec"])
    if value > limit:
        text = f"▸ {text}"
    axis.annotate(
        text, (length, place), (4, 0), textcoords="offset points", va="center", fontsize=SMALL, zorder=3, gid="label"
    )
