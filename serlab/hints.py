"""What a corpus looks like that holds no bodies, or holds them in something else: hints with the remedy.

A hint is said once for each file, with the jq filter that takes the bodies out of the line that was seen first.
"""

import json
import re
import shlex
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from serlab import sse
from serlab.errors import CorpusError
from serlab.kinds import as_json, is_heavy, is_turns, recognise
from serlab.streams import MAX_LINE, Origin

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

LONGEST_PATH = 1000
"""Characters of a way to a body."""


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
            self.filters |= dict.fromkeys(_log_filters(value))

    def list(self, line: int) -> None:
        """Count a line that is an array of objects."""
        self.first_list = self.first_list or line
        self.lists += 1

    def lines(self) -> Iterator[str]:
        """Yield the hints, one for each thing that was seen."""
        if self.logs:
            found = f"({', '.join(self.filters)}) | select(. and . != {{}})" if self.filters else "."
            command = _jq(self.origin, f"objects | {found}")
            what = "1 line looks" if self.logs == 1 else f"{self.logs:,} lines look"
            yield (
                f"{self.origin.name}: {what} like a log with the bodies inside, line {self.first_log} first; measured "
                f"as they stand, they are not what was sent. To take the bodies out: {command}"
            )
        if self.lists:
            what = "1 line is an array" if self.lists == 1 else f"{self.lists:,} lines are arrays"
            yield (
                f"{self.origin.name}: {what} of objects, line {self.first_list} first; each is measured as one "
                f"document. If the objects are the bodies: {_jq(self.origin, ITEMS)}"
            )


def _jq(origin: Origin, filter_: str) -> str:
    """Write the command that takes bodies out of a file."""
    sender, command = origin.sender(), f"jq -c {shlex.quote(filter_)}"
    command = f"{sender} | {command}" if sender else f"{command} {shlex.quote(origin.name)}"
    return f"{command} > bodies.jsonl"


def is_log(value: Any, kind: str) -> bool:
    """Recognise a line of a log from a body.

    Args:
        value: the line's JSON value.
        kind: what it is by its shape alone.
    """
    if type(value) is not dict:
        return False
    if kind in ("ChatRequest", "EmbeddingRequest", "GenerateRequest"):
        answered = any(
            _is_answer(inner) for name, inner in value.items() if name not in ("messages", "input", "prompt")
        )
        return answered or "output" in value or "outputs" in value or len(OBSERVED & value.keys()) > 1
    return kind == "document" and (_is_trace(value) or next(_bodies_inside(value), None) is not None)


def _is_answer(value: Any) -> bool:
    """Recognise an answer inside a request, as an object or as JSON text."""
    return recognise(value if type(value) is dict else as_json(value)) in ("ChatResponse", "EmbeddingResponse") or (
        type(value) is dict and recognise(value) == "GenerateResponse" and "choices" in value
    )


def _is_trace(value: dict[str, Any]) -> bool:
    """Recognise a span of a trace: a conversation as input beside an output."""
    return any(names[1] in value and _conversation(value.get(names[0])) != "" for names in TRACES)


def _conversation(held: Any) -> str:
    """Name where a conversation stands in a trace's input, as the end of a jq path; "" where there is none."""
    if type(held) is dict:
        return ".messages" if _conversation(held.get("messages")) else ""
    turns = held if type(held) is list and held else None
    return "." if turns and is_turns(turns) and all("role" in turn for turn in turns) else ""


