"""What a transport is: bytes in, bytes out, and when they came.

It knows no codec, so what a codec costs is what `Client` adds to it. All transports give the same types and raise the
same errors (`serlab.wire.timeouts`).

Times are of `time.perf_counter_ns`, taken when the transport's library hands bytes over: its own parsing of the
protocol, TLS and chunks is before, all decoding of messages after.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any, NamedTuple, Protocol

from serlab.limits import DEFAULT_LIMITS
from serlab.wire.timeouts import DEADLINE_HEADER, BrokenError, Deadline

MOST_ANSWER = DEFAULT_LIMITS.max_bytes
"""Bytes of a whole answer that are held; what is longer no codec takes. gRPC has the same limit for a message."""

MOST_COMPLAINT = 1 << 16
"""Bytes of an error's body that are read, as they come: nothing is unpacked."""


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
            CallError: there is none; see `serlab.wire.timeouts`.
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


async def gathered(pieces: AsyncGenerator[Piece, None], where: str) -> Reply:
    """Make a whole answer of a stream; the call begins now.

    Raises:
        BrokenError: it is longer than `MOST_ANSWER`.
    """
    began, first, parts = perf_counter_ns(), 0, Parts(where)
    async with aclosing(pieces):
        async for data, time_ns in pieces:
            first = first or time_ns
            parts.add(data)
    ended = perf_counter_ns()
    return Reply(parts.whole(), began, first or ended, ended)


class Parts:
    """The parts of a whole answer, which are held only as far as somebody would take it.

    Args:
        where: what was called.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Take the next part.

        Raises:
            BrokenError: the answer is too long.
        """
        self.size += len(data)
        if self.size > MOST_ANSWER:
            self.found.clear()
            raise BrokenError(f"more than {MOST_ANSWER:,} bytes; ask for less, or for a stream", self.where, True)
        self.found.append(data)

    def whole(self) -> bytes:
        """Return the answer."""
        return b"".join(self.found)


async def complaint_of(parts: AsyncIterator[bytes]) -> bytes:
    """Read the beginning of an error's body, and no more than somebody would read."""
    data = b""
    async for part in parts:
        data += part[:MOST_COMPLAINT]
        if len(data) >= MOST_COMPLAINT:
            break
    return data


# The headers of a request.


def headers_of(payload: Payload) -> dict[str, str]:
    """Write a request's headers, with what is left of its deadline."""
    found = {"content-type": payload.content_type, "accept": payload.accept, **payload.headers}
    if payload.deadline is not None:
        found[DEADLINE_HEADER] = payload.deadline.header()
    return found


# The paths of the API and the kinds of message that go there.


class Kinds(NamedTuple):
    """The message types of a path; no `piece` where there is no stream."""

    request: str
    whole: str
    piece: str


PATHS: dict[str, Kinds] = {
    "/v1/chat/completions": Kinds("ChatRequest", "ChatResponse", "ChatChunk"),
    "/v1/completions": Kinds("GenerateRequest", "GenerateResponse", "GenerateResponse"),
    "/v1/embeddings": Kinds("EmbeddingRequest", "EmbeddingResponse", ""),
}


# Tasks that nobody waits for any more, seen to their end.

PATIENCE_S = 2.0
"""How long what was left may take to end when its transport is closed: a handshake, or the last word to a server."""


class TaskSet:
    """Holds tasks until they have ended; what they raise concerns nobody, since their callers have left."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    def keep(self, task: "asyncio.Task[Any]") -> None:
        """See a task to its end."""
        self.tasks.add(task)
        task.add_done_callback(self.ended)

    def ended(self, task: "asyncio.Task[Any]") -> None:
        """Let a task go; asking for its exception tells asyncio that it was not overlooked."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """Wait until all have ended; cancel what does not in time."""
        if not self.tasks:
            return
        _, late = await asyncio.wait(self.tasks, timeout=PATIENCE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
