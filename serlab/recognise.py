"""The kind of a body, told from its shape.

Several APIs share field names (`messages`, `input`, `choices`), so each rule asks for what the message type has and
for the absence of what only another API has. A body that fits no rule is a `document`.

Source: the OpenAI (chat completions, completions, embeddings, responses), Anthropic (messages), Bedrock (converse),
Gemini, Cohere and Ollama API references.
"""

import re
from typing import Any

EMBEDDING_KEYS = {"encoding_format", "dimensions", "input_type", "output_dimension", "output_dtype", "embedding_types"}
EMBEDDING_KEYS |= {"embedding_type", "late_chunking"}
RESPONSES_KEYS = {"background", "context_management", "conversation", "include", "instructions", "max_output_tokens"}
RESPONSES_KEYS |= {"max_tool_calls", "previous_response_id", "reasoning", "store", "stream", "temperature", "text"}
RESPONSES_KEYS |= {"tool_choice", "tools", "top_p", "parallel_tool_calls", "prompt", "verbosity", "top_logprobs"}
EMBEDDING_MODEL = re.compile(r"embed|ada-002|voyage|minilm|\b(e5|bge|gte|jina|nomic)\b", re.IGNORECASE)
OTHER_INPUT_MODEL = re.compile(r"moderation|\btts\b|rerank", re.IGNORECASE)
"""Models whose requests have `input`, and that neither embed nor answer."""

ANTHROPIC_KEYS = {"system", "anthropic_version", "anthropic_beta", "stop_sequences", "output_config", "container"}
ANTHROPIC_KEYS |= {"mcp_servers", "context_management", "betas"}
ANTHROPIC_PARTS = {"tool_use", "tool_result", "redacted_thinking", "container_upload", "server_tool_use"}
ANTHROPIC_PARTS |= {"search_result", "compaction"}
CONVERSE_KEYS = {"inferenceConfig", "toolConfig", "additionalModelRequestFields", "guardrailConfig", "schemaVersion"}
"""Beside `messages` these make a request to Bedrock's Converse API."""

ANTHROPIC_TOOL = re.compile(r"\w+_20\d{6}")
"""The type of a tool that Anthropic runs, which ends in a date."""

CHAT_KEYS = {"n", "stop", "stream_options", "response_format", "max_completion_tokens", "frequency_penalty", "seed"}
CHAT_KEYS |= {"presence_penalty", "reasoning_effort", "parallel_tool_calls", "logprobs", "functions", "logit_bias"}
NOT_A_PROMPT = {"completion", "response", "generations", "chosen", "rejected", "content", "output"}
NOT_A_PROMPT |= {"generation_settings"}
"""Beside `prompt` these make an answer that repeats its prompt, or a line of training data."""

MEDIA_KEYS = {"size", "quality", "aspect_ratio", "negative_prompt", "width", "height", "duration", "seconds"}
"""Beside `prompt` these ask for an image or a video."""

OBJECTS = {"chat.completion": "ChatResponse", "chat.completion.chunk": "ChatChunk"}
OBJECTS |= {"text_completion": "GenerateResponse"}
CHOICES = {"delta": "ChatChunk", "message": "ChatResponse", "text": "GenerateResponse"}
"""Key of a choice → what the choice belongs to."""


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
    kind = recognise_answer(document) or recognise_request(document)
    return kind or (hint if hint and is_open(document, hint) else "document")


def is_open(document: dict[str, Any], hint: str) -> bool:
    """Tell whether a body could be of any API: an error, an answer with nothing in it, or what several APIs take."""
    if hint == "ChatRequest":
        return is_turns(document.get("messages")) and not is_surely_anthropic(document)
    if hint == "EmbeddingRequest":
        return type(document.get("input")) is str and not RESPONSES_KEYS & document.keys()
    return "error" in document or document.get("choices") == []


def recognise_answer(document: dict[str, Any]) -> str:
    """Name the kind of a response or a chunk; "" for anything else."""
    object_ = document.get("object")
    by_object = OBJECTS.get(object_, "") if isinstance(object_, str) else ""
    choices = document.get("choices")
    if type(choices) is list:
        return recognise_choices(choices, by_object, document)
    if by_object:
        return by_object
    if is_embedding_response(document):
        return "EmbeddingResponse"
    return "GenerateResponse" if is_generate_response(document) else ""


