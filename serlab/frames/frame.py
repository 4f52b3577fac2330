"""One frame: header and payload, and the checks that hold them together; `serlab.frames` specifies the format."""

from struct import Struct

from xxhash import xxh3_64_intdigest, xxh32_intdigest

from serlab.errors import DecodeError, EncodeError, SerlabError

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
    payload = as_bytes(data)
    if len(payload) > MAX_PAYLOAD:
        raise EncodeError(f"frame {sequence}: expected at most {MAX_PAYLOAD} bytes, got {len(payload)}; split them up")
    if not 0 <= sequence <= MAX_SEQUENCE:
        raise EncodeError(f"frame: expected a sequence number from 0 to 2^64 - 1, got {sequence}")
    return header(len(payload), payload, sequence), payload


def as_bytes(data: Data, refusal: type[SerlabError] = EncodeError) -> Data:
    """Give bytes as they are, and a view of bytes over any other buffer, whose length may count wider items."""
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).cast("B")
    except TypeError as error:
        got = f"{type(data).__name__}: {error}"
        raise refusal(f"frame: expected contiguous bytes, got {got}; encode the message first") from error


def header(word: int, payload: Data, sequence: int) -> bytes:
    """Pack a header for a length word and its payload."""
    return HEADER.pack(word, length_check(word, sequence), xxh3_64_intdigest(payload, sequence))


def length_check(word: int, sequence: int) -> int:
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
    view = memoryview(as_bytes(data, DecodeError))
    if len(view) < HEADER_BYTES:
        raise cut(sequence, 0, HEADER_BYTES, len(view))
    word, check, payload_check = HEADER.unpack_from(view)
    verify_length(word, check, sequence, 0)
    if word & END:
        raise damage(sequence, 0, "a message", "an END frame", "read the stream with read_frames")
    size = HEADER_BYTES + word
    if len(view) < size:
        raise cut(sequence, 0, size, len(view))
    if len(view) > size:
        raise damage(sequence, 0, f"{size} bytes", f"{len(view) - size} more", "read several frames with read_frames")
    payload = view[HEADER_BYTES:].toreadonly()
    verify_payload(payload, payload_check, sequence, 0)
    return payload


def verify_length(word: int, check: int, sequence: int, offset: int) -> None:
    """Compare a length word with its check, before anything is done with the length.

    Raises:
        DecodeError: they do not belong together at this place of the stream.
    """
    if check == length_check(word, sequence):
        return
    place = place_of(word, check, sequence)
    if place is None:
        raise damage(sequence, offset, "a frame's header", "a wrong header check", RESEND)
    why = f"{place - sequence} missing before it" if place > sequence else "sent twice or moved"
    raise damage(sequence, offset, "its header", f"that of frame {place}: {why}", RESEND)


def place_of(word: int, check: int, sequence: int) -> int | None:
    """Find the place nearby that a header belongs to; chance finds one once in eight million."""
    places = range(max(sequence - NEARBY, 0), sequence + NEARBY)
    return next((place for place in places if check == length_check(word, place)), None)


def verify_payload(payload: Data, check: int, sequence: int, offset: int) -> None:
    """Compare a payload with its check.

    Raises:
        DecodeError: they do not belong together at this place of the stream.
    """
    if check != xxh3_64_intdigest(payload, sequence):
        raise damage(sequence, offset, f"payload check {check:016x}", "another: it is damaged or misplaced", RESEND)


RESEND = "what came before is whole; send the rest again, or restore it from another copy"


def damage(sequence: int, offset: int, expected: str, got: str, remedy: str) -> DecodeError:
    """Word what is wrong with a frame, and where."""
    return DecodeError(f"frame {sequence} at byte {offset}: expected {expected}, got {got}; {remedy}")


def cut(sequence: int, offset: int, size: int, got: int) -> DecodeError:
    """Word that a frame ends too early."""
    part = "header" if size <= HEADER_BYTES else "frame"
    return damage(sequence, offset, f"a {part} of {size} bytes", f"{got} and then the end: it was cut", RESEND)
