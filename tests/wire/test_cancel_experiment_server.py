"""The experiment on cancelled calls: its rows, and what must hold of them on any machine."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from serlab.errors import ServiceError
from serlab.measure.job import Figure, Finding, Record
from serlab.measure.wire import METRICS
from serlab.messages import from_document
from serlab.wire import Latency, ModelServer, Settings, cancelling, running
from serlab.wire.cancelling import (
    AT_ONCE,
    BEGUN,
    LEAST_ROUNDS,
    SHORT,
    TRIES,
    LeavingArm,
    Reader,
    drain,
    gauge,
    idle_tasks,
    leave_begun,
    leave_by_turns,
    leave_heard,
    leave_one,
    open_arms,
    settled,
    watched,
)
from serlab.wire.cancelling import cancel as cancel_call
from serlab.wire.clients import Client
from serlab.wire.experiments import cancel
from tests.support.jobs import all_of, figures_of, wire_job
from tests.wire.clienthelpers import opened
from tests.wire.helpers import bounded

JOB = wire_job("cancel")
SLOW = Settings(tokens=100_000, latency=Latency(token_s=0.001))
SHORT_ASK = from_document("GenerateRequest", {"model": "m", "prompt": "once", "max_tokens": 1})
LONG_ASK = from_document("GenerateRequest", {"model": "m", "prompt": "once"})


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str, str], float]:
    """Run the experiment once: (operation, arm, metric) → value."""
    records: list[Record] = []
    cancel.run(JOB, records.append)
    figures = all_of(Figure, records)
    assert all(one.unit == METRICS[one.metric] and one.message == "ChatRequest" for one in figures)
    return figures_of(figures)


def on_server(work: Callable[[ModelServer], Awaitable[None]]) -> None:
    """Do something with a server in this process."""

    async def whole() -> None:
        async with running(SLOW) as server:
            await work(server)

    bounded(whole())


def test_every_transport_has_every_figure(figures: dict[tuple[str, str, str], float]) -> None:
    """What is left on both sides, what stopping takes, each twice; and over HTTP/2 what not telling costs."""
    sides = {
        (side + again, metric) for side in ("client", "server") for again in ("", " (A/A)") for metric in cancel.LEFT
    }
    stops = {("told" + again, metric) for again in ("", " (A/A)") for metric in ("stop-lag", "wasted-tokens")}
    untold = {("untold", metric) for metric in ("stop-lag", "wasted-tokens")}
    for name in cancel.TRANSPORTS:
        found = {(arm, metric) for operation, arm, metric in figures if operation == f"wire/cancel/{name}"}
        assert found == sides | stops | {("floor: poll", "stop-lag")} | (untold if name == "http2" else set())


def test_nothing_is_left_but_memory(figures: dict[tuple[str, str, str], float]) -> None:
    """Tasks and descriptors are as before, on both sides and over every transport."""
    counts = {key: value for key, value in figures.items() if key[2] in ("left-tasks", "left-descriptors")}
    assert counts and set(counts.values()) == {0.0}


def test_server_that_is_told_stops_before_the_answer_ends(figures: dict[tuple[str, str, str], float]) -> None:
    """One that is not told makes all of it: what was made and what had come differ by the rest."""
    for name in cancel.TRANSPORTS:
        operation = f"wire/cancel/{name}"
        assert 0 < figures[operation, "told", "stop-lag"] < 5e9 and figures[operation, "floor: poll", "stop-lag"] > 0
        assert 0 <= figures[operation, "told", "wasted-tokens"] < cancel.TOKENS / 5
    assert 0 < figures["wire/cancel/http2", "untold", "wasted-tokens"] < SHORT


def test_untold_call_is_made_whole() -> None:
    """The tokens that were wasted and those that had come are the whole answer."""

    async def work(server: ModelServer) -> None:
        async with watched(server.addresses) as stats:
            told, *_, untold, _ = open_arms("http2", server.addresses, [LONG_ASK])
            made = []
            for arm in (told, untold):
                before = server.stats.tokens
                assert await leave_one(arm, stats, Random(1))
                made.append(server.stats.tokens - before)
                await arm.close()
            assert made[1] == SHORT and 0 < untold.wasted[0] < SHORT
            assert server.stats.completed == 1 and server.stats.cancelled == 1

    on_server(work)


def test_call_that_ended_before_it_was_left_is_no_figure() -> None:
    """A client that wakes up too late tries again, and then goes on without."""

    async def work(server: ModelServer) -> None:
        async with opened("http", server.addresses) as transport, watched(server.addresses) as stats:
            # It ends before it can have brought so many tokens.
            arm, late = LeavingArm("untold", transport, [SHORT_ASK]), Late()
            assert not await leave_one(arm, stats, late) and not arm.lags and not arm.wasted
            before = server.stats.completed
            await leave_by_turns(1, [arm], stats, late)
            assert arm.figures() == {} and server.stats.completed == before + TRIES * LEAST_ROUNDS

    on_server(work)


class Late(Random):
    """Leaves a stream as late as can be."""

    def randint(self, low: int, high: int) -> int:
        """Return the most."""
        return high


def test_arm_without_a_figure_is_told_and_the_others_have_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine costs the rows that it cannot give, not the worker."""
    monkeypatch.setattr(cancelling, "SHORT", 1)
    monkeypatch.setattr(cancelling, "MOST_TOKENS", 10)
    monkeypatch.setattr(cancel, "TRANSPORTS", ("http2",))
    monkeypatch.setattr(cancel, "Random", Late)
    records: list[Record] = []
    cancel.run(JOB, records.append)
    arms = {str(one.case) for one in all_of(Figure, records)}
    findings = [one.reason for one in all_of(Finding, records)]
    assert {"told", "told (A/A)", "floor: poll", "client", "server"} < arms and "untold" not in arms
    assert len(findings) == 1 and "wire/cancel/http2: untold: every stream had ended" in findings[0]


