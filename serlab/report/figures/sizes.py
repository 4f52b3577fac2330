"""Sizes as ratios to the baseline, a line for each workload: what is left of a format's lead after compression?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from serlab.report.figures.data import chosen, missing, names_of, sizes, workloads_with
from serlab.report.figures.look import SMALL, drawn, look_of, ratio_axis, settle, sheet
from serlab.report.tables import baseline_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture

METRICS = ("raw", "gzip", "zstd")
TITLES = {"raw": "raw", "gzip": "after gzip", "zstd": "after zstd"}
ROW = 0.24
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
    found = {metric: ratios_of(kept, metric, baseline) for metric in metrics}
    first = found[metrics[0]]
    names = sorted(workloads_with(kept, workloads, lambda name: name in first), key=lambda name: -least(first[name]))
    if not names:
        raise missing("the sizes", f"sizes ({', '.join(metrics)}) of {baseline}", rows, "serlab size")
    figure, panels = sheet(1, len(metrics), [ROW * len(names) + 0.9], sharey=True)
    shown = [codec for codec in names_of(kept, "codec") if codec != baseline and any(codec in first[n] for n in names)]
    limits = limits_of(found, names, shown)
    for metric, axis in zip(metrics, panels[0], strict=True):
        axis.set_title(TITLES[metric])
        draw_panel(axis, names, found[metric], shown, limits)
        axis.axvline(1, color="#000000", lw=0.8, zorder=1, gid=baseline)
    marks, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(marks, labels, loc="outside upper center", ncols=5, frameon=False, fontsize=SMALL)
    figure.supxlabel(f"bytes per message against {baseline} (log scale)")
    settle(figure)
    return figure


def ratios_of(rows: pd.DataFrame, metric: str, baseline: str) -> Sizes:
    """Give the ratios of the workloads that the baseline carries."""
    found = {workload: sizes(rows, workload, metric) for workload in names_of(rows, "workload")}
    return {
        workload: {codec: value / by_codec[baseline] for codec, value in by_codec.items()}
        for workload, by_codec in found.items()
        if baseline in by_codec
    }


def least(ratios: dict[str, float]) -> float:
    """Give the smallest ratio of a workload."""
    return min(ratios.values())


def limits_of(found: dict[str, Sizes], names: Sequence[str], codecs: Sequence[str]) -> tuple[float, float]:
    """Give the ends of the axis, one for all panels, so that they can be compared."""
    values = [ratios[name][codec] for ratios in found.values() for name in names for codec in codecs
              if codec in ratios.get(name, {})]  # fmt: skip
    low, high = min([1.0, *values]), max([1.0, *values])
    wide = max(high / low, 1.3) ** 0.06
    return low / wide, high * wide


def draw_panel(
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
