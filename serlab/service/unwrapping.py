"""A streamed body, cut anywhere → the encoded messages in it, as soon as each is whole."""

from collections.abc import Iterable
from typing import Protocol

from serlab.errors import DecodeError
from serlab.frames import FrameDecoder
from serlab.limits import DEFAULT_LIMITS
from serlab.service.negotiate import EVENTS, FRAMES, LINES
from serlab.sse import DONE, data_of

MOST_LINE = DEFAULT_LIMITS.max_bytes + 1024
"""Bytes of a line or an event that are held: a message that a codec takes, and the name of its field."""

LINE = 64
"""Bytes that a line of an event takes beside its own."""


class Unwrapper(Protocol):
    """Takes the bytes of one stream and gives the messages."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take the next bytes; give the messages that are now whole, each once.

        Raises:
            DecodeError: the stream is damaged.
        """
        ...

    def close(self) -> None:
        """Tell that the stream is at its end.

        Raises:
            DecodeError: something is missing.
        """
        ...


class LineUnwrapper:
    """JSON lines: one message each. Whether lines are missing at the end, only the transport can tell."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def lines(self, chunk: bytes) -> list[bytes]:
        """Give the lines that are now whole, in time linear in the bytes however they are cut."""
        first, newline, rest = chunk.partition(b"\n")
        self.parts.append(first)
        self.size += len(first)
        if self.size > MOST_LINE:
            raise DecodeError(f"stream: expected lines of at most {MOST_LINE:,} bytes, got a longer one")
        if not newline:
            return []
        found = [b"".join(self.parts), *rest.split(b"\n")]
        last = found.pop()
        self.parts, self.size = [last], len(last)
        return found

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take the next bytes; see `Unwrapper`."""
        return [line for line in map(bytes.strip, self.lines(chunk)) if line]

    def close(self) -> None:
        """Tell that the stream is at its end; see `Unwrapper`."""
        if b"".join(self.parts).strip():
            raise DecodeError(f"stream: expected a whole line at its end, got {self.size} bytes of one")


class EventUnwrapper(LineUnwrapper):
    """Server-sent events: the data of each, up to `[DONE]`."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[bytes] = []
        self.held = 0
        self.done = False

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take the next bytes; see `Unwrapper`."""
        found = []
        for line in map(bytes.strip, self.lines(chunk)):
            if line:
                value = data_of(line)
                self.hold(value)
            elif self.data:
                event, self.data, self.held = b"\n".join(self.data), [], 0
                self.done = self.done or event == DONE
                found += [] if self.done else [event]
        return found

    def hold(self, value: bytes | None) -> None:
        """Keep a line of an event; a short one takes more than its bytes."""
        if value is None:
            return
        self.data.append(value)
        self.held += len(value) + LINE
        if self.held > MOST_LINE + LINE:
            raise DecodeError(f"stream: expected events of at most {MOST_LINE:,} bytes, got a longer one")

    def close(self) -> None:
        """Tell that the stream is at its end; see `Unwrapper`."""
        if not self.done:
            raise DecodeError(f"stream: expected {DONE.decode()} at its end, got none; it may be cut")


class MessageUnwrapper:
    """A transport that gives messages as they are, and knows its own end."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take a message; see `Unwrapper`."""
        return (chunk,)

    def close(self) -> None:
        """Tell that the stream is at its end; see `Unwrapper`."""


UNWRAPPERS: dict[str, type[Unwrapper]] = {EVENTS: EventUnwrapper, LINES: LineUnwrapper, FRAMES: FrameDecoder}
"""Media type → what takes a stream of it apart."""
