"""The schemas say what the types say, the committed code is what the compilers write, and no number changes."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import generate, write
from schemas.write import Line, Numbers, SchemaError
from serlab.codecs.schema import UnionCase, plan_of, plan_with, structs_of
from serlab.generated import llm_fbs, llm_pb2, llm_pb2_grpc
from serlab.generated.llm_layout import LAYOUT
from serlab.messages import MESSAGE_TYPES, Message
from serlab.messages.base import UNSET, Int, Number, Opt, Part, Text
from tests.support.loops import every

ROOT = Path(__file__).resolve().parents[2]
TYPES = structs_of(list(MESSAGE_TYPES.values()))
HELPERS = {"Extra", "TokenIds", "Prompt", "Vector"}
"""What the schemas have beside the types."""

PROTOBUF = {
    "str": ("string", False),
    "json": ("string", False),
    "bool": ("bool", False),
    "int": ("int64", False),
    "float": ("double", False),
    "strs": ("string", True),
    "bytes": ("bytes", False),
    "tokens": ("int32", True),
    "prompt": ("Prompt", False),
    "vector": ("Vector", False),
    "vectors": ("Vector", True),
}
FLATBUFFERS = {
    "str": "string",
    "json": "string",
    "bool": "bool",
    "int": "long",
    "float": "double",
    "strs": "[string]",
    "bytes": "[ubyte]",
    "tokens": "[int]",
    "prompt": "Prompt",
    "vector": "Vector",
    "vectors": "[Vector]",
}


WRITTEN = [
    *(f"schemas/{name}" for name in ("numbers.toml", "llm.proto", "llm.fbs")),
    *(f"serlab/generated/{name}" for name in ("__init__.py", "llm_fbs.py", "llm_layout.py")),
    *(f"serlab/generated/llm_pb2{ending}" for ending in (".py", ".pyi", "_grpc.py")),
]
"""All that `make schemas` writes."""


@pytest.mark.parametrize("name", WRITTEN)
def test_written_file_is_what_make_schemas_writes(name: str, regenerated: Path) -> None:
    """Nobody edited it, and nobody changed a type without `make schemas`."""
    assert (regenerated / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write everything into an empty folder, from numbers.toml alone."""
    folder: Path = tmp_path_factory.mktemp("regenerated")
    (folder / "schemas").mkdir()
    shutil.copy(ROOT / "schemas" / "numbers.toml", folder / "schemas")
    generate.generate(folder / "schemas", folder / "serlab" / "generated")
    return folder


def cases(type_: type[Part]) -> Iterator[UnionCase]:
    """List the schema fields that a type needs."""
    return (case for field in plan_of(type_) for case in field.cases)


def protobuf_type(field: Any) -> tuple[str, bool]:
    """Name a protobuf field's type, and tell whether it is a list."""
    names = {
        value: name.removeprefix("TYPE_").lower() for name, value in vars(type(field)).items() if name[:5] == "TYPE_"
    }
    return field.message_type.name if field.message_type else names[field.type], field.is_repeated


@every("type_", TYPES, ids=lambda type_: type_.__name__)
def test_protobuf_message_has_the_fields_of_the_type_and_no_other(type_: type[Part]) -> None:
    """Each case is there with its type; `nulls`, `empties` and `extra` are the only ones beside."""
    fields = getattr(llm_pb2, type_.__name__).DESCRIPTOR.fields_by_name
    expected = {"nulls": ("uint32", True), "empties": ("uint32", True)}
    if issubclass(type_, Message):
        expected["extra"] = ("Extra", True)
    for case in cases(type_):
        expected[case.name] = (case.struct.__name__, case.kind == "structs") if case.struct else PROTOBUF[case.kind]
    assert {name: protobuf_type(field) for name, field in fields.items()} == expected


@every("type_", TYPES, ids=lambda type_: type_.__name__)
def test_each_field_has_names_of_its_own_in_the_schemas(type_: type[Part]) -> None:
    """Two spellings of one name would come back as one."""
    names = [case.name for case in cases(type_)]
    assert len(names) == len(set(names))


