"""Where a view finds its fields: attribute → place in the table and what reads it there, for each vtable.

Shapes are kept by (table, vtable bytes), since types share vtables.
"""

from collections.abc import Callable
from functools import cache, partial
from struct import Struct
from typing import Any, NamedTuple

from serlab.codecs import jsontext
from serlab.codecs.flat.layout import SIZES, Slot
from serlab.codecs.flat.readers import readers
from serlab.codecs.flat.tables import TableInfo, null_fields, places_in, tables
from serlab.codecs.flat.values import array_over, mixed
from serlab.codecs.flat.walk import Walk, bad_end, i32, two_u16, u32
from serlab.limits import UNLIMITED
from serlab.messages import UNSET
from serlab.messages.base import NO_EXTRA

Read = Callable[[Any, int], Any]
"""(buffer, position of the slot) → value."""

MAX_SHAPES = 256
"""Shapes kept for a table; beyond them the cache starts anew."""


class Kinds(NamedTuple):
    """What the views of tables and of lists are made by."""

    view_class: Callable[[str], Callable[[Any, int], Any]]
    list_view: Callable[[Any, int, Read], Any]


class Shape(dict[str, tuple[int, Read]]):
    """The filled fields of a table with a given vtable: attribute → (distance from the table's start, reader)."""

    def __init__(self, info: TableInfo, vtable: bytes, kinds: Kinds) -> None:
        super().__init__()
        self.info = info
        self.places = places_in(info, vtable)
        for slot in info.slots:
            if slot.name in self.places and slot.kind != "nulls":
                name = slot.attribute if info.type is not None else slot.name
                self[name] = self.places[slot.name], fitting_reader(slot, info, kinds)

    def absent(self, buffer: Any, place: int, name: str) -> Any:
        """Tell what a field is that has no value: None where the table lists it as null, else UNSET."""
        if name == "extra":
            return NO_EXTRA
        if "nulls" not in self.places:
            return UNSET
        start, count = vector_at(buffer, place + self.places["nulls"], 2)
        return null_fields(self.info, self.places, bytes(buffer[start : start + 2 * count])).get(name, UNSET)


SHAPES: dict[str, dict[bytes, Shape]] = {}


def shape_at(info: TableInfo, buffer: Any, place: int, kinds: Kinds) -> Shape:
    """Find the shape of the table at a place.

    Raises:
        DecodeError: there is no such table.
    """
    if place + 4 > len(buffer):
        raise bad_end(info.name, "a table", place, place + 4)
    start = place - i32(buffer, place)[0]
    known = SHAPES.setdefault(info.name, {})
    if 0 <= start <= len(buffer) - 4:
        vtable = bytes(buffer[start : start + two_u16(buffer, start)[0]])
        shape = known.get(vtable)
        if shape is not None and place + two_u16(vtable)[1] <= len(buffer):
            return shape
    vtable = Walk(buffer, UNLIMITED).vtable_at(start, info.name)
    if place + two_u16(vtable)[1] > len(buffer):
        raise bad_end(info.name, "a table", place, place + two_u16(vtable)[1])
    if len(known) >= MAX_SHAPES:
        known.clear()
    known[vtable] = shape = Shape(info, vtable, kinds)
    return shape


def vector_at(buffer: Any, slot: int, width: int) -> tuple[int, int]:
    """Find a vector or a string through its slot.

    Args:
        buffer: the bytes.
        slot: where its offset is.
        width: bytes of an element.

    Returns:
        Where its first element is and how many there are.

    Raises:
        DecodeError: it ends outside the buffer.
    """
    place = slot + u32(buffer, slot)[0]
    (count,) = u32(buffer, place)
    if place + 4 + width * count > len(buffer):
        raise bad_end("a vector", "its content", place, place + 4 + width * count)
    return place + 4, count


def read_text(buffer: Any, slot: int) -> str:
    """Read a string."""
    start, length = vector_at(buffer, slot, 1)
    return str(buffer[start : start + length], "utf-8")


def read_json(loads: Callable[[str | bytes], Any], buffer: Any, slot: int) -> Any:
    """Read a value that travels as JSON text."""
    return loads(read_text(buffer, slot))


def read_extra(buffer: Any, slot: int) -> dict[str, Any]:
    """Read the unknown fields, all at once: entry by entry as views they would take five times as long."""
    read = readers("copy").functions["list_Extra"]
    return dict(read(buffer, slot + u32(buffer, slot)[0], Walk(buffer, UNLIMITED)))


def fitting_reader(slot: Slot, info: TableInfo, kinds: Kinds) -> Read:
    """Choose what reads a slot, and refuses what its field does not take."""
    read, fit = reader_of(slot, info, kinds), info.fits.get(slot.name)
    return read if fit is None else lambda buffer, place: fit(read(buffer, place))


def reader_of(slot: Slot, info: TableInfo, kinds: Kinds) -> Read:
    """Choose what reads a slot."""
    if slot.kind == "scalar":
        unpack_from = Struct(f"<{slot.format}").unpack_from
        return lambda buffer, place: unpack_from(buffer, place)[0]
    if slot.kind == "numbers":
        return partial(read_numbers, slot.element)
    if slot.kind == "table":
        return table_reader(slot.target, kinds)
    if slot.kind in ("tables", "strs"):
        item = read_text if slot.kind == "strs" else table_reader(slot.target, kinds)
        return lambda buffer, place: kinds.list_view(buffer, place + u32(buffer, place)[0], item)
    if slot.kind == "extra":
        return read_extra
    return partial(read_json, info.mixed.get(slot.name, jsontext.loads)) if slot.kind == "json" else read_text


def read_numbers(format_: str, buffer: Any, slot: int) -> Any:
    """Lay an array over a vector of numbers."""
    return array_over(buffer, *vector_at(buffer, slot, SIZES[format_]), format_)


@cache
def table_reader(table: str, kinds: Kinds) -> Read:
    """Give what reads a table through its offset: a view, or what a box holds."""
    if tables()[table].type is None:
        return partial(read_box, table, kinds)

    def read(buffer: Any, place: int) -> Any:
        return kinds.view_class(table)(buffer, place + u32(buffer, place)[0])

    return read


def read_box(table: str, kinds: Kinds, buffer: Any, slot: int) -> Any:
    """Read what a Prompt, Vector or TokenIds holds."""
    place = slot + u32(buffer, slot)[0]
    shape = shape_at(tables()[table], buffer, place, kinds)
    values = {name: read(buffer, place + distance) for name, (distance, read) in shape.items()}
    if "integral" in values:
        return mixed(values["float64s"], values["integral"])
    return next(iter(values.values()))
