"""The kind of a body is told from its shape, and no API's body is taken for another's.

All bodies are made up in the shape of the public API references.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serlab.kinds import recognise
from serlab.messages import KINDS
from tests.support.documents import DOCUMENTS
from tests.support.loops import every
from tests.support.strategies import json_values

TURNS = [{"role": "user", "content": "hi"}]
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}
REPLY = {"role": "assistant", "content": "ho"}

CHAT_REQUESTS: dict[str, Any] = {
    "openai": {"model": "gpt-4o", "messages": TURNS},
    "azure-without-model": {"messages": TURNS, "max_tokens": 5},
    "tools": {"model": "m", "messages": TURNS, "tools": [FUNCTION], "tool_choice": {"type": "function"}},
    "flat-tool": {"model": "m", "messages": TURNS, "tools": [{"type": "function", "name": "f", "parameters": {}}]},
    "claude-through-a-router": {"model": "anthropic/claude-x", "messages": TURNS, "max_tokens": 5},
    "claude-with-functions": {"model": "claude-x", "messages": TURNS, "max_tokens": 5, "tools": [FUNCTION]},
    "claude-with-chat-settings": {"model": "claude-x", "messages": TURNS, "max_tokens": 5, "stop": ["x"]},
    "image-url": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
    "image-of-a-local-server": {"messages": [{"role": "user", "content": [{"type": "image", "image": "u"}]}]},
    "mistral-thinking": {
        "messages": [{"role": "user", "content": [{"type": "thinking", "thinking": [{"text": "t"}]}]}]
    },
    "developer": {"messages": [{"role": "developer", "content": "x"}], "metadata": {}, "system": "x"},
    "ollama-chat": {"model": "llama3", "messages": TURNS, "options": {"temperature": 0}, "keep_alive": "5m"},
    "odd-role": {"messages": [{"role": ["user"], "content": [{"type": ["text"]}]}]},
}
ANSWERS: dict[str, tuple[str, Any]] = {
    "chat": ("ChatResponse", {"object": "chat.completion", "choices": [{"index": 0, "message": REPLY}]}),
    "chat-without-object": ("ChatResponse", {"choices": [{"message": REPLY}]}),
    "chunk": ("ChatChunk", {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]}),
    "chunk-called-completion": ("ChatChunk", {"object": "chat.completion", "choices": [{"delta": {"content": "x"}}]}),
    "chunk-with-message": (
        "ChatChunk",
        {"object": "chat.completion.chunk", "choices": [{"delta": {}, "message": REPLY}]},
    ),
    "last-chunk": ("ChatChunk", {"object": "chat.completion.chunk", "choices": [], "usage": {}}),
    "azure-first-chunk": ("ChatChunk", {"choices": [], "object": "", "prompt_filter_results": []}),
    "azure-first-chunk-of-2023": ("ChatChunk", {"choices": [], "prompt_annotations": []}),
    "completion": ("GenerateResponse", {"object": "text_completion", "choices": [{"text": "x", "index": 0}]}),
    "sglang": ("GenerateResponse", {"text": "x", "meta_info": {"finish_reason": None}}),
    "engine": ("GenerateResponse", {"token_ids": [1], "finish_reason": "stop"}),
    "ollama-generate": ("GenerateResponse", {"model": "m", "response": "x", "done": True}),
    "embeddings": ("EmbeddingResponse", {"object": "list", "data": [{"embedding": [0.5], "index": 0}]}),
    "embeddings-base64": ("EmbeddingResponse", {"object": "list", "data": [{"embedding": "AACAPw=="}]}),
    "cohere-embed": ("EmbeddingResponse", {"id": "x", "embeddings": {"float": [[0.5]]}}),
    "gemini-embed": ("EmbeddingResponse", {"embedding": {"values": [0.5]}}),
    "gemini-batch-embed": ("EmbeddingResponse", {"embeddings": [{"values": [0.5]}]}),
    "ollama-embed": ("EmbeddingResponse", {"model": "m", "embeddings": [[0.5]]}),
}
REQUESTS: dict[str, tuple[str, Any]] = {
    "embeddings": ("EmbeddingRequest", {"model": "text-embedding-3-small", "input": "x", "user": "u"}),
    "embeddings-tokens": ("EmbeddingRequest", {"model": "m", "input": [[1, 2]]}),
    "embeddings-format": ("EmbeddingRequest", {"model": "m", "input": "x", "encoding_format": "base64"}),
    "jina": ("EmbeddingRequest", {"model": "jina-clip-v2", "input": [{"image": "u"}], "embedding_type": "float"}),
    "cohere-embed": ("EmbeddingRequest", {"model": "m", "texts": ["x"], "input_type": "search_query"}),
    "gemini-embed": ("EmbeddingRequest", {"content": {"parts": [{"text": "x"}]}}),
    "gemini-batch-embed": ("EmbeddingRequest", {"requests": [{"content": {"parts": [{"text": "x"}]}}]}),
    "completions": ("GenerateRequest", {"model": "m", "prompt": ["x"], "max_tokens": 3}),
    "engine": ("GenerateRequest", {"prompt_token_ids": [1, 2], "temperature": 0}),
    "sglang": ("GenerateRequest", {"text": "x", "sampling_params": {}}),
    "ollama-generate": ("GenerateRequest", {"model": "llama3", "prompt": "x", "stream": False}),
}
OTHERS: dict[str, Any] = {
    "anthropic": {"model": "claude-x", "max_tokens": 5, "messages": TURNS},
    "anthropic-system": {"model": "x", "max_tokens": 5, "messages": TURNS, "system": "s"},
    "anthropic-on-bedrock": {"anthropic_version": "v", "max_tokens": 5, "messages": TURNS},
    "anthropic-tools": {"model": "x", "max_tokens": 5, "messages": TURNS, "tools": [{"name": "f", "input_schema": {}}]},
    "anthropic-own-tool": {"model": "x", "messages": TURNS, "tools": [{"type": "bash_20250124", "name": "bash"}]},
    "anthropic-thinking": {"model": "x", "messages": TURNS, "thinking": {"type": "enabled", "budget_tokens": 9}},
    "anthropic-image": {"model": "x", "messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
    "anthropic-result": {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]}]},
    "anthropic-answer": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]},
    "anthropic-event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
    "anthropic-batch-line": {"custom_id": "1", "params": {"model": "claude-x", "messages": TURNS}},
    "bedrock-converse": {"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {}},
    "responses": {"model": "gpt-5", "input": "x"},
    "responses-items": {"model": "gpt-5", "input": [{"role": "user", "content": "x"}], "instructions": "i"},
    "responses-tools": {"model": "gpt-5", "input": ["x"], "tools": [{"type": "web_search"}]},
    "responses-answer": {"object": "response", "output": [{"type": "message"}], "text": {"format": {}}},
    "responses-event": {"type": "response.output_text.done", "text": "x", "item_id": "1"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "x"}]}], "generationConfig": {}},
    "gemini-answer": {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]},
    "gemini-content": {"role": "user", "content": {"parts": [{"text": "x"}]}},
    "cohere-chat-1": {"message": "x", "chat_history": [], "model": "command"},
    "cohere-answer-1": {"text": "x", "generation_id": "1", "finish_reason": "COMPLETE", "chat_history": []},
    "cohere-answer-2": {"id": "1", "message": {"role": "assistant", "content": []}, "finish_reason": "COMPLETE"},
    "cohere-event": {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "x"}}}},
    "cohere-generations": {"id": "1", "prompt": "x", "generations": [{"text": "y"}]},
    "ollama-chat-answer": {"model": "m", "created_at": "t", "message": REPLY, "done": True},
    "llama-cpp-answer": {"content": "x", "prompt": "y", "generation_settings": {}, "stop": True},
    "image": {"model": "gpt-image-1", "prompt": "a cat", "size": "1024x1024"},
    "image-answer": {"created": 1, "data": [{"b64_json": "AAAA"}]},
    "moderation": {"model": "omni-moderation-latest", "input": ["x"]},
    "speech": {"model": "tts-1", "input": "x", "voice": "alloy"},
    "rerank": {"model": "jina-reranker-v2", "query": "x", "documents": ["y"]},
    "training-line": {"prompt": "x", "completion": "y"},
    "error": {"error": {"message": "x"}},
    "models": {"object": "list", "data": [{"id": "gpt-4o", "object": "model"}]},
    "messages-of-a-forum": {"messages": [{"author": "a", "text": "x"}]},
    "empty": {},
}


@every("body", CHAT_REQUESTS.values(), ids=CHAT_REQUESTS)
def test_chat_request_is_recognised(body: Any) -> None:
    """OpenAI's and what compatible servers take."""
    assert recognise(body) == "ChatRequest"