@every("type_", TYPES, ids=lambda type_: type_.__name__)
def test_protobuf_scalar_has_presence(type_: type[Part]) -> None:
    """So absent and zero differ."""
    fields = getattr(llm_pb2, type_.__name__).DESCRIPTOR.fields
    assert [field.name for field in fields if not field.is_repeated and not field.has_presence] == []


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, str]]:
    """Read the tables of llm.fbs: table → field → type and default, without deprecated fields."""
    found: dict[str, dict[str, str]] = {}
    for line in (ROOT / "schemas" / "llm.fbs").read_text().splitlines():
        code = line.partition("//")[0].strip()
        if code.startswith("table "):
            table = found.setdefault(code.split()[1], {})
        elif ":" in code and "(deprecated)" not in code:
            name, _, declared = code.rstrip(";").partition(":")
            table[name.strip()] = declared.strip()
    return found


@every("type_", TYPES, ids=lambda type_: type_.__name__)
def test_flatbuffers_table_has_the_fields_of_the_type_and_no_other(type_: type[Part], tables: Any) -> None:
    """Each case is there with its type; scalars default to null, so absent and zero differ."""
    expected = {"nulls": "[ushort]"}
    if issubclass(type_, Message):
        expected["extra"] = "[Extra]"
    for case in cases(type_):
        name = case.struct.__name__ if case.struct else FLATBUFFERS[case.kind]
        declared = f"[{name}]" if case.kind == "structs" else name
        expected[case.name] = f"{declared} = null" if case.kind in ("bool", "int", "float") else declared
    assert tables[type_.__name__] == expected


def test_schemas_have_the_types_and_their_helpers_only(tables: Any, numbers: Numbers) -> None:
    """Of a type that is gone, a message and a table without fields are left, which keep its numbers."""
    gone = {table for table, lines in numbers.items() if all(line.removed for line in lines.values())}
    names = {type_.__name__ for type_ in TYPES} | HELPERS | gone
    assert set(llm_pb2.DESCRIPTOR.message_types_by_name) == names
    assert set(tables) == set(LAYOUT) == names
    assert all(hasattr(llm_fbs, name) for name in names)


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    """Read numbers.toml."""
    return write.read_numbers((ROOT / "schemas" / "numbers.toml").read_text())


def test_generated_code_has_the_numbers_of_the_file(numbers: Numbers) -> None:
    """Both in llm_pb2 and in the layout; what was removed is in neither."""
    live = {table: {name: line for name, line in lines.items() if not line.removed} for table, lines in numbers.items()}
    messages = llm_pb2.DESCRIPTOR.message_types_by_name
    assert {table: {name: line.proto for name, line in lines.items()} for table, lines in live.items()} == {
        table: {field.name: field.number for field in message.fields} for table, message in messages.items()
    }
    ids = {table: {n: line.fbs for n, line in lines.items() if line.fbs is not None} for table, lines in live.items()}
    assert ids == {table: {name: id_ for name, (id_, _) in slots.items()} for table, slots in LAYOUT.items()}


def test_layout_names_the_types_of_the_schema(tables: Any) -> None:
    """The binary schema says what its source says."""
    expected = {table: {name: type_.split()[0] for name, type_ in fields.items()} for table, fields in tables.items()}
    assert expected == {table: {name: type_ for name, (_, type_) in slots.items()} for table, slots in LAYOUT.items()}


def test_service_has_its_three_calls() -> None:
    """Generate is unary, GenerateStream streams its answer, Chat streams both ways."""
    methods = llm_pb2.DESCRIPTOR.services_by_name["LLMService"].methods_by_name
    found = {
        name: (method.input_type.name, method.client_streaming, method.output_type.name, method.server_streaming)
        for name, method in methods.items()
    }
    assert found == {
        "Generate": ("GenerateRequest", False, "GenerateResponse", False),
        "GenerateStream": ("GenerateRequest", False, "GenerateResponse", True),
        "Chat": ("ChatRequest", True, "ChatChunk", True),
    }


