"""Frames to files, sockets and async streams."""

import io
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from serlab.errors import EncodeError
from serlab.frames.frame import MAX_BYTES, Data, as_bytes, end_frame, frame_parts

JOIN = 1 << 16
"""Bytes: below, header and payload are joined, since a second call (for a socket, a second packet) costs more than the
copy."""


class FrameWriter:
    """Writes frames one after another, and the END frame when its block is left without an exception.

    One that is left by an exception has no END frame, so that readers notice. The stream is neither flushed nor closed.
    For an `asyncio.StreamWriter`, await its `drain()` after `write`.

    Args:
        stream: anything with `sendall` or `write` that takes bytes; what follows is appended to it.
        end: whether to write the END frame; False for a stream that stays open.
        max_bytes: the largest payload that is written, the readers' own limit.

    Attributes:
        count: frames written so far.
    """

    def __init__(self, stream: Any, *, end: bool = True, max_bytes: int = MAX_BYTES) -> None:
        self.send = sender(stream)
        self.wants_end = end
        self.max_bytes = max_bytes
        self.count = 0
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None and self.wants_end and not self.ended:
            self.end()

    def write(self, data: Data) -> None:
        """Write one encoded message as a frame.

        Args:
            data: one encoded message; a buffer that can change is copied, so it may be reused at once.

        Raises:
            EncodeError: it is not bytes or beyond `max_bytes`, or the END frame has been written.
        """
        if self.ended:
            raise EncodeError(f"frame {self.count}: expected an open stream, got one that has its END; make a new one")
        payload = as_bytes(data)
        if len(payload) > self.max_bytes:
            text = f"frame {self.count}: expected at most max_bytes={self.max_bytes}, got {len(payload)} bytes"
            raise EncodeError(f"{text}; raise it here and at the readers, or split the message")
        head, payload = frame_parts(payload, self.count)
        if type(payload) is bytes and len(payload) >= JOIN:
            self.send(head)
            self.send(payload)
        else:
            # asyncio keeps a view of what it cannot send at once, so a buffer that can change must be copied.
            self.send(head + payload)
        self.count += 1

    def end(self) -> None:
        """Write the END frame; nothing can be written after it."""
        self.send(end_frame(self.count))
        self.ended = True


def sender(stream: Any) -> Callable[[bytes], Any]:
    """Find the function that writes all of the bytes it is given.

    Raises:
        TypeError: the stream has none.
    """
    if isinstance(stream, io.RawIOBase):
        return lambda data: write_all(stream, data)
    send = getattr(stream, "sendall", None) or getattr(stream, "write", None)
    if send is None:
        raise TypeError(f"frames: expected a stream with write or sendall, got {type(stream).__name__}")
    found: Callable[[bytes], Any] = send
    return found


def write_all(stream: io.RawIOBase, data: bytes) -> None:
    """Write to an unbuffered file, which may take a part only.

    Raises:
        BlockingIOError: it is non-blocking and takes nothing now; a part of the frame may be written.
    """
    rest = memoryview(data)
    while rest:
        written = stream.write(rest)
        if written is None:
            text = "frames: expected a blocking stream, got one that takes no bytes now; make it blocking"
            raise BlockingIOError(text)
        rest = rest[written:]
