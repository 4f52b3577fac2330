"""One call that measures and gives a table: what `serlab compare` does, for programs and notebooks."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from time import monotonic
from types import TracebackType
from typing import Any, Self

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from serlab.console import console as new_console
from serlab.console import literal
from serlab.measure import EFFORTS, LOAD_PARTS, PARTS, WIRE, Cell, Options, Plan, check_names, make_plan, measure
from serlab.report import write_tables
from serlab.results import load_environment, load_findings
from serlab.scratch import Scratch

# Progress of a run: a bar with the time that is left, in a terminal and in a notebook; lines where neither is.

LINE_EVERY_S = 5.0
"""Between two lines in a log, where a bar would be noise."""
TRUST_S = 40.0
"""How long cells must have taken before their time counts as much as the plan's estimate."""
FOUND_FINISHED_S = 0.05
"""A cell that takes less was measured before the run was stopped."""


class Outlook:
    """Learns from finished cells what the others will take.

    A workload takes as long in the next process as in the last. Of what was not measured yet, the plan's own estimate
    is scaled by how wrong it was in the same part, and before that part begins, in all parts; a few seconds are no
    reason to mistrust it.

    Args:
        plan: what is measured.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.left = plan.cells()
        self.seen: dict[tuple[str, str], list[float]] = {}
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.planned: defaultdict[str, float] = defaultdict(float)

    def learn(self, cell: Cell, seconds: float) -> None:
        """Take a finished cell in; what a stopped run left takes no time and says nothing about the machine."""
        self.left.remove(cell)
        if seconds > FOUND_FINISHED_S:
            self.seen.setdefault((cell.part, cell.unit), []).append(seconds)
            self.spent[cell.part] += seconds
            self.planned[cell.part] += self.plan.cost(cell)

    def seconds(self) -> float | None:
        """Estimate what is left; None before anything was learned."""
        return sum(map(self.expected, self.left)) if self.seen else None

    def expected(self, cell: Cell) -> float:
        """Estimate one cell."""
        if same := self.seen.get((cell.part, cell.unit)):
            return fmean(same)
        part = cell.part if self.planned[cell.part] else None
        spent, planned = (sum(each.values()) if part is None else each[part] for each in (self.spent, self.planned))
        return self.plan.cost(cell) * (spent + TRUST_S) / (planned + TRUST_S)


class Ticker:
    """Shows how far a run is.

    Args:
        plan: what is measured.
        console: where to show it; None shows nothing.
        clock: seconds, for tests.
    """

    def __init__(self, plan: Plan, console: Console | None, clock: Callable[[], float] = monotonic) -> None:
        self.plan = plan
        self.console = console
        self.clock = clock
        self.total = len(plan.cells())
        self.outlook = Outlook(plan)
        self.done = 0
        self.bar = bar(console) if console and (console.is_terminal or console.is_jupyter) else None

    def __enter__(self) -> Self:
        self.last_line = self.last_cell = self.clock()
        if self.bar:
            self.bar.start()
            self.task = self.bar.add_task("", total=self.total, left="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def finished(self, cell: Cell) -> None:
        """Count a finished cell in and show it."""
        now = self.clock()
        self.done += 1
        self.outlook.learn(cell, now - self.last_cell)
        self.last_cell = now
        if self.bar:
            self.bar.update(self.task, completed=self.done, description=cell.key, left=self.remaining())
        elif self.console and (now - self.last_line >= LINE_EVERY_S or self.done == self.total):
            self.last_line = now
            self.console.print(literal(f"{self.done}/{self.total} {cell.key}, {self.remaining()}"))

    def remaining(self) -> str:
        """Estimate the time that is left."""
        left = self.outlook.seconds()
        if left is None:
            return "time left unknown"
        seconds = round(left)
        return f"{seconds // 60}:{seconds % 60:02d} left"


def bar(console: Console) -> Progress:
    """Make the bar."""
    left = TextColumn("{task.fields[left]}")
    cell = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), left, cell)
    return Progress(*columns, console=console, transient=True)


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
        operations: what is timed, see `serlab.measure.options.OPERATIONS`; empty means what the effort says.
        parts: any of size, memory, time, and on request throughput, lag, wire; parity is always checked.
        effort: quick, default or rigorous.
        seed: of the workloads, the sample of a corpus and the order of batches.
        strict: raise at the first corpus line that cannot be read.
        base: the virtual environment whose codecs are timed in pairs with these.
        directory: the results folder; None keeps no files.
        resume: go on with a run that was stopped in `directory`.
        progress: show a progress bar, in a notebook too.
        settings: gc, pin, batch_ms, time_limit_s, memory_limit_mb, max_body_mb, flamegraph, experiments; see
            `serlab.measure.options.Options`.

    Returns:
        The tidy table, one row per figure, see `serlab.rows.Row`; `attrs` holds the environment and the findings.

    Raises:
        UnknownNameError: there is no codec, workload, operation, part or effort of that name.
        MissingPackageError: a codec that was asked for is not installed.
        CorpusError: a corpus cannot be read.
        ResultsError: the folder holds another run, or cannot be written.
        InterpreterError: the other environment cannot be measured with.
    """
    check_names("part", tuple(parts), (*PARTS, *LOAD_PARTS, WIRE))
    check_names("effort", (effort,), EFFORTS)
    chosen = (_names_of(codecs), _names_of(workloads), _names_of(corpus))
    chosen_options = Options(*chosen, tuple(operations), tuple(parts), effort, seed, strict, base=str(base), **settings)
    plan = make_plan(chosen_options)
    with _folder(directory) as path:
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


def _names_of(given: Names) -> tuple[str, ...]:
    """Make a tuple of one name, several or none."""
    if given is None:
        return ()
    return (str(given),) if isinstance(given, str | Path) else tuple(map(str, given))


@contextmanager
def _folder(directory: str | Path | None) -> Iterator[Path]:
    """Return the results folder, or one that is gone afterwards."""
    if directory is not None:
        yield Path(directory)
        return
    with Scratch() as temporary:
        yield temporary