def test_grpc_stubs_know_the_calls() -> None:
    """The client's stub and the server's base class."""
    calls = {name for name in vars(llm_pb2_grpc.LLMServiceServicer) if not name.startswith("_")}
    assert calls == {"Generate", "GenerateStream", "Chat"}
    assert callable(llm_pb2_grpc.LLMServiceStub)
    assert callable(llm_pb2_grpc.add_LLMServiceServicer_to_server)


class Before(Part):
    """A made-up type."""

    name: Opt[str] = UNSET
    seed: Opt[Int] = UNSET


class Added(Part):
    """A made-up type with a field more, in the middle."""

    name: Opt[str] = UNSET
    label: Opt[Text] = UNSET
    seed: Opt[Int] = UNSET


class Removed(Part):
    """A made-up type with a field less."""

    name: Opt[str] = UNSET


class Other(Part):
    """A made-up type with another field in place of one."""

    name: Opt[str] = UNSET
    level: Opt[Int] = UNSET


class Widened(Part):
    """A made-up type of which a field takes more."""

    name: Opt[str] = UNSET
    seed: Opt[Number] = UNSET


class Changed(Part):
    """A made-up type of which a field takes something else."""

    name: Opt[str] = UNSET
    seed: Opt[str] = UNSET


class Displaced(Part):
    """A made-up type of which a field takes more, the new type first."""

    name: Opt[str] = UNSET
    seed: Opt[Before | Int] = UNSET


class Holder(Part):
    """A made-up type that holds others."""

    part: Opt[Before] = UNSET
    parts: Opt[list[Before]] = UNSET


def as_made(type_: type[Part]) -> type[Part]:
    """Return a type under the name `Made`, as it would be after an edit."""
    named = type("Made", (type_,), {"__doc__": type_.__doc__})
    assert issubclass(named, Part)
    return named


def edited(*types: type[Part]) -> Numbers:
    """Return the numbers after the type `Made` was each of these in turn."""
    numbers: Numbers = {}
    for type_ in types:
        numbers = write.numbered([as_made(type_)], numbers)
    return numbers


def texts(type_: type[Part], numbers: Numbers) -> tuple[list[str], list[str]]:
    """Return the lines of both schemas."""
    docs = write.docs_of([as_made(type_)])
    return write.proto_text(numbers, docs).splitlines(), write.fbs_text(numbers, docs).splitlines()


def test_added_field_gets_the_next_number_and_moves_no_other() -> None:
    """Wherever in its type it stands; each of its kinds is one line more in each schema."""
    before, after = edited(Before), edited(Before, Added)
    lines = {"label": Line(6, 3, "str"), "label_json": Line(7, 4, "json", "label")}
    assert after["Made"] == before["Made"] | lines
    for old, new in zip(texts(Added, before), texts(Added, after), strict=True):
        assert [line for line in new if line not in old] == [line for line in new if "label" in line]
        assert [line for line in new if "label" not in line] == old


def test_new_type_is_numbered_from_its_first_field() -> None:
    """And what points to it names it."""
    lines = write.numbered([as_made(Before), Holder], edited(Before))["Holder"]
    assert lines == {
        "nulls": Line(1, 0, "nulls"),
        "empties": Line(2, None, "empties"),
        "part": Line(4, 1, "Before"),
        "parts": Line(5, 2, "[Before]"),
    }


def test_removed_field_stays_reserved_and_its_number_is_not_given_again() -> None:
    """The next new field gets the one after it."""
    numbers = edited(Before, Removed, Other)
    assert numbers["Made"]["seed"] == Line(5, 2, "int", removed=True)
    assert numbers["Made"]["level"] == Line(6, 3, "int")
    proto, fbs = texts(Other, numbers)
    assert '  reserved 5;|  reserved "seed";' in "|".join(proto)
    assert "  seed:long (deprecated);" in fbs
    assert not any(" seed = " in line for line in proto)


