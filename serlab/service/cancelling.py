"""Calls that are begun and cancelled, as impatient users cancel them: each after an event, never after a time.

A call is left when the server is at it, or, if it is a stream, when some of its tokens have come. Some are left before:
after so many turns of the event loop, while their connection is made or their request is sent.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from random import Random
from typing import Any

from serlab.errors import ServiceError
from serlab.service.caller import Caller
from serlab.service.gauges import Counters

AT_ONCE = 20
"""Calls that are under way at the same time."""
EARLY = 10
"""Of so many rounds of `AT_ONCE` calls, the last is left before the server has heard of it."""
MOST_TURNS = 60
"""Of the event loop, after which such a call is left; a connection with TLS and a request take about half as many."""
MOST_TOKENS = 10
"""After which a stream is left."""
PATIENCE_S = 60.0
"""How long nothing may happen until an event counts as never to come: long against a process that waits its turn."""
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
            await asyncio.gather(*(leave_early(caller, request, random) for request in chosen))
        else:
            await leave_heard(caller, chosen, random, stats)
            heard += len(chosen)
    return heard


async def leave_early(caller: Caller, request: Any, random: Random) -> None:
    """Leave a call after some turns of the event loop."""
    task = asyncio.ensure_future(work_of(caller, request, random))
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
    leaving.append(asyncio.ensure_future(leave_whole(stats, begun_of(before) + len(requests), whole)))
    tasks = [*leaving, *whole, *(reader.task for reader in readers)]
    try:
        await asyncio.gather(*leaving)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await rest(stats, before["active"], held)


async def leave_whole(stats: Counters, begun: int, tasks: "Sequence[asyncio.Task[Any]]") -> None:
    """Leave calls when the server has begun so many answers."""
    await hear(stats, begun, tasks)
    await asyncio.gather(*map(cancel, tasks))


async def rest(stats: Counters, active: int, held: int) -> None:
    """Wait until the server is at no more answers, and this process at no more tasks, than before.

    Where a transport reads on what was left, its next calls would have to wait for that.
    """
    async with asyncio.timeout(PATIENCE_S):
        while (await stats())["active"] > active or len(asyncio.all_tasks()) > held:
            continue


async def leave_begun(reader: "Reader") -> None:
    """Leave a stream when its tokens have come."""
    await reader.begun()
    await cancel(reader.task)


def begun_of(counters: Mapping[str, int]) -> int:
    """Count the answers that a server has begun in its life."""
    return sum(counters[name] for name in BEGUN)


async def hear(stats: Counters, begun: int, tasks: "Sequence[asyncio.Task[Any]]") -> None:
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
    while (found := begun_of(await stats())) < begun:
        for task in tasks:
            if task.done():
                task.result()
        if found > most:
            most, since = found, clock()
        elif clock() - since > PATIENCE_S:
            raise ServiceError(f"the server: expected {begun} answers begun, got {found}")


async def work_of(caller: Caller, request: Any, random: Random) -> Any:
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


class Received:
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


async def read(client: Caller, request: Any, received: Received, tokens: int) -> None:
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
        self.so_far = Received()
        self.task = asyncio.create_task(read(client, request, self.so_far, tokens))

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
