"""A run that was read once, to answer any number of scenarios."""

from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.decide.model import Cost, Inputs, inputs, totals
from serlab.decide.types import Scenario
from serlab.errors import ResultsError
from serlab.results import Row, load_environment, load_results

Values = dict[str, dict[int, float]]
"""Codec → process → figure."""


class Run:
    """A run's rows and what the model reads of them.

    Args:
        rows: the tidy table.
        environment: the run's environment record; empty where there is none.
        place: the results folder, "" for a table in memory.
    """

    def __init__(self, rows: pd.DataFrame, environment: dict[str, Any], place: str = "") -> None:
        self.rows = rows
        self.environment = environment
        self.place = place

    def option(self, name: str) -> list[str]:
        """Give what the run was told by an option that may be repeated, such as its corpora."""
        return list(map(str, self.environment.get("options", {}).get(name) or ()))

    @cached_property
    def inputs(self) -> Inputs:
        """Give the medians over the processes."""
        return inputs(self.rows)

    @cached_property
    def processes(self) -> dict[int, Inputs]:
        """Give the figures of each process, the baseline's second arm among them."""
        timed = self.rows[self.rows["metric"] == "time"]["process"].unique()
        return {int(process): inputs(self.rows, int(process), control=True) for process in sorted(timed) or [0]}

    def costs(self, scenario: Scenario) -> dict[int, dict[str, Cost]]:
        """Add up what each codec costs in each process, so that codecs can be compared within a process."""
        return {process: totals(found, scenario) for process, found in self.processes.items()}


def by_codec(costs: dict[int, dict[str, Cost]], field: str) -> Values:
    """Sort one field of the costs by codec."""
    found: Values = {}
    for process, one in costs.items():
        for codec, cost in one.items():
            found.setdefault(codec, {})[process] = getattr(cost, field)
    return found


def read_run(results: str | Path | pd.DataFrame | Run) -> Run:
    """Read a run.

    Args:
        results: a results folder, or the table that `serlab.compare` or `serlab.load_results` gave.

    Raises:
        ResultsError: the folder holds no results, or the table is none.
    """
    if isinstance(results, Run):
        return results
    if isinstance(results, pd.DataFrame):
        if absent := [name for name in Row._fields if name not in results.columns]:
            raise ResultsError(f"not a table of results: no column {', '.join(absent)}; expected that of load_results")
        return Run(results, dict(results.attrs.get("environment", {})))
    return Run(load_results(results), load_environment(results), str(results))
