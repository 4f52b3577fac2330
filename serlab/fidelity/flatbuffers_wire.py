"""FlatBuffers with a schema made at run time: the official Builder and Table, used as the generated code uses them.

A field's slot is its position, or, with `id` attributes, its number; an enum without explicit values numbers its
symbols by position. Scalars are optional (`= null`).

Source: the FlatBuffers internals page, "Schema evolution"; the Python code that flatc generates.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

from serlab.fidelity.evolution import Field, Schema, Values, Wire, join_unions, split_unions, unnamed, without_unions

NUMBERS = {
    "int32": ("Int32", number_types.Int32Flags),
    "sint32": ("Int32", number_types.Int32Flags),
    "uint32": ("Uint32", number_types.Uint32Flags),
    "int64": ("Int64", number_types.Int64Flags),
    "float": ("Float32", number_types.Float32Flags),
    "double": ("Float64", number_types.Float64Flags),
    "enum": ("Int8", number_types.Int8Flags),
}
"""Scalar type → the Builder's name for it and its flags."""


def make(ids: bool = False) -> Wire:
    """Return the writer and the reader.

    Args:
        ids: whether the schema has `id` attributes.
    """
    return Wire(partial(_write, ids), partial(_read, ids))


def _slots(ids: bool, schema: Schema) -> list[tuple[int, Field]]:
    """Return each field's slot in the vtable."""
    return [(field.number - 1 if ids else i, field) for i, field in enumerate(without_unions(schema))]


def _write(ids: bool, schema: Schema, values: Values) -> bytes:
    """Write a table."""
    builder, placed = flatbuffers.Builder(64), _slots(ids, schema)
    given = split_unions(schema, values)
    contents = [
        (slot, field, _content(builder, field, given[field.name])) for slot, field in placed if field.name in given
    ]
    builder.StartObject(1 + max(slot for slot, _ in placed))
    for slot, field, value in contents:
        if field.type in NUMBERS:
            getattr(builder, f"Prepend{NUMBERS[field.type][0]}Slot")(slot, value, None)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def _content(builder: Any, field: Field, value: Any) -> Any:
    """Return the number that stands in the table, or write what its slot points to."""
    if field.type == "string":
        return builder.CreateString(value)
    if field.type == "floats":
        builder.StartVector(4, len(value), 4)
        for number in reversed(value):
            builder.PrependFloat32(number)
        return builder.EndVector()
    if field.type == "strings":
        offsets = [builder.CreateString(item) for item in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    return [symbol.name for symbol in field.symbols].index(value) if field.type == "enum" else value


def _read(ids: bool, schema: Schema, data: bytes) -> Values:
    """Read a table as generated accessors do: a slot that is 0 or not there is an absent field."""
    table = Table(data, int.from_bytes(data[:4], "little"))
    values: Values = {}
    for slot, field in _slots(ids, schema):
        offset = table.Offset(4 + 2 * slot)
        if offset:
            values[field.name] = READERS.get(field.type, _read_number)(table, table.Pos + offset, field)
    return join_unions(schema, values)


def _read_number(table: Any, place: int, field: Field) -> Any:
    """Read a scalar."""
    value = table.Get(NUMBERS[field.type][1], place)
    if field.type != "enum":
        return value
    return field.symbols[value].name if 0 <= value < len(field.symbols) else unnamed(value)


def _read_string(table: Any, place: int, field: Field) -> str:
    """Read a text."""
    text: bytes = table.String(place)
    return text.decode()


def _read_strings(table: Any, place: int, field: Field) -> list[str]:
    """Read a vector of texts."""
    slot = place - table.Pos
    start = table.Vector(slot)
    return [table.String(start + 4 * i).decode() for i in range(table.VectorLen(slot))]


def _read_floats(table: Any, place: int, field: Field) -> list[float]:
    """Read a vector of float32."""
    values: list[float] = table.GetVectorAsNumpy(number_types.Float32Flags, place - table.Pos).tolist()
    return values


READERS: dict[str, Callable[[Any, int, Field], Any]] = {
    "string": _read_string,
    "strings": _read_strings,
    "floats": _read_floats,
}