def test_removed_type_keeps_its_numbers() -> None:
    """Its message and its table stay without a field that could be used."""
    numbers = write.numbered([], edited(Before))
    proto, fbs = texts(Before, {"Made": numbers["Made"]})
    assert all(line.removed for line in numbers["Made"].values())
    assert "  reserved 1, 2, 4, 5;" in proto
    assert {"  nulls:[ushort] (deprecated);", "  seed:long (deprecated);"} <= {*fbs}


def test_numbers_are_read_as_they_are_written() -> None:
    """Removed lines, lines with another field's name and lines without an id included."""
    numbers = edited(Before, Added, Widened, Removed)
    assert write.read_numbers(write.numbers_text(numbers)) == numbers


def test_field_that_takes_more_keeps_its_name_and_number() -> None:
    """The rule would give the plain name to the double; it is the integer's already."""
    numbers = edited(Before, Widened)
    assert numbers["Made"]["seed"] == Line(5, 2, "int")
    assert numbers["Made"]["seed_float"] == Line(6, 3, "float", "seed")
    names = write.pinned_names([as_made(Widened)], numbers)
    assert names == {"Made": {("seed", "int"): "seed", ("seed", "float"): "seed_float"}}
    planned = plan_with(as_made(Widened), names["Made"])
    assert [[case.name for case in field.cases] for field in planned] == [["name"], ["seed", "seed_float"]]


def test_field_that_takes_something_else_gets_a_new_number() -> None:
    """An integer's number never becomes a text's."""
    numbers = edited(Before, Changed)["Made"]
    assert numbers["seed"].removed
    assert numbers["seed_text"] == Line(6, 3, "str", "seed")


def test_null_keeps_its_number_when_another_type_comes_first() -> None:
    """In the type, or only in what `typing` makes of it, which does not tell `str | Int` from `Int | str`."""
    numbers = edited(Before, Displaced)
    assert numbers["Made"]["seed_object"] == Line(6, 3, "Before", "seed")
    names = write.pinned_names([as_made(Displaced)], numbers)["Made"]
    assert names[("seed", "null")] == "seed"
    assert [field.schema_name for field in plan_with(as_made(Displaced), names)] == ["name", "seed"]


def test_field_that_is_back_is_refused_until_its_line_says_so() -> None:
    """It may be another field of that name."""
    with pytest.raises(SchemaError, match=r"\[Made\] seed was removed, and its type has it again: take `removed"):
        edited(Before, Removed, Before)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("proto = 5,", "proto = 4,", r"\[Made\] gives proto = 4 to name and to seed"),
        ("fbs = 2,", "fbs = 1,", r"\[Made\] gives fbs = 1 to name and to seed"),
        ("fbs = 2,", "fbs = 3,", r"\[Made\] has no line with fbs = 2: put it back"),
        ("fbs = 2,", "fbs = 2, fsb = 2,", "expected lines like"),
        ("fbs = 2,", "fbs = 2", "expected lines like"),
    ],
)
def test_file_with_a_fault_is_refused(old: str, new: str, said: str) -> None:
    """Before anything is made of it."""
    source = write.numbers_text({"Made": edited(Before)["Made"]})
    assert old in source and write.read_numbers(source)
    with pytest.raises(SchemaError, match=said):
        write.read_numbers(source.replace(old, new))


@pytest.fixture(scope="module")
def committed() -> generate.Compiled:
    """Read the committed generated code."""
    return generate.compiled(ROOT / "serlab" / "generated")


def proto_of(change: Callable[[Any], None], old: generate.Compiled) -> generate.Compiled:
    """Change the message Audio of llm.proto."""
    proto = type(old.proto)()
    proto.CopyFrom(old.proto)
    [message] = [message for message in proto.message_type if message.name == "Audio"]
    change(message)
    return old._replace(proto=proto)


def renumber(message: Any) -> None:
    """Return `format` another number."""
    message.field[-2].number = 77


def reuse(message: Any) -> None:
    """Return the number of `voice_json` to another field."""
    message.field[-1].name = "voice_text"


