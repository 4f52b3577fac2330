"""Bars: ratios to the baseline, sizes beside it, and memory.

A ratio's bar reaches from 1, on a logarithmic scale, so that twice as fast is as long as half as fast.
"""

from collections.abc import Sequence

import pandas as pd

from serlab.report.figures.charts import (
    ACROSS,
    EDGE,
    MARKED,
    Row,
    Scale,
    Spec,
    by_codec,
    fixed,
    haloed,
    memory_layers,
    named,
    one,
    padded,
    points,
    ratio_layers,
    reach,
)
from serlab.report.figures.data import chosen, missing, names_of, sizes, workloads_with
from serlab.report.figures.look import QUIET, RATIO, look_of, painted, ratio_text, shortened
from serlab.report.figures.picture import DARK, SMALL, Picture, panel, sheet
from serlab.report.formatting import SIZE, interval, show, three_digits
from serlab.report.tables import baseline_of, build_tables, memory_table
from serlab.stats import band

OPERATIONS = ("encode", "decode")
ROW = 18
"""Pixels of one bar."""
ROOM = 56
"""Pixels that a figure beyond a bar takes."""
ASIDE: Spec = {"titleAnchor": "start", "titleColor": QUIET, "titleFontSize": SMALL}
"""What an axis says at its left end."""
REACH = 8.0
"""A floor that would make the axis this many times longer than the codecs need is written at its edge."""


def ratio_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = OPERATIONS,
    codecs: Sequence[str] | None = None,
) -> Picture:
    """Draw the ratios of times to the baseline, a line of panels for each workload, the fastest codec on top.

    Bars with 95 % intervals, `=` at a tie, the A/A interval as a band, the floor as a dashed line.
    """
    kept = chosen(rows, workloads, codecs)
    time = build_tables(kept[kept["metric"] == "time"])["time"]
    has = (lambda name: any(len(group_of(time, name, one)) for one in operations)) if len(time) else lambda name: False
    needs = f"times of {' or '.join(operations)}"
    names = workloads_with(kept, workloads, has, "the ratios", needs, "serlab time")
    panels = [
        _ratio_panel(group_of(time, name, operation), floor_of(time, name, operation), f"{operation} {shortened(name)}")
        for name in names
        for operation in operations
    ]
    said = f"time per message against {baseline_of(rows)} (log scale, 95 % interval, =: tie, band: A/A, dashed: floor)"
    return sheet(panels, len(operations), said)


def group_of(time: pd.DataFrame, workload: str, operation: str) -> pd.DataFrame:
    """Pick the codecs of one group of the time table, the slowest first; neither the A/A arm nor the floors are any."""
    here = (time["workload"] == workload) & (time["operation"] == operation)
    group = time[here & ~time["verdict"].isin(["A/A", "floor", "failed", "unmeasured"])].dropna(subset=["ratio"])
    return group.sort_values("ratio", ascending=False, kind="stable", ignore_index=True)


def floor_of(time: pd.DataFrame, workload: str, operation: str) -> float:
    """Return the ratio of an operation's floor to the baseline; not a number where it was not measured."""
    here = (time["workload"] == workload) & (time["operation"] == operation) & (time["verdict"] == "baseline")
    return 1 / float(time[here]["times_floor"].iloc[0]) if here.any() else float("nan")


def _ratio_panel(group: pd.DataFrame, floor: float, title: str, width: float = 258) -> Spec:
    """Draw one group; the floor as a line, or where it is far as a figure at the axis."""
    if group.empty:
        alone = {"mark": {"type": "text", "color": QUIET}, "encoding": {"text": {"value": "not measured"}}}
        return panel([{}], [alone], width, 60, title)
    noise = band(group["aa_low"].iloc[0], group["aa_high"].iloc[0])
    low, high = min(group["ratio_low"].min(), 1.0), max(group["ratio_high"].max(), 1.0)
    is_near = floor == floor and low / REACH < floor
    scale = padded([low, high], width, ROOM if low < 1 else 8, ROOM, 2.0)
    if is_near and floor < scale.low * 1.05:
        scale = padded([floor, high], width, 10, ROOM)
    said = f"◄ floor {ratio_text(floor)}, " if floor == floor and not is_near else ""
    x = fixed("ratio", scale, RATIO, f"{said}A/A {interval(*noise)}", **ASIDE)
    both = {"aa_low": noise[0], "aa_high": noise[1], "floor": floor if is_near else float("nan")}
    shown = [
        painted(row["codec"], ratio=row["ratio"], low=row["ratio_low"], high=row["ratio_high"], **both,
                text=ratio_text(row["ratio"]) + (" =" if row["verdict"] == "tie" else ""))
        for row in group.iloc[::-1].to_dict("records")
    ]  # fmt: skip
    layers = haloed(ratio_layers(x, by_codec(), edge=EDGE))
    return panel(shown, [*layers, reach({"y": by_codec(), **ACROSS}, color=DARK)], width, ROW * len(shown), title)


# Sizes as ratios to the baseline, a line for each workload: what is left of a format's lead after compression?

METRICS = ("raw", "gzip", "zstd")
TITLES = {"raw": "raw", "gzip": "after gzip", "zstd": "after zstd"}
SIZES_ROW = 23
"""Pixels of a line."""
DODGE = 0.5
"""Share of a line that its marks spread over, so that equal sizes do not hide each other."""
Sizes = dict[str, dict[str, float]]
"""Workload → codec → ratio to the baseline."""


