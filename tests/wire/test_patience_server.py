"""Limits of time: each phase by its name, and a deadline that travels."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import httpx2
import pytest

from serlab.errors import ServiceError
from serlab.messages import from_document
from serlab.wire import Faults, Latency, Settings, running
from serlab.wire.clients import CallTimeoutError as Late
from serlab.wire.clients import (
    Client,
    ClientSettings,
    Deadline,
    Pool,
    RefusedError,
    Timeouts,
)
from serlab.wire.grpc_server import Service
from serlab.wire.timeouts import DEADLINE_HEADER
from tests.wire.clienthelpers import PROMPT, messages, opened
from tests.wire.helpers import CHAT, HANG_S, PATH, asking, bounded, client, until

ARMS = ("http", "httpx2", "http2", "grpc")
LONG = from_document("GenerateRequest", {"model": "m", "prompt": "once"})
SLOW_START = Settings(latency=Latency(first_token_s=HANG_S))
SLOW_TOKENS = Settings(latency=Latency(token_s=0.05), tokens=20_000)
"""Neither comes to an end by itself before a test is given up, so what ends it is the limit."""
LATER_S = 60.0
"""A limit of another phase, which must not be what ends the call."""


def within(**seconds: float) -> ClientSettings:
    """Return a client that has some limits."""
    return ClientSettings(timeouts=Timeouts(**seconds))


async def phase_of(transport: Any, streams: bool, deadline: Deadline | None = None) -> tuple[str, float]:
    """Ask for a long answer; tell which limit ended it, and after how many seconds."""
    asker, began = Client(transport, "GenerateRequest", "protobuf"), time.monotonic()
    with pytest.raises(Late) as caught:
        await (messages(asker, LONG, deadline) if streams else asker.call(LONG, deadline))
    assert f": {caught.value.phase}: " in str(caught.value) and isinstance(caught.value, ServiceError)
    return caught.value.phase, time.monotonic() - began


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("streams", [False, True])
def test_first_byte_that_does_not_come(arm: str, streams: bool) -> None:
    """The phase is named, and the server's work stops."""

    async def work() -> None:
        async with (
            running(SLOW_START) as server,
            opened(arm, server.addresses, within(first_byte_s=0.2, total_s=LATER_S)) as transport,
        ):
            phase, took_s = await phase_of(transport, streams)
            assert phase == "first byte" and took_s > 0.19
            assert await until(lambda: server.stats.active == 0) and server.stats.cancelled == 1

    bounded(work())


@pytest.mark.parametrize("arm", ARMS)
def test_silence_between_tokens(arm: str) -> None:
    """A stall in the middle of a stream; tokens that keep coming are no silence."""

    async def work() -> None:
        faults = Faults(stall=1, stall_s=HANG_S)
        settings = replace(SLOW_TOKENS, tokens=10, faults=faults)
        async with (
            running(settings) as server,
            opened(arm, server.addresses, within(between_tokens_s=0.3, total_s=LATER_S)) as transport,
        ):
            phase, took_s = await phase_of(transport, True)
            assert phase == "between tokens" and took_s > 0.3
            assert await until(lambda: server.stats.active == 0)
        async with (
            running(Settings(latency=Latency(token_s=0.3))) as server,
            opened(arm, server.addresses, within(between_tokens_s=2.0)) as transport,
        ):
            began = time.monotonic()
            assert len(await messages(Client(transport, "GenerateRequest", "protobuf"), PROMPT)) == 10
            assert time.monotonic() - began > 2.0

    bounded(work())


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("streams", [False, True])
def test_total_time(arm: str, streams: bool) -> None:
    """However steadily the tokens come."""

    async def work() -> None:
        async with (
            running(SLOW_TOKENS) as server,
            opened(arm, server.addresses, within(total_s=0.4, first_byte_s=LATER_S)) as transport,
        ):
            phase, took_s = await phase_of(transport, streams)
            assert phase == "total" and took_s > 0.39
            assert await until(lambda: server.stats.active == 0) and server.stats.expired == 0

    bounded(work())


