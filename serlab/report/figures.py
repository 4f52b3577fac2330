"""Figures, drawn with matplotlib from the extra `notebooks`.

Each codec has one colour everywhere; a variant has the colour of the codec that it comes from and a hollow mark.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from serlab.errors import MissingPackageError
from serlab.report.tables import baseline_of, build_tables
from serlab.report.units import three_digits

# Okabe and Ito's palette, told apart with every common kind of colour blindness.
COLOURS = {
    "json": "#8C8C8C",
    "orjson": "#000000",
    "msgpack": "#E69F00",
    "protobuf": "#0072B2",
    "flatbuffers": "#D55E00",
    "msgspec-json": "#009E73",
    "msgspec-msgpack": "#CC79A7",
}
OTHER = "#56B4E9"
"""The colour of codecs from elsewhere."""

OPERATIONS = ("encode", "decode")


def ratio_figure(rows: pd.DataFrame, path: str | Path, workloads: list[str]) -> None:
    """Draw encode and decode ratios with intervals, a column of panels for each workload, the fastest on top.

    Args:
        rows: the tidy table of a run.
        path: a .png or .svg file.
        workloads: which workloads.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingPackageError("figures need matplotlib: pip install 'serlab[notebooks]'") from error
    time = build_tables(rows)["time"]
    groups = [[group_of(time, workload, operation) for workload in workloads] for operation in OPERATIONS]
    heights = [max(map(len, line)) + 2 for line in groups]
    figure, axes = plt.subplots(
        len(OPERATIONS),
        len(workloads),
        figsize=(3.9 * len(workloads), 0.27 * sum(heights)),
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    for line, operation in enumerate(OPERATIONS):
        for column, workload in enumerate(workloads):
            draw_panel(axes[line][column], groups[line][column])
            axes[line][column].set_title(f"{operation} {workload}", fontsize=10, loc="left", fontweight="bold")
    figure.supxlabel(f"time per message against {baseline_of(rows)} (log scale; 95 % interval; band: A/A)", fontsize=9)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def group_of(time: pd.DataFrame, workload: str, operation: str) -> pd.DataFrame:
    """Pick the codecs of one group of the time table, the slowest first; neither the A/A arm nor the floors are any."""
    here = (time["workload"] == workload) & (time["operation"] == operation)
    group = time[here & ~time["verdict"].isin(["A/A", "floor", "failed"])]
    return group.sort_values("ratio", ascending=False, ignore_index=True)


def draw_panel(axis: Any, group: pd.DataFrame) -> None:
    """Draw one group: a point with its interval and figure for each codec, and the A/A band."""
    for place, row in enumerate(group.to_dict("records")):
        draw_point(axis, place, row)
    axis.axvline(1, color="#888888", lw=1, zorder=0)
    if len(group):
        axis.axvspan(group["aa_low"].iloc[0], group["aa_high"].iloc[0], color="#8888884d", lw=0, zorder=0)
    axis.set_xscale("log")
    axis.set_yticks(range(len(group)), list(group["codec"]), fontsize=9)
    axis.tick_params(axis="x", labelsize=8)
    axis.margins(x=0.25, y=0.08)
    axis.spines[["top", "right"]].set_visible(False)


def draw_point(axis: Any, place: int, row: dict[Any, Any]) -> None:
    """Draw one codec's ratio."""
    colour, is_variant = look_of(row["codec"])
    reach = [[row["ratio"] - row["ratio_low"]], [row["ratio_high"] - row["ratio"]]]
    fill = "white" if is_variant else colour
    axis.errorbar(row["ratio"], place, xerr=reach, fmt="o", ms=6, capsize=3, color=colour, mfc=fill)
    text = f"{three_digits(row['ratio'])}×"
    label = {
        "textcoords": "offset points",
        "va": "center",
        "fontsize": 8,
        "bbox": {"fc": "white", "ec": "none", "pad": 0.6},
    }
    axis.annotate(text, (row["ratio_high"], place), (7, 0), **label)


def look_of(codec: str) -> tuple[str, bool]:
    """Give a codec's colour, and whether it is a variant."""
    if codec in COLOURS:
        return COLOURS[codec], False
    family = codec.rpartition("-")[0]
    return COLOURS.get(family, OTHER), family in COLOURS
