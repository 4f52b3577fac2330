"""Each table's slots: where the schema puts what the plan of a message type names.

The ids and types come from the binary schema, through `serlab.generated.llm_layout`; the plan says which attribute of
which type a slot belongs to. Writer, readers, verifier and views are all made from these rows.

Source: the FlatBuffers internals page.
"""

import linecache
from collections.abc import Callable
from functools import cache
from struct import Struct, pack
from typing import Any, NamedTuple

from serlab.codecs.schema import plan_of
from serlab.generated.llm_layout import LAYOUT
from serlab.messages import Message, Part

FORMATS = {
    "bool": "?",
    "byte": "b",
    "ubyte": "B",
    "short": "h",
    "ushort": "H",
    "int": "i",
    "uint": "I",
    "long": "q",
    "ulong": "Q",
    "float": "f",
    "double": "d",
}
"""Scalar type → its `struct` format; everything else in a slot is an offset, format `I`."""

SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}

OFFSETS = {"str", "json", "strs", "numbers", "table", "tables", "extra", "nulls"}
"""What a slot only points to."""

BOXES = ("Extra", "Prompt", "TokenIds", "Vector")
"""The tables that have no message type of their own."""

TABLE_KINDS = {"prompt": "Prompt", "vector": "Vector", "vectors": "Vector"}


class Slot(NamedTuple):
    """One slot of a table.

    Attributes:
        name: the schema field.
        id: its place in the vtable, from 0.
        format: the `struct` format of what stands in the table itself.
        kind: scalar, str, json, strs, numbers (a vector of scalars), table, tables, extra or nulls.
        attribute: the message's attribute.
        target: the table that it points to, "" if none.
        element: the `struct` format of a vector's numbers, "" if none.
    """

    name: str
    id: int
    format: str
    kind: str
    attribute: str
    target: str
    element: str

    @property
    def size(self) -> int:
        """Bytes in the table, which is also their alignment."""
        return SIZES[self.format]


@cache
def slots_of(type_: type[Part]) -> tuple[Slot, ...]:
    """List the slots of a message type's table: the plan's cases in their order, then `nulls` and `extra`.

    Args:
        type_: a message type or a struct inside one.

    Raises:
        LookupError: the schema lacks a field of the type, or was generated from another one.
    """
    table = type_.__name__
    slots = [
        _slot_of(table, case.name, CASE_KINDS.get(case.kind, case.kind), field.name)
        for field in plan_of(type_)
        for case in field.cases
    ]
    slots.append(_slot_of(table, "nulls", "nulls", ""))
    if issubclass(type_, Message):
        slots.append(_slot_of(table, "extra", "extra", "extra"))
    return tuple(slots)


CASE_KINDS = {
    "int": "scalar",
    "float": "scalar",
    "bool": "scalar",
    "bytes": "numbers",
    "tokens": "numbers",
    "prompt": "table",
    "vector": "table",
    "struct": "table",
    "vectors": "tables",
    "structs": "tables",
}
"""The plan's kinds → what they are on the wire, where that is not the same."""


@cache
def box_slots(table: str) -> tuple[Slot, ...]:
    """List the slots of a table that has no message type.

    Args:
        table: one of `BOXES`.
    """
    return tuple(_slot_of(table, name, _box_kind(name, type_), name) for name, (_, type_) in LAYOUT[table].items())


def _box_kind(name: str, type_: str) -> str:
    """Return what a slot of a box is by its schema type; JSON text is named so."""
    if type_ == "string":
        return "json" if name == "json" else "str"
    if type_ == "[string]":
        return "strs"
    if type_[1:-1] in FORMATS:
        return "numbers"
    return "tables" if type_.startswith("[") else "table"


def _slot_of(table: str, name: str, kind: str, attribute: str) -> Slot:
    """Find a field in the layout and check that the schema's type is what its kind needs."""
    if name not in LAYOUT.get(table, {}):
        raise LookupError(f"schemas/llm.fbs: {table} lacks {name!r}, a field of its type: run `make schemas`")
    id_, type_ = LAYOUT[table][name]
    inner = type_.strip("[]")
    format_ = FORMATS.get(type_, "I")
    element = FORMATS.get(inner, "") if type_.startswith("[") else ""
    return Slot(name, id_, format_, kind, attribute, inner if inner in LAYOUT else "", element)


# Forms: how a table is laid out when a given set of its slots is filled.
#
# The bytes of a table are one `struct` pack: the soffset, then 8-byte, 4-byte and smaller slots.
#
# Source: the FlatBuffers internals page.


class Form(NamedTuple):
    """The layout of a table with a given set of filled slots.

    Attributes:
        slots: the filled slots in the order in which their values are written.
        order: the same in the order in which they stand in the table.
        places: slot id → its distance from the table's start.
        size: bytes of the table.
        eight: whether it holds 8-byte numbers.
        key: the vtable as text, which cannot be confused with a string's bytes when both are looked up.
        vtable: its bytes, padded to 4.
        format: the table in `struct`'s language.
        pack: (soffset, a value for each slot of `order`) → the table's bytes.
    """

    slots: tuple[Slot, ...]
    order: tuple[Slot, ...]
    places: dict[int, int]
    size: int
    eight: bool
    key: str
    vtable: bytes
    format: str
    pack: Callable[..., bytes]


def make_form(slots: tuple[Slot, ...]) -> Form:
    """Lay a table out.

    Args:
        slots: the filled slots in the order in which their values will be written.
    """
    order = tuple(sorted(slots, key=lambda slot: -slot.size))
    places, end = {}, 4
    for slot in order:
        # A table with 8-byte slots starts 4 before a multiple of 8, so that they follow the soffset without a gap.
        places[slot.id] = end
        end += slot.size
    size = end + -end % 4
    entries = [places.get(id_, 0) for id_ in range(max(places, default=-1) + 1)]
    vtable = pack(f"<{2 + len(entries)}H", 4 + 2 * len(entries), size, *entries)
    format_ = "<i" + "".join(slot.format for slot in order) + f"{size - end}x"
    eight = any(slot.size == 8 for slot in order)
    return Form(
        slots,
        order,
        places,
        size,
        eight,
        vtable.decode("latin-1"),
        vtable + bytes(-len(vtable) % 4),
        format_,
        Struct(format_).pack,
    )


# Compile generated source so that tracebacks and debuggers show its lines.


def define(name: str, source: str, namespace: dict[str, Any]) -> Any:
    """Run generated source in a namespace and give what it defined.

    Args:
        name: the function that the source defines.
        source: the source of one function.
        namespace: the function's globals; `PURPOSE` says what they are for.
    """
    file = f"<serlab {namespace['PURPOSE']} {name}>"
    exec(compile(source, file, "exec"), namespace)
    # A None for the modification time keeps the entry, since there is no file to compare it with.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    return namespace[name]


def choose(template: str, **flags: bool) -> str:
    """Keep the lines of a template that apply.

    Args:
        template: source lines; `@name ` at the start marks one that needs the flag, `@!name ` one that needs it off.
        flags: the flags.
    """
    kept = []
    for line in template.splitlines():
        mark, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
        name = mark.lstrip("@!")
        if not mark or flags[name] != mark.startswith("@!"):
            kept.append(rest)
    return "\n".join([*kept, ""])
