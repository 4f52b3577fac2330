"""All figures that a results folder has the rows for, as files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from serlab.errors import NotMeasuredError, UnknownNameError
from serlab.folders import file_name, write_inside
from serlab.report.figures.bars import memory_figure, ratio_figure, size_figure
from serlab.report.figures.curves import access_figure, crossover_figure
from serlab.report.figures.data import names_of
from serlab.report.figures.picture import FORMATS, Picture
from serlab.report.figures.points import noise_figure, pareto_figure, token_figure
from serlab.report.figures.waits import call_figure, hit_figure, lag_figure
from serlab.report.tables import without_figures
from serlab.results import load_results

BY_WORKLOAD: dict[str, Callable[..., Picture]] = {
    "ratios": ratio_figure,
    "pareto": pareto_figure,
    "access": access_figure,
    "memory": memory_figure,
    "crossover": crossover_figure,
    "lag": lag_figure,
    "calls": call_figure,
    "tokens": lambda rows, workloads: token_figure(rows, *workloads),
    "hits": lambda rows, workloads: hit_figure(rows, *workloads),
}
"""Name → figure, drawn for each workload by itself: a page of 13 workloads could not be read."""
BY_RUN: dict[str, Callable[..., Picture]] = {"noise": noise_figure, "sizes": size_figure}
FOLDER = "figures"


def write_figures(directory: str | Path) -> Iterator[Path]:
    """Write the figures of a run, each as soon as it is asked for, as drawing all takes a minute or two.

    Args:
        directory: a results folder.

    Yields:
        The files, `figures/NAME.FORMAT` and `figures/NAME-WORKLOAD.FORMAT`.

    Raises:
        ResultsError: the folder holds no results or cannot be written.
        NotMeasuredError: it has no rows for any figure.
    """
    folder = Path(directory)
    count = 0
    rows = load_results(folder)
    for name, figure in _figures_of(rows):
        for suffix in FORMATS:
            count += 1
            yield write_inside(folder, f"{FOLDER}/{name}.{suffix}", figure.data(suffix))
    if not count:
        if reason := without_figures(rows):
            raise NotMeasuredError(f"{folder}: nothing to draw, {reason}; `serlab check` lists the bodies")
        raise NotMeasuredError(
            f"{folder}: expected times, sizes, memory, lag or the wire, but the run holds none of them; "
            "measure them with `serlab compare -o DIR`"
        )


def _figures_of(rows: pd.DataFrame) -> Iterator[tuple[str, Picture]]:
    """Yield file name and figure of what the rows hold."""
    names: dict[str, str] = {}
    for workload in names_of(rows, "workload"):
        names[workload] = file_name(workload, set(names.values()))
    for name, draw in BY_WORKLOAD.items():
        for workload in names:
            yield from _drawn_if_there(f"{name}-{names[workload]}", draw, rows, [workload])
    for name, draw in BY_RUN.items():
        yield from _drawn_if_there(name, draw, rows, None)


def _drawn_if_there(
    name: str, draw: Callable[..., Picture], rows: pd.DataFrame, workloads: list[str] | None
) -> Iterator[tuple[str, Picture]]:
    """Draw a figure; a run that has no rows for it goes without, since parts and operations are the user's choice."""
    try:
        figure = draw(rows, workloads)
    except (NotMeasuredError, UnknownNameError):  # A workload may be known to the wire alone, or to all but the wire.
        return
    yield name, figure
