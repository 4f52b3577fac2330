"""What a transport is: bytes in, bytes out, and when they came.

It knows no codec, so what a codec costs is what `Client` adds to it. All transports give the same types and raise the
same errors (`serlab.service.failures`).

Times are of `time.perf_counter_ns`, taken when the transport's library hands bytes over: its own parsing of the
protocol, TLS and chunks is before, all decoding of messages after.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import NamedTuple, Protocol

from serlab.service.deadlines import Deadline


@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded request.

    Attributes:
        path: where it goes, e.g. "/v1/chat/completions".
        data: one encoded message.
        content_type: what it is.
        accept: what the answer shall be.
        deadline: when the answer is worth nothing any more; client and server stop then.
        headers: to send along; over gRPC as metadata.
    """

    path: str
    data: bytes
    content_type: str
    accept: str
    deadline: Deadline | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Reply(NamedTuple):
    """A whole answer.

    Attributes:
        data: its bytes.
        began_ns: when the call began.
        first_ns: when the first bytes of the body came.
        ended_ns: when the last had come.
    """

    data: bytes
    began_ns: int
    first_ns: int
    ended_ns: int


class Piece(NamedTuple):
    """What came of a stream at once: any part of it, cut anywhere; over gRPC one message.

    Attributes:
        data: the bytes.
        time_ns: when they came.
    """

    data: bytes
    time_ns: int


class Transport(Protocol):
    """Carries encoded requests to one server.

    Attributes:
        messages: whether a piece of a stream is one message (gRPC), not a part of a stream of bytes.
    """

    messages: bool

    @property
    def opened(self) -> int:
        """Count the connections opened so far; of gRPC, the channels."""
        ...

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer.

        Raises:
            CallError: there is none; see `serlab.service.failures`.
        """
        ...

    def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; leaving it early, by `aclose` or cancellation, stops the server's work.

        Raises:
            CallError: it ended before its time.
        """
        ...

    async def close(self) -> None:
        """Close all connections; nothing is left behind."""
        ...


async def gathered(pieces: AsyncGenerator[Piece, None]) -> Reply:
    """Make a whole answer of a stream; the call begins now."""
    began = perf_counter_ns()
    async with aclosing(pieces):
        found = [piece async for piece in pieces]
    ended = perf_counter_ns()
    first = found[0].time_ns if found else ended
    return Reply(b"".join(piece.data for piece in found), began, first, ended)
