"""Lazy views: what they give, and that they are lazy."""

import numpy as np
import pytest

from serlab import workloads
from serlab.codecs import codec_info, codec_names, open_codec
from serlab.messages import UNSET, from_document

LAZY = [name for name in codec_names() if codec_info(name).lazy]


@pytest.mark.parametrize("codec", codec_names())
def test_view_is_the_capability_flag(codec: str) -> None:
    """The registry says that a codec is lazy exactly where it has a view."""
    assert codec_info(codec).lazy == (open_codec(codec, "ChatRequest").view is not None)


@pytest.mark.parametrize("codec", LAZY)
@pytest.mark.parametrize("name", ["chat-turn", "tool-call-response", "stream", "token-ids"])
def test_materialized_view_equals_the_message(codec: str, name: str) -> None:
    """`materialize()` gives a message of its own."""
    message = workloads.build(name)[0]
    bound = open_codec(codec, workloads.kind(name))
    assert bound.open(bound.encode(message)).materialize() == message


@pytest.mark.parametrize("codec", LAZY)
def test_materialized_vector_outlives_its_bytes(codec: str) -> None:
    """A view's array lies over the bytes and is read-only; the message's is a copy."""
    bound = open_codec(codec, "EmbeddingResponse")
    data = bytearray(bound.encode(from_document("EmbeddingResponse", {"data": [{"embedding": [0.5, 1.5]}]})))
    view = bound.open(data)
    seen, kept = view.data[0].embedding, view.materialize().data[0].embedding
    position = data.index(np.array([0.5, 1.5], "<f4").tobytes())
    data[position : position + 4] = np.array([7.0], "<f4").tobytes()
    assert seen.tolist() == [7.0, 1.5]
    assert kept.tolist() == [0.5, 1.5]
    assert not seen.flags.writeable


@pytest.mark.parametrize("codec", ["flatbuffers-official", "flatbuffers-unverified"])
def test_view_reads_only_the_field_that_is_touched(codec: str) -> None:
    """A damaged field does no harm to the others, where nothing is verified beforehand."""
    bound = open_codec(codec, "ChatRequest")
    data = bound.encode(from_document("ChatRequest", {"model": "m-1", "user": "damaged"}))
    view = bound.open(data.replace(b"damaged", b"\xff\xff\xff\xff\xff\xff\xff"))
    assert view.model == "m-1"
    with pytest.raises(ValueError, match="can't decode"):
        view.user  # noqa: B018, touching it is the test


@pytest.mark.parametrize("codec", LAZY)
def test_view_tells_absent_null_and_unknown_apart(codec: str) -> None:
    """UNSET, None and AttributeError."""
    bound = open_codec(codec, "ChatRequest")
    view = bound.open(bound.encode(from_document("ChatRequest", {"stop": None})))
    assert view.stop is None
    assert view.seed is UNSET
    with pytest.raises(AttributeError, match="ChatRequest has no field 'stopp'"):
        view.stopp  # noqa: B018, touching it is the test


@pytest.mark.parametrize("codec", LAZY)
def test_view_of_a_list_behaves_as_a_list(codec: str) -> None:
    """It has a length, negative indexes, slices and an end."""
    bound = open_codec(codec, "ChatRequest")
    turns = [{"content": text} for text in "abc"]
    messages = bound.open(bound.encode(from_document("ChatRequest", {"messages": turns}))).messages
    assert [turn.content for turn in messages] == ["a", "b", "c"]
    assert messages[-1].content == "c"
    assert [turn.content for turn in messages[1:]] == ["b", "c"]
    with pytest.raises(IndexError):
        messages[3]
