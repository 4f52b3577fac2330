"""The shapes in which providers and sloppy servers send things: each has its place in a type, and comes back."""

from typing import Any

import pytest

from serlab.codecs import codec_info, codec_names, open_codec
from serlab.messages import UNSET, from_document, same, to_document
from serlab.messages.base import NO_EXTRA
from tests.support.loops import every

SCHEMA = [name for name in codec_names() if codec_info(name).schema]
TEXT = "the words of a person"


def user(content: Any) -> dict[str, Any]:
    """Make a request with one user message."""
    return {"messages": [{"role": "user", "content": content}]}


def reply(**fields: Any) -> dict[str, Any]:
    """Make a response with one answer."""
    return {"choices": [{"message": fields}]}


def delta(**fields: Any) -> dict[str, Any]:
    """Make a chunk with one piece of an answer."""
    return {"choices": [{"delta": fields}]}


def logprobs(**fields: Any) -> dict[str, Any]:
    """Make a response with the log probability of one token."""
    return {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": -0.5, **fields}]}}]}


SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "content-object": ("ChatRequest", user({"type": "text", "text": TEXT})),
    "content-number": ("ChatRequest", user(42)),
    "content-bool": ("ChatRequest", user(False)),
    "content-empty-list": ("ChatRequest", user([])),
    "content-bare-strings": ("ChatRequest", user([TEXT, {"type": "text", "text": TEXT}])),
    "content-nested-list": ("ChatRequest", user([[{"type": "text", "text": TEXT}], None, 1, 1.0])),
    "part-text-object": ("ChatRequest", user([{"type": "text", "text": {"value": TEXT, "annotations": []}}])),
    "part-of-bedrock": ("ChatRequest", user([{"toolResult": {"content": [{"text": TEXT}]}}, {"document": {}}])),
    "part-image-in-image": ("ChatRequest", user([{"image_url": {"image_url": "data:image/png;base64,AA=="}}])),
    "part-audio-text": ("ChatRequest", user([{"type": "input_audio", "input_audio": "data:audio/wav;base64,AA=="}])),
    "part-thinking-mixed": ("ChatRequest", user([{"type": "thinking", "thinking": [TEXT, {"text": TEXT}]}])),
    "tool-content-object": ("ChatRequest", {"messages": [{"role": "tool", "tool_call_id": 7, "content": {"a": [1]}}]}),
    "tool-plan": ("ChatRequest", {"messages": [{"role": "assistant", "tool_plan": TEXT}]}),
    "prediction-mixed": ("ChatRequest", {"prediction": {"content": [TEXT]}}),
    "stop-text": ("ChatRequest", {"stop": TEXT}),
    "stop-list": ("ChatRequest", {"stop": [TEXT]}),
    "stop-empty-list": ("ChatRequest", {"stop": []}),
    "stop-mixed": ("ChatRequest", {"stop": [TEXT, 1, None]}),
    "counts-float": ("ChatRequest", {"max_tokens": 12.0, "n": 1.0, "seed": -0.0, "top_k": 1e3}),
    "counts-text": ("ChatRequest", {"max_tokens": "12", "seed": "7"}),
    "format-text": ("ChatRequest", {"response_format": "json_object", "reasoning_effort": 0.5, "user": 12}),
    "schema-in-place": ("ChatRequest", {"response_format": {"json_schema": {"type": "object", "properties": {}}}}),
    "thinking-bool": ("ChatRequest", {"thinking": True, "reasoning": "high"}),
    "input-ids": ("ChatRequest", {"input_ids": [1, 2], "prompt_token_ids": [[1], [2, 3]]}),
    "arguments-object": ("ChatResponse", reply(tool_calls=[{"id": 1, "function": {"arguments": {"city": TEXT}}}])),
    "arguments-list": ("ChatResponse", reply(tool_calls=[{"index": "0", "function": {"arguments": [TEXT]}}])),
    "arguments-number": ("ChatResponse", reply(function_call={"arguments": 1.0})),
    "reasoning-object": ("ChatResponse", reply(reasoning={"text": TEXT}, reasoning_content={"text": TEXT})),
    "reasoning-mixed": ("ChatResponse", reply(reasoning=[TEXT, {"text": TEXT}], reasoning_content=[TEXT])),
    "refusal-list": ("ChatResponse", reply(refusal=[TEXT], thinking={"text": TEXT})),
    "context": ("ChatResponse", reply(context={"citations": [{"content": TEXT}]}, citations=[TEXT])),
    "delta-in-answer": ("ChatResponse", {"choices": [{"message": {"content": TEXT}, "delta": {"content": ""}}]}),
    "finish-reason-object": ("ChatResponse", {"choices": [{"finish_reason": {"type": "stop", "matched": 2}}]}),
    "ids-that-are-numbers": ("ChatResponse", {"id": 17, "created": "1700000000", "choices": [{"index": "0"}]}),
    "created-float": ("ChatResponse", {"created": 1700000000.5, "choices": [{"index": None}]}),
    "usage-float": ("ChatResponse", {"usage": {"prompt_tokens": 12.0, "completion_tokens": None, "total_tokens": "9"}}),
    "cost-object": ("ChatResponse", {"usage": {"cost": {"total_cost": 0.5}}}),
    "error-list": ("ChatResponse", {"error": [{"message": TEXT}]}),
    "error-message-object": ("ChatResponse", {"error": {"message": {"detail": TEXT}, "code": 400}}),
    "citations-objects": ("ChatResponse", {"citations": [{"text": TEXT}, TEXT]}),
    "bytes-null": ("ChatResponse", logprobs(bytes=None)),
    "bytes-empty": ("ChatResponse", logprobs(bytes=[])),
    "bytes-out-of-range": ("ChatResponse", logprobs(bytes=[72, 300, -1, None])),
    "logprobs-list": ("ChatResponse", {"choices": [{"logprobs": [{"token": TEXT}]}, {"logprobs": -0.5}]}),
    "logprobs-tokens": ("ChatResponse", {"choices": [{"logprobs": {"tokens": [TEXT, None], "token_ids": [5, 6]}}]}),
    "delta-object": ("ChatChunk", delta(content={"text": TEXT}, reasoning={"text": TEXT})),
    "delta-mixed": ("ChatChunk", delta(content=[TEXT, {"type": "text", "text": TEXT}])),
    "chunk-text": ("ChatChunk", {"choices": [{"text": TEXT, "seed": None, "delta": {"token_id": 5}}]}),
    "chunk-message": ("ChatChunk", {"choices": [{"message": {"content": TEXT}, "delta": {"content": TEXT}}]}),
    "chunk-error": ("ChatChunk", {"error": [TEXT]}),
    "token-ids-wide": ("ChatChunk", {"choices": [{"token_ids": [1, 2**31, -(2**63)]}]}),
    "token-ids-nested": ("ChatChunk", {"prompt_token_ids": [[1, 2], [3, 4]], "choices": [{"token_ids": [[], []]}]}),
    "token-ids-null": ("ChatChunk", {"choices": [{"token_ids": [1, None]}, {"token_ids": []}, {"token_ids": None}]}),
    "prompt-object": ("GenerateRequest", {"prompt": {"prompt": TEXT, "prompt_token_ids": [1, 2]}}),
    "prompt-mixed": ("GenerateRequest", {"prompt": [TEXT, 1, [2]], "stop": [TEXT], "max_tokens": 5.0}),
    "prompt-wide": ("GenerateRequest", {"prompt": [1, 2**40], "prompt_token_ids": [2**40], "images": [{"url": TEXT}]}),
    "generated-texts": ("GenerateResponse", {"text": [TEXT, TEXT], "finish_reason": {"type": "length"}}),
    "generated-tokens": ("GenerateResponse", {"token_ids": [2**32], "output_ids": [[1], [2]]}),
    "input-texts": ("EmbeddingRequest", {"input": [TEXT]}),
    "input-objects": ("EmbeddingRequest", {"input": [{"text": TEXT}, {"image": "AA=="}]}),
    "input-object": ("EmbeddingRequest", {"input": {"text": [TEXT]}, "texts": [TEXT, None], "dimensions": 256.0}),
    "content-text": ("EmbeddingRequest", {"content": TEXT}),
    "vector-nested": ("EmbeddingResponse", {"data": [{"index": "0", "embedding": [[0.5, 1.5], [2.5, 3.5]]}]}),
    "vector-nulls": ("EmbeddingResponse", {"data": [{"embedding": [0.5, None]}, {"embedding": None}]}),
    "vector-many": ("EmbeddingResponse", {"data": [{"embeddings": [[0.5, 1.5], [1, 2], [0.1]]}]}),
    "vector-by-type": ("EmbeddingResponse", {"embedding": [0.5], "embeddingsByType": {"float": [0.5], "binary": [1]}}),
    "vector-values": ("EmbeddingResponse", {"embeddings": {"values": [0.5, 1.5], "statistics": {"token_count": 3}}}),
}
"""Shapes that providers or sloppy servers send: name → kind and document."""