def test_answered_call_is_no_cancelled_one() -> None:
    """An answer that is too short for the experiment is an error there, not a figure."""

    async def work(server: ModelServer) -> None:
        async with opened("http", server.addresses) as transport, watched(server.addresses) as stats:
            caller = Client(transport, "GenerateRequest", "protobuf")
            task = asyncio.ensure_future(drain(caller, SHORT_ASK))
            await asyncio.wait([task])
            with pytest.raises(ServiceError, match="ask for a longer one"):
                await cancel_call(task)
            with pytest.raises(ServiceError, match="ask for a longer one"):
                await leave_heard(caller, [SHORT_ASK] * 8, Late(1), stats)
            with pytest.raises(ServiceError, match="expected a token"):
                await Reader(caller, LONG_ASK).begun(0.0)

    on_server(work)


def test_stream_is_left_when_its_tokens_have_come() -> None:
    """However long they take: the third comes only when the test lets it."""

    async def work() -> None:
        gate, caller = asyncio.Semaphore(0), Gated()
        caller.gate = gate
        reader = Reader(caller, LONG_ASK, 3)
        leaving = asyncio.ensure_future(leave_begun(reader))
        for tokens in (1, 2):
            gate.release()
            while reader.received < tokens:
                await asyncio.sleep(0)
            assert not leaving.done() and not reader.task.done()
        gate.release()
        await leaving
        assert reader.received == 3 and reader.task.cancelled()

    bounded(work())


class Gated:
    """A caller whose stream brings a token when its gate is opened."""

    gate: asyncio.Semaphore

    async def stream(self, request: Any) -> Any:
        """Bring tokens."""
        while await self.gate.acquire():
            yield None