def _bodies_inside(value: Any) -> Iterator[str]:
    """Yield the jq path of each body inside a line."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    for _ in range(MOST_LOOKED_AT):
        if not waiting:
            return
        path, held, depth = waiting.pop(0)
        if type(held) is str and len(held) <= LONGEST_TEXT and type(inner := as_json(held)) is dict:
            path, held = f"({path} | fromjson?)", inner
        is_stream = type(held) is str and sse.is_stream(held)
        if is_stream or (type(held) is dict and depth and _is_sure_body(held)):
            yield path
        elif type(held) is dict and depth < DEEPEST:
            room = LONGEST_PATH - len(path)
            steps = (
                (path + _step(name), inner, depth + 1)
                for name, inner in held.items()
                if len(name) <= room and _is_held(inner)
            )
            waiting += islice(steps, MOST_LOOKED_AT - len(waiting))
        elif type(held) is list and held and depth < DEEPEST and type(held[0]) is dict:
            waiting.append((f"{path}[]?", held[0], depth + 1))


def _is_held(value: Any) -> bool:
    """Recognise a value that a body may be in."""
    return type(value) in (dict, list) or (type(value) is str and (value[:1] == "{" or sse.is_stream(value)))


def _step(name: str) -> str:
    """Write one step of a jq path, which gives nothing where another line has no object."""
    return f".{name}?" if name.isascii() and name.isidentifier() else f".{json.dumps(name)}?"


def _is_sure_body(value: dict[str, Any]) -> bool:
    """Recognise a whole body from what has a similar shape, as the arguments of a tool may have."""
    kind = recognise(value)
    if kind.endswith("Request"):
        return isinstance(value.get("model"), str)
    return kind in ("ChatResponse", "ChatChunk", "EmbeddingResponse") or (kind != "document" and "choices" in value)


def _log_filters(value: dict[str, Any]) -> list[str]:
    """List the jq filters that take the bodies out of a line like this one."""
    own = _own_request(value)
    return [*([own] if own else []), *_bodies_inside(value)]


def _own_request(value: dict[str, Any]) -> str:
    """Write the jq filter that puts a request together from the fields of a log; "" where there are none."""
    settings = next((f" + (.{name} | objects // {{}})" for name in SETTINGS if type(value.get(name)) is dict), "")
    for name, condition in OWN.items():
        if name in value and recognise({"model": "m", **value}) != "document":
            return f"(select(.{name} | {condition}) | {{model, {name}}}{settings})"
    for names in TRACES:
        if names[1] in value and (place := _conversation(value.get(names[0]))):
            path = f".{names[0]}" + ("" if place == "." else place)
            return f'(select({path}? | (.[0]? | type) == "object") | {{model, messages: {path}}}{settings})'
    return ""


# JSON values that stand over several lines: found, passed over, and reported once for a file.
#
# A line that begins an object or an array and does not end it may be damaged, or the start of a value that was printed
# over several lines. The lines after it tell: only where they go on with valid JSON is it the latter.

Numbered = tuple[int, bytes]

MOST_AHEAD = 1 << 20
"""Bytes of a value that are looked at; where they are right, the rest of it is only counted through."""

SPARE, SPARE_A_BYTE = 1 << 23, 16
"""Bytes that may be looked at in all, at the start and for each byte that is read: values of any size one after another
take about six times their own, and only lines that each begin another value take more."""

FEWEST_LINES = 3
"""Lines, blank ones aside, that a value must go on over to be one without its end: a damaged line before a whole one
is two."""

ENDS = {b"{": b"}", b"[": b"]"}
PIECE = re.compile(rb'[^"]++|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A text, also one without its end, or what stands between two; found in one pass, with nothing to go back to."""


