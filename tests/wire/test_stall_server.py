"""The experiment on a stalling loop: its rows, and what must hold of them on any machine."""

import asyncio
import time
from typing import Any

import pytest

from serlab import workloads
from serlab.measure import wire
from serlab.measure.job import Figure, Record
from serlab.measure.ticker import fine_loop
from serlab.wire import spawned
from serlab.wire.clients import open_transport
from serlab.wire.experiments import loop_stall
from serlab.wire.experiments.loop_stall import BODIES_PER_S, BODIES_PER_WINDOW, StallArm
from tests.support.jobs import all_of, figures_of, wire_job

MS = 1_000_000
JOB = wire_job("loop-stall", codecs=("orjson", "msgpack"))
METRICS = ("stall-p50", "stall-p99", "stall-max", "body-rate", "client-cpu")


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str, str], float]:
    """Run the experiment once: (operation, arm, metric) → value."""
    records: list[Record] = []
    loop_stall.run(JOB, records.append)
    figures = all_of(Figure, records)
    assert all(one.unit == wire.METRICS[one.metric] and one.workload == "chat-turn" for one in figures)
    return figures_of(figures)


def window(work: Any, items: list[Any]) -> StallArm:
    """Measure one window of some work that no server is needed for."""
    arm = StallArm("planted", ("inline",), work, items)
    with asyncio.Runner(loop_factory=fine_loop) as runner:
        runner.run(arm.window([0] * BODIES_PER_WINDOW))
    return arm


def test_every_arm_has_every_figure_in_both_ways(figures: dict[tuple[str, str, str], float]) -> None:
    """Codecs, the baseline twice, the same bytes uncoded, and the ticker alone."""
    arms = ("orjson", "orjson (A/A)", "msgpack", "floor: bytes", "floor: idle")
    ways = ("wire/loop-stall/inline", "wire/loop-stall/thread")
    assert set(figures) == {(way, arm, metric) for way in ways for arm in arms for metric in METRICS}


def test_figures_are_in_order(figures: dict[tuple[str, str, str], float]) -> None:
    """A percentile is no more than the worst, and no more bodies come back than are sent."""
    for operation, arm, metric in figures:
        p50, p99, worst, rate, cpu = (figures[operation, arm, name] for name in METRICS)
        assert 0 <= p50 <= p99 <= worst and 0 < rate <= BODIES_PER_S and cpu > 0, (operation, arm, metric)


def test_floors_are_the_same_in_both_ways(figures: dict[tuple[str, str, str], float]) -> None:
    """They are measured once, since nothing is coded there."""
    for (operation, arm, metric), value in figures.items():
        if arm.startswith("floor: "):
            assert figures[operation.replace("inline", "thread"), arm, metric] == value


def test_work_on_the_loop_is_seen_whole_and_uses_the_client() -> None:
    """A body that works for 30 ms stalls the loop for that long, and ticks that it hides count each."""

    async def work(item: int) -> None:
        end = time.thread_time_ns() + item
        while time.thread_time_ns() < end:
            continue

    found = window(work, [30 * MS])
    assert found.figures()["stall-max"] >= 28 * MS
    assert sum(lag > 10 * MS for lag in found.lags) >= BODIES_PER_WINDOW * 18
    assert found.cpu_ns >= BODIES_PER_WINDOW * 30 * MS


def test_loop_that_cannot_keep_up_says_so() -> None:
    """Bodies that block for 80 ms come back at 12.5 a second at most, though 40 are sent."""

    async def work(item: float) -> None:
        time.sleep(item)

    assert window(work, [0.08]).figures()["body-rate"] <= 12.6


def test_another_message_that_comes_back_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed is checked first, in both ways."""
    messages = workloads.build("chat-turn", 1)

    async def wrong(self: Any, _: Any) -> None:
        return None

    for name in ("call", "call_in_thread"):
        with monkeypatch.context() as patched, spawned() as addresses:
            patched.setattr(loop_stall.Echo, name, wrong)
            with pytest.raises(AssertionError, match="another message came back"):
                asyncio.run(checked(addresses, messages))


async def checked(addresses: Any, messages: list[Any]) -> None:
    """Check a codec."""
    transport = open_transport("http", addresses)
    try:
        await loop_stall.check(loop_stall.Echo(transport, "ChatRequest", "orjson"), messages)
    finally:
        await transport.close()
