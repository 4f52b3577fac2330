"""Chat workloads: requests, responses and a stream, in the shape that the APIs send."""

import json
import struct
from base64 import b64encode
from collections.abc import Callable
from random import Random
from typing import Any

from serlab.workloads.text import chinese, english, identifier, sentence, word
from serlab.workloads.traces import CHARACTERS_PER_TOKEN, TRACES, tokens_at

MODEL = "gpt-4o-2024-08-06"
CREATED = 1_754_432_626
IMAGE_BYTES = 786_432
"""Makes 1 MiB of base64."""


def turn(role: str, content: Any) -> dict[str, Any]:
    """Build one message of a conversation."""
    return {"role": role, "content": content}


def chat_turn(random: Random) -> list[Any]:
    """Build a short conversation."""
    roles = ("system", "user", "assistant", "user")
    turns = [turn(role, english(random, length)) for role, length in zip(roles, (400, 350, 700, 300), strict=True)]
    settings = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 1024, "stream": True, "user": identifier(random, "u-")}
    return [{"model": MODEL, "messages": turns, **settings, "stream_options": {"include_usage": True}}]


def agent_request(random: Random) -> list[Any]:
    """Build an agent's request: tools, and a history of calls and results."""
    tools = [tool(random, i) for i in range(20)]
    turns = [turn("system", english(random, 3000)), turn("user", english(random, 600))]
    for _ in range(29):
        turns += tool_exchange(random, tools)
    turns.append(turn("user", english(random, 200)))
    settings = {"tool_choice": "auto", "parallel_tool_calls": True, "temperature": 0.2, "max_completion_tokens": 4096}
    return [{"model": MODEL, "messages": turns, "tools": tools, **settings}]


def tool(random: Random, number: int) -> dict[str, Any]:
    """Build a tool with a JSON Schema of 3 to 7 properties."""
    properties = {f"{word(random)}_{i}": schema(random) for i in range(3 + int(random.random() * 5))}
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:2],
        "additionalProperties": False,
    }
    function = {"name": f"{word(random)}_{word(random)}_{number}", "description": english(random, 160)}
    return {"type": "function", "function": {**function, "parameters": parameters, "strict": True}}


