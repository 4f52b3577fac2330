"""One call that measures and gives a table: what `serlab compare` does, for programs and notebooks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from serlab.console import console as new_console
from serlab.measure.effort import EFFORTS
from serlab.measure.options import PARTS, Options
from serlab.measure.pace import LOAD_PARTS
from serlab.measure.plan import Plan, check_names, make_plan
from serlab.measure.run import measure
from serlab.measure.wire import WIRE
from serlab.progress import Ticker
from serlab.report import write_tables
from serlab.results import load_environment, load_findings
from serlab.scratch import Scratch

Names = str | Path | Sequence[str | Path] | None
"""One name, several, or none for the default."""


def compare(
    codecs: Names = None,
    workloads: Names = None,
    corpus: Names = None,
    *,
    operations: Sequence[str] = (),
    parts: Sequence[str] = PARTS,
    effort: str = "quick",
    seed: int = 0,
    strict: bool = False,
    base: str | Path = "",
    directory: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    **settings: Any,
) -> pd.DataFrame:
    """Measure codecs on workloads and recorded traffic; works in a notebook cell.

    Args:
        codecs: names; None means all that are installed.
        workloads: names; None means all built-in ones, or none if there is a corpus.
        corpus: paths of recorded traffic, see `serlab.corpus`; what files look like that hold no bodies stands in
            `attrs["environment"]["hints"]`.
        operations: what is timed, see `serlab.measure.effort.OPERATIONS`; empty means what the effort says.
        parts: any of size, memory, time, and on request throughput, lag, wire; parity is always checked.
        effort: quick, default or rigorous.
        seed: of the workloads, the sample of a corpus and the order of batches.
        strict: raise at the first corpus line that cannot be read.
        base: the virtual environment whose codecs are timed in pairs with these.
        directory: the results folder; None keeps no files.
        resume: go on with a run that was stopped in `directory`.
        progress: show a progress bar, in a notebook too.
        settings: gc, pin, batch_ms, time_limit_s, memory_limit_mb, max_body_mb, flamegraph, experiments; see
            `serlab.measure.plan.Options`.

    Returns:
        The tidy table, one row per figure, see `serlab.results.Row`; `attrs` holds the environment and the findings.

    Raises:
        UnknownNameError: there is no codec, workload, operation, part or effort of that name.
        MissingPackageError: a codec that was asked for is not installed.
        CorpusError: a corpus cannot be read.
        ResultsError: the folder holds another run, or cannot be written.
        InterpreterError: the other environment cannot be measured with.
    """
    check_names("part", tuple(parts), (*PARTS, *LOAD_PARTS, WIRE))
    check_names("effort", (effort,), EFFORTS)
    chosen = (names_of(codecs), names_of(workloads), names_of(corpus))
    chosen_options = Options(*chosen, tuple(operations), tuple(parts), effort, seed, strict, base=str(base), **settings)
    plan = make_plan(chosen_options)
    with folder(directory) as path:
        return run_plan(plan, path, resume, new_console() if progress else None)


def run_plan(plan: Plan, directory: Path, resume: bool, console: Console | None) -> pd.DataFrame:
    """Measure a plan and write rows, suites and tables.

    Args:
        plan: what to measure.
        directory: the results folder.
        resume: go on with a run that was stopped.
        console: where progress is shown; None shows none.

    Returns:
        The tidy table, with the environment and the findings in `attrs`.
    """
    with Ticker(plan, console) as ticker:
        table = measure(plan, directory, resume, ticker.finished)
    write_tables(directory)
    table.attrs |= {"environment": load_environment(directory), "findings": load_findings(directory)}
    return table


def names_of(given: Names) -> tuple[str, ...]:
    """Make a tuple of one name, several or none."""
    if given is None:
        return ()
    return (str(given),) if isinstance(given, str | Path) else tuple(map(str, given))


@contextmanager
def folder(directory: str | Path | None) -> Iterator[Path]:
    """Give the results folder, or one that is gone afterwards."""
    if directory is not None:
        yield Path(directory)
        return
    with Scratch() as temporary:
        yield temporary
