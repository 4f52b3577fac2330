"""Schema changes: what an old reader makes of new bytes, and a new reader of old ones.

The right reading gives every field of the reader's schema the value that was written for what the field stands for,
and leaves absent what the writer did not have.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from serlab.codecs import FLATBUFFERS, PROTOBUF, CodecInfo, codec_infos, reason
from serlab.fidelity.cells import LOSES, MISREADS, MISSING, READS, REFUSES, EvolutionCell, brief_text

# A small schema that every format can be given at run time, without a compiler.
#
# A field has a name, a type and a number, and stands in a position. Which of the three finds it on the wire is what
# makes formats evolve differently: names in JSON and MessagePack maps, numbers in protobuf, positions in arrays and in
# FlatBuffers tables without `id` attributes.

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
    """Return the two fields that a schema format has for a union, the second at the end under a new number."""
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


# The changes of a schema, each as the declaration before and after it and a record of either side.
#
# The schema is that of a small usage record: a model and two token counts. Beside the changes stands what each
# format's own published rules say of them, so that a misreading after a change that nobody may make is not held
# against a format.
#
# Sources: protobuf, "Language Guide (proto 3)", "Updating A Message Type" (wire-unsafe, wire-safe and wire-compatible
# changes) and "Deleting Fields"; FlatBuffers, "Evolution"; msgspec, "Schema Evolution".

MODEL, PROMPT, COMPLETION = Field("model", "string", 1), Field("prompt", "int32", 2), Field("completion", "int32", 3)
BASE: Schema = (MODEL, PROMPT, COMPLETION)
VALUES: Values = {"model": "small", "prompt": 7, "completion": 5}
TIER = Field("tier", "string", 4)
LOW, HIGH = Symbol("low", 0), Symbol("high", 1)


class _Change(NamedTuple):
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


def _of_base(name: str, *new: Field, **values: object) -> _Change:
    """Change the base schema; the new record has the old one's values and those that are given."""
    record = VALUES | values
    return _Change(name, BASE, new, VALUES, {field.means: record[field.means] for field in new})


def _retyped(name: str, old: str, new: str, old_value: object, new_value: object) -> _Change:
    """Change the type of one field between two others."""
    return _reshaped(name, Field("value", old, 2), Field("value", new, 2), old_value, new_value)


def _reshaped(name: str, old: Field, new: Field, old_value: object, new_value: object) -> _Change:
    """Change one field between two others."""
    record = {"model": "small", "completion": 5}
    before, after = (MODEL, old, COMPLETION), (MODEL, new, COMPLETION)
    return _Change(name, before, after, record | {"value": old_value}, record | {"value": new_value})


def _effort(*symbols: Symbol) -> Field:
    """Make a field with an enum."""
    return Field("value", "enum", 2, symbols)


