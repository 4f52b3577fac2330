"""One small document of each kind, made by hand: what golden bytes and damaged bytes start from.

A field that is added to a type changes no bytes here, since none of these documents has it.
"""

from typing import Any

USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "completion_tokens_details": None}

DOCUMENTS: dict[str, Any] = {
    "ChatRequest": {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": "Héllo 𝒳"}, {"type": "image_url", "image_url": "u"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"arguments": "{}"}}]},
        ],
        "temperature": 1,
        "top_p": 0.5,
        "stop": ["\n"],
        "stream": False,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "metadata": {},
        "x_unknown": [1, 2.5, None],
    },
    "ChatResponse": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1754432626,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []},
                "logprobs": {"content": [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}]},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "system_fingerprint": None,
    },
    "ChatChunk": {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": " world"}, "finish_reason": None}],
        "usage": None,
    },
    "EmbeddingRequest": {"model": "e", "input": [[1, 2, 3], [50000]], "encoding_format": "float", "dimensions": 3},
    "EmbeddingResponse": {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.5, 2.0]},
            {"object": "embedding", "index": 1, "embedding": [0.1, 2.0]},
            {"object": "embedding", "index": 2, "embedding": [1, -9007199254740993]},
            {"object": "embedding", "index": 3, "embedding": [1, 2.5]},
            {"object": "embedding", "index": 4, "embedding": "AACAPw=="},
        ],
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    },
    "GenerateRequest": {"prompt_token_ids": [1, 70000, 2], "max_tokens": 16, "temperature": 0.0, "stop_token_ids": []},
    "GenerateResponse": {"token_ids": [5, 6], "text": "", "finish_reason": "length", "usage": USAGE},
    "document": {
        "type": "message",
        "content": [{"type": "text", "text": "Héllo"}],
        "stop_sequence": None,
        "n": [1, 1.5],
    },
}
