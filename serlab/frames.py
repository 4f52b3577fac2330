"""Frames: encoded messages one after another in a file or a stream, each with its length and a checksum.

    with open("log.frames", "wb") as file, FrameWriter(file) as frames:
        frames.write(codec.encode(message))
    with open("log.frames", "rb") as file:
        messages = [codec.decode(data) for data in read_frames(file)]

Why. No codec notices all damage: one flipped bit changed the data without an error in 60–82 % of trials in every one of
them, and protobuf takes bytes that are cut at a field's boundary for a shorter message. Nor does an encoded message
tell where it ends. A frame tells both, whatever the codec.

The format. A frame is a header of 16 bytes and the payload, one encoded message. All numbers are little-endian:

    byte 0   u32   length word: the payload's bytes in the low 31 bits; the top bit marks the END frame
    byte 4   u32   header check: xxh32 of the length word's 4 bytes, seeded with the sequence number modulo 2^32
    byte 8   u64   payload check: xxh3_64 of the payload, seeded with the sequence number
    byte 16        the payload

- The sequence number counts the frames of a stream from 0. It is not sent: a frame that was dropped, doubled or moved
  stands where another number is expected and fails its check. A frame by itself has the number 0.
- The header check comes first, so that a reader believes no length that is damaged, neither to wait nor to allocate
  for. It is made before the payload check has arrived: eight bytes are enough to refuse garbage. xxh32 of four bytes is
  one to one, so no damage to the length word alone, however many bits, passes.
- The END frame's payload is the number of frames before it, as u64. It closes a stream, since one that is cut between
  two frames looks whole. Readers insist on it unless told otherwise (`require_end=False`, for streams that stay open or
  whose writer was killed). Nothing may follow it.
- 16 bytes keep the payload's alignment: FlatBuffers and vectors can be read in place, from `open_frame` too.
- There is neither a magic number nor a version: the first header check is one. A later format would use other seeds.

What a reader does. It hands out every payload that came before the damage, then raises `DecodeError` with the frame's
number, its offset, what was expected and what came. It goes no further: with a length lost there is no next frame to
trust. Memory grows with the bytes that have arrived, never with the length that a header claims. `max_bytes` bounds a
payload; see `MAX_BYTES`. Errors of the stream itself (`OSError`, a socket's timeout) pass unchanged.

What it does not do. Damage passes by chance once in 2^64 (a payload), and whoever means harm can compute the checks: a
frame is no signature: unless one has written it oneself, what is in it is a stranger's bytes
(`serlab.codecs.decode_untrusted`). Frames of two streams at the same place are not told apart.

- `encode_frame`, `frame_parts`, `decode_frame`, `open_frame`: one frame, no stream.
- `FrameDecoder`: bytes as they come, cut anywhere → payloads; does no input or output, so it fits any event loop.
- `FrameWriter`, `read_frames`: files, sockets, iterables of bytes.

Source: the xxHash specification (XXH32, XXH3).
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

import zstandard
from xxhash import xxh3_64_intdigest, xxh32_intdigest

from serlab.errors import DecodeError, EncodeError, SerlabError

# One frame: header and payload, and the checks that hold them together; `serlab.frames` specifies the format.

Data = bytes | bytearray | memoryview
"""Any C-contiguous buffer; these are the types that Python 3.11 can name."""

WORD = Struct("<I")
HEADER = Struct("<IIQ")
HEADER_BYTES = HEADER.size
END = 1 << 31
"""The bit of the length word that marks the END frame."""
END_WORD = END | 8
"""The only length word that an END frame has: its payload is a u64."""
MAX_PAYLOAD = END - 1
"""Bytes: what 31 bits of length can say."""
MAX_BYTES = 64 << 20
"""Bytes that a payload may have by default: sixty times the largest built-in workload, and enough for 2,048 vectors of
3,072 float32 as base64 (34 MB); while a hundred hostile peers can make a server hold 7 GB with it, not 200."""
MAX_SEQUENCE = (1 << 64) - 1
NEARBY = 256
"""How many places before and behind a frame is looked for when its header check fails, to say what was lost."""


def frame_parts(data: Data, sequence: int = 0) -> tuple[bytes, Data]:
    """Make a frame's header and leave the payload where it is, for `writev` and the like.

    Args:
        data: one encoded message, any bytes-like object.
        sequence: the frame's place in its stream, from 0; 0 for a frame by itself.

    Returns:
        The header of 16 bytes, and the payload, which shares the memory of `data`.

    Raises:
        EncodeError: `data` is not bytes or has more than 2^31 - 1 of them, or the sequence number is no u64.
    """
    payload = _as_bytes(data)
    if len(payload) > MAX_PAYLOAD:
        raise EncodeError(f"frame {sequence}: expected at most {MAX_PAYLOAD} bytes, got {len(payload)}; split them up")
    if not 0 <= sequence <= MAX_SEQUENCE:
        raise EncodeError(f"frame: expected a sequence number from 0 to 2^64 - 1, got {sequence}")
    return header(len(payload), payload, sequence), payload


def _as_bytes(data: Data, refusal: type[SerlabError] = EncodeError) -> Data:
    """Return bytes as they are, and a view of bytes over any other buffer, whose length may count wider items."""
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).cast("B")
    except TypeError as error:
        got = f"{type(data).__name__}: {error}"
        raise refusal(f"frame: expected contiguous bytes, got {got}; encode the message first") from error


def header(word: int, payload: Data, sequence: int) -> bytes:
    """Pack a header for a length word and its payload."""
    return HEADER.pack(word, _length_check(word, sequence), xxh3_64_intdigest(payload, sequence))


def _length_check(word: int, sequence: int) -> int:
    """Compute the header check."""
    return xxh32_intdigest(WORD.pack(word), sequence & 0xFFFFFFFF)


def encode_frame(data: Data, sequence: int = 0) -> bytes:
    """Put one encoded message into a frame.

    Args:
        data: one encoded message, any bytes-like object.
        sequence: the frame's place in its stream, from 0; 0 for a frame by itself.

    Returns:
        The header and a copy of the payload.

    Raises:
        EncodeError: as `frame_parts`.
    """
    head, payload = frame_parts(data, sequence)
    return head + payload


def end_frame(count: int) -> bytes:
    """Make the END frame of a stream.

    Args:
        count: the number of frames before it.
    """
    payload = count.to_bytes(8, "little")
    return header(END_WORD, payload, count) + payload


def decode_frame(data: Data, sequence: int = 0) -> bytes:
    """Take one encoded message out of its frame.

    Args:
        data: one whole frame and nothing else.
        sequence: the number that it was encoded with.

    Returns:
        A copy of the payload; `open_frame` makes none.

    Raises:
        DecodeError: the frame is cut, damaged, of another place, an END frame, or followed by something.
    """
    return bytes(open_frame(data, sequence))


def open_frame(data: Data, sequence: int = 0) -> memoryview:
    """Check one frame and view its payload in place.

    Args:
        data: one whole frame and nothing else; the view keeps it alive, and shows any later change of its bytes.
        sequence: the number that it was encoded with.

    Returns:
        The payload, sharing the memory of `data`.

    Raises:
        DecodeError: as `decode_frame`.
    """
    view = memoryview(_as_bytes(data, DecodeError))
    if len(view) < HEADER_BYTES:
        raise _cut(sequence, 0, HEADER_BYTES, len(view))
    word, check, payload_check = HEADER.unpack_from(view)
    _verify_length(word, check, sequence, 0)
    if word & END:
        raise _damage(sequence, 0, "a message", "an END frame", "read the stream with read_frames")
    size = HEADER_BYTES + word
    if len(view) < size:
        raise _cut(sequence, 0, size, len(view))
    if len(view) > size:
        raise _damage(sequence, 0, f"{size} bytes", f"{len(view) - size} more", "read several frames with read_frames")
    payload = view[HEADER_BYTES:].toreadonly()
    _verify_payload(payload, payload_check, sequence, 0)
    return payload


def _verify_length(word: int, check: int, sequence: int, offset: int) -> None:
    """Compare a length word with its check, before anything is done with the length.

    Raises:
        DecodeError: they do not belong together at this place of the stream.
    """
    if check == _length_check(word, sequence):
        return
    place = _place_of(word, check, sequence)
    if place is None:
        raise _damage(sequence, offset, "a frame's header", "a wrong header check", RESEND)
    why = f"{place - sequence} missing before it" if place > sequence else "sent twice or moved"
    raise _damage(sequence, offset, "its header", f"that of frame {place}: {why}", RESEND)


def _place_of(word: int, check: int, sequence: int) -> int | None:
    """Find the place nearby that a header belongs to; chance finds one once in eight million."""
    places = range(max(sequence - NEARBY, 0), sequence + NEARBY)
    return next((place for place in places if check == _length_check(word, place)), None)


def _verify_payload(payload: Data, check: int, sequence: int, offset: int) -> None:
    """Compare a payload with its check.

    Raises:
        DecodeError: they do not belong together at this place of the stream.
    """
    if check != xxh3_64_intdigest(payload, sequence):
        raise _damage(sequence, offset, f"payload check {check:016x}", "another: it is damaged or misplaced", RESEND)


RESEND = "what came before is whole; send the rest again, or restore it from another copy"


def _damage(sequence: int, offset: int, expected: str, got: str, remedy: str) -> DecodeError:
    """Word what is wrong with a frame, and where."""
    return DecodeError(f"frame {sequence} at byte {offset}: expected {expected}, got {got}; {remedy}")


def _cut(sequence: int, offset: int, size: int, got: int) -> DecodeError:
    """Word that a frame ends too early."""
    part = "header" if size <= HEADER_BYTES else "frame"
    return _damage(sequence, offset, f"a {part} of {size} bytes", f"{got} and then the end: it was cut", RESEND)


# Bytes as they come, cut anywhere → payloads, without input or output.

LENGTH = Struct("<II")
CHECK = Struct("<Q")


class FrameDecoder:
    """Takes the bytes of one stream and gives the payloads, in time linear in the bytes however they are cut.

        decoder = FrameDecoder()
        for chunk in chunks:
            for payload in decoder.feed(chunk):
                ...
        decoder.close()

    Args:
        max_bytes: the largest payload that is taken.
        require_end: whether `close` insists on the END frame.

    Attributes:
        count: frames taken so far, and so the number of the next.
        offset: where the next frame begins, in bytes from the start of the stream.
        ended: whether the END frame has been taken.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, require_end: bool = True) -> None:
        self.max_bytes = max_bytes
        self.require_end = require_end
        self.count = 0
        self.offset = 0
        self.ended = False
        self.buffer = bytearray()
        self.word: int | None = None
        self.size = HEADER_BYTES
        self.failure = ""

    @property
    def wanted(self) -> int:
        """Return how many bytes the header or payload under way lacks; who reads no more stays inside the stream."""
        return 0 if self.ended else max(self.size - len(self.buffer), 0)

    def feed(self, chunk: Data) -> Iterator[bytes]:
        """Take the next bytes of the stream.

        Args:
            chunk: any number of bytes; they are copied before this returns.

        Returns:
            The payloads that are now whole. What is not taken from it comes first out of the next.

        Raises:
            DecodeError: from the iterator, behind the last whole payload: the stream is damaged here. It is raised
                again by whatever is called next.
        """
        if self.failure:
            raise DecodeError(self.failure)
        self.buffer += chunk
        return self.ready()

    def ready(self) -> Iterator[bytes]:
        """Yield the payloads that are whole."""
        while (payload := self.take()) is not None:
            yield payload

    def close(self) -> None:
        """Tell that the stream is at its end.

        Raises:
            DecodeError: it is cut inside a frame or lacks the END frame, or something follows that, or payloads that
                `feed` gave were not taken.
        """
        if self.take() is not None:
            raise DecodeError(f"frame {self.count - 1}: expected to be taken from feed() before close(), was not")
        if self.buffer:
            raise self.fail(_cut(self.count, self.offset, self.size, len(self.buffer)))
        if self.require_end and not self.ended:
            remedy = f"it may be cut here: {RESEND}; or accept it by require_end=False"
            raise self.fail(_damage(self.count, self.offset, "a frame or END", "the end of the stream", remedy))

    def take(self) -> bytes | None:
        """Take one payload; None if it is not whole yet."""
        if self.failure:
            raise DecodeError(self.failure)
        try:
            return self.next_payload()
        except DecodeError as error:
            raise self.fail(error) from None

    def next_payload(self) -> bytes | None:
        """Check what is there of the next frame and cut its payload off."""
        buffer = self.buffer
        if self.ended:
            self.refuse_more()
            return None
        if self.word is None and len(buffer) >= LENGTH.size:
            self.read_length()
        if self.word is None or len(buffer) < self.size:
            return None
        payload = bytes(memoryview(buffer)[HEADER_BYTES : self.size])
        _verify_payload(payload, CHECK.unpack_from(buffer, LENGTH.size)[0], self.count, self.offset)
        if self.word == END_WORD:
            self.finish(payload)
            return None
        self.count += 1
        self.advance()
        return payload

    def read_length(self) -> None:
        """Believe the length only after its check, and only within the limit."""
        word, check = LENGTH.unpack_from(self.buffer)
        _verify_length(word, check, self.count, self.offset)
        if word & END and word != END_WORD:
            got = f"an END frame of {word ^ END}"
            raise _damage(self.count, self.offset, "8 bytes in an END frame", got, "update serlab")
        if word & ~END > self.max_bytes:
            remedy = f"raise max_bytes to {word} if the sender is trusted"
            raise _damage(
                self.count, self.offset, f"at most max_bytes={self.max_bytes}", f"a payload of {word}", remedy
            )
        self.word = word
        self.size = HEADER_BYTES + (word & ~END)

    def finish(self, payload: bytes) -> None:
        """Compare the END frame's count with the frames that came."""
        total = int.from_bytes(payload, "little")
        if total != self.count:
            raise _damage(self.count, self.offset, f"END after {self.count} frames", f"END after {total}", RESEND)
        self.ended = True
        self.advance()
        self.refuse_more()

    def advance(self) -> None:
        """Drop the frame's bytes; at the front of a bytearray that moves no others."""
        del self.buffer[: self.size]
        self.offset += self.size
        self.word = None
        self.size = HEADER_BYTES

    def refuse_more(self) -> None:
        """See that nothing follows the END frame."""
        if self.buffer:
            got = f"at least {len(self.buffer)} more bytes"
            remedy = "cut them off, or read the streams one by one with to_eof=False"
            raise _damage(self.count, self.offset, "nothing behind the END frame", got, remedy)

    def fail(self, error: DecodeError) -> DecodeError:
        """Keep a failure, let go of the bytes and give it back."""
        self.failure = str(error)
        self.buffer = bytearray()
        return error


