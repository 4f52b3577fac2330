"""The kind of a body, told from its shape.

Several APIs share field names (`messages`, `input`, `choices`), so each rule asks for what the message type has and
for the absence of what only another API has. A body that fits no rule is a `document`.

Source: the OpenAI (chat completions, completions, embeddings, responses), Anthropic (messages), Gemini, Cohere and
Ollama API references.
"""

import re
from typing import Any

EMBEDDING_KEYS = {"encoding_format", "dimensions", "input_type", "output_dimension", "output_dtype", "embedding_types"}
RESPONSES_KEYS = {
    "background", "context_management", "conversation", "include", "instructions", "max_output_tokens", "max_tool_calls",
    "previous_response_id", "reasoning", "store", "stream", "temperature", "text", "tool_choice", "tools", "top_p",
}  # fmt: skip
EMBEDDING_MODEL = re.compile(r"embed|ada-002|voyage|minilm|\b(e5|bge|gte|jina|nomic)\b", re.IGNORECASE)
ANTHROPIC_KEYS = {"system", "anthropic_version", "anthropic_beta", "stop_sequences", "output_config", "container"}
ANTHROPIC_KEYS |= {"mcp_servers", "context_management", "betas"}
ANTHROPIC_PARTS = {"tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document", "container_upload"}
ANTHROPIC_PARTS |= {"server_tool_use", "search_result", "compaction"}
CHAT_KEYS = {"n", "stop", "stream_options", "response_format", "max_completion_tokens", "frequency_penalty", "seed"}
CHAT_KEYS |= {"presence_penalty", "reasoning_effort", "parallel_tool_calls", "logprobs", "functions", "logit_bias"}
OBJECTS = {
    "chat.completion": "ChatResponse",
    "chat.completion.chunk": "ChatChunk",
    "text_completion": "GenerateResponse",
}


def recognise(document: Any, hint: str = "") -> str:
    """Name the kind of a body.

    Args:
        document: plain JSON values.
        hint: the kind that the body's surroundings suggest (the other events of its stream, the address that it was
            sent to); it only decides where the shape leaves it open.

    Returns:
        One of `serlab.messages.KINDS`.
    """
    if type(document) is not dict:
        return "document"
    kind = recognise_answer(document) or recognise_request(document) or ""
    if not kind and is_open(document):
        kind = hint
    return kind or "document"


def is_open(document: dict[str, Any]) -> bool:
    """Tell whether a body could be of any API: an error, or an answer with nothing in it."""
    return "error" in document or document.get("choices") == []


def recognise_answer(document: dict[str, Any]) -> str:
    """Name the kind of a response or a chunk; "" for anything else."""
    object_ = document.get("object")
    if isinstance(object_, str) and object_ in OBJECTS:
        return OBJECTS[object_]
    choices = document.get("choices")
    if type(choices) is list:
        return recognise_choices(choices, document)
    if is_embedding_response(document):
        return "EmbeddingResponse"
    if is_generate_response(document):
        return "GenerateResponse"
    return ""


def recognise_choices(choices: list[Any], document: dict[str, Any]) -> str:
    """Name the kind by the first choice."""
    first = choices[0] if choices else {}
    if type(first) is not dict:
        return ""
    for key, kind in (("delta", "ChatChunk"), ("message", "ChatResponse"), ("text", "GenerateResponse")):
        if key in first:
            return kind
    # Azure opens a stream with filter results and no choice.
    return "ChatChunk" if not choices and "prompt_filter_results" in document else ""


def is_embedding_response(document: dict[str, Any]) -> bool:
    """Tell vectors in the forms of OpenAI, Gemini, Cohere and Ollama."""
    data = document.get("data")
    if type(data) is list and data and type(data[0]) is dict:
        return "embedding" in data[0]
    if "embeddings" in document:
        return is_vectors(document["embeddings"])
    return is_vector(document.get("embedding"))


def is_vectors(value: Any) -> bool:
    """Tell a list of vectors, or vectors by type."""
    if type(value) is dict:
        return any(type(batch) is list for batch in value.values())
    return type(value) is list and bool(value) and is_vector(value[0])


def is_vector(value: Any) -> bool:
    """Tell one vector: numbers, or an object with `values`."""
    if type(value) is dict:
        return type(value.get("values")) is list
    return type(value) is list and bool(value) and type(value[0]) in (int, float)


