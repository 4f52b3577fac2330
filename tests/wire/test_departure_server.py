"""Work stops when the client goes, and slows when the client is slow."""

import asyncio
import time
from typing import Any

import h2.config
import h2.connection
import httpx2
import orjson
import pytest

from serlab.wire import Latency, Settings, running, spawned
from tests.conftest import moments
from tests.wire.helpers import CHAT, HANG_S, PATH, asking, bounded, client, resident_mb, until

SLOW = Settings(tokens=100_000, latency=Latency(token_s=0.005))
HEAD = "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"


def port_of(address: str) -> int:
    """Read the port of an address."""
    return int(address.rpartition(":")[2])


async def ask(port: int, **fields: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a chat request over a connection of its own, and read nothing."""
    body = orjson.dumps({**CHAT, **fields})
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)
    writer.write(HEAD.format(path=PATH, size=len(body)).encode() + body)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("streams", [True, False])
def test_closed_connection_stops_the_work(streams: bool) -> None:
    """Of a stream and of an answer that nobody has seen a byte of."""

    async def work() -> None:
        async with running(SLOW) as server:
            _, writer = await ask(port_of(server.addresses.http), stream=streams)
            assert await until(lambda: server.stats.active == 1)
            writer.close()
            assert await until(lambda: server.stats.active == 0)
            made = server.stats.tokens
            await asyncio.sleep(0.1)
            assert server.stats.tokens == made and server.stats.cancelled == 1 and server.stats.completed == 0

    bounded(work())


def test_client_that_leaves_a_stream_stops_the_work() -> None:
    """As an HTTP client does it: by leaving its block."""

    async def work() -> None:
        async with running(SLOW) as server, client(server) as http:
            async with http.stream("POST", PATH, json=asking(stream=True)) as answer:
                async for _ in answer.aiter_lines():
                    break
            assert await until(lambda: server.stats.active == 0) and server.stats.cancelled == 1

    bounded(work())


def test_reset_stream_of_http2_stops_its_work_alone() -> None:
    """The connection and its other streams live on."""

    async def work() -> None:
        async with running(SLOW) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server.addresses.http))
            connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
            connection.initiate_connection()
            for stream in (1, 3):
                start(connection, stream)
            writer.write(connection.data_to_send())
            assert await until(lambda: server.stats.active == 2)
            connection.receive_data(await reader.read(65_536))
            connection.reset_stream(1)
            writer.write(connection.data_to_send())
            assert await until(lambda: server.stats.active == 1) and server.stats.cancelled == 1
            writer.close()
            assert await until(lambda: server.stats.active == 0)

    bounded(work())


def start(connection: Any, stream: int) -> None:
    """Ask for a chat stream as a stream of HTTP/2."""
    fields = {":method": "POST", ":path": PATH, ":scheme": "http", ":authority": "x"}
    connection.send_headers(stream, [*fields.items(), ("content-type", "application/json")])
    connection.send_data(stream, orjson.dumps(asking(stream=True)), end_stream=True)


def test_waiting_for_a_batch_is_left_too() -> None:
    """Who goes before the batch begins is not taken along."""

    async def work() -> None:
        settings = Settings(latency=Latency(batch_base_s=0.5, batch_limit=1))
        async with running(settings) as server:
            port = port_of(server.addresses.http)
            first = await ask(port)
            assert await until(lambda: server.stats.batches == 1)
            second = await ask(port)
            assert await until(lambda: server.stats.waiting == 1)
            second[1].close()
            assert await until(lambda: server.stats.waiting == 0)
            assert (await first[0].readline()).startswith(b"HTTP/1.1 200")
            assert server.stats.batches == 1 and server.stats.cancelled == 1
            first[1].close()

    bounded(work())


@pytest.mark.parametrize("http2", [False, True])
def test_slow_reader_holds_the_model_back_and_not_memory(http2: bool) -> None:
    """The server makes no more tokens than its buffers hold, and does not grow."""

    async def work(http: str, pid: int) -> None:
        options = {"http1": not http2, "http2": http2, "timeout": HANG_S, "trust_env": False}
        async with httpx2.AsyncClient(base_url=http, **options) as slow, httpx2.AsyncClient(trust_env=False) as watch:

            async def made() -> int:
                return int((await watch.get(f"{http}/stats")).json()["tokens"])

            async with slow.stream("POST", PATH, json=asking(stream=True)) as answer:
                pieces = answer.aiter_raw()
                await anext(pieces)
                counts = [await made()]
                before = resident_mb(pid)
                # The buffers between model and reader fill up, then no token is made while nothing is read.
                for _ in range(100):
                    await asyncio.sleep(0.3)
                    counts.append(await made())
                    if counts[-1] == counts[-2]:
                        break
                assert 0 < counts[-1] == counts[-2] < 200_000
                assert resident_mb(pid) - before < 60
                # What is buffered is read, and the model goes on.
                for _ in range(counts[-1] + 100):
                    await anext(pieces)
                assert await made() > counts[-1]

    with spawned(Settings(tokens=1_000_000)) as addresses:
        bounded(work(addresses.http, addresses.pid))


def test_server_stops_at_once_with_streams_open() -> None:
    """What is under way is cancelled, even where the reader takes nothing."""

    async def work() -> None:
        for _ in moments():
            async with running(SLOW) as server:
                port = port_of(server.addresses.http)
                writers = [(await ask(port, stream=True))[1] for _ in range(3)]
                assert await until(lambda: server.stats.active == 3)
                began = time.monotonic()
            took_s = time.monotonic() - began
            assert server.stats.active == 0 and server.stats.cancelled == 3
            for writer in writers:
                writer.close()
            if took_s < 2:
                return
        pytest.fail(f"stopping took {took_s} s")

    bounded(work())