# Frames from files, sockets and iterables of bytes.

CHUNK = 1 << 18
"""Bytes asked for at once: so many that a call costs little beside them, so few that a header which claims much while
nothing follows costs no more memory than this."""

DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
"""What streams raise that find their own bytes cut or damaged."""

Got = TypeVar("Got")


class _Source(NamedTuple, Generic[Got]):
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
    source = _source_of(stream)
    on = source.to_eof if to_eof is None else to_eof
    return _payloads(source, FrameDecoder(max_bytes=max_bytes, require_end=require_end), on)


def _payloads(source: _Source[Any], decoder: FrameDecoder, to_eof: bool) -> Iterator[bytes]:
    """Read until END or the stream's end."""
    while to_eof or not decoder.ended:
        try:
            chunk = _as_chunk(source.receive(_amount(source, decoder, to_eof)))
        except (BlockingIOError, *DAMAGE) as error:
            raise _translated(error, decoder) from error
        if not chunk:
            break
        yield from decoder.feed(chunk)
    decoder.close()


def _amount(source: _Source[Any], decoder: FrameDecoder, to_eof: bool) -> int:
    """Return how much to ask for: no more than the frame under way lacks where more would wait, or would be lost."""
    return CHUNK if to_eof and source.partial else min(decoder.wanted or 1, CHUNK)


