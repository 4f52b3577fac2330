"""What client and server hold while nothing is under way: tasks, descriptors, memory.

Two readings around some work tell what the work left behind. A process's own numbers come from Linux's /proc, the
server's tasks and answers under way from its `/stats`.

Source: proc(5), `statm` and `fd`.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from aiohttp import ClientSession

from serlab.errors import ServiceError
from serlab.service.settings import Addresses

Counters = Callable[[], Awaitable[dict[str, int]]]
"""Asks a server for its counters."""

PAUSE_S = 0.02
"""Between two looks at whether all is done: a look is itself work for both sides."""


PATIENCE_S = 60.0
"""How long both sides may take to come to rest: long against a process that waits its turn on a busy machine."""


class Gauge(NamedTuple):
    """What a process holds.

    Attributes:
        tasks: of its event loop.
        descriptors: open files and sockets.
        memory_bytes: of it that is resident.
    """

    tasks: int
    descriptors: int
    memory_bytes: int


class Sides(NamedTuple):
    """A figure of either side."""

    client: Gauge
    server: Gauge


def gauge(pid: int, tasks: int) -> Gauge:
    """Read what a process holds.

    Args:
        pid: of the process.
        tasks: that its event loop has; nobody outside can count them.

    Raises:
        ServiceError: this system does not tell.
    """
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return Gauge(tasks, descriptors(pid), pages * os.sysconf("SC_PAGE_SIZE"))
    except OSError as error:
        raise ServiceError(f"process {pid}: expected its numbers in /proc, got {error}; this needs Linux") from error


def descriptors(pid: int) -> int:
    """Count the files and sockets of a process."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@asynccontextmanager
async def watched(addresses: Addresses) -> AsyncIterator[Counters]:
    """Ask a server for its counters, over one connection that is there all the time."""
    async with ClientSession(addresses.http) as session:

        async def stats() -> dict[str, int]:
            async with session.get("/stats") as answer:
                found: dict[str, int] = await answer.json()
                return found

        yield stats


async def idle_tasks(stats: Counters) -> tuple[int, int]:
    """Count the tasks of client and server while no call is under way."""
    return len(asyncio.all_tasks()), (await stats())["tasks"]


async def settled(stats: Counters, pid: int, idle: tuple[int, int], patience_s: float = PATIENCE_S) -> Sides:
    """Wait until no task is left beside those of idle processes, or patience ends; read what both sides hold.

    Args:
        stats: of the server.
        pid: the server's process.
        idle: tasks of client and server beforehand.
        patience_s: after which tasks that are there still count as left.

    Raises:
        ServiceError: the server is still at an answer then.
    """
    tasks, active = idle, 0
    for _ in range(max(1, round(patience_s / PAUSE_S))):
        found = await stats()
        tasks, active = (len(asyncio.all_tasks()), found["tasks"]), found["active"]
        if not active and tasks[0] <= idle[0] and tasks[1] <= idle[1]:
            break
        await asyncio.sleep(PAUSE_S)
    if active:
        raise ServiceError(f"the server: expected it idle within {patience_s:g} s, got {active} answers under way")
    gc.collect()
    return Sides(gauge(os.getpid(), tasks[0]), gauge(pid, tasks[1]))
