"""Who is connected, and which connections only wait for their client.

granian and grpc accept connections by themselves, in code that is not Python's, and neither closes one that says
nothing: granian waits without end for the first byte and for a TLS handshake, and with a full table takes no new ones.
So the server looks at its own sockets. A connection is closed by shutting its socket down through a descriptor of our
own: the library below then reads an end, as if the client had gone.

A request waits for its client while its body arrives and while a part of its answer is not taken. Whether a connection
is at work is known from the requests, by the client's address; bytes that trickle in are no request.
"""

import asyncio
import math
import os
import resource
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from serlab.errors import ServiceError

# What strangers may take of a server: connections, time, memory. Work is bounded in `serlab.wire.answers`.
#
# A connection is idle while no request of its own is under way. One that has made none yet, and one whose request
# arrives or whose answer is taken slowly, wait for their client as well; see `serlab.wire.connections`.

RESERVED = 256
"""Descriptors that are kept for all but connections: libraries, files, pipes, the event loop."""

NO_LIMIT = 1 << 20
"""Descriptors of a process that may have as many as it likes."""

MAX_HEADER_BYTES = 1 << 16
"""Names and values of a request together; more is a 431. Over gRPC, of a call's metadata."""

HEADER_BUFFER_BYTES = 8192 + 4096 * 100
"""What hyper reads of a request over HTTP/1.1 before it gives up: headers that never end cost that for a connection. It
is also the size of a piece of a body, so a small one would make large uploads slow."""

MAX_STREAMS = 200
"""Requests at once over one connection of HTTP/2 or gRPC; the others wait with their client."""

