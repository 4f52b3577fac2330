"""A relay that is as far away as one likes: TCP on loopback, each way late by half a round trip, no privileges needed.

    async with delayed("127.0.0.1:8080", 0.025) as relay:
        ...  # connect to relay.address

What comes in at one end goes out at the other half a round trip later, in its order; so do the end of one direction,
the other going on, and a reset. What is on its way is held here: at most `HELD_BYTES` a direction and what one read
adds (asyncio reads 256 KiB at once), then nothing more is read until half of it is gone. So a direction carries no more
than `HELD_BYTES` in half a round trip.

TCP's own handshake cannot be delayed from outside of the kernel: `connect` returns at once. So a connection counts as
open a full round trip after it was accepted, and what the client sends before is held as if it were sent then. The
server sees the connection half a round trip later still, together with the first bytes, as it does in a network; where
nobody listens, the client hears of it after two round trips instead of one. Nothing is lost, no window grows slowly,
and bandwidth has no limit: this is delay alone.

The delay is at least what is stated. It is exact in a loop whose timers are: with epoll a loop rounds each wait up to
the next millisecond. `serlab.wire.delay` gives it such a loop, in a process of its own.

Source: RFC 9293, 3.5 (the handshake) and 3.6 (half-closed connections).
"""

import asyncio
import math
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from enum import Enum
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from serlab.errors import ServiceError
from serlab.measure import fine_loop
from serlab.wire.connections import READY_S
from serlab.wire.process import command_of, end, has_something

# One end of a relayed connection: it holds what comes in, and hands it to the other end when it is due.

HELD_BYTES = 1 << 22
"""What a direction holds before its source has to wait; 4 MiB."""

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: close with a reset."""


class Event(Enum):
    """What else than bytes comes in: nothing more from there, or the connection is gone."""

    END = "end"
    RESET = "reset"


class End(asyncio.Protocol):
    """One end.

    Args:
        delay_s: how long what comes in is held, in seconds.
        count: called with the number of bytes that came in.
        opened: called when the end is connected.
        closed: called when it is not any more.

    Attributes:
        peer: the other end; to be set before anything comes in.
        open_s: the loop's time from which on what comes in counts as sent.
        held: bytes that are held.
    """

    def __init__(
        self,
        delay_s: float,
        count: Callable[[int], None],
        opened: Callable[["End"], None],
        closed: Callable[["End"], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.delay_s, self.count, self.opened, self.closed = delay_s, count, opened, closed
        self.peer = self
        self.transport: asyncio.Transport | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.inbox: deque[tuple[float, bytes | Event]] = deque()
        self.open_s, self.held = 0.0, 0
        self.full = self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; asyncio has set TCP_NODELAY."""
        self.transport = cast(asyncio.Transport, transport)
        self.opened(self)

    def data_received(self, data: bytes) -> None:
        """Hold bytes, and read no more if they are many."""
        self.count(len(data))
        self.held += len(data)
        self.hold(data)
        if self.held >= HELD_BYTES and self.transport:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Hold the end of this direction; the other one stays open."""
        self.hold(Event.END)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Hold the news, unless it was closed from here."""
        self.closed(self)
        if exc is not None:
            self.hold(Event.RESET)

    def pause_writing(self) -> None:
        """Take nothing more from the other end."""
        self.full = True

    def resume_writing(self) -> None:
        """Go on."""
        self.full = False
        self.peer.deliver()

    def hold(self, item: bytes | Event) -> None:
        """Keep something until it is due."""
        self.inbox.append((max(self.loop.time(), self.open_s) + self.delay_s, item))
        if self.timer is None:
            self.deliver()

    def deliver(self) -> None:
        """Hand over what is due, and come back for the rest."""
        if self.timer:
            self.timer.cancel()
        self.timer = None
        while self.inbox and self.peer.transport and not self.peer.full:
            due, item = self.inbox[0]
            if due > self.loop.time():
                self.timer = self.loop.call_at(due, self.deliver)
                break
            self.inbox.popleft()
            self.hand_over(item, self.peer.transport)
        if self.held <= HELD_BYTES // 2 and self.transport:
            self.transport.resume_reading()

    def hand_over(self, item: bytes | Event, transport: asyncio.Transport) -> None:
        """Send one thing to the other end's connection."""
        if isinstance(item, bytes):
            self.held -= len(item)
            # A connection that is gone takes nothing, and its sender hears of it in its turn.
            if not transport.is_closing():
                transport.write(item)
        elif item is Event.RESET:
            self.peer.reset()
        else:
            self.ended = True
            self.end_peer(transport)

    def end_peer(self, transport: asyncio.Transport) -> None:
        """Tell the other end that nothing more comes, and close both when neither has more to say."""
        try:
            transport.write_eof()
        except OSError:
            # It was reset after its own end, where asyncio does not look any more.
            self.peer.reset()
            self.peer.hold(Event.RESET)
        if self.peer.ended:
            self.close()
            self.peer.close()

    def close(self) -> None:
        """Close the connection when all is written."""
        if self.transport:
            self.transport.close()

    def reset(self) -> None:
        """Drop the connection; what had come from it still arrives."""
        if self.transport and not self.transport.is_closing():
            connection: socket.socket = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.transport.abort()


