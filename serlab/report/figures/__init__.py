"""Figures of a run, all of one look, drawn with matplotlib from the extra `notebooks`.

Each function takes the tidy table and gives a figure that a notebook shows; `save` writes it as PNG or SVG.
"""

from serlab.report.figures.bars import memory_figure, ratio_figure, size_figure
from serlab.report.figures.curves import access_figure, crossover_figure
from serlab.report.figures.look import look_of, save
from serlab.report.figures.points import noise_figure, pareto_figure, token_figure
from serlab.report.figures.waits import call_figure, hit_figure, lag_figure
from serlab.report.figures.write import write_figures

__all__ = [
    "access_figure",
    "call_figure",
    "crossover_figure",
    "hit_figure",
    "lag_figure",
    "look_of",
    "memory_figure",
    "noise_figure",
    "pareto_figure",
    "ratio_figure",
    "save",
    "size_figure",
    "token_figure",
    "write_figures",
]
