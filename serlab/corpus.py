"""Recorded traffic: a file of JSON lines → bodies with their kinds.

A line holds one of
- a body: a request, a response, a chunk or any other JSON document;
- an OpenAI Batch API line: `{"custom_id", "method", "url", "body"}`, or a result with `response.body`;
- a pair: `{"request": …, "response": …}`;
- a JSON string with a whole SSE body: each event is a body, `[DONE]` ends it.

A file may also be raw SSE, one stream or several. `.gz` and `.zst` are read as they stream; no file is held whole. A
line that is not JSON is reported with file, line and reason, and the rest is read. Of a duplicate key the last value
wins, as in every parser here.

Source: RFC 8259; the OpenAI Batch API guide; the WHATWG standard, server-sent events.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from serlab import sse
from serlab.errors import CorpusError
from serlab.messages.exact import loads_exactly
from serlab.recognise import recognise
from serlab.streams import MAX_LINE, numbered_lines

OnError = Callable[[CorpusError], None]
Lines = Iterator[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Body:
    """One body of a corpus.

    Attributes:
        file: path as the user gave it.
        line: 1-based line number.
        kind: a message type's name, or "document".
        document: plain JSON values.
    """

    file: str
    line: int
    kind: str
    document: Any


def read_all(paths: Iterable[str | Path], *, strict: bool = False, on_error: OnError | None = None) -> Iterator[Body]:
    """Read several corpora one after another; see `read`."""
    for path in paths:
        yield from read(path, strict=strict, on_error=on_error)


def read(path: str | Path, *, strict: bool = False, on_error: OnError | None = None) -> Iterator[Body]:
    """Read a corpus, one body at a time.

    Args:
        path: a file of JSON lines or of raw SSE; `.gz` or `.zst` by its name.
        strict: raise at the first line that cannot be read.
        on_error: called with each such line otherwise.

    Yields:
        The bodies in the order of the file.

    Raises:
        CorpusError: the file cannot be opened or decompressed; with `strict`, a line cannot be read.
    """
    file = str(path)
    report = fail if strict else on_error or ignore
    lines = readable_lines(file, report)
    # The first line tells raw SSE, which takes all the lines after it, from JSON lines.
    for number, line in lines:
        if sse.START.match(line):
            yield from recorded_streams(file, chain([(number, line)], lines), report)
        elif line.strip():
            yield from bodies_of_line(file, number, line, report)
            break
    for number, line in lines:
        if line.strip():
            yield from bodies_of_line(file, number, line, report)


def fail(error: CorpusError) -> NoReturn:
    """Stop at the first line that cannot be read."""
    raise error


def ignore(error: CorpusError) -> None:
    """Go on; the caller did not ask to hear of lines that cannot be read."""


def readable_lines(file: str, report: OnError) -> Lines:
    """Give a file's lines and report those that are too long."""
    for number, line in numbered_lines(file):
        if line is None:
            report(CorpusError(file, number, f"longer than {MAX_LINE:,} bytes; expected one message in a line"))
        else:
            yield number, line


def bodies_of_line(file: str, number: int, line: bytes, report: OnError) -> Iterator[Body]:
    """Unwrap what one line holds; report it if it is not JSON."""
    if sse.START.match(line):
        yield from bodies_of_events(file, sse.events([(number, line)]), report)
        return
    try:
        value = parse(file, number, line)
    except CorpusError as error:
        report(error)
        return
    for part, hint in unwrap(value):
        if type(part) is str and sse.is_stream(part):
            yield from bodies_of_events(file, sse.events(sse.lines_of(part, number)), report)
        else:
            yield Body(file, number, recognise(part, hint), part)


def recorded_streams(file: str, lines: Lines, report: OnError) -> Iterator[Body]:
    """Give the bodies of a raw SSE file, which may hold several streams one after another."""
    events = sse.events(lines)
    for event in events:
        yield from bodies_of_events(file, chain([event], events), report)


def bodies_of_events(file: str, events: Iterable[sse.Event], report: OnError) -> Iterator[Body]:
    """Give each event of one stream as a body; an event that is not JSON is reported."""
    hint = ""
    for number, data in events:
        if data == sse.DONE:
            return
        try:
            document = parse(file, number, data)
        except CorpusError as error:
            report(CorpusError(file, number, f"an SSE event: {error.reason}"))
            continue
        kind = recognise(document, hint)
        hint = kind if kind in ("ChatChunk", "GenerateResponse") else hint
        yield Body(file, number, kind, document)


ANSWERS = {
    "ChatRequest": "ChatResponse",
    "EmbeddingRequest": "EmbeddingResponse",
    "GenerateRequest": "GenerateResponse",
}
"""Kind of a request → kind of what answers it."""

REQUESTS = {"/chat/completions": "ChatRequest", "/embeddings": "EmbeddingRequest", "/completions": "GenerateRequest"}
"""End of an address → the kind that it takes."""


def unwrap(value: Any) -> Iterator[tuple[Any, str]]:
    """Take a batch line or a pair apart; each part comes with the kind that its place suggests."""
    if type(value) is not dict:
        yield value, ""
    elif value.keys() >= {"custom_id", "url", "body"}:
        yield value["body"], hint_of_url(value["url"])
    elif value.keys() >= {"custom_id", "response"} and is_batch_result(value["response"]):
        yield value["response"]["body"], "ChatResponse"
    elif value.keys() >= {"request", "response"} and not value.keys() & {"choices", "object"}:
        kind = recognise(value["request"])
        yield value["request"], kind
        yield value["response"], ANSWERS.get(kind, "")
    else:
        yield value, ""


def is_batch_result(response: Any) -> bool:
    """Tell a result line's response from the answer of a pair."""
    return type(response) is dict and "body" in response


def hint_of_url(url: Any) -> str:
    """Name the kind that an address takes."""
    path = str(url).partition("?")[0]
    return next((kind for end, kind in REQUESTS.items() if path.endswith(end)), "")


def parse(file: str, number: int, data: bytes) -> Any:
    """Read one JSON value exactly: integers of any size, lone surrogates, and nothing that JSON does not have.

    Raises:
        CorpusError: the line is not JSON.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The standard library reads the rarities that are JSON, and words what is wrong with the rest.
        return parse_slowly(file, number, data)


def parse_slowly(file: str, number: int, data: bytes) -> Any:
    """Read one JSON value with the standard library."""
    try:
        return loads_exactly(data.decode())
    except RecursionError as error:
        raise CorpusError(file, number, "not read: nested too deep") from error
    except UnicodeDecodeError as error:
        raise CorpusError(file, number, f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from error
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        raise CorpusError(file, number, f"not JSON: {what} at column {error.colno}") from error
    except ValueError as error:
        raise CorpusError(file, number, f"not JSON: {error}") from error