CHANGES: tuple[_Change, ...] = (
    _of_base("field added at the end", *BASE, TIER, tier="gold"),
    _of_base("field added in the middle", MODEL, TIER, PROMPT, COMPLETION, tier="gold"),
    _of_base("field removed at the end", MODEL, PROMPT),
    _of_base("field removed in the middle", MODEL, COMPLETION),
    _of_base("field replaced, its number used again", MODEL, Field("cached", "int32", 2), COMPLETION, cached=3),
    _of_base("field renamed", MODEL, Field("input", "int32", 2, meaning="prompt"), COMPLETION),
    _of_base("fields declared in another order", MODEL, COMPLETION, PROMPT),
    _of_base("fields numbered anew", MODEL, PROMPT._replace(number=3), COMPLETION._replace(number=2)),
    _retyped("int32 to int64, small values", "int32", "int64", 7, 9),
    _retyped("int32 to int64, a value beyond 32 bits", "int32", "int64", 7, 2**40 + 7),
    _retyped("int32 to uint32", "int32", "uint32", -1, 2**32 - 1),
    _retyped("int32 to sint32 (zigzag)", "int32", "sint32", 7, 7),
    _retyped("int32 to double", "int32", "double", 7, 7.5),
    _retyped("int32 to string", "int32", "string", 7, "7"),
    _retyped("float to double", "float", "double", 0.5, 0.1),
    _retyped("string to list of strings", "string", "strings", "end", ["end", "stop"]),
    _retyped("string to string or list", "string", "union", "end", ["end", "stop"]),
    _reshaped("enum value added at the end", _effort(LOW, HIGH), _effort(LOW, HIGH, Symbol("max", 2)), "high", "max"),
    _reshaped(
        "enum value added in the middle", _effort(LOW, HIGH), _effort(LOW, Symbol("mid", 2), HIGH), "high", "mid"
    ),
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


def _rule_of(rules: Mapping[str, tuple[str, str]], change: str) -> tuple[str, str]:
    """Return what a format's rules say of a change, and why; "" where it is allowed."""
    return rules.get(change, (ALLOWED, ""))


OLD_READER, NEW_READER = "old reader, new bytes", "new reader, old bytes"


class Format(NamedTuple):
    """A format as the evolution matrix knows it.

    Attributes:
        name: the format's.
        codec: the codec that it belongs to.
        rules: what its guide says of the changes.
        make: makes its wire.
    """

    name: str
    codec: str
    rules: Mapping[str, tuple[str, str]]
    make: Callable[[], Wire]


SCHEMAS = {
    PROTOBUF: (("", PROTOBUF_RULES, wire("protobuf_wire", "make")),),
    FLATBUFFERS: (
        ("", POSITION_RULES, wire("flatbuffers_wire", "make")),
        (" (id attributes)", ID_RULES, wire("flatbuffers_wire", "make", True)),
    ),
}
"""Format with a schema → what its name goes on with, its rules and its wire, for each way to write one."""


def formats_of(info: CodecInfo) -> list[Format]:
    """List the formats that belong to a codec.

    A codec that is a variant evolves as the format that it writes does, and has none of its own; nor has one whose
    library writes no plain values.
    """
    name = info.name
    if info.variant_of:
        return []
    if info.format in SCHEMAS:
        return [Format(name + more, name, rules, make) for more, rules, make in SCHEMAS[info.format]]
    if not info.plain:
        return []
    if not info.typed:
        return [Format(name, name, MSGSPEC_RULES, wire("msgspec_wire", "make_plain", name))]
    typed, arrays = (wire("msgspec_wire", "make_typed", name, *more) for more in ((), (True,)))
    return [Format(name, name, MSGSPEC_RULES, typed), Format(f"{name} (arrays)", name, ARRAY_RULES, arrays)]


def evolution_cells(codecs: Sequence[str]) -> list[EvolutionCell]:
    """Try every change in every format.

    Args:
        codecs: names; formats that belong to none of them are left out.
    """
    infos = sorted((info for info in codec_infos() if info.name in codecs), key=lambda info: info.schema)
    formats = [format_ for info in infos for format_ in formats_of(info)]
    return [cell for change in CHANGES for format_ in formats for cell in _cells_of(format_, change)]


def _cells_of(format_: Format, change: _Change) -> list[EvolutionCell]:
    """Try a change both ways."""
    old, new = (change.old, change.old_values), (change.new, change.new_values)
    said = _rule_of(format_.rules, change.name)
    return [
        EvolutionCell(format_.name, change.name, OLD_READER, *_outcome_of(format_, new, change.old), *said),
        EvolutionCell(format_.name, change.name, NEW_READER, *_outcome_of(format_, old, change.new), *said),
    ]


def _outcome_of(format_: Format, written: tuple[Schema, Values], reader: Schema) -> tuple[str, str]:
    """Write by one schema and read by another; whatever a library raises is its refusal."""
    schema, meant = written
    try:
        found = format_.make()
        data = found.write(schema, {field.name: meant[field.means] for field in schema})
    except ImportError as error:
        return MISSING, brief_text(str(error))
    try:
        values = found.read(reader, data)
    except Exception as error:
        return REFUSES, brief_text(reason(error))
    return _verdict(reader, _named(schema, meant), {field.means: values.get(field.name) for field in reader})


def _named(schema: Schema, meant: Values) -> dict[str, tuple[Any, ...]]:
    """List what is a right reading of each value: itself, and an enum's number where the reader has no name for it."""
    right = {name: (value, [value]) for name, value in meant.items()}
    numbers = {field.means: dict(field.symbols) for field in schema if field.symbols}
    return right | {name: (*right[name], unnamed(symbols[meant[name]])) for name, symbols in numbers.items()}


def _verdict(reader: Schema, right: dict[str, tuple[Any, ...]], found: Values) -> tuple[str, str]:
    """Compare what was read with what was meant.

    Args:
        reader: the reader's schema.
        right: meaning → the right readings.
        found: meaning → what was read, None for an absent field.

    Returns:
        The outcome, and each wrong value or, where there is none, all values.
    """
    wrong = {name: value for name, value in found.items() if value not in right.get(name, (None,))}
    if not wrong:
        return READS, brief_text(", ".join(f"{name} {value!r}" for name, value in found.items() if value is not None))
    told = [f"{name} {_shown(value)} for {_shown(right.get(name, (None,))[0])}" for name, value in wrong.items()]
    outcome = LOSES if all(value is None for value in wrong.values()) else MISREADS
    return outcome, brief_text(", ".join(told))


def _shown(value: Any) -> str:
    """Write a value, or that there is none."""
    return "nothing" if value is None else repr(value)
