"""What a message would become, counted on its bytes.

JSON is counted by its marks outside of strings; MessagePack is stepped through, long texts and rows of numbers in one
step each. A scan stops at the first limit that is passed. Malformed bytes are the decoder's to refuse, but what it
builds before it finds them is counted.

Source: RFC 8259; the MessagePack specification.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np

from serlab.limits import UNLIMITED, Limits

STRING, NUMBER = 64, 33
"""Bytes that one value takes in CPython 3.11, without its place in what holds it; text comes on top of a string's.

An integer below 257 takes none: Python has it once for all.
"""

OBJECT, FIRST_KEY, KEY = 64, 120, 50
"""Bytes of an empty dict, of its first key, and of each further one; a key is a string besides."""

MANY_KEYS, UNKNOWN_KEY = 1000, 360
"""A map of so many keys is no object of a message: each may be left over, with a pointer and an entry of its own.

A third of the count is memory, the rest is for the time: 400,000 keys of four letters took up to 1.9 times what they
may. A bias for each of 200,000 tokens passes, with keys of six digits and numbers of two bytes.
"""

LIST, PLACE = 160, 18
"""Bytes of an empty list and of each place in one, both twice: a typed message copies the lists of a document."""

BYTES = 160
"""What bytes take more than text: variants make arrays of them."""

LONG_HEAD = 300
"""What a head with a length of two bytes or four counts more: reading it takes 0.5 µs, too long for empty ones by the
million."""

TEXT_GROWTH = 4
"""Bytes that one byte of text becomes at most: one wide character widens a whole string."""

PIECE = 2**17
"""Bytes that are counted at a time."""

MARKS, DIGITS = b'"[]{},:', b"0123456789"
ALL = bytes(range(256))
NO_NEGATIVE = bytes(range(0xE0))
NO_MARK, NO_NUMBER = ALL.translate(None, MARKS), ALL.translate(None, MARKS + DIGITS + b"+-.eE")

FLOATS, INTEGERS = {0xCA: 5, 0xCB: 9}, {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}
WIDE = FLOATS | INTEGERS
"""MessagePack's numbers with a head: the bytes they take."""

