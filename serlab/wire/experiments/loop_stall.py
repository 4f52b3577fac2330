"""loop-stall: how long do others on the event loop wait while large bodies are coded there?

A client, such as a gateway, sends bodies over HTTP/1.1 at a stated rate and gets each back (`serlab.wire.echo`): it
encodes one and decodes one. A ticker on the same loop notes how late it is (`serlab.measure.ticker`), as any other
request there would be.

    inline         the codec works in the coroutine
    thread         the codec works by `asyncio.to_thread`; what holds the interpreter lock still delays the loop
    floor: bytes   the baseline's bytes go there and back, and nobody codes them: what the transport itself stalls
    floor: idle    the ticker alone: what this machine stalls

A `body-rate` below the stated one says that client or server did not keep up, and that the stalls are those of fewer
bodies. The floors code nothing, so both ways have the same: they are measured once and stand in both tables.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from statistics import fmean
from time import perf_counter_ns, process_time_ns
from typing import Any

import numpy as np

from serlab.cases import AA, BOUND, CallArm, Case, call_place
from serlab.measure import (
    METRICS,
    Emit,
    Heartbeat,
    Job,
    fine_loop,
    load_messages,
    open_heartbeat,
    settle_gc,
    ticked,
    warm_up,
)
from serlab.wire import Addresses, spawned
from serlab.wire.clients import Transport, open_transport
from serlab.wire.echo import Echo
from serlab.wire.experiments.base import codec_in, row

WAYS = ("inline", "thread")
BODIES_PER_S, BODIES_PER_WINDOW = 40, 5
LEAST_WINDOWS, MOST_WINDOWS = 2, 4
WINDOW_NS = 20_000_000
"""Of an arm's time, for each window: two in a quick run."""
Work = Callable[[Any], Awaitable[Any]]


@dataclass(slots=True)
class StallArm:
    """A codec in a way, or a floor.

    Attributes:
        name: whose.
        ways: whose tables it stands in.
        work: what is awaited with each item.
        items: one for each message.
        lags: of each tick over all windows, in nanoseconds.
        cpu_ns: time of this process's CPU.
        elapsed_ns: time by the clock.
        rates: bodies per second that came back, one for each window.
    """

    name: Case
    ways: tuple[str, ...]
    work: Work
    items: list[Any]
    lags: list[int] = field(default_factory=list)
    cpu_ns: int = 0
    elapsed_ns: int = 0
    rates: list[float] = field(default_factory=list)

    async def window(self, picks: list[int]) -> None:
        """Send some bodies while the ticker runs."""
        cpu_ns, began_ns = process_time_ns(), perf_counter_ns()
        rate = await ticked(self.lags, self.work, [self.items[i] for i in picks], BODIES_PER_S)
        self.rates.append(rate)
        self.cpu_ns += process_time_ns() - cpu_ns
        self.elapsed_ns += perf_counter_ns() - began_ns

    def figures(self) -> dict[str, float]:
        """Return metric → figure."""
        p50, p99 = np.percentile(self.lags, [50, 99])
        stalls = {"stall-p50": float(p50), "stall-p99": float(p99), "stall-max": float(max(self.lags))}
        return {**stalls, "body-rate": fmean(self.rates), "client-cpu": self.cpu_ns / self.elapsed_ns}


def run(job: Job, emit: Emit) -> None:
    """Measure the lag of a client's loop; see `serlab.wire.experiments`."""
    with spawned() as addresses, asyncio.Runner(loop_factory=fine_loop) as runner:
        for arm in runner.run(_measured(job, addresses, load_messages(job))):
            for way in arm.ways:
                for metric, value in arm.figures().items():
                    name = CallArm(arm.name, call_place("loop-stall", way=way))
                    emit(row(job, name, metric, METRICS[metric], value))


async def _measured(job: Job, addresses: Addresses, messages: list[Any]) -> list[StallArm]:
    """Measure all arms over one transport."""
    transport = open_transport("http", addresses)
    try:
        arms = await _arms_of(job, transport, messages)
        settle_gc(job.gc)
        await _by_turns(job, arms, len(messages))
    finally:
        await transport.close()
    return arms


async def _by_turns(job: Job, arms: list[StallArm], messages: int) -> None:
    """Measure window by window, in random order, with the same bodies for every arm: those of a mix differ in size."""
    random = Random(f"{job.seed}/{job.process}/{job.workload}/loop-stall")
    mark: Heartbeat = open_heartbeat(job.mark)
    for _ in range(max(LEAST_WINDOWS, min(MOST_WINDOWS, job.effort.arm_ns // WINDOW_NS))):
        picks = [random.randrange(messages) for _ in range(BODIES_PER_WINDOW)]
        for arm in random.sample(arms, len(arms)):
            mark(codec_in(arm.name))
            await arm.window(picks)
    mark("")


async def _arms_of(job: Job, transport: Transport, messages: list[Any]) -> list[StallArm]:
    """Return every codec in every way, the baseline twice, and the floors, checked and warmed up."""
    echoes = {name: Echo(transport, job.kind, name) for name in job.codecs}
    for echo in echoes.values():
        await check(echo, messages)
    base = echoes[job.baseline]
    named_echoes = [*((Case(name), echo) for name, echo in echoes.items()), (Case(job.baseline, AA), base)]
    coded = [StallArm(name, (way,), _work_of(echo, way), messages) for name, echo in named_echoes for way in WAYS]
    data = [base.codec.encode(message) for message in messages]
    alone, nothing = Case("bytes", BOUND), Case("idle", BOUND)
    return [*coded, StallArm(alone, WAYS, base.plain, data), StallArm(nothing, WAYS, _idle, messages)]


def _work_of(echo: Echo, way: str) -> Work:
    """Choose where the codec works."""
    return echo.call_in_thread if way == "thread" else echo.call


async def _idle(_: Any) -> None:
    """Send nothing."""


async def check(echo: Echo, messages: list[Any]) -> None:
    """Send every message in both ways, until both sides know it, and compare what comes back."""
    warm_up(echo.codec, messages)
    for message in messages:
        for way in WAYS:
            for _ in range(1 + echo.codec.learns):
                back = await _work_of(echo, way)(message)
            assert back == message, f"{echo.codec.name}: another message came back"