def _as_chunk(chunk: Any) -> Data:
    """Refuse what is no bytes."""
    if isinstance(chunk, Data):
        return chunk
    if chunk is None:
        raise BlockingIOError("no bytes now")
    raise TypeError(f"frames: expected a stream of bytes, got {type(chunk).__name__}; open files in mode 'rb'")


def _translated(error: Exception, decoder: FrameDecoder) -> Exception:
    """Say which frame the stream failed at."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, BlockingIOError):
        place = f"frame {decoder.count} at byte {decoder.offset}"
        return BlockingIOError(f"{place}: expected a blocking stream, got {text}; make it block, or use FrameDecoder")
    return _damage(decoder.count, decoder.offset, "a readable stream", text, RESEND)


def _source_of(stream: Any) -> _Source[Any]:
    """Find out how a stream is read.

    Raises:
        TypeError: there is no way.
    """
    if isinstance(stream, Data):
        return _Source(_iterated([stream]), partial=True, to_eof=True)
    if hasattr(stream, "recv"):
        return _Source(stream.recv, partial=True, to_eof=False)
    if hasattr(stream, "recv_into"):
        return _Source(lambda size: _received_into(stream, size), partial=True, to_eof=False)
    if hasattr(stream, "read1"):
        # Only `read` tells a non-blocking stream without bytes (None) from the end; before 3.14 `read1` did not.
        return _Source(lambda size: stream.read1(size) or stream.read(1), partial=True, to_eof=True)
    if hasattr(stream, "read"):
        return _Source(stream.read, partial=False, to_eof=True)
    if isinstance(stream, Iterable):
        return _Source(_iterated(stream), partial=True, to_eof=True)
    raise TypeError(f"frames: expected a file, a socket or an iterable of bytes, got {type(stream).__name__}")


def _received_into(stream: Any, size: int) -> bytes:
    """Receive from what can only fill buffers."""
    buffer = bytearray(size)
    return bytes(memoryview(buffer)[: stream.recv_into(buffer)])


def _iterated(chunks: Iterable[Any]) -> Callable[[int], Any]:
    """Return an iterable's chunks one by one, whatever their size; an empty one is not its end."""
    rest = iter(chunks)
    return lambda _: next((chunk for chunk in rest if chunk is None or len(chunk)), b"")


# Frames to files, sockets and async streams.

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
        self.send = _sender(stream)
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
        payload = _as_bytes(data)
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


def _sender(stream: Any) -> Callable[[bytes], Any]:
    """Find the function that writes all of the bytes it is given.

    Raises:
        TypeError: the stream has none.
    """
    if isinstance(stream, io.RawIOBase):
        return lambda data: _write_all(stream, data)
    send = getattr(stream, "sendall", None) or getattr(stream, "write", None)
    if send is None:
        raise TypeError(f"frames: expected a stream with write or sendall, got {type(stream).__name__}")
    found: Callable[[bytes], Any] = send
    return found


def _write_all(stream: io.RawIOBase, data: bytes) -> None:
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
