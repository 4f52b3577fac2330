"""Delaying relays in a process of their own: they take no time from the client's loop, and their timers are exact.

The child reads its routes from its standard input, writes where it listens to its standard output, and answers each
further line with its counters. It stops when the input ends, and the input ends with the parent, however that dies.

It waits by `select`, since epoll rounds a wait up to the next millisecond, and `select` holds 1,024 descriptors: 500
connections at once. What remains is the kernel's slack of 50 µs a wait and the waking of an idle processor.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any, NamedTuple

import msgspec

from serlab.errors import ServiceError
from serlab.measure.ticker import fine_loop
from serlab.service.delay import Relay, delayed
from serlab.service.ports import READY_S
from serlab.service.process import command_of, end, has_something


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
        runner.run(relay_all(routes))


async def relay_all(routes: Sequence[Route]) -> None:
    """Relay until the parent closes its end or dies."""
    gone, loop = asyncio.Event(), asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(delayed(*route)) for route in routes]
        loop.add_reader(sys.stdin.buffer.fileno(), answering(relays, gone))
        say([relay.address for relay in relays])
        await gone.wait()


def answering(relays: Sequence[Relay], gone: asyncio.Event) -> Callable[[], None]:
    """Give what is called when the parent has said something, or will not any more."""

    def answer() -> None:
        if sys.stdin.buffer.readline():
            say([Counts(relay.connections, relay.to_server, relay.to_client) for relay in relays])
        else:
            asyncio.get_running_loop().remove_reader(sys.stdin.buffer.fileno())
            gone.set()

    return answer


def say(value: Any) -> None:
    """Tell the parent something."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()