@pytest.mark.parametrize("arm", ["https", "httpx2-tls", "http2-tls", "grpc", "grpc-tls"])
def test_handshake_that_is_not_answered_is_the_connect_phase(arm: str) -> None:
    """Somebody accepts the connection and says nothing."""

    async def work() -> None:
        async with silent() as port, running() as server:
            names = {"https": f"https://127.0.0.1:{port}", "grpc": f"127.0.0.1:{port}", "grpcs": f"127.0.0.1:{port}"}
            addresses = replace(server.addresses, **names)
            async with opened(arm, addresses, within(connect_s=0.3, total_s=LATER_S)) as transport:
                phase, took_s = await phase_of(transport, False)
                assert phase == "connect" and took_s > 0.29

    bounded(work())


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Accept connections and say nothing."""
    writers = []

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


@pytest.mark.parametrize("arm", ["http", "httpx2"])
def test_pool_that_is_full_is_the_connect_phase(arm: str) -> None:
    """The second call waits for the first one's connection."""

    async def work() -> None:
        settings = ClientSettings(Pool(size=1), Timeouts(connect_s=0.2))
        async with running(SLOW_START) as server, opened(arm, server.addresses, settings) as transport:
            first = asyncio.create_task(Client(transport, "GenerateRequest", "protobuf").call(LONG))
            assert await until(lambda: server.stats.active == 1)
            assert (await phase_of(transport, False))[0] == "connect"
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    bounded(work())


@pytest.mark.parametrize("arm", ["http", "httpx2", "http2"])
def test_connection_that_is_not_accepted_is_the_connect_phase(arm: str) -> None:
    """The listener's queue is full, so the kernel answers nothing; it counts as no first byte, too."""

    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                async with running() as server:
                    addresses = replace(server.addresses, http=f"http://127.0.0.1:{port}")
                    for limit, phase in (("connect_s", "connect"), ("first_byte_s", "first byte")):
                        async with opened(arm, addresses, within(**{limit: 0.3})) as transport:
                            assert (await phase_of(transport, False))[0] == phase

    bounded(work())


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("streams", [False, True])
def test_deadline_ends_a_call_on_both_sides(arm: str, streams: bool) -> None:
    """The client raises in time, and the server counts work that it stopped because the deadline had passed."""

    async def work() -> None:
        async with running(SLOW_TOKENS) as server, opened(arm, server.addresses) as transport:
            phase, took_s = await phase_of(transport, streams, Deadline.after(0.4))
            assert phase == "deadline" and took_s > 0.38
            assert await until(lambda: server.stats.active == 0) and server.stats.completed == 0

    bounded(work())


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_server_stops_at_the_deadline_although_the_client_stays(streams: bool, protocol: str) -> None:
    """A whole answer becomes a 504; a stream that has begun ends without its end."""

    async def work() -> None:
        options = {"http1": protocol == "http1", "http2": protocol == "http2"}
        async with running(SLOW_TOKENS) as server, client(server, **options) as http:
            asked = {"json": asking(stream=streams), "headers": {DEADLINE_HEADER: "1000"}}
            began = time.monotonic()
            if streams:
                with pytest.raises(httpx2.RemoteProtocolError):
                    await http.post(PATH, **asked)
            else:
                answer = await http.post(PATH, **asked)
                assert answer.status_code == 504 and answer.json()["error"]["code"] == "deadline_exceeded"
            assert time.monotonic() - began > 0.98
            assert await until(lambda: server.stats.active == 0)
            assert (server.stats.expired, server.stats.cancelled, server.stats.completed) == (1, 1, 0)

    bounded(work())


def test_server_looks_at_the_deadline_of_a_grpc_stream_that_ends_while_a_piece_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a piece every 0.2 ms about half of the calls end while gRPC sends one, outside of serlab's generator.

    Which side's clock is first is chance, so what is counted is that the server looks.
    """
    ends = []
    monkeypatch.setattr(Service, "left", lambda _service, context: ends.append(context.time_remaining()))

    async def work() -> None:
        fast = replace(SLOW_TOKENS, latency=Latency(token_s=0.0002), tokens=200_000)
        async with running(fast) as server, grpc.aio.insecure_channel(server.addresses.grpc) as channel:
            call = channel.unary_stream("/serlab.LLMService/GenerateStream")
            while server.stats.cancelled < 12:  # on a busy machine some calls end before the server has begun
                with pytest.raises(grpc.RpcError):
                    async for _piece in call(b"", timeout=0.2):
                        pass
            assert await until(lambda: server.stats.active == 0 and len(ends) == server.stats.cancelled)
            assert max(ends) < 0.2

    bounded(work())


@pytest.mark.parametrize("method", ["unary_unary", "unary_stream"])
def test_server_stops_at_the_deadline_of_a_grpc_client_that_stands_still(method: str) -> None:
    """A process that is stopped can neither cancel nor close."""
    code = f"""