SEND_BUFFER_BYTES = 1 << 14
"""What HTTP/2 keeps of a stream whose client gives room for it but reads nothing: a frame. With granian's own default,
25 times that, the streams of one connection may keep 80 MB."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one server.

    Attributes:
        connections: how many may stand at once, over all ports together. Beyond, those that wait for their client are
            closed, such as are nearest to their own limit first. Fewer where the process may have fewer descriptors.
        requests: how many may be under way at once; the next gets a 503.
        first_request_s: how long a connection may take to its first request: TLS, headers and all.
        idle_s: how long a connection may stand between two requests.
        body_s: how long a body may take to arrive, beside a second for each `body_rate` bytes.
        body_rate: bytes a second.
        taken_s: how long a client may take nothing of an answer.
        body_bytes: of all requests under way together. Beyond, a body that has more than its share is refused with a
            503, so that small ones go on.
        answer_bytes: of all whole answers that clients have not taken yet. Beyond, the same, before one is made.
    """

    connections: int = 4096
    requests: int = 8192
    first_request_s: float = 30.0
    idle_s: float = 300.0
    body_s: float = 30.0
    body_rate: int = 1 << 16
    taken_s: float = 60.0
    body_bytes: int = 1 << 29
    answer_bytes: int = 1 << 29

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 < getattr(self, field.name) < 1 << 40:
                raise ServiceError(f"bounds: {field.name}: expected more than 0, got {getattr(self, field.name)}")

    def table(self) -> int:
        """Return how many connections may stand in this process, whose descriptors are bounded too.

        Each of four ports may have an eighth more until that is noticed; see `listener`.
        """
        return max(16, min(self.connections, (_descriptors() - RESERVED) * 2 // 9))


def _descriptors() -> int:
    """Return how many descriptors this process may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return NO_LIMIT if limit == resource.RLIM_INFINITY else limit


def listener(table: int) -> int:
    """Return how many connections a port of HTTP takes at most; the others wait in the kernel.

    There is always room for a few beyond the table: nobody would be let in while a full one waits to be looked at.
    """
    return table + max(16, table // 8)


def grpc_listener(table: int) -> int:
    """Return how many connections a port of gRPC takes at most; it closes the others, so it has what is left."""
    return max(listener(table), (_descriptors() - RESERVED) // 2 - listener(table))


def raise_descriptors() -> None:
    """Let this process have as many descriptors as the system allows it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


Address = tuple[str, int, int]
"""Host and port of a client, and the port of the server: one port of a client may lead to several of the server's."""
DESCRIPTORS = "/dev/fd"
LOOK_S = 0.25
"""From one look at the sockets to the next. One costs 5 µs a descriptor that is known, 25 µs for a new one."""
SLICE = 256
"""Descriptors that are looked at before the loop serves others."""


class Peer:
    """One client's end of a connection.

    Attributes:
        since: when it was first seen, or its last request ended, by the monotonic clock in seconds.
        served: whether it has made a request.
        requests: those under way.
        stuck: whether a part of an answer was not taken for too long. What is left of that lies in the library below.
    """

    __slots__ = ("requests", "served", "since", "stuck")

    def __init__(self, since: float) -> None:
        self.since = since
        self.served = self.stuck = False
        self.requests: set[Underway] = set()

    def patience(self, now: float, bounds: Bounds) -> float | None:
        """Return which part of its patience the server has had with a connection; None while a request is at work.

        1 is all of it. A connection without a request has it to itself, others by the request that waits longest.
        """
        if not self.requests and self.stuck:
            return math.inf
        if not self.requests:
            return (now - self.since) / (bounds.idle_s if self.served else bounds.first_request_s)
        parts = [request.patience(now) for request in self.requests]
        return None if None in parts else max(part for part in parts if part is not None)


class Underway:
    """One request.

    Attributes:
        peer: whose it is.
        task: what answers it.
        since: since when it waits for its client, by the monotonic clock; None while the server is at work.
        limit_s: how long it may.
        is_late: whether it was cancelled because it waited for longer.
    """

    __slots__ = ("is_late", "limit_s", "peer", "since", "task")

    def __init__(self, peer: Peer, since: float, task: "asyncio.Task[Any] | None") -> None:
        self.peer, self.task = peer, task
        self.since: float | None = since
        self.limit_s = math.inf
        self.is_late = False

    def patience(self, now: float) -> float | None:
        """Return which part of its time has passed, None while the server is at work."""
        return None if self.since is None else (now - self.since) / self.limit_s

    def waits(self, limit_s: float) -> None:
        """Note that it is the client's turn."""
        self.since, self.limit_s = time.monotonic(), limit_s

    def works(self) -> None:
        """Note that it is the server's turn."""
        self.since = None


class _Connection(NamedTuple):
    """A socket of this process.

    Attributes:
        inode: tells it from another that gets the same descriptor later.
        address: of its client; None if it is no connection to one of the server's ports.
        seen: when it was first looked at.
    """

    inode: int
    address: Address | None
    seen: float


class Peers:
    """The clients of one server.

    Args:
        bounds: how many, and how long they may wait.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.table = bounds.table()
        self.ports: set[int] = set()
        self.peers: dict[Address, Peer] = {}
        self.underway = 0
        self.closed = 0
        self.sockets: dict[int, _Connection] = {}

    def begin(self, address: Address, task: "asyncio.Task[Any] | None") -> Underway:
        """Note a request whose headers have come."""
        now, address = time.monotonic(), _plain(address)
        peer = self.peers.get(address)
        if peer is None:
            peer = self.peers[address] = Peer(now)
        found = Underway(peer, now, task)
        peer.served = True
        peer.requests.add(found)
        self.underway += 1
        return found

    def end(self, request: Underway) -> None:
        """Note that a request has been answered, or was left."""
        self.underway -= 1
        request.peer.requests.discard(request)
        request.peer.since = time.monotonic()

    async def watch(self) -> None:
        """Look at the sockets again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Close the connections that have waited too long; of too many, those with the least patience left.

        One that is seen for the first time is spared: its request may be on its way.
        """
        begun = time.monotonic()
        found = await self.connections()
        now = time.monotonic()
        known = {address for address, _ in found}
        self.peers = {address: peer for address, peer in self.peers.items() if address in known or peer.requests}
        waiting = []
        for address, descriptor in found:
            peer = self.peers.setdefault(address, Peer(self.sockets[descriptor].seen))
            part = peer.patience(now, self.bounds)
            if part is not None and part > 1 and not peer.requests:
                self.close(descriptor)
            elif part is not None and self.sockets[descriptor].seen < begun:
                # Of those first seen together, the older socket has the lower inode.
                waiting.append((-part, self.sockets[descriptor].inode, descriptor))
        surplus = len(found) - self.table
        if surplus > 0:
            for *_, descriptor in sorted(waiting)[: surplus + self.table // 16]:
                self.close(descriptor)
        self.leave_late(now)

    def leave_late(self, now: float) -> None:
        """End the requests whose clients took or sent nothing for too long."""
        for peer in self.peers.values():
            for request in peer.requests:
                if request.task is not None and (request.patience(now) or 0) > 1:
                    request.is_late = True
                    request.task.cancel()

    async def connections(self) -> list[tuple[Address, int]]:
        """Find the connections to the server's ports: the client and the descriptor of each."""
        now = time.monotonic()
        known, found = {}, []
        for number, descriptor in enumerate(_open_descriptors()):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            with suppress(OSError):  # closed meanwhile
                status = os.fstat(descriptor)
                if not stat.S_ISSOCK(status.st_mode):
                    continue
                before = self.sockets.get(descriptor)
                if before is None or before.inode != status.st_ino:
                    before = _Connection(status.st_ino, _client_of(descriptor, self.ports), now)
                known[descriptor] = before
                if before.address is not None:
                    found.append((before.address, descriptor))
        self.sockets = known
        return found

    async def close_all(self) -> None:
        """Close whatever connection still stands."""
        for _, descriptor in await self.connections():
            self.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a connection, unless its descriptor is another's by now."""
        expected = self.sockets[descriptor]
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as held:
            if os.fstat(held.fileno()).st_ino == expected.inode:
                held.shutdown(socket.SHUT_RDWR)
                self.closed += 1


def _open_descriptors() -> Iterable[int]:
    """List the open descriptors of this process; none where the system does not tell."""
    try:
        return [int(path.name) for path in Path(DESCRIPTORS).iterdir()]
    except OSError:
        return ()


def _client_of(descriptor: int, ports: set[int]) -> Address | None:
    """Return who is at the other end of a connection to one of some ports.

    Raises:
        OSError: it is closed, or is no connection.
    """
    with socket.socket(fileno=os.dup(descriptor)) as held:
        if held.family not in (socket.AF_INET, socket.AF_INET6) or held.type != socket.SOCK_STREAM:
            return None
        here = held.getsockname()[1]
        if here not in ports:
            return None
        try:
            host, port, *_ = held.getpeername()
        except OSError:  # it listens
            return None
        return _plain((host, port, here))


def _plain(address: Address) -> Address:
    """Return an address as it is written by all: one of IPv4 that comes to a port of IPv6 may have a prefix."""
    return address[0].removeprefix("::ffff:"), *address[1:]


# Ports for a server that binds its own sockets: free ones, or those asked for, never shared by accident.

READY_S = 120.0
"""How long a server may take until it listens. It takes 1 s where a processor is free; one whose process has ended is
noticed at once, so that this is only for one that hangs."""


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Keep a port until the server listens on it.

    granian sets SO_REUSEPORT, with which two servers on one port would each get a part of the connections. So the port
    is first bound without it, which fails if anybody listens, and then held by a socket that shares but never listens.

    Args:
        host: an IP address of this machine.
        port: 0 for a free one.

    Yields:
        The port.

    Raises:
        ServiceError: it cannot be had.
    """
    family, address = (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)
    try:
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
        holder = socket.socket(family)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
    except OSError as error:
        raise ServiceError(f"port {port} of {host}: {error.strerror}; choose another, or 0 for a free one") from error
    with closing(holder):
        yield holder.getsockname()[1]


async def until_listening(host: str, port: int) -> None:
    """Wait until somebody listens.

    Raises:
        ServiceError: nobody does in time.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + READY_S
    while loop.time() < end:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise ServiceError(f"port {port} of {host}: nobody listens after {READY_S:g} s")
