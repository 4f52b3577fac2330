"""Lines of a log that hold bodies: batch lines, pairs, HTTP messages, HAR files, cassettes.

What is certain is unwrapped: where a body stands whole under a name that says so. What only looks like a log (a request
and its answer beside latency and cost, a trace's input and output) stays as it is, and a hint says how to get at the
bodies: its fields are not what went over the wire.

Source: the OpenAI and Anthropic batch APIs; HTTP Archive 1.2; the cassettes of VCR and vcrpy; what LiteLLM, Helicone,
Langfuse and LangSmith log.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, NamedTuple

from serlab import codecs
from serlab.codecs import codec_for, open_codec
from serlab.errors import DecodeError
from serlab.recognise import recognise
from serlab.streams import MAX_LINE
from serlab.weight import is_heavy


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
    parts = parts_of(value, result_hint)
    yield from [Found(value)] if parts is None else parts


def parts_of(value: Any, result_hint: str) -> list[Found] | None:
    """List the bodies in an envelope; None for what is none."""
    if type(value) is list:
        return parts_of_list(value, result_hint)
    if type(value) is not dict:
        return None
    if "custom_id" in value and (found := parts_of_batch_line(value, result_hint)):
        return found
    if found := parts_of_pair(value):
        return found
    if is_call(value) and recognise(value) == "document":
        return body_inside(value, "") or None
    entries = entries_of(value)
    found = [part for entry in entries if type(entry) is dict for part in parts_of_pair(entry)]
    return found or None


def parts_of_list(items: list[Any], result_hint: str) -> list[Found] | None:
    """Take an array of bodies or envelopes apart; no API sends such an array as a body."""
    found: list[Found] = []
    for item in items:
        parts = parts_of(item, result_hint) if type(item) is dict else None
        if parts is None and (type(item) is not dict or recognise(item) == "document"):
            return None
        found += [Found(item)] if parts is None else parts
    return found or None


def parts_of_batch_line(value: dict[str, Any], result_hint: str) -> list[Found] | None:
    """Take a line of a batch apart: OpenAI's requests and results, Anthropic's."""
    response, result = value.get("response"), value.get("result")
    if "body" in value and ("url" in value or type(value["body"]) is dict):
        return [Found(value["body"], hint_of_url(value.get("url")))]
    if type(response) is dict and "body" in response:
        return [Found(response["body"], result_hint)]
    if type(value.get("params")) is dict:
        return [Found(value["params"])]
    if type(result) is dict and type(result.get("message")) is dict:
        return [Found(result["message"])]
    return None


def hint_of_url(url: Any) -> str:
    """Name the kind that an address takes."""
    path = str(url).partition("?")[0]
    return next((kind for end, kind in REQUESTS.items() if path.endswith(end)), "")


def parts_of_pair(value: dict[str, Any]) -> list[Found]:
    """Take a request and its answer apart; what is null was never sent. Nothing where the line is no pair."""
    if value.keys() & {"choices", "object"}:
        return []
    names = PAIR if value.keys() >= {*PAIR} else next((names for names in BODY_PAIRS if has_bodies(value, names)), None)
    if names is None:
        return []
    asked = body_inside(value.get(names[0]), "")
    kind = recognise(readable(asked[0]), asked[0].hint) if asked else ""
    return [*asked, *body_inside(value.get(names[1]), ANSWERS.get(kind, ""))]


def has_bodies(value: dict[str, Any], names: tuple[str, str]) -> bool:
    """Tell whether a body stands under one of the names: an object, or the JSON text of one."""
    return any(type(value.get(name)) is dict or type(as_json(value.get(name))) is dict for name in names)


def readable(part: Found) -> Any:
    """Give a part's JSON value; text that is none as it is."""
    value = as_json(part.value) if part.is_text else part.value
    return part.value if value is None else value


def body_inside(side: Any, hint: str) -> list[Found]:
    """Give the body of one side of a call: the side itself, its JSON text, or the body of an HTTP message."""
    if type(side) is dict and is_http(side) and recognise(side) == "document":
        hint = hint or hint_of_url(side.get("url", side.get("uri")))
        held = next((text_inside(side[name], hint) for name in BODIES if side.get(name) not in (None, "", {})), None)
        return [] if held is None or held.value == "" else [held]
    if side is None:
        return []
    # What is too much to be read is reported by whoever reads it, as a text.
    return [Found(side, hint, is_text=is_too_much(side) or type(as_json(side)) in (dict, list))]


def text_inside(held: Any, hint: str) -> Found:
    """Give the body that a field of an HTTP message holds, as values or as text."""
    if type(held) is dict and (held.keys() & ABOUT_TEXT or (len(held) == 1 and held.keys() <= {*TEXTS})):
        name = next((name for name in TEXTS if type(held.get(name)) is str), "")
        is_base64 = name == "base64_string" or held.get("encoding") == "base64"
        return Found(decoded(held[name]) if is_base64 else held.get(name, ""), hint, is_text=True)
    return Found(held, hint, is_text=type(held) is str)


def decoded(text: str) -> str:
    """Read base64; what is none, or no text, stays as it is and is reported as no JSON."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


def as_json(text: Any) -> Any:
    """Read the JSON text of an object or an array; None for anything else, and for what would fill the memory."""
    if type(text) is not str or not text.lstrip().startswith(("{", "[")) or is_too_much(text):
        return None
    try:
        return codecs.decode_untrusted(
            open_codec(codec_for("any text"), "document"), text.encode("utf-8", "surrogatepass")
        )
    except DecodeError:
        return None


def is_too_much(text: Any) -> bool:
    """Tell the JSON text of an object or an array whose values would fill the memory."""
    return type(text) is str and is_heavy(text, MAX_LINE) and text.lstrip().startswith(("{", "["))


def is_http(value: dict[str, Any]) -> bool:
    """Tell a logged HTTP message, which may have no body."""
    has_body = "body" in value or any(type(value.get(name)) is dict for name in ("postData", "content", "json"))
    return len(HTTP & value.keys()) >= (1 if has_body else 2)


def is_call(value: dict[str, Any]) -> bool:
    """Tell a line that is a logged HTTP message itself."""
    request = "method" in value and bool(value.keys() & {"url", "uri", "path", "headers"})
    response = "headers" in value and bool(value.keys() & {"status", "status_code", "statusCode"})
    return "body" in value and (request or response)


def entries_of(value: dict[str, Any]) -> list[Any]:
    """Give the calls in an HTTP Archive or a cassette."""
    log = value.get("log")
    held = log.get("entries") if type(log) is dict else value.get("interactions", value.get("http_interactions"))
    return held if type(held) is list else []