import sys, grpc
from serlab.generated import llm_pb2
name = "Generate" if {method!r} == "unary_unary" else "GenerateStream"
channel = grpc.insecure_channel(sys.argv[1])
call = channel.{method}("/serlab.LLMService/" + name)
data = llm_pb2.GenerateRequest(model="m").SerializeToString()
list(call(data, timeout=4))
"""

    async def work() -> None:
        async with running(SLOW_TOKENS) as server:
            arguments = (sys.executable, "-c", code, server.addresses.grpc)
            process = await asyncio.create_subprocess_exec(*arguments)
            try:
                assert await until(lambda: server.stats.active == 1)
                process.send_signal(signal.SIGSTOP)
                assert await until(lambda: server.stats.active == 0 and server.stats.expired)
                assert (server.stats.expired, server.stats.cancelled, server.stats.completed) == (1, 1, 0)
                assert process.returncode is None
            finally:
                process.kill()
                await process.wait()

    bounded(work())


def test_deadline_that_has_passed_asks_nobody() -> None:
    """Neither the client nor a server that gets it begins any work."""

    async def work() -> None:
        past = Deadline(time.monotonic() - 1)
        async with running() as server, client(server) as http:
            for arm in ARMS:
                async with opened(arm, server.addresses) as transport:
                    assert (await phase_of(transport, False, past))[0] == "deadline"
            answer = await http.post(PATH, json=CHAT, headers={DEADLINE_HEADER: past.header()})
            assert answer.status_code == 504 and server.stats.tokens == 0 and server.stats.expired == 1

    bounded(work())


def test_waiting_for_a_batch_ends_with_the_deadline() -> None:
    """Nothing is computed for it later."""

    async def work() -> None:
        settings = Settings(latency=Latency(batch_base_s=3, batch_limit=1))
        async with running(settings) as server, opened("http", server.addresses) as transport:
            asker = Client(transport, "GenerateRequest")
            first = asyncio.create_task(asker.call(PROMPT))
            assert await until(lambda: server.stats.batches == 1)
            assert (await phase_of(transport, False, Deadline.after(0.1)))[0] == "deadline"
            assert await until(lambda: server.stats.waiting == 0)
            await first
            assert server.stats.batches == 1

    bounded(work())


@pytest.mark.parametrize("header", ["soon", "-5", "1e3", "9" * 16])
def test_deadline_that_is_no_number_is_refused(header: str) -> None:
    """With a 400."""

    async def work() -> None:
        async with running() as server, opened("http", server.addresses) as transport:
            with pytest.raises(RefusedError, match="milliseconds") as caught:
                await Client(transport, "GenerateRequest", headers={DEADLINE_HEADER: header}).call(PROMPT)
            assert caught.value.status == 400

    bounded(work())


def test_deadline_loses_time_on_its_way_and_gains_none() -> None:
    """What a second hop reads is what is left at the first, to the millisecond."""
    deadline = Deadline.after(10)
    sent_s = time.monotonic()
    read = Deadline.read(deadline.header())
    on_its_way_s = time.monotonic() - sent_s
    assert read is not None and -0.001 <= read.at_s - deadline.at_s <= 0.001 + on_its_way_s
    assert Deadline.read("") is None and Deadline(0.0).header() == "0"


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_limit_that_is_no_time_is_refused(seconds: float) -> None:
    """Of a phase, and of a deadline."""
    with pytest.raises(ServiceError, match="total_s"):
        Timeouts(total_s=seconds)
    with pytest.raises(ServiceError, match="deadline"):
        Deadline.after(seconds)
