"""Figures of a run, all of one look, as Vega-Lite specifications with their data.

Each `…_figure` takes the tidy table of a run and gives a picture, which a notebook shows and `save` writes. Its further
arguments choose what is drawn; None stands for all of it:

- `workloads`, `operations` and `codecs` by their names; the baseline is always there;
- `size`: raw, gzip or zstd.

NotMeasuredError says that the run lacks the rows, and which command measures them; UnknownNameError names a workload or
codec that the run does not have.
"""

from serlab.report.figures.bars import CUT, floor_of, group_of, memory_figure, ratio_figure, size_figure
from serlab.report.figures.curves import BITS_NS, SHARES, STEPS, access_figure, crossover_figure, curves_of, steps_of
from serlab.report.figures.data import (
    Values,
    arms,
    chosen,
    control_of,
    floor_time,
    is_codec,
    middle,
    names_of,
    sizes,
    summed,
    sums,
)
from serlab.report.figures.look import RATE, look_of
from serlab.report.figures.paged import page_figures
from serlab.report.figures.picture import Picture, save
from serlab.report.figures.points import front_of, noise_figure, pareto_figure, points_of, token_figure
from serlab.report.figures.waits import IDLE, WAYS, call_figure, hit_figure, lag_figure, size_of, spread_of
from serlab.report.figures.write import write_figures

__all__ = [
    "BITS_NS",
    "CUT",
    "IDLE",
    "RATE",
    "SHARES",
    "STEPS",
    "WAYS",
    "Picture",
    "Values",
    "access_figure",
    "arms",
    "call_figure",
    "chosen",
    "control_of",
    "crossover_figure",
    "curves_of",
    "floor_of",
    "floor_time",
    "front_of",
    "group_of",
    "hit_figure",
    "is_codec",
    "lag_figure",
    "look_of",
    "memory_figure",
    "middle",
    "names_of",
    "noise_figure",
    "page_figures",
    "pareto_figure",
    "points_of",
    "ratio_figure",
    "save",
    "size_figure",
    "size_of",
    "sizes",
    "spread_of",
    "steps_of",
    "summed",
    "sums",
    "token_figure",
    "write_figures",
]
