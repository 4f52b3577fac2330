"""The FlatBuffers verifier: what it refuses, in which words, and within which limits."""

import re
import struct
from typing import Any

import flatbuffers
import numpy as np
import pytest

from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import VIEWED, read, verify
from serlab.errors import DecodeError
from serlab.generated import llm_pb2
from serlab.generated.llm_layout import LAYOUT
from serlab.limits import DEFAULT_LIMITS, Limits
from serlab.messages import MESSAGE_TYPES, from_document
from tests.fuzz import damage
from tests.support.documents import DOCUMENTS


def refused(kind: str, data: bytes, words: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Expect the same refusal from the verifier, from decode and from open."""
    bound = open_codec("flatbuffers", kind, limits)
    for call in (lambda: verify(kind, data, limits), lambda: bound.decode(data), lambda: bound.open(data)):
        with pytest.raises(DecodeError, match=words):
            call()


def request(**fields: Any) -> bytearray:
    """Encode a small request that may be damaged."""
    return bytearray(open_codec("flatbuffers", "ChatRequest").encode(from_document("ChatRequest", fields)))


def text_place(data: bytearray, text: bytes) -> int:
    """Find where a text's length stands."""
    return data.index(struct.pack("<I", len(text)) + text)


def test_length_beyond_the_end_is_refused() -> None:
    """Google's accessors read to the end instead."""
    data = request(model="a-model-with-a-name")
    struct.pack_into("<I", data, text_place(data, b"a-model-with-a-name"), 2**31)
    refused("ChatRequest", data, "ChatRequest at byte .*model: expected its end")


def test_text_without_its_zero_is_refused() -> None:
    """C and C++ readers rely on it."""
    data = request(model="a-model-with-a-name")
    data[data.index(b"a-model-with-a-name") + 19] = 1
    refused("ChatRequest", data, "model: expected its end, and after text a zero")


def test_text_that_is_not_utf8_is_refused() -> None:
    """Also in free-form values and lists."""
    for fields in ({"model": "some-text-to-find"}, {"stop": ["some-text-to-find"]}, {"metadata": "some-text-to-find"}):
        data = request(**fields)
        refused("ChatRequest", data.replace(b"find", b"f\xffnd"), "UnicodeDecodeError")


def test_zeros_are_no_request() -> None:
    """Google's accessors read them as an empty one."""
    refused("ChatRequest", bytes(64), "the root: expected an offset")
    refused("ChatRequest", b"", "expected at least 8 bytes, got 0")


def test_misaligned_offset_is_refused() -> None:
    """Machines that cannot read across words would fail on it."""
    data = request(model="a-model-with-a-name")
    table = struct.unpack_from("<I", data)[0]
    slot = table + 4
    struct.pack_into("<I", data, slot, struct.unpack_from("<I", data, slot)[0] + 1)
    refused("ChatRequest", data, "model: expected an offset to a multiple of 4")


def test_misaligned_double_is_refused() -> None:
    """A table may start at any multiple of 4, so its vtable alone does not tell."""
    data = bytes(request(temperature=0.5))
    root = struct.unpack_from("<I", data)[0]
    moved = bytearray(struct.pack("<I", root + 4) + bytes(root - 4) + bytes(4) + data[root:])
    refused("ChatRequest", bytes(moved), "temperature: expected a number at a multiple of 8")


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        ({"stop": 4, "stop_list": 8}, "stop: expected one value, got stop and stop_list"),
        ({"model": 4, "user": 4}, "expected a slot between 8 and"),
        ({"model": 6}, "model: expected a slot"),
        ({"model": 400}, "model: expected a slot between 4 and 12, got 400"),
        ({"model": 2}, "model: expected a slot"),
    ],
    ids=["two-arms", "overlap", "misaligned", "outside", "in-the-soffset"],
)
def test_vtable_that_is_not_legal_is_refused(slots: dict[str, int], words: str) -> None:
    """A slot outside the table, two in one place, a field with two values."""
    refused("ChatRequest", table_of("ChatRequest", slots), words)


def table_of(table: str, slots: dict[str, int]) -> bytes:
    """Make a buffer of one table whose two words point to an empty string."""
    ids = {LAYOUT[table][name][0]: place for name, place in slots.items()}
    entries = [ids.get(i, 0) for i in range(max(ids) + 1)]
    vtable = struct.pack(f"<{2 + len(entries)}H", 4 + 2 * len(entries), 12, *entries)
    vtable += bytes(-len(vtable) % 8)
    start = 8 + len(vtable)
    body = struct.pack("<iIIII", start - 8, 8, 4, 0, 0)
    return struct.pack("<II", start, 0) + vtable + body


@pytest.mark.parametrize("ids", [[0], [1]], ids=["of-nulls", "of-extra"])
def test_null_of_what_is_no_field_is_refused(ids: list[int]) -> None:
    """Only fields can be null."""
    refused("ChatRequest", with_nulls(ids), "nulls: expected ids of fields")


