"""What the notebooks share: a run to look at, stored or measured now, and sentences that cells produce.

Needs the extra `notebooks`.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.comparison import compare
from serlab.errors import MissingPackageError, ResultsError
from serlab.measure import PARTS, WIRE, Options, make_plan, taken
from serlab.report import readable as read_cells
from serlab.report import show
from serlab.results import ENVIRONMENT, load_environment, load_results
from serlab.rows import PARQUET

STORED = "stored"
"""The folder beside the notebooks with the run that they show as they are committed."""

LIVE = Path("../results")
"""Where a run that a notebook makes is kept."""


def open_run(corpus: str = "", rerun: bool = False, *, stored: str | Path = STORED, **settings: Any) -> pd.DataFrame:
    """Return the rows that a notebook argues from.

    Args:
        corpus: a file of recorded traffic; "" means the built-in workloads.
        rerun: measure now, on this machine, with a progress bar, and keep the run in `LIVE`; else the last such run is
            read, or without a corpus the stored one.
        stored: the folder of the stored run.
        settings: for `serlab.compare`: codecs, workloads, operations, parts, experiments, effort. An experiment that
            takes none of a corpus's messages is left out.

    Returns:
        One row per figure, with the columns of `serlab.rows.Row`; `attrs["environment"]` tells machine and versions.

    Raises:
        ResultsError: there is no run of this corpus with these settings yet, or the stored one is missing.
        SerlabError: what `serlab.compare` raises.
    """
    name = Path(corpus).name.split(".")[0] or "built-in"
    if corpus and settings.get("experiments"):
        settings |= fitting(corpus, settings)
    if rerun:
        begun = _stopped(name, settings)
        return compare(corpus=corpus or None, directory=begun or _fresh(name), resume=begun is not None, **settings)
    source = _newest(name, settings) if corpus else Path(stored)
    if source is None:
        raise ResultsError(f"{LIVE}: no run of {corpus} that holds {_wanted(settings)}; set RERUN = True once")
    rows = load_results(source)
    rows.attrs["environment"] = load_environment(source)
    return rows


def fitting(corpus: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Choose the experiments on the wire that can take a corpus's messages; without any, there is no such part."""
    named = settings.get("workloads")
    plan = make_plan(Options(workloads=tuple(_plain(named)), corpora=(corpus,)))
    kinds = {name: source.kind for name, source in plan.sources.items()}
    found = tuple(name for name in _plain(settings["experiments"]) if taken(name, kinds, by_user=True))
    parts = tuple(part for part in _plain(settings.get("parts", PARTS)) if found or part != WIRE)
    return {"experiments": found, "parts": parts}


def _fresh(name: str) -> Path:
    """Name a folder for a new run; the date makes the newest the last."""
    return LIVE / f"notebook-{name}-{datetime.now():%Y%m%d-%H%M%S}"


def _runs_of(name: str) -> list[Path]:
    """List the runs of a corpus, the newest first."""
    return sorted((path.parent for path in LIVE.glob(f"notebook-{name}-*-*/{ENVIRONMENT}")), reverse=True)


def _newest(name: str, settings: dict[str, Any]) -> Path | None:
    """Find the last finished run that holds what a notebook asks for: another one may have measured less."""
    return next((run for run in _runs_of(name) if (run / PARQUET).exists() and holds(run, settings)), None)


def _stopped(name: str, settings: dict[str, Any]) -> Path | None:
    """Find the last run if it was stopped and had the same settings, so that it can go on."""
    last = _runs_of(name)[:1]
    if not last or (last[0] / PARQUET).exists():
        return None
    options = load_environment(last[0]).get("options", {})
    asked = {"parts": PARTS, "operations": (), "experiments": (), **settings}
    same = all(_plain(value) == options[key] for key, value in asked.items() if key in options)
    return last[0] if same else None


def holds(run: Path, settings: dict[str, Any]) -> bool:
    """Return whether a run has all the parts, operations and experiments that are asked for."""
    record = load_environment(run)
    has = {
        "parts": record.get("plan", {}).get("parts", ()),
        "operations": record.get("effort", {}).get("operations", ()),
    }
    has["experiments"] = list(record.get("wire", ()))
    return all(set(_plain(settings.get(key, ()))) <= set(names) for key, names in has.items())


def _wanted(settings: dict[str, Any]) -> str:
    """Say what a notebook asks for."""
    asked = [name for key in ("parts", "operations", "experiments") for name in _plain(settings.get(key, ()))]
    return ", ".join(asked) or "any figures"


def _plain(value: Any) -> Any:
    """Return a setting as JSON holds it: a list for one name or several."""
    if isinstance(value, str | bool | int | float):
        return value
    return list(value or ())


def say(*sentences: str) -> Any:
    """Show sentences as Markdown; a notebook's figures in prose all come through here, from the cell that made them.

    Args:
        sentences: Markdown; each is a paragraph.

    Raises:
        MissingPackageError: IPython is not installed.
    """
    try:
        display = import_module("IPython.display")
    except ImportError as error:
        raise MissingPackageError("notebooks need IPython: pip install 'serlab[notebooks]'") from error
    return display.Markdown("\n\n".join(sentences))


def readable(table: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a table with its figures in units, as people read them, for display.

    Args:
        table: with units in its column names, as `serlab.report.build_tables` gives it.
        columns: which, in this order; a figure then brings its interval along, and a tie its mark. None: all, as is.

    Returns:
        The same table as text.
    """
    if columns is not None:
        found = read_cells(table, columns)
        return pd.DataFrame({column.heading: column.cells for column in found}, index=table.index)
    shown = {str(name): [show(str(name), value) for value in table[name].tolist()] for name in table.columns}
    return pd.DataFrame(shown, index=table.index)