def is_generate_response(document: dict[str, Any]) -> bool:
    """Tell an engine's continuation, and Ollama's."""
    has_output = any(type(document.get(key)) is list for key in ("token_ids", "output_ids"))
    if has_output or type(document.get("text")) is str:
        return "finish_reason" in document or "meta_info" in document
    return type(document.get("response")) is str and "done" in document


def recognise_request(document: dict[str, Any]) -> str:
    """Name the kind of a request; "" for anything else."""
    if type(document.get("messages")) is list:
        return "ChatRequest" if is_chat_request(document) else ""
    if is_generate_request(document):
        return "GenerateRequest"
    return "EmbeddingRequest" if is_embedding_request(document) else ""


def is_chat_request(document: dict[str, Any]) -> bool:
    """Tell a chat-completions request from an Anthropic one."""
    turns = document["messages"]
    if not all(type(turn) is dict and ("role" in turn or "content" in turn) for turn in turns):
        return False
    return not is_anthropic_request(document)


def is_anthropic_request(document: dict[str, Any]) -> bool:
    """Tell an Anthropic messages request: by its keys, its tools, its content, or by the model where all is common."""
    tools = document.get("tools")
    if type(tools) is list and any(type(tool) is dict and "function" in tool for tool in tools):
        return False
    roles = {turn.get("role") for turn in document["messages"]}
    if not roles <= {"user", "assistant", "system"} or CHAT_KEYS & document.keys():
        return False
    if ANTHROPIC_KEYS & document.keys() or is_thinking(document.get("thinking")):
        return True
    if type(tools) is list and any(type(tool) is dict and {"input_schema", "name"} & tool.keys() for tool in tools):
        return True
    if has_anthropic_parts(document["messages"]):
        return True
    model = document.get("model")
    if "system" in roles or "max_tokens" not in document:
        return False
    return isinstance(model, str) and "claude" in model and "/" not in model


def is_thinking(value: Any) -> bool:
    """Tell Anthropic's thinking settings."""
    return type(value) is dict and ("budget_tokens" in value or value.get("type") == "adaptive")


def has_anthropic_parts(turns: list[dict[str, Any]]) -> bool:
    """Look for content parts that only Anthropic has."""
    contents = (turn.get("content") for turn in turns)
    parts = (part for content in contents if type(content) is list for part in content)
    return any(type(part) is dict and part.get("type") in ANTHROPIC_PARTS for part in parts)


def is_generate_request(document: dict[str, Any]) -> bool:
    """Tell a completions or an engine request; Ollama's embedding call has a prompt too, and settings of its own."""
    if type(document.get("prompt_token_ids")) is list:
        return True
    if type(document.get("prompt")) in (str, list):
        model = document.get("model")
        extras = document.keys() - {"model", "prompt", "options", "keep_alive"}
        named = isinstance(model, str) and EMBEDDING_MODEL.search(model)
        return not (named and not extras)
    return "sampling_params" in document and bool({"text", "input_ids"} & document.keys())


def is_embedding_request(document: dict[str, Any]) -> bool:
    """Tell an embeddings request from one to the Responses API, which also has `input`."""
    requests = document.get("requests")
    if type(requests) is list:
        return bool(requests) and all(type(item) is dict and has_parts(item) for item in requests)
    if type(document.get("texts")) is list:
        return True
    if "input" in document:
        return is_embedding_input(document)
    return has_parts(document) and not document.keys() & {"contents", "role"}


def has_parts(document: dict[str, Any]) -> bool:
    """Tell Gemini's content to embed."""
    content = document.get("content")
    return type(content) is dict and type(content.get("parts")) is list


def is_embedding_input(document: dict[str, Any]) -> bool:
    """Tell texts or token ids to embed; where only input and model are given, the model's name decides."""
    if EMBEDDING_KEYS & document.keys():
        return True
    items = document["input"] if type(document["input"]) is list else [document["input"]]
    if RESPONSES_KEYS & document.keys() or any(type(item) is dict for item in items):
        return False
    model = document.get("model")
    return type(document["input"]) is list or (isinstance(model, str) and bool(EMBEDDING_MODEL.search(model)))
