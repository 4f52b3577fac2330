"""Limits for every codec: what bytes from a stranger may make a decoder do.

The length of a message settles almost all of them: from so few bytes nothing grows beyond the limits. Only longer
messages, and those of which `max_depth` was asked, are looked at before the decoder runs: by counts at C speed, which
settle text and pictures, and what these leave open by an exact scan.

That costs decode most where the decoder has least to do: text of 132 kB in one message of MessagePack takes 10 µs, and
9 µs to be looked at. A message of less than 252 kB in JSON, 48 kB in msgspec's MessagePack and 3 kB in msgpack-python's
is not looked at at all; these are the lengths for chat requests.

- Items are arrays, objects and texts; numbers are none, but take memory, packed ones as many bytes as in JSON.
- What the types make of a message counts too: the widest struct of its kind for each object.
- JSON texts inside a protobuf message or a FlatBuffer count together; see `serlab.codecs.jsontext`.
- FlatBuffers checks its own limits while it verifies. The variants that verify nothing have no scan: they are held to
  `max_bytes` and refuse to be given another limit. Another package's codec brings a scan of its own, by `within`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from math import isqrt

import numpy as np

from serlab.codecs.base import Codec
from serlab.codecs.scans import (
    FIELD,
    FIRST_KEY,
    KEY,
    LIST,
    NUMBER,
    OBJECT,
    PLACE,
    STRING,
    TEXT_GROWTH,
    UNKNOWN_KEY,
    UNTYPED,
    Grown,
    costs_of,
    deeper,
    limit_passed,
    scan_json,
    scan_msgpack,
    walk_msgpack,
)
from serlab.errors import DecodeError
from serlab.limits import FLAT, MIB, Limits
from serlab.messages import MESSAGE_TYPES, Part, fields_of

STRUCT, STRUCT_FIELD = 64, 8
"""Bytes of a struct with what memory is lost around it, and of each of its fields."""

VECTOR = 600
"""What an array counts more in a response with vectors: numpy's array takes 200 bytes, and 5 µs as long as 400 more."""

CHUNK = 2**16
"""Bytes that are counted at a time: what numpy makes of them stays in the processor's cache."""

RESERVED = 3000
"""Bytes of MessagePack in which arrays that claim too much do no harm: msgpack-python makes room for what each claims,
8 bytes for each byte of the message, and goes 1,024 levels deep."""

MANY_TEXTS, DENSE = 65_536, 40
"""Texts of JSON from which on they are counted exactly, if there is one in so many bytes: if they are unknown keys,
they take time beside their memory."""

MOST_RESERVED = 24 * MIB
"""Bytes for which such arrays may make it make room."""

LONG_KEYS = 120_000_000
"""Arrays times bytes of a message in which keys that begin alike do no harm."""

HARMLESS = 48_000
"""Bytes of MessagePack in which equal hashes do no harm: keys that have them take 14 bytes, and 3,400 of them 0.1 s."""


Settle = Callable[[bytes, Limits], str]
"""(data, limits) → the name of the limit that is passed, or "", in the cheapest way that settles it."""


def within(codec: Codec, limits: Limits, settle: Settle, settled: int = 0, factor: int = 1) -> Codec:
    """Bind a codec to limits; what a record's `limits` gives back.

    Args:
        codec: as its module made it.
        limits: the bounds.
        settle: finds the limit that a message passes.
        settled: the length up to which no message can pass one.
        factor: as in `Limits.allowance`.

    Returns:
        The same codec, whose `decode`, `open` and `relay` refuse what is beyond the limits.
    """
    check = partial(_check_message, codec.name, limits, settle, factor)
    return replace(codec, settled_bytes=min(settled, limits.max_bytes), guard=check)


def length_within(codec: Codec, limits: Limits) -> Codec:
    """Bind a codec to the length alone: it checks the rest for itself, or has no scan."""
    return within(codec, limits, _settled_always, limits.max_bytes)


def json_within(codec: Codec, limits: Limits) -> Codec:
    """Bind a codec of JSON to limits."""
    grown = grown_of(codec.message)
    growth = (max(grown.object, grown.array) + PLACE) // 3 + 1 + TEXT_GROWTH
    return within(codec, limits, partial(_settle_json, grown), limits.settled_length(2, growth))


