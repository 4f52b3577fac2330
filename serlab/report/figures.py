"""Figures, drawn with matplotlib from the extra `notebooks`."""

from pathlib import Path
from typing import Any

import pandas as pd

from serlab.errors import MissingPackageError
from serlab.report.tables import baseline_of, build_tables

# Okabe and Ito's palette, told apart with every common kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")


def ratio_figure(rows: pd.DataFrame, path: str | Path, workloads: list[str]) -> None:
    """Draw encode and decode ratios with intervals for some workloads.

    Args:
        rows: the tidy table of a run.
        path: a .png or .svg file.
        workloads: which workloads, a panel each.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingPackageError("figures need matplotlib: pip install 'serlab[notebooks]'") from error
    time = build_tables(rows)["time"]
    size = (3.3 * len(workloads), 6.4)
    figure, axes = plt.subplots(2, len(workloads), figsize=size, sharex="col", sharey=True, squeeze=False)
    for line, operation in enumerate(("encode", "decode")):
        for axis, workload in zip(axes[line], workloads, strict=True):
            draw_panel(axis, time[(time["workload"] == workload) & (time["operation"] == operation)])
            axis.set_title(f"{workload}: {operation}", fontsize=10, loc="left")
    for axis in axes[-1]:
        axis.set_xlabel(f"time against {baseline_of(rows)} (log scale)", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_panel(axis: Any, table: pd.DataFrame) -> None:
    """Draw one group: a point with its interval per codec, and the A/A band."""
    codecs = table[~table["verdict"].isin(["A/A"])].sort_values("codec", ascending=False)
    for i, row in enumerate(codecs.itertuples()):
        error = [[row.ratio - row.ratio_low], [row.ratio_high - row.ratio]]  # type: ignore[operator]
        axis.errorbar(row.ratio, i, xerr=error, fmt="o", ms=5, capsize=3, color=COLOURS[i % len(COLOURS)])
        axis.annotate(f"{row.ratio:.2g}×", (row.ratio, i), (0, 6), textcoords="offset points", ha="center", fontsize=8)
    axis.axvline(1, color="#888888", lw=1, zorder=0)
    if len(table):
        axis.axvspan(table["aa_low"].iloc[0], table["aa_high"].iloc[0], color="#8888884d", lw=0, zorder=0)
    axis.set_xscale("log")
    axis.set_yticks(range(len(codecs)), list(codecs["codec"]), fontsize=9)
    axis.margins(x=0.15, y=0.12)
    axis.spines[["top", "right"]].set_visible(False)
