"""The A/A ratios of a run: how often does the machine claim a difference between two equal things?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from serlab.report.figures.data import arms, chosen, control_of, missing
from serlab.report.figures.look import ACCENT, BAND, QUIET, drawn, ratio_text, settle, sheet
from serlab.report.tables import baseline_of
from serlab.stats import CONFIDENCE, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

ROW = 0.165
"""Inches of a group that is named."""
MOST_NAMED = 45
"""Of more groups than these, only those are named that claim a difference."""


class Group(NamedTuple):
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
    groups = groups_of(kept, baseline)
    if not groups:
        raise missing("the A/A ratios", "times with an A/A arm", rows, "serlab time")
    is_named = len(groups) <= MOST_NAMED
    figure, ((axis,),) = sheet(1, 1, [0.9 + (ROW if is_named else 0.07) * len(groups)])
    for place, group in enumerate(groups):
        draw_group(axis, place, group)
    axis.axvline(1, color="#000000", lw=0.8, zorder=0)
    figure.suptitle(title_of(groups), x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    draw_spread(axis, groups)
    named = [(place, group) for place, group in enumerate(groups) if is_named or group.claims]
    axis.set_yticks([place for place, _ in named], [group.name for _, group in named])
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(-0.8, len(groups) - 0.2)
    figure.supxlabel(f"{baseline} against itself: time ratio, {CONFIDENCE} % interval; band: middle half of the ratios")
    settle(figure)
    return figure


def groups_of(rows: pd.DataFrame, baseline: str) -> list[Group]:
    """Give the groups with an A/A arm, the smallest ratio first."""
    timed = rows[rows["metric"] == "time"][["workload", "operation"]].drop_duplicates()
    found = [
        Group(f"{operation} {workload}", control_of(arms(rows, workload, operation), baseline))
        for workload, operation in timed.itertuples(index=False)
    ]
    return sorted((group for group in found if group.ratio.n), key=lambda group: (group.ratio.value, group.name))


def title_of(groups: Sequence[Group]) -> str:
    """Count the false claims beside what was to be expected."""
    count = sum(group.claims for group in groups)
    text = f"{count} of {len(groups)} A/A intervals leave 1 out ({count / len(groups):.0%})".replace("%", " %")
    return f"{text}\nabout {100 - CONFIDENCE} % are to be expected"


def draw_group(axis: "Axes", place: int, group: Group) -> None:
    """Draw one ratio with its interval."""
    colour = ACCENT if group.claims else QUIET
    ratio = group.ratio
    reach = [[ratio.value - ratio.low], [ratio.high - ratio.value]]
    mark = "D" if group.claims else "o"
    axis.errorbar(ratio.value, place, xerr=reach, fmt=mark, ms=3.5, color=colour, capsize=1.5, elinewidth=1, zorder=3)


def draw_spread(axis: "Axes", groups: Sequence[Group]) -> None:
    """Draw the middle half of the ratios as a band."""
    values = pd.Series([group.ratio.value for group in groups])
    axis.axvspan(*values.quantile([0.25, 0.75]), fc=BAND, ec=BAND, lw=1, zorder=0, gid="control")
    # So near to 1 a logarithmic scale is straight, and round ticks of a straight one can be read.
    axis.xaxis.set_major_formatter(lambda value, _: ratio_text(value))