def size_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    codecs: Sequence[str] | None = None,
    metrics: Sequence[str] = ("raw", "zstd"),
) -> Picture:
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
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    found = {metric: _ratios_of(kept, metric, baseline) for metric in metrics}
    first = found[metrics[0]]
    needs = f"sizes ({', '.join(metrics)}) of {baseline}"
    names = workloads_with(kept, workloads, lambda name: name in first, "the sizes", needs, "serlab size")
    names = sorted(names, key=lambda name: -min(first[name].values()))[::-1]
    shown = [codec for codec in names_of(kept, "codec") if codec != baseline and any(codec in first[n] for n in names)]
    marks = [
        (metric, painted(codec, ratio=found[metric][name][codec], place=i + DODGE * ((k + 0.5) / len(shown) - 0.5)))
        for metric in metrics
        for i, name in enumerate(names)
        for k, codec in enumerate(shown)
        if codec in found[metric].get(name, {})
    ]
    scale = padded([1.0, *(row["ratio"] for _, row in marks)], 300, 18, 18)
    panels = []
    for metric in metrics:
        look = {"grid": True, "gridColor": "#EEEEEE", "labels": metric == metrics[0]}
        y = named("place", [*map(shortened, names)], len(names) - 0.3, -0.7, **look)
        layers = [
            one(),
            points({"x": fixed("ratio", scale, RATIO), "y": y}, _legend(shown) if shown else MARKED, size=45),
        ]
        here = [row for found_in, row in marks if found_in == metric]
        panels.append(panel(here, layers, scale.size, SIZES_ROW * len(names), TITLES[metric]))
    return sheet(panels, len(metrics), f"bytes per message against {baseline} (log scale)")


def _legend(codecs: Sequence[str]) -> Spec:
    """Describe how codecs are painted, with a legend of them all above the panels."""
    looks = [look_of(codec) for codec in codecs]
    shared = {"field": "codec", "type": "nominal", "legend": {"orient": "top", "columns": 5, "columnPadding": 16}}
    return {
        channel: {**shared, "scale": {"domain": [*codecs], "range": [getattr(look, name) for look in looks]}}
        for channel, name in (("stroke", "colour"), ("fill", "fill"), ("shape", "mark"))
    }


def _ratios_of(rows: pd.DataFrame, metric: str, baseline: str) -> Sizes:
    """Return the ratios of the workloads that the baseline carries."""
    found = {workload: sizes(rows, workload, metric) for workload in names_of(rows, "workload")}
    return {
        workload: {codec: value / by_codec[baseline] for codec, value in by_codec.items()}
        for workload, by_codec in found.items()
        if baseline in by_codec
    }


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
COUNT = ((1.0, ""),)
CUT = 6.0
"""A bar longer than this multiple of the median is cut off."""


def memory_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = OPERATIONS,
    codecs: Sequence[str] | None = None,
) -> Picture:
    """Draw allocations, bytes and peak per operation, a line of panels for each workload and operation.

    A bar with its figure for each codec, the one that allocates the fewest bytes on top.
    """
    kept = chosen(rows, workloads, codecs)
    table = memory_table(kept)
    panels = []
    for name in workloads or names_of(kept, "workload"):
        for operation in operations if len(table) else ():
            group = table[(table["workload"] == name) & (table["operation"] == operation)]
            group = group.sort_values("bytes_per_op", ascending=False, kind="stable").iloc[::-1]
            for column, title in MEASURES.items() if len(group) else ():
                head = f"{operation} {shortened(name)}" if column == "allocations_per_op" else ""
                panels.append(_memory_panel(group, column, head, title))
    if not panels:
        raise missing("the memory figure", f"memory of {' or '.join(operations)}", rows, "serlab memory")
    return sheet(panels, len(MEASURES), "per message, counted once, hence no intervals; ►: a bar that is cut off")


def _memory_panel(group: pd.DataFrame, column: str, *title: str) -> Spec:
    """Draw one measure of one group; figures stand beyond the bars and take about a third of a narrow panel."""
    shown, limit = _memory_bars(group, column)
    x = fixed("length", Scale(0, limit * 1.6, 190, is_log=False), SIZE if "bytes" in column else COUNT, tickCount=2)
    y = by_codec([row["codec"] for row in shown], bool(title[0]))
    return panel([painted(**row) for row in shown], memory_layers(x, y), 190, ROW * len(shown), *title)


def _memory_bars(group: pd.DataFrame, column: str) -> tuple[list[Row], float]:
    """Return a measure's bars, one that would hide the others cut off with an arrow, and the longest that is not."""
    values = group[column].fillna(0)
    short = values[values <= CUT * values.median()]
    limit = float(short.max()) if len(short) and short.max() > 0 else 1.0
    found: list[Row] = []
    for codec, value in zip(group["codec"], group[column], strict=True):
        text = show(column, value) if "bytes" in column else three_digits(value)
        length = 0.0 if value != value else float(min(max(value, 0.0), limit * 1.05))
        found.append({"codec": codec, "length": length, "text": f"► {text}" if value > limit else text})
    return found, limit
