"""Timing itself: arms in short batches, in random order.

A batch is long against the clock's resolution and short against what a shared machine does to its guests, so that
every arm meets every state of the machine.

Source: interleaving after Kalibera and Jones, Rigorous Benchmarking in Reasonable Time (2013).
"""

import gc
import os
from collections.abc import Callable
from random import Random
from time import perf_counter_ns
from typing import Any, Generic, NamedTuple, TypeVar

from serlab.measure.options import Effort

LEAST_BATCHES = 3
"""Of an arm so slow that it would use up its time at once; a median of fewer says nothing."""

LONGEST_BATCH = 5
"""What a batch may take at most, in intended batches, the making of fresh arguments included: where a picture of 1 MB
is parsed anew for each microsecond of convert, a whole batch of them filled gigabytes."""

WARM_UP_BATCHES = 2
"""Passes over an arm's messages before it is timed; the faster one says how long a pass takes."""


Named = TypeVar("Named")
"""What tells arms apart: a case, or a case in a place."""


class Arm(NamedTuple, Generic[Named]):
    """A codec in one operation: what is called, with what, and how often in a batch.

    Attributes:
        name: whose figure it gives; hashable.
        call: the function that is timed.
        items: its arguments, one per call.
        messages: how many messages a pass over the items handles.
        fresh: makes an argument of an item before the clock starts, where a call may use up what it is given: convert
            may fill in the library's object and hand it on.
        loops: passes over the items in a batch.
        batches: how many batches are timed.
    """

    name: Named
    call: Callable[[Any], Any]
    items: list[Any]
    messages: int
    fresh: Callable[[Any], Any] | None = None
    loops: int = 1
    batches: int = 1


def calibrate(effort: Effort, arm: Arm[Named]) -> Arm[Named]:
    """Choose how many passes make a batch and how many batches the arm gets; this warms it up as well."""
    timed, whole = map(min, zip(*(warm_up(arm) for _ in range(WARM_UP_BATCHES)), strict=True))
    loops = max(1, min(round(effort.batch_ns / timed), LONGEST_BATCH * effort.batch_ns // whole))
    affordable = effort.arm_ns // (whole * loops)
    return arm._replace(loops=loops, batches=max(LEAST_BATCHES, min(effort.rounds, affordable)))


def warm_up(arm: Arm[Any]) -> tuple[int, int]:
    """Return the nanoseconds of a batch, timed and with the making of fresh arguments."""
    start = perf_counter_ns()
    timed = batch(arm)
    return max(1, timed), max(1, perf_counter_ns() - start)


def interleaved(
    arms: list[Arm[Named]],
    random: Random,
    mark: Callable[[Named | None], None] = lambda name: None,
    turn: Callable[[], object] | None = None,
) -> dict[Named, list[float]]:
    """Time all arms, batch by batch in random order.

    Args:
        arms: what is timed, calibrated.
        random: the order.
        mark: told before each batch whose it is, so that a death has a name; None between them.
        turn: called before each round; another process may measure until it returns.

    Returns:
        Arm's name → nanoseconds per message of each batch.
    """
    values: dict[Named, list[float]] = {arm.name: [] for arm in arms}
    for number in range(max((arm.batches for arm in arms), default=0)):
        due = [arm for arm in arms if number < arm.batches]
        random.shuffle(due)
        if turn:
            mark(None)
            turn()
        for arm in due:
            mark(arm.name)
            values[arm.name].append(batch(arm) / (arm.loops * arm.messages))
    mark(None)
    return values


def batch(arm: Arm[Any]) -> int:
    """Time one batch in nanoseconds."""
    call, items, passes = arm.call, arm.items, range(arm.loops)
    if arm.fresh is not None:
        items, passes = [arm.fresh(item) for _ in passes for item in items], range(1)
    start = perf_counter_ns()
    for _ in passes:
        for item in items:
            call(item)
    return perf_counter_ns() - start


# What biases a timing and can be pinned: the collector and the processor.

GC = ("frozen", "on")
"""`frozen`: what was loaded stays out of every collection, and none runs while timing. `on`: as Python starts; then
orjson decoded 500 tokens with log probabilities in 3.4 × the time (`serlab time --quick --gc on`).
"""

DESCRIPTIONS = {
    "frozen": "frozen and disabled while timing, disabled while tracing",
    "on": "enabled while timing, nothing frozen; disabled while tracing",
}


def settle_gc(mode: str) -> None:
    """Put the collector into the state in which a worker times.

    Args:
        mode: one of `GC`; with `frozen`, collections that would hit whoever is running do not happen.
    """
    gc.collect()
    if mode == "frozen":
        gc.freeze()
        gc.disable()
    else:
        gc.enable()


def pin(process: int) -> int | None:
    """Keep a worker on one processor, the next one for each process.

    Not the default, since it gained nothing here: over 24 processes the A/A ratio varied by 0.93 % without it and by
    0.89 % with it (two workloads, encode and decode, two processors; with another program keeping one of them busy by
    11 % and 13 %, median deviation 1.0 % and 0.7 %), and a pinned worker cannot move away from a busy processor.

    Args:
        process: the worker's number.

    Returns:
        The processor; None where the system has no such call or refuses it.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[process % len(allowed)]
    try:
        os.sched_setaffinity(0, {chosen})
    except OSError:
        return None
    return chosen
