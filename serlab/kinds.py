"""The kind of a body, told from its shape.

Several APIs share field names (`messages`, `input`, `choices`), so each rule asks for what the message type has and
for the absence of what only another API has. A body that fits no rule is a `document`.

Source: the OpenAI (chat completions, completions, embeddings, responses), Anthropic (messages), Bedrock (converse),
Gemini, Cohere and Ollama API references.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from serlab import codecs
from serlab.codecs import codec_for, open_codec
from serlab.errors import DecodeError
from serlab.streams import MAX_LINE

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
    kind = _recognise_answer(document) or _recognise_request(document)
    return kind or (hint if hint and is_open(document, hint) else "document")


def is_open(document: dict[str, Any], hint: str) -> bool:
    """Return whether a body could be of any API: an error, an answer with nothing in it, or what several APIs take."""
    if hint == "ChatRequest":
        return is_turns(document.get("messages")) and not _is_surely_anthropic(document)
    if hint == "EmbeddingRequest":
        return type(document.get("input")) is str and not RESPONSES_KEYS & document.keys()
    return "error" in document or document.get("choices") == []


def _recognise_answer(document: dict[str, Any]) -> str:
    """Name the kind of a response or a chunk; "" for anything else."""
    object_ = document.get("object")
    by_object = OBJECTS.get(object_, "") if isinstance(object_, str) else ""
    choices = document.get("choices")
    if type(choices) is list:
        return _recognise_choices(choices, by_object, document)
    if by_object:
        return by_object
    if _is_embedding_response(document):
        return "EmbeddingResponse"
    return "GenerateResponse" if _is_generate_response(document) else ""


def _recognise_choices(choices: list[Any], by_object: str, document: dict[str, Any]) -> str:
    """Name the kind by the first choice, since some servers call a chunk a completion; by `object` where it is open."""
    if not choices and not by_object:
        # Azure opens a stream with filter results and no choice.
        return "ChatChunk" if {"prompt_filter_results", "prompt_annotations"} & document.keys() else ""
    first = choices[0] if choices else {}
    found = [kind for key, kind in CHOICES.items() if key in first] if type(first) is dict else []
    return found[0] if len(found) == 1 else by_object or "".join(found[:1])


def _is_embedding_response(document: dict[str, Any]) -> bool:
    """Recognise vectors in the forms of OpenAI, Gemini, Cohere and Ollama."""
    data = document.get("data")
    if type(data) is list and data and type(data[0]) is dict:
        return "embedding" in data[0]
    if "embeddings" in document:
        return _is_vectors(document["embeddings"])
    return _is_vector(document.get("embedding"))


def _is_vectors(value: Any) -> bool:
    """Recognise a list of vectors, or vectors by type."""
    if type(value) is dict:
        return any(type(batch) is list for batch in value.values())
    return type(value) is list and bool(value) and _is_vector(value[0])


def _is_vector(value: Any) -> bool:
    """Recognise one vector: numbers, or an object with `values`."""
    if type(value) is dict:
        return type(value.get("values")) is list
    return type(value) is list and bool(value) and type(value[0]) in (int, float)


def _is_generate_response(document: dict[str, Any]) -> bool:
    """Recognise an engine's continuation, and Ollama's."""
    has_output = any(type(document.get(key)) is list for key in ("token_ids", "output_ids"))
    if has_output or type(document.get("text")) is str:
        # Cohere's first chat API answers with a text and a finish reason too.
        named = "generation_id" in document or "chat_history" in document
        return not named and ("finish_reason" in document or "meta_info" in document)
    return type(document.get("response")) is str and "done" in document


def _recognise_request(document: dict[str, Any]) -> str:
    """Name the kind of a request; "" for anything else."""
    if type(document.get("messages")) is list:
        return "ChatRequest" if _is_chat_request(document) else ""
    if _is_generate_request(document):
        return "GenerateRequest"
    return "EmbeddingRequest" if _is_embedding_request(document) else ""


def _is_chat_request(document: dict[str, Any]) -> bool:
    """Recognise a chat-completions request from an Anthropic one."""
    if not is_turns(document["messages"]) or _is_surely_anthropic(document) or CONVERSE_KEYS & document.keys():
        return False
    if _is_surely_chat(document):
        return True
    # Both APIs take what is left; without an address the model decides.
    model = document.get("model")
    claude = isinstance(model, str) and "claude" in model and "/" not in model
    return not (claude and "max_tokens" in document and "system" not in _roles(document["messages"]))


def is_turns(value: Any) -> bool:
    """Recognise the messages of a conversation."""
    return type(value) is list and all(type(turn) is dict and ("role" in turn or "content" in turn) for turn in value)


def _is_surely_anthropic(document: dict[str, Any]) -> bool:
    """Recognise an Anthropic messages request by its keys, its tools or its content."""
    if _is_surely_chat(document):
        return False
    if ANTHROPIC_KEYS & document.keys() or _is_thinking(document.get("thinking")):
        return True
    tools = document.get("tools")
    return (type(tools) is list and any(map(_is_anthropic_tool, tools))) or _has_anthropic_parts(document["messages"])


def _roles(turns: list[dict[str, Any]]) -> set[str]:
    """Name the roles of a conversation."""
    return {role for turn in turns if isinstance(role := turn.get("role"), str)}


def _is_surely_chat(document: dict[str, Any]) -> bool:
    """Recognise a chat-completions request by keys, roles or tools that Anthropic has not."""
    if CHAT_KEYS & document.keys() or not _roles(document["messages"]) <= {"user", "assistant", "system"}:
        return True
    tools = document.get("tools")
    return type(tools) is list and any(type(tool) is dict and "function" in tool for tool in tools)


def _is_anthropic_tool(tool: Any) -> bool:
    """Recognise a tool with Anthropic's schema, or one that Anthropic runs."""
    if type(tool) is not dict:
        return False
    type_ = tool.get("type")
    return "input_schema" in tool or (isinstance(type_, str) and bool(ANTHROPIC_TOOL.fullmatch(type_)))


