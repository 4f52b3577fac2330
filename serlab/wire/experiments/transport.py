"""transport: what share of a call is the codec, over HTTP/1.1, HTTP/2 and gRPC?

A message goes to the server and comes back (`serlab.wire.echo`): encoded here, decoded there, encoded there, decoded
here. Beside each codec the same bytes go the same way as bytes that nobody decodes, `floor: bytes of CODEC`. What is
between the two is the codec, on both sides; its share of a call is that of this call, which no model delays.

One call at a time shows what a call takes. `inflight=8` shows what a core can carry: there a codec's time is not only
waited for, it keeps the other calls from being served. It is measured where bodies are small, since eight large ones at
once measure memory more than anything, and over HTTP/1.1 and gRPC: a client in Python is the limit over HTTP/2.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from serlab.cases import AA, BYTES, CallArm, Case, call_place
from serlab.codecs import open_codec
from serlab.measure import METRICS, Arm, Emit, Job, load_messages, warm_up
from serlab.messages import first_difference, to_document
from serlab.wire import spawned
from serlab.wire.clients import Transport
from serlab.wire.echo import Echo
from serlab.wire.experiments.base import WireArm, again, awaited, row, timed
from serlab.wire.experiments.watched import Watch, opened

TRANSPORTS = ("http", "http2", "grpc")
AT_ONCE, AT_ONCE_BY = 8, ("http", "grpc")
SMALL_BYTES = 20_000
"""Mean size of messages up to which several are sent at once."""
MOST_MESSAGES = 8
"""Of a workload that are sent, so that a pass over them is short; a codec's figure is the same for more."""

Way = tuple[str, Transport]


def run(job: Job, emit: Emit) -> None:
    """Time calls; see `serlab.wire.experiments`."""
    messages = load_messages(job)[:MOST_MESSAGES]
    watch = Watch()
    with spawned() as addresses, asyncio.Runner() as runner, opened(runner, addresses, TRANSPORTS) as ways:
        codecs = [(way, codec) for way in ways.items() for codec in job.codecs]
        arms = [arm for way, codec in codecs for arm in _arms_of(job, runner, way, codec, messages)]
        twice = [again(arm) for arm in arms if arm.name.case == job.baseline]
        _emit_sizes(job, emit, messages)
        timed(job, emit, [watch.over(arm) for arm in (*arms, *twice)])
    watch.tell(job, emit)


def _emit_sizes(job: Job, emit: Emit, messages: list[Any]) -> None:
    """Send the mean size of a body, each way; gRPC and HTTP carry the same."""
    for case in (*map(Case, job.codecs), Case(job.baseline, AA)):
        code = open_codec(case.codec, job.kind)
        size = sum(len(code.encode(message)) for message in messages) / len(messages)
        emit(row(job, CallArm(case, call_place("transport")), "body-bytes", METRICS["body-bytes"], size))


def _arms_of(job: Job, runner: asyncio.Runner, way: Way, codec: str, messages: list[Any]) -> Iterator[WireArm]:
    """Yield a codec's arms on one transport, and those of its bytes, checked and warmed up."""
    name, transport = way
    echo = Echo(transport, job.kind, codec)
    warm_up(echo.codec, messages)
    runner.run(_checked(echo, messages))
    coded = [echo.codec.encode(message) for message in messages]
    once, several = (call_place("transport", transport=name, inflight=count) for count in (1, AT_ONCE))
    own, alone = Case(codec), Case(codec, BYTES)
    yield awaited(runner, CallArm(own, once), echo.call, messages)
    yield awaited(runner, CallArm(alone, once), echo.plain, coded)
    if name in AT_ONCE_BY and sum(map(len, coded)) <= SMALL_BYTES * len(coded):
        yield _at_once(runner, CallArm(own, several), echo.call, messages)
        yield _at_once(runner, CallArm(alone, several), echo.plain, coded)


async def _checked(echo: Echo, messages: list[Any]) -> None:
    """Send every message until both sides know it, and compare what comes back."""
    for message in messages:
        for _ in range(1 + echo.codec.learns):
            back = await echo.call(message)
        lost = first_difference(to_document(message), to_document(back))
        assert not lost, f"{echo.codec.name}: another message came back: {lost}"


def _at_once(runner: asyncio.Runner, name: CallArm, work: Any, items: list[Any]) -> WireArm:
    """Make an arm of several calls side by side, each message as often as it takes."""
    calls = [items[i % len(items)] for i in range(max(AT_ONCE, len(items)))]

    async def together(given: list[Any]) -> None:
        left = iter(given)

        async def worker() -> None:
            for item in left:
                await work(item)

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))

    return Arm(name, lambda given: runner.run(together(given)), [calls], len(calls))
