"""What a protobuf message would become, counted on its bytes by the schema: an exact scan, iterative.

The library makes everything of a message at once and cannot be held to a limit, so this is known before. A submessage
of two bytes becomes the library's own object, as wide as its type has fields, and serlab's struct. Scalars in a row are
passed at C speed; everything else takes a step of 0.3 µs. Malformed bytes end the scan quietly: the library stops
there as well.

Source: the protobuf encoding guide; sizes measured with upb 7.36 and CPython 3.11.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from serlab.codecs import jsontext, scans
from serlab.codecs.scans import PLACE
from serlab.codecs.schema import plan_of, structs_of
from serlab.limits import MIB, Limits
from serlab.messages import MESSAGE_TYPES, Embedding

# What the parts of a protobuf message become, by its schema: the fields of each type, and what each of them takes.
#
# Source: the protobuf encoding guide; sizes measured with upb 7.36 and CPython 3.11.

FACTOR = 3
"""How many times as much as JSON a byte may become: messages may be two bytes long."""

STRING, NUMBER, ARRAY = 100, PLACE + scans.NUMBER, 1800
"""Bytes that a text takes beside those of its content, a number with its place in a list, as in JSON, and an array
beside its numbers; an array takes less, but 4 µs."""

UNKNOWN, RUN = 600, 150
"""Bytes that an unknown field counts, and numbers that stand between others: for the time of a step."""

LEAST_MESSAGE = 900
"""Bytes that a message counts at least: scanning and reading the smallest takes 0.9 µs, so this bounds the time."""

EXTRA = 3000
"""Bytes that an entry of `extra` counts at least: to find its place in the message takes 3 µs."""

PACKED = 250
"""Bytes that a list of packed numbers counts beside them: they are counted in 0.4 µs however few."""

TEXT_GROWTH = 4
"""Bytes that one byte of text becomes at most: one wide character widens a whole string."""

LISTED = 10
"""Bytes that one of a token's bytes becomes, which stand in a list of numbers."""


class _Entry(NamedTuple):
    """What a field's content becomes.

    Attributes:
        table: of a message its fields, by `_key_of` their tags; None for everything else.
        weight: bytes that it takes beside what its own bytes become.
        growth: bytes that one of its own becomes; 0 where that takes a look at them. Of a message, where it is short
            and holds no other and no JSON: looking into it would take longer than reading it.
        kind: what then is looked at: "json", "mixed" (JSON whose objects become structs), "varints", or the width of
            packed numbers.
    """

    table: dict[int, Any] | None
    weight: int
    growth: int = 0
    kind: str | int = ""


Table = dict[int, _Entry]


NO_FIELD = _Entry(None, UNKNOWN, 2)
"""A field that the schema has not, or not with content: its bytes are kept."""


def _key_of(tag: int) -> int:
    """Return the key of a tag: itself where it is one byte, else its first two bytes as they stand on the wire."""
    return tag if tag < 128 else tag & 127 | 128 | tag >> 7 << 8


def settled_length(descriptor: Any, limits: Limits) -> int:
    """Return the length up to which a message of a type cannot go beyond a limit.

    Args:
        descriptor: the message type's descriptor.
        limits: the bounds.
    """
    return limits.settled_length(2, _growth_of(descriptor), FACTOR, STRING)


