"""Calls that are begun and cancelled, as impatient users cancel them: each after an event, never after a time.

A call is left when the server is at it, or, if it is a stream, when some of its tokens have come. Some are left before:
after so many turns of the event loop, while their connection is made or their request is sent.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean, median
from time import perf_counter_ns
from typing import Any, NamedTuple

import msgspec
from aiohttp import ClientSession

from serlab.cases import AA, BOUND, Case
from serlab.errors import ServiceError
from serlab.wire.client import Client
from serlab.wire.content import GRPC
from serlab.wire.http2 import Http2Transport
from serlab.wire.settings import Addresses
from serlab.wire.timeouts import Caller
from serlab.wire.transport import Transport
from serlab.wire.transports import open_transport

# What client and server hold while nothing is under way: tasks, descriptors, memory.
#
# Two readings around some work tell what the work left behind. A process's own numbers come from Linux's /proc, the
# server's tasks and answers under way from its `/stats`.
#
# Source: proc(5), `statm` and `fd`.

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


AT_ONCE = 20
"""Calls that are under way at the same time."""
EARLY = 10
"""Of so many rounds of `AT_ONCE` calls, the last is left before the server has heard of it."""
MOST_TURNS = 60
"""Of the event loop, after which such a call is left; a connection with TLS and a request take about half as many."""
MOST_TOKENS = 10
"""After which a stream is left."""
BEGUN = ("active", "completed", "cancelled", "cut", "failed")
"""Counters of a server that add up to the answers that it has begun."""


async def cancel_some(caller: Caller, requests: Sequence[Any], random: Random, calls: int, stats: Counters) -> int:
    """Begin calls, half of them streamed, `AT_ONCE` at a time, and cancel each after an event of its own.

    Args:
        caller: what calls.
        requests: one of them each time; an answer must take long against `MOST_TOKENS` tokens.
        random: what is asked for, whether it is streamed, and when the call is cancelled.
        calls: how many.
        stats: of the server.

    Returns:
        How many the server had begun to answer when they were cancelled.

    Raises:
        ServiceError: a call had its answer already, or the server did not hear of it.
        CallError: a call failed before it was cancelled.
    """
    heard = 0
    for number, done in enumerate(range(0, calls, AT_ONCE), 1):
        chosen = random.choices(requests, k=min(AT_ONCE, calls - done))
        if number % EARLY == 0:
            await asyncio.gather(*(_leave_early(caller, request, random) for request in chosen))
        else:
            await leave_heard(caller, chosen, random, stats)
            heard += len(chosen)
    return heard


async def _leave_early(caller: Caller, request: Any, random: Random) -> None:
    """Leave a call after some turns of the event loop."""
    task = asyncio.ensure_future(_work_of(caller, request, random))
    for _ in range(random.randrange(MOST_TURNS)):
        await asyncio.sleep(0)
    await cancel(task)


async def leave_heard(caller: Caller, requests: Sequence[Any], random: Random, stats: Counters) -> None:
    """Begin calls side by side, leave whole answers when the server is at all calls, streams after some tokens."""
    before, held = await stats(), len(asyncio.all_tasks())
    streams = [random.random() < 0.5 for _ in requests]
    readers = [Reader(caller, request, random.randint(1, MOST_TOKENS))
               for request, streamed in zip(requests, streams, strict=True) if streamed]  # fmt: skip
    whole = [asyncio.ensure_future(caller.call(request))
             for request, streamed in zip(requests, streams, strict=True) if not streamed]  # fmt: skip
    leaving = [asyncio.ensure_future(leave_begun(reader)) for reader in readers]
    leaving.append(asyncio.ensure_future(_leave_whole(stats, _begun_of(before) + len(requests), whole)))
    tasks = [*leaving, *whole, *(reader.task for reader in readers)]
    try:
        await asyncio.gather(*leaving)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await _rest(stats, before["active"], held)


async def _leave_whole(stats: Counters, begun: int, tasks: "Sequence[asyncio.Task[Any]]") -> None:
    """Leave calls when the server has begun so many answers."""
    await _hear(stats, begun, tasks)
    await asyncio.gather(*map(cancel, tasks))


async def _rest(stats: Counters, active: int, held: int) -> None:
    """Wait until the server is at no more answers, and this process at no more tasks, than before."""
    async with asyncio.timeout(PATIENCE_S):
        while (await stats())["active"] > active or len(asyncio.all_tasks()) > held:
            continue


async def leave_begun(reader: "Reader") -> None:
    """Leave a stream when its tokens have come."""
    await reader.begun()
    await cancel(reader.task)


def _begun_of(counters: Mapping[str, int]) -> int:
    """Count the answers that a server has begun in its life."""
    return sum(counters[name] for name in BEGUN)


async def _hear(stats: Counters, begun: int, tasks: "Sequence[asyncio.Task[Any]]") -> None:
    """Wait until the server has begun so many answers.

    Args:
        stats: of the server.
        begun: in its life.
        tasks: the calls.

    Raises:
        ServiceError: the server hears of no more of them.
        CallError: a call failed.
    """
    clock, most = asyncio.get_running_loop().time, -1
    since = clock()
    while (found := _begun_of(await stats())) < begun:
        for task in tasks:
            if task.done():
                task.result()
        if found > most:
            most, since = found, clock()
        elif clock() - since > PATIENCE_S:
            raise ServiceError(f"the server: expected {begun} answers begun, got {found}")


async def _work_of(caller: Caller, request: Any, random: Random) -> Any:
    """Call, or stream to the end."""
    return await (drain(caller, request) if random.random() < 0.5 else caller.call(request))


async def drain(caller: Caller, request: Any) -> int:
    """Stream an answer to its end; give the number of its chunks."""
    async with aclosing(caller.stream(request)) as chunks:
        return len([None async for _ in chunks])


async def cancel(task: "asyncio.Task[Any]") -> None:
    """Cancel a call.

    Raises:
        ServiceError: it had ended already.
        CallError: it had failed already.
    """
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
        raise ServiceError("a call: expected it under way when it is cancelled, got its answer; ask for a longer one")


class _Received:
    """What has come of a stream.

    Apart from its `Reader`, for a cancelled task keeps its frames: with the task in one of them, the connection would
    stay open until the garbage collector comes.

    Attributes:
        tokens: so far.
        reached: whether they are as many as were waited for.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.reached = asyncio.Event()