def test_calls_are_left_only_when_the_server_is_at_all_of_them() -> None:
    """Whole answers as well: the last of twenty is begun only when the test lets it."""

    async def work() -> None:
        begun, asked, seen = 0, asyncio.Event(), 0

        async def stats() -> dict[str, int]:
            nonlocal seen
            seen += begun == 19
            if seen > 3:
                asked.set()
            found = begun
            await asyncio.sleep(0)
            return dict.fromkeys(BEGUN, 0) | {"cancelled": found}

        random = Random(1)
        random.random = lambda: 1.0  # type: ignore[method-assign]
        caller: Any = Client(Nowhere(), "GenerateRequest", "protobuf")
        leaving = asyncio.ensure_future(leave_heard(caller, [LONG_ASK] * AT_ONCE, random, stats))
        await asyncio.sleep(0)
        begun = 19
        await asked.wait()
        assert not leaving.done()
        begun = 20
        await leaving

    bounded(work())


def test_busy_server_is_not_taken_for_an_idle_one() -> None:
    """Neither before a call that is watched nor when all should be done."""

    async def work(server: ModelServer) -> None:
        async with opened("http", server.addresses) as transport, watched(server.addresses) as stats:
            idle = await idle_tasks(stats)
            reader = Reader(Client(transport, "GenerateRequest", "protobuf"), LONG_ASK)
            await reader.begun()
            with pytest.raises(ServiceError, match="got 1 answers"):
                await settled(stats, server.addresses.pid, idle, 0.1)
            with pytest.raises(ServiceError, match="idle before a call"):
                await leave_one(LeavingArm("told", transport, [LONG_ASK]), stats, Random(1))
            reader.task.cancel()
            await asyncio.wait([reader.task])
            assert (await settled(stats, server.addresses.pid, idle)).client.descriptors > 0

    on_server(work)


def test_left_task_is_counted() -> None:
    """A task and a descriptor that a batch leaves show in the difference of two gauges."""

    async def work(server: ModelServer) -> None:
        async with watched(server.addresses) as stats:
            idle = await idle_tasks(stats)
            before = await settled(stats, server.addresses.pid, idle)
            task = asyncio.create_task(asyncio.sleep(60))
            with Path(os.devnull).open("rb"):
                after = await settled(stats, server.addresses.pid, idle, 0.1)
            task.cancel()
        left = [new - old for old, new in zip(before.client, after.client, strict=True)]
        assert left[:2] == [1, 1]

    on_server(work)


def test_system_without_proc_says_so() -> None:
    """A process that is not there reads like a system that does not tell."""
    with pytest.raises(ServiceError, match="needs Linux"):
        gauge(2**22 + 1, 0)


def test_batch_without_calls_is_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that never came to the server are no cancelled ones: the experiment counts on the server's side."""
    monkeypatch.setattr(cancelling, "PATIENCE_S", 0.1)

    async def work(server: ModelServer) -> None:
        async with watched(server.addresses) as stats:
            place = cancel.Place(JOB, server.addresses, stats, [LONG_ASK], Random(1), lambda record: None)
            transport = Nowhere()
            with pytest.raises(ServiceError, match=f"expected {AT_ONCE} answers begun, got 0"):
                await cancel.after_some(
                    place, Client(transport, "GenerateRequest", "protobuf"), await idle_tasks(stats)
                )

    on_server(work)


class Nowhere:
    """A transport that sends nothing, for ever."""

    messages, opened = False, 0

    async def call(self, payload: Any) -> Any:
        """Wait."""
        await asyncio.Event().wait()

    async def stream(self, payload: Any) -> Any:
        """Wait."""
        await asyncio.Event().wait()
        yield

    async def close(self) -> None:
        """Do nothing."""


def test_only_http2_can_leave_untold() -> None:
    """The others have a word for it in their protocol."""

    async def work(server: ModelServer) -> None:
        for name in cancel.TRANSPORTS:
            arms = open_arms(name, server.addresses, [LONG_ASK])
            assert [arm.name for arm in arms if arm.name == "untold"] == (["untold"] if name == "http2" else [])
            for arm in arms:
                await arm.close()

    on_server(work)
