"""Event-loop lag: how late everything else on an asyncio loop is while bodies are coded there.

A ticker notes how late the loop is (`serlab.measure.ticker`) while bodies come at a stated rate and are coded inline,
by `asyncio.to_thread` or in a pool of one process. The loop's lag without any coding is an arm of its own,
`floor: idle`; two more block for 10 ms, with and without the interpreter lock.
"""

import asyncio
import gc
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from random import Random
from typing import Any

import numpy as np

from serlab.cases import AA, Case, Conditions, Place
from serlab.codecs import open_codec
from serlab.errors import WorkerError
from serlab.measure.inputs import bind, load_messages, row
from serlab.measure.job import At, Emit, Job
from serlab.measure.load_workers import FLOORS, codec_of, ended_by, floor
from serlab.measure.options import BODIES_PER_S, BODIES_PER_WINDOW, LOAD_OPERATIONS, WAYS, lag_windows, usable_cores
from serlab.measure.parity import carries
from serlab.measure.process import PassingError, is_passing_end
from serlab.measure.ticker import fine_loop, ticked
from serlab.scratch import die_with_parent

BLOCK_NS = 10_000_000
"""What one body of a floor takes."""


@dataclass(slots=True)
class Arm:
    """A codec or a floor in an operation and a way.

    Attributes:
        codec: whose work.
        operation: encode or decode.
        way: one of `WAYS`.
        call: what codes a body; other processes know it too.
        items: the bodies.
        lags: nanoseconds of each tick, over all windows.
        rates: bodies per second that were done, one for each window.
    """

    codec: Case
    operation: str
    way: str
    call: Callable[[Any], Any]
    items: Sequence[Any]
    lags: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


def run(job: Job, emit: Emit) -> None:
    """Measure the lag of a loop on which a workload is coded.

    Args:
        job: what to code.
        emit: receives rows and findings.
    """
    messages = load_messages(job)
    able = [name for name in job.codecs if carries(job, name, messages, emit)]
    arms = [arm for operation in LOAD_OPERATIONS if operation in job.operations
            for arm in _arms_of(job, operation, able, messages)]  # fmt: skip
    random = Random(f"{job.seed}/{job.process}/{job.workload}/lag")
    gc.collect()
    gc.freeze()
    gc.disable()
    with pool_of_one() as pool, asyncio.Runner(loop_factory=fine_loop) as runner:
        for arm in arms:
            emit(At(codec_of(arm.codec)))
            runner.run(_handler(arm, pool)(arm.items[0]))
        for _ in range(lag_windows(job.effort)):
            random.shuffle(arms)
            # The same bodies for every arm, since those of a mix differ in size.
            picks = [random.randrange(len(messages)) for _ in range(BODIES_PER_WINDOW)]
            for arm in arms:
                emit(At(codec_of(arm.codec)))
                runner.run(one_window(arm, pool, picks))
    for arm in sorted(arms, key=lambda arm: (arm.operation, arm.way, arm.codec)):
        _emit_arm(job, arm, emit)


@contextmanager
def pool_of_one() -> Iterator[ProcessPoolExecutor]:
    """Start a pool of one process.

    Raises:
        WorkerError: the process died; a `PassingError` where that is no codec's.
    """
    spawn = multiprocessing.get_context("spawn")
    members: list[BaseProcess] = []
    try:
        with ProcessPoolExecutor(1, mp_context=spawn, initializer=die_with_parent) as pool:
            pool.submit(usable_cores).result()
            members += multiprocessing.active_children()
            yield pool
    except BrokenExecutor:
        # Only now, when the pool has waited for it, is it known how it ended.
        status = next((one.exitcode for one in members if one.exitcode), 0)
        kind = PassingError if is_passing_end(status, "") else WorkerError
        raise kind(f"the process of the pool died ({ended_by(status)})") from None


def _arms_of(job: Job, operation: str, codecs: list[str], messages: list[Any]) -> list[Arm]:
    """Return each codec and floor in each way; the baseline enters twice."""
    works: dict[Case, tuple[Callable[[Any], Any], Sequence[Any]]] = {}
    for name in codecs:
        items = messages if operation == "encode" else bind(job, name, messages).encoded
        works[Case(name)] = (partial(_code, name, job.kind, operation), items)
    if job.baseline in works:
        works[Case(job.baseline, AA)] = works[Case(job.baseline)]
    for bound in FLOORS:
        call, item = floor(bound, BLOCK_NS)
        works[bound] = (call, [item] * len(messages))
    return [Arm(name, operation, way, *work) for name, work in works.items() for way in WAYS]


def _code(codec: str, kind: str, operation: str, item: Any) -> Any:
    """Code one body; a function that can be sent to another process by its name."""
    return getattr(open_codec(codec, kind), operation)(item)


def _handler(arm: Arm, pool: ProcessPoolExecutor) -> Callable[[Any], Any]:
    """Return the coroutine function that codes one body in the arm's way."""

    async def inline(item: Any) -> None:
        arm.call(item)

    async def thread(item: Any) -> None:
        await asyncio.to_thread(arm.call, item)

    async def pooled(item: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(pool, arm.call, item)

    return {"inline": inline, "thread": thread, "pool": pooled}[arm.way]


async def one_window(arm: Arm, pool: ProcessPoolExecutor, picks: list[int]) -> None:
    """Code some bodies at the stated rate while the ticker runs."""
    items = [arm.items[i] for i in picks]
    arm.rates.append(await ticked(arm.lags, _handler(arm, pool), items, BODIES_PER_S))


def _emit_arm(job: Job, arm: Arm, emit: Emit) -> None:
    """Send an arm's figures over all its windows."""
    place = Place(arm.operation, "", Conditions(way=arm.way))
    p50, p99 = np.percentile(arm.lags, [50, 99])
    for metric, value in (("lag-p50", float(p50)), ("lag-p99", float(p99)), ("lag-max", float(max(arm.lags)))):
        emit(row(job, arm.codec, place, metric, "ns", value))
    emit(row(job, arm.codec, place, "lag-rate", "bodies/s", sum(arm.rates) / len(arm.rates)))
