"""What the notebooks share: a run to look at, stored or measured now, and sentences that cells produce.

Needs the extra `notebooks`.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.comparison import compare
from serlab.errors import MissingPackageError, ResultsError
from serlab.report.units import show
from serlab.results import PARQUET, load_environment, load_results

STORED = "stored"
"""The folder beside the notebooks with the run that they show as they are committed."""

LIVE = Path("../results")
"""Where a run that a notebook makes is kept."""


def open_run(corpus: str = "", rerun: bool = False, *, stored: str | Path = STORED, **settings: Any) -> pd.DataFrame:
    """Give the rows that a notebook argues from.

    Args:
        corpus: a file of recorded traffic; "" means the built-in workloads.
        rerun: measure now, on this machine, with a progress bar, and keep the run in `LIVE`; else the last such run is
            read, or without a corpus the stored one.
        stored: the folder of the stored run.
        settings: for `serlab.compare`: codecs, workloads, operations, parts, effort.

    Returns:
        One row per figure, with the columns of `serlab.results.Row`; `attrs["environment"]` tells machine and versions.

    Raises:
        ResultsError: there is no run of this corpus yet, or the stored one is missing.
        SerlabError: what `serlab.compare` raises.
    """
    name = Path(corpus).name.split(".")[0] or "built-in"
    if rerun:
        begun = newest(name, finished=False)
        return compare(corpus=corpus or None, directory=begun or fresh(name), resume=begun is not None, **settings)
    source = newest(name, finished=True) if corpus else Path(stored)
    if source is None:
        raise ResultsError(f"{LIVE}: no run of {corpus} yet; set RERUN = True once to measure it")
    rows = load_results(source)
    rows.attrs["environment"] = load_environment(source)
    return rows


def fresh(name: str) -> Path:
    """Name a folder for a new run; the date makes the newest the last."""
    return LIVE / f"notebook-{name}-{datetime.now():%Y%m%d-%H%M%S}"


def newest(name: str, finished: bool) -> Path | None:
    """Find the last run of a corpus if it is finished, or if it was stopped."""
    runs = sorted(LIVE.glob(f"notebook-{name}-*-*"))
    found = [run for run in runs if (run / PARQUET).exists()] if finished else runs[-1:]
    return found[-1] if found and (found[-1] / PARQUET).exists() is finished else None


def say(*sentences: str) -> Any:
    """Show sentences as Markdown; a notebook's figures in prose all come through here, from the cell that computed them.

    Args:
        sentences: Markdown; each is a paragraph.

    Raises:
        MissingPackageError: IPython is not installed.
    """
    try:
        from IPython.display import Markdown
    except ImportError as error:
        raise MissingPackageError("notebooks need IPython: pip install 'serlab[notebooks]'") from error
    return Markdown("\n\n".join(sentences))


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table with its figures in units, as people read them, for display.

    Args:
        table: with units in its column names, as `serlab.report.build_tables` gives it.

    Returns:
        The same table as text.
    """
    columns = {str(name): [show(str(name), value) for value in table[name].tolist()] for name in table.columns}
    return pd.DataFrame(columns, index=table.index)