def test_field_that_is_null_and_has_a_value_is_refused() -> None:
    """One of the two is a lie."""
    refused("ChatRequest", with_nulls([LAYOUT["ChatRequest"]["model"][0]]), "model: expected a value or null, got both")


def with_nulls(ids: list[int]) -> bytes:
    """Make a request with a model and these nulls."""
    builder = flatbuffers.Builder(64)
    model = builder.CreateString("m")
    nulls = builder.CreateNumpyVector(np.array(ids, np.uint16))
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["ChatRequest"]["model"][0], model, 0)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["ChatRequest"]["nulls"][0], nulls, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


@pytest.mark.parametrize("arms", [[], ["text", "json"]], ids=["none", "two"])
def test_prompt_holds_exactly_one_form(arms: list[str]) -> None:
    """Neither none nor two."""
    builder = flatbuffers.Builder(64)
    text = builder.CreateString("[]")
    builder.StartObject(5)
    for arm in arms:
        builder.PrependUOffsetTRelativeSlot(LAYOUT["Prompt"][arm][0], text, 0)
    prompt = builder.EndObject()
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["EmbeddingRequest"]["input"][0], prompt, 0)
    builder.Finish(builder.EndObject())
    refused("EmbeddingRequest", bytes(builder.Output()), "Prompt: expected exactly one of text, texts")


NUMBERS = [1.0, 0.5, 1e308]


@pytest.mark.parametrize("positions", [[3], [0, 0], [1], [2]], ids=["outside", "twice", "a-fraction", "beyond-2^53"])
def test_mixed_vector_names_integers_only(positions: list[int]) -> None:
    """`integral` lists the places of integers."""
    builder = flatbuffers.Builder(64)
    numbers = builder.CreateNumpyVector(np.array(NUMBERS))
    integral = builder.CreateNumpyVector(np.array(positions, np.uint32))
    builder.StartObject(7)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["Vector"]["float64s"][0], numbers, 0)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["Vector"]["integral"][0], integral, 0)
    vector = builder.EndObject()
    builder.StartObject(12)
    builder.PrependUOffsetTRelativeSlot(LAYOUT["EmbeddingResponse"]["embedding"][0], vector, 0)
    builder.Finish(builder.EndObject())
    refused("EmbeddingResponse", bytes(builder.Output()), "integral|IndexError")
    mixed = llm_pb2.EmbeddingResponse(embedding=llm_pb2.Vector(float64s=NUMBERS, integral=positions))
    with pytest.raises(DecodeError, match=r"integral|IndexError"):
        open_codec("protobuf", "EmbeddingResponse").decode(mixed.SerializeToString())


@pytest.mark.parametrize("writer", damage.WRITERS)
@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_damaged_bytes_are_decoded_exactly_where_they_are_verified(kind: str, writer: str) -> None:
    """Part of `python -m tests.fuzz.damage`: only DecodeError comes out, and decode, verify and open agree."""
    outcomes = [damage.check(kind, data) for data in damage.damaged(damage.whole(writer, kind), range(0, 256, 85), 7)]
    assert not all(outcomes)
    assert any(outcomes)


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_general_reader_agrees_with_the_compiled_ones(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads a table that comes with ever new vtables checks and reads the same."""
    cases = list(damage.damaged(damage.whole("flatbuffers", kind), range(1, 256, 127), 11))
    bound = open_codec("flatbuffers", kind)
    expected = [repr(damage.outcome(bound.decode, data)) for data in cases]
    monkeypatch.setattr(read, "MAX_VTABLES", 0)
    monkeypatch.setattr(read, "readers", lambda mode: fresh[mode])
    fresh = {mode: read.Readers(read.MODES[mode]) for mode in read.MODES}
    found = [repr(damage.outcome(bound.decode, data)) for data in cases]
    assert [bare(text) for text in found] == [bare(text) for text in expected]
    assert bound.decode(damage.whole("flatbuffers", kind)) == from_document(kind, DOCUMENTS[kind])
    for data, text in zip(cases, found, strict=True):
        assert text.startswith("DecodeError") or damage.outcome(verify, kind, data) is None


def bare(text: str) -> str:
    """Leave out what an error says, of which several may be true."""
    return re.sub(r"^DecodeError.*", "DecodeError", text, flags=re.DOTALL)


@pytest.mark.parametrize("buffer", [bytes, bytearray], ids=["bytes", "other"])
def test_many_entries_of_extra_are_checked_as_few_are(buffer: type) -> None:
    """A view is not asked thousands of times; what is refused is a DecodeError all the same."""
    codec = open_codec("flatbuffers", "ChatRequest")
    many = {f"x{i}": i for i in range(VIEWED + 1)}
    good = codec.encode(from_document("ChatRequest", {"model": "m", **many}))
    verify("ChatRequest", buffer(good))
    codec.open(buffer(good))
    for other in (b"/seed", b"/x255", b"/a/bc"):
        with pytest.raises(DecodeError, match="extra"):
            verify("ChatRequest", buffer(good.replace(b"/x256", other)))