async def _read(client: Caller, request: Any, received: _Received, tokens: int) -> None:
    """Read a stream to the end, or until cancelled."""
    async with aclosing(client.stream(request)) as chunks:
        async for _ in chunks:
            received.tokens += 1
            if received.tokens == tokens:
                received.reached.set()


class Reader:
    """Reads a stream in a task of its own.

    Args:
        client: what calls.
        request: for a stream with one token a chunk.
        tokens: after which it counts as begun.

    Attributes:
        task: what reads.
    """

    def __init__(self, client: Caller, request: Any, tokens: int = 1) -> None:
        self.so_far = _Received()
        self.task = asyncio.create_task(_read(client, request, self.so_far, tokens))

    @property
    def received(self) -> int:
        """Count the tokens so far."""
        return self.so_far.tokens

    async def begun(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until the tokens have come, or the stream has ended.

        Args:
            patience_s: how long, in seconds.

        Raises:
            CallError: the stream failed.
            ServiceError: it brought nothing, or not in time.
        """
        waits = asyncio.ensure_future(self.so_far.reached.wait())
        await asyncio.wait([waits, self.task], timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        if self.task.done():
            self.task.result()
        if not self.received:
            raise ServiceError(f"a stream: expected a token within {patience_s:g} s, got none")


# What a server still does for a call that was left: how long, and how many tokens.
#
# One stream at a time is left when a random number of its tokens have come. The server's counters then tell when it is
# at no answer any more, and how many tokens it made; they are asked for without a pause over a connection of their
# own, so the answer is late by about one such question, which is an arm of its own: `floor: poll`.
#
#     told          the client leaves as its transport does it; see docs/service.md, Leaving a call
#     told (A/A)    the same, over another connection
#     untold        HTTP/2 without RST_STREAM: the server works on to the end of the answer, which is short here
#                   (`SHORT`), for it would otherwise have none
#     floor: poll   one question while the server is idle

TOLD, UNTOLD, POLL = Case("told"), Case("untold"), Case("poll", BOUND)
SHORT, TRIES = 50, 10
"""Tokens of an answer that nobody stops; and how many may be over before one is left in time."""
ROUND_NS, LEAST_ROUNDS, MOST_ROUNDS = 2_500_000, 3, 60
"""Of an arm's time, for each call: 16 in a quick run."""


@dataclass(slots=True)
class LeavingArm:
    """One way of leaving calls, and what came of it.

    Attributes:
        name: whose.
        transport: that carries the calls; None for the floor, which makes none.
        requests: what is asked for.
        lags: from each cancel until the server was seen idle, in nanoseconds.
        wasted: tokens of each call that were made and had not come when it was cancelled.
    """

    name: Case
    transport: Transport | None
    requests: Sequence[Any]
    lags: list[int] = field(default_factory=list)
    wasted: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return metric → figure: the median of times, the mean of counts; none where no call was left in time."""
        lags = {"stop-lag": median(self.lags)} if self.lags else {}
        counts = {"wasted-tokens": fmean(self.wasted)} if self.wasted else {}
        return lags | counts

    async def close(self) -> None:
        """Close the transport."""
        if self.transport is not None:
            await self.transport.close()


def open_arms(name: str, addresses: Addresses, requests: Sequence[Any]) -> list[LeavingArm]:
    """Open the ways in which a transport can leave a call; to be called in a running event loop.

    Args:
        name: of a transport, one of `serlab.wire.clients.TRANSPORTS`.
        addresses: of the server.
        requests: for answers that are long against `MOST_TOKENS` tokens.
    """
    arms = [LeavingArm(arm, open_transport(name, addresses), requests) for arm in (TOLD, Case(TOLD, AA))]
    if name == "http2":
        short = [msgspec.structs.replace(request, max_tokens=SHORT) for request in requests]
        arms.append(LeavingArm(UNTOLD, Http2Transport(addresses.http, resets=False), short))
    return [*arms, LeavingArm(POLL, None, requests)]


async def leave_by_turns(time_ns: int, arms: list[LeavingArm], stats: Counters, random: Random) -> None:
    """Leave a call by each arm, in random order, again and again, and close the arms.

    Raises:
        ServiceError: the server was at something else, or did not come to rest.
    """
    try:
        for _ in range(max(LEAST_ROUNDS, min(MOST_ROUNDS, time_ns // ROUND_NS))):
            for arm in random.sample(arms, len(arms)):
                await _leave_in_time(arm, stats, random)
    finally:
        for arm in arms:
            await arm.close()


async def _leave_in_time(arm: LeavingArm, stats: Counters, random: Random) -> None:
    """Leave a call, and another if its answer had ended: a process of a busy machine can wake up late.

    Where none of `TRIES` is left in time, this turn has no figure.
    """
    for _ in range(TRIES):
        if await leave_one(arm, stats, random):
            return


async def leave_one(arm: LeavingArm, stats: Counters, random: Random) -> bool:
    """Begin a stream, leave it, and watch the server until it is idle.

    Returns:
        Whether the stream was still under way when it was left; if not, nothing is noted.

    Raises:
        ServiceError: it was at something before, or did not come to rest.
    """
    before = await stats()
    if before["active"]:
        raise ServiceError(f"the server: expected it idle before a call, got {before['active']} answers under way")
    if arm.transport is None:
        arm.lags.append((await _watch(stats, perf_counter_ns()))[0])
        return True
    client, tokens = Client(arm.transport, "GenerateRequest", GRPC), random.randint(1, MOST_TOKENS)
    reader = Reader(client, random.choice(arm.requests), tokens)
    await reader.begun()
    left_ns, received = perf_counter_ns(), reader.received
    if not reader.task.cancel():
        return False
    lag_ns, made = await _watch(stats, left_ns)
    arm.lags.append(lag_ns)
    arm.wasted.append(made - before["tokens"] - received)
    await asyncio.wait([reader.task])
    return True


async def _watch(stats: Counters, since_ns: int) -> tuple[int, int]:
    """Ask the server until it is idle; give the time since then, and the tokens that it has made in its life."""
    async with asyncio.timeout(PATIENCE_S):
        while (found := await stats())["active"]:
            continue
    return perf_counter_ns() - since_ns, found["tokens"]
