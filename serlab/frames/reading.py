"""Frames from files, sockets, async streams and iterables of bytes."""

import gzip
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import zstandard

from serlab.frames.decoder import FrameDecoder
from serlab.frames.frame import MAX_BYTES, RESEND, Data, damage

CHUNK = 1 << 18
"""Bytes asked for at once: so many that a call costs little beside them, so few that a header which claims much while
nothing follows costs no more memory than this."""

DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
"""What streams raise that find their own bytes cut or damaged."""

Got = TypeVar("Got")


class Source(NamedTuple, Generic[Got]):
    """How a stream is read.

    Attributes:
        receive: asked for at most so many bytes, gives some, or none at the end of the stream.
        partial: whether it gives what is there rather than wait for all that it was asked for.
        to_eof: whether to read on behind END unless told otherwise.
    """

    receive: Callable[[int], Got]
    partial: bool
    to_eof: bool


def read_frames(
    stream: Any, *, max_bytes: int = MAX_BYTES, require_end: bool = True, to_eof: bool | None = None
) -> Iterator[bytes]:
    """Read the frames of a file or a socket, each as soon as it is whole.

    Args:
        stream: anything with `recv`, `recv_into`, `read1` or `read`, an iterable of bytes, or bytes. Its own timeout
            holds; a non-blocking one is for `FrameDecoder`.
        max_bytes: the largest payload that is taken.
        require_end: whether a stream without the END frame is refused.
        to_eof: read on behind the END frame and refuse what is there. By default so for files and iterables, but not
            for sockets, whose peer may keep them open to wait for an answer: they are left right behind the END frame,
            where a next stream of frames may begin. A pipe and a socket's `makefile()` are files here.

    Returns:
        The payloads in order; the iterator leaves the stream open.

    Raises:
        DecodeError: from the iterator, behind the last whole payload: the stream is damaged, cut or goes on.
        BlockingIOError: from the iterator: the stream is non-blocking and has no bytes now.
        TypeError: the stream has no way to read bytes.
    """
    source = source_of(stream)
    on = source.to_eof if to_eof is None else to_eof
    return payloads(source, FrameDecoder(max_bytes=max_bytes, require_end=require_end), on)


def payloads(source: Source[Any], decoder: FrameDecoder, to_eof: bool) -> Iterator[bytes]:
    """Read until END or the stream's end."""
    while to_eof or not decoder.ended:
        try:
            chunk = as_chunk(source.receive(amount(source, decoder, to_eof)))
        except (BlockingIOError, *DAMAGE) as error:
            raise translated(error, decoder) from error
        if not chunk:
            break
        yield from decoder.feed(chunk)
    decoder.close()


def read_frames_async(
    reader: Any, *, max_bytes: int = MAX_BYTES, require_end: bool = True, to_eof: bool | None = None
) -> AsyncIterator[bytes]:
    """Read the frames of an async stream, each as soon as it is whole.

    Args:
        reader: anything with an async `read`, as `asyncio.StreamReader`, or an async iterable of bytes.
        max_bytes: the largest payload that is taken.
        require_end: whether a stream without the END frame is refused.
        to_eof: as in `read_frames`; by default so for iterables, as their chunks cannot be given back, not for readers.

    Returns:
        The payloads in order; the iterator leaves the stream open.

    Raises:
        DecodeError: from the iterator, behind the last whole payload: the stream is damaged, cut or goes on.
        TypeError: the reader has no way to read bytes.
    """
    source = async_source_of(reader)
    on = source.to_eof if to_eof is None else to_eof
    return async_payloads(source, FrameDecoder(max_bytes=max_bytes, require_end=require_end), on)


async def async_payloads(source: Source[Awaitable[Any]], decoder: FrameDecoder, to_eof: bool) -> AsyncIterator[bytes]:
    """Read until END or the stream's end."""
    while to_eof or not decoder.ended:
        try:
            chunk = as_chunk(await source.receive(amount(source, decoder, to_eof)))
        except (BlockingIOError, *DAMAGE) as error:
            raise translated(error, decoder) from error
        if not chunk:
            break
        for payload in decoder.feed(chunk):
            yield payload
    decoder.close()


def amount(source: Source[Any], decoder: FrameDecoder, to_eof: bool) -> int:
    """Tell how much to ask for: no more than the frame under way lacks where more would wait, or would be lost."""
    return CHUNK if to_eof and source.partial else min(decoder.wanted or 1, CHUNK)


def as_chunk(chunk: Any) -> Data:
    """Refuse what is no bytes."""
    if isinstance(chunk, Data):
        return chunk
    if chunk is None:
        raise BlockingIOError("no bytes now")
    raise TypeError(f"frames: expected a stream of bytes, got {type(chunk).__name__}; open files in mode 'rb'")


def translated(error: Exception, decoder: FrameDecoder) -> Exception:
    """Say which frame the stream failed at."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, BlockingIOError):
        place = f"frame {decoder.count} at byte {decoder.offset}"
        return BlockingIOError(f"{place}: expected a blocking stream, got {text}; make it block, or use FrameDecoder")
    return damage(decoder.count, decoder.offset, "a readable stream", text, RESEND)


def source_of(stream: Any) -> Source[Any]:
    """Find out how a stream is read.

    Raises:
        TypeError: there is no way.
    """
    if isinstance(stream, Data):
        return Source(iterated([stream]), partial=True, to_eof=True)
    if hasattr(stream, "recv"):
        return Source(stream.recv, partial=True, to_eof=False)
    if hasattr(stream, "recv_into"):
        return Source(lambda size: received_into(stream, size), partial=True, to_eof=False)
    if hasattr(stream, "read1"):
        # Only `read` tells a non-blocking stream without bytes (None) from the end; before 3.14 `read1` did not.
        return Source(lambda size: stream.read1(size) or stream.read(1), partial=True, to_eof=True)
    if hasattr(stream, "read"):
        return Source(stream.read, partial=False, to_eof=True)
    if isinstance(stream, Iterable):
        return Source(iterated(stream), partial=True, to_eof=True)
    raise TypeError(f"frames: expected a file, a socket or an iterable of bytes, got {type(stream).__name__}")


def received_into(stream: Any, size: int) -> bytes:
    """Receive from what can only fill buffers."""
    buffer = bytearray(size)
    return bytes(memoryview(buffer)[: stream.recv_into(buffer)])


def iterated(chunks: Iterable[Any]) -> Callable[[int], Any]:
    """Give an iterable's chunks one by one, whatever their size; an empty one is not its end."""
    rest = iter(chunks)
    return lambda _: next((chunk for chunk in rest if chunk is None or len(chunk)), b"")


def async_source_of(reader: Any) -> Source[Awaitable[Any]]:
    """Find out how an async stream is read.

    Raises:
        TypeError: there is no way.
    """
    if hasattr(reader, "read"):
        return Source(reader.read, partial=False, to_eof=False)
    if isinstance(reader, AsyncIterable):
        return Source(async_iterated(reader), partial=True, to_eof=True)
    raise TypeError(f"frames: expected an async reader or an async iterable of bytes, got {type(reader).__name__}")


def async_iterated(chunks: AsyncIterable[Any]) -> Callable[[int], Awaitable[Any]]:
    """Give an async iterable's chunks one by one, whatever their size; an empty one is not its end."""
    rest = aiter(chunks)

    async def receive(_: int) -> Any:
        async for chunk in rest:
            if chunk is None or len(chunk):
                return chunk
        return b""

    return receive