def msgpack_within(codec: Codec, limits: Limits) -> Codec:
    """Bind msgpack-python to limits."""
    grown = grown_of(codec.message)
    settled = limits.settled_length(1, max(grown.object, grown.array) + PLACE)
    return within(codec, limits, partial(_settle_reserving, grown, settled), min(settled, RESERVED))


def msgspec_msgpack_within(codec: Codec, limits: Limits) -> Codec:
    """Bind msgspec's MessagePack to limits."""
    grown = grown_of(codec.message)
    settled = limits.settled_length(1, max(grown.object, grown.array) + PLACE)
    return within(codec, limits, partial(_settle_any_keys, grown), min(settled, HARMLESS))


def protobuf_within(codec: Codec, limits: Limits) -> Codec:
    """Bind protobuf to limits."""
    from serlab.codecs import protobuf_scan
    from serlab.generated import llm_pb2

    type_ = getattr(llm_pb2, codec.message).DESCRIPTOR
    settled = protobuf_scan.settled_length(type_, limits)
    return within(codec, limits, partial(protobuf_scan.scan_protobuf, type_), settled, protobuf_scan.FACTOR)


@cache
def grown_of(kind: str) -> Grown:
    """Return what the empty objects and arrays of a kind of message become."""
    type_ = MESSAGE_TYPES.get(kind)
    if type_ is None:
        return UNTYPED
    widest = max((len(struct.__struct_fields__) for struct in _listed_structs(type_)), default=0)
    struct = STRUCT + STRUCT_FIELD * widest if widest else 0
    return Grown(OBJECT + struct, LIST + (VECTOR if kind == "EmbeddingResponse" else 0))


def _listed_structs(type_: type[Part], listed: bool = False) -> Iterator[type[Part]]:
    """Yield the structs that a message may hold any number of: those in lists, and what these hold."""
    for field in fields_of(type_).values():
        for struct, in_list in ((field.struct, listed), (field.items, True)):
            if struct is not None:
                yield from [struct] if in_list else []
                yield from _listed_structs(struct, in_list)


def _check_message(name: str, limits: Limits, settle: Settle, factor: int, data: bytes) -> None:
    """Refuse a message that is beyond a limit.

    Args:
        name: the codec's name.
        limits: the bounds.
        settle: finds the limit.
        factor: as in `Limits.allowance`.
        data: one message, no length prefix.

    Raises:
        DecodeError: it is; the text names the limit.
    """
    if len(data) > limits.max_bytes:
        raise _beyond(name, "max_bytes", limits, factor, f"{len(data):,}")
    plain = data if type(data) is bytes else bytes(data)
    if passed := settle(plain, limits):
        raise _beyond(name, passed, limits, factor, f"more in {len(data):,} bytes")


def _beyond(name: str, limit: str, limits: Limits, factor: int, got: str) -> DecodeError:
    """Make the error that names a limit and how to raise it."""
    most = f"{getattr(limits, limit):,}{' bytes' if limit == 'max_bytes' else ''}"
    if limit == "max_amplification":
        most = f"{factor * limits.max_amplification:,} bytes in memory for each of its own beside {FLAT // MIB} MiB"
    remedy = f"if the sender is trusted, raise it with open_codec(…, limits=Limits({limit}=…))"
    remedy += "" if limit == "max_depth" else ", in a measurement with --max-body-mb"
    return DecodeError(f"{name}: limit {limit}: expected at most {most}, got {got}; {remedy}")


def _settled_always(data: bytes, limits: Limits) -> str:
    """Find nothing: the codec checks for itself, or nothing is known of its format."""
    return ""


def _chunks(data: bytes, overlap: int = 0) -> Iterator[np.ndarray]:
    """Return the bytes as arrays that fit the cache; each also holds the first `overlap` bytes of the next."""
    marks = np.frombuffer(data, np.uint8)
    return (marks[start : start + CHUNK + overlap] for start in range(0, len(data), CHUNK))


def _count(matches: np.ndarray) -> int:
    """Count what matches."""
    return int(np.count_nonzero(matches))


def _settle_json(grown: Grown, data: bytes, limits: Limits) -> str:
    """Count JSON: the brackets and quotes first, which also stand inside of strings, for what only these bound."""
    return scan_json(data, limits, grown) if quick_bound_json(grown, data, limits) else ""


