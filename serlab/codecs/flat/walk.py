"""What one pass over a buffer carries along: what is left of the limits, and the vtables seen.

An exception's text names the table, the byte and what was wrong there.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

from serlab.codecs import jsonweight
from serlab.errors import DecodeError
from serlab.limits import FLAT, MIB, Limits

u32 = Struct("<I").unpack_from
i32 = Struct("<i").unpack_from
two_u16 = Struct("<HH").unpack_from

NEW_VTABLE_ITEMS = 16
"""A vtable that was never seen counts as so many items: checking it takes about as long as reading them."""

NEW_VTABLE = 11_000
"""Bytes that it counts: what is kept of it while the message is read takes 3,000, and making it 30 µs."""

MAX_DEPTH = 64
"""Levels of tables where no limit is given: the default of FlatBuffers' own verifier."""

FREE_ITEMS = 4096
"""Items that any buffer may have, however short."""

LARGE = 24 * MIB
"""Buffers from here on are read without copies of their parts, and long JSON texts in them by what they copy."""

JSON_COPIES = {1: 2, 2: 4, 4: 6}
"""Bytes of a character in the widest string → what a byte of one long JSON text becomes while it is read."""

Weigh = Callable[[bytes], jsonweight.Weight]

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
        texts: where JSON texts begin that are taken off `size` by their length, for the worst that they may become.
        counted: those of them that were counted since.
        compiled: slots of the readers that were compiled for this message.
        readers: (position of a vtable × number of tables + number of the table) → reader.
    """

    __slots__ = (
        "allowed",
        "buffer",
        "compiled",
        "counted",
        "depth",
        "end",
        "items",
        "limits",
        "readers",
        "size",
        "texts",
    )

    def __init__(self, buffer: Any, limits: Limits) -> None:
        self.buffer, self.limits = buffer, limits
        self.end = len(buffer)
        self.depth = levels(limits)
        # Each item is pointed at by 4 bytes of its own, unless what holds it is itself pointed at several times. So
        # the length bounds the items, and offsets that share whole trees to make a small buffer vast are noticed soon.
        self.items = self.allowed = min(limits.max_items, self.end // 4 + FREE_ITEMS)
        # `limits.allowance`, in place: the call would cost 1 % of a short message.
        size, most = limits.max_amplification * self.end + FLAT, limits.max_materialized_bytes
        self.size = size if size < most else most
        self.texts: list[int] = []
        self.compiled = 0
        self.counted: Counted | None = None
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
            self.settle()

    def settle(self) -> None:
        """Count the JSON texts that were taken for the worst, and refuse to go on if that does not give enough back."""
        limits = self.limits
        if self.counted is None:
            self.counted = Counted()
        counted = self.counted
        counted.rough += [self.recount(counted, jsonweight.bound, place, None, 0) for place in self.texts]
        self.texts = []
        if self.size < 0 or counted.items > limits.max_items:
            for text in counted.rough:
                self.recount(counted, jsonweight.exact, *text)
            counted.rough = []
        if counted.items > limits.max_items:
            raise wrong(f"limit max_items: expected at most {limits.max_items:,}, got more in its JSON texts")
        if self.size < 0:
            raise wrong(self.too_large())

    def recount(
        self, counted: "Counted", weigh: Weigh, place: int, taken: int | None, items: int
    ) -> tuple[int, int, int]:
        """Take off `size` what a JSON text becomes, and give back what was taken.

        Args:
            counted: where its items are counted.
            weigh: counts it.
            place: where it begins.
            taken: bytes that were taken off for it; None for what its length says.
            items: its items, as far as they were counted.

        Returns:
            The last three arguments of the next count.
        """
        (length,) = u32(self.buffer, place - 4)
        text = bytes(self.buffer[place : place + length])
        found, worst = weigh(text), jsonweight.WORST * length
        size = min(found.size, worst)
        if length > jsonweight.LONG and self.end > LARGE:
            size += (JSON_COPIES[jsonweight.width(text, escapes=True)] - jsonweight.TEXT_GROWTH) * length
        self.size += (worst if taken is None else taken) - size
        counted.items += found.items - items
        return place, size, found.items

    def too_large(self) -> str:
        """Name the limit that `size` came from."""
        limits, granted = self.limits, self.limits.allowance(self.end)
        if granted == limits.max_materialized_bytes:
            return f"limit max_materialized_bytes: expected at most {granted:,}, got more"
        most = f"{limits.max_amplification} bytes a byte, {granted:,} for {self.end:,}"
        return f"limit max_amplification: expected at most {most}, got more"


class Counted:
    """The JSON texts of a message that were counted.

    Attributes:
        items: arrays, objects and strings in them.
        rough: of each that was counted with the marks inside of its strings, what `Walk.recount` gave.
    """

    __slots__ = ("items", "rough")

    def __init__(self) -> None:
        self.items = 0
        self.rough: list[tuple[int, int, int]] = []


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
