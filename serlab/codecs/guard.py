"""Limits for every codec: what bytes from a stranger may make a decoder do.

The length of a message settles almost all of them: from so few bytes nothing grows beyond the limits. Only longer
messages, and those of which `max_depth` was asked, are looked at: first bounds from counts at C speed, then, where
these do not settle it, an exact scan, both before the decoder runs.

- Items are arrays, objects, texts, and protobuf's fields; numbers are none, packed or not, but take memory.
- JSON text inside protobuf and FlatBuffers is held to the default limits when it is read.
- FlatBuffers checks its own limits while it verifies. The variants that verify nothing, and other packages' codecs,
  have `max_bytes` only.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from serlab.codecs.base import Codec
from serlab.codecs.scans import (
    DICT,
    MESSAGE,
    NUMBER,
    STRING,
    Scan,
    scan_json,
    scan_msgpack,
    scan_protobuf,
)
from serlab.errors import DecodeError
from serlab.limits import DEFAULT_LIMITS, Limits

TEXT_GROWTH = 4
"""Bytes that one byte of text becomes at most: one wide character widens a whole string."""

JSON_GROWTH = DICT // 3 + TEXT_GROWTH
"""The same for JSON, where an empty object in a list takes three bytes."""

PACKED_GROWTH = DICT + TEXT_GROWTH
"""The same for MessagePack, where an empty map takes one."""

FIELD_GROWTH = MESSAGE // 2 + TEXT_GROWTH
"""The same for protobuf, whose smallest message takes two."""

EMPTY_MAP = 0x80

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
        return bind(codec, limits, settled_length(limits, 2, FIELD_GROWTH), always, scan)
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


def nothing(data: bytes, limits: Limits) -> str:
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
    if (limits.max_depth is not None or suspect(plain, limits)) and (passed := scan(plain, limits)):
        raise beyond(name, passed, limits, f"more in {len(data):,} bytes")


def beyond(name: str, limit: str, limits: Limits, got: str) -> DecodeError:
    """Make the error that names a limit and how to raise it."""
    most = getattr(limits, limit)
    remedy = f"if the sender is trusted, raise it with open_codec(…, limits=Limits({limit}=…))"
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


def suspect_json(data: bytes, limits: Limits) -> bool:
    """Bound JSON's items and memory by counts of its marks, which also count those inside of text."""
    marks = np.frombuffer(data, np.uint8)
    # numpy counts several times faster than bytes.count. One bit tells [ from {.
    groups, strings = count(marks | 32, 0x7B), count(marks, 0x22) // 2
    size = groups * DICT + strings * STRING + len(data) * TEXT_GROWTH + (count(marks, 0x2C) + 1) * NUMBER
    return groups + strings > limits.max_items or size > limits.max_materialized_bytes


def suspect_msgpack(data: bytes, limits: Limits) -> bool:
    """Bound MessagePack's items and memory by counts of heads, which also count such bytes inside of values."""
    marks = np.frombuffer(data, np.uint8)
    # Without empty maps, which take one byte, the next worst are maps of one pair, three bytes. This settles vectors.
    size = count(marks, EMPTY_MAP) * DICT + len(data) * ((DICT + STRING + NUMBER) // 3 + TEXT_GROWTH)
    if len(data) <= limits.max_items and size <= limits.max_materialized_bytes:
        return False
    groups = count(marks & 0xE0, 0x80) + count(marks & 0xFC, 0xDC)
    texts = count(marks & 0xE0, 0xA0) + count(marks & 0xE0, 0xC0)
    size = groups * DICT + texts * STRING + (len(data) - groups - texts) * NUMBER + len(data) * TEXT_GROWTH
    return groups + texts > limits.max_items or size > limits.max_materialized_bytes


def count(values: np.ndarray, byte: int) -> int:
    """Count a byte."""
    return int(np.count_nonzero(values == byte))


SETTLED_TEXT = settled_length(DEFAULT_LIMITS, 2, JSON_GROWTH)
"""JSON text of up to this length grows beyond no default limit, in bytes and in characters."""