def schema(random: Random) -> dict[str, Any]:
    """Build the schema of one property."""
    forms: list[dict[str, Any]] = [
        {"type": "string", "description": sentence(random)},
        {"type": "string", "enum": [word(random) for _ in range(4)]},
        {"type": "integer", "minimum": 0, "maximum": 100, "description": sentence(random)},
        {"type": "array", "items": {"type": "string"}, "description": sentence(random)},
        {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
    ]
    return forms[int(random.random() * len(forms))]


def tool_exchange(random: Random, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Build a call, its result and what the model makes of it."""
    call = tool_call(random, tools[int(random.random() * len(tools))]["function"]["name"])
    rows = [{"id": i, word(random): sentence(random), "score": round(random.random(), 4)} for i in range(12)]
    result = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"rows": rows})}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    return [asked, result, turn("assistant", english(random, 700)), turn("user", english(random, 250))]


def tool_call(random: Random, name: str) -> dict[str, Any]:
    """Build a call whose arguments are JSON text."""
    arguments = {word(random): sentence(random), "limit": int(random.random() * 50), "exact": random.random() < 0.5}
    return {
        "id": identifier(random, "call_"),
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }


def rag_request(random: Random) -> list[Any]:
    """Build a question over a long context in two languages."""
    passages = [english(random, 1500) if i % 3 else chinese(random, 700) for i in range(24)]
    context = "\n\n".join(f"[{i + 1}] {passage}" for i, passage in enumerate(passages))
    turns = [turn("system", english(random, 300)), turn("user", f"{context}\n\n请回答:{chinese(random, 30)}")]
    return [{"model": MODEL, "messages": turns, "temperature": 0, "max_tokens": 800}]


def image_request(random: Random) -> list[Any]:
    """Build a question about an image given as base64."""
    url = f"data:image/jpeg;base64,{b64encode(noise(random, IMAGE_BYTES)).decode()}"
    parts = [
        {"type": "text", "text": sentence(random)},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
    ]
    return [{"model": MODEL, "messages": [turn("user", parts)], "max_tokens": 300}]


def noise(random: Random, size: int) -> bytes:
    """Draw bytes that do not compress, as those of a JPEG; `size` is a multiple of 4."""
    draw = random.random
    return struct.pack(f">{size // 4}I", *[int(draw() * 2**32) for _ in range(size // 4)])


def usage(prompt: int, completion: int) -> dict[str, Any]:
    """Build a usage report with its details."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def response(random: Random, message: dict[str, Any], finish: str, logprobs: Any = None) -> dict[str, Any]:
    """Build a whole answer around its message."""
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}
    return {
        "id": identifier(random, "chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED,
        "model": MODEL,
        "choices": [choice],
        "usage": usage(812, 431),
        "service_tier": "default",
        "system_fingerprint": identifier(random, "fp_", 10),
    }


def answer(content: str | None, **fields: Any) -> dict[str, Any]:
    """Build an answer's message with the nulls that the API sends."""
    return {"role": "assistant", "content": content, **fields, "refusal": None, "annotations": []}


def tool_call_response(random: Random) -> list[Any]:
    """Build an answer that calls two tools."""
    calls = [tool_call(random, f"{word(random)}_{word(random)}") for _ in range(2)]
    return [response(random, answer(None, tool_calls=calls), "tool_calls")]


def chat_response(random: Random) -> list[Any]:
    """Build an answer of some paragraphs."""
    return [response(random, answer(english(random, 1700)), "stop")]


def logprobs_response(random: Random) -> list[Any]:
    """Build an answer with log probabilities of every token."""
    entries = [{**logprob(random), "top_logprobs": [logprob(random) for _ in range(5)]} for _ in range(500)]
    content = "".join(entry["token"] for entry in entries)
    return [response(random, answer(content), "stop", {"content": entries, "refusal": None})]


def logprob(random: Random) -> dict[str, Any]:
    """Build one token with its log probability and bytes."""
    token, share = f" {word(random)}", random.random()
    return {"token": token, "logprob": -12.5 * share * share * share, "bytes": list(token.encode())}


def stream(random: Random) -> list[Any]:
    """Build the chunks of a streamed answer: the role, words, the finish reason, the usage."""
    head = {
        "id": identifier(random, "chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
    }
    head |= {"service_tier": "default", "system_fingerprint": identifier(random, "fp_", 10)}
    deltas = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": f" {word(random)}"} for _ in range(497)]
    chunks = [chunk(head, [choice(delta, None)], None, random) for delta in deltas]
    return [*chunks, chunk(head, [choice({}, "stop")], None, random), chunk(head, [], usage(812, 497), random)]


def choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    """Build one choice of a chunk."""
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def chunk(head: dict[str, Any], choices: list[Any], used: Any, random: Random) -> dict[str, Any]:
    """Build one chunk; the padding hides token lengths from an observer."""
    padding = identifier(random, "", 2 + int(random.random() * 10))
    return {**head, "choices": choices, "usage": used, "obfuscation": padding}


def mix(name: str) -> Callable[[Random], list[Any]]:
    """Give the builder of a traffic mix: one request in each sixteenth of the trace's lengths, in random order."""
    trace, count = TRACES[name], 16

    def build(random: Random) -> list[Any]:
        shares = [(i + random.random()) / count for i in range(count)]
        requests = [mixed_request(random, tokens_at(trace.input, share), trace.output) for share in shares]
        order = sorted(range(count), key=[random.random() for _ in range(count)].__getitem__)
        return [requests[i] for i in order]

    return build


def mixed_request(random: Random, tokens: int, output: tuple[int, ...]) -> dict[str, Any]:
    """Build a conversation whose text has about so many tokens."""
    characters = tokens * CHARACTERS_PER_TOKEN
    pieces = max(1, min(9, characters // 800)) | 1
    roles = ["user" if i % 2 == 0 else "assistant" for i in range(pieces)]
    turns = [turn(role, english(random, max(1, characters // pieces))) for role in roles]
    limit = tokens_at(output, random.random())
    return {"model": MODEL, "messages": turns, "temperature": 1.0, "max_completion_tokens": limit, "stream": True}
