"""What a protobuf message or a FlatBuffer from a stranger may cost: one budget per message, JSON texts included."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import pytest

from serlab.codecs import open_codec
from serlab.codecs.flatbuffers.tables import tables
from serlab.errors import DecodeError
from serlab.generated import llm_fbs, llm_pb2
from serlab.limits import FLAT, MIB
from serlab.messages import from_document, to_document

pytestmark = pytest.mark.slow

fbs: Any = llm_fbs
LISTS = "[" + "[]," * 400_000 + "0]"
"""JSON of 1.2 MB that becomes 30."""


def table(builder: Any, name: str, **places: int) -> int:
    """Write a table whose slots hold these offsets."""
    getattr(fbs, f"{name}Start")(builder)
    for field, place in places.items():
        getattr(fbs, f"{name}Add{field}")(builder, place)
    return int(getattr(fbs, f"{name}End")(builder))


def vector(builder: Any, places: list[int]) -> int:
    """Write a vector of offsets."""
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


def flat(write: Callable[[Any], int]) -> bytes:
    """Return the buffer that a function writes."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(write(builder))
    return bytes(builder.Output())


def shared_texts(count: int, length: int) -> bytes:
    """Make one text that a prompt lists many times."""

    def write(builder: Any) -> int:
        texts = vector(builder, [builder.CreateString("x" * length)] * count)
        return table(builder, "EmbeddingRequest", Input=table(builder, "Prompt", Texts=texts))

    return flat(write)


def shared_turns(count: int) -> bytes:
    """Make one turn with texts that a request lists many times."""

    def write(builder: Any) -> int:
        text = builder.CreateString("a")
        turn = table(builder, "ChatTurn", Role=text, Content=text, Name=text, ToolCallId=text)
        return table(builder, "ChatRequest", Messages=vector(builder, [turn] * count))

    return flat(write)


def shared_tree(levels: int) -> bytes:
    """Make tables that list the one below twice."""

    def write(builder: Any) -> int:
        item = table(builder, "Embedding")
        for _ in range(levels):
            inner = table(builder, "Vector", Item=item)
            item = table(builder, "Embedding", Embeddings=vector(builder, [inner, inner]))
        return table(builder, "EmbeddingResponse", Data=vector(builder, [item]))

    return flat(write)


def json_fields(codec: str, text: str) -> bytes:
    """Make a request with the same JSON text in three fields and three entries of `extra`."""
    if codec == "protobuf":
        request = llm_pb2.ChatRequest(metadata=text, logit_bias=text, provider=text)
        for i in range(3):
            request.extra.add(pointer=f"/x{i}", json=text)
        return request.SerializeToString()

    def write(builder: Any) -> int:
        place = builder.CreateString(text)
        extra = [table(builder, "Extra", Pointer=builder.CreateString(f"/x{i}"), Json=place) for i in range(3)]
        fields = {"Metadata": place, "LogitBias": place, "Provider": place}
        return table(builder, "ChatRequest", Extra=vector(builder, extra), **fields)

    return flat(write)


def shared_json(text: str, count: int) -> bytes:
    """Make a request with one JSON text in so many entries of `extra`."""

    def write(builder: Any) -> int:
        place = builder.CreateString(text)
        extra = [table(builder, "Extra", Pointer=builder.CreateString(f"/x{i}"), Json=place) for i in range(count)]
        return table(builder, "ChatRequest", Extra=vector(builder, extra))

    return flat(write)


def field(kind: str, name: str, wire: int = 2) -> bytes:
    """Return a field's tag."""
    number = getattr(llm_pb2, kind).DESCRIPTOR.fields_by_name[name].number << 3 | wire
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


def part(name: str, content: bytes) -> bytes:
    """Write a field of a request with its content."""
    return field("ChatRequest", name) + varint(len(content)) + content


def varint(number: int) -> bytes:
    """Write a number."""
    return (bytes([number & 127 | 128]) + varint(number >> 7)) if number > 127 else bytes([number])


