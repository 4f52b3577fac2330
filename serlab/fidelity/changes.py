"""The changes of a schema, each as the declaration before and after it and a record of either side.

The schema is that of a small usage record: a model and two token counts. Beside the changes stands what each format's
own published rules say of them, so that a misreading after a change that nobody may make is not held against a format.

Sources: protobuf, "Language Guide (proto 3)", "Updating A Message Type" (wire-unsafe, wire-safe and wire-compatible
changes) and "Deleting Fields"; FlatBuffers, "Evolution"; msgspec, "Schema Evolution".
"""

from collections.abc import Mapping
from typing import NamedTuple

from serlab.fidelity.schemas import Field, Schema, Symbol, Values

MODEL, PROMPT, COMPLETION = Field("model", "string", 1), Field("prompt", "int32", 2), Field("completion", "int32", 3)
BASE: Schema = (MODEL, PROMPT, COMPLETION)
VALUES: Values = {"model": "small", "prompt": 7, "completion": 5}
TIER = Field("tier", "string", 4)
LOW, HIGH = Symbol("low", 0), Symbol("high", 1)


class Change(NamedTuple):
    """A change of the schema.

    Attributes:
        name: what was changed.
        old: the schema before.
        new: the schema after.
        old_values: a record of the old schema, by what the fields stand for.
        new_values: a record of the new one.
    """

    name: str
    old: Schema
    new: Schema
    old_values: Values
    new_values: Values


def of_base(name: str, *new: Field, **values: object) -> Change:
    """Change the base schema; the new record has the old one's values and those that are given."""
    record = VALUES | values
    return Change(name, BASE, new, VALUES, {field.means: record[field.means] for field in new})


def retyped(name: str, old: str, new: str, old_value: object, new_value: object) -> Change:
    """Change the type of one field between two others."""
    return reshaped(name, Field("value", old, 2), Field("value", new, 2), old_value, new_value)


def reshaped(name: str, old: Field, new: Field, old_value: object, new_value: object) -> Change:
    """Change one field between two others."""
    record = {"model": "small", "completion": 5}
    before, after = (MODEL, old, COMPLETION), (MODEL, new, COMPLETION)
    return Change(name, before, after, record | {"value": old_value}, record | {"value": new_value})


def effort(*symbols: Symbol) -> Field:
    """Make a field with an enum."""
    return Field("value", "enum", 2, symbols)


CHANGES: tuple[Change, ...] = (
    of_base("field added at the end", *BASE, TIER, tier="gold"),
    of_base("field added in the middle", MODEL, TIER, PROMPT, COMPLETION, tier="gold"),
    of_base("field removed at the end", MODEL, PROMPT),
    of_base("field removed in the middle", MODEL, COMPLETION),
    of_base("field replaced, its number used again", MODEL, Field("cached", "int32", 2), COMPLETION, cached=3),
    of_base("field renamed", MODEL, Field("input", "int32", 2, meaning="prompt"), COMPLETION),
    of_base("fields declared in another order", MODEL, COMPLETION, PROMPT),
    of_base("fields numbered anew", MODEL, PROMPT._replace(number=3), COMPLETION._replace(number=2)),
    retyped("int32 to int64, small values", "int32", "int64", 7, 9),
    retyped("int32 to int64, a value beyond 32 bits", "int32", "int64", 7, 2**40 + 7),
    retyped("int32 to uint32", "int32", "uint32", -1, 2**32 - 1),
    retyped("int32 to sint32 (zigzag)", "int32", "sint32", 7, 7),
    retyped("int32 to double", "int32", "double", 7, 7.5),
    retyped("int32 to string", "int32", "string", 7, "7"),
    retyped("float to double", "float", "double", 0.5, 0.1),
    retyped("string to list of strings", "string", "strings", "end", ["end", "stop"]),
    retyped("string to string or list", "string", "union", "end", ["end", "stop"]),
    reshaped("enum value added at the end", effort(LOW, HIGH), effort(LOW, HIGH, Symbol("max", 2)), "high", "max"),
    reshaped("enum value added in the middle", effort(LOW, HIGH), effort(LOW, Symbol("mid", 2), HIGH), "high", "mid"),
)
"""All changes, in the order of the matrix."""

