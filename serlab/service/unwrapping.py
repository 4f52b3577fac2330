"""A streamed body, cut anywhere → the encoded messages in it, as soon as each is whole."""

from collections.abc import Iterable
from typing import Protocol

from serlab.errors import DecodeError
from serlab.frames import FrameDecoder
from serlab.service.negotiate import EVENTS, FRAMES, LINES
from serlab.sse import DONE, MAX_EVENT, data_of


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
        if self.size > MAX_EVENT:
            raise DecodeError(f"stream: expected lines of at most {MAX_EVENT} bytes, got a longer one")
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
        self.done = False

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take the next bytes; see `Unwrapper`."""
        found = []
        for line in map(bytes.strip, self.lines(chunk)):
            if line:
                value = data_of(line)
                self.data += [value] if value is not None else []
            elif self.data:
                event, self.data = b"\n".join(self.data), []
                self.done = self.done or event == DONE
                found += [] if self.done else [event]
        return found

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
