"""The delaying relay: late by what is stated, and otherwise a connection like any other."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Thread
from typing import Any

import pytest

from serlab.errors import ServiceError
from serlab.wire.delay import HELD_BYTES, Relay, Route, delayed, spawned_relays
from tests.conftest import moments
from tests.wire.helpers import HANG_S, bounded, until
from tests.wire.test_process_server import dies

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
STILL = 20
"""Looks at a relay, each two of its delays after the other, in which nothing has moved."""


@asynccontextmanager
async def through(round_trip_s: float, handler: Handler) -> AsyncIterator[tuple[Relay, Ends]]:
    """Serve, and connect to it through a relay; nothing is left open."""
    active: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        active.add(writer)
        with suppress(OSError):
            await handler(reader, writer)
        await closed(writer)
        active.discard(writer)

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with delayed(f"{host}:{port}", round_trip_s) as relay:
            ends = await asyncio.open_connection(*relay.address.split(":"))
            yield relay, ends
            await closed(ends[1])
        assert await until(lambda: not active)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, broken or not."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, and close after the client has."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def echo_address() -> Iterator[str]:
    """Serve an echo in threads; one for each connection."""

    def answer(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, suppress(OSError):
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        # Closing alone does not wake a thread that waits in accept.
        listener.shutdown(socket.SHUT_RDWR)


def connect(address: str) -> socket.socket:
    """Connect without waiting to fill packets."""
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)), HANG_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def round_trips(connection: socket.socket, times: int) -> list[float]:
    """Send a byte and wait for it, some times over; seconds."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        found.append(time.perf_counter() - began)
    return found


def test_delay_is_at_least_the_round_trip_and_hardly_more() -> None:
    """A first byte takes two round trips, since the connection is open after one; the others take one.

    What the relay adds to that is judged by the one without a delay, both at their best: a busy machine only makes
    them worse.
    """
    stated = (0.0, 0.0025, 0.02)
    firsts, others = ({each: float("inf") for each in stated} for _ in range(2))
    with echo_address() as address, spawned_relays([Route(address, each) for each in stated]) as relays:
        for rounds, _ in enumerate(moments(), 1):
            for round_trip_s, relay in zip(stated, relays.addresses, strict=True):
                began = time.perf_counter()
                with connect(relay) as connection:
                    round_trips(connection, 1)
                    firsts[round_trip_s] = min(firsts[round_trip_s], time.perf_counter() - began)
                    others[round_trip_s] = min(others[round_trip_s], *round_trips(connection, 3))
            more = [(firsts[each] - firsts[0.0] - 2 * each, others[each] - others[0.0] - each) for each in stated]
            if rounds >= 5 and all(first < 0.003 and other < 0.002 for first, other in more):
                break
        assert all(first < 0.003 and other < 0.002 for first, other in more), more
        assert all(firsts[each] >= 2 * each and others[each] >= each for each in stated)
        counts = {(each.connections, each.to_server, each.to_client) for each in relays.counts()}
        assert counts == {(rounds, 4 * rounds, 4 * rounds)}


def test_client_that_waits_finds_its_connection_open() -> None:
    """What is sent a round trip after connecting is late by one round trip only; a busy machine makes it later."""
    with echo_address() as address, spawned_relays([Route(address, 0.04)]) as relays:
        found = [float("inf")]
        for _ in moments():
            with connect(relays.addresses[0]) as connection:
                time.sleep(0.05)
                found += round_trips(connection, 1)
            if min(found) < 0.06:
                break
        assert 0.04 <= min(found) < 0.06


def test_order_and_bytes_are_kept_while_much_is_under_way() -> None:
    """More than a direction holds, in pieces of odd sizes, and every byte is counted."""
    sent = os.urandom(HELD_BYTES + 12_345)

    async def work() -> None:
        async with through(0.02, echo) as (relay, (reader, writer)):

            async def send() -> None:
                for begin in range(0, len(sent), 77_777):
                    writer.write(sent[begin : begin + 77_777])
                    await writer.drain()
                writer.write_eof()

            _, found = await asyncio.gather(send(), reader.read(-1))
            assert found == sent
            assert relay.to_server == relay.to_client == len(sent)

    bounded(work())


