"""Write llm.proto and llm.fbs from the types in serlab/messages and the numbers in numbers.toml.

numbers.toml holds one line for each field of a schema: its number in Protocol Buffers, its id in FlatBuffers, its kind,
and the name under which the generated code has it, which is the line's key. Lines are only ever added. A field that is
new in a type gets the next free numbers; one that has left its type keeps its line with `removed = true`, so that its
numbers are never given again: it is `reserved` in llm.proto and `deprecated` in llm.fbs.
"""

import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from serlab.codecs.schema import SUFFIXES, UnionCase, plan_with, structs_of
from serlab.messages import MESSAGE_TYPES, Message
from serlab.messages.base import Part
from serlab.messages.embeddings import Embedding

KINDS: dict[str, tuple[str, str]] = {
    "str": ("optional string", "string"),
    "json": ("optional string", "string"),
    "bool": ("optional bool", "bool = null"),
    "int": ("optional int64", "long = null"),
    "float": ("optional double", "double = null"),
    "strs": ("repeated string", "[string]"),
    "bytes": ("optional bytes", "[ubyte]"),
    "tokens": ("repeated int32", "[int]"),
    "prompt": ("Prompt", "Prompt"),
    "vector": ("Vector", "Vector"),
    "vectors": ("repeated Vector", "[Vector]"),
    "nulls": ("repeated uint32", "[ushort]"),
    "empties": ("repeated uint32", ""),
    "extra": ("repeated Extra", "[Extra]"),
    "text": ("string", "string"),
    "float32s": ("repeated float", "[float]"),
    "float64s": ("repeated double", "[double]"),
    "integers": ("repeated sint64", "[long]"),
    "positions": ("repeated uint32", "[uint]"),
}
"""Kind → its declaration in llm.proto and in llm.fbs, "" where it has none; any other kind is a type or a `[type]`."""

HELPERS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "Extra": (
        "A field that the schema does not know.",
        {
            "pointer": ("text", "JSON Pointer from the root of the document"),
            "json": ("text", "the value as JSON text"),
        },
    ),
    "TokenIds": ("Token ids.", {"ids": ("tokens", "")}),
    "Prompt": (
        "Text or token ids; exactly one is set.",
        {
            "text": ("str", ""),
            "texts": ("strs", ""),
            "tokens": ("tokens", ""),
            "token_lists": ("[TokenIds]", ""),
            "json": ("json", "a list of another shape, or an empty one"),
        },
    ),
    "Vector": (
        "An embedding; exactly one of float32s, float64s, integers, base64, json, item is set.",
        {
            "float32s": ("float32s", ""),
            "float64s": ("float64s", ""),
            "integers": ("integers", ""),
            "base64": ("str", ""),
            "json": ("json", "any other JSON"),
            "item": ("Embedding", "an object with a vector in it"),
            "integral": ("positions", "with float64s: positions whose JSON was an integer"),
        },
    ),
}
"""What the schemas have beside the types: table → what it is, and its fields with their kinds and comments."""

SHARED = """\
//   * a field that may hold several types has one schema field for each: text and doubles keep the name, the others
//     end in _int, _bool, _list, _object, _json (`1` and `1.0` stay different);
//   * a field ending in _json also takes, as JSON text, what servers send in place of the field's own type, and a list
//     that does not pack (token ids over 32 bits, texts with a number among them);
//   * JSON Schemas, metadata and settings without a fixed shape travel as JSON text;
//   * `extra` holds what no field covers: JSON Pointer (RFC 6901) and the value as JSON text.
"""

WRITTEN = (
    "// Written by `make schemas` from the types in serlab/messages and from numbers.toml; never edited by hand.\n"
)

PROTO_HEAD = f"""\
// LLM requests, responses and stream chunks.
//
// Written in the wire shape of the chat-completions, embeddings and generation APIs, so that a message loses nothing:
//   * every scalar has presence (`optional`), so absent and empty differ;
//   * `nulls` lists the numbers of the fields that are explicitly null, `empties` those of lists that are empty;
{SHARED}// Numbers are never reused: a removed field's number is reserved.
{WRITTEN}
syntax = "proto3";

package serlab;

// Calls an engine or a chat model.
service LLMService {{
  // One prompt, one continuation.
  rpc Generate(GenerateRequest) returns (GenerateResponse);
  // One prompt, its continuation piece by piece.
  rpc GenerateStream(GenerateRequest) returns (stream GenerateResponse);
  // A conversation: each request is answered by a stream of chunks.
  rpc Chat(stream ChatRequest) returns (stream ChatChunk);
}}
"""