def _is_thinking(value: Any) -> bool:
    """Recognise Anthropic's thinking settings."""
    return type(value) is dict and ("budget_tokens" in value or value.get("type") == "adaptive")


def _has_anthropic_parts(turns: list[dict[str, Any]]) -> bool:
    """Look for content parts that only Anthropic has."""
    contents = (turn.get("content") for turn in turns)
    return any(_is_anthropic_part(part) for content in contents if type(content) is list for part in content)


def _is_anthropic_part(part: Any) -> bool:
    """Recognise a content part by its type; images, documents, thinking by their form too, since others have them."""
    type_ = part.get("type") if type(part) is dict else None
    if type_ in ("image", "document"):
        return type(part.get("source")) is dict
    if type_ == "thinking":
        return type(part.get("thinking")) is str
    return isinstance(type_, str) and type_ in ANTHROPIC_PARTS


def _is_generate_request(document: dict[str, Any]) -> bool:
    """Recognise a completions or engine request; Ollama's embedding call has a prompt too, and settings of its own."""
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


def _is_embedding_request(document: dict[str, Any]) -> bool:
    """Recognise an embeddings request from one to the Responses API, which also has `input`."""
    requests = document.get("requests")
    if type(requests) is list:
        return bool(requests) and all(type(item) is dict and _has_parts(item) for item in requests)
    if type(document.get("texts")) is list:
        return True
    if "input" in document:
        return _is_embedding_input(document)
    return _has_parts(document) and not document.keys() & {"contents", "role"}


def _has_parts(document: dict[str, Any]) -> bool:
    """Recognise Gemini's content to embed."""
    content = document.get("content")
    return type(content) is dict and type(content.get("parts")) is list


def _is_embedding_input(document: dict[str, Any]) -> bool:
    """Recognise texts or token ids to embed; where only input and model are given, the model's name decides."""
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


# What JSON takes as Python values, estimated from its text before any is built.
#
# Two bytes of text may stand for an object of two hundred: a corpus of a few kilobytes, compressed, would fill the
# memory. So marks are counted first, which takes a thousandth of the time that reading takes; a mark inside a text
# counts as well, since the text may be JSON that is read later.
#
# Source: sys.getsizeof on 64 bits, with what the allocator and a list's or dict's spare room add.

COSTS = {"[": 64, "{": 200, ",": 32, '"': 28, ":": 64}
"""Mark → bytes: a list, a dict with its first entry, a number and its place, half a text, an entry of a dict."""
SMALL = 1 << 20
"""Bytes of text that can do no harm: 90 MiB of empty objects, which are the dearest."""
PER_BYTE = 2
"""Bytes that the values of a line may take for each that a line may have: 512 MiB with the default limits. The bodies
of the recorded corpora take 2 to 7 for each that they have, tools up to 22, small numbers 16."""