ATTACKS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "one text, 3,000 times": ("flatbuffers", "EmbeddingRequest", lambda: shared_texts(3000, 60_000)),
    "one turn, 300,000 times": ("flatbuffers", "ChatRequest", lambda: shared_turns(300_000)),
    "tables that share": ("flatbuffers", "EmbeddingResponse", lambda: shared_tree(25)),
    "JSON texts in a FlatBuffer": ("flatbuffers", "ChatRequest", lambda: json_fields("flatbuffers", LISTS)),
    "JSON texts in protobuf": ("protobuf", "ChatRequest", lambda: json_fields("protobuf", LISTS)),
    "JSON that fails at its end": (
        "protobuf",
        "ChatRequest",
        lambda: llm_pb2.ChatRequest(metadata=LISTS[:-1] + "NaN").SerializeToString(),
    ),
    "empty turns": ("protobuf", "ChatRequest", lambda: (field("ChatRequest", "messages") + b"\0") * 200_000),
    "empty turns, unseen": ("protobuf", "ChatRequest", lambda: (field("ChatRequest", "messages") + b"\0") * 28_000),
    "empty vectors": (
        "protobuf",
        "EmbeddingResponse",
        lambda: (field("EmbeddingResponse", "embeddings") + b"\0") * 2**18,
    ),
    "structs in JSON": (
        "protobuf",
        "ChatRequest",
        lambda: llm_pb2.ChatRequest(
            messages=[llm_pb2.ChatTurn(content_json="[5," + "{}," * 250_000 + "{}]")]
        ).SerializeToString(),
    ),
    "numbers one by one": (
        "protobuf",
        "GenerateRequest",
        lambda: (field("GenerateRequest", "prompt_token_ids", 0) + b"\1") * 5_000_000,
    ),
    "unknown fields": ("protobuf", "GenerateRequest", lambda: b"\xa2\x7d\x00" * 990_000),
    "short JSON texts": ("protobuf", "ChatChunk", lambda: (field("ChatChunk", "id_json") + b"\x010") * 990_000),
    "short JSON texts of parts": (
        "protobuf",
        "ChatRequest",
        lambda: part("messages", (field("ChatTurn", "content_json") + b"\x011") * 900_000),
    ),
    "entries of turns": (
        "protobuf",
        "ChatRequest",
        lambda: (
            (field("ChatRequest", "messages") + b"\0") * 60_000
            + b"".join(part("extra", b"\x0a\x0f/messages/%05d" % i + b"\x12\x011") for i in range(60_000))
        ),
    ),
    "marks of groups": ("protobuf", "GenerateRequest", lambda: b"\x0b\x0c" * 2_000_000),
    "nulls": (
        "protobuf",
        "GenerateRequest",
        lambda: field("GenerateRequest", "nulls") + b"\xc0\x84\x3d" + b"\x04" * 1_000_000,
    ),
}


def vtable_with(name: str, slot: str) -> bytes:
    """Write the vtable of a table that has one field."""
    number = next(one.id for one in tables()[name].slots if one.name == slot)
    return struct.pack(f"<{number + 3}H", 4 + 2 * (number + 1), 8, *[0] * number, 4)


