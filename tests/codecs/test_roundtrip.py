"""What goes in comes out: document ↔ message, and message ↔ bytes through every codec."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serlab.codecs import codec_info, codec_names, open_codec
from serlab.errors import EncodeError
from serlab.messages import KINDS, MESSAGE_TYPES, Message, first_difference, from_document, to_document
from serlab.messages.base import NO_EXTRA
from tests.support.checks import REFUSES_HUGE, REFUSES_SURROGATES, check_round_trip
from tests.support.loops import every
from tests.support.strategies import documents

PAIRS = [
    (codec, kind) for codec in codec_names() for kind in KINDS if kind in MESSAGE_TYPES or not codec_info(codec).schema
]


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_message_stands_for_the_document_that_it_was_made_of(kind: str) -> None:
    """Unknown fields, wrong types, nulls and odd numbers come back from the message."""

    @given(documents(kind))
    def holds(document: Any) -> None:
        message = from_document(kind, document)
        assert type(message) is MESSAGE_TYPES[kind]
        assert first_difference(document, to_document(message)) == ""

    holds()


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_document_that_fits_its_type_leaves_extra_empty(kind: str) -> None:
    """What the types cover never travels in `extra`."""

    @given(documents(kind, surrogates=False, huge=False, fits=True))
    def holds(document: Any) -> None:
        assert from_document(kind, document).extra is NO_EXTRA

    holds()


@every("kind", MESSAGE_TYPES)
@every("document", [None, [], "text", 1.5, [{"model": "m"}], {}, {"$extra": {"a": 1}}])
def test_document_of_no_message_type_still_travels(kind: str, document: Any) -> None:
    """A document that is no object, or claims serlab's own field, comes back."""
    message = from_document(kind, document)
    assert isinstance(message, Message)
    assert first_difference(document, to_document(message)) == ""


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "kind"), PAIRS)
def test_codec_gives_back_what_it_was_given(codec: str, kind: str) -> None:
    """Message, document and every value of the view are equal, but for what the format documents to refuse."""
    surrogates, huge = codec not in REFUSES_SURROGATES, codec not in REFUSES_HUGE

    @given(documents(kind, surrogates=surrogates, huge=huge))
    def holds(document: Any) -> None:
        check_round_trip(codec, kind, document)

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_codec_refuses_a_document_or_carries_it_whole(kind: str) -> None:
    """On any document at all a codec raises EncodeError or gives the same one back."""
    codecs = [codec for codec, other in PAIRS if other == kind]

    @given(documents(kind), st.sampled_from(codecs))
    def holds(document: Any, codec: str) -> None:
        try:
            check_round_trip(codec, kind, document)
        except EncodeError:
            assert codec in REFUSES_SURROGATES | REFUSES_HUGE

    holds()


@every("codec", codec_names())
@every(
    "vector",
    [[0.5, -0.0], [0.1, 1e300], [1, -(2**63)], [1, 2.0], [2**53 + 1, 0.5], [], "AACAPw==", None, [None], [[0.5], [1]]],
    ids=["float32", "float64", "int64", "mixed", "wide", "empty", "base64", "null", "no-vector", "nested"],
)
@every("place", ["data", "values", "embeddings", "by-type", "embedding"])
def test_vector_comes_back_from_every_place(codec: str, vector: Any, place: str) -> None:
    """Each form of a vector travels in each field that may hold one."""
    document = {
        "data": {"data": [{"embedding": vector}, {"embedding": [0.5]}]},
        "values": {"embedding": {"values": vector}},
        "embeddings": {"embeddings": ["AAA=", vector, {"values": vector}]},
        "by-type": {"embeddings": {"float": [vector, [0.5]], "int8": [[1]]}},
        "embedding": {"embedding": vector},
    }[place]
    check_round_trip(codec, "EmbeddingResponse", document)


@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers"])
@pytest.mark.parametrize("field", ["prompt_token_ids", "prompt", "input_ids"])
def test_token_ids_are_packed(codec: str, field: str) -> None:
    """A thousand small token ids take at most four bytes each, and not JSON text."""
    ids = list(range(100, 1100))
    data = open_codec(codec, "GenerateRequest").encode(from_document("GenerateRequest", {field: ids}))
    assert len(data) < 4 * len(ids) + 100
    assert b"100,101" not in data
