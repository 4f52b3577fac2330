"""Views over FlatBuffers bytes: they read like the message, share its memory and hold on to it."""

import gc
import mmap
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serlab import workloads
from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import verify
from serlab.errors import DecodeError
from serlab.messages import MESSAGE_TYPES, UNSET, from_document
from tests.support.checks import assert_same_values
from tests.support.documents import DOCUMENTS

CODECS = ["flatbuffers", "flatbuffers-unverified"]
codecs = pytest.mark.parametrize("codec", CODECS)


def view_of(kind: str, document: Any, codec: str = "flatbuffers", make: Any = bytes) -> Any:
    """Encode a document and open it."""
    bound = open_codec(codec, kind)
    return bound.open(make(bound.encode(from_document(kind, document))))


@codecs
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview], ids=lambda make: make.__name__)
@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_view_reads_compares_and_prints_like_the_message(kind: str, make: Any, codec: str) -> None:
    """Over bytes and over other buffers."""
    message, view = from_document(kind, DOCUMENTS[kind]), view_of(kind, DOCUMENTS[kind], codec, make)
    assert_same_values(view, message)
    assert view == message
    assert message == view
    assert view == view_of(kind, DOCUMENTS[kind])
    assert view != type(message)(**{type(message).__struct_fields__[0]: "another"})
    assert repr(view) == repr(message)
    assert view.materialize() == message
    assert type(view.materialize()) is type(message)


@codecs
def test_lists_take_indexes_slices_and_comparison(codec: str) -> None:
    """As the message's lists do."""
    turns = [{"content": text} for text in "abcd"]
    document = {"messages": turns, "stop": ["x", "y"], "stop_token_ids": [1, 2]}
    view = view_of("ChatRequest", document, codec)
    message = from_document("ChatRequest", document)
    assert len(view.messages) == 4
    assert [turn.content for turn in view.messages[::-2]] == ["d", "b"]
    assert view.messages[-4].content == "a"
    assert view.messages[1:3] == message.messages[1:3]
    assert view.messages == message.messages
    assert view.messages != message.messages[:3]
    assert repr(view.messages) == repr(message.messages)
    assert view.stop == ["x", "y"]
    assert "y" in view.stop
    assert list(reversed(view.stop)) == ["y", "x"]
    assert view.stop.index("y") == 1
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"index {index} of a list of 4"):
            view.messages[index]


@codecs
def test_absent_null_empty_and_unknown_stay_apart(codec: str) -> None:
    """UNSET, None, an empty list and AttributeError."""
    view = view_of("ChatRequest", {"stop": None, "messages": [], "model": "", "seed": 0}, codec)
    assert (view.stop, view.seed, view.model, view.user) == (None, 0, "", UNSET)
    assert len(view.messages) == 0
    assert view.messages == []
    with pytest.raises(AttributeError, match="ChatRequest has no field 'stopp'"):
        view.stopp  # noqa: B018, touching it is the test
    with pytest.raises(AttributeError):
        view.model = "another"
    with pytest.raises(TypeError, match="unhashable"):
        hash(view)


@pytest.mark.parametrize("make", [bytes, bytearray])
def test_vectors_share_memory_with_the_buffer(make: Any) -> None:
    """Arrays of embeddings, token ids and bytes: no copy, no writing."""
    bound = open_codec("flatbuffers", "EmbeddingResponse")
    data = make(bound.encode(from_document("EmbeddingResponse", DOCUMENTS["EmbeddingResponse"])))
    singles, doubles, integers = (item.embedding for item in bound.open(data).data[:3])
    assert np.shares_memory(singles, np.frombuffer(data, np.uint8))
    assert [array.dtype.str for array in (singles, doubles, integers)] == ["<f4", "<f8", "<i8"]
    tokens = view_of("GenerateRequest", {"prompt_token_ids": [1, 70000]}, make=make).prompt_token_ids
    assert tokens.dtype.str == "<i4"
    for array in (singles, doubles, integers, tokens):
        assert array.flags.aligned
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


