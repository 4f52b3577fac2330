"""Bytes that are described before they are made: a message of 63 MiB is a few lines, and its length known at once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Rope(NamedTuple):
    """Some bytes: how many, and what makes them."""

    length: int
    make: Callable[[], bytes]


def leaf(data: bytes) -> Rope:
    """Bytes as they are."""
    return Rope(len(data), lambda: data)


def cat(*parts: Rope) -> Rope:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    return Rope(sum(part.length for part in parts), lambda: b"".join([part.make() for part in parts]))


def rep(part: Rope, count: int) -> Rope:
    """The same bytes several times."""
    return part if count == 1 else Rope(part.length * count, lambda: part.make() * count)


class Digits(NamedTuple):
    """A column of rows that differs from row to row: the row's number, written with these digits of one width.

    Attributes:
        start: where it begins in a row.
        places: how many digits.
        digits: the bytes of each digit, all of one length.
    """

    start: int
    places: int
    digits: tuple[bytes, ...]


class Steps(NamedTuple):
    """A column that holds `first + row * step` in four bytes, little-endian."""

    start: int
    first: int
    step: int


def rows(template: Rope, count: int, columns: Sequence[Digits | Steps]) -> Rope:
    """The same bytes several times, some columns of which differ from row to row."""

    def make() -> bytes:
        table = np.tile(np.frombuffer(template.make(), np.uint8), (count, 1))
        numbers = np.arange(count, dtype=np.int64)
        for column in columns:
            if isinstance(column, Steps):
                values = (column.first + numbers * column.step).astype("<i4").view(np.uint8).reshape(count, 4)
                table[:, column.start : column.start + 4] = values
                continue
            digits = np.frombuffer(b"".join(column.digits), np.uint8).reshape(len(column.digits), -1)
            width, left = digits.shape[1], numbers
            for place in reversed(range(column.places)):
                start = column.start + place * width
                table[:, start : start + width] = digits[left % len(digits)]
                left = left // len(digits)
        return table.tobytes()

    return Rope(template.length * count, make)


def places_for(count: int, digits: int) -> int:
    """Count the places that so many different numbers need."""
    places = 1
    while digits**places < count:
        places += 1
    return places


def varint(value: int) -> bytes:
    """Write an unsigned number as protobuf does."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
