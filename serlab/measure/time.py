"""Time per message: all codecs of one workload side by side in one process, in short batches in random order.

A batch is long against the clock's resolution and short against what a shared machine does to its guests, so that
every codec meets every state of the machine. The figure of a process is the median of its batches.

Source: interleaving after Kalibera and Jones, Rigorous Benchmarking in Reasonable Time (2013).
"""

import gc
import os
from collections.abc import Callable
from functools import partial
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Any, NamedTuple

import pyperf

from serlab.measure.load import Bound, Emit, bind, finding, load_messages, named_reader, read_field, row
from serlab.measure.parity import check
from serlab.messages import to_document
from serlab.stats import CONTROL

LEAST_BATCHES = 3
"""Of an arm so slow that it would use up its time at once; a median of fewer says nothing."""


Turn = Callable[[], object]
"""Called before each round of batches; another process may measure until it returns."""


class Arm(NamedTuple):
    """A codec in one operation: what is called, with what, and how often in a batch.

    Attributes:
        name: the codec's name, or the baseline's with `CONTROL`.
        call: the function that is timed.
        items: its arguments, one per message.
        fresh: makes an argument of an item before the clock starts, where a call may use up what it is given: convert
            may fill in the library's object and hand it on.
        loops: passes over the items in a batch.
        batches: how many batches are timed.
    """

    name: str
    call: Callable[[Any], Any]
    items: list[Any]
    fresh: Callable[[Any], Any] | None = None
    loops: int = 1
    batches: int = 1


def run(job: dict[str, Any], emit: Emit, turn: Turn | None = None) -> None:
    """Time every operation of a workload.

    Args:
        job: workload, kind, seed, documents, codecs, operations, baseline, process, effort (rounds, batch_ns, arm_ns).
        emit: receives rows, findings and the batches for pyperf.
        turn: waits for this process's turn, where several measure by turns.
    """
    messages = load_messages(job)
    codecs = [bind(job, name, messages) for name in job["codecs"] if carries(job, name, messages, emit)]
    # What was loaded stays out of every collection; collections inside a batch would hit whoever is running.
    gc.collect()
    gc.freeze()
    gc.disable()
    random = Random(f"{job['seed']}/{job['process']}/{job['workload']}")
    emit({"metadata": metadata()})
    for operation in job["operations"]:
        arms = arms_of(job, operation, codecs, messages, emit)
        for name, values in interleave(arms, random, turn).items():
            emit(row(job, name, operation, "time", "ns", median(values)))
            emit({"batches": {"codec": name, "operation": operation, "loops": loops_of(arms, name), "values": values}})


def carries(job: dict[str, Any], name: str, messages: list[Any], emit: Emit) -> bool:
    """Check parity before timing; what a codec does not carry becomes a finding."""
    emit({"at": name})
    for message in messages:
        outcome = check(name, job["kind"], message, to_document(message))
        if outcome.outcome != "equal":
            emit(finding(job, name, outcome.outcome, outcome.reason))
            return False
    return True


def arms_of(job: dict[str, Any], operation: str, codecs: list[Bound], messages: list[Any], emit: Emit) -> list[Arm]:
    """Prepare and calibrate each codec; the baseline enters twice, under two names."""
    arms = []
    reader = named_reader(job["kind"], messages)
    for bound in codecs:
        if operation == "read-one" and reader is None:
            continue
        emit({"at": bound.name})
        arm = calibrate(job["effort"], prepare(operation, bound, messages, reader))
        arms.append(arm)
        if bound.name == job["baseline"]:
            arms.append(arm._replace(name=bound.name + CONTROL))
    emit({"at": ""})
    return arms


def prepare(operation: str, bound: Bound, messages: list[Any], reader: Callable[[Any], Any] | None) -> Arm:
    """Give a codec's arm in an operation, not calibrated yet."""
    name, codec, encoded = bound
    if operation == "read-one":
        return Arm(name, partial(read_field, codec.open, reader), encoded)
    if operation == "convert":
        return Arm(name, codec.convert, encoded, codec.deserialize)
    if operation == "serialize":
        return Arm(name, codec.serialize, list(map(codec.populate, messages)))
    inputs = {"encode": messages, "populate": messages, "decode": encoded, "deserialize": encoded}
    return Arm(name, getattr(codec, operation), inputs[operation])


def calibrate(effort: dict[str, int], arm: Arm) -> Arm:
    """Choose how many passes make a batch and how many batches the arm gets; this warms it up as well."""
    elapsed = max(1, min(batch(arm) for _ in range(2)))
    loops = max(1, round(effort["batch_ns"] / elapsed))
    affordable = effort["arm_ns"] // (elapsed * loops)
    return arm._replace(loops=loops, batches=max(LEAST_BATCHES, min(effort["rounds"], affordable)))


def interleave(arms: list[Arm], random: Random, wait: Turn | None = None) -> dict[str, list[float]]:
    """Time all arms, batch by batch in random order.

    Returns:
        Arm's name → nanoseconds per message of each batch.
    """
    values: dict[str, list[float]] = {arm.name: [] for arm in arms}
    for turn in range(max((arm.batches for arm in arms), default=0)):
        due = [arm for arm in arms if turn < arm.batches]
        random.shuffle(due)
        if wait:
            wait()
        for arm in due:
            values[arm.name].append(batch(arm) / (arm.loops * len(arm.items)))
    return values


def batch(arm: Arm) -> int:
    """Time one batch in nanoseconds."""
    call, items, passes = arm.call, arm.items, range(arm.loops)
    if arm.fresh is not None:
        items, passes = [arm.fresh(item) for _ in passes for item in items], range(1)
    start = perf_counter_ns()
    for _ in passes:
        for item in items:
            call(item)
    return perf_counter_ns() - start


def loops_of(arms: list[Arm], name: str) -> list[int]:
    """Give an arm's passes and the messages in a pass."""
    arm = next(arm for arm in arms if arm.name == name)
    return [arm.loops, len(arm.items)]


def metadata() -> dict[str, Any]:
    """Collect what pyperf records about this process, and what it does not: the state of the collector, the seed."""
    collected = dict(pyperf.Run([1.0], collect_metadata=True).get_metadata())
    return {**collected, "gc": "frozen and disabled", "hash_seed": os.environ.get("PYTHONHASHSEED", "random")}
