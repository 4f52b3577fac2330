"""Recorded traffic: a file of JSON lines → bodies with their kinds.

A line holds one of
- a body: a request, a response, a chunk or any other JSON document;
- an OpenAI Batch API line: `{"custom_id", "method", "url", "body"}`, or a result with `response.body`;
- a pair: `{"request": …, "response": …}`;
- a JSON string with a whole SSE body: each event is a body, `[DONE]` ends it.

A file may also be one raw SSE body. `.gz` and `.zst` are read as they stream; no file is held whole. A line that is
not JSON is reported with file, line and reason, and the rest is read.

Source: RFC 8259; the OpenAI Batch API guide; the WHATWG standard, server-sent events.
"""

import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import msgspec
import zstandard

from serlab.errors import CorpusError
from serlab.recognise import recognise

OnError = Callable[[CorpusError], None]
SSE_START = re.compile(rb"(data|event|id|retry)\s?:|:")
MAX_LINE = 1 << 30
"""Bytes in one line; a longer one is no message, and would be held whole."""


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
        path: a file of JSON lines or one SSE body; `.gz` or `.zst` by its name.
        strict: raise at the first line that cannot be read.
        on_error: called with each such line otherwise.

    Yields:
        The bodies in the order of the file.

    Raises:
        CorpusError: the file cannot be opened or decompressed; with `strict`, a line cannot be read.
    """
    file = str(path)
    report = fail if strict else on_error or ignore
    for number, line in numbered_lines(file):
        try:
            yield from bodies_of_line(file, number, line, report)
        except CorpusError as error:
            report(error)


def fail(error: CorpusError) -> NoReturn:
    """Stop at the first line that cannot be read."""
    raise error


def ignore(error: CorpusError) -> None:
    """Go on; the caller did not ask to hear of lines that cannot be read."""


def numbered_lines(file: str) -> Iterator[tuple[int, bytes]]:
    """Give the lines that hold something, each with its number; a raw SSE file is one line."""
    number = 0
    try:
        with open_stream(file) as stream:
            first = True
            while line := stream.readline(MAX_LINE):
                number += 1
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if not line.strip():
                    continue
                if first and SSE_START.match(line):
                    yield number, line + stream.read()
                    return
                first = False
                yield number, line
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        place = f" after line {number}" if number else ""
        raise CorpusError(file, 0, f"cannot be read{place}: {text}") from error


def open_stream(file: str) -> IO[bytes]:
    """Open a file for reading bytes, decompressing by its name."""
    if file.endswith(".gz"):
        return io.BufferedReader(gzip.open(file))  # type: ignore[arg-type]
    raw = Path(file).open("rb")
    if file.endswith(".zst"):
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=True)
        return io.BufferedReader(WholeFrames(reader, raw))  # type: ignore[arg-type]
    return raw


class WholeFrames(io.RawIOBase):
    """Reads a zstd stream and refuses one that ends inside a frame, which the library passes over in silence."""

    def __init__(self, reader: Any, raw: IO[bytes]) -> None:
        self.reader = reader
        self.raw = raw
        self.got = 0

    def readable(self) -> bool:
        """Tell that this is a stream to read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with decompressed bytes."""
        data = self.reader.read(len(buffer))
        buffer[: len(data)] = data
        self.got += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file below."""
        self.raw.close()
        super().close()


def bodies_of_line(file: str, number: int, line: bytes, report: OnError) -> Iterator[Body]:
    """Unwrap what one line holds."""
    if SSE_START.match(line):
        text = line.decode("utf-8", "replace")
        yield from sse_bodies(file, number, text, report)
        return
    value = parse(file, number, line)
    if type(value) is str and is_sse(value):
        yield from sse_bodies(file, number, value, report)
        return
    for part, hint in unwrap(value):
        if type(part) is str and is_sse(part):
            yield from sse_bodies(file, number, part, report)
        else:
            yield Body(file, number, recognise(part, hint), part)


def unwrap(value: Any) -> Iterator[tuple[Any, str]]:
    """Take a batch line or a pair apart; each part comes with the kind that its place suggests."""
    if type(value) is not dict:
        yield value, ""
    elif value.keys() >= {"custom_id", "url", "body"}:
        yield value["body"], hint_of_url(value["url"])
    elif value.keys() >= {"custom_id", "response"} and is_batch_result(value["response"]):
        yield value["response"]["body"], "ChatResponse"
    elif value.keys() >= {"request", "response"} and "choices" not in value and "object" not in value:
        kind = recognise(value["request"])
        yield value["request"], kind
        yield value["response"], ANSWERS.get(kind, "")
    else:
        yield value, ""


ANSWERS = {
    "ChatRequest": "ChatResponse",
    "EmbeddingRequest": "EmbeddingResponse",
    "GenerateRequest": "GenerateResponse",
}


def is_batch_result(response: Any) -> bool:
    """Tell a result line's response from the answer of a pair."""
    return type(response) is dict and "body" in response


def hint_of_url(url: Any) -> str:
    """Name the kind that an address takes."""
    endings = {"/chat/completions": "ChatRequest", "/embeddings": "EmbeddingRequest", "/completions": "GenerateRequest"}
    return next((kind for end, kind in endings.items() if str(url).endswith(end)), "")


def is_sse(text: str) -> bool:
    """Tell a whole SSE body from any other string."""
    return bool(SSE_START.match(text.lstrip().encode("utf-8", "replace")[:64])) and "data:" in text


def sse_bodies(file: str, number: int, text: str, report: OnError) -> Iterator[Body]:
    """Give each event's data as a body; an event that is not JSON is reported."""
    hint = ""
    for data in sse_events(text):
        if data.strip() == "[DONE]":
            return
        try:
            document = parse(file, number, data.encode("utf-8", "surrogatepass"))
        except CorpusError as error:
            report(CorpusError(file, number, f"an SSE event: {error.reason}"))
            continue
        kind = recognise(document, hint)
        hint = kind if kind in ("ChatChunk", "GenerateResponse") else hint
        yield Body(file, number, kind, document)


def sse_events(text: str) -> Iterator[str]:
    """Split an SSE body into the data of its events."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    data: list[str] = []
    for line in [*lines, ""]:
        if line:
            field, _, value = line.partition(":")
            if field == "data":
                data.append(value.removeprefix(" "))
        elif data:
            yield "\n".join(data)
            data = []


def parse(file: str, number: int, data: bytes) -> Any:
    """Read one JSON value exactly: integers of any size, lone surrogates, and nothing that JSON does not have.

    Raises:
        CorpusError: the line is not JSON.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        # The standard library reads the rarities that are JSON, and words what is wrong with the rest.
        return parse_slowly(file, number, data)


def parse_slowly(file: str, number: int, data: bytes) -> Any:
    """Read one JSON value with the standard library."""
    try:
        return json.loads(data.decode(), parse_constant=refuse_constant, parse_float=finite)
    except RecursionError as error:
        raise CorpusError(file, number, "not read: nested too deep") from error
    except UnicodeDecodeError as error:
        raise CorpusError(file, number, f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from error
    except json.JSONDecodeError as error:
        raise CorpusError(file, number, f"not JSON: {error.msg} at column {error.colno}") from error
    except ValueError as error:
        raise CorpusError(file, number, f"not JSON: {error}") from error


def refuse_constant(literal: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{literal} is not a JSON number")


def finite(text: str) -> float:
    """Read a float and refuse one that a double cannot hold."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is beyond the range of a double")
    return value
