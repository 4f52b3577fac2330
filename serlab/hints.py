"""What a corpus looks like that holds no bodies, or holds them in something else: hints with the remedy.

A hint is said once for each file, with the jq filter that takes the bodies out of the line that was seen first.
"""

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from serlab import sse
from serlab.envelopes import as_json
from serlab.recognise import is_turns, recognise
from serlab.streams import Origin

OnHint = Callable[[str], None]

OBSERVED = {"call_type", "response_cost", "cost", "spend", "startTime", "endTime", "start_time", "end_time", "latency"}
OBSERVED |= {"latency_ms", "duration", "duration_ms", "traceId", "trace_id", "spanId", "span_id", "usageDetails"}
OBSERVED |= {"hidden_params", "status_code", "statusMessage", "run_type", "modelParameters", "invocation_params"}
"""What only who watches a call writes down; two of them beside a request make it a line of a log."""

OWN = {"messages": 'type == "array"', "prompt": ".", "input": 'type == "string" or (.[0]? | type) != "object"'}
"""Where a log has what was asked → the jq condition that tells it from another line's field of that name."""

SETTINGS = ("model_parameters", "modelParameters", "invocation_params", "optional_params", "parameters")
"""Where loggers put the settings of a request, apart from its messages."""

ITEMS = 'if type == "array" then .[] else . end'
"""The jq filter that writes the items of arrays, and other values as they are."""

TRACES = (("input", "output"), ("inputs", "outputs"))
DEEPEST, MOST_LOOKED_AT = 4, 200
"""Levels and values of a line that are searched for bodies."""

MOST_FILTERS = 8
"""Ways to a body that a hint names."""

LONGEST_TEXT = 1 << 20
"""Characters of a text that is tried as JSON."""


class Hints:
    """Gathers what a file looks like.

    Args:
        origin: the file.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.logs = self.lists = 0
        self.first_log = self.first_list = 0
        self.filters: dict[str, None] = {}

    def log(self, line: int, value: dict[str, Any]) -> None:
        """Count a line of a log."""
        self.first_log = self.first_log or line
        self.logs += 1
        if len(self.filters) < MOST_FILTERS:
            self.filters |= dict.fromkeys(log_filters(value))

    def list(self, line: int) -> None:
        """Count a line that is an array of objects."""
        self.first_list = self.first_list or line
        self.lists += 1

    def lines(self) -> Iterator[str]:
        """Yield the hints, one for each thing that was seen."""
        if self.logs:
            found = f"({', '.join(self.filters)}) | select(. and . != {{}})" if self.filters else "."
            command = jq(self.origin, f"objects | {found}")
            what = "1 line looks" if self.logs == 1 else f"{self.logs:,} lines look"
            yield (
                f"{self.origin.name}: {what} like a log with the bodies inside, line {self.first_log} first; measured "
                f"as they stand, they are not what was sent. To take the bodies out: {command}"
            )
        if self.lists:
            what = "1 line is an array" if self.lists == 1 else f"{self.lists:,} lines are arrays"
            yield (
                f"{self.origin.name}: {what} of objects, line {self.first_list} first; each is measured as one "
                f"document. If the objects are the bodies: {jq(self.origin, ITEMS)}"
            )


def jq(origin: Origin, filter_: str) -> str:
    """Write the command that takes bodies out of a file."""
    sender, command = origin.sender(), f"jq -c {shlex.quote(filter_)}"
    command = f"{sender} | {command}" if sender else f"{command} {shlex.quote(origin.name)}"
    return f"{command} > bodies.jsonl"


def is_log(value: Any, kind: str) -> bool:
    """Tell a line of a log from a body.

    Args:
        value: the line's JSON value.
        kind: what it is by its shape alone.
    """
    if type(value) is not dict:
        return False
    if kind in ("ChatRequest", "EmbeddingRequest", "GenerateRequest"):
        answered = any(is_answer(inner) for name, inner in value.items() if name not in ("messages", "input", "prompt"))
        return answered or "output" in value or "outputs" in value or len(OBSERVED & value.keys()) > 1
    return kind == "document" and (is_trace(value) or next(bodies_inside(value), None) is not None)


def is_answer(value: Any) -> bool:
    """Tell an answer inside a request, as an object or as JSON text."""
    return recognise(value if type(value) is dict else as_json(value)) in ("ChatResponse", "EmbeddingResponse") or (
        type(value) is dict and recognise(value) == "GenerateResponse" and "choices" in value
    )


def is_trace(value: dict[str, Any]) -> bool:
    """Tell a span of a trace: a conversation as input beside an output."""
    return any(names[1] in value and conversation(value.get(names[0])) != "" for names in TRACES)


def conversation(held: Any) -> str:
    """Name where a conversation stands in a trace's input, as the end of a jq path; "" where there is none."""
    if type(held) is dict:
        return ".messages" if conversation(held.get("messages")) else ""
    turns = held if type(held) is list and held else None
    return "." if turns and is_turns(turns) and all("role" in turn for turn in turns) else ""


def bodies_inside(value: Any) -> Iterator[str]:
    """Yield the jq path of each body inside a line."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    for _ in range(MOST_LOOKED_AT):
        if not waiting:
            return
        path, held, depth = waiting.pop(0)
        if type(held) is str and len(held) <= LONGEST_TEXT and type(inner := as_json(held)) is dict:
            path, held = f"({path} | fromjson?)", inner
        is_stream = type(held) is str and sse.is_stream(held)
        if is_stream or (type(held) is dict and depth and is_sure_body(held)):
            yield path
        elif type(held) is dict and depth < DEEPEST:
            waiting += [(path + step(name), inner, depth + 1) for name, inner in held.items() if is_held(inner)]
        elif type(held) is list and held and depth < DEEPEST and type(held[0]) is dict:
            waiting.append((f"{path}[]?", held[0], depth + 1))


def is_held(value: Any) -> bool:
    """Tell a value that a body may be in."""
    return type(value) in (dict, list) or (type(value) is str and (value[:1] == "{" or sse.is_stream(value)))


def step(name: str) -> str:
    """Write one step of a jq path, which gives nothing where another line has no object."""
    return f".{name}?" if name.isascii() and name.isidentifier() else f".{json.dumps(name)}?"


def is_sure_body(value: dict[str, Any]) -> bool:
    """Tell a whole body from what has a similar shape, as the arguments of a tool may have."""
    kind = recognise(value)
    if kind.endswith("Request"):
        return isinstance(value.get("model"), str)
    return kind in ("ChatResponse", "ChatChunk", "EmbeddingResponse") or (kind != "document" and "choices" in value)


def log_filters(value: dict[str, Any]) -> list[str]:
    """List the jq filters that take the bodies out of a line like this one."""
    own = own_request(value)
    return [*([own] if own else []), *bodies_inside(value)]


def own_request(value: dict[str, Any]) -> str:
    """Write the jq filter that puts a request together from the fields of a log; "" where there are none."""
    settings = next((f" + (.{name} | objects // {{}})" for name in SETTINGS if type(value.get(name)) is dict), "")
    for name, condition in OWN.items():
        if name in value and recognise({"model": "m", **value}) != "document":
            return f"(select(.{name} | {condition}) | {{model, {name}}}{settings})"
    for names in TRACES:
        if names[1] in value and (place := conversation(value.get(names[0]))):
            path = f".{names[0]}" + ("" if place == "." else place)
            return f'(select({path}? | (.[0]? | type) == "object") | {{model, messages: {path}}}{settings})'
    return ""