@every(("kind", "body"), ANSWERS.values(), ids=ANSWERS)
def test_answer_is_recognised(kind: str, body: Any) -> None:
    """Responses, chunks and vectors of all the servers that the types cover."""
    assert recognise(body) == kind


@every(("kind", "body"), REQUESTS.values(), ids=REQUESTS)
def test_other_request_is_recognised(kind: str, body: Any) -> None:
    """Embeddings and generation."""
    assert recognise(body) == kind


@every("body", OTHERS.values(), ids=OTHERS)
def test_body_of_another_api_is_a_document(body: Any) -> None:
    """What shares field names with the message types and is none of them."""
    assert recognise(body) == "document"


@pytest.mark.parametrize("kind", KINDS)
def test_hand_made_document_is_of_its_kind(kind: str) -> None:
    """The documents that the golden bytes are made of."""
    assert recognise(DOCUMENTS[kind]) == kind


@pytest.mark.parametrize(
    ("hint", "body", "kind"),
    [
        ("ChatRequest", OTHERS["anthropic"], "ChatRequest"),
        ("ChatRequest", OTHERS["anthropic-system"], "document"),
        ("EmbeddingRequest", {"input": "x"}, "EmbeddingRequest"),
        ("EmbeddingRequest", {"input": "x", "instructions": "y"}, "document"),
        ("ChatResponse", OTHERS["error"], "ChatResponse"),
        ("ChatResponse", OTHERS["anthropic-answer"], "document"),
        ("ChatChunk", {"choices": []}, "ChatChunk"),
        ("ChatChunk", ANSWERS["completion"][1], "GenerateResponse"),
    ],
)
def test_hint_decides_only_what_the_shape_leaves_open(hint: str, body: Any, kind: str) -> None:
    """An address or the other events of a stream never overrule the body."""
    assert recognise(body, hint) == kind


@given(
    st.sampled_from([*CHAT_REQUESTS.values(), *(body for _, body in (*ANSWERS.values(), *REQUESTS.values()))]),
    st.data(),
)
def test_any_json_has_a_kind(body: Any, data: st.DataObject) -> None:
    """A known field with a value of any type raises nothing."""
    changed = {**body, data.draw(st.sampled_from(list(body))): data.draw(json_values())}
    assert recognise(changed) in KINDS
