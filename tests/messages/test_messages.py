"""The typed messages and the strict comparison of documents."""

import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import numpy as np
import pytest

from serlab.errors import DocumentError, UnknownNameError
from serlab.messages import (
    MESSAGE_TYPES,
    UNSET,
    ChatRequest,
    EmbeddingResponse,
    apply_extra,
    first_difference,
    from_document,
    kind_of,
    message_type,
    same,
    to_document,
)
from serlab.messages.base import NO_EXTRA
from serlab.messages.embeddings import Embedding, pack_vector

DIFFERENT: list[tuple[Any, Any]] = [
    (1, 1.0),
    (True, 1),
    (0.0, -0.0),
    (None, ""),
    ([], {}),
    ([1], [1, 1]),
    ({"a": 1}, {}),
]
DIFFERENT += [({"a": None}, {}), ("é", "e\u0301"), (2**53, 2**53 + 1), (0.1, 0.1 + 2**-56)]


@pytest.mark.parametrize(("a", "b"), DIFFERENT, ids=str)
def test_documents_that_are_not_the_same_json_differ(a: Any, b: Any) -> None:
    """On the surface and inside; the difference is named with its pointer."""
    for one, other in ((a, b), (b, a), ([{"x/y": a}], [{"x/y": b}])):
        assert not same(one, other)
        assert "expected" in first_difference(one, other)
    assert first_difference([{"x/y": a}], [{"x/y": b}]).startswith("/0/x~1y")


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}], ids=["lists", "objects"])
def test_documents_of_any_depth_are_compared(wrap: Callable[[Any], Any]) -> None:
    """The difference at the bottom is named with its whole pointer; the comparison takes no stack."""
    documents: list[Any] = [1, 1, 1.0]
    for _ in range(50_000):
        documents = list(map(wrap, documents))
    one, equal, other = documents
    try:
        assert same(one, equal) and not same(one, other)
        assert first_difference(one, equal) == ""
        assert first_difference(one, other).endswith(": expected int 1, got float 1.0")
        assert first_difference({"b": one, "c": 1}, {"b": one, "d": 1}) == "/c: expected int 1, got nothing"
        assert "that is nested too deep to be shown" in first_difference([one], [2])
    finally:
        for deep in documents:
            while isinstance(deep, dict | list):
                deep = deep.pop("a") if isinstance(deep, dict) else deep.pop()


def test_first_difference_is_that_of_the_order_of_the_document() -> None:
    """Of several the one that stands first is named, and what was added stands last."""
    assert first_difference({"a": [1, 2], "b": 1}, {"b": 2, "a": [3, 4], "c": 0}).startswith("/a/0: ")
    assert first_difference({"a": 1}, {"c": 0, "a": 1}) == "/c: expected nothing, got int 0"


def test_order_of_keys_does_not_count_and_nan_is_itself() -> None:
    """RFC 8259 gives objects no order; a codec that kept a NaN lost nothing."""
    assert same({"a": 1, "b": [float("nan")]}, {"b": [float("nan")], "a": 1})


def test_a_message_can_be_pickled_and_copied() -> None:
    """So it can be sent to another process; the one empty `extra` stays that one."""
    for document in ({"model": "m", "stop": None}, {"novel": 1}):
        message = from_document("ChatRequest", document)
        for back in (pickle.loads(pickle.dumps(message)), deepcopy(message)):
            assert back == message and to_document(back) == document
            assert (back.extra is NO_EXTRA) is ("novel" not in document)


def test_absent_null_and_empty_differ() -> None:
    """UNSET, None and the empty value."""
    assert from_document("ChatRequest", {}).stop is UNSET
    assert from_document("ChatRequest", {"stop": None}).stop is None
    assert from_document("ChatRequest", {"stop": []}).stop == []
    assert from_document("ChatRequest", {"stop": ""}).stop == ""


@pytest.mark.parametrize("pointer", ["/messages/3/x", "/model/x", "/no/x", "/messages/x/y"])
def test_extra_of_another_message_is_a_document_error(pointer: str) -> None:
    """As it may come from a stranger's bytes."""
    message = ChatRequest(model="m", messages=[], extra={pointer: 1})
    with pytest.raises(DocumentError, match="nothing in the message holds"):
        to_document(message)


def test_pointer_escapes_slash_and_tilde() -> None:
    """RFC 6901."""
    document = {"a/b": {"~": 1}}
    message = from_document("ChatRequest", document)
    assert list(message.extra) == ["/a~1b"]
    assert apply_extra({"a/b": {}}, {"/a~1b/~0": 1}) == document


