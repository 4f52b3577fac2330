"""Streams and the cache: chunks are collected into the whole answer that is kept, and a hit is sent as chunks again.

One entry serves both, since a request's `stream` is no part of its key. What a replay keeps is the answer: all texts,
calls, log probabilities, usage and fields that no type knows. What it does not keep is where the chunks began and how
long the model took between them: text comes in pieces of equal length, or, where the log probabilities tell the
tokens, one token a chunk; reasoning and the arguments of a call come at once; and all of it as fast as it is read.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from serlab.messages import ChatChunk, ChatResponse, from_document, to_document
from serlab.workloads import CHARACTERS_PER_TOKEN

Document = dict[str, Any]
WHOLE, CHUNK = "chat.completion", "chat.completion.chunk"
EVERYWHERE = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
"""What every chunk repeats."""
JOINED = {"content", "refusal", "reasoning", "reasoning_content", "arguments"}
"""Texts that come in pieces."""


def collect(chunks: Iterable[ChatChunk]) -> ChatResponse:
    """Make the whole answer of a stream.

    Args:
        chunks: of one answer, all of them: keep nothing of a stream that was cut.

    Returns:
        What the server would have sent in one piece. What only streams have is not in it: a call's `index`, and the
        padding `obfuscation`.
    """
    whole: Document = {}
    choices: dict[Any, Document] = {}
    for chunk in map(to_document, chunks):
        chunk.pop("obfuscation", None)
        for choice in chunk.pop("choices", None) or ():
            _add(choices.setdefault(choice.get("index"), {}), choice)
        _add(whole, chunk)
    for choice in choices.values():
        message = choice["message"] = choice.pop("delta", {})
        if calls := message.get("tool_calls"):
            message["tool_calls"] = _whole_calls(calls)
    named = {"object": WHOLE} if whole.get("object") == CHUNK else {}
    answer: ChatResponse = from_document(ChatResponse, whole | named | {"choices": list(choices.values())})
    return answer


def _add(whole: Document, piece: Document) -> None:
    """Add what a chunk tells: objects are merged, lists and some texts go on, of other values the last one stands."""
    for name, value in piece.items():
        before = whole.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            _add(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            before.extend(value)
        elif name in JOINED and isinstance(before, str) and isinstance(value, str):
            whole[name] = before + value
        elif value is not None or name not in whole:
            whole[name] = value


def _whole_calls(pieces: list[Document]) -> list[Document]:
    """Join the pieces of calls, which `index` tells apart."""
    calls: dict[Any, Document] = {}
    for place, piece in enumerate(pieces):
        _add(calls.setdefault(piece.pop("index", f"the {place}th"), {}), piece)
    return list(calls.values())


def replay(answer: ChatResponse, *, wants_usage: bool = True, characters: int = CHARACTERS_PER_TOKEN) -> Iterator[Any]:
    """Make chunks of a whole answer.

    Args:
        answer: from the cache.
        wants_usage: whether a last chunk reports the tokens: the request's `stream_options.include_usage`.
        characters: of text in a chunk.

    Yields:
        `ChatChunk`s; `collect` makes the answer of them again.
    """
    rest = to_document(answer)
    choices, usage = rest.pop("choices", None) or [], rest.pop("usage", None)
    named = {"object": CHUNK} if rest.get("object") == WHOLE else {}
    shared = {name: rest.pop(name) for name in EVERYWHERE if name in rest} | named
    for choice in choices:
        for piece in _pieces_of(choice, characters):
            yield from_document(ChatChunk, shared | {"choices": [piece]})
    last = rest | ({"usage": usage} if wants_usage and usage is not None else {})
    if last:
        yield from_document(ChatChunk, shared | {"choices": []} | last)


def _pieces_of(choice: Document, characters: int) -> Iterator[Document]:
    """Cut one choice: who speaks and what is not text, then the text, then how it ended."""
    index = {"index": choice["index"]} if "index" in choice else {}
    delta = dict(choice.pop("message", None) or {})
    if calls := delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": place, **call} for place, call in enumerate(calls)]
    text = delta.get("content")
    yield index | {"delta": delta | ({"content": ""} if isinstance(text, str) else {})}
    if said := _tokens_of(choice, text):
        choice.pop("logprobs")
        yield from (index | {"delta": {"content": token}, "logprobs": logprobs} for token, logprobs in said)
    elif isinstance(text, str):
        cuts = range(0, len(text), characters)
        yield from (index | {"delta": {"content": text[i : i + characters]}} for i in cuts)
    yield choice | {"delta": {}}


def _tokens_of(choice: Document, text: Any) -> list[tuple[str, Document]]:
    """List the tokens, each with its log probabilities, where these make up the text and nothing else is in them."""
    logprobs = choice.get("logprobs")
    items = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(logprobs, dict) or not isinstance(items, list):
        return []
    said: list[Any] = [item.get("token") if isinstance(item, dict) else None for item in items]
    others = {name: value for name, value in logprobs.items() if name != "content"}
    if any(value is not None for value in others.values()) or not all(isinstance(token, str) for token in said):
        return []
    if "".join(said) != text:
        return []
    return [(token, others | {"content": [item]}) for token, item in zip(said, items, strict=True)]
