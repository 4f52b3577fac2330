"""A thousand calls are cancelled, each after an event of its own, and nothing is left on either side."""

import asyncio
import os
from random import Random
from typing import Any

import pytest

from serlab.messages import from_document
from serlab.wire import Addresses, Latency, ModelServer, Settings, running, spawned
from serlab.wire.cancelling import AT_ONCE, Sides, cancel_some, descriptors, idle_tasks, settled, watched
from serlab.wire.clients import TRANSPORTS, Client, Http2Transport
from tests.wire.clienthelpers import messages, opened
from tests.wire.helpers import bounded, until

CALLS = 1000
LONG = from_document("GenerateRequest", {"model": "m", "prompt": "once"})
SLOW = Settings(tokens=100_000, latency=Latency(first_token_s=0.01, token_s=0.001))
GROWTH_BYTES = 4 << 20
"""Of a process that has done the same before: its allocators' high-water marks are reached with the first thousand, or,
by chance, with a later one. A leak of 4 KiB with each call would show with every one."""

THOUSANDS = 3
"""How many may be tried until one leaves memory and descriptors as they were."""


def grown(before: Sides, after: Sides) -> bool:
    """Return whether a side holds more memory or more descriptors than before.

    A pool may hold a connection more than it did, once; what leaks does so with every thousand.
    """
    return any(
        new.memory_bytes - old.memory_bytes >= GROWTH_BYTES or new.descriptors > old.descriptors
        for old, new in zip(before, after, strict=True)
    )


@pytest.mark.parametrize("arm", TRANSPORTS)
def test_thousand_cancelled_calls_leave_nothing(arm: str, record_property: Any) -> None:
    """No task, no descriptor, no memory, on neither side, while the transport stays open; and it still works."""

    async def work(addresses: Addresses) -> None:
        async with watched(addresses) as stats, opened(arm, addresses) as transport:
            idle = await idle_tasks(stats)
            caller, random = Client(transport, "GenerateRequest", "protobuf"), Random(f"cancel/{arm}")
            await cancel_some(caller, [LONG], random, CALLS, stats)
            after = await settled(stats, addresses.pid, idle)
            for _ in range(THOUSANDS):
                before = after
                await cancel_some(caller, [LONG], random, CALLS, stats)
                after = await settled(stats, addresses.pid, idle)
                if not grown(before, after):
                    break
            for side, tasks, old, new in zip(("client", "server"), idle, before, after, strict=True):
                record_property(side, f"{old} -> {new}")
                print(f"{arm} {side}: {old} -> {new}")
                assert new.tasks <= tasks and new.descriptors <= old.descriptors
            assert not grown(before, after)
            counted = await stats()
            assert (
                counted["cancelled"] > CALLS / 2
                and counted["failed"] == counted["completed"] == counted["waiting"] == 0
            )
            short = from_document("GenerateRequest", {"model": "m", "prompt": "once", "max_tokens": 3})
            assert (await caller.call(short)).message.choices and len(await messages(caller, short)) == 4

    with spawned(SLOW) as addresses:
        bounded(work(addresses), 900)


@pytest.mark.parametrize("arm", TRANSPORTS)
def test_closed_transport_leaves_no_descriptor_and_no_task(arm: str) -> None:
    """After calls that ended and calls that were left."""

    async def work() -> None:
        async with running(SLOW) as server:
            await cycle(arm, server)
            before = descriptors(os.getpid()), len(asyncio.all_tasks())
            for _ in range(5):
                await cycle(arm, server)
            assert await until(lambda: server.stats.active == 0)
            assert await until(lambda: len(asyncio.all_tasks()) <= before[1])
            assert await until(lambda: descriptors(os.getpid()) <= before[0])

    bounded(work())


async def cycle(arm: str, server: ModelServer) -> None:
    """Open, use and leave, close."""
    async with opened(arm, server.addresses) as transport, watched(server.addresses) as stats:
        await cancel_some(Client(transport, "GenerateRequest", "protobuf"), [LONG], Random(1), 2 * AT_ONCE, stats)


def test_left_call_harms_no_other_on_its_connection() -> None:
    """Over HTTP/2 and TLS, while a stream runs, twenty others are left; it is whole, and the connection the same."""

    async def work() -> None:
        settings = Settings(tokens=100_000, latency=Latency(first_token_s=0.01, token_s=0.004))
        fixed = from_document("GenerateRequest", {"model": "m", "prompt": "long", "max_tokens": 150})
        async with running(settings) as server, opened("http2-tls", server.addresses) as transport:
            caller = Client(transport, "GenerateRequest", "protobuf")
            other = asyncio.create_task(messages(caller, fixed))
            async with watched(server.addresses) as stats:
                await cancel_some(caller, [LONG], Random(3), 60, stats)
            assert len(await other) == 151 and transport.opened == 1
            assert await until(lambda: server.stats.active == 0)

    bounded(work())


def test_server_that_is_not_told_works_on() -> None:
    """What HTTP/2 comes to without a word to the server: the answer is made whole, for nobody."""

    async def work() -> None:
        settings = Settings(tokens=40, latency=Latency(token_s=0.01))
        async with running(settings) as server:
            transport = Http2Transport(server.addresses.http, resets=False)
            task = asyncio.ensure_future(messages(Client(transport, "GenerateRequest", "protobuf"), LONG))
            assert await until(lambda: server.stats.tokens > 3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await until(lambda: server.stats.completed == 1) and server.stats.cancelled == 0
            await transport.close()

    bounded(work())
