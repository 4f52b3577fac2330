"""A small schema that every format can be given at run time, without a compiler.

A field has a name, a type and a number, and stands in a position. Which of the three finds it on the wire is what makes
formats evolve differently: names in JSON and MessagePack maps, numbers in protobuf, positions in arrays and in
FlatBuffers tables without `id` attributes.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

TYPES = ("int32", "int64", "uint32", "sint32", "float", "double", "string", "strings", "floats", "union", "enum")
"""Types of fields; a union is a text or a list of texts, and for a schema format two fields."""


class Symbol(NamedTuple):
    """A value of an enum and its number."""

    name: str
    number: int


class Field(NamedTuple):
    """A field of a schema.

    Attributes:
        name: what it is called.
        type: one of `TYPES`.
        number: what identifies it in protobuf, and in FlatBuffers with `id` attributes (one less, from 0).
        symbols: the values of an enum in the order of their declaration.
        meaning: what it stands for, if its name was changed; "" where the name says it.
    """

    name: str
    type: str
    number: int
    symbols: tuple[Symbol, ...] = ()
    meaning: str = ""

    @property
    def means(self) -> str:
        """What the field stands for, whatever it is called."""
        return self.meaning or self.name


Schema = tuple[Field, ...]
"""Fields in the order of their declaration."""

Values = dict[str, Any]
"""Field name → value; an absent field has no entry, an enum's value is its symbol's name."""


class Wire(NamedTuple):
    """A format that is given its schema at run time: (schema, values) → bytes, and (schema, bytes) → values."""

    write: Callable[[Schema, Values], bytes]
    read: Callable[[Schema, bytes], Values]


def wire(module: str, make: str, *arguments: Any) -> Callable[[], Wire]:
    """Put off importing a format's library until its wire is needed, since it may be missing.

    Args:
        module: a module of this package.
        make: its function that makes the wire.
        arguments: what the function is given.
    """
    return lambda: getattr(import_module(f"serlab.fidelity.{module}"), make)(*arguments)


LIST = "_list"


def without_unions(schema: Schema) -> Schema:
    """Give a union the two fields that a schema format has for it, the second at the end under a new number."""
    last = max(field.number for field in schema)
    unions = [field for field in schema if field.type == "union"]
    kept = [field._replace(type="string") if field.type == "union" else field for field in schema]
    added = [Field(field.name + LIST, "strings", last + i) for i, field in enumerate(unions, 1)]
    return (*kept, *added)


def split_unions(schema: Schema, values: Values) -> Values:
    """Move a union's list to its second field."""
    unions = {field.name for field in schema if field.type == "union"}
    return {
        name + LIST if name in unions and isinstance(value, list) else name: value for name, value in values.items()
    }


def join_unions(schema: Schema, values: Values) -> Values:
    """Move a union's list back."""
    unions = {field.name + LIST for field in schema if field.type == "union"}
    return {name.removesuffix(LIST) if name in unions else name: value for name, value in values.items()}


def unnamed(number: int) -> str:
    """Name an enum's value for which the reader has no symbol."""
    return f"#{number}"
