"""Schema changes: what an old reader makes of new bytes, and a new reader of old ones.

The right reading gives every field of the reader's schema the value that was written for what the field stands for,
and leaves absent what the writer did not have.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from serlab.codecs import FLATBUFFERS, PROTOBUF, CodecInfo, codec_infos
from serlab.codecs.base import reason
from serlab.fidelity.cells import LOSES, MISREADS, MISSING, READS, REFUSES, EvolutionCell, brief_text
from serlab.fidelity.changes import (
    ARRAY_RULES,
    CHANGES,
    ID_RULES,
    MSGSPEC_RULES,
    POSITION_RULES,
    PROTOBUF_RULES,
    Change,
    rule_of,
)
from serlab.fidelity.schemas import Schema, Values, Wire, unnamed, wire

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
    return [cell for change in CHANGES for format_ in formats for cell in cells_of(format_, change)]


def cells_of(format_: Format, change: Change) -> list[EvolutionCell]:
    """Try a change both ways."""
    old, new = (change.old, change.old_values), (change.new, change.new_values)
    said = rule_of(format_.rules, change.name)
    return [
        EvolutionCell(format_.name, change.name, OLD_READER, *outcome_of(format_, new, change.old), *said),
        EvolutionCell(format_.name, change.name, NEW_READER, *outcome_of(format_, old, change.new), *said),
    ]


def outcome_of(format_: Format, written: tuple[Schema, Values], reader: Schema) -> tuple[str, str]:
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
    return verdict(reader, named(schema, meant), {field.means: values.get(field.name) for field in reader})


def named(schema: Schema, meant: Values) -> dict[str, tuple[Any, ...]]:
    """List what is a right reading of each value: itself, and an enum's number where the reader has no name for it."""
    right = {name: (value, [value]) for name, value in meant.items()}
    numbers = {field.means: dict(field.symbols) for field in schema if field.symbols}
    return right | {name: (*right[name], unnamed(symbols[meant[name]])) for name, symbols in numbers.items()}


def verdict(reader: Schema, right: dict[str, tuple[Any, ...]], found: Values) -> tuple[str, str]:
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
    told = [f"{name} {shown(value)} for {shown(right.get(name, (None,))[0])}" for name, value in wrong.items()]
    outcome = LOSES if all(value is None for value in wrong.values()) else MISREADS
    return outcome, brief_text(", ".join(told))


def shown(value: Any) -> str:
    """Write a value, or that there is none."""
    return "nothing" if value is None else repr(value)
