"""What it costs to take and give back, and to count: with threads, and with tasks of one event loop.

Threads: each takes and gives back `OPERATIONS` times as fast as it can. The interpreter lets one thread run at a time
and changes over every 5 ms, so a lock is hardly ever found taken; what is timed is the call, not a queue before it.
`bare` is the list without a lease.

Tasks: each takes, gives up the loop once, and gives back, so that as many objects are out as there are tasks. The arm
`none` does the same without a pool. `waiting` has `OBJECTS` objects, so that tasks beyond these wait for one.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

from serlab.measure.arms import Arm, calibrate, interleave
from serlab.measure.effort import EFFORTS
from serlab.results import Row
from serlab.service.armrows import control, rows_of
from serlab.service.pools.counters import CountingLock, Ticket
from serlab.service.pools.pool import LockedPool, Pool, QueuePool
from serlab.service.pools.waiting import WaitingPool

OPERATIONS, OBJECTS = 200, 8
POOLS: dict[str, type[Pool[Any]]] = {"list": Pool, "lock": LockedPool, "queue": QueuePool}
COUNTERS: dict[str, type[Ticket] | type[CountingLock]] = {"itertools": Ticket, "lock": CountingLock}


def experiment(
    threads: Sequence[int] = (1, 4),
    tasks: Sequence[int] = (1, 16),
    effort: str = "quick",
    *,
    seed: int = 0,
    run: str = "",
    process: int = 0,
) -> list[Row]:
    """Time pools and counters, interleaved in one process.

    Args:
        threads: how many share a pool.
        tasks: how many share a pool in one event loop.
        effort: one of `serlab.measure.effort.EFFORTS`.
        seed: of the order.
        run: the run's id.
        process: the worker's number.

    Returns:
        Rows of the metric `time` in ns: `share/POOL/threads=N` and `share/POOL/tasks=N` for taking and giving back,
        `count/COUNTER/threads=N` for a number; the list with the first number of threads twice (A/A).
    """
    with ThreadPoolExecutor(max(threads)) as executor, asyncio.Runner() as runner:
        arms = [arm for count in threads for arm in thread_arms(executor, count)]
        arms += [arm for count in tasks for arm in task_arms(runner, count)]
        arms.append(arms[0]._replace(name=control(arms[0].name)))
        settings = EFFORTS[effort]._asdict()
        times = interleave([calibrate(settings, arm) for arm in arms], Random(f"{seed}/{process}"))
    return rows_of(times, "", "", run, process)


def thread_arms(executor: ThreadPoolExecutor, count: int) -> list[Arm]:
    """Share pools and counters among threads."""
    works = {f"share/{name}": pool_work(kind(object)) for name, kind in POOLS.items()}
    works |= {f"count/{name}": counter_work(kind()) for name, kind in COUNTERS.items()}
    works["share/bare"] = bare_work(Pool(object))

    def arm(name: str, work: Callable[[int], None]) -> Arm:
        def call(operations: int) -> None:
            for done in [executor.submit(work, operations) for _ in range(count)]:
                done.result()

        return Arm(f" {name}/threads={count}", call, [OPERATIONS], count * OPERATIONS)

    return [arm(name, work) for name, work in works.items()]


def pool_work(pool: Pool[Any]) -> Callable[[int], None]:
    """Give what takes and gives back."""

    def work(operations: int) -> None:
        for _ in range(operations):
            with pool.lease():
                pass

    return work


def bare_work(pool: Pool[Any]) -> Callable[[int], None]:
    """Give what takes and gives back without a lease, and so without what keeps it from doing so twice."""

    def work(operations: int) -> None:
        for _ in range(operations):
            pool.release(pool.acquire())

    return work


def counter_work(counter: Ticket | CountingLock) -> Callable[[int], None]:
    """Give what counts."""

    def work(operations: int) -> None:
        for _ in range(operations):
            counter.next()

    return work


def task_arms(runner: asyncio.Runner, count: int) -> list[Arm]:
    """Share pools among tasks."""
    works: dict[str, Callable[[int], Any]] = {name: leasing(kind(object)) for name, kind in POOLS.items()}
    works |= {"waiting": waiting_for(WaitingPool(object, size=OBJECTS)), "none": idling}

    def arm(name: str, work: Callable[[int], Any]) -> Arm:
        async def all_tasks(operations: int) -> None:
            await asyncio.gather(*(work(operations) for _ in range(count)))

        return Arm(f" share/{name}/tasks={count}", lambda n: runner.run(all_tasks(n)), [OPERATIONS], count * OPERATIONS)

    return [arm(name, work) for name, work in works.items()]


def leasing(pool: Pool[Any]) -> Callable[[int], Any]:
    """Give a task that takes, lets others run, and gives back."""

    async def work(operations: int) -> None:
        for _ in range(operations):
            with pool.lease():
                await asyncio.sleep(0)

    return work


def waiting_for(pool: WaitingPool[Any]) -> Callable[[int], Any]:
    """Give the same for a pool that is waited for."""

    async def work(operations: int) -> None:
        for _ in range(operations):
            async with pool.lease():
                await asyncio.sleep(0)

    return work


async def idling(operations: int) -> None:
    """Let others run, so many times."""
    for _ in range(operations):
        await asyncio.sleep(0)
