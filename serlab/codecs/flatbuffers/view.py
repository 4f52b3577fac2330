"""Lazy views over FlatBuffers bytes.

A view has the message's attribute names and reads a field whenever it is touched: scalars, text and tables are made
then; vectors of numbers (embeddings, token ids, a token's bytes) are read-only numpy arrays over the same bytes.
`UNSET` and `None` are those of the message. Lists have a length, take negative indexes and slices, and compare and
print like the message's; what is equal to the message is equal to its view.

Ownership: a view, its lists and its arrays keep the buffer alive. While one of them lives, a bytearray under it cannot
change its length and an mmap cannot be closed (BufferError). Bytes that are changed in place show through: what was
verified then no longer holds, and a field reads as whatever its bytes say or raises DecodeError, but nothing outside
the buffer is read. `materialize()` gives a message that needs the bytes no more.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from serlab.codecs import jsontext, schema
from serlab.codecs.base import reason
from serlab.codecs.flatbuffers.layout import SIZES, Slot
from serlab.codecs.flatbuffers.read import OTHER, readers
from serlab.codecs.flatbuffers.tables import (
    TableInfo,
    Walk,
    bad,
    bad_end,
    i32,
    null_fields,
    places_in,
    tables,
    two_u16,
    u32,
)
from serlab.codecs.flatbuffers.values import array_over
from serlab.codecs.schema import mixed
from serlab.errors import DecodeError
from serlab.limits import UNLIMITED
from serlab.messages import NO_EXTRA, UNSET, Part, equal_vectors

# Where a view finds its fields: attribute → place in the table and what reads it there, for each vtable.
#
# Shapes are kept by (table, vtable bytes), since types share vtables.

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
                self[name] = self.places[slot.name], _fitting_reader(slot, info, kinds)

    def absent(self, buffer: Any, place: int, name: str) -> Any:
        """Return what a field is that has no value: None where the table lists it as null, else UNSET."""
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
        # A long one is not copied for each access: it may be that of a stranger.
        vtable = bytes(buffer[start : start + min(two_u16(buffer, start)[0], info.longest)])
        shape = known.get(vtable)
        if shape is not None and place + two_u16(vtable)[1] <= len(buffer):
            return shape
    vtable = Walk(buffer, UNLIMITED).vtable_at(start, info.name)[: info.longest]
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


def _read_json(loads: Callable[[str | bytes], Any], buffer: Any, slot: int) -> Any:
    """Read a value that travels as JSON text."""
    return loads(read_text(buffer, slot))


def _read_extra(buffer: Any, slot: int) -> dict[str, Any]:
    """Read the unknown fields, all at once: entry by entry as views they would take five times as long."""
    read = readers("copy").functions["list_Extra"]
    return dict(read(buffer, slot + u32(buffer, slot)[0], Walk(buffer, UNLIMITED)))


def _fitting_reader(slot: Slot, info: TableInfo, kinds: Kinds) -> Read:
    """Choose what reads a slot, and refuses what its field does not take."""
    read, fit = _reader_of(slot, info, kinds), info.fits.get(slot.name)
    return read if fit is None else lambda buffer, place: fit(read(buffer, place))


def _reader_of(slot: Slot, info: TableInfo, kinds: Kinds) -> Read:
    """Choose what reads a slot."""
    if slot.kind == "scalar":
        unpack_from = Struct(f"<{slot.format}").unpack_from
        return lambda buffer, place: unpack_from(buffer, place)[0]
    if slot.kind == "numbers":
        return partial(_read_numbers, slot.element)
    if slot.kind == "table":
        return _table_reader(slot.target, kinds)
    if slot.kind in ("tables", "strs"):
        item = read_text if slot.kind == "strs" else _table_reader(slot.target, kinds)
        return lambda buffer, place: kinds.list_view(buffer, place + u32(buffer, place)[0], item)
    if slot.kind == "extra":
        return _read_extra
    return partial(_read_json, info.mixed.get(slot.name, jsontext.loads)) if slot.kind == "json" else read_text


def _read_numbers(format_: str, buffer: Any, slot: int) -> Any:
    """Lay an array over a vector of numbers."""
    return array_over(buffer, *vector_at(buffer, slot, SIZES[format_]), format_)


@cache
def _table_reader(table: str, kinds: Kinds) -> Read:
    """Return what reads a table through its offset: a view, or what a box holds."""
    if tables()[table].type is None:
        return partial(_read_box, table, kinds)

    def read(buffer: Any, place: int) -> Any:
        return kinds.view_class(table)(buffer, place + u32(buffer, place)[0])

    return read


def _read_box(table: str, kinds: Kinds, buffer: Any, slot: int) -> Any:
    """Read what a Prompt, Vector or TokenIds holds."""
    place = slot + u32(buffer, slot)[0]
    shape = shape_at(tables()[table], buffer, place, kinds)
    values = {name: read(buffer, place + distance) for name, (distance, read) in shape.items()}
    if "integral" in values:
        return mixed(values["float64s"], values["integral"])
    return next(iter(values.values()))


VECTORS = set(schema.ARRAYS.values())
"""The dtypes that the message itself has as arrays; it has token ids and bytes as lists."""

DAMAGE = (*OTHER, RecursionError, MemoryError)


class View:
    """A lazy reader with the attribute names of one message type or struct.

    Args:
        buffer: bytes or a read-only memoryview.
        place: where the table is.

    Raises:
        DecodeError: there is no such table.
    """

    __slots__ = ("_buffer", "_place", "_shape")
    _info: TableInfo

    def __init__(self, buffer: Any, place: int) -> None:
        self._buffer, self._place = buffer, place
        self._shape: Shape = shape_at(self._info, buffer, place, KINDS)

    def __getattr__(self, name: str) -> Any:
        """Refuse a name that the message type does not have; fields are properties."""
        raise AttributeError(f"{self._info.name} has no field {name!r}")

    def __repr__(self) -> str:
        try:
            return repr(self.materialize())
        except DecodeError as error:
            return f"<damaged view of {self._info.name}: {error}>"

    def __eq__(self, other: object) -> bool:
        """Compare with a view or a message."""
        if not isinstance(other, View | Part):
            return NotImplemented
        return bool(self.materialize() == _materialized(other))

    __hash__ = None  # type: ignore[assignment]

    def materialize(self) -> Any:
        """Read every field into a message of its own, which needs the bytes no more.

        Raises:
            DecodeError: a field cannot be read; after verification only JSON text that is none.
        """
        read = readers("copy").functions[f"read_{self._info.name}"]
        return _guarded(lambda: read(self._buffer, self._place, Walk(self._buffer, UNLIMITED)), self)


def _guarded(read: Callable[[], Any], view: View) -> Any:
    """Turn what damaged bytes raise into a DecodeError."""
    try:
        return read()
    except DecodeError:
        raise
    except DAMAGE as error:
        raise bad(view._info.name, view._place, reason(error)) from error


class ViewList(Sequence[Any]):
    """A lazy list: each item is read when it is touched; a slice is a list of items.

    Args:
        buffer: bytes or a read-only memoryview.
        place: where the vector is.
        read: (buffer, position of an item's offset) → item.

    Raises:
        DecodeError: the vector is longer than the buffer.
    """

    __slots__ = ("_buffer", "_length", "_read", "_start")

    def __init__(self, buffer: Any, place: int, read: Callable[[Any, int], Any]) -> None:
        (length,) = u32(buffer, place)
        if place + 4 + 4 * length > len(buffer):
            raise bad("a list", place, f"expected its {length} items before byte {len(buffer)}")
        self._buffer, self._start, self._length, self._read = buffer, place + 4, length, read

    def __len__(self) -> int:
        return int(self._length)

    def __getitem__(self, index: Any) -> Any:
        """Read one item, or those of a slice.

        Raises:
            IndexError: there is no such item.
            DecodeError: it cannot be read.
        """
        if isinstance(index, slice):
            return [self._item(i) for i in range(*index.indices(self._length))]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(f"index {index} of a list of {self._length}")
        return self._item(position)

    def _item(self, position: int) -> Any:
        try:
            return self._read(self._buffer, self._start + 4 * position)
        except DecodeError:
            raise
        except DAMAGE as error:
            raise bad("a list", self._start + 4 * position, reason(error)) from error

    def __iter__(self) -> Iterator[Any]:
        return map(self._item, range(self._length))

    def __eq__(self, other: object) -> bool:
        """Compare with a list or another view of one, item by item."""
        if not isinstance(other, ViewList | list):
            return NotImplemented
        return len(self) == len(other) and equal_vectors(_materialized(self), _materialized(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        try:
            return repr(_materialized(self))
        except DecodeError as error:
            return f"<damaged view of a list of {self._length}: {error}>"


def _materialized(value: Any) -> Any:
    """Copy what a view gave out of the bytes; token ids and bytes become the message's plain lists."""
    if isinstance(value, View):
        return value.materialize()
    if isinstance(value, ViewList | list):
        return [_materialized(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.copy() if value.dtype in VECTORS else value.tolist()
    return value


def view_type(value: Any) -> Any:
    """Return the type of the struct that a view is of, or that of any other value."""
    return value._info.type if isinstance(value, View) else type(value)


@cache
def view_class(table: str) -> type[View]:
    """Make the view class of a table: a property for each attribute."""
    info = tables()[table]
    names = [*info.fields, *(["extra"] if any(slot.kind == "extra" for slot in info.slots) else [])]
    body: dict[str, Any] = {"__slots__": (), "_info": info, "__doc__": f"A lazy {table}."}
    return type(f"{table}View", (View,), body | {name: _field_property(name) for name in names})


def _field_property(name: str) -> property:
    """Make the property that reads one field."""

    def read(view: View) -> Any:
        found = view._shape.get(name)
        try:
            if found is None:
                return view._shape.absent(view._buffer, view._place, name)
            return found[1](view._buffer, view._place + found[0])
        except DAMAGE as error:
            raise bad(f"{view._info.name}.{name}", view._place, reason(error)) from error

    return property(read, doc="Its value, None where it is null, UNSET where it is absent.")


KINDS = Kinds(view_class, ViewList)