def test_half_closed_connection_goes_on_the_other_way() -> None:
    """The server answers after it has read to the end, and its own end comes through, too."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(-1)
        await asyncio.sleep(0.05)
        writer.write(data[::-1])
        writer.close()

    async def work() -> None:
        async with through(0.01, answer) as (relay, (reader, writer)):
            writer.write(b"abc")
            writer.write_eof()
            assert await reader.read(-1) == b"cba"
            assert await until(lambda: not relay.ends)

    bounded(work())


def test_slow_reader_holds_the_sender_back() -> None:
    """The relay holds its limit and one read at most; the rest waits at its source."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        while await reader.read(1 << 16):
            pass
        writer.close()

    async def work() -> None:
        nonlocal gate
        gate = asyncio.Event()
        async with through(0.01, swallow) as (relay, (reader, writer)):
            writer.write(bytes(10 * HELD_BYTES))
            # The kernel's buffers take some of it, so it may fill up more than once, until nothing moves any more.
            seen: list[tuple[int, int]] = []
            while len(seen) < STILL or len(set(seen[-STILL:])) > 1 or not seen[-1][0]:
                await asyncio.sleep(0.01)
                seen.append((relay.to_server, held(relay)))
            assert max(most for _, most in seen) <= HELD_BYTES + (1 << 18)
            assert held(relay) > HELD_BYTES // 2 and relay.to_server < 10 * HELD_BYTES
            gate.set()
            writer.write_eof()
            assert await reader.read(-1) == b""
            assert relay.to_server == 10 * HELD_BYTES and held(relay) == 0

    gate: Any = None
    bounded(work())


def held(relay: Relay) -> int:
    """Return the most that an end of a relay holds."""
    return max((end.held for end in relay.ends), default=0)


def test_reset_of_the_server_reaches_the_client_after_the_bytes_before_it() -> None:
    """And the relay keeps nothing of the connection."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"some")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async def work() -> None:
        async with through(0.02, break_off) as (relay, (reader, writer)):
            writer.write(b"x")
            assert await reader.readexactly(4) == b"some"
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            assert await until(lambda: not relay.ends)

    bounded(work())


def test_client_that_is_gone_before_the_last_bytes_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """They are lost, as they would be; the server says goodbye to nobody, as one that speaks TLS does."""

    async def say_goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.write(b"goodbye")

    async def work() -> None:
        for round_trip_s in (0.0, 0.01):
            async with through(round_trip_s, say_goodbye) as (relay, (_, writer)):
                writer.write(b"x")
                writer.close()
                assert await until(lambda: relay.to_client and not relay.ends)

    bounded(work())
    assert caplog.records == []


def test_client_of_nobody_hears_of_it_two_round_trips_later() -> None:
    """It is accepted, and reset."""

    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        async with delayed(f"127.0.0.1:{port}", 0.02) as relay:
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection(*relay.address.split(":"))
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            assert time.perf_counter() - began >= 0.04
            await closed(writer)

    bounded(work())


def test_block_that_is_left_leaves_no_connection() -> None:
    """Neither an open one nor one that is being made."""

    async def work() -> None:
        async with through(0.0, echo) as (relay, (reader, writer)):
            writer.write(b"x")
            await reader.readexactly(1)
            async with delayed(relay.address, 5) as far:
                late, other = await asyncio.open_connection(*far.address.split(":"))
                assert await until(lambda: far.connections)
            with pytest.raises(ConnectionResetError):
                await late.read(1)
            await closed(other)
            assert not far.ends and not far.calls

    bounded(work())


@pytest.mark.parametrize(
    ("address", "round_trip_s", "match"),
    [
        ("localhost", 0.1, "address: expected host:port"),
        ("", 0.1, "address: expected host:port"),
        ("127.0.0.1:80", -1, "round trip: expected 0 to 60"),
        ("127.0.0.1:80", 100, "round trip: expected 0 to 60"),
        ("127.0.0.1:80", float("nan"), "round trip: expected 0 to 60"),
    ],
)
def test_wrong_route_is_one_clear_error(address: str, round_trip_s: float, match: str) -> None:
    """Before any process is started."""
    with pytest.raises(ServiceError, match=match), spawned_relays([Route(address, round_trip_s)]):
        pass


def test_process_ends_with_its_block() -> None:
    """And who asks it then, or after it was killed, is told."""
    with spawned_relays([Route("127.0.0.1:9", 0.0)]) as relays:
        assert [each.connections for each in relays.counts()] == [0]
    assert relays.process.returncode == 0
    with spawned_relays([Route("127.0.0.1:9", 0.0)]) as relays:
        relays.process.kill()
        relays.process.wait()
        with pytest.raises(ServiceError, match="the relay's process"):
            relays.counts()


def test_process_ends_with_its_parent() -> None:
    """Even with one that is killed."""
    code = "from serlab.wire.delay import *\nwith spawned_relays([Route('127.0.0.1:9', 0.1)]) as relays:\n"
    code += "    print(relays.process.pid, flush=True)\n    input()"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert dies(pid)
