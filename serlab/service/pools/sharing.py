"""What it costs to take and give back, and to count: with threads, and with tasks of one event loop.

Threads: each takes and gives back `OPERATIONS` times as fast as it can. The interpreter lets one thread run at a time
and changes over every 5 ms, so a lock is hardly ever found taken; what is timed is the call, not a queue before it.
`bare` is the list without a lease.

Tasks: each takes, gives up the loop once, and gives back, so that as many objects are out as there are tasks. The floor
`none` does the same without a pool. `waiting` has `OBJECTS` objects, so that tasks beyond these wait for one.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serlab.measure.arms import Arm
from serlab.service.experiments.frame import again, awaited, named
from serlab.service.pools.counters import CountingLock, Ticket
from serlab.service.pools.pool import LockedPool, Pool, QueuePool
from serlab.service.pools.waiting import WaitingPool
from serlab.stats import FLOOR

OPERATIONS, OBJECTS = 200, 8
POOLS: dict[str, type[Pool[Any]]] = {"list": Pool, "lock": LockedPool, "queue": QueuePool}
COUNTERS: dict[str, type[Ticket] | type[CountingLock]] = {"itertools": Ticket, "lock": CountingLock}


def thread_arms(executor: ThreadPoolExecutor, count: int) -> list[Arm]:
    """Share pools and counters among threads; the list and `itertools` twice (A/A).

    Args:
        executor: of as many threads or more.
        count: of threads.
    """
    pools = {name: pool_work(kind(object)) for name, kind in POOLS.items()} | {"bare": bare_work(Pool(object))}
    counters = {name: counter_work(kind()) for name, kind in COUNTERS.items()}
    return [
        *threaded(executor, count, named("pooling", "share", f"threads={count}"), pools),
        *threaded(executor, count, named("pooling", "count", f"threads={count}"), counters),
    ]


def threaded(
    executor: ThreadPoolExecutor, count: int, operation: str, works: dict[str, Callable[[int], None]]
) -> list[Arm]:
    """Make an arm of each work, done by so many threads at once; the first twice."""

    def arm(name: str, work: Callable[[int], None]) -> Arm:
        def call(operations: int) -> None:
            for done in [executor.submit(work, operations) for _ in range(count)]:
                done.result()

        return Arm(f"{name} {operation}", call, [OPERATIONS], count * OPERATIONS)

    arms = [arm(name, work) for name, work in works.items()]
    return [*arms, again(arms[0])]


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
    """Share pools among so many tasks; the list twice (A/A)."""
    operation = named("pooling", "share", f"tasks={count}")
    works: dict[str, Callable[[int], Any]] = {name: leasing(kind(object)) for name, kind in POOLS.items()}
    works |= {"waiting": waiting_for(WaitingPool(object, size=OBJECTS)), f"{FLOOR}none": idling}

    def arm(name: str, work: Callable[[int], Any]) -> Arm:
        async def all_tasks(operations: int) -> None:
            await asyncio.gather(*(work(operations) for _ in range(count)))

        return awaited(runner, f"{name} {operation}", all_tasks, [OPERATIONS], count * OPERATIONS)

    arms = [arm(name, work) for name, work in works.items()]
    return [*arms, again(arms[0])]


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
