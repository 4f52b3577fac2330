"""Limits for every codec: what bytes from a stranger may make a decoder do.

The length of a message settles almost all of them: from so few bytes nothing grows beyond the limits. Only longer
messages, and those of which `max_depth` was asked, are looked at before the decoder runs: by a scan that is given up
where it gets on too slowly, which settles messages that are long because of pictures or vectors; then by counts at C
speed, which settle much text; and only what is left by an exact scan to the end.

That costs decode up to 20 % of its time on long chats, and most where the decoder has least to do: 27 to 60 % on a
picture of 4 MB in JSON, 65 % on 400 vectors in protobuf (old and new decode in turns in one process).

- Items are arrays, objects and texts; numbers are none, packed or not, but take memory.
- JSON text inside protobuf and FlatBuffers is held to the default limits when it is read.
- FlatBuffers checks its own limits while it verifies. The variants that verify nothing, and other packages' codecs,
  have `max_bytes` only.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from serlab.codecs.base import Codec
from serlab.codecs.scans import (
    BYTE_GROWTH,
    DICT,
    MESSAGE,
    NUMBER,
    STRING,
    TEXT_GROWTH,
    UNFINISHED,
    Scan,
    scan_json,
    scan_msgpack,
    scan_protobuf,
)
from serlab.errors import DecodeError
from serlab.limits import DEFAULT_LIMITS, Limits

EMPTY = 500
"""Bytes that an empty object becomes at most: a dict without keys, and a struct."""

JSON_GROWTH = EMPTY // 3
"""Bytes that one byte becomes at most in JSON, where an empty object in a list takes three bytes."""

PACKED_GROWTH = EMPTY
"""The same for MessagePack, where an empty map takes one."""

FIELD_GROWTH = MESSAGE // 2
"""The same for protobuf, whose smallest message takes two, and the library's own object beside the struct."""

PACE = 512
"""Bytes that a step of the first scan passes at least, so that it costs little where it settles nothing."""

CHUNK = 2**16
"""Bytes that are counted at a time: what numpy makes of them stays in the processor's cache."""

LONG_FIELD = 64
"""A field of protobuf from this length on takes so many bytes itself, and its length is no byte below."""

Suspect = Callable[[bytes, Limits], bool]
"""(data, limits) → whether only an exact scan can settle it."""


def guarded(codec: Codec, module: str, limits: Limits) -> Codec:
    """Bind a codec to limits.

    Args:
        codec: as its module made it.
        module: the built-in codec's module, "" for another package's codec.
        limits: the bounds.

    Returns:
        The same codec, whose `decode`, `open` and `relay` refuse what is beyond them.
    """
    if module == "protobuf":
        from serlab.generated import llm_pb2

        scan: Scan = partial(scan_protobuf, getattr(llm_pb2, codec.message).DESCRIPTOR)
        return bind(codec, limits, settled_length(limits, 2, FIELD_GROWTH), suspect_protobuf, scan)
    if module in ("json", "orjson", "msgpack", "msgspec"):
        if "msgpack" in codec.name:
            return bind(codec, limits, settled_length(limits, 1, PACKED_GROWTH), suspect_msgpack, scan_msgpack)
        return bind(codec, limits, settled_length(limits, 2, JSON_GROWTH), suspect_json, scan_json)
    return bind(codec, limits, limits.max_bytes, always, nothing)


def bind(codec: Codec, limits: Limits, settled: int, suspect: Suspect, scan: Scan) -> Codec:
    """Give the codec the length that settles everything, and the check for what is longer."""
    check = partial(check_message, codec.name, limits, suspect, scan)
    return replace(codec, settled_bytes=min(settled, limits.max_bytes), guard=check)