def retype(message: Any) -> None:
    """Make `voice_json` bytes."""
    message.field[-1].type = message.field[-1].TYPE_BYTES


def drop(message: Any) -> None:
    """Take `voice_json` out without a trace."""
    del message.field[-1]


def reserve(message: Any) -> None:
    """Remove `voice_json` as it should be."""
    message.reserved_range.add(start=message.field[-1].number, end=message.field[-1].number + 1)
    message.reserved_name.append(message.field[-1].name)
    del message.field[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renumber, r"Audio\.format in llm\.proto: expected .* string = 9 or reserved, got .* string = 77"),
        (reuse, r"Audio\.voice_json in llm\.proto: expected .* string = 10 or reserved, got no such field"),
        (retype, r"Audio\.voice_json in llm\.proto: expected .* string = 10 or reserved, got .* bytes = 10"),
        (drop, r"Audio\.voice_json in llm\.proto: expected .* string = 10 or reserved, got no such field"),
    ],
)
def test_changed_number_in_protobuf_is_refused(change: Any, said: str, committed: generate.Compiled) -> None:
    """And told apart from a removal that reserves it."""
    with pytest.raises(SchemaError, match=said):
        generate.refuse_lost(committed, proto_of(change, committed))
    generate.refuse_lost(committed, proto_of(reserve, committed))


def test_reserved_number_that_is_given_again_is_refused(committed: generate.Compiled) -> None:
    """To another field, or lost; the same field may come back."""
    removed = proto_of(reserve, committed)
    for change in (reuse, drop):
        with pytest.raises(SchemaError, match=r"Audio in llm\.proto: expected 10 to stay reserved"):
            generate.refuse_lost(removed, proto_of(change, committed))
    generate.refuse_lost(removed, committed)


@pytest.mark.parametrize("slots", [{"voice_text": (7, "string")}, {"voice_json": (7, "[string]")}, {}])
@pytest.mark.parametrize("deprecated", [{}, {"Audio": {"voice_json": (7, "string")}}])
def test_changed_id_in_flatbuffers_is_refused(slots: Any, deprecated: Any, committed: generate.Compiled) -> None:
    """Whether the field was in use or deprecated: its id keeps its name and its type."""
    old = committed._replace(deprecated=deprecated)
    kept = {name: slot for name, slot in old.slots["Audio"].items() if name != "voice_json"}
    with pytest.raises(SchemaError, match=r"Audio\.voice_json in llm\.fbs: expected id and type \(7, 'string'\)"):
        generate.refuse_lost(old, committed._replace(slots={**old.slots, "Audio": {**kept, **slots}}))
    generate.refuse_lost(old, committed)


def test_changed_call_and_changed_accessor_are_refused(committed: generate.Compiled) -> None:
    """A client that was built before finds the call; the codec finds the function of a field."""
    proto = type(committed.proto)()
    proto.CopyFrom(committed.proto)
    proto.service[0].method[0].server_streaming = True
    with pytest.raises(SchemaError, match=r"LLMService\.Generate: expected the call as it was"):
        generate.refuse_lost(committed, committed._replace(proto=proto))
    with pytest.raises(SchemaError, match=r"AudioAddVoiceJson in llm_fbs\.py: expected this name"):
        generate.refuse_lost(committed, committed._replace(accessors=committed.accessors - {"AudioAddVoiceJson"}))


