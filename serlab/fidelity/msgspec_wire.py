"""JSON and MessagePack with a reader's type made at run time by msgspec.

A writer that knows no types (json, orjson, msgpack) writes a dict; msgspec writes its own struct. The reader's type is
strict and ignores fields that it does not know, msgspec's default; `array_like` drops the names.

Source: msgspec's documentation, "Schema evolution" and "array_like".
"""

from collections.abc import Callable
from enum import Enum
from functools import cache, partial
from importlib import import_module
from typing import Annotated, Any, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType

from serlab.codecs import codec_info
from serlab.fidelity.evolution import Field, Schema, Values, Wire

HINTS: dict[str, Any] = {
    "int32": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "sint32": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "uint32": Annotated[int, Meta(ge=0, le=2**32 - 1)],
    "int64": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    "float": float,
    "double": float,
    "string": str,
    "strings": list[str],
    "union": str | list[str],
}


def make_plain(codec: str) -> Wire:
    """Return a library that knows no types, and a reader that converts to its type.

    Args:
        codec: whose library it is.
    """
    write, read = codec_info(codec).plain_functions()
    return Wire(lambda schema, values: write(values), partial(_convert, read))


def _convert(read: Callable[[bytes], Any], schema: Schema, data: bytes) -> Values:
    """Read plain values and convert them to the reader's type."""
    return _values_of(schema, msgspec.convert(read(data), _struct_of(schema, False)))


def make_typed(codec: str, array_like: bool = False) -> Wire:
    """Return msgspec with types on both sides.

    Args:
        codec: which of its codecs.
        array_like: whether structs are arrays of their values, without names.
    """
    module: Any = import_module(codec_info(codec).library)

    def write(schema: Schema, values: Values) -> bytes:
        named = msgspec.convert(values, _struct_of(schema, False))
        message = _struct_of(schema, array_like)(**{name: getattr(named, name) for name in values})
        data: bytes = module.encode(message)
        return data

    def read(schema: Schema, data: bytes) -> Values:
        return _values_of(schema, module.decode(data, type=_struct_of(schema, array_like)))

    return Wire(write, read)


def _values_of(schema: Schema, message: Any) -> Values:
    """Read the fields of a struct, an enum's value as its name."""
    found = {field.name: getattr(message, field.name) for field in schema}
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in found.items() if value is not UNSET
    }


@cache
def _struct_of(schema: Schema, array_like: bool) -> Any:
    """Make the struct of a schema; every field may be absent."""
    fields = [(field.name, Union[_hint_of(field), UnsetType], UNSET) for field in schema]
    return msgspec.defstruct("Evolving", fields, kw_only=True, array_like=array_like)


def _hint_of(field: Field) -> Any:
    """Return a field's Python type."""
    if field.type == "enum":
        return Enum(field.name.title(), {symbol.name: symbol.name for symbol in field.symbols})
    return HINTS[field.type]