FBS_HEAD = f"""\
// LLM requests, responses and stream chunks.
//
// The same shape as llm.proto:
//   * scalars are optional (`= null`), so absent and zero differ; an empty string or vector is present and empty;
//   * `nulls` lists the ids of the fields that are explicitly null, by their order in the table, from 0;
{SHARED}// Fields are only ever added at the end of a table; a removed one becomes `deprecated`.
{WRITTEN}
namespace serlab;
"""

FBS_FOOT = "\nroot_type ChatRequest;\n"

NUMBERS_HEAD = """\
# The numbers of all fields in llm.proto and llm.fbs, and the names that generated code has for them.
# `make schemas` adds a line for each new field. No line ever changes or leaves, since bytes that were written once keep
# their numbers; one whose field is gone from its type has `removed = true`.
#   proto: number in Protocol Buffers        fbs: id in FlatBuffers, none for `empties`
#   kind: as in `KINDS` of write.py          field: the type's field, where its name is another one
"""

FIRST_PROTO = 4
"""The first number of a type's own fields: before it come `nulls`, `empties` and, in messages only, `extra`."""


class SchemaError(ValueError):
    """The types and numbers.toml do not go together, or bytes that were written once would no longer be read."""


class Line(NamedTuple):
    """One schema field.

    Attributes:
        proto: its number in llm.proto.
        fbs: its id in llm.fbs; None if it is not there.
        kind: one of `KINDS`, a type or a `[type]`.
        field: the field of the type, "" where it has the schema field's name.
        removed: whether it has left its type.
    """

    proto: int
    fbs: int | None
    kind: str
    field: str = ""
    removed: bool = False


Table = dict[str, Line]
Numbers = dict[str, Table]
"""Type → schema field → its line."""

Wanted = dict[str, tuple[str, str]]
"""Schema field → its kind and the field of the type."""


def message_structs() -> list[type[Part]]:
    """Return all types that the schemas have, parts before what holds them."""
    return structs_of([*MESSAGE_TYPES.values(), Embedding])