@cache
def _growth_of(descriptor: Any) -> int:
    """Return the bytes that one byte of a message becomes at most.

    Args:
        descriptor: the message type's descriptor.
    """
    worst, seen, left = jsontext.WORST, set(), [_table_of(descriptor)]
    while left:
        table = left.pop()
        seen.add(id(table))
        for tag, entry in table.items():
            header = 2 if tag < 128 else 3
            worst = max(worst, MIXED_GROWTH if entry.kind == "mixed" else 0, -(-entry.weight // header))
            if entry.table is not None and id(entry.table) not in seen:
                left.append(entry.table)
    return worst


MIXED_GROWTH = 200
"""Bytes that a byte of JSON becomes at most where its objects become structs: an empty one in a list takes three."""


@cache
def _table_of(descriptor: Any) -> Table:
    """Sort a message type's fields that have content, by their tags."""
    table: Table = {}
    _fill(table, descriptor, {descriptor.full_name: table})
    return table


def _fill(table: Table, descriptor: Any, known: dict[str, Table]) -> None:
    """Enter the fields of a message type, and those of the types in it; a type may hold itself."""
    for field in descriptor.fields:
        tag = _key_of(field.number << 3 | 2)
        if field.message_type is None:
            table[tag] = _entry_of(field)
            continue
        name = field.message_type.full_name
        if name not in known:
            known[name] = {}
            _fill(known[name], field.message_type, known)
        inner = known[name]
        leaf = inner and all(entry.table is None and entry.kind not in ("json", "mixed") for entry in inner.values())
        table[tag] = _Entry(inner, _weight_of(field.message_type), NUMBER if leaf else 0)


def _entry_of(field: Any) -> _Entry:
    """Return what the content of a field that is no message becomes."""
    if field.type == field.TYPE_STRING:
        kind = _json_cases().get(field.containing_type.name, BOX_JSON).get(field.name, "")
        return _Entry(None, STRING, 0 if kind else TEXT_GROWTH, kind)
    if field.type == field.TYPE_BYTES:
        return _Entry(None, UNKNOWN, LISTED)
    if not field.is_repeated:
        return NO_FIELD
    width = {field.TYPE_FLOAT: 4, field.TYPE_DOUBLE: 8}.get(field.type)
    return _Entry(None, PACKED, 0, "varints") if width is None else _Entry(None, ARRAY, 0, width)


BOX_JSON = {"json": "json"}
"""The JSON field of the messages that have no type of their own: Extra, Prompt, Vector."""


@cache
def _struct_types() -> dict[str, type]:
    """Return the structs that messages become, by name."""
    return {type_.__name__: type_ for type_ in structs_of([*MESSAGE_TYPES.values(), Embedding])}


@cache
def _json_cases() -> dict[str, dict[str, str]]:
    """Return which fields of a type hold JSON text, and whether objects in it become structs."""
    return {
        name: {
            case.name: "mixed" if case.items is not None else "json"
            for field in plan_of(type_)
            for case in field.cases
            if case.kind == "json"
        }
        for name, type_ in _struct_types().items()
    }


@cache
def _weight_of(descriptor: Any) -> int:
    """Return the bytes that a message takes without its content: the library's object, the struct, a place in a list.

    Args:
        descriptor: the message type's descriptor.
    """
    struct = _struct_types().get(descriptor.name)
    width = 16 + sum(map(_width_of, descriptor.fields)) + len(descriptor.fields) // 8
    least = EXTRA if descriptor.name == "Extra" else LEAST_MESSAGE
    return max(least, width + width // 16 + 16 + (struct.__basicsize__ + 32 if struct is not None else 400))


def _width_of(field: Any) -> int:
    """Return the bytes that a field takes in the library's object."""
    if field.is_repeated or field.message_type is not None:
        return 8
    return {field.TYPE_STRING: 16, field.TYPE_BOOL: 1}.get(field.type, 8)


LARGE = 24 * MIB
"""Messages from here on are looked through for wide characters in long text, whose copies could fill the memory."""

TEXT_COPIES, JSON_COPIES = {1: 2, 2: 4, 4: 5}, {1: 3, 2: 7, 4: 10}
"""Bytes of a character in the widest string → what a byte of one long text becomes while it is read."""

SHORT_LEAF = 64
"""Bytes of a message that holds no other, up to which it is not looked into: each counts as a number, and eight as a
text."""

FEW = 64
"""Bytes of packed numbers up to which each counts as one: a look costs more than they can."""

SHORT_JSON = 48
"""JSON text of up to this length is counted as the most that it may become."""

SHORT_MIXED = 12
"""The same of JSON text whose objects become structs."""

WIDEST_MIXED = 400
"""Bytes of the widest struct that stands in a list beside other things, which then is JSON text: a part of a turn."""


def _tags(*wires: int) -> bytes:
    """Write a pattern of the tags of these wire types: one byte, or several, the top bit set on all but the last."""
    one, more = (b"".join(re.escape(bytes([low | wire])) for low in lows for wire in wires) for lows in NUMBERS)
    return b"(?:[%b]|[%b][\x80-\xff]{0,3}+[\x00-\x7f])" % (one, more)


NUMBERS = range(0x08, 0x80, 8), range(0x80, 0x100, 8)
"""Field numbers in a tag's first byte: all of one up to 15, or the low bits of one."""

SCALARS = re.compile(
    b"(?:%b[\x80-\xff]{0,9}+[\x00-\x7f]|%b.{8}|%b.{4}|%b)++" % (_tags(0), _tags(1), _tags(5), _tags(3, 4)), re.DOTALL
)
"""Numbers in a row: varints, 8 bytes, 4 bytes; and the marks of groups, which are passed over as if they were not
there: no schema here has any."""

SCALAR_GROWTH = NUMBER // 2
"""Bytes that a byte of numbers becomes at most: a varint takes two with its tag."""


def scan_protobuf(descriptor: Any, data: bytes, limits: Limits) -> str:
    """Count protobuf's messages, texts and packed numbers; numbers are no items, but take memory.

    Args:
        descriptor: the message type's descriptor.
        data: one message, no length prefix.
        limits: the bounds.

    Returns:
        The name of the first limit that is passed, or "".
    """
    size, items = limits.allowance(len(data), FACTOR) - _weight_of(descriptor), limits.max_items
    counted = limits.max_depth is not None
    levels = limits.max_depth - 1 if limits.max_depth is not None else len(data)
    end, place, large = len(data), 0, len(data) > LARGE
    stack: list[tuple[Callable[[int], _Entry | None], int]] = []
    entry_of_tag: Callable[[int], _Entry | None] = _table_of(descriptor).get
    scalars = SCALARS.match
    try:
        while True:
            if place >= end:
                if not stack:
                    return ""
                entry_of_tag, end = stack.pop()
                continue
            entry = entry_of_tag(data[place])
            if entry is None:
                if data[place] & 7 != 2:
                    run = scalars(data, place, end)
                    if run is None:
                        return ""
                    size -= RUN + SCALAR_GROWTH * (run.end() - place)
                    place = run.end()
                    if size < 0:
                        return _limit_of_size(limits, len(data))
                    continue
                second = data[place + 1]
                entry = entry_of_tag(data[place] | second << 8) if second < 128 else None
                if entry is None:
                    key, place = _varint(data, place)
                    entry = entry_of_tag(_key_of(key)) or NO_FIELD
                    place -= 1
                else:
                    place += 1
            length = data[place + 1]
            place += 2
            if length > 127:
                length, place = _varint(data, place - 1)
            stop = place + length
            if stop > end:
                return ""
            items -= 1
            table, weight, growth, kind = entry
            if table is not None and (length > SHORT_LEAF or not growth):
                size -= weight
                stack.append((entry_of_tag, end))
                if len(stack) > levels:
                    return "max_depth"
                entry_of_tag, end = table.get, stop
            else:
                if growth:
                    size -= weight + growth * length
                    items -= length >> 3 if table is not None else 0
                    if large and growth <= TEXT_GROWTH and length > jsontext.JSONWEIGHT_LONG:
                        size -= (TEXT_COPIES[jsontext.width(data[place:stop])] - growth) * length
                elif kind == "json" and length < SHORT_JSON and not counted:
                    size -= weight + jsontext.WORST * length
                elif kind == "mixed" and length < SHORT_MIXED and not counted:
                    size -= weight + MIXED_GROWTH * length
                elif kind == "json" or kind == "mixed":
                    found = _weigh(data[place:stop], kind == "mixed", items, size, large)
                    items, size = items - found.items, size - weight - found.size
                    if counted and scans.deeper_json(data[place:stop], levels - len(stack)):
                        return "max_depth"
                else:
                    size -= weight + NUMBER * _numbers_in(kind, data, place, stop)
                place = stop
            if size < 0 or items < 0:
                return "max_items" if items < 0 else _limit_of_size(limits, len(data))
    except IndexError:
        # It ends within a tag or before a length.
        return ""


def _limit_of_size(limits: Limits, length: int) -> str:
    """Name the limit that says how much a message may become."""
    most = limits.max_materialized_bytes
    return "max_materialized_bytes" if limits.allowance(length, FACTOR) == most else "max_amplification"


def _weigh(text: bytes, mixed: bool, items: int, size: int, large: bool) -> jsontext.Weight:
    """Count what JSON text becomes, as exactly as is needed.

    Args:
        text: one JSON value.
        mixed: whether objects in it become structs.
        items: left of the limit.
        size: bytes left.
        large: whether the message is so long that copies count.
    """
    widest = WIDEST_MIXED if mixed else 0
    found = jsontext.bound(text, widest)
    if found.items > items or found.size > size:
        found = jsontext.exact(text, widest)
    if large and len(text) > jsontext.JSONWEIGHT_LONG:
        copies = JSON_COPIES[jsontext.width(text, escapes=True)] - jsontext.TEXT_GROWTH
        found = found._replace(size=found.size + copies * len(text))
    return found


def _numbers_in(kind: str | int, data: bytes, place: int, stop: int) -> int:
    """Count packed numbers without walking them: by their width, or varints by their last bytes, those below 128."""
    if kind == "varints":
        if stop - place < FEW:
            return stop - place
        return int(np.count_nonzero(np.frombuffer(data, np.uint8, stop - place, place) < 128))
    return (stop - place) // int(kind)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Read a varint; what runs past the end reads as if zeros followed."""
    value = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128 or shift > 63:
            break
    return value, place
