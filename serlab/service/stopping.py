"""What a server still does for a call that was left: how long, and how many tokens.

One stream at a time is left when a random number of its tokens have come. The server's counters then tell when it is
at no answer any more, and how many tokens it made; they are asked for without a pause over a connection of their own,
so the answer is late by about one such question, which is an arm of its own: `floor: poll`.

    told             the client leaves as its transport does it; see docs/service.md, Leaving a call
    told (A/A)       the same, over another connection
    untold           HTTP/2 by httpx2 as it is, without RST_STREAM: the server works on to the end of the answer, which
                     is short here (`SHORT`), for it would otherwise have none
    floor: poll      one question while the server is idle
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import fmean, median
from time import perf_counter_ns
from typing import Any

import msgspec

from serlab.errors import ServiceError
from serlab.service.arms import open_transport
from serlab.service.cancelling import MOST_TOKENS, Reader
from serlab.service.client import Client
from serlab.service.gauges import Counters
from serlab.service.http2client import Http2Transport
from serlab.service.negotiate import GRPC
from serlab.service.settings import Addresses
from serlab.service.transport import Transport
from serlab.stats import CONTROL, FLOOR

TOLD, UNTOLD, POLL = "told", "untold", FLOOR + "poll"
SHORT, TRIES = 50, 10
"""Tokens of an answer that nobody stops; and how many may be over before one is left in time."""
PATIENCE_S = 60.0
"""How long a server may take to be idle again, also one that waits its turn on a busy machine."""
ROUND_NS, LEAST_ROUNDS, MOST_ROUNDS = 2_500_000, 3, 60
"""Of an arm's time, for each call: 16 in a quick run."""


@dataclass(slots=True)
class LeavingArm:
    """One way of leaving calls, and what came of it.

    Attributes:
        name: of the arm.
        transport: that carries the calls; None for the floor, which makes none.
        requests: what is asked for.
        lags: from each cancel until the server was seen idle, in nanoseconds.
        wasted: tokens of each call that were made and had not come when it was cancelled.
    """

    name: str
    transport: Transport | None
    requests: Sequence[Any]
    lags: list[int] = field(default_factory=list)
    wasted: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Give metric → figure: the median of times, the mean of counts; none where no call was left in time."""
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
        name: of a transport, one of `serlab.service.clients.ARMS`.
        addresses: of the server.
        requests: for answers that are long against `MOST_TOKENS` tokens.
    """
    arms = [LeavingArm(arm, open_transport(name, addresses), requests) for arm in (TOLD, TOLD + CONTROL)]
    if name == "http2":
        short = [msgspec.structs.replace(request, max_tokens=SHORT) for request in requests]
        arms.append(LeavingArm(UNTOLD, Http2Transport(addresses.http, tells=False), short))
    return [*arms, LeavingArm(POLL, None, requests)]


async def leave_by_turns(effort: Mapping[str, int], arms: list[LeavingArm], stats: Counters, random: Random) -> None:
    """Leave a call by each arm, in random order, again and again, and close the arms.

    Raises:
        ServiceError: the server was at something else, or did not come to rest.
    """
    try:
        for _ in range(max(LEAST_ROUNDS, min(MOST_ROUNDS, effort["arm_ns"] // ROUND_NS))):
            for arm in random.sample(arms, len(arms)):
                await leave_in_time(arm, stats, random)
    finally:
        for arm in arms:
            await arm.close()


async def leave_in_time(arm: LeavingArm, stats: Counters, random: Random) -> None:
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
        arm.lags.append((await watch(stats, perf_counter_ns()))[0])
        return True
    client, tokens = Client(arm.transport, "GenerateRequest", GRPC), random.randint(1, MOST_TOKENS)
    reader = Reader(client, random.choice(arm.requests), tokens)
    await reader.begun()
    left_ns, received = perf_counter_ns(), reader.received
    if not reader.task.cancel():
        return False
    lag_ns, made = await watch(stats, left_ns)
    arm.lags.append(lag_ns)
    arm.wasted.append(made - before["tokens"] - received)
    await asyncio.wait([reader.task])
    return True


async def watch(stats: Counters, since_ns: int) -> tuple[int, int]:
    """Ask the server until it is idle; give the time since then, and the tokens that it has made in its life."""
    async with asyncio.timeout(PATIENCE_S):
        while (found := await stats())["active"]:
            continue
    return perf_counter_ns() - since_ns, found["tokens"]
