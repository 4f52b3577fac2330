"""A call as a bar: what its bytes cost alone, and what coding them adds, by codec, payload and transport."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from serlab.report.figures.data import missing
from serlab.report.figures.look import BAND, QUIET, SMALL, drawn, look_of, settle, sheet, tick
from serlab.report.units import TIME
from serlab.report.wirecalls import BASELINE, TRANSPORTS, call_table
from serlab.stats import TIE, band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

ROW = 0.19
"""Inches of one bar."""
ALONE = "#CCCCCC"
"""The colour of the transport's part, which is no codec's."""
REACH = 1.35
"""Of the longest bar, that an axis shows: room for the shares. Intervals that go on are cut off, or bars were lines."""


@drawn
def call_figure(
    rows: pd.DataFrame, workloads: Sequence[str] | None = None, codecs: Sequence[str] | None = None
) -> "Picture":
    """Draw calls one at a time, a line of panels for each workload, a column for each transport.

    Args:
        rows: the tidy table of a run with the experiment `transport`.
        workloads: which, in this order; None: all, the shortest call first.
        codecs: which; None: all but variants of a codec.

    Returns:
        The figure: in each bar the transport alone is grey and the codec coloured, with the percentage that is codec
        (`=`: not more than the A/A spread) and a 95 % interval of the call; a band is the baseline's A/A interval.

    Raises:
        NotMeasuredError: the run lacks the experiment.
        MissingPackageError: matplotlib is not installed.
    """
    calls = call_table(rows)
    if workloads is not None and len(calls):
        calls = calls[calls["workload"].isin(list(workloads))]
    if calls.empty:
        raise missing("what a call is made of", "the experiment transport", rows, "serlab wire transport")
    kept = codecs or [name for name in calls["codec"].unique() if not look_of(name).is_variant]
    shown = calls[calls["codec"].isin(list(kept)) | (calls["verdict"] == BASELINE)]
    names = list(workloads or shown.groupby("workload")["call_ns"].median().sort_values(kind="stable").index)
    ways = [name for name in TRANSPORTS if name in set(shown["transport"])]
    orders = [order_of(shown[shown["workload"] == name]) for name in names]
    figure, panels = sheet(len(names), len(ways), [ROW * len(order) + 0.75 for order in orders], sharex="row")
    for name, order, axes in zip(names, orders, panels, strict=True):
        here = shown[shown["workload"] == name]
        for way, axis in zip(ways, axes, strict=True):
            axis.set_title(f"{name}\n{TRANSPORTS[way]}" if way == ways[0] else TRANSPORTS[way])
            draw_panel(axis, here[here["transport"] == way], order)
        axes[0].set_yticks(range(len(order)), order)
        axes[0].set_xlim(0, REACH * here["call_ns"].max())
    figure.supxlabel(
        "time of a call; grey: the same bytes that nobody decodes; coloured: the codec, with its share (=: a tie)\n"
        "lines: 95 % interval of the call; band: the baseline's call once more (A/A)"
    )
    settle(figure)
    return figure


def order_of(calls: pd.DataFrame) -> list[str]:
    """List the codecs of a workload, the slowest first, that is lowest, by their median over transports."""
    found = calls.groupby("codec", sort=False)["call_ns"].median().sort_values(ascending=False, kind="stable")
    return [str(name) for name in found.index]


def draw_panel(axis: "Axes", calls: pd.DataFrame, order: Sequence[str]) -> None:
    """Draw one transport of one workload."""
    for row in calls.to_dict("records"):
        draw_call(axis, order.index(row["codec"]), row)
        if row["verdict"] == BASELINE:
            low, high = (row["call_ns"] * end for end in band(row["aa_low"], row["aa_high"]))
            axis.axvspan(low, high, fc=BAND, ec=BAND, alpha=0.35, lw=1, zorder=0, gid="control")
    axis.set_yticks(range(len(order)), [""] * len(order))
    axis.set_ylim(-0.7, len(order) - 0.3)
    axis.tick_params(axis="y", length=0)
    axis.locator_params(axis="x", nbins=4)
    axis.xaxis.set_major_formatter(lambda value, _: tick(value, TIME))


def draw_call(axis: "Axes", place: int, row: dict[Any, Any]) -> None:
    """Draw one bar, its interval and its percentage."""
    look, alone, codec = look_of(row["codec"]), row["transport_ns"], max(row["codec_ns"], 0.0)
    axis.barh(place, alone, height=0.66, fc=ALONE, ec="none", zorder=1, gid=f"{row['codec']} alone")
    axis.barh(place, codec, left=alone, height=0.66, fc=look.fill, ec=look.colour, lw=0.8, zorder=2, gid=row["codec"])
    low, high = row["call_ns"] - row["call_ns_low"], row["call_ns_high"] - row["call_ns"]
    axis.errorbar(row["call_ns"], place, xerr=[[low], [high]], fmt="none", ecolor=QUIET, elinewidth=1, zorder=4)
    text = f"{100 * row['codec_share']:.0f} %" + (" =" if row["part_verdict"] == TIE else "")
    box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.3}
    style: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": SMALL, "bbox": box, "zorder": 5, "gid": "share"}
    # At the panel's edge, where it covers no bar; the place counts bars, the 1 is of the panel's width.
    axis.text(1, place, text, transform=axis.get_yaxis_transform(), **style)
