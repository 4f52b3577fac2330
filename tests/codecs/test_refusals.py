"""What a format cannot carry is refused with EncodeError, never changed without notice."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

from serlab.codecs import codec_names, open_codec
from serlab.errors import DecodeError, EncodeError
from serlab.messages import ChatRequest, EmbeddingResponse, from_document, to_document
from serlab.messages.embeddings import Embedding
from tests.support.loops import every

ALL = codec_names()
JSON = [name for name in ALL if "json" in name]
MESSAGEPACK = [name for name in ALL if "msgpack" in name]
SCHEMA = ["protobuf", "flatbuffers"]
NAN, INFINITY = float("nan"), float("inf")


def refuses(codec: str, message: Any) -> None:
    """Expect an EncodeError that names what was wrong."""
    with pytest.raises(EncodeError) as caught:
        open_codec(codec, type(message).__name__).encode(message)
    assert len(str(caught.value)) > 20


@every("codec", JSON)
@every("number", [NAN, INFINITY, -INFINITY])
def test_json_refuses_a_number_that_is_not_finite(codec: str, number: float) -> None:
    """In a field and in a free-form value, beside a null or not."""
    refuses(codec, ChatRequest(temperature=number))
    refuses(codec, ChatRequest(metadata={"a": [None, number]}))


@every("codec", [name for name in JSON if not name.endswith("base64")])
@every("dtype", ["float32", "float64"])
def test_vector_of_json_numbers_refuses_what_is_not_finite(codec: str, dtype: str) -> None:
    """Numbers are written one by one; base64 has the bits of NaN."""
    refuses(codec, EmbeddingResponse(data=[Embedding(embedding=np.array([1, NAN], dtype))]))


@every("codec", [name for name in ALL if not name.startswith("json")])
def test_text_with_a_lone_surrogate_is_refused(codec: str) -> None:
    """Only the standard library's escapes carry what is not UTF-8."""
    refuses(codec, ChatRequest(model="\ud800"))


@every("codec", [*(name for name in JSON if name.startswith("orjson")), *MESSAGEPACK])
@every("number", [2**64, -(2**63) - 1])
def test_integer_beyond_64_bits_is_refused(codec: str, number: int) -> None:
    """Neither orjson nor MessagePack has wider integers."""
    refuses(codec, from_document("ChatRequest", {"metadata": {"id": number}}))


@pytest.mark.parametrize("codec", SCHEMA)
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_integer_field_refuses_what_its_type_cannot_hold(codec: str, number: int) -> None:
    """The schema's integers have 64 bits."""
    refuses(codec, ChatRequest(max_tokens=number))


@every("codec", SCHEMA)
@every(
    "message",
    [
        ChatRequest(model=3),
        ChatRequest(max_tokens=True),
        ChatRequest(stream=1),
        ChatRequest(min_tokens=1.0),
        ChatRequest(user=2**70),
        ChatRequest(stop_token_ids=[1.5]),
        EmbeddingResponse(embedding=5),
    ],
    ids=["int-for-text", "bool-for-int", "int-for-bool", "float-for-int", "huge-for-label", "float-for-id", "vector"],
)
def test_schema_codec_refuses_a_value_of_another_type(codec: str, message: Any) -> None:
    """Nothing is coerced; a document would have put the value into `extra`."""
    refuses(codec, message)


@pytest.mark.parametrize("codec", [name for name in JSON if not name.startswith("msgspec-json")] + SCHEMA)
def test_bytes_are_refused(codec: str) -> None:
    """JSON has no bytes, and base64 text would come back as text."""
    refuses(codec, ChatRequest(metadata={"a": b"\x00"}))


@pytest.mark.parametrize("codec", MESSAGEPACK)
def test_message_pack_carries_bytes(codec: str) -> None:
    """MessagePack has them."""
    bound, message = open_codec(codec, "ChatRequest"), ChatRequest(metadata={"a": b"\x00"})
    assert bound.decode(bound.encode(message)) == message


@pytest.mark.parametrize("codec", ["orjson", "orjson-base64", *SCHEMA])
def test_key_that_is_not_a_string_is_refused(codec: str) -> None:
    """JSON keys are strings; `1` and `"1"` would fall together."""
    refuses(codec, ChatRequest(metadata={1: "a"}))


@every("codec", ALL)
def test_message_of_another_kind_is_refused(codec: str) -> None:
    """A codec is bound to one kind."""
    with pytest.raises(EncodeError, match="expected a ChatResponse, got a ChatRequest"):
        open_codec(codec, "ChatResponse").encode(ChatRequest(model="m"))


@pytest.mark.parametrize("codec", [name for name in ALL if name.endswith(("-base64", "-bin"))])
def test_variant_refuses_what_it_would_read_back_as_a_vector(codec: str) -> None:
    """An API's own object of the form that the variant writes is not taken for an array."""
    form = {"dtype": "float32", "base64": "AACAPw=="} if "json" in codec else {"dtype": "float32", "bin": b"\0\0\0\0"}
    refuses(codec, from_document("EmbeddingResponse", {"data": [{"embedding": form}]}))
    refuses(codec, from_document("EmbeddingResponse", {"embedding": {"values": form}}))
    refuses(codec, from_document("EmbeddingResponse", {"embeddings": {"float": [form]}}))


@pytest.mark.parametrize("codec", [name for name in ALL if name.endswith(("-base64", "-bin"))])
def test_form_of_a_variant_where_no_vector_belongs_comes_back(codec: str) -> None:
    """It is an object like any other there, whoever wrote it."""
    form = {"dtype": "float32", "base64": "AACAPw=="}
    vector = [0.5, 0.25]
    documents: list[Any] = [
        {"metadata": form},
        {"data": [form, {"embedding": vector, "statistics": form, "unknown": form}]},
        {"data": form, "embeddings": form},
        {"embedding": {"values": vector, "unknown": form}},
        {"embeddings": [vector, {"values": vector, "unknown": form}]},
    ]
    bound = open_codec(codec, "EmbeddingResponse")
    for document in documents:
        message = from_document("EmbeddingResponse", document)
        assert bound.decode(bound.encode(message)) == message
        assert to_document(message) == document


def test_vector_in_an_object_that_is_none_with_vectors_is_refused() -> None:
    """Nobody writes it so, and it would come back as numbers."""
    for document in (
        {"embeddings": [{"embedding": {"dtype": "float32", "base64": "AACAPw=="}, "unknown": 1}]},
        {"data": [*[1] * 100, {"embedding": {"dtype": "float32", "base64": "AACAPw=="}}]},
    ):
        with pytest.raises(DecodeError, match="stands in an object that is none with vectors"):
            open_codec("json-base64", "EmbeddingResponse").decode(json.dumps(document).encode())


def test_lone_vector_of_a_variant_is_read_without_a_copy() -> None:
    """Neither its type nor the memory that it takes changes."""
    array = np.full(2_000_000, np.nan, np.float32)
    bound = open_codec("msgpack-bin", "EmbeddingResponse")
    data = bound.encode(EmbeddingResponse(embedding=array))
    tracemalloc.start()
    found = bound.decode(data).embedding
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.dtype == np.float32 and found.tobytes() == array.tobytes()
    assert peak < 2 * len(data)


@pytest.mark.slow
@every("codec", ALL)
def test_values_nested_too_deep_are_refused(codec: str) -> None:
    """A recursion limit is an EncodeError, as is a document that cannot be walked."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    try:
        refuses(codec, ChatRequest(metadata=deep))
    finally:
        while deep:
            deep = deep.pop()