def overlapping_vtables(size: int, length: int = 60_000) -> bytes:
    """Make a list of tables, each with a vtable of that length, which begins 24 bytes behind that of the one before.

    Pieces of 24 bytes that are alike, so that a legal vtable, always the same, begins at each.
    """
    step = 24
    count = (size - length) // (step + 8)
    first, second = vtable_with("ChatRequest", "messages"), vtable_with("ChatTurn", "thinking_blocks")
    data = bytearray(4) + first + bytes(-len(first) % 4)
    root = len(data)
    data += struct.pack("<iIII", root - 4, 4, 1, 0) + second + bytes(-len(second) % 4)
    turn, blocks = len(data), len(data) + 12
    struct.pack_into("<I", data, 0, root)
    struct.pack_into("<I", data, root + 12, turn - root - 12)
    data += struct.pack("<iII", turn - root - 16, 4, count)
    places = blocks + 4 * count + 4 * np.arange(count)
    vtables = blocks + 8 * count + step * np.arange(count)
    data += (places - (blocks + 4 * np.arange(count))).astype("<u4").tobytes()
    data += (places - vtables).astype("<i4").tobytes()
    piece = struct.pack(f"<{step // 2}H", length // step * step, 4, *[0] * (step // 2 - 2))
    return bytes(data) + piece * (count + length // step)


ATTACKS["overlapping vtables"] = ("flatbuffers", "ChatRequest", lambda: overlapping_vtables(8_000_000))

CHILD = """
import json, sys, time
from serlab.codecs import open_codec
from serlab.errors import DecodeError
from serlab.messages import from_document
from tests.codecs.test_budget_binary import ATTACKS
codec, kind, build = ATTACKS[sys.argv[1]]
bound, data = open_codec(codec, kind), build()
warm = open_codec(codec, "ChatRequest")
small = warm.encode(from_document("ChatRequest", {"model": "m", "messages": [{"role": "user", "content": "a"}]}))
def touch(message):
    for name in dir(message):
        if not name.startswith("_"):
            getattr(message, name, None)
uses = {
    "decode": lambda codec, data: codec.decode(data),
    "open": lambda codec, data: touch(codec.open(data)),
    "relay": lambda codec, data: codec.relay(data, lambda model, stream: "other"),
}
found = {}
for name, use in uses.items():
    use(warm, small)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = int(open("/proc/self/statm").read().split()[1]) * 4096
    start = time.process_time()
    try:
        use(bound, data)
        outcome = "accepted"
    except DecodeError as error:
        outcome = str(error)
    cpu = time.process_time() - start
    peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    found[name] = len(data), cpu, peak - before, outcome
print(json.dumps(found))
"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_message_stays_within_its_budget(attack: str) -> None:
    """By the system's peak, in a process of its own: 40 bytes a byte, protobuf 120, and 32 MiB; refused or not."""
    done = subprocess.run([sys.executable, "-c", CHILD, attack], capture_output=True, text=True, timeout=120)
    assert not done.returncode, done.stderr
    for use, (size, cpu, memory, outcome) in json.loads(done.stdout).items():
        factor = 120 if ATTACKS[attack][0] == "protobuf" else 40
        assert memory <= min(factor * size + FLAT, 320 * MIB), (use, outcome)
        # Four times what a machine without load takes at most, so that a load beside it does not fail the test.
        assert cpu < 4 * (0.3 + 60e-9 * size), (use, outcome)


@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers"])
def test_json_texts_count_together(codec: str) -> None:
    """One passes, six do not; short ones pass in any number that their length allows."""
    bound = open_codec(codec, "ChatRequest")
    one = bound.encode(from_document("ChatRequest", {"model": "m", "messages": [], "metadata": json.loads(LISTS)}))
    assert len(bound.decode(one).metadata) == 400_001
    with pytest.raises(DecodeError, match="limit max_items"):
        bound.decode(json_fields(codec, LISTS))
    tools = [{"type": "function", "function": {"name": f"f{i}", "parameters": {"a": [[1]] * 90}}} for i in range(1500)]
    request = {"model": "m", "messages": [], "tools": tools}
    assert to_document(bound.decode(bound.encode(from_document("ChatRequest", request)))) == request


@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers"])
def test_token_ids_and_vectors_count_as_numbers(codec: str) -> None:
    """Five million pass, six do not: as many bytes each as in JSON, although they are packed."""
    for kind, name, values in (
        ("GenerateRequest", "prompt_token_ids", [7] * 6_000_000),
        ("EmbeddingResponse", "embeddings", [np.zeros(1_000_000, np.float32)] * 6),
    ):
        whole = from_document(kind, {})
        setattr(whole, name, values)
        bound = open_codec(codec, kind)
        with pytest.raises(DecodeError, match="limit max_materialized_bytes"):
            bound.decode(bound.encode(whole))
        setattr(whole, name, values[: len(values) * 5 // 6])
        assert len(getattr(bound.decode(bound.encode(whole)), name)) == len(values) * 5 // 6


@pytest.mark.parametrize("length", [900_000, 999_000])
@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers", "orjson"])
def test_many_short_inputs_pass(codec: str, length: int) -> None:
    """FlatBuffers writes equal ones once, and reads them as often as they are pointed at."""
    bound = open_codec(codec, "EmbeddingRequest")
    request = from_document("EmbeddingRequest", {"model": "m", "input": ["a"] * length})
    assert len(bound.decode(bound.encode(request)).input) == length


@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers"])
@pytest.mark.parametrize("document", [{"model": "m"}, {"model": None, "x": 1}, {"x": [1], "stream": True}])
def test_relay_changes_the_model_and_nothing_else(codec: str, document: dict[str, Any]) -> None:
    """Also where it was null or absent, and once more."""
    whole = {**document, "messages": [{"role": "user", "content": "hello"}], "temperature": 0.5, "user": None}
    bound = open_codec(codec, "ChatRequest")
    data = bound.encode(from_document("ChatRequest", whole))
    for model in ("other", "a name that is longer than those that are shared"):
        data = bound.relay(data, lambda _, stream, model=model: model)
        assert to_document(bound.decode(data)) == {**whole, "model": model}
        assert bound.open(data).model == model


@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers"])
@pytest.mark.parametrize("kind", ["ChatRequest", "ChatResponse", "ChatChunk", "EmbeddingRequest", "EmbeddingResponse"])
def test_null_absent_and_odd_values_come_back_in_every_field(codec: str, kind: str) -> None:
    """Each field of each struct by itself, in a list of three of which only one has it."""
    bound = open_codec(codec, kind)
    for document in documents_of(kind):
        assert to_document(bound.decode(bound.encode(from_document(kind, document)))) == document, document


ODD = (None, 0, 1.5, True, "", "text", [], ["a"], {}, {"a": None}, [1, None], [[0.5]], [{}])


def documents_of(kind: str) -> list[dict[str, Any]]:
    """List documents with one odd value each, at the top and in the lists of objects that have names of their own."""
    from serlab.codecs.schema import plan_of
    from serlab.messages import message_type

    found = []
    for outer in plan_of(message_type(kind)):
        found += [{outer.name: value} for value in ODD]
        for inner_type in (case.struct for case in outer.cases if case.kind == "structs" and case.struct is not None):
            for inner in plan_of(inner_type):
                found += [{outer.name: [{}, {inner.name: value}, {inner.name: value}]} for value in ODD]
                found += [{outer.name: [{"index": 0, "embedding": [0.5], inner.name: value}] * 2} for value in ODD[:6]]
    return found


@pytest.mark.parametrize("text", [" " * 2_999_999 + "1", '["' + "\\n" * 1_499_000 + '",NaN]'], ids=["blanks", "nan"])
def test_long_json_text_that_many_fields_share_is_refused(text: str) -> None:
    """Each field reads it anew: three times its length is enough to know; a short one may stand in any number."""
    codec = open_codec("flatbuffers", "ChatRequest")
    for count, passes in ((2, True), (4, False), (60, False)):
        data = shared_json(text, count)
        for read in (codec.decode, codec.open, lambda data: codec.relay(data, lambda model, stream: "m")):
            if passes:
                read(data)
            else:
                with pytest.raises(DecodeError, match="limit max_amplification"):
                    read(data)
    assert len(codec.decode(shared_json("[1,2]", 20_000)).extra) == 20_000
