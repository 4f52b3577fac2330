"""The schemas say what the types say, and the committed code is what the compilers write."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serlab.codecs.plan import Arm, plan_of, structs_of
from serlab.generated import llm_fbs, llm_pb2, llm_pb2_grpc
from serlab.generated.llm_layout import LAYOUT
from serlab.messages import MESSAGE_TYPES, Message
from serlab.messages.base import Part

ROOT = Path(__file__).resolve().parents[1]
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


@pytest.mark.parametrize(
    "module", ["__init__.py", "llm_pb2.py", "llm_pb2.pyi", "llm_pb2_grpc.py", "llm_fbs.py", "llm_layout.py"]
)
def test_generated_module_is_what_the_compilers_write(module: str, regenerated: Path) -> None:
    """Nobody edited it, and nobody changed a schema without `make schemas`."""
    assert (regenerated / module).read_text() == (ROOT / "serlab" / "generated" / module).read_text()


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the compilers into an empty folder."""
    target: Path = tmp_path_factory.mktemp("generated")
    runpy.run_path(str(ROOT / "schemas" / "generate.py"))["generate"](target)
    return target


def arms(type_: type[Part]) -> Iterator[Arm]:
    """List the schema fields that a type needs."""
    return (arm for field in plan_of(type_) for arm in field.arms)


def protobuf_type(field: Any) -> tuple[str, bool]:
    """Name a protobuf field's type, and tell whether it is a list."""
    names = {
        value: name.removeprefix("TYPE_").lower() for name, value in vars(type(field)).items() if name[:5] == "TYPE_"
    }
    return field.message_type.name if field.message_type else names[field.type], field.is_repeated


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_protobuf_message_has_the_fields_of_the_type_and_no_other(type_: type[Part]) -> None:
    """Each arm is there with its type; `nulls`, `empties` and `extra` are the only ones beside."""
    fields = getattr(llm_pb2, type_.__name__).DESCRIPTOR.fields_by_name
    expected = {"nulls": ("uint32", True), "empties": ("uint32", True)}
    if issubclass(type_, Message):
        expected["extra"] = ("Extra", True)
    for arm in arms(type_):
        expected[arm.name] = (arm.struct.__name__, arm.kind == "structs") if arm.struct else PROTOBUF[arm.kind]
    assert {name: protobuf_type(field) for name, field in fields.items()} == expected


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_each_field_has_names_of_its_own_in_the_schemas(type_: type[Part]) -> None:
    """Two spellings of one name would come back as one."""
    names = [arm.name for arm in arms(type_)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_protobuf_scalar_has_presence(type_: type[Part]) -> None:
    """So absent and zero differ."""
    fields = getattr(llm_pb2, type_.__name__).DESCRIPTOR.fields
    assert [field.name for field in fields if not field.is_repeated and not field.has_presence] == []


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, str]]:
    """Read the tables of llm.fbs: table → field → type and default."""
    found: dict[str, dict[str, str]] = {}
    for line in (ROOT / "schemas" / "llm.fbs").read_text().splitlines():
        code = line.partition("//")[0].strip()
        if code.startswith("table "):
            table = found.setdefault(code.split()[1], {})
        elif ":" in code:
            name, _, declared = code.rstrip(";").partition(":")
            table[name.strip()] = declared.strip()
    return found


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_flatbuffers_table_has_the_fields_of_the_type_and_no_other(type_: type[Part], tables: Any) -> None:
    """Each arm is there with its type; scalars default to null, so absent and zero differ."""
    expected = {"nulls": "[ushort]"}
    if issubclass(type_, Message):
        expected["extra"] = "[Extra]"
    for arm in arms(type_):
        name = arm.struct.__name__ if arm.struct else FLATBUFFERS[arm.kind]
        declared = f"[{name}]" if arm.kind == "structs" else name
        expected[arm.name] = f"{declared} = null" if arm.kind in ("bool", "int", "float") else declared
    assert tables[type_.__name__] == expected


def test_schemas_have_the_types_and_their_helpers_only(tables: Any) -> None:
    """No message and no table is left behind by a type that is gone."""
    names = {type_.__name__ for type_ in TYPES} | HELPERS
    assert set(llm_pb2.DESCRIPTOR.message_types_by_name) == names
    assert set(tables) == set(LAYOUT) == names
    assert all(hasattr(llm_fbs, name) for name in names)


def test_field_ids_count_up_in_the_order_of_the_table(tables: Any) -> None:
    """`nulls` on the wire holds these ids."""
    expected = {table: {name: id_ for id_, name in enumerate(fields)} for table, fields in tables.items()}
    assert expected == {table: {name: id_ for name, (id_, _) in slots.items()} for table, slots in LAYOUT.items()}


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
