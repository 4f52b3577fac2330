"""Ratios to the baseline as bars with intervals: which codec is faster, by how much, and is it more than noise?

A bar reaches from 1 to the ratio, on a logarithmic scale, so that twice as fast is as long as half as fast.
"""

from collections.abc import Sequence
from math import exp, log
from typing import TYPE_CHECKING, Any

import pandas as pd

from serlab.report.cells import interval
from serlab.report.figures.data import chosen, missing, workloads_with
from serlab.report.figures.look import BAND, QUIET, SMALL, drawn, look_of, ratio_axis, ratio_text, settle, sheet
from serlab.report.tables import baseline_of, build_tables
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
            draw_panel(axis, group, floor_of(time, name, operation))
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


def draw_panel(axis: "Axes", group: pd.DataFrame, floor: float) -> None:
    """Draw one group."""
    if group.empty:
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", va="center", color=QUIET)
        axis.set_axis_off()
        return
    axis.set_xscale("log")
    for place, row in enumerate(group.to_dict("records")):
        draw_bar(axis, place, row)
    axis.axvline(1, color="#000000", lw=0.8, zorder=3)
    axis.axvspan(*noise_in(group), fc=BAND, ec=BAND, lw=1, zorder=0, gid="control")
    axis.set_yticks(range(len(group)), list(group["codec"]))
    axis.set_ylim(-0.7, len(group) - 0.3)
    axis.tick_params(axis="y", length=0)
    set_limits(axis, group, floor)
    ratio_axis(axis.xaxis)


def noise_in(group: pd.DataFrame) -> tuple[float, float]:
    """Give the band of ratios that are ties."""
    return band(group["aa_low"].iloc[0], group["aa_high"].iloc[0])


def set_limits(axis: "Axes", group: pd.DataFrame, floor: float) -> None:
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
    band = f"A/A {interval(*noise_in(group))}"
    beyond = f"◂ floor {ratio_text(floor)}    " if floor == floor and not is_near else ""
    axis.set_xlabel(beyond + band, loc="left", fontsize=SMALL, color=QUIET, gid="floor" if beyond else "band")


def draw_bar(axis: "Axes", place: int, row: dict[Any, Any]) -> None:
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