def quick_bound_json(grown: Grown, data: bytes, limits: Limits) -> bool:
    """Return whether JSON may be beyond a limit by its brackets and quotes; the rest counts as numbers of one digit."""
    if limits.max_depth is not None:
        return True
    groups = quotes = 0
    for marks in _chunks(data):
        # One bit tells [ from {.
        groups += _count((marks | 32) == 0x7B)
        quotes += _count(marks == 0x22)
    # Rounded up: a text that does not end counts.
    strings = (quotes + 1) // 2
    if strings > max(MANY_TEXTS, len(data) // DENSE):
        return True
    size = groups * max(grown.object + FIRST_KEY, grown.array) + strings * (STRING + KEY + PLACE)
    size += len(data) * (TEXT_GROWTH + 1 + (PLACE + NUMBER) // 2)
    return limit_passed(limits, len(data), groups + strings, size) != ""


def _exact_msgpack(grown: Grown, data: bytes, limits: Limits) -> bool:
    """Return whether MessagePack is to be counted value by value: bytes above ASCII, or all as heads, may be many."""
    return limits.max_depth is not None or quick_bound_msgpack(grown, data, limits, high_bytes(data))


def _settle_reserving(grown: Grown, settled: int, data: bytes, limits: Limits) -> str:
    """Count MessagePack for msgpack-python, which makes room for as many elements as an array claims to have.

    Args:
        grown: what the kind of message becomes.
        settled: the length from which on it is to be counted in any case.
        data: one message.
        limits: the bounds.
    """
    if len(data) > settled and _exact_msgpack(grown, data, limits):
        return scan_msgpack(data, limits, grown)
    if 0xDC not in data and 0xDD not in data:
        return ""
    claiming = sum(_count((marks & 0xFE) == 0xDC) for marks in _chunks(data))
    return scan_msgpack(data, limits, grown) if claiming * 8 * len(data) > MOST_RESERVED else ""


def _settle_any_keys(grown: Grown, data: bytes, limits: Limits) -> str:
    """Count MessagePack for msgspec, which takes any key in a free-form value.

    Raises:
        DocumentError: there are keys that are arrays.
    """
    from serlab.codecs.keys import check_array_keys

    high, most = high_bytes(data), _most_arrays(len(data))
    many = high > most and _array_heads(data) > most
    if limits.max_depth is not None or many or quick_bound_msgpack(grown, data, limits, high):
        passed, arrays = walk_msgpack(data, limits, grown)
        if not passed and limits.max_depth is not None and deeper(data, limits.max_depth):
            return "max_depth"
        if not passed and arrays > most and len(data) > HARMLESS:
            check_array_keys(data)
        return passed
    return ""


def _most_arrays(length: int) -> int:
    """Return the arrays that a message of a length may have until it is looked at for keys.

    So many would take 0.1 s, and 20 ns for each byte, if all were short keys of one hash: n of them take n² × 9 ns.
    Long keys that begin alike are compared to their ends: n of them in L bytes take n × L × 2.5 ns, at most 0.3 s here.
    """
    return min(isqrt(11_000_000 + 2 * length), LONG_KEYS // max(1, length))


def _array_heads(data: bytes) -> int:
    """Count the bytes that may be heads of arrays; text in ASCII has none of them."""
    return sum(_count((marks & 0xF0) == 0x90) + _count((marks & 0xFE) == 0xDC) for marks in _chunks(data))


def high_bytes(data: bytes) -> int:
    """Count the bytes that are no ASCII, which text in ASCII and its numbers have none of."""
    return sum(_count(marks.view(np.int8) < 0) for marks in _chunks(data))


def quick_bound_msgpack(grown: Grown, data: bytes, limits: Limits, high: int) -> bool:
    """Return whether MessagePack may be beyond a limit if each of its bytes were a head.

    Args:
        grown: what the kind of message becomes.
        data: one message.
        limits: the bounds.
        high: its bytes that are no ASCII.
    """
    costs = costs_of(grown)
    # Of all heads that of a map with 15 keys.
    dearest = costs[0x8F] % FIELD + KEY + UNKNOWN_KEY
    length = len(data) * (PLACE + TEXT_GROWTH)
    if not limit_passed(limits, len(data), high, high * dearest + length):
        return False
    found = np.add.reduce([np.bincount(marks, minlength=256) for marks in _chunks(data)]).tolist()
    counted = sum(times * (cost % FIELD**2) for times, cost in zip(found, costs, strict=True))
    items, size = divmod(counted, FIELD)
    if found[0xDE] + found[0xDF]:
        # Each text may be a key of a large map.
        size += items * (KEY + UNKNOWN_KEY)
    return limit_passed(limits, len(data), items, size + length) != ""