def settled_length(limits: Limits, item_bytes: int, growth: int) -> int:
    """Give the length up to which a message cannot go beyond a limit.

    Args:
        limits: the bounds.
        item_bytes: what an item takes at least.
        growth: bytes in memory per byte, at most.
    """
    settled = min(item_bytes * limits.max_items, limits.max_materialized_bytes // growth)
    return settled if limits.max_depth is None else min(settled, limits.max_depth)


def always(data: bytes, limits: Limits) -> bool:
    """Suspect every message that is longer than what its length settles."""
    return True


def nothing(data: bytes, limits: Limits, pace: int = 0) -> str:
    """Find nothing: the codec checks for itself, or nothing is known of its format."""
    return ""


def check_message(name: str, limits: Limits, suspect: Suspect, scan: Scan, data: bytes) -> None:
    """Refuse a message that is beyond a limit.

    Args:
        name: the codec's name.
        limits: the bounds.
        suspect: the cheap bounds.
        scan: the exact count.
        data: one message, no length prefix.

    Raises:
        DecodeError: it is; the text names the limit.
    """
    if len(data) > limits.max_bytes:
        raise beyond(name, "max_bytes", limits, f"{len(data):,}")
    plain = data if type(data) is bytes else bytes(data)
    if passed := first_beyond(plain, limits, suspect, scan):
        raise beyond(name, passed, limits, f"more in {len(data):,} bytes")


def first_beyond(data: bytes, limits: Limits, suspect: Suspect, scan: Scan) -> str | None:
    """Name the limit that a message is beyond, "" for none, in the cheapest way that settles it."""
    if limits.max_depth is not None:
        return scan(data, limits)
    passed = scan(data, limits, PACE)
    if passed is not UNFINISHED:
        return passed
    return scan(data, limits) if suspect(data, limits) else ""


def beyond(name: str, limit: str, limits: Limits, got: str) -> DecodeError:
    """Make the error that names a limit and how to raise it."""
    most = getattr(limits, limit)
    remedy = f"if the sender is trusted, raise it with open_codec(…, limits=Limits({limit}=…))"
    remedy += "" if limit == "max_depth" else ", in a measurement with --max-body-mb"
    return DecodeError(f"{name}: limit {limit}: expected at most {most:,}, got {got}; {remedy}")


def check_text(text: str | bytes) -> None:
    """Refuse JSON text inside a message that would grow beyond the default limits.

    Args:
        text: one JSON value.

    Raises:
        DecodeError: it would.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    check_message("JSON text in a message", DEFAULT_LIMITS, suspect_json, scan_json, data)


def chunks(data: bytes, overlap: int = 0) -> Iterator[np.ndarray]:
    """Give the bytes as arrays that fit the cache; each also holds the first `overlap` bytes of the next."""
    marks = np.frombuffer(data, np.uint8)
    return (marks[start : start + CHUNK + overlap] for start in range(0, len(data), CHUNK))


def count(matches: np.ndarray) -> int:
    """Count what matches."""
    return int(np.count_nonzero(matches))


def suspect_json(data: bytes, limits: Limits) -> bool:
    """Bound JSON's items and memory by counts of its marks, which also count those inside of text."""
    groups = quotes = 0
    for marks in chunks(data):
        # One bit tells [ from {.
        groups += count((marks | 32) == 0x7B)
        quotes += count(marks == 0x22)
    # Rounded up: a text that does not end counts.
    strings = (quotes + 1) // 2
    items = groups + strings
    if not beyond_bounds(limits, items, groups * DICT, len(data)):
        return False
    # Pictures are text. Every number follows an opening or a comma, or the colon behind the key that does.
    numbers = groups + sum(count(marks == 0x2C) for marks in chunks(data)) + 1
    size = groups * DICT + strings * STRING + numbers * NUMBER + len(data) * TEXT_GROWTH
    return items > limits.max_items or size > limits.max_materialized_bytes


def suspect_msgpack(data: bytes, limits: Limits) -> bool:
    """Bound MessagePack's items and memory by counts of heads, which also count such bytes inside of values."""
    groups = texts = 0
    for marks in chunks(data):
        groups += count((marks ^ 0x80) < 0x20) + count((marks & 0xFC) == 0xDC)
        # Numbers that stand between these heads are counted as well.
        texts += count((marks - 0xA0) < 0x40) if len(data) > limits.max_items else 0
    return beyond_bounds(limits, min(groups + texts, len(data)), groups * DICT, len(data))


def suspect_protobuf(data: bytes, limits: Limits) -> bool:
    """Bound protobuf's items and memory by counts of what may begin a short field of some length."""
    short = 0
    for marks in chunks(data, overlap=1):
        lengths = marks[1:]
        # A tag of this wire type, then a short length, the rest of a longer tag, or a length of several bytes.
        short += count(((marks[:-1] & 7) == 2) & ((lengths < LONG_FIELD) | (lengths >= 0x80)))
    fields = short + len(data) // LONG_FIELD
    return beyond_bounds(limits, fields, fields * MESSAGE, len(data))


def beyond_bounds(limits: Limits, items: int, size: int, length: int) -> bool:
    """Tell whether bounds leave it open if a message is beyond a limit.

    Args:
        limits: the limits.
        items: at most so many.
        size: bytes that its arrays, objects and tables take at most; any byte may also be text or a number.
        length: of the message.
    """
    return items > limits.max_items or size + length * BYTE_GROWTH > limits.max_materialized_bytes


SETTLED_TEXT = settled_length(DEFAULT_LIMITS, 2, JSON_GROWTH)
"""JSON text of up to this length grows beyond no default limit, in bytes and in characters."""
