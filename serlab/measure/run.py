"""A whole run: cell after cell, each in a fresh process, each kept as soon as it is finished.

What a kill leaves is a journal of finished cells. A resumed run measures the others, and those in which something
stayed unmeasured (see `serlab.measure.cell`), so that it ends with the rows that an undisturbed run has.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.errors import ResultsError
from serlab.folders import appending, write_inside
from serlab.measure.cell import finish, is_open, unmeasured
from serlab.measure.environment import differences, environment
from serlab.measure.plan import Cell, Plan
from serlab.measure.suites import write_suites
from serlab.results import ENVIRONMENT, PARQUET, Finished, Journal, load_environment, write_results

Progress = Callable[[Cell], None]
"""Called when a cell is finished, or found finished already."""

LOCK = ".lock"


def measure(plan: Plan, directory: Path, resume: bool, progress: Progress) -> pd.DataFrame:
    """Measure all cells of a plan that the folder does not hold yet, or not whole, then write the results.

    Args:
        plan: what to measure.
        directory: the results folder; made if it is missing.
        resume: go on with a run that was stopped.
        progress: called after each cell.

    Returns:
        The tidy table.

    Raises:
        ResultsError: the folder holds a run and `resume` is false, or none and it is true, or a run that was made
            otherwise, or other files; or it is in use, or cannot be written.
        MissingPackageError: an experiment needs a package that is not installed.
    """
    plan.check_installed()
    with locked(directory):
        record = begin(plan, directory, resume)
        journal = Journal(directory)
        for cell in plan.cells():
            if is_open(plan, cell, journal):
                # Its results would be those of the run before, until the new ones are written.
                (directory / PARQUET).unlink(missing_ok=True)
                keep_better(journal, finish(plan, cell, record["run"], journal, directory))
            progress(cell)
        write_suites(directory, journal.cells.values())
        return write_results(directory, journal.cells.values())


def keep_better(journal: Journal, found: Finished) -> None:
    """Write a cell down, unless trouble cost it more than it had cost the one that was there."""
    before = journal.cells.get(found.key)
    if before is None or not unmeasured(found) or len(found.rows) >= len(before.rows):
        journal.append(found)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep two runs from writing into one folder."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with appending(directory, LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise ResultsError(
            f"{directory}: another serlab is writing there; wait for it or choose another folder"
        ) from error
    except OSError as error:
        raise ResultsError(f"{directory}: cannot be written: {error.strerror}") from error


def begin(plan: Plan, directory: Path, resume: bool) -> dict[str, Any]:
    """Write the environment of a new run, or check that a stopped one may go on here."""
    refuse_folder(directory, resume)
    record = environment(plan)
    if not resume:
        write_inside(directory, ENVIRONMENT, json.dumps(record, indent=1).encode())
        return record
    old = load_environment(directory)
    found = differences(old, record)
    if found:
        listed = "; ".join(found)
        raise ResultsError(
            f"{directory}: cannot go on, since it was made otherwise ({listed}); start another with -o DIR"
        )
    return old


def refuse_folder(directory: Path, resume: bool) -> None:
    """Refuse a folder that a run cannot go into: what is somebody else's there would be written over.

    Args:
        directory: the results folder, which need not be there yet.
        resume: go on with a run that was stopped.

    Raises:
        ResultsError: it holds a run, or what is none; with `resume`, it holds no run.
    """
    try:
        has_run = (directory / ENVIRONMENT).exists()
        # Hidden files are no reason: the lock of a run that was stopped at its very start is one.
        others = sorted(path.name for path in directory.glob("[!.]*"))
    except OSError as error:
        raise ResultsError(f"{directory}: cannot be read: {error.strerror}") from error
    if resume and not has_run:
        raise ResultsError(f"{directory}: no run there was stopped; name its folder, or start one without --resume")
    if has_run and not resume:
        raise ResultsError(f"{directory}: holds a run already; --resume goes on with it, -o DIR starts another")
    if others and not has_run:
        shown = ", ".join(others[:3]) + (", …" if others[3:] else "")
        raise ResultsError(f"{directory}: expected a new or an empty folder, got one with {shown}; choose another")
