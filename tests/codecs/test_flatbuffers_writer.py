"""The FlatBuffers writer: read by Google's accessors, the same bytes hot and cold, and what it shares and refuses."""

import linecache
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serlab import workloads
from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import write as shapes
from serlab.codecs.flatbuffers import write as writers
from serlab.corpus import read
from serlab.errors import EncodeError
from serlab.messages import MESSAGE_TYPES, ChatRequest, EmbeddingResponse, GenerateRequest, from_document
from serlab.messages.chat import ChatTurn
from serlab.messages.embeddings import Embedding
from tests.support.documents import DOCUMENTS

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "corpus"
FILES = sorted(FOLDER.glob("*.jsonl"))
CASES = [(workloads.kind(name), name) for name in workloads.names()]


def both_ways(kind: str, message: Any) -> None:
    """Read what one library wrote with the other."""
    new, old = open_codec("flatbuffers", kind), open_codec("flatbuffers-official", kind)
    assert old.decode(new.encode(message)) == message
    assert new.decode(old.encode(message)) == message
    assert new.open(old.encode(message)) == message


@pytest.mark.parametrize(("kind", "workload"), CASES)
def test_google_reads_what_is_written_here_and_the_reverse(kind: str, workload: str) -> None:
    """Equal messages, on every workload."""
    for message in workloads.build(workload)[:20]:
        both_ways(kind, message)


