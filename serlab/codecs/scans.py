"""What a message would become, counted on its bytes: exact scans, iterative.

A scan stops at the first limit that is passed, or where it gets on too slowly: MessagePack and protobuf say how long a
text is and are passed through fast where they hold a few large things, such as pictures and vectors. Malformed bytes
end it quietly: they are the decoder's to refuse.

Source: RFC 8259; the MessagePack specification; the protobuf encoding guide.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from serlab.limits import Limits

LIST, DICT, STRING, NUMBER, MESSAGE = 88, 700, 100, 40, 700
"""Bytes that one value takes in CPython 3.11, with its place in what holds it; text comes on top of a string's.

An object is counted as a dict with one key and the widest struct that the types have inside of a message.
"""

TEXT_GROWTH = 4
"""Bytes that one byte of text becomes at most: one wide character widens a whole string."""

BYTE_GROWTH = 32
"""Bytes that one byte of text and numbers becomes at most, places in lists and maps included. The worst are maps with
keys of three characters; shorter texts and integers below 257 are objects that Python has once for all.
"""

UNFINISHED = None
"""What a scan gives that was too slow."""

FREE_STEPS = 256
"""Steps that a scan has before its pace counts."""

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

RUNS = {0xCA: np.dtype([("head", "u1"), ("value", "u4")]), 0xCB: np.dtype([("head", "u1"), ("value", "u8")])}
"""MessagePack's floats, as they stand in a row."""

SHORT_RUN = 16
"""Elements of an array from which on it is worth a look whether they are all floats."""

Scan = Callable[..., str | None]
"""(data, limits, pace) → the name of the limit that is passed, "" if there is none, or `UNFINISHED`."""


def scan_json(data: bytes, limits: Limits, pace: int = 0) -> str | None:
    """Count JSON's arrays, objects and strings; numbers are not items, but take memory.

    Args:
        data: one message, no length prefix.
        limits: the bounds.
        pace: with any it is not begun, since JSON has no lengths: every byte must be looked at.

    Returns:
        The name of the first limit that is passed, or ""; or `UNFINISHED`.
    """
    if pace:
        return UNFINISHED
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
            items, size = items + 1, size + STRING + TEXT_GROWTH * (end - start)
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


def first_passed(limits: Limits, depth: int, items: int, size: int) -> str:
    """Name the first limit that is passed, "" if none is."""
    if limits.max_depth is not None and depth > limits.max_depth:
        return "max_depth"
    if items > limits.max_items:
        return "max_items"
    return "max_materialized_bytes" if size > limits.max_materialized_bytes else ""


def scan_msgpack(data: bytes, limits: Limits, pace: int = 0) -> str | None:
    """Count MessagePack's arrays, maps, texts and bytes; see `scan_json`.

    Args:
        data: one message, no length prefix.
        limits: the bounds.
        pace: give up where a step passes fewer bytes at the average; 0 goes on to the end.

    Returns:
        The name of the first limit that is passed, or ""; or `UNFINISHED`.
    """
    place, end, items, size, left, steps = 0, len(data), 0, 0, [1], 0
    while left and place < end:
        steps += 1
        if pace and steps > FREE_STEPS + place // pace:
            return UNFINISHED
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        head = data[place]
        start = place
        values, place = msgpack_value(data, head, place + 1)
        if values >= 0:
            floats = floats_at(data, place, values) if values >= SHORT_RUN else 0
            place += floats * (SHORT[data[place]] + 1) if floats else 0
            size += floats * NUMBER
            left.append(values - floats)
        if values == SCALAR:
            size += NUMBER
            continue
        items += 1
        if values == TEXT:
            size += STRING + TEXT_GROWTH * (place - start)
        else:
            size += LIST if 0x90 <= head <= 0x9F or head in (0xDC, 0xDD) else DICT
        if passed := first_passed(limits, len(left) - 1, items, size):
            return passed
    return ""


def floats_at(data: bytes, place: int, values: int) -> int:
    """Count the floats of one width that stand in a row, as in a vector, without a look at each in Python.

    Args:
        data: the whole message.
        place: where the first value begins.
        values: how many there may be.
    """
    run = RUNS.get(data[place]) if place < len(data) else None
    if run is None:
        return 0
    most = min(values, (len(data) - place) // run.itemsize)
    heads = np.frombuffer(data, run, most, place)["head"] == data[place]
    return int(heads.argmin()) if not heads.all() else most


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


def scan_protobuf(descriptor: Any, data: bytes, limits: Limits, pace: int = 0) -> str | None:
    """Count protobuf's messages, texts and packed vectors; numbers are no items, but take memory.

    Args:
        descriptor: the message type's descriptor.
        data: one message, no length prefix.
        limits: the bounds.
        pace: give up where a step passes fewer bytes at the average; 0 goes on to the end.

    Returns:
        The name of the first limit that is passed, or ""; or `UNFINISHED`.
    """
    items = size = place = steps = 0
    stack = [(table_of(descriptor), len(data))]
    while stack:
        steps += 1
        if pace and steps > FREE_STEPS + place // pace:
            return UNFINISHED
        table, end = stack[-1]
        if place >= end:
            # What runs past its end must not shift what comes after.
            place = stack.pop()[1]
            continue
        key, place = varint(data, place)
        wire = key & 7
        if wire == 2:
            inner, growth = table.get(key >> 3, UNKNOWN)
            length, place = varint(data, place)
            items += 1
            if inner is not None:
                size += MESSAGE
                stack.append((table_of(inner), min(place + length, end)))
            else:
                size += STRING + length * growth
                place += length
        else:
            size += NUMBER
            # Groups, which the schema has not, are read as if their marks were not there.
            place = varint(data, place)[1] if wire == 0 else place + {1: 8, 5: 4}.get(wire, 0)
        if passed := first_passed(limits, len(stack), items, size):
            return passed
    return ""


UNKNOWN = (None, TEXT_GROWTH)
"""A field that the schema has not: its bytes are kept."""


@cache
def table_of(descriptor: Any) -> dict[int, tuple[Any, int]]:
    """Sort a message type's fields: number → (type of the message in it or None, what a byte in it becomes)."""
    return {field.number: (field.message_type, growth_of(field)) for field in descriptor.fields}


def growth_of(field: Any) -> int:
    """Bound what a byte of text, bytes or packed numbers becomes."""
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        return TEXT_GROWTH
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        # They become an array, by way of one of doubles.
        return 6
    return BYTE_GROWTH


def varint(data: bytes, place: int) -> tuple[int, int]:
    """Read a varint; what runs past the end reads as if zeros followed."""
    if place < len(data) and data[place] < 128:
        return data[place], place + 1
    value = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128 or shift > 63:
            break
    return value, place
