"""What a message would become, counted on its bytes: exact scans, iterative, for the messages that are suspected.

A scan stops at the first limit that is passed. Malformed bytes end it quietly: they are the decoder's to refuse.

Source: RFC 8259; the MessagePack specification; the protobuf encoding guide.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from serlab.limits import Limits

LIST, DICT, STRING, NUMBER, MESSAGE = 88, 700, 100, 40, 700
"""Bytes that one value takes in CPython 3.11, with its place in what holds it; text comes on top of a string's.

An object is counted as a dict with one key and the widest struct that the types have inside of a message.
"""

TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
"""JSON's strings and brackets. A string without an end reaches to the end: looking on inside would be quadratic."""

SHORT = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xCA: 4, 0xCB: 8}
"""MessagePack's numbers: the bytes after the head."""

FIXED_EXT = {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
SIZED = {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0), 0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0)}
SIZED |= {0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
"""Text, bytes and extensions: (width of the length, bytes between it and the content)."""

GROUPS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Arrays and maps: (width of the count, values per element)."""

Scan = Callable[[bytes, Limits], str]
"""(data, limits) → the name of the limit that is passed, "" if there is none."""


def scan_json(data: bytes, limits: Limits) -> str:
    """Count JSON's arrays, objects and strings; numbers are not items, but take memory.

    Args:
        data: one message, no length prefix, in UTF-8.
        limits: the bounds.

    Returns:
        The name of the first limit that is passed, or "".
    """
    data = in_utf8(data)
    depth = items = size = end = 0
    for token in TOKEN.finditer(data):
        # What is between tokens are numbers, and the commas of all elements.
        start, before = token.start(), end
        end = token.end()
        size += NUMBER * data.count(b",", before, start)
        mark = data[start]
        if mark in b"]}":
            depth -= 1
        elif mark == 0x22:
            items, size = items + 1, size + STRING + text_size(data, start, end)
        else:
            depth, items, size = depth + 1, items + 1, size + (DICT if mark == 0x7B else LIST)
        if passed := first_passed(limits, depth, items, size):
            return passed
    return ""


def in_utf8(data: bytes) -> bytes:
    """Give JSON in UTF-8; the standard library reads UTF-16 and UTF-32 too, which hold zeros or begin with a mark."""
    if 0 in data[:4] or data[:1] in (b"\xfe", b"\xff"):
        return data.decode(json.detect_encoding(data), "surrogatepass").encode("utf-8", "surrogatepass")
    return data


def text_size(data: bytes, start: int, end: int) -> int:
    """Bound what text takes: one wide character widens the whole string to 4 bytes per character."""
    text = data[start:end]
    return len(text) if text.isascii() and b"\\u" not in text else 4 * len(text)


def first_passed(limits: Limits, depth: int, items: int, size: int) -> str:
    """Name the first limit that is passed, "" if none is."""
    if limits.max_depth is not None and depth > limits.max_depth:
        return "max_depth"
    if items > limits.max_items:
        return "max_items"
    return "max_materialized_bytes" if size > limits.max_materialized_bytes else ""


def scan_msgpack(data: bytes, limits: Limits) -> str:
    """Count MessagePack's arrays, maps, texts and bytes; see `scan_json`.

    Args:
        data: one message, no length prefix.
        limits: the bounds.

    Returns:
        The name of the first limit that is passed, or "".
    """
    place, end, items, size, left = 0, len(data), 0, 0, [1]
    while left and place < end:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        head = data[place]
        start = place
        values, place = msgpack_value(data, head, place + 1)
        if values >= 0:
            left.append(values)
        if values == SCALAR:
            size += NUMBER
            continue
        items += 1
        if values == TEXT:
            size += STRING + text_size(data, start + 1, place)
        else:
            size += LIST if 0x90 <= head <= 0x9F or head in (0xDC, 0xDD) else DICT
        if passed := first_passed(limits, len(left) - 1, items, size):
            return passed
    return ""


SCALAR, TEXT = -1, -2
"""What is no array and no map."""


def msgpack_value(data: bytes, head: int, place: int) -> tuple[int, int]:
    """Step over one head and what belongs to it.

    Args:
        data: the whole message.
        head: the value's first byte.
        place: the byte after it.

    Returns:
        How many values follow in an array or a map, or `SCALAR` or `TEXT`; and the next value's place.
    """
    if head < 0x80 or head >= 0xE0:
        return SCALAR, place
    if head < 0xA0:
        return (head & 15) * (2 if head < 0x90 else 1), place
    if head < 0xC0:
        return TEXT, place + (head & 31)
    if head in GROUPS:
        width, factor = GROUPS[head]
        return int.from_bytes(data[place : place + width]) * factor, place + width
    if head in SIZED:
        width, more = SIZED[head]
        return TEXT, place + width + more + int.from_bytes(data[place : place + width])
    if head in FIXED_EXT:
        return TEXT, place + FIXED_EXT[head]
    return SCALAR, place + SHORT.get(head, 0)


def scan_protobuf(descriptor: Any, data: bytes, limits: Limits) -> str:
    """Count protobuf's messages, texts and unpacked numbers; packed numbers are no items.

    Args:
        descriptor: the message type's descriptor.
        data: one message, no length prefix.
        limits: the bounds.

    Returns:
        The name of the first limit that is passed, or "".
    """
    items, size, place = 0, 0, 0
    stack: list[tuple[Any, int]] = [(descriptor, len(data))]
    while stack:
        kind, end = stack[-1]
        if place >= end:
            # What runs past its end must not shift what comes after.
            place = stack.pop()[1]
            continue
        key, place = varint(data, place)
        field, wire = kind.fields_by_number.get(key >> 3), key & 7
        items += 1
        size += MESSAGE if field is not None and field.message_type else STRING
        if wire == 2:
            length, place = varint(data, place)
            if field is not None and field.message_type:
                stack.append((field.message_type, min(place + length, end)))
            else:
                # Packed numbers: one byte may become a number of its own.
                text = field is None or field.type in (field.TYPE_STRING, field.TYPE_BYTES)
                size += text_size(data, place, place + length) if text else length * NUMBER
                place += length
        else:
            # Groups, which the schema has not, are read as if their marks were not there.
            place = varint(data, place)[1] if wire == 0 else place + {1: 8, 5: 4}.get(wire, 0)
        if passed := first_passed(limits, len(stack), items, size):
            return passed
    return ""


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