HOST = "127.0.0.1"
LONGEST_S = 60.0
"""The longest round trip; more is a mistake in the unit."""


class Relay:
    """A relay to one server.

    Args:
        address: of the server, "host:port" or a URL.
        round_trip_s: the delay of both ways together, in seconds.

    Attributes:
        address: where it listens, "host:port"; "" before it does.
        connections: accepted so far.
        to_server: bytes that came from clients so far.
        to_client: bytes that came from the server so far.

    Raises:
        ServiceError: the address has no port, or the round trip is none.
    """

    def __init__(self, address: str, round_trip_s: float) -> None:
        parts = urlsplit(address if "//" in address else f"//{address}")
        if not parts.hostname or not parts.port:
            raise ServiceError(f"address: expected host:port or a URL with a port, got {address!r}")
        if not (math.isfinite(round_trip_s) and 0 <= round_trip_s <= LONGEST_S):
            raise ServiceError(f"round trip: expected 0 to {LONGEST_S:g} seconds, got {round_trip_s}")
        self.host, self.port, self.way_s = parts.hostname, parts.port, round_trip_s / 2
        self.address, self.connections, self.to_server, self.to_client = "", 0, 0, 0
        self.ends: set[End] = set()
        self.calls: set[asyncio.Task[None]] = set()

    def accepted(self) -> End:
        """Make the client's end of a connection."""
        return End(self.way_s, self.count_to_server, self.connect, self.ends.discard)

    def count_to_server(self, size: int) -> None:
        """Count what a client sent."""
        self.to_server += size

    def count_to_client(self, size: int) -> None:
        """Count what the server sent."""
        self.to_client += size

    def connect(self, client: End) -> None:
        """Let a client's connection be open in a round trip, and connect to the server when the news is there."""
        self.connections += 1
        self.ends.add(client)
        client.open_s = client.loop.time() + 2 * self.way_s
        # Until there is a connection to the server, the peer has no transport and takes nothing.
        client.peer = End(self.way_s, self.count_to_client, self.ends.add, self.ends.discard)
        client.peer.peer = client
        call = client.loop.create_task(self.call_server(client))
        self.calls.add(call)
        call.add_done_callback(self.calls.discard)

    async def call_server(self, client: End) -> None:
        """Connect to the server when the client's connection has got there."""
        await asyncio.sleep(client.open_s + self.way_s - client.loop.time())
        try:
            await client.loop.create_connection(lambda: client.peer, self.host, self.port)
        except OSError:
            client.loop.call_later(self.way_s, client.reset)
        else:
            client.deliver()

    async def close(self) -> None:
        """Drop all connections."""
        for call in tuple(self.calls):
            call.cancel()
        await asyncio.gather(*self.calls, return_exceptions=True)
        for each in tuple(self.ends):
            each.inbox.clear()
            each.reset()
        # A transport closes its socket in the loop's next turn.
        while self.ends:
            await asyncio.sleep(0)