class Buffer(bytearray):
    """A buffer whose end can be watched."""


@codecs
def test_view_list_and_array_keep_the_buffer_alive(codec: str) -> None:
    """Until the last of them is gone."""
    bound = open_codec(codec, "EmbeddingResponse")
    data = Buffer(bound.encode(from_document("EmbeddingResponse", {"data": [{"embedding": [0.5, 1.5]}]})))
    watch = weakref.ref(data)
    items = bound.open(data).data
    del data
    gc.collect()
    array = items[0].embedding
    del items
    gc.collect()
    assert watch() is not None
    assert array.tolist() == [0.5, 1.5]
    del array
    gc.collect()
    assert watch() is None


@codecs
def test_viewed_bytearray_cannot_change_its_length(codec: str) -> None:
    """Nor while only an array of it lives; afterwards it can."""
    bound = open_codec(codec, "GenerateRequest")
    data = bytearray(bound.encode(from_document("GenerateRequest", {"prompt_token_ids": [1, 2]})))
    tokens = bound.open(data).prompt_token_ids
    with pytest.raises(BufferError):
        data.extend(b"more")
    del tokens
    gc.collect()
    data.extend(b"more")


def test_view_lies_over_a_mapped_file(tmp_path: Path) -> None:
    """Which cannot be closed while it lives."""
    bound = open_codec("flatbuffers", "ChatRequest")
    message = workloads.build("agent-request")[0]
    path = tmp_path / "message.bin"
    path.write_bytes(bound.encode(message))
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view = bound.open(mapped)
    assert view.messages[-1].content == message.messages[-1].content
    with pytest.raises(BufferError):
        mapped.close()
    del view
    gc.collect()
    mapped.close()


def test_bytes_that_change_show_through_the_view() -> None:
    """What was verified no longer holds then: another value, or DecodeError."""
    bound = open_codec("flatbuffers", "ChatRequest")
    data = bytearray(bound.encode(from_document("ChatRequest", {"model": "one", "user": "someone-with-a-long-name"})))
    view = bound.open(data)
    place = data.index(b"one\0")
    data[place : place + 3] = b"two"
    assert view.model == "two"
    data[place : place + 3] = b"\xff\xff\xff"
    with pytest.raises(DecodeError, match=r"ChatRequest\.model"):
        view.model  # noqa: B018, touching it is the test
    data[place - 4 : place] = b"\xff\xff\xff\x7f"
    with pytest.raises(DecodeError, match=r"ChatRequest\.model"):
        view.model  # noqa: B018, touching it is the test
    with pytest.raises(DecodeError):
        view.materialize()
    assert "damaged view of ChatRequest" in repr(view)
    assert view.user == "someone-with-a-long-name"


def test_text_that_is_no_json_raises_decode_error_when_touched() -> None:
    """The verifier does not read JSON; a view does when it must."""
    bound = open_codec("flatbuffers", "ChatRequest")
    data = bound.encode(from_document("ChatRequest", {"model": "m", "metadata": {"key": "value"}}))
    view = bound.open(data.replace(b'{"key":"value"}', b'{"key":"value"!'))
    assert view.model == "m"
    with pytest.raises(DecodeError, match=r"ChatRequest\.metadata.*JSONDecodeError"):
        view.metadata  # noqa: B018, touching it is the test
    with pytest.raises(DecodeError, match="JSONDecodeError"):
        view.materialize()


def test_verify_once_and_open_often() -> None:
    """What `verify` has passed needs no verifying again."""
    message = workloads.build("chat-turn")[0]
    data = open_codec("flatbuffers", "ChatRequest").encode(message)
    verify("ChatRequest", data)
    trusting = open_codec("flatbuffers-unverified", "ChatRequest")
    assert trusting.open(data).messages[-1] == message.messages[-1]
    with pytest.raises(DecodeError):
        verify("ChatRequest", data[:-8])