def weight(text: bytes | str) -> int:
    """Estimate the bytes that the lists, objects, numbers and texts of JSON take beside the characters of texts."""
    if isinstance(text, bytes):
        return sum(cost * text.count(mark.encode()) for mark, cost in COSTS.items())
    return sum(cost * text.count(mark) for mark, cost in COSTS.items())


def is_heavy(text: bytes | str, longest: int) -> bool:
    """Recognise JSON whose values would take more than a line of a corpus may.

    Args:
        text: the JSON, or what may be it.
        longest: bytes that a line may have.
    """
    return len(text) > SMALL and weight(text) > PER_BYTE * longest


# Lines of a log that hold bodies: batch lines, pairs, HTTP messages, HAR files, cassettes.
#
# What is certain is unwrapped: where a body stands whole under a name that says so. What only looks like a log (a
# request and its answer beside latency and cost, a trace's input and output) stays as it is, and a hint says how to
# get at the bodies: its fields are not what went over the wire.
#
# Source: the OpenAI and Anthropic batch APIs; HTTP Archive 1.2; the cassettes of VCR and vcrpy; what LiteLLM,
# Helicone, Langfuse and LangSmith log.


class Found(NamedTuple):
    """One part of a line.

    Attributes:
        value: plain JSON values, or the text of a body.
        hint: the kind that its place suggests.
        is_text: whether the value is a body's text, which is still to be read.
    """

    value: Any
    hint: str = ""
    is_text: bool = False


ANSWERS = {
    "ChatRequest": "ChatResponse",
    "EmbeddingRequest": "EmbeddingResponse",
    "GenerateRequest": "GenerateResponse",
}
"""Kind of a request → kind of what answers it."""

REQUESTS = {"/chat/completions": "ChatRequest", "/embeddings": "EmbeddingRequest", "/completions": "GenerateRequest"}
"""End of an address → the kind that it takes."""

PAIR = ("request", "response")
BODY_PAIRS = (("request_body", "response_body"), ("requestBody", "responseBody"), ("modelInput", "modelOutput"))
"""Names of a request and its answer in one line; of the latter, one of the two is enough."""

HTTP = {"method", "url", "uri", "path", "headers", "status", "status_code", "statusCode", "httpVersion"}
"""What an HTTP message has beside its body; two of them, or one and the body, tell it."""

BODIES = ("body", "postData", "content", "json", "data", "text")
"""Where loggers put the body of an HTTP message."""

TEXTS = ("text", "string", "base64_string")
"""Where the text of a body stands in an object of its own, as in HAR and in cassettes."""

ABOUT_TEXT = {"mimeType", "encoding", "size"}
"""What such an object says of the text."""


def unwrap(value: Any, result_hint: str = "") -> Iterator[Found]:
    """Take a line apart.

    Args:
        value: the line's JSON value.
        result_hint: the kind of the batch results before it; it decides what an error among them is.

    Yields:
        The bodies that are in it; the value itself where it is no envelope.
    """
    parts = _parts_of(value, result_hint)
    yield from [Found(value)] if parts is None else parts


def _parts_of(value: Any, result_hint: str) -> list[Found] | None:
    """List the bodies in an envelope; None for what is none."""
    if type(value) is list:
        return _parts_of_list(value, result_hint)
    if type(value) is not dict:
        return None
    if "custom_id" in value and (found := _parts_of_batch_line(value, result_hint)):
        return found
    if found := _parts_of_pair(value):
        return found
    if _is_call(value) and recognise(value) == "document":
        return _body_inside(value, "") or None
    entries = _entries_of(value)
    found = [part for entry in entries if type(entry) is dict for part in _parts_of_pair(entry)]
    return found or None


def _parts_of_list(items: list[Any], result_hint: str) -> list[Found] | None:
    """Take an array of bodies or envelopes apart; no API sends such an array as a body."""
    found: list[Found] = []
    for item in items:
        parts = _parts_of(item, result_hint) if type(item) is dict else None
        if parts is None and (type(item) is not dict or recognise(item) == "document"):
            return None
        found += [Found(item)] if parts is None else parts
    return found or None


def _parts_of_batch_line(value: dict[str, Any], result_hint: str) -> list[Found] | None:
    """Take a line of a batch apart: OpenAI's requests and results, Anthropic's."""
    response, result = value.get("response"), value.get("result")
    if "body" in value and ("url" in value or type(value["body"]) is dict):
        return [Found(value["body"], _hint_of_url(value.get("url")))]
    if type(response) is dict and "body" in response:
        return [Found(response["body"], result_hint)]
    if type(value.get("params")) is dict:
        return [Found(value["params"])]
    if type(result) is dict and type(result.get("message")) is dict:
        return [Found(result["message"])]
    return None


