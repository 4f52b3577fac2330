"""What a protobuf message would become, counted on its bytes by the schema: an exact scan, iterative.

The library makes everything of a message at once and cannot be held to a limit, so this is known before. A submessage
of two bytes becomes the library's own object, as wide as its type has fields, and serlab's struct. Scalars in a row are
passed at C speed; everything else takes a step of 0.3 µs. Malformed bytes end the scan quietly: the library stops
there as well.

Source: the protobuf encoding guide; sizes measured with upb 7.36 and CPython 3.11.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from serlab.codecs import jsonweight
from serlab.codecs.protoweights import FACTOR, MIXED_GROWTH, NO_FIELD, NUMBER, RUN, Entry, key_of, table_of, weight_of
from serlab.limits import MIB, Limits

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


def tags(*wires: int) -> bytes:
    """Write a pattern of the tags of these wire types: one byte, or several, the top bit set on all but the last."""
    one, more = (b"".join(re.escape(bytes([low | wire])) for low in lows for wire in wires) for lows in NUMBERS)
    return b"(?:[%b]|[%b][\x80-\xff]{0,3}+[\x00-\x7f])" % (one, more)


NUMBERS = range(0x08, 0x80, 8), range(0x80, 0x100, 8)
"""Field numbers in a tag's first byte: all of one up to 15, or the low bits of one."""

SCALARS = re.compile(
    b"(?:%b[\x80-\xff]{0,9}+[\x00-\x7f]|%b.{8}|%b.{4}|%b)++" % (tags(0), tags(1), tags(5), tags(3, 4)), re.DOTALL
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
    size, items = limits.allowance(len(data), FACTOR) - weight_of(descriptor), limits.max_items
    levels = len(data) if limits.max_depth is None else limits.max_depth - 1
    end, place, large = len(data), 0, len(data) > LARGE
    stack: list[tuple[Callable[[int], Entry | None], int]] = []
    entry_of_tag: Callable[[int], Entry | None] = table_of(descriptor).get
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
                        return limit_of_size(limits, len(data))
                    continue
                second = data[place + 1]
                entry = entry_of_tag(data[place] | second << 8) if second < 128 else None
                if entry is None:
                    key, place = varint(data, place)
                    entry = entry_of_tag(key_of(key)) or NO_FIELD
                    place -= 1
                else:
                    place += 1
            length = data[place + 1]
            place += 2
            if length > 127:
                length, place = varint(data, place - 1)
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
                    if large and length > jsonweight.LONG:
                        size -= (TEXT_COPIES[jsonweight.width(data[place:stop])] - growth) * length
                elif kind == "json" and length < SHORT_JSON:
                    size -= weight + jsonweight.WORST * length
                elif kind == "mixed" and length < SHORT_MIXED:
                    size -= weight + MIXED_GROWTH * length
                elif kind == "json" or kind == "mixed":
                    found = weigh(data[place:stop], kind == "mixed", items, size, large)
                    items, size = items - found.items, size - weight - found.size
                else:
                    size -= weight + NUMBER * numbers_in(kind, data, place, stop)
                place = stop
            if size < 0 or items < 0:
                return "max_items" if items < 0 else limit_of_size(limits, len(data))
    except IndexError:
        # It ends within a tag or before a length.
        return ""


def limit_of_size(limits: Limits, length: int) -> str:
    """Name the limit that says how much a message may become."""
    most = limits.max_materialized_bytes
    return "max_materialized_bytes" if limits.allowance(length, FACTOR) == most else "max_amplification"


def weigh(text: bytes, mixed: bool, items: int, size: int, large: bool) -> jsonweight.Weight:
    """Count what JSON text becomes, as exactly as is needed.

    Args:
        text: one JSON value.
        mixed: whether objects in it become structs.
        items: left of the limit.
        size: bytes left.
        large: whether the message is so long that copies count.
    """
    widest = WIDEST_MIXED if mixed else 0
    found = jsonweight.bound(text, widest)
    if found.items > items or found.size > size:
        found = jsonweight.exact(text, widest)
    if large and len(text) > jsonweight.LONG:
        copies = JSON_COPIES[jsonweight.width(text, escapes=True)] - jsonweight.TEXT_GROWTH
        found = found._replace(size=found.size + copies * len(text))
    return found


def numbers_in(kind: str | int, data: bytes, place: int, stop: int) -> int:
    """Count packed numbers without walking them: by their width, or varints by their last bytes, those below 128."""
    if kind == "varints":
        if stop - place < FEW:
            return stop - place
        return int(np.count_nonzero(np.frombuffer(data, np.uint8, stop - place, place) < 128))
    return (stop - place) // int(kind)


def varint(data: bytes, place: int) -> tuple[int, int]:
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