def test_value_of_a_wrong_type_travels_alone_in_extra() -> None:
    """Its neighbours stay typed."""
    message = from_document("ChatRequest", {"model": "m", "messages": [{"role": 1, "content": "x"}, 5]})
    assert message.model == "m"
    assert message.messages[0].content == "x"
    assert dict(message.extra) == {"/messages/0/role": 1, "/messages/1": 5}


def test_value_that_is_not_json_has_no_document() -> None:
    """An object of a library's own is refused by its type."""
    with pytest.raises(DocumentError, match="a message holds a object; expected JSON values"):
        to_document(ChatRequest(metadata={"a": object()}))


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_message_nested_too_deep_has_no_document(kind: str) -> None:
    """A recursion limit never comes out as it is."""
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]
    try:
        for fields in ({"metadata": deep}, {"model": deep, "choices": [{"index": deep}], "data": deep}):
            with pytest.raises(DocumentError, match="nested too deep"):
                to_document(from_document(kind, fields))
    finally:
        while deep:
            deep = deep.pop()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0.5, 1.0], "float32"),
        ([0.1], "float64"),
        ([1e300], "float64"),
        ([1, 2**63 - 1], "int64"),
        ([1, 2.0], None),
        ([2**63], None),
        ([True, False], None),
        ([], None),
        ("AACAPw==", None),
    ],
)
def test_vector_becomes_the_narrowest_array_that_holds_it(values: Any, dtype: str | None) -> None:
    """What no array holds exactly stays as it is."""
    packed = pack_vector(values)
    assert packed is values if dtype is None else packed.dtype.name == dtype
    assert dtype is None or same(packed.tolist(), values)


def test_responses_compare_arrays_by_type_and_bits() -> None:
    """float32 and float64 of equal values differ, as do 0.0 and -0.0; NaN is itself."""

    def response(values: list[float], dtype: str) -> EmbeddingResponse:
        return EmbeddingResponse(data=[Embedding(embedding=np.array(values, dtype))])

    assert response([float("nan")], "f4") == response([float("nan")], "f4")
    assert response([1.0], "f4") != response([1.0], "f8")
    assert response([0.0], "f4") != response([-0.0], "f4")
    assert response([1.0], "f4") != ChatRequest()


@pytest.mark.parametrize("type_", MESSAGE_TYPES.values(), ids=MESSAGE_TYPES)
def test_message_type_goes_by_its_name(type_: type) -> None:
    """By name and by type, and a message knows its kind."""
    assert message_type(type_) is message_type(type_.__name__) is type_
    assert kind_of(type_()) == type_.__name__
    assert kind_of({"a": 1}) == "document"


def test_unknown_message_type_suggests_the_nearest() -> None:
    """As every name does."""
    with pytest.raises(UnknownNameError, match="did you mean 'ChatChunk'"):
        message_type("ChatChunks")


def test_misspelt_field_of_a_message_is_an_error() -> None:
    """A message is typed: a typo does not go unnoticed into `extra`."""
    with pytest.raises(TypeError, match="Unexpected keyword argument 'modle'"):
        ChatRequest(modle="m")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        ChatRequest().modle = "m"  # type: ignore[attr-defined]
    assert msgspec.structs.fields(ChatRequest)[-1].name != "modle"


FILTER = {"hate": {"filtered": False, "severity": "safe"}}
COVERED = {
    "azure-first-chunk": {"choices": [], "prompt_annotations": [{"prompt_index": 0, "content_filter_results": FILTER}]},
    "azure-asynchronous-filter": {
        "choices": [
            {"index": 0, "content_filter_offsets": {"check_offset": 9, "start_offset": 9, "end_offset": 30}},
            {"index": 0, "content_filter_results": FILTER, "finish_reason": None},
        ]
    },
    "litellm": {
        "choices": [
            {"index": 0, "delta": {"content": "x", "provider_specific_fields": {"citations": []}}},
            {"index": 1, "delta": {"content": None}, "provider_specific_fields": None},
        ],
        "provider_specific_fields": {"thought_signatures": ["s"]},
        "stream_options": {"include_usage": True},
    },
}


@pytest.mark.parametrize("document", COVERED.values(), ids=COVERED)
def test_chunk_of_azure_and_of_litellm_leaves_extra_empty(document: Any) -> None:
    """What these two write into a stream has fields of its own."""
    message = from_document("ChatChunk", document)
    assert message.extra is NO_EXTRA
    assert to_document(message) == document


@pytest.mark.parametrize("kind", ["ChatResponse", "GenerateResponse"])
def test_filter_results_under_their_former_name_leave_extra_empty(kind: str) -> None:
    """Azure called them `prompt_annotations` before they were `prompt_filter_results`."""
    document = {"model": "m", "prompt_annotations": [{"prompt_index": 0, "content_filter_results": FILTER}]}
    assert from_document(kind, document).extra is NO_EXTRA
