"""One ratio that several tools were asked for again and again: who finds the same twice?

The table is the file that `scripts/noise.py --csv FILE` writes: repetition, tool, ratio, low, high, seconds,
load_average, busy_processes (how many were started beside it).
"""

from typing import TYPE_CHECKING

import pandas as pd

from serlab.report.figures.look import QUIET, drawn, ratio_axis, settle, sheet

if TYPE_CHECKING:
    from serlab.report.figures.canvas import Picture

INK = "#0072B2"


def repeats_table(repeats: pd.DataFrame) -> pd.DataFrame:
    """Sum up how far a tool's answers lie apart.

    Args:
        repeats: one line for each repetition of each tool.

    Returns:
        For each tool: repetitions, median, smallest and largest ratio, the coefficient of variation, how many of its
        intervals hold its median (not a number where it gives none), how often it puts the other codec ahead than its
        median does, and the seconds that one answer takes.
    """
    return pd.DataFrame({str(tool): summed_up(answers) for tool, answers in repeats.groupby("tool", sort=False)}).T


def summed_up(answers: pd.DataFrame) -> dict[str, float]:
    """Sum up one tool's answers."""
    ratio = answers["ratio"]
    middle = float(ratio.median())
    covered = (answers["low"] <= middle) & (middle <= answers["high"])
    return {
        "repetitions": len(answers),
        "median": middle,
        "smallest": float(ratio.min()),
        "largest": float(ratio.max()),
        "variation": float(ratio.std() / ratio.mean()),
        "intervals that hold the median": float(covered.sum()) if answers["low"].notna().any() else float("nan"),
        "other codec ahead": float(((ratio < 1) != (middle < 1)).sum()),
        "seconds": float(answers["seconds"].median()),
    }


@drawn
def repeats_figure(repeats: pd.DataFrame) -> "Picture":
    """Draw every answer of every tool, with its interval where the tool gives one.

    Args:
        repeats: one line for each repetition of each tool.

    Returns:
        The figure, the tools from top to bottom, on one logarithmic axis.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    tools = list(repeats["tool"].unique())
    figure, ((axis,),) = sheet(1, 1, [0.7 + 0.8 * len(tools)])
    for place, tool in enumerate(tools):
        answers = repeats[repeats["tool"] == tool]
        heights = [place - 0.3 + 0.6 * i / max(len(answers) - 1, 1) for i in range(len(answers))]
        # An interval that a symmetric error makes may reach below nothing.
        low = (answers["ratio"] - answers["low"].clip(lower=1e-3)).fillna(0)
        high = (answers["high"] - answers["ratio"]).fillna(0)
        axis.errorbar(
            answers["ratio"], heights, xerr=[low, high], fmt="o", ms=4, color=INK, elinewidth=1, capsize=1.5, gid=tool
        )
    axis.set_xscale("log")
    axis.axvline(1, color=QUIET, lw=0.8, zorder=0)
    axis.set_yticks(range(len(tools)), tools)
    axis.set_ylim(len(tools) - 0.5, -0.5)
    axis.set_title("The same question, asked again and again")
    axis.set_xlabel("ratio that the tool found; right of 1× the baseline is faster")
    ratio_axis(axis.xaxis)
    settle(figure)
    return figure