@pytest.mark.slow
@pytest.mark.skipif(not FILES, reason="no recorded traffic beside the checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_google_reads_recorded_traffic_and_the_reverse(path: Path) -> None:
    """Every recorded body of a message type."""
    for body in read(path, strict=True):
        if body.kind in MESSAGE_TYPES:
            both_ways(body.kind, from_document(body.kind, body.document))


@pytest.mark.parametrize("hot", [1, 2, 3], ids="compiled at use {}".format)
@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_compiled_shapes_write_the_same_bytes(kind: str, hot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rare shape, one that is compiled by itself and one in its type's function."""
    monkeypatch.setattr(shapes, "HOT", 2**30)
    message = from_document(kind, DOCUMENTS[kind])
    expected = encoded_afresh(message, monkeypatch)[0]
    monkeypatch.setattr(shapes, "HOT", hot)
    assert set(encoded_afresh(message, monkeypatch)) == {expected}
    monkeypatch.setattr(shapes, "INLINE", 0)
    assert set(encoded_afresh(message, monkeypatch)) == {expected}


def encoded_afresh(message: Any, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Encode five times with writers that have compiled nothing yet."""
    monkeypatch.setattr(writers, "SEALED", writers.Writers(finite=True))
    write = writers.writer(type(message))
    return [b"".join(write(message)) for _ in range(5)]


def test_ever_new_shapes_are_not_compiled_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's messages, encoded again, do not fill the memory."""
    monkeypatch.setattr(shapes, "HOT", 1)
    monkeypatch.setattr(writers, "TRUSTING", writers.Writers())
    write = writers.writer(ChatRequest)
    names = ChatTurn.__struct_fields__
    for i in range(200):
        turn = ChatTurn(**{name: None for j, name in enumerate(names) if i >> j & 1})
        message = ChatRequest(messages=[turn])
        assert open_codec("flatbuffers", "ChatRequest").decode(b"".join(write(message))) == message
    found = writers.TRUSTING.functions["shapes_ChatTurn"]
    assert len(found) <= shapes.MAX_COMPILED
    assert len(found.uses) <= shapes.MAX_COUNTED


def test_many_threads_may_write_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while shapes are being compiled."""
    monkeypatch.setattr(shapes, "HOT", 3)
    monkeypatch.setattr(writers, "SEALED", writers.Writers(finite=True))
    write = writers.writer(ChatRequest)
    message = workloads.build("agent-request")[0]
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: b"".join(write(message)), range(32)))
    assert len(found) == 1
    assert open_codec("flatbuffers", "ChatRequest").decode(found.pop()) == message


def test_recurring_short_text_is_written_once() -> None:
    """Roles, and a token and its bytes."""
    turns = [{"role": "assistant", "content": "x" * 40} for _ in range(9)]
    data = open_codec("flatbuffers", "ChatRequest").encode(from_document("ChatRequest", {"messages": turns}))
    assert data.count(b"assistant") == 1
    entry = {"token": " sun", "logprob": -0.5, "bytes": list(b" sun"), "top_logprobs": []}
    document = {"choices": [{"logprobs": {"content": [entry, entry]}}]}
    data = open_codec("flatbuffers", "ChatResponse").encode(from_document("ChatResponse", document))
    assert data.count(b" sun") == 1


@pytest.mark.parametrize(
    "array",
    [
        np.arange(8, dtype="<f4")[::2],
        np.arange(5, dtype="<f8"),
        np.arange(6, dtype="<i8")[::-1],
        np.empty(0, "<f4"),
        np.empty(0, "<f8"),
        np.array([np.nan, -0.0, np.inf], "<f4"),
    ],
    ids=["strided", "float64", "reversed", "empty", "empty-float64", "odd"],
)
def test_array_of_any_layout_comes_back(array: np.ndarray) -> None:
    """In an item of the common form and in one of another."""
    common = Embedding(object="embedding", index=0, embedding=array)
    message = EmbeddingResponse(data=[common, Embedding(values=array), common], embeddings=[array, "AAA="])
    both_ways("EmbeddingResponse", message)


@pytest.mark.parametrize("array", [np.zeros((2, 2), "<f4"), np.zeros(2, ">f4"), np.zeros(2, "<f2")])
def test_array_that_is_no_vector_is_refused(array: np.ndarray) -> None:
    """Two dimensions, another byte order, another type."""
    for item in (Embedding(object="embedding", index=0, embedding=array), Embedding(values=array)):
        with pytest.raises(EncodeError):
            open_codec("flatbuffers", "EmbeddingResponse").encode(EmbeddingResponse(data=[item]))


@pytest.mark.parametrize(
    "message",
    [
        ChatRequest(messages=[ChatRequest()]),  # type: ignore[list-item]
        EmbeddingResponse(data=[ChatTurn()]),  # type: ignore[list-item]
        EmbeddingResponse(data=[Embedding(object="embedding", index=2**63, embedding=np.zeros(1, "<f4"))]),
    ],
    ids=["other-struct", "other-item", "wide-index"],
)
def test_value_that_the_schema_cannot_hold_is_refused(message: Any) -> None:
    """With EncodeError, whatever `struct` or numpy raise."""
    with pytest.raises(EncodeError):
        open_codec("flatbuffers", type(message).__name__).encode(message)


@pytest.mark.parametrize(
    "document",
    [
        {"prompt_token_ids": [1, 2**31]},
        {"prompt_token_ids": [1, None, [2]]},
        {"stop": ["a", 1, None, {"b": []}]},
        {"stop": [], "prompt_token_ids": []},
    ],
    ids=["wide", "nested", "texts", "empty"],
)
def test_list_that_does_not_pack_travels_beside_lists_that_do(document: dict[str, Any]) -> None:
    """The first try finds out; the message is then written with a look into each list."""
    message = from_document("GenerateRequest", document | {"stop_token_ids": [1, 2], "images": ["x", "y"]})
    both_ways("GenerateRequest", message)
    data = open_codec("flatbuffers", "GenerateRequest").encode(message)
    assert open_codec("flatbuffers", "GenerateRequest").open(data).stop_token_ids.tolist() == [1, 2]


@pytest.mark.parametrize("value", [{1, 2}, [{1}], {"a": {"b"}}], ids=["set", "in-a-list", "in-an-object"])
def test_free_form_value_that_is_no_json_is_refused(value: Any) -> None:
    """A set is not turned into a list, which would come back as another value."""
    with pytest.raises(EncodeError):
        open_codec("flatbuffers", "ChatRequest").encode(ChatRequest(metadata=value))


def test_traceback_shows_the_generated_line() -> None:
    """The source of generated code can be looked up."""
    try:
        open_codec("flatbuffers", "ChatRequest").encode(ChatRequest(model="\ud800"))
    except EncodeError as error:
        assert error.__cause__ is not None
        lines = "".join(traceback.format_exception(error.__cause__))
        assert "m.model" in lines or "value.encode()" in lines
    assert any(file.startswith("<serlab writer") for file in linecache.cache)


@pytest.mark.parametrize("ids", [[2**31], [[1], None], []], ids=str)
def test_token_ids_that_do_not_pack_take_the_spare_case(ids: list[Any]) -> None:
    """The first writer fails on them, the careful one finds the case."""
    codec = open_codec("flatbuffers", GenerateRequest)
    message = GenerateRequest(prompt_token_ids=ids)
    assert codec.decode(codec.encode(message)).prompt_token_ids == ids
    assert codec.open(codec.encode(message)).materialize() == message
