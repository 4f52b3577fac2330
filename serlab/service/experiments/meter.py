"""How much of a processor the client used: whether it was the client that an arm waited for.

A client of Python runs on one core. Where it keeps that core busy all the time, more calls at once bring nothing, and
what is measured is the client's own work more than the server's or the network's.
"""

from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import Any

from serlab.measure.arms import Arm


class Meter:
    """Sums up, arm by arm, the time that passes and what of it the process spends on a processor."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[int, int]] = {}

    def on(self, arm: Arm) -> Arm:
        """Give an arm whose calls are watched; it costs a call about a microsecond."""

        def call(item: Any) -> Any:
            began, used = perf_counter_ns(), process_time_ns()
            try:
                return work(item)
            finally:
                self.add(arm.name, perf_counter_ns() - began, process_time_ns() - used)

        work: Callable[[Any], Any] = arm.call
        return arm._replace(call=call)

    def add(self, name: str, passed: int, used: int) -> None:
        """Count a call in."""
        before = self.spent.get(name, (0, 0))
        self.spent[name] = (before[0] + passed, before[1] + used)

    def shares(self) -> dict[str, float]:
        """Give each arm's share of one core, warm-up included; more than 1 where other threads work as well."""
        return {name: used / passed for name, (passed, used) in self.spent.items() if passed}
