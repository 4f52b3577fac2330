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
from functools import cache
from typing import Any

import numpy as np

from serlab.codecs import boxes
from serlab.codecs.base import reason
from serlab.codecs.flat.readers import OTHER, readers
from serlab.codecs.flat.tables import TableInfo, tables
from serlab.codecs.flat.viewshapes import Kinds, Shape, shape_at
from serlab.codecs.flat.walk import Walk, bad, u32
from serlab.errors import DecodeError
from serlab.limits import UNLIMITED
from serlab.messages.base import Part
from serlab.messages.embeddings import equal_vectors

VECTORS = set(boxes.ARRAYS.values())
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
        return bool(self.materialize() == materialized(other))

    __hash__ = None  # type: ignore[assignment]

    def materialize(self) -> Any:
        """Read every field into a message of its own, which needs the bytes no more.

        Raises:
            DecodeError: a field cannot be read; after verification only JSON text that is none.
        """
        read = readers("copy").functions[f"read_{self._info.name}"]
        return guarded(lambda: read(self._buffer, self._place, Walk(self._buffer, UNLIMITED)), self)


def guarded(read: Callable[[], Any], view: View) -> Any:
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
        return len(self) == len(other) and equal_vectors(materialized(self), materialized(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        try:
            return repr(materialized(self))
        except DecodeError as error:
            return f"<damaged view of a list of {self._length}: {error}>"


def materialized(value: Any) -> Any:
    """Copy what a view gave out of the bytes; token ids and bytes become the message's plain lists."""
    if isinstance(value, View):
        return value.materialize()
    if isinstance(value, ViewList | list):
        return [materialized(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.copy() if value.dtype in VECTORS else value.tolist()
    return value


def view_type(value: Any) -> Any:
    """Give the type of the struct that a view is of, or that of any other value."""
    return value._info.type if isinstance(value, View) else type(value)


@cache
def view_class(table: str) -> type[View]:
    """Make the view class of a table: a property for each attribute."""
    info = tables()[table]
    names = [*info.fields, *(["extra"] if any(slot.kind == "extra" for slot in info.slots) else [])]
    body: dict[str, Any] = {"__slots__": (), "_info": info, "__doc__": f"A lazy {table}."}
    return type(f"{table}View", (View,), body | {name: field_property(name) for name in names})


def field_property(name: str) -> property:
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
