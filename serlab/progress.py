"""Progress of a run: a bar with the time that is left, in a terminal and in a notebook; lines where neither is."""

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from serlab.measure.plan import Cell, Plan

LINE_EVERY_S = 5.0
"""Between two lines in a log, where a bar would be noise."""


class Ticker:
    """Shows how far a run is.

    Args:
        plan: what is measured; its cells' expected costs weigh the estimate of what is left.
        console: where to show it; None shows nothing.
        clock: seconds, for tests.
    """

    def __init__(self, plan: Plan, console: Console | None, clock: Callable[[], float] = monotonic) -> None:
        self.plan = plan
        self.console = console
        self.clock = clock
        self.total = len(plan.cells())
        self.left = sum(map(plan.cost, plan.cells()))
        self.done = 0
        self.spent = 0.0
        self.bar = bar(console) if console and (console.is_terminal or console.is_jupyter) else None

    def __enter__(self) -> Self:
        self.started = self.last_line = self.last_cell = self.clock()
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
        cost = self.plan.cost(cell)
        self.done += 1
        self.left -= cost
        # A cell that a stopped run left takes no time and says nothing about the speed of the machine.
        if now - self.last_cell > 0.05:
            self.spent += cost
            self.measured = now - self.started
        self.last_cell = now
        if self.bar:
            self.bar.update(self.task, completed=self.done, description=cell.key, left=self.remaining())
        elif self.console and (now - self.last_line >= LINE_EVERY_S or self.done == self.total):
            self.last_line = now
            self.console.print(f"{self.done}/{self.total} {cell.key}, {self.remaining()}", highlight=False)

    def remaining(self) -> str:
        """Estimate the time that is left."""
        if not self.spent:
            return "time left unknown"
        seconds = round(self.left * self.measured / self.spent)
        return f"{seconds // 60}:{seconds % 60:02d} left"


def bar(console: Console) -> Progress:
    """Make the bar."""
    left = TextColumn("{task.fields[left]}")
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), left, TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True)
