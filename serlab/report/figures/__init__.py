"""Figures of a run, all of one look, drawn with matplotlib from the extra `notebooks`.

Each function takes the tidy table and gives a figure that a notebook shows; `save` writes it as PNG or SVG.
"""

from serlab.report.figures.access import access_figure
from serlab.report.figures.calls import call_figure
from serlab.report.figures.crossover import crossover_figure
from serlab.report.figures.hits import hit_figure
from serlab.report.figures.lag import lag_figure
from serlab.report.figures.look import look_of, save
from serlab.report.figures.memory import memory_figure
from serlab.report.figures.noise import noise_figure
from serlab.report.figures.pareto import pareto_figure
from serlab.report.figures.ratios import ratio_figure
from serlab.report.figures.sizes import size_figure
from serlab.report.figures.tokens import token_figure
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