def recognise_choices(choices: list[Any], by_object: str, document: dict[str, Any]) -> str:
    """Name the kind by the first choice, since some servers call a chunk a completion; by `object` where it is open."""
    if not choices and not by_object:
        # Azure opens a stream with filter results and no choice.
        return "ChatChunk" if {"prompt_filter_results", "prompt_annotations"} & document.keys() else ""
    first = choices[0] if choices else {}
    found = [kind for key, kind in CHOICES.items() if key in first] if type(first) is dict else []
    return found[0] if len(found) == 1 else by_object or "".join(found[:1])


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
        # Cohere's first chat API answers with a text and a finish reason too.
        named = "generation_id" in document or "chat_history" in document
        return not named and ("finish_reason" in document or "meta_info" in document)
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
    if not is_turns(document["messages"]) or is_surely_anthropic(document) or CONVERSE_KEYS & document.keys():
        return False
    if is_surely_chat(document):
        return True
    # Both APIs take what is left; without an address the model decides.
    model = document.get("model")
    claude = isinstance(model, str) and "claude" in model and "/" not in model
    return not (claude and "max_tokens" in document and "system" not in roles(document["messages"]))


def is_turns(value: Any) -> bool:
    """Tell the messages of a conversation."""
    return type(value) is list and all(type(turn) is dict and ("role" in turn or "content" in turn) for turn in value)


def is_surely_anthropic(document: dict[str, Any]) -> bool:
    """Tell an Anthropic messages request by its keys, its tools or its content."""
    if is_surely_chat(document):
        return False
    if ANTHROPIC_KEYS & document.keys() or is_thinking(document.get("thinking")):
        return True
    tools = document.get("tools")
    return (type(tools) is list and any(map(is_anthropic_tool, tools))) or has_anthropic_parts(document["messages"])


def roles(turns: list[dict[str, Any]]) -> set[str]:
    """Name the roles of a conversation."""
    return {role for turn in turns if isinstance(role := turn.get("role"), str)}


def is_surely_chat(document: dict[str, Any]) -> bool:
    """Tell a chat-completions request by keys, roles or tools that Anthropic has not."""
    if CHAT_KEYS & document.keys() or not roles(document["messages"]) <= {"user", "assistant", "system"}:
        return True
    tools = document.get("tools")
    return type(tools) is list and any(type(tool) is dict and "function" in tool for tool in tools)


def is_anthropic_tool(tool: Any) -> bool:
    """Tell a tool with Anthropic's schema, or one that Anthropic runs."""
    if type(tool) is not dict:
        return False
    type_ = tool.get("type")
    return "input_schema" in tool or (isinstance(type_, str) and bool(ANTHROPIC_TOOL.fullmatch(type_)))


def is_thinking(value: Any) -> bool:
    """Tell Anthropic's thinking settings."""
    return type(value) is dict and ("budget_tokens" in value or value.get("type") == "adaptive")


def has_anthropic_parts(turns: list[dict[str, Any]]) -> bool:
    """Look for content parts that only Anthropic has."""
    contents = (turn.get("content") for turn in turns)
    return any(is_anthropic_part(part) for content in contents if type(content) is list for part in content)


def is_anthropic_part(part: Any) -> bool:
    """Tell a content part by its type; images, documents and thinking by their form too, since others have them."""
    type_ = part.get("type") if type(part) is dict else None
    if type_ in ("image", "document"):
        return type(part.get("source")) is dict
    if type_ == "thinking":
        return type(part.get("thinking")) is str
    return isinstance(type_, str) and type_ in ANTHROPIC_PARTS


def is_generate_request(document: dict[str, Any]) -> bool:
    """Tell a completions or an engine request; Ollama's embedding call has a prompt too, and settings of its own."""
    if type(document.get("prompt_token_ids")) is list:
        return True
    if type(document.get("prompt")) in (str, list):
        if (NOT_A_PROMPT | MEDIA_KEYS) & document.keys():
            return False
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
    name = model if isinstance(model, str) else ""
    if EMBEDDING_MODEL.search(name):
        return True
    return type(document["input"]) is list and not OTHER_INPUT_MODEL.search(name)