FIXED_EXT = {0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18}
SIZED = {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0), 0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0)}
SIZED |= {0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
"""Text, bytes and extensions: (width of the length, bytes between it and the content)."""

EIGHT = {0xD9: (TEXT_GROWTH, 2), 0xC4: (1, 2), 0xC7: (1, 3)}
"""Those with a length of one byte: (what a byte of the content becomes, bytes before it)."""

GROUPS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Arrays and maps: (width of the count, values per element)."""

ROW = 16
"""Elements of an array from which on it is worth a look whether they are alike."""

SMALL = re.compile(rb"[\x00-\x7f\xc0\xc2\xc3\xe0-\xff]*")
"""A row of numbers, booleans and nulls of one byte."""

COUNTED = 16
"""Values that take memory, of which `row_of` finds so many at once."""

ROW_EVERY = 64
"""After so many bytes it is worth a look whether numbers or short texts stand in a row."""


def _short_values() -> re.Pattern[bytes]:
    """Write a pattern of numbers and short texts in a row, with numbers that take no memory around them.

    Of its groups every second one counts, and each before it says that this is a text. A match takes 0.4 µs and 0.06
    for each of these, hardly anything for the other numbers; a look in Python takes 0.1 µs for either.
    """
    free = rb"[\x00-\x7f\xc0\xc2\xc3]*+"
    numbers = rb"[\xe0-\xff]|[\xcc\xd0].|[\xcd\xd1]..|[\xca\xce\xd2].{4}|[\xcb\xcf\xd3].{8}"
    texts = b"|".join(b"\\x%x.{%d}" % (0xA0 | length, length) for length in range(32))
    pattern = b""
    for _ in range(COUNTED):
        pattern = b"(?:(?>%b|(?:%b)())()%b%b)?+" % (numbers, texts, free, pattern)
    return re.compile(free + pattern, re.DOTALL)


SHORT = _short_values()
SHORTS = frozenset({*range(0x80), *range(0xA0, 0xC1), 0xC2, 0xC3, *WIDE, *range(0xE0, 0x100)})
"""Heads of what it matches."""

JUMP = 2**62
"""A step that leaves the loop: what follows the head has to be read."""

FIELD = 2**48
"""Several counts are kept in one integer, one addition for each value: bytes, then items, then arrays."""

Scan = Callable[..., str | None]
"""(data, limits) → the name of the limit that is passed, or "" if there is none."""


class Grown(NamedTuple):
    """What the empty groups of one kind of message become.

    Attributes:
        object: bytes of an empty object: a dict, and the widest struct that its place may have.
        array: bytes of an empty array.
    """

    object: int = OBJECT
    array: int = LIST


UNTYPED = Grown()


def limit_passed(limits: Limits, length: int, items: int, size: int, depth: int = 0) -> str:
    """Name the first limit that a message of a length passes, "" if there is none."""
    if limits.max_depth is not None and depth > limits.max_depth:
        return "max_depth"
    if items > limits.max_items:
        return "max_items"
    if size > limits.max_materialized_bytes:
        return "max_materialized_bytes"
    return "max_amplification" if size > limits.allowance(length) else ""


SIZES = ("max_materialized_bytes", "max_amplification")
"""The limits of what a message becomes."""


def scan_json(data: bytes, limits: Limits, grown: Grown = UNTYPED) -> str:
    """Count JSON's arrays, objects, strings and numbers; numbers are no items.

    Args:
        data: one message, no length prefix.
        limits: the bounds.
        grown: what the kind of message becomes.

    Returns:
        The name of the first limit that is passed, or "".
    """
    passed = _count_json(data, limits, grown, NO_MARK)
    # Numbers of one and two digits take no memory, but it takes time to tell them from others.
    return _count_json(data, limits, grown, NO_NUMBER) if passed in SIZES else passed


def deeper_json(data: bytes, most: int) -> bool:
    """Return whether JSON has more levels of arrays and objects."""
    return scan_json(data, replace(UNLIMITED, max_depth=most)) != ""


def _count_json(data: bytes, limits: Limits, grown: Grown, dropped: bytes) -> str:
    """Count as `scan_json` does; `dropped` are the bytes outside of strings that are not looked at."""
    length, data = len(data), _in_utf8(data)
    items = depth = deepest = keys = maps = 0
    size = len(data) * _text_growth(data)
    for marks in _marks_outside(data, dropped):
        objects, arrays, colons = marks.count(b"{"), marks.count(b"["), marks.count(b":")
        strings, commas = (marks.count(b'"') + 1) // 2, marks.count(b",")
        empty, bare = marks.count(b"{}"), marks.count(b"[]")
        filled = objects - empty
        items += objects + arrays + strings
        keys, maps = keys + colons, maps + objects
        # A comma, and the opening of what is not empty, precede a key or an element; a colon comes behind each key.
        places = max(0, commas + filled + arrays - bare - colons)
        numbers = max(0, commas + colons + 1 - strings - empty - bare)
        if dropped is NO_NUMBER:
            numbers = max(0, numbers - _short_numbers(marks))
        size += objects * grown.object + filled * FIRST_KEY + max(0, colons - filled) * KEY
        size += arrays * grown.array + strings * STRING + places * PLACE + numbers * NUMBER
        if limits.max_depth is not None:
            levels = _levels_of(marks)
            deepest = max(deepest, depth + int(levels.max(initial=0)))
            depth += int(levels[-1]) if levels.size else 0
        # Where so many keys are unknown is not seen here: those count that maps of fewer cannot have.
        unknown = UNKNOWN_KEY * max(0, keys - MANY_KEYS * maps)
        if passed := limit_passed(limits, length, items, size + unknown, deepest):
            return passed
    return ""


def _in_utf8(data: bytes) -> bytes:
    """Return JSON in UTF-8; the standard library reads UTF-16 and UTF-32 too, which hold zeros or begin with a mark."""
    if 0 in data[:4] or data[:1] in (b"\xfe", b"\xff"):
        return data.decode(json.detect_encoding(data), "surrogatepass").encode("utf-8", "surrogatepass")
    return data


def _text_growth(data: bytes) -> int:
    """Bound what a byte of JSON becomes as text: in the value, and in the string that the standard library reads."""
    if any(lead in data for lead in range(0xF0, 0xF5)) or b"\\ud" in data or b"\\uD" in data:
        return TEXT_GROWTH + 1
    return 1 if data.isascii() and b"\\u" not in data else 3


def _marks_outside(data: bytes, dropped: bytes) -> Iterator[bytes]:
    """Yield the marks of JSON, piece by piece: quotes, and what stands outside of strings."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    inside = 0
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        if b'"' not in piece:
            if not inside:
                yield piece.translate(None, dropped)
            continue
        marks = np.frombuffer(piece.translate(None, dropped), np.uint8)
        quotes = marks == 0x22
        within = np.bitwise_xor.accumulate(quotes.view(np.uint8)) ^ inside
        inside = int(within[-1])
        yield marks[quotes | (within == 0)].tobytes()


def _short_numbers(marks: bytes) -> int:
    """Count the numbers of one and two digits among marks and numbers."""
    codes = np.frombuffer(marks, np.uint8)
    digits = (codes - 0x30) < 10
    ends = (codes == 0x2C) | (codes == 0x5B) | (codes == 0x5D) | (codes == 0x3A) | (codes == 0x7D)
    one = np.count_nonzero(ends[:-2] & digits[1:-1] & ends[2:])
    return int(one + np.count_nonzero(ends[:-3] & digits[1:-2] & digits[2:-1] & ends[3:]))


def _levels_of(marks: bytes) -> np.ndarray:
    """Return the depth after each mark, from that before the first."""
    codes = np.frombuffer(marks, np.uint8) | 32
    return np.cumsum((codes == 0x7B).astype(np.int32) - (codes == 0x7D), dtype=np.int32)


def scan_msgpack(data: bytes, limits: Limits, grown: Grown = UNTYPED) -> str:
    """Count MessagePack's arrays, maps, texts, bytes and numbers; see `scan_json`.

    Args:
        data: one message, no length prefix.
        limits: the bounds.
        grown: what the kind of message becomes.

    Returns:
        The name of the first limit that is passed, or "".
    """
    passed, _ = walk_msgpack(data, limits, grown)
    if passed or limits.max_depth is None:
        return passed
    return "max_depth" if deeper(data, limits.max_depth) else ""


def walk_msgpack(data: bytes, limits: Limits, grown: Grown = UNTYPED) -> tuple[str, int]:
    """Step through MessagePack.

    Returns:
        The first limit that is passed, or ""; and the arrays up to there that are not empty.
    """
    costs, place, end, counted = costs_of(grown), 0, len(data), 0
    while place < end:
        look = min(place + PIECE, end)
        while place < look:
            if data[place] in SHORTS:
                more, place = _short_at(data, place, look)
                counted += more
            stop = min(place + ROW_EVERY, look)
            while place < stop:
                head = data[place]
                counted += costs[head]
                place += STEPS[head]
                if place >= JUMP:
                    place -= JUMP
                    # By far the most: a text of 32 to 255 bytes. The others would take long by the million.
                    if head in EIGHT and place + 1 < end:
                        growth, before = EIGHT[head]
                        counted += growth * data[place + 1]
                        place += before + data[place + 1]
                    else:
                        place, more = _long_value(data, place, grown)
                        counted += more
        arrays, rest = divmod(counted, FIELD * FIELD)
        items, size = divmod(rest, FIELD)
        if passed := limit_passed(limits, end, items, size):
            return passed, arrays
    return "", counted // (FIELD * FIELD)


def _step_of(head: int) -> int:
    """Return the bytes of what begins with a head, up to the next one; `JUMP` where these have to be read."""
    if head in SIZED or head in GROUPS:
        return JUMP
    return 1 + (head & 31) if 0xA0 <= head <= 0xBF else (WIDE | FIXED_EXT).get(head, 1)


STEPS = tuple(map(_step_of, range(256)))


@cache
def costs_of(grown: Grown) -> tuple[int, ...]:
    """Return what each head counts; for those that `JUMP` only what is not read behind them."""
    costs = [NUMBER if head in WIDE or head >= 0xE0 else 0 for head in range(256)]
    for head in range(0x80, 0xC0):
        if head < 0x90:
            costs[head] = FIELD + _map_size(head & 15, grown)
        elif head < 0xA0:
            costs[head] = FIELD + _array_size(head & 15, grown)
        else:
            costs[head] = FIELD + STRING + (head & 31)
    for head in (*SIZED, *FIXED_EXT):
        # Bytes become arrays where lists do.
        costs[head] = FIELD + STRING + (0 if head >= 0xD9 else BYTES + grown.array - LIST)
        costs[head] += LONG_HEAD if head in SIZED and head not in EIGHT else 0
    for head in GROUPS:
        costs[head] = FIELD + LONG_HEAD
    return tuple(costs)


def _map_size(keys: int, grown: Grown) -> int:
    """Return the bytes of a map without its keys' text and its values."""
    size = grown.object + (FIRST_KEY + (keys - 1) * KEY if keys else 0)
    return size + (keys * UNKNOWN_KEY if keys >= MANY_KEYS else 0)


def _array_size(elements: int, grown: Grown) -> int:
    """Return the bytes of an array without its elements; it counts as an array unless it is empty."""
    return grown.array + elements * PLACE + (FIELD * FIELD if elements else 0)


def _long_value(data: bytes, place: int, grown: Grown) -> tuple[int, int]:
    """Step over a long text, or into an array or a map and past the numbers that it begins with.

    Returns:
        The next head's place, and what is counted beside the head's own cost.
    """
    head = data[place]
    width, factor = SIZED[head] if head in SIZED else GROUPS[head]
    start = place + 1 + width
    # What is cut off counts as far as there are bytes.
    number = int.from_bytes(data[place + 1 : start])
    if number > len(data) - start:
        number = max(0, len(data) - start)
    if head in SIZED:
        text = data[start : start + number] if 0xD9 <= head <= 0xDB else b""
        return start + factor + number, len(text) * _wideness(text) if text else number
    if factor == 2:
        return start, _map_size(number, grown)
    counted = _array_size(number, grown)
    left = number
    while left >= ROW:
        numbers, after, wide = _row_at(data, start, left)
        counted, start, left = counted + wide * NUMBER, after, left - numbers
        if numbers < ROW:
            break
    return start, counted


def _short_at(data: bytes, place: int, stop: int) -> tuple[int, int]:
    """Step over numbers and short texts that stand in a row.

    Args:
        data: one message.
        place: where the first one begins.
        stop: where to end if there are more; one that reaches beyond it is left.

    Returns:
        What they count, and the place behind them.
    """
    counted, start, texts = 0, place, 0
    while match := SHORT.match(data, place, stop):
        place, found = match.end(), (match.lastindex or 0) // 2
        counted += found
        texts += found - match.groups()[: 2 * found : 2].count(None)
        if found != COUNTED:
            break
    size = texts * (FIELD + STRING) + (place - start if texts else 0)
    return size + (counted - texts) * NUMBER, place


def _wideness(text: bytes) -> int:
    """Return the bytes that a byte of a text becomes at most."""
    if text.isascii():
        return 1
    return TEXT_GROWTH if any(lead in text for lead in range(0xF0, 0xF5)) else 2


def _row_at(data: bytes, place: int, most: int) -> tuple[int, int, int]:
    """Step over numbers of one kind that stand in a row, as in a vector, without a look at each in Python.

    Args:
        data: the whole message.
        place: where the first one would begin.
        most: how many there may be.

    Returns:
        How many there are, the place behind them, and how many of them take memory.
    """
    head = data[place] if place < len(data) else 0xC1
    most = min(most, PIECE)
    width = WIDE.get(head)
    if width is None:
        # Numbers of one byte; anything else matches nothing.
        match = SMALL.match(data, place, place + most)
        after = match.end() if match else place
        return after - place, after, len(data[place:after].translate(None, NO_NEGATIVE))
    most = min(most, (len(data) - place) // width)
    if most < ROW or data[place + width * (ROW - 1)] != head:
        return 0, place, 0
    heads = np.frombuffer(data, np.uint8, most * width, place)[::width] == head
    numbers = most if heads.all() else int(heads.argmin())
    return numbers, place + numbers * width, numbers


def deeper(data: bytes, most: int) -> bool:
    """Return whether MessagePack has more levels of arrays and maps."""
    place, end, left = 0, len(data), [1]
    while left and place < end:
        if not left[-1]:
            left.pop()
            continue
        head = data[place]
        if left[-1] >= ROW and (head in WIDE or STEPS[head] == 1):
            numbers, place, _ = _row_at(data, place, left[-1])
            left[-1] -= numbers
            if numbers >= ROW:
                continue
            if not left[-1] or place >= end:
                continue
            head = data[place]
        left[-1] -= 1
        if head in GROUPS:
            width, factor = GROUPS[head]
            values, place = int.from_bytes(data[place + 1 : place + 1 + width]) * factor, place + 1 + width
        elif 0x80 <= head < 0xA0:
            values, place = (head & 15) * (2 if head < 0x90 else 1), place + 1
        elif head in SIZED:
            width, more = SIZED[head]
            place += 1 + width + more + int.from_bytes(data[place + 1 : place + 1 + width])
            continue
        else:
            place += STEPS[head]
            continue
        left.append(values)
        if len(left) - 1 > most:
            return True
    return False