def read_numbers(source: str) -> Numbers:
    """Read numbers.toml.

    Raises:
        SchemaError: it is no TOML, a line lacks something, or two lines of a type share a number.
    """
    try:
        tables = tomllib.loads(source)
        numbers = {table: {name: line_of(entry) for name, entry in lines.items()} for table, lines in tables.items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise SchemaError(
            f"numbers.toml: expected lines like `name = {{ proto = 4, fbs = 1, kind = 'str' }}`: {error}"
        ) from error
    for table, lines in numbers.items():
        check_unique(table, "proto", {name: line.proto for name, line in lines.items()})
        ids = {name: line.fbs for name, line in lines.items() if line.fbs is not None}
        check_unique(table, "fbs", ids)
        missing = set(range(len(ids))) - set(ids.values())
        if missing:
            raise SchemaError(
                f"numbers.toml: [{table}] has no line with fbs = {min(missing)}: put it back, with `removed = true` if "
                "its field is gone"
            )
    return numbers


def line_of(entry: dict[str, Any]) -> Line:
    """Return a line of numbers.toml as a record; a key that it does not know is a TypeError."""
    return Line(**{"fbs": None, **entry})


def check_unique(table: str, key: str, numbers: dict[str, int]) -> None:
    """Refuse two lines with one number.

    Raises:
        SchemaError: there are such.
    """
    owners: dict[int, str] = {}
    for name, number in numbers.items():
        if number in owners:
            raise SchemaError(
                f"numbers.toml: [{table}] gives {key} = {number} to {owners[number]} and to {name}: a number is given "
                "once; remove the newer line, `make schemas` adds it with a free number"
            )
        owners[number] = name


def numbers_text(numbers: Numbers) -> str:
    """Return numbers.toml."""
    blocks = [
        [f"[{table}]", *(line_text(name, line) for name, line in lines.items())] for table, lines in numbers.items()
    ]
    return "\n".join([NUMBERS_HEAD, *("\n".join([*block, ""]) for block in blocks)])


def line_text(name: str, line: Line) -> str:
    """Return one line of numbers.toml."""
    parts = [f"proto = {line.proto}"]
    if line.fbs is not None:
        parts.append(f"fbs = {line.fbs}")
    parts.append(f'kind = "{line.kind}"')
    if line.field:
        parts.append(f'field = "{line.field}"')
    if line.removed:
        parts.append("removed = true")
    return f"{name} = {{ {', '.join(parts)} }}"


def numbered(types: Iterable[type[Part]], old: Numbers) -> Numbers:
    """Return the numbers with a line for each new field, and with `removed` at those whose field is gone.

    Args:
        types: all types of the schemas.
        old: the numbers so far.

    Raises:
        SchemaError: a removed field is back.
    """
    wanted = {name: {field: (kind, "") for field, (kind, _) in fields.items()} for name, (_, fields) in HELPERS.items()}
    wanted |= {type_.__name__: wanted_by(type_, old.get(type_.__name__, {})) for type_ in types}
    return {name: grown(name, wanted.get(name, {}), old.get(name, {})) for name in {**old, **wanted}}


def wanted_by(type_: type[Part], lines: Table) -> Wanted:
    """Return the schema fields that a type needs; a name once given stays."""
    wanted = {"nulls": ("nulls", ""), "empties": ("empties", "")}
    if issubclass(type_, Message):
        wanted["extra"] = ("extra", "")
    given = {(line.field or name, line.kind): name for name, line in lines.items()}
    taken = set(lines) | set(wanted)
    for field in plan_with(type_, given):
        for case in field.cases:
            if (field.name, case.schema_kind) not in given and case.name in taken:
                case = case._replace(name=free_name(case, taken))
            wanted[case.name] = (case.schema_kind, "" if case.name == field.name else field.name)
            taken.add(case.name)
    return wanted


def free_name(case: UnionCase, taken: set[str]) -> str:
    """Return a name for a schema field whose own has been given to another kind before.

    Raises:
        SchemaError: that is taken, too.
    """
    name = case.name + (SUFFIXES.get(case.kind) or {"str": "_text", "float": "_float"}.get(case.kind, "_list"))
    if name in taken:
        raise SchemaError(
            f"{case.name} and {name} are both taken: name the field in RENAMED of serlab/codecs/schema.py"
        )
    return name


def grown(table: str, wanted: Wanted, old: Table) -> Table:
    """Return a type's lines: the old ones, then new ones for what has none."""
    lines = {name: line._replace(removed=line.removed or name not in wanted) for name, line in old.items()}
    proto = max((line.proto for name, line in old.items()), default=0)
    fbs = max((line.fbs for line in old.values() if line.fbs is not None), default=-1)
    for name, (kind, field) in wanted.items():
        if name in old:
            check_kept(table, name, kind, old[name])
            continue
        proto = max(proto + 1, FIRST_PROTO if "nulls" in wanted and kind not in ("nulls", "empties", "extra") else 0)
        fbs += bool(fbs_declaration(kind))
        lines[name] = Line(proto, fbs if fbs_declaration(kind) else None, kind, field)
    return lines


def check_kept(table: str, name: str, kind: str, line: Line) -> None:
    """Refuse a field under a number that stands for something else.

    Raises:
        SchemaError: it is so.
    """
    if line.kind != kind:
        raise SchemaError(
            f"numbers.toml: [{table}] {name} is of kind {line.kind}, its type wants {kind}: a number keeps its kind, "
            "name the new field otherwise in RENAMED of serlab/codecs/schema.py"
        )
    if line.removed:
        raise SchemaError(
            f"numbers.toml: [{table}] {name} was removed, and its type has it again: take `removed = true` off its "
            "line if it is the same field"
        )


def proto_declaration(kind: str) -> str:
    """Return how llm.proto declares a kind."""
    if kind in KINDS:
        return KINDS[kind][0]
    return f"repeated {kind[1:-1]}" if kind.startswith("[") else kind


def fbs_declaration(kind: str) -> str:
    """Return how llm.fbs declares a kind."""
    return KINDS[kind][1] if kind in KINDS else kind


def docs_of(types: Iterable[type[Part]]) -> dict[str, str]:
    """Return what each table is: the first paragraph of its type's docstring."""
    docs = {name: doc for name, (doc, _) in HELPERS.items()}
    return docs | {type_.__name__: " ".join((type_.__doc__ or "").split("\n\n")[0].split()) for type_ in types}


def comment(table: str, name: str, line: Line) -> str:
    """Return the comment behind a field."""
    text = HELPERS[table][1][name][1] if table in HELPERS and name in HELPERS[table][1] else ""
    text = text or ("JSON text" if line.kind == "json" else "")
    return f"  // {text}" if text else ""


GONE = "No longer a type; its numbers stay taken."


def proto_text(numbers: Numbers, docs: dict[str, str]) -> str:
    """Return llm.proto.

    Args:
        numbers: the lines of all fields.
        docs: what each table is.
    """
    blocks = [[f"// {docs.get(table, GONE)}", *proto_message(table, lines)] for table, lines in numbers.items()]
    return "\n".join([PROTO_HEAD, *("\n".join([*block, ""]) for block in blocks)])


def proto_message(table: str, lines: Table) -> Iterator[str]:
    """Write a message."""
    yield f"message {table} {{"
    removed = {line.proto: name for name, line in lines.items() if line.removed}
    if removed:
        yield f"  reserved {', '.join(map(str, sorted(removed)))};"
        yield "  reserved " + ", ".join(f'"{removed[number]}"' for number in sorted(removed)) + ";"
    for name, line in sorted(lines.items(), key=lambda entry: entry[1].proto):
        if not line.removed:
            yield f"  {proto_declaration(line.kind)} {name} = {line.proto};{comment(table, name, line)}"
    yield "}"


def fbs_text(numbers: Numbers, docs: dict[str, str]) -> str:
    """Return llm.fbs.

    Args:
        numbers: the lines of all fields.
        docs: what each table is.
    """
    blocks = [[f"/// {docs.get(table, GONE)}", *fbs_table(table, lines)] for table, lines in numbers.items()]
    return "\n".join([FBS_HEAD, *("\n".join([*block, ""]) for block in blocks)]) + FBS_FOOT


def fbs_table(table: str, lines: Table) -> Iterator[str]:
    """Write a table; its fields' ids are their order, so those that are gone stay in it."""
    yield f"table {table} {{"
    ids = {line.fbs: (name, line) for name, line in lines.items() if line.fbs is not None}
    for _, (name, line) in sorted(ids.items()):
        declared = fbs_declaration(line.kind)
        if line.removed:
            declared = declared.removesuffix(" = null") + " (deprecated)"
        yield f"  {name}:{declared};{comment(table, name, line)}"
    yield "}"


def pinned_names(types: Iterable[type[Part]], numbers: Numbers) -> dict[str, dict[tuple[str, str], str]]:
    """Return the names that the rule of `serlab.codecs.schema` would not give: type → (field, kind) → schema field.

    Under the kind `null` it is the one whose number stands for the field in `nulls`: its oldest.
    """
    found: dict[str, dict[tuple[str, str], str]] = {}
    for type_ in types:
        lines = {name: line for name, line in numbers[type_.__name__].items() if not line.removed}
        given = {(line.field or name, line.kind): name for name, line in lines.items()}
        by_rule = {(field.name, case.schema_kind): case.name for field in plan_with(type_, {}) for case in field.cases}
        pinned = {key: given[key] for key, name in by_rule.items() if given[key] != name}
        oldest = {line.field or name: name for name, line in reversed(lines.items())}
        firsts = {field.name: field.schema_name for field in plan_with(type_, given)}
        pinned |= {(field, "null"): oldest[field] for field, name in firsts.items() if oldest[field] != name}
        if pinned:
            found[type_.__name__] = pinned
    return found
