"""What JSON text inside a binary message would become, counted on its bytes before it is read.

Two counts, both at C speed: one of all marks, which also counts those inside of strings, and one of the marks that are
left when the strings are taken out. The second is exact in its items and costs five times as much, so it is made only
where the first leaves it open.

Source: RFC 8259; sizes measured in CPython 3.11 with msgspec.
"""

import re
from typing import NamedTuple

import numpy as np

LIST, DICT, STRING, NUMBER = 96, 120, 56, 48
"""Bytes that one value takes. A list that `msgspec` fills has room for four items from the first one on; an object that
is not empty takes 64 more, which its first key brings; a number is counted with its place in a list, by the comma
before it."""

WORST = 64
"""Bytes that one byte of JSON text is counted as at most. Lists in lists become 48, empty lists and objects 25."""

TEXT_GROWTH = 4
"""Bytes that one byte becomes at most as text: one wide character widens a whole string."""

LONG = 2**20
"""Text from here on is looked through for how wide its characters are, where its copies could fill the memory."""

STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""JSON's strings. One without an end reaches to the end: looking on inside would be quadratic."""


ESCAPE, SURROGATE = re.compile(rb"\\u"), re.compile(rb"\\u[dD]")
"""What stands for a character that is no ASCII, and for half of one beyond 16 bits."""

MOST_EXACT = 2**24
"""Bytes of the longest text that is counted exactly: taking strings out needs up to six times its length."""


class Weight(NamedTuple):
    """Arrays, objects and strings, and the bytes that all values take."""

    items: int
    size: int


def bound(text: bytes, widest: int = 0) -> Weight:
    """Bound what JSON text becomes, marks inside of strings included.

    Args:
        text: one JSON value in UTF-8.
        widest: bytes of the widest struct that an object in it is made into, 0 where objects stay dicts.
    """
    return weight(text, len(text), (text.count(b'"') + 1) // 2, widest)


def exact(text: bytes, widest: int = 0) -> Weight:
    """Count what JSON text becomes; see `bound`."""
    if len(text) > MOST_EXACT:
        return bound(text, widest)
    marks = STRINGS.sub(b'"', text)
    return weight(marks, len(text), marks.count(b'"'), widest)


def weight(marks: bytes, length: int, strings: int, widest: int) -> Weight:
    """Add up what brackets, commas and strings take."""
    lists, dicts = marks.count(b"["), marks.count(b"{")
    size = LIST * lists + (DICT + widest) * dicts + STRING * strings + NUMBER * (marks.count(b",") + 1)
    return Weight(lists + dicts + strings, size + TEXT_GROWTH * length)


def width(text: bytes | memoryview, escapes: bool = False) -> int:
    """Give the bytes of a character in the widest string that text can become: 1, 2 or 4.

    Args:
        text: UTF-8.
        escapes: whether it is JSON, where escapes stand for characters as well.
    """
    highest = int(np.frombuffer(text, np.uint8).max(initial=0))
    if highest >= 0xF0 or (escapes and SURROGATE.search(text)):
        return 4
    return 1 if highest < 0x80 and not (escapes and ESCAPE.search(text)) else 2