@every("name", SHAPES)
def test_shape_stands_in_the_message_and_not_in_extra(name: str) -> None:
    """Text, vectors and token ids have a place in the types, whatever form they come in."""
    kind, document = SHAPES[name]
    message = from_document(kind, document)
    assert message.extra is NO_EXTRA
    assert same(to_document(message), document)


@every("codec", codec_names())
@every("name", SHAPES)
def test_shape_comes_back_from_every_codec(name: str, codec: str) -> None:
    """Message and document are equal after encode and decode, and a view reads what the message holds."""
    kind, document = SHAPES[name]
    message, bound = from_document(kind, document), open_codec(codec, kind)
    data = bound.encode(message)
    back = bound.decode(data)
    assert back == message
    assert same(to_document(back), document)
    view = bound.open(data)
    assert view.materialize() == message if hasattr(view, "materialize") else view == message


@every("codec", codec_names())
@every(
    ("document", "expected"),
    [({}, UNSET), ({"content": None}, None), ({"content": ""}, ""), ({"content": []}, [])],
    ids=["absent", "null", "empty-text", "empty-list"],
)
def test_absent_null_and_empty_content_stay_apart(codec: str, document: dict[str, Any], expected: Any) -> None:
    """Four answers without words are four different messages."""
    bound = open_codec(codec, "ChatResponse")
    back = bound.decode(bound.encode(from_document("ChatResponse", reply(**document))))
    content = back.choices[0].message.content
    assert content is expected if expected in (UNSET, None) else content == expected