READ = """
import pathlib
from serlab.codecs import codec_info, open_codec
from serlab.messages import ChatRequest, from_document, to_document
from tests.support.documents import DOCUMENTS
from tests.golden import CASES, golden

DOCUMENTS_ = [{"model": "m", "made_up": value} for value in ("text", 7, None)]
for codec, kind in CASES:
    if codec_info(codec).schema:
        bound = open_codec(codec, kind)
        assert bound.decode(golden(codec, kind)) == from_document(kind, DOCUMENTS[kind]), (codec, kind)
        for i, document in enumerate(DOCUMENTS_ if kind == "ChatRequest" else ()):
            kept, message = pathlib.Path(f"{codec}-{i}.bin"), from_document(kind, document)
            assert to_document(bound.decode(bound.encode(message))) == document, (codec, document)
            if "made_up" in ChatRequest.__struct_fields__:
                assert not message.extra
                kept.write_bytes(bound.encode(message))
            else:
                assert to_document(bound.decode(kept.read_bytes())) == {"model": "m"}, (codec, document)
            print(codec)
"""
"""Reads the golden bytes, which were written before, and sends a new field through each schema codec; where the field
is gone again, reads the bytes that have it.
"""


class Checkout:
    """A copy of what `make schemas` needs, in which a type can be edited."""

    def __init__(self, folder: Path) -> None:
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("serlab", "schemas", "tests/golden"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        (folder / "tests/support").mkdir()
        for name in ("tests/__init__.py", "tests/support/__init__.py", "tests/support/documents.py"):
            shutil.copy(ROOT / name, folder / name)
        self.folder = folder

    def edit(self, old: str, new: str, name: str = "serlab/messages/chat.py") -> None:
        """Replace a piece of a file that stands there once."""
        source = (self.folder / name).read_text()
        assert source.count(old) == 1
        (self.folder / name).write_text(source.replace(old, new))

    def make(self) -> tuple[int, str]:
        """Return the status of `make schemas` and what it said."""
        done = self.run("-m", "schemas.generate")
        return done.returncode, done.stdout + done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python on the copy."""
        env = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)

    def read(self) -> list[str]:
        """Return the codecs that read the golden bytes and carry a field that may be new."""
        done = self.run("-c", READ)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def contents(self) -> dict[str, bytes]:
        """Return all that `make schemas` writes."""
        return {name: (self.folder / name).read_bytes() for name in WRITTEN}


@pytest.mark.slow
def test_new_field_is_one_edit_and_leaves_when_it_is_taken_out(tmp_path: Path) -> None:
    """Old bytes are read before, with and after it; a number that is planted meanwhile changes no file."""
    checkout = Checkout(tmp_path)
    before = checkout.contents()
    assert checkout.make() == (0, "schemas: nothing changed\n")
    assert checkout.contents() == before

    field = "    made_up: Opt[str | Int] = UNSET\n"
    start = '    """A request for the next turn of a conversation."""\n\n'
    checkout.edit(start, start + field)
    status, said = checkout.make()
    assert status == 0, said
    added = re.findall(r"added ChatRequest\.(\w+): (\d+) in llm\.proto, (\d+) in llm\.fbs", said)
    assert [name for name, _, _ in added] == ["made_up", "made_up_int"]
    proto, fbs = ((tmp_path / "schemas" / name).read_text() for name in ("llm.proto", "llm.fbs"))
    assert f"  optional string made_up = {added[0][1]};\n" in proto
    assert "  made_up:string;\n" in fbs
    codecs = checkout.read()
    assert {"protobuf", "flatbuffers", "flatbuffers-official"} <= {*codecs}

    checkout.edit(f"made_up = {{ proto = {added[0][1]},", "made_up = { proto = 9999,", "schemas/numbers.toml")
    planted = checkout.contents()
    status, said = checkout.make()
    assert status == 1
    assert f"ChatRequest.made_up in llm.proto: expected optional with presence string = {added[0][1]}" in said
    assert checkout.contents() == planted
    checkout.edit("made_up = { proto = 9999,", f"made_up = {{ proto = {added[0][1]},", "schemas/numbers.toml")

    checkout.edit(field, "")
    status, said = checkout.make()
    assert (status, said.count("removed ChatRequest.made_up")) == (0, 2)
    proto, fbs = ((tmp_path / "schemas" / name).read_text() for name in ("llm.proto", "llm.fbs"))
    assert f"  reserved {added[0][1]}, {added[1][1]};\n" in proto
    assert "  made_up:string (deprecated);\n" in fbs
    assert checkout.read() == codecs