def _hint_of_url(url: Any) -> str:
    """Name the kind that an address takes."""
    path = str(url).partition("?")[0]
    return next((kind for end, kind in REQUESTS.items() if path.endswith(end)), "")


def _parts_of_pair(value: dict[str, Any]) -> list[Found]:
    """Take a request and its answer apart; what is null was never sent. Nothing where the line is no pair."""
    if value.keys() & {"choices", "object"}:
        return []
    names = (
        PAIR if value.keys() >= {*PAIR} else next((names for names in BODY_PAIRS if _has_bodies(value, names)), None)
    )
    if names is None:
        return []
    asked = _body_inside(value.get(names[0]), "")
    kind = recognise(_readable(asked[0]), asked[0].hint) if asked else ""
    return [*asked, *_body_inside(value.get(names[1]), ANSWERS.get(kind, ""))]


def _has_bodies(value: dict[str, Any], names: tuple[str, str]) -> bool:
    """Return whether a body stands under one of the names: an object, or the JSON text of one."""
    return any(type(value.get(name)) is dict or type(as_json(value.get(name))) is dict for name in names)


def _readable(part: Found) -> Any:
    """Return a part's JSON value; text that is none as it is."""
    value = as_json(part.value) if part.is_text else part.value
    return part.value if value is None else value


def _body_inside(side: Any, hint: str) -> list[Found]:
    """Return the body of one side of a call: the side itself, its JSON text, or the body of an HTTP message."""
    if type(side) is dict and _is_http(side) and recognise(side) == "document":
        hint = hint or _hint_of_url(side.get("url", side.get("uri")))
        held = next((_text_inside(side[name], hint) for name in BODIES if side.get(name) not in (None, "", {})), None)
        return [] if held is None or held.value == "" else [held]
    if side is None:
        return []
    # What is too much to be read is reported by whoever reads it, as a text.
    return [Found(side, hint, is_text=_is_too_much(side) or type(as_json(side)) in (dict, list))]


def _text_inside(held: Any, hint: str) -> Found:
    """Return the body that a field of an HTTP message holds, as values or as text."""
    if type(held) is dict and (held.keys() & ABOUT_TEXT or (len(held) == 1 and held.keys() <= {*TEXTS})):
        name = next((name for name in TEXTS if type(held.get(name)) is str), "")
        is_base64 = name == "base64_string" or held.get("encoding") == "base64"
        return Found(_decoded(held[name]) if is_base64 else held.get(name, ""), hint, is_text=True)
    return Found(held, hint, is_text=type(held) is str)


def _decoded(text: str) -> str:
    """Read base64; what is none, or no text, stays as it is and is reported as no JSON."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


def as_json(text: Any) -> Any:
    """Read the JSON text of an object or an array; None for anything else, and for what would fill the memory."""
    if type(text) is not str or not text.lstrip().startswith(("{", "[")) or _is_too_much(text):
        return None
    try:
        return codecs.decode_untrusted(
            open_codec(codec_for("any text"), "document"), text.encode("utf-8", "surrogatepass")
        )
    except DecodeError:
        return None


def _is_too_much(text: Any) -> bool:
    """Recognise the JSON text of an object or an array whose values would fill the memory."""
    return type(text) is str and is_heavy(text, MAX_LINE) and text.lstrip().startswith(("{", "["))


def _is_http(value: dict[str, Any]) -> bool:
    """Recognise a logged HTTP message, which may have no body."""
    has_body = "body" in value or any(type(value.get(name)) is dict for name in ("postData", "content", "json"))
    return len(HTTP & value.keys()) >= (1 if has_body else 2)


def _is_call(value: dict[str, Any]) -> bool:
    """Recognise a line that is a logged HTTP message itself."""
    request = "method" in value and bool(value.keys() & {"url", "uri", "path", "headers"})
    response = "headers" in value and bool(value.keys() & {"status", "status_code", "statusCode"})
    return "body" in value and (request or response)


def _entries_of(value: dict[str, Any]) -> list[Any]:
    """Return the calls in an HTTP Archive or a cassette."""
    log = value.get("log")
    held = log.get("entries") if type(log) is dict else value.get("interactions", value.get("http_interactions"))
    return held if type(held) is list else []
