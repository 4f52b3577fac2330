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
the next millisecond. `serlab.service.delayprocess` gives it such a loop, in a process of its own.

Source: RFC 9293, 3.5 (the handshake) and 3.6 (half-closed connections).
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from serlab.errors import ServiceError
from serlab.service.relayed import End

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
        for end in tuple(self.ends):
            end.inbox.clear()
            end.reset()
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