class Spread:
    """Passes over what stands over several lines.

    Args:
        origin: the file.
        report: receives one error for all such values, and one for a value that the file ends inside.
        at_once: report the first as soon as it is found.
    """

    def __init__(self, origin: Origin, report: Callable[[CorpusError], None], at_once: bool) -> None:
        self.origin = origin
        self.report = report
        self.at_once = at_once
        self.found = 0
        self.first = (0, 0)
        """The first and the last line of the first that was found."""
        self.starts: set[bytes] = set()
        self.spare = SPARE
        self.cut: tuple[int, int, int] | None = None
        """Of a value that the file ends inside: its first and last line, and how many of them are read all the same."""

    def single_lines(self, lines: Iterator[Numbered]) -> Iterator[Numbered]:
        """Yield the other lines."""
        lines = self._counted(lines)
        ahead: deque[Numbered] = deque()
        in_event = False
        while (item := ahead.popleft() if ahead else next(lines, None)) is not None:
            # The lines after an event's unfinished data may be the rest of it, up to a blank line.
            in_event = _is_unfinished_event(item[1]) or (in_event and item[1].strip() != b"")
            if in_event or not _is_unfinished(item[1]):
                yield item
                continue
            ahead.appendleft(item)
            last, is_whole = self._end_of_value(ahead, lines)
            if last == item[0]:
                yield ahead.popleft()
                continue
            held = []
            while ahead and ahead[0][0] <= last:
                held.append(ahead.popleft())
            own = [] if is_whole else [one for one in held if _is_own_body(one[1])]
            if is_whole:
                self.first = self.first if self.found else (item[0], last)
                self.found += 1
                self.starts.add(item[1].lstrip()[:1])
            else:
                self.cut = (item[0], last, len(own))
            if self.at_once:
                self.tell()
            yield from own

    def _counted(self, lines: Iterator[Numbered]) -> Iterator[Numbered]:
        """Yield the lines, each of which lets more be looked at."""
        for item in lines:
            self.spare += SPARE_A_BYTE * len(item[1])
            yield item

    def _end_of_value(self, ahead: deque[Numbered], lines: Iterator[Numbered]) -> tuple[int, bool]:
        """Return the number of the line that a value ends in, and whether it does end there.

        Args:
            ahead: lines that were read already; the value begins in the first. What is read more is added.
            lines: the lines after them.

        Returns:
            The first line's own number, if what begins there is no value over several lines, or enough was looked at;
            the last line's and False, if the file ends inside the value.
        """
        taken, first, right = FEWEST_LINES, ahead[0][0], 0
        while self.spare > 0:
            shown = list(islice(ahead, taken))
            size, written = sum(len(line) for _, line in shown), sum(line.strip() != b"" for _, line in shown)
            while len(shown) < taken and (size < MOST_AHEAD or written < FEWEST_LINES):
                if (item := next(lines, None)) is None:
                    break
                if item[1].strip() == b"" and ahead[-1][1].strip() == b"":
                    # A blank line is as good as many, which would fill the memory.
                    ahead[-1] = shown[-1] = item
                    continue
                ahead.append(item)
                shown.append(item)
                size, written = size + len(item[1]), written + (item[1].strip() != b"")
            text = b"\n".join(line.rstrip(b"\r\n") for _, line in shown)
            self.spare -= len(text)
            if not sse.is_cut_json(text):
                if right >= FEWEST_LINES and sse.is_deep_json(text):
                    return _passed_over(ahead, lines)
                self.spare -= len(text)
                return shown[_lines_of_value(text) - 1][0], True
            if size >= MOST_AHEAD and written >= FEWEST_LINES:
                return _passed_over(ahead, lines)
            if len(shown) < taken:
                return (shown[-1][0], False) if written >= FEWEST_LINES else (first, True)
            taken, right = taken * 2, written
        return first, True

    def tell(self) -> None:
        """Report what was found, once, at the place of the first; then what the file ends inside."""
        if self.found:
            self.tell_found()
        if self.cut:
            first, last, own = self.cut
            read = f"; {own:,} of the lines after it {'is a body and is' if own == 1 else 'are bodies and are'} read"
            reason = f"the file ends inside a value that begins here; lines {first:,} to {last:,} belong to it"
            self.report(CorpusError(self.origin.name, first, reason + (read if own else "")))

    def tell_found(self) -> None:
        """Report the values that are whole."""
        first, last = self.first
        others = self.found - 1
        more = f", and so {'is' if others == 1 else 'are'} {others:,} more after it" if others else ""
        filter_ = FILTERS[self.starts == {b"["}, b"[" in self.starts]
        remedy = f"expected one body on each line: {_jq(self.origin, filter_)}"
        reason = f"lines {first:,} to {last:,} are one JSON value{more}; {remedy}"
        self.report(CorpusError(self.origin.name, first, reason))


FILTERS = {(True, True): ".[]", (False, False): ".", (False, True): ITEMS}
"""(all are arrays, some are) → the jq filter that writes one body on each line."""


def _is_unfinished(line: bytes) -> bool:
    """Recognise a line that begins an object or an array and does not end as one."""
    begin = line[:1] if line[:1] in ENDS else line.lstrip()[:1]
    return begin in ENDS and not line.rstrip().endswith(ENDS[begin])


def _is_unfinished_event(line: bytes) -> bool:
    """Recognise an event's data that begins an object or an array and does not end as one."""
    if not sse.START.match(line):
        return False
    field, _, value = line.partition(b":")
    return field.strip() == b"data" and _is_unfinished(value)


def _is_own_body(line: bytes) -> bool:
    """Recognise a line that is a body by itself; a part of what was printed is indented, or goes on with a comma."""
    return line[:1] in ENDS and sse.is_json(line)


def _lines_of_value(text: bytes) -> int:
    """Count the lines of the JSON value that a text begins with; 1 if it is none, or too much to be read."""
    if is_heavy(text, MAX_LINE):
        return 1
    try:
        decoded = text.decode()
        _, end = json.JSONDecoder().raw_decode(decoded, len(decoded) - len(decoded.lstrip()))
    except (ValueError, RecursionError):
        return 1
    return decoded.count("\n", 0, end) + 1


def _passed_over(ahead: deque[Numbered], lines: Iterator[Numbered]) -> tuple[int, bool]:
    """Read to the end of a long value, by its brackets; give the number of its last line, and whether it ends there."""
    depth = number = 0
    while (item := ahead.popleft() if ahead else next(lines, None)) is not None:
        number = item[0]
        for piece in PIECE.finditer(item[1]):
            if not (rest := piece[0]).startswith(b'"'):
                depth += sum(map(rest.count, ENDS)) - sum(map(rest.count, ENDS.values()))
        if depth <= 0:
            return number, True
    return number, False
