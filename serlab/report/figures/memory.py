"""Memory per operation as bars: how many allocations, how many bytes, and how high does it pile up?

Counts repeat exactly, so there are no intervals. Bars start at 0; one that would leave the others no room is cut off,
with an arrow, and its figure says how long it is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from serlab.report.figures.data import chosen, missing, workloads_with
from serlab.report.figures.look import SMALL, drawn, look_of, settle, sheet, tick
from serlab.report.tables import memory_table
from serlab.report.units import SIZE, show, three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

OPERATIONS = ("encode", "decode")
MEASURES = {
    "allocations_per_op": "allocations per message",
    "bytes_per_op": "bytes allocated per message",
    "peak_bytes": "peak, bytes",
}
"""Column of the memory table → title of its panels."""
ROW = 0.19
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
        (name, operation): group_of(table, name, operation)
        for name in workloads_with(kept, workloads, lambda name: True)
        for operation in operations
    }
    groups = {place: group for place, group in groups.items() if len(group)}
    if not groups:
        raise missing("the memory figure", f"memory of {' or '.join(operations)}", rows, "serlab memory")
    heights = [ROW * len(group) + 0.7 for group in groups.values()]
    figure, panels = sheet(len(groups), len(MEASURES), heights, sharey="row")
    for ((name, operation), group), axes in zip(groups.items(), panels, strict=True):
        for (column, title), axis in zip(MEASURES.items(), axes, strict=True):
            axis.set_title(f"{operation} {name}\n{title}" if axis is axes[0] else title)
            draw_panel(axis, group, column)
    settle(figure)
    return figure


def group_of(table: pd.DataFrame, workload: str, operation: str) -> pd.DataFrame:
    """Pick the codecs of one group, those that allocate most first."""
    if table.empty:
        return table
    group = table[(table["workload"] == workload) & (table["operation"] == operation)]
    return group.sort_values("bytes_per_op", ascending=False, kind="stable", ignore_index=True)


def draw_panel(axis: "Axes", group: pd.DataFrame, column: str) -> None:
    """Draw one measure of one group."""
    values = group[column].fillna(0)
    short = values[values <= CUT * values.median()]
    limit = float(short.max()) if len(short) and short.max() > 0 else 1.0
    for place, row in enumerate(group.to_dict("records")):
        draw_bar(axis, place, row, column, limit)
    # The figures stand beyond the bars and take about a third of a narrow panel.
    axis.set_xlim(0, limit * 1.6)
    axis.set_yticks(range(len(group)), list(group["codec"]))
    axis.tick_params(axis="y", length=0)
    unit_ticks(axis, limit, column)


def unit_ticks(axis: "Axes", limit: float, column: str) -> None:
    """Write three round ticks with their unit."""
    from matplotlib.ticker import MaxNLocator

    ticks = [float(value) for value in MaxNLocator(2, steps=[1, 2, 5, 10]).tick_values(0, limit) if value <= limit]
    texts = [tick(value, SIZE) if "bytes" in column else f"{value:,.4g}" for value in ticks]
    axis.set_xticks(ticks, texts)


def draw_bar(axis: "Axes", place: int, row: dict[Any, Any], column: str, limit: float) -> None:
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
