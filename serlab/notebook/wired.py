"""Rows of a run on the wire, made whole from the stored run where a user's traffic could not take an experiment."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from serlab.report.wire import PREFIX
from serlab.results import load_results


def filled_in(
    rows: pd.DataFrame, wanted: Sequence[str], stored: str | Path = "stored/wire"
) -> tuple[pd.DataFrame, list[str]]:
    """Add from the stored run what this one lacks, so that an argument has all its parts.

    Args:
        rows: of a run.
        wanted: experiments, or parts of them as in "pooling/share"; a part stands behind its experiment.
        stored: the folder of the stored run.

    Returns:
        The rows, and the names of what was added: the notebook has to tell. What the stored run lacks, too, is still
        missing.
    """
    missing: list[str] = []
    for name in wanted:
        if not is_part(rows, name).any():
            rows = with_part(rows, load_results(Path(stored)), name)
            missing.append(name)
    return rows, missing


def is_part(rows: pd.DataFrame, name: str) -> pd.Series:
    """Tell which rows are of an experiment, or of a part of one."""
    return rows["operation"].str.startswith(f"{PREFIX}{name}/")


def with_part(rows: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """Add a part of another run, with the sizes of the workloads that only the other run has."""
    part = other[is_part(other, name)]
    new = set(part["workload"]) - set(rows["workload"])
    sizes = other[(other["operation"] == "size") & other["workload"].isin(new)]
    return pd.concat([rows, sizes, part], ignore_index=True)
