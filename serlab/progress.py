"""Progress of a run: a bar with the time that is left, in a terminal and in a notebook; lines where neither is."""

from collections import defaultdict
from collections.abc import Callable
from statistics import fmean
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from serlab.console import literal
from serlab.measure.plan import Cell, Plan

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