def test_part_beside_a_bare_string_is_typed() -> None:
    """In a mixed list the objects are still structs."""
    text, part = from_document("ChatRequest", user([TEXT, {"type": "text", "text": "b"}])).messages[0].content
    assert text == TEXT
    assert part.text == "b"


def test_unknown_field_beside_a_bare_string_goes_to_extra() -> None:
    """Only what the part's type does not know is left over."""
    message = from_document("ChatRequest", user([TEXT, {"type": "text", "x": 1}]))
    assert message.extra == {"/messages/0/content/1/x": 1}
    assert message.messages[0].content[0] == TEXT


UNKNOWN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "root": ({"x_new": {"a": 1}}, {"/x_new": {"a": 1}}),
    "nested": (delta(x_new=None), {"/choices/0/delta/x_new": None}),
    "escaped": ({"a/b~c": 1}, {"/a~1b~0c": 1}),
    "wrong-type": ({"model": 3}, {"/model": 3}),
    "no-object": ({"choices": ["x"]}, {"/choices/0": "x"}),
    "beyond-64-bits": ({"created": 2**70}, {"/created": 2**70}),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_field_is_in_extra_under_its_pointer(name: str) -> None:
    """The key is a JSON Pointer (RFC 6901) from the root of the document, and the value comes back."""
    document, expected = UNKNOWN[name]
    message = from_document("ChatChunk", document)
    assert same(dict(message.extra), expected)
    assert same(to_document(message), document)


@every("codec", codec_names())
@every("name", [name for name in UNKNOWN if name != "beyond-64-bits"])
def test_extra_comes_back_from_every_codec(name: str, codec: str) -> None:
    """Unknown fields are lost nowhere."""
    document, expected = UNKNOWN[name]
    bound = open_codec(codec, "ChatChunk")
    back = bound.decode(bound.encode(from_document("ChatChunk", document)))
    assert same(dict(back.extra), expected)
    assert same(to_document(back), document)


def test_document_that_fits_has_no_extra() -> None:
    """One empty mapping serves all such messages."""
    assert from_document("ChatRequest", user("hi")).extra is NO_EXTRA


@every("codec", SCHEMA)
@every("ids", [list(range(1000)), [2**31 - 1] * 1000], ids=["small", "large"])
def test_logprob_token_ids_are_packed(codec: str, ids: list[int]) -> None:
    """A thousand token ids beside log probabilities take no more than five bytes each, and no JSON text."""
    document = {"choices": [{"logprobs": {"token_ids": ids}}]}
    assert len(open_codec(codec, "ChatResponse").encode(from_document("ChatResponse", document))) < 5 * 1000 + 100
