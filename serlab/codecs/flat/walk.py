"""What one pass over a buffer carries along: what is left of the limits, and the vtables seen.

An exception's text names the table, the byte and what was wrong there.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

from serlab.errors import DecodeError
from serlab.limits import Limits

u32 = Struct("<I").unpack_from
i32 = Struct("<i").unpack_from
two_u16 = Struct("<HH").unpack_from

NEW_VTABLE_ITEMS = 16
"""A vtable that was never seen counts as so many items: checking it takes about as long as reading them."""

MAX_DEPTH = 64
"""Levels of tables where no limit is given: the default of FlatBuffers' own verifier."""

FREE_ITEMS = 4096
"""Items that any buffer may have, however short."""

Read = Callable[[Any, int, "Walk"], Any]
"""(buffer, position of a table, walk) → its content."""


class Walk:
    """The state of one pass.

    Args:
        buffer: the whole message.
        limits: the bounds of this pass.

    Attributes:
        end: its length.
        depth: levels left.
        items: tables and list elements left, of those allowed.
        allowed: what `items` started from.
        size: bytes left that the message may take.
        readers: (position of a vtable × number of tables + number of the table) → reader.
    """

    __slots__ = ("allowed", "buffer", "depth", "end", "items", "limits", "readers", "size")

    def __init__(self, buffer: Any, limits: Limits) -> None:
        self.buffer, self.limits = buffer, limits
        self.end = len(buffer)
        self.depth = levels(limits)
        # Each item is pointed at by 4 bytes of its own, unless what holds it is itself pointed at several times. So
        # the length bounds the items, and offsets that share whole trees to make a small buffer vast are noticed soon.
        self.items = self.allowed = min(limits.max_items, self.end // 4 + FREE_ITEMS)
        self.size = limits.max_materialized_bytes
        self.readers: dict[int, Read] = {}

    def vtable_at(self, place: int, table: str) -> bytes:
        """Copy a vtable out of the buffer.

        Args:
            place: where it should be.
            table: the table that it belongs to, for the error.

        Raises:
            DecodeError: there cannot be one.
        """
        if place < 0 or place & 1 or place + 4 > self.end:
            raise bad(table, place, f"expected a vtable at an even place before byte {self.end}")
        length, size = two_u16(self.buffer, place)
        if length < 4 or length & 1 or place + length > self.end or size < 4:
            raise bad(table, place, f"expected a vtable, got one of {length} bytes for a table of {size}")
        self.items -= 1
        return bytes(self.buffer[place : place + length])

    def check(self) -> None:
        """Refuse to go on when a limit is used up."""
        if self.items < 0:
            raise wrong(f"limit max_items: expected at most {self.allowed:,} in {self.end:,} bytes, got more")
        if self.depth < 0:
            raise wrong(f"limit max_depth: expected at most {levels(self.limits):,}, got more")
        if self.size < 0:
            most = self.limits.max_materialized_bytes
            raise wrong(f"limit max_materialized_bytes: expected at most {most:,}, got more")


def levels(limits: Limits) -> int:
    """Give the levels of tables that are read."""
    return MAX_DEPTH if limits.max_depth is None else limits.max_depth


def bad(table: str, place: int, what: str) -> DecodeError:
    """Make the error that names a table and a place."""
    return wrong(f"{table} at byte {place}: {what}")


def wrong(what: str) -> DecodeError:
    """Make an error that names the format."""
    return DecodeError(f"flatbuffers: {what}")


def bad_offset(table: str, field: str, place: int) -> DecodeError:
    """Make the error for an offset that leads nowhere legal."""
    return bad(table, place, f"{field}: expected an offset to a multiple of 4 inside the buffer")


def bad_end(table: str, field: str, place: int, end: int) -> DecodeError:
    """Make the error for text or a vector that does not end where it should."""
    return bad(table, place, f"{field}: expected its end, and after text a zero, at byte {end}")
