"""What the parts of a protobuf message become, by its schema: the fields of each type, and what each of them takes.

Source: the protobuf encoding guide; sizes measured with upb 7.36 and CPython 3.11.
"""

from functools import cache
from typing import Any, NamedTuple

from serlab.codecs import jsonweight, scans
from serlab.codecs.plan import plan_of, structs_of
from serlab.codecs.scans import PLACE
from serlab.limits import Limits
from serlab.messages import MESSAGE_TYPES
from serlab.messages.embeddings import Embedding

FACTOR = 3
"""How many times as much as JSON a byte may become: messages may be two bytes long."""

STRING, NUMBER, ARRAY = 100, PLACE + scans.NUMBER, 1800
"""Bytes that a text takes beside those of its content, a number with its place in a list, as in JSON, and an array
beside its numbers; an array takes less, but 4 µs."""

UNKNOWN, RUN = 600, 150
"""Bytes that an unknown field counts, and numbers that stand between others: for the time of a step."""

LEAST_MESSAGE = 900
"""Bytes that a message counts at least: scanning and reading the smallest takes 0.9 µs, so this bounds the time."""

EXTRA = 3000
"""Bytes that an entry of `extra` counts at least: to find its place in the message takes 3 µs."""

PACKED = 250
"""Bytes that a list of packed numbers counts beside them: they are counted in 0.4 µs however few."""

TEXT_GROWTH = 4
"""Bytes that one byte of text becomes at most: one wide character widens a whole string."""


class Entry(NamedTuple):
    """What a field's content becomes.

    Attributes:
        table: of a message its fields, by `key_of` their tags; None for everything else.
        weight: bytes that it takes beside what its own bytes become.
        growth: bytes that one of its own becomes; 0 where that takes a look at them. Of a message, where it is short
            and holds no other and no JSON: looking into it would take longer than reading it.
        kind: what then is looked at: "json", "mixed" (JSON whose objects become structs), "varints", or the width of
            packed numbers.
    """

    table: dict[int, Any] | None
    weight: int
    growth: int = 0
    kind: str | int = ""


Table = dict[int, Entry]


NO_FIELD = Entry(None, UNKNOWN, 2)
"""A field that the schema has not, or not with content: its bytes are kept."""


def key_of(tag: int) -> int:
    """Give the key of a tag: itself where it is one byte, else its first two bytes as they stand on the wire."""
    return tag if tag < 128 else tag & 127 | 128 | tag >> 7 << 8


def settled_length(descriptor: Any, limits: Limits) -> int:
    """Give the length up to which a message of a type cannot go beyond a limit.

    Args:
        descriptor: the message type's descriptor.
        limits: the bounds.
    """
    return limits.settled_length(2, growth_of(descriptor), FACTOR, STRING)


@cache
def growth_of(descriptor: Any) -> int:
    """Give the bytes that one byte of a message becomes at most.

    Args:
        descriptor: the message type's descriptor.
    """
    worst, seen, left = jsonweight.WORST, set(), [table_of(descriptor)]
    while left:
        table = left.pop()
        seen.add(id(table))
        for tag, entry in table.items():
            header = 2 if tag < 128 else 3
            worst = max(worst, MIXED_GROWTH if entry.kind == "mixed" else 0, -(-entry.weight // header))
            if entry.table is not None and id(entry.table) not in seen:
                left.append(entry.table)
    return worst


MIXED_GROWTH = 200
"""Bytes that a byte of JSON becomes at most where its objects become structs: an empty one in a list takes three."""


@cache
def table_of(descriptor: Any) -> Table:
    """Sort a message type's fields that have content, by their tags."""
    table: Table = {}
    fill(table, descriptor, {descriptor.full_name: table})
    return table


def fill(table: Table, descriptor: Any, known: dict[str, Table]) -> None:
    """Enter the fields of a message type, and those of the types in it; a type may hold itself."""
    for field in descriptor.fields:
        tag = key_of(field.number << 3 | 2)
        if field.message_type is None:
            table[tag] = entry_of(field)
            continue
        name = field.message_type.full_name
        if name not in known:
            known[name] = {}
            fill(known[name], field.message_type, known)
        inner = known[name]
        leaf = inner and all(entry.table is None and entry.kind not in ("json", "mixed") for entry in inner.values())
        table[tag] = Entry(inner, weight_of(field.message_type), NUMBER if leaf else 0)


def entry_of(field: Any) -> Entry:
    """Tell what the content of a field that is no message becomes."""
    if field.type == field.TYPE_STRING:
        kind = json_arms().get(field.containing_type.name, BOX_JSON).get(field.name, "")
        return Entry(None, STRING, 0 if kind else TEXT_GROWTH, kind)
    if not field.is_repeated:
        return NO_FIELD
    width = {field.TYPE_FLOAT: 4, field.TYPE_DOUBLE: 8}.get(field.type)
    return Entry(None, PACKED, 0, "varints") if width is None else Entry(None, ARRAY, 0, width)


BOX_JSON = {"json": "json"}
"""The JSON field of the messages that have no type of their own: Extra, Prompt, Vector."""


@cache
def struct_types() -> dict[str, type]:
    """Give the structs that messages become, by name."""
    return {type_.__name__: type_ for type_ in structs_of([*MESSAGE_TYPES.values(), Embedding])}


@cache
def json_arms() -> dict[str, dict[str, str]]:
    """Tell which fields of a type hold JSON text, and whether objects in it become structs."""
    return {
        name: {
            arm.name: "mixed" if arm.items is not None else "json"
            for field in plan_of(type_)
            for arm in field.arms
            if arm.kind == "json"
        }
        for name, type_ in struct_types().items()
    }


@cache
def weight_of(descriptor: Any) -> int:
    """Give the bytes that a message takes without its content: the library's object, the struct, a place in a list.

    Args:
        descriptor: the message type's descriptor.
    """
    struct = struct_types().get(descriptor.name)
    width = 16 + sum(map(width_of, descriptor.fields)) + len(descriptor.fields) // 8
    least = EXTRA if descriptor.name == "Extra" else LEAST_MESSAGE
    return max(least, width + width // 16 + 16 + (struct.__basicsize__ + 32 if struct is not None else 400))


def width_of(field: Any) -> int:
    """Give the bytes that a field takes in the library's object."""
    if field.is_repeated or field.message_type is not None:
        return 8
    return {field.TYPE_STRING: 16, field.TYPE_BOOL: 1}.get(field.type, 8)