@asynccontextmanager
async def delayed(address: str, round_trip_s: float) -> AsyncIterator[Relay]:
    """Run a relay in this event loop until the block is left; see the module for what it delays.

    Args:
        address: of the server, "host:port" or a URL.
        round_trip_s: the delay of both ways together, in seconds; 0 for the relay alone, the floor of the others.

    Yields:
        The relay: its address, and its counters.

    Raises:
        ServiceError: the address has no port, or the round trip is none.
    """
    relay = Relay(address, round_trip_s)
    server = await asyncio.get_running_loop().create_server(relay.accepted, HOST, 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    relay.address = f"{HOST}:{port}"
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
        await server.wait_closed()


# Delaying relays in a process of their own: they take no time from the client's loop, and their timers are exact.
#
# The child reads its routes from its standard input, writes where it listens to its standard output, and answers each
# further line with its counters. It stops when the input ends, and the input ends with the parent, however that dies.
#
# It waits by `select`, since epoll rounds a wait up to the next millisecond, and `select` holds 1,024 descriptors: 500
# connections at once. What remains is the kernel's slack of 50 µs a wait and the waking of an idle processor.


class Route(NamedTuple):
    """What one relay does.

    Attributes:
        address: of the server, "host:port" or a URL.
        round_trip_s: the delay of both ways together, in seconds.
    """

    address: str
    round_trip_s: float


class Counts(NamedTuple):
    """The counters of one relay, as of `Relay`."""

    connections: int
    to_server: int
    to_client: int


class Relays:
    """Relays that run in another process.

    Attributes:
        addresses: where they listen, "host:port", one a route.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", routes: Sequence[Route]) -> None:
        self.process = process
        self.addresses = msgspec.json.decode(self.ask(msgspec.json.encode(routes)), type=list[str])

    def counts(self) -> list[Counts]:
        """Get the counters, one a route.

        Raises:
            ServiceError: the process is gone.
        """
        return msgspec.json.decode(self.ask(b""), type=list[Counts])

    def ask(self, line: bytes) -> bytes:
        """Send a line and wait for the answer.

        Raises:
            ServiceError: there is none.
        """
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(line + b"\n")
        except BrokenPipeError as error:
            raise ServiceError(f"the relay's process {self.process.pid} is gone") from error
        answer = self.process.stdout.readline() if has_something(self.process.stdout, 2 * READY_S) else b""
        if not answer:
            raise ServiceError(f"the relay's process {self.process.pid} does not answer")
        return answer


@contextmanager
def spawned_relays(routes: Sequence[Route]) -> Iterator[Relays]:
    """Run relays in another process until the block is left.

    Args:
        routes: one for each relay.

    Raises:
        ServiceError: a route is none, or the process did not start.
    """
    for route in routes:
        Relay(*route)
    # Unbuffered: what could not be sent to a child that died is not tried again when its input is closed.
    with subprocess.Popen(command_of(__name__), bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Relays(process, routes)
        finally:
            end(process)


def child() -> None:
    """Run what `spawned_relays` asks for."""
    routes = msgspec.json.decode(sys.stdin.buffer.readline(), type=list[Route])
    with asyncio.Runner(loop_factory=fine_loop) as runner:
        runner.run(_relay_all(routes))


async def _relay_all(routes: Sequence[Route]) -> None:
    """Relay until the parent closes its end or dies."""
    gone, loop = asyncio.Event(), asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(delayed(*route)) for route in routes]
        loop.add_reader(sys.stdin.buffer.fileno(), _answering(relays, gone))
        _say([relay.address for relay in relays])
        await gone.wait()


def _answering(relays: Sequence[Relay], gone: asyncio.Event) -> Callable[[], None]:
    """Return what is called when the parent has said something, or will not any more."""

    def answer() -> None:
        if sys.stdin.buffer.readline():
            _say([Counts(relay.connections, relay.to_server, relay.to_client) for relay in relays])
        else:
            asyncio.get_running_loop().remove_reader(sys.stdin.buffer.fileno())
            gone.set()

    return answer


def _say(value: Any) -> None:
    """Tell the parent something."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()
