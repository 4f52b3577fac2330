"""Calls that are begun and cancelled, as impatient users cancel them: at any moment."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from random import Random
from typing import Any

from serlab.errors import ServiceError
from serlab.service.caller import Caller

AT_ONCE = 20
LATEST_S = 0.08
"""A call is cancelled at most so long after it began."""
PATIENCE_S = 10.0
"""How long a stream may take to begin."""
AT_ONCE_SHARE = 0.1
"""Of the calls are cancelled before anything was sent."""


async def drain(caller: Caller, request: Any) -> int:
    """Stream an answer to its end; give the number of its chunks."""
    async with aclosing(caller.stream(request)) as chunks:
        return len([None async for _ in chunks])


async def cancel_some(caller: Caller, requests: Sequence[Any], random: Random, calls: int) -> None:
    """Begin calls, whole and streamed, `AT_ONCE` at a time, and cancel each at a moment of its own.

    Args:
        caller: what calls.
        requests: one of them each time; an answer must take longer than `LATEST_S`.
        random: what is asked for, whether it is streamed, and when the call is cancelled.
        calls: how many.

    Raises:
        ServiceError: a call had its answer already.
        CallError: a call failed before it was cancelled.
    """
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            request = random.choice(requests)
            work = drain(caller, request) if random.random() < 0.5 else caller.call(request)
            # Before anything was sent, while it is sent, before the first byte and in the middle of the stream.
            await cancelled(work, 0 if random.random() < AT_ONCE_SHARE else random.random() * LATEST_S)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def cancelled(work: Coroutine[Any, Any, Any], after_s: float) -> None:
    """Begin some work and cancel it.

    Args:
        work: what to do.
        after_s: how long it goes on, in seconds.

    Raises:
        ServiceError: it had ended already.
    """
    task = asyncio.ensure_future(work)
    await asyncio.sleep(after_s)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
        raise ServiceError("a call: expected it under way when it is cancelled, got its answer; ask for a longer one")


class Reader:
    """Reads a stream in a task of its own.

    Args:
        client: what calls.
        request: for a stream with one token a chunk.

    Attributes:
        received: tokens so far.
        task: what reads.
    """

    def __init__(self, client: Caller, request: Any) -> None:
        self.received = 0
        self.first = asyncio.Event()
        self.task = asyncio.create_task(self.read(client, request))

    async def read(self, client: Caller, request: Any) -> None:
        """Read to the end, or until cancelled."""
        async with aclosing(client.stream(request)) as chunks:
            async for _ in chunks:
                self.received += 1
                self.first.set()

    async def begun(self, patience_s: float = PATIENCE_S) -> None:
        """Wait for the first token.

        Args:
            patience_s: how long, in seconds.

        Raises:
            CallError: the stream failed.
            ServiceError: there was none, or not in time.
        """
        waits = asyncio.ensure_future(self.first.wait())
        await asyncio.wait([waits, self.task], timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        if self.task.done():
            self.task.result()
        if not self.first.is_set():
            raise ServiceError(f"a stream: expected a token within {patience_s:g} s, got none")
