"""What a cancelled call still costs, and what it leaves behind, by transport.

Left: calls are cancelled when the server is at them or some tokens have come, a few before, and when both sides are
idle again, what they hold is compared with what they held before. The first batch of calls warms the allocators and
counts for nothing, the second is `client` and `server`, the third is the same once more (A/A).

Costs: see `serlab.wire.cancelling`.

All transports carry the same: a prompt that is the workload's message as text, in protobuf, since gRPC carries nothing
else, and gRPC here has no whole answer to a chat.
"""

import asyncio
from random import Random
from typing import Any, NamedTuple

from serlab.cases import AA, MEASURED, CallArm, Case, call_place
from serlab.errors import ServiceError
from serlab.measure import METRICS, Emit, Finding, Job, load_messages, settle_gc
from serlab.messages import GenerateRequest, from_document
from serlab.records import UNMEASURED
from serlab.wire import Addresses, Latency, Settings, spawned
from serlab.wire.answers import text_of
from serlab.wire.cancelling import (
    AT_ONCE,
    Counters,
    Sides,
    cancel_some,
    idle_tasks,
    leave_by_turns,
    open_arms,
    settled,
    watched,
)
from serlab.wire.clients import Client, open_transport
from serlab.wire.content import GRPC
from serlab.wire.experiments.base import row

TRANSPORTS = ("http", "https", "http2", "grpc")
SLOW = Settings(tokens=100_000, latency=Latency(first_token_s=0.01, token_s=0.001))
TOKENS = 10_000
"""Of an answer: ten seconds, so that none is whole when it is cancelled."""
CALL_NS, MOST_CALLS = 200_000, 1000
"""Of an arm's time, for each call of a batch: 200 calls in a quick run."""
LEFT = {"left-tasks": "tasks", "left-descriptors": "descriptors", "left-bytes": "memory_bytes"}
"""Metric → what of a gauge it compares."""


class Place(NamedTuple):
    """Where calls are cancelled, and what for.

    Attributes:
        job: of the worker.
        addresses: of the server.
        stats: asks for its counters.
        requests: what is asked for.
        random: the order of things.
        emit: receives rows.
    """

    job: Job
    addresses: Addresses
    stats: Counters
    requests: list[GenerateRequest]
    random: Random
    emit: Emit


def run(job: Job, emit: Emit) -> None:
    """Cancel calls over each transport.

    Args:
        job: of the worker; its codecs do not matter.
        emit: receives rows.

    Raises:
        ServiceError: the server did not come to rest, or a call was not cancelled.
    """
    requests = [_asking(message) for message in load_messages(job)]
    with spawned(SLOW) as addresses:
        asyncio.run(_over_each(job, addresses, requests, emit))


def _asking(message: Any) -> GenerateRequest:
    """Make a request of a message: its text as the prompt, and an answer that lasts."""
    prompt = text_of(message).decode(errors="replace")
    request: GenerateRequest = from_document("GenerateRequest", {"model": "m", "prompt": prompt, "max_tokens": TOKENS})
    return request


async def _over_each(job: Job, addresses: Addresses, requests: list[GenerateRequest], emit: Emit) -> None:
    """Go through the transports in random order, so that what a server keeps is no one transport's."""
    random = Random(f"{job.seed}/{job.process}/{job.workload}/cancel")
    async with watched(addresses) as stats:
        place = Place(job, addresses, stats, requests, random, emit)
        for name in random.sample(TRANSPORTS, len(TRANSPORTS)):
            await _leaves(place, name)
        # Only now, since a collector that is off would leave what it collects otherwise.
        settle_gc(job.gc)
        for name in random.sample(TRANSPORTS, len(TRANSPORTS)):
            await _stops(place, name)


async def _leaves(place: Place, name: str) -> None:
    """Return what a batch of cancelled calls leaves, twice, while the transport stays open."""
    transport = open_transport(name, place.addresses)
    caller = Client(transport, "GenerateRequest", GRPC)
    try:
        idle = await idle_tasks(place.stats)
        held = [await after_some(place, caller, idle) for _ in range(3)]
    finally:
        await transport.close()
    for role, old, new in zip((MEASURED, AA), held[:2], held[1:], strict=True):
        _send_left(place, name, role, old, new)


async def after_some(place: Place, caller: Client, idle: tuple[int, int]) -> Sides:
    """Cancel a batch of calls and wait until both sides are idle.

    Raises:
        ServiceError: some were answered, or never came to the server, so that nothing was cancelled there.
    """
    before = await place.stats()
    heard = await cancel_some(caller, place.requests, place.random, _calls_of(place.job), place.stats)
    held, after = await settled(place.stats, place.addresses.pid, idle), await place.stats()
    counts = {name: after[name] - before[name] for name in ("cancelled", "completed", "failed")}
    # A call that was left early may come late, and count as one of those that were waited for.
    if counts["cancelled"] < heard / 2 or counts["completed"] or counts["failed"]:
        raise ServiceError(f"the server: expected {heard} calls cancelled and none otherwise, got {counts}")
    return held


def _send_left(place: Place, name: str, role: str, old: Sides, new: Sides) -> None:
    """Send what each side holds more than before."""
    for side in Sides._fields:
        arm = CallArm(Case(side, role), call_place("cancel", transport=name))
        held, holds = getattr(old, side), getattr(new, side)
        for metric, what in LEFT.items():
            left = getattr(holds, what) - getattr(held, what)
            place.emit(row(place.job, arm, metric, METRICS[metric], left))


def _calls_of(job: Job) -> int:
    """Choose how many calls make a batch."""
    return max(AT_ONCE, min(MOST_CALLS, job.effort.arm_ns // CALL_NS))


async def _stops(place: Place, name: str) -> None:
    """Return what the server still does for calls that were left."""
    arms = open_arms(name, place.addresses, place.requests)
    await leave_by_turns(place.job.effort.arm_ns, arms, place.stats, place.random)
    for arm in arms:
        own = CallArm(arm.name, call_place("cancel", transport=name))
        if not arm.lags:
            reason = f"{own.place.name}: {arm.name}: every stream had ended before it could be left"
            place.emit(Finding(place.job.workload, "", UNMEASURED, f"{reason}; the machine is busy"))
        for metric, value in arm.figures().items():
            place.emit(row(place.job, own, metric, METRICS[metric], value))