ALLOWED, CONDITIONAL, FORBIDDEN = "allowed", "conditional", "forbidden"
"""What a format's rules say of a change: make it; make it only where every value fits both types; do not make it."""

REMOVED = "a field is never removed, only marked as deprecated"
AT_THE_END = "new fields are added at the end"
KEPT_TYPE = "a field's type is not changed"
KEPT_NUMBER = "a field's number is not changed"
SAME_WIDTH = "a type is changed to one of the same width only"
FITS = "the types are compatible while a value fits both"
RETYPED = ("int32 to double", "int32 to string", "float to double")

MSGSPEC_RULES: Mapping[str, tuple[str, str]] = {
    "int32 to int64, small values": (FORBIDDEN, KEPT_TYPE),
    "int32 to int64, a value beyond 32 bits": (FORBIDDEN, KEPT_TYPE),
    "int32 to uint32": (FORBIDDEN, KEPT_TYPE),
    "int32 to double": (FORBIDDEN, KEPT_TYPE),
    "int32 to string": (FORBIDDEN, KEPT_TYPE),
    "string to list of strings": (FORBIDDEN, KEPT_TYPE),
    "string to string or list": (FORBIDDEN, KEPT_TYPE),
}
ARRAY_RULES: Mapping[str, tuple[str, str]] = {
    **MSGSPEC_RULES,
    "field added in the middle": (FORBIDDEN, AT_THE_END),
    "field removed in the middle": (FORBIDDEN, "fields are not reordered, and all behind it move"),
    "field replaced, its number used again": (FORBIDDEN, AT_THE_END),
    "fields declared in another order": (FORBIDDEN, "fields are not reordered"),
}
PROTOBUF_RULES: Mapping[str, tuple[str, str]] = {
    "field replaced, its number used again": (FORBIDDEN, "a removed field's number is not used again"),
    "fields numbered anew": (FORBIDDEN, KEPT_NUMBER),
    "int32 to int64, small values": (CONDITIONAL, FITS),
    "int32 to int64, a value beyond 32 bits": (CONDITIONAL, FITS),
    "int32 to uint32": (CONDITIONAL, FITS),
    "int32 to sint32 (zigzag)": (FORBIDDEN, "sint32 is compatible with sint64 alone"),
    **dict.fromkeys(RETYPED, (FORBIDDEN, "the types are not among those that are compatible")),
    "string to list of strings": (CONDITIONAL, "the types are compatible; a reader of one value takes the last"),
}
ID_RULES: Mapping[str, tuple[str, str]] = {
    "field removed at the end": (FORBIDDEN, REMOVED),
    "field removed in the middle": (FORBIDDEN, REMOVED),
    "field replaced, its number used again": (FORBIDDEN, REMOVED),
    "fields numbered anew": (FORBIDDEN, KEPT_NUMBER),
    "int32 to int64, small values": (FORBIDDEN, SAME_WIDTH),
    "int32 to int64, a value beyond 32 bits": (FORBIDDEN, SAME_WIDTH),
    "int32 to uint32": (CONDITIONAL, "types of the same width, while no value is negative"),
    **dict.fromkeys(RETYPED, (FORBIDDEN, SAME_WIDTH)),
    "string to list of strings": (FORBIDDEN, SAME_WIDTH),
    "enum value added in the middle": (FORBIDDEN, "a new member stands at the end, or says its number"),
}
POSITION_RULES: Mapping[str, tuple[str, str]] = {
    **{name: rule for name, rule in ID_RULES.items() if name != "fields numbered anew"},
    "field added in the middle": (FORBIDDEN, AT_THE_END),
    "fields declared in another order": (FORBIDDEN, "without ids, fields keep their order"),
}
"""Change → what the rules say and why; what they do not speak against is allowed.

JSON and MessagePack have no rules of their own: msgspec's are those of the reader here. An enum of FlatBuffers follows
what its guide says of unions, whose members are numbered by position too.
"""


def rule_of(rules: Mapping[str, tuple[str, str]], change: str) -> tuple[str, str]:
    """Return what a format's rules say of a change, and why; "" where it is allowed."""
    return rules.get(change, (ALLOWED, ""))
