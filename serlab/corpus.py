"""Recorded traffic: a file of JSON lines → bodies with their kinds.

A line holds one of
- a body: a request, a response, a chunk or any other JSON document;
- an OpenAI Batch API line: `{"custom_id", "method", "url", "body"}`, or a result with `response.body`; and Anthropic's;
- a pair: `{"request": …, "response": …}`, each a body, its JSON text, or an HTTP message with the body inside;
- a whole HTTP Archive or cassette of such pairs, or an array of bodies;
- a JSON string with a whole SSE body: each event is a body, `[DONE]` ends it;
- a line of raw SSE, one stream or several.

gzip and zstd are read as they stream; no file is held whole. A line that is none of these, that has more than
`MAX_LEVELS` levels, that is longer than a message or would take too much memory as values, is reported with file, line
and reason, and the rest is read. A line that looks like a log with
bodies inside is a document, and a hint says so.
Of a duplicate key the last value wins, as in every parser here.

Source: RFC 8259; the OpenAI Batch API guide; the WHATWG standard, server-sent events.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from serlab import codecs, sse
from serlab.codecs import codec_for, open_codec
from serlab.errors import CorpusError, DecodeError
from serlab.hints import Hints, OnHint, Spread, is_log
from serlab.kinds import ANSWERS, PER_BYTE, Found, is_heavy, is_open, recognise, unwrap, weight
from serlab.limits import MIB, limits_for
from serlab.messages import loads_exactly
from serlab.streams import MAX_LINE, RAISED_BY, Origin, numbered_lines

OnError = Callable[[CorpusError], None]
Lines = Iterator[tuple[int, bytes]]

MOST_HELD = 16
"""Events at the start of a stream that wait for the first whose kind is told by its shape."""

MAX_LEVELS = 500
"""Levels of arrays and objects in a line: half of Python's recursion limit, so that whoever walks a body has room for
it, in a worker as well as deep inside of another program; no API answers with a tenth of them."""

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading raises beside a limit."""

LONG_INTEGER = "Exceeds the limit"
"""How Python begins to say that an integer has more digits than it reads."""


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


def read(
    path: str | Path,
    *,
    strict: bool = False,
    on_error: OnError | None = None,
    on_hint: OnHint | None = None,
    name: str = "",
    longest: int = 0,
) -> Iterator[Body]:
    """Read a corpus, one body at a time.

    Args:
        path: a file of JSON lines, of raw SSE or of both; compressed or not.
        strict: raise at the first line that cannot be read.
        on_error: called with each such line otherwise.
        on_hint: called at the end with what the file looks like, where that is not bodies.
        name: of the file in bodies and errors, where that is a copy of what came through a pipe; else its path.
        longest: bytes that a line may have; 0 means `serlab.streams.MAX_LINE`.

    Yields:
        The bodies in the order of the file.

    Raises:
        CorpusError: the file cannot be opened or decompressed; with `strict`, a line cannot be read.
    """
    origin = Origin(str(path), name or str(path))
    reader = Reader(origin, _fail if strict else on_error or _ignore, longest or MAX_LINE)
    try:
        yield from reader.bodies(_numbered(origin, reader, longest))
    except CorpusError as error:
        raise CorpusError(reader.file, error.line, error.reason) from error
    if on_hint:
        for hint in reader.hints.lines():
            on_hint(hint)


def _fail(error: CorpusError) -> NoReturn:
    """Stop at the first line that cannot be read."""
    raise error


def _ignore(error: CorpusError) -> None:
    """Go on; the caller did not ask to hear of lines that cannot be read."""


def _numbered(origin: Origin, reader: "Reader", longest: int) -> Lines:
    """Yield a file's lines and report those that are too long."""
    for number, line in numbered_lines(origin, longest) if longest else numbered_lines(origin):
        if isinstance(line, str):
            reader.cannot_read(number, line)
        else:
            yield number, line


class Reader:
    """Reads the lines of one file, and remembers what tells the kind of the next.

    Args:
        origin: the file.
        report: receives each line that cannot be read.
        longest: bytes that a line may have.
    """

    def __init__(self, origin: Origin, report: OnError, longest: int = MAX_LINE) -> None:
        self.origin = origin
        self.longest = longest
        self.file = origin.name
        self.report = report
        self.hints = Hints(origin)
        self.results = ""
        """The kind of the batch results so far."""

    def cannot_read(self, line: int, reason: str) -> None:
        """Report a line."""
        self.report(CorpusError(self.file, line, reason))

    def bodies(self, lines: Lines) -> Iterator[Body]:
        """Yield the bodies of a file's lines: events of SSE, and what each line between them holds."""
        spread = Spread(self.origin, self.report, at_once=self.report is _fail)
        yield from self.bodies_of(sse.events(spread.single_lines(lines)))
        spread.tell()

    def bodies_of(self, events: Iterable[sse.Event], *, once: bool = False) -> Iterator[Body]:
        """Yield the bodies of events and of the lines between them.

        Args:
            events: of a file, or of the text of one stream.
            once: stop at the end of the first stream.
        """
        stream = Stream(self.file)
        for number, data, is_field in events:
            if not is_field:
                yield from self.bodies_of_line(number, data, stream)
            elif data == sse.DONE:
                yield from stream.end()
                if once:
                    return
            else:
                try:
                    document = _parse(self.file, number, data, self.longest)
                except CorpusError as error:
                    self.cannot_read(number, f"an SSE event: {error.reason}")
                    continue
                yield from stream.add(number, document)
        yield from stream.end()

    def bodies_of_line(self, number: int, line: bytes, stream: "Stream") -> Iterator[Body]:
        """Unwrap what one line holds; report it if it is not JSON."""
        try:
            value = _parse(self.file, number, line, self.longest)
        except CorpusError as error:
            self.report(error)
            return
        for part in unwrap(value, self.results):
            yield from self.bodies_of_part(number, value, part, stream)

    def bodies_of_part(self, number: int, whole: Any, part: Found, stream: "Stream") -> Iterator[Body]:
        """Yield the bodies of one part of a line: a stream's events, or the part itself."""
        document = part.value
        if type(document) is str and sse.is_stream(document):
            yield from self.bodies_of(sse.events(sse.lines_of(document, number)), once=True)
            return
        if part.is_text:
            try:
                document = _parse(self.file, number, document.encode("utf-8", "surrogatepass"), self.longest)
            except CorpusError as error:
                self.cannot_read(number, f"the body inside: {error.reason}")
                return
        kind = recognise(document, part.hint or stream.kind)
        if document is whole and self.is_no_body(number, document, kind):
            kind = "document"
        if type(whole) is dict and "custom_id" in whole and kind in ANSWERS.values():
            self.results = kind
        yield from stream.add(number, document, kind)

    def is_no_body(self, number: int, value: Any, kind: str) -> bool:
        """Recognise a line that holds bodies in a way that is not certain, and count it for the hint."""
        if is_log(value, kind):
            self.hints.log(number, value)
            return True
        if type(value) is list and value and all(type(item) is dict for item in value):
            self.hints.list(number)
        return False


class Stream:
    """One stream of events, whose kind the first events may leave open.

    Args:
        file: as the user named it.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.kind = ""
        self.held: list[tuple[int, Any]] = []

    def add(self, number: int, document: Any, kind: str = "") -> Iterator[Body]:
        """Take a body in; yield those whose kind is settled."""
        in_stream = not kind
        kind = kind or recognise(document, self.kind)
        if (
            in_stream
            and not self.kind
            and kind == "document"
            and len(self.held) < MOST_HELD
            and _may_be_chunk(document)
        ):
            self.held.append((number, document))
            return
        if in_stream and kind in ("ChatChunk", "GenerateResponse"):
            self.kind = kind
        yield from self.release()
        yield Body(self.file, number, kind, document)

    def release(self) -> Iterator[Body]:
        """Yield the bodies that were held back, of the stream's kind as far as their shape allows it."""
        for number, document in self.held:
            yield Body(self.file, number, recognise(document, self.kind), document)
        self.held.clear()

    def end(self) -> Iterator[Body]:
        """Yield what is held back; another stream may follow."""
        yield from self.release()
        self.kind = ""


def _may_be_chunk(document: Any) -> bool:
    """Recognise a body that is a chunk of a chat in a stream of them, such as one without choices."""
    return type(document) is dict and is_open(document, "ChatChunk")


def _parse(file: str, number: int, data: bytes, longest: int = MAX_LINE) -> Any:
    """Read one JSON value exactly: integers of any size, lone surrogates, and nothing that JSON does not have.

    Args:
        file: as the user named it.
        number: of the line.
        data: the JSON.
        longest: bytes that a line may have, by which its values are bounded too.

    Raises:
        CorpusError: the line is not JSON, or its values would take too much memory.
    """
    if is_heavy(data, longest):
        most, got = PER_BYTE * longest >> 20, weight(data) >> 20
        raise CorpusError(file, number, f"not read: its values take about {got:,} MiB, at most {most:,} ({RAISED_BY})")
    try:
        limits = limits_for(-(-longest // MIB))
        value = codecs.decode_untrusted(open_codec(codec_for("corpus"), "document", limits), data)
    except DecodeError as error:
        if not isinstance(error.__cause__, NOT_JSON):
            raise CorpusError(file, number, f"not read: {error}") from error
        # The standard library reads the rarities that are JSON, and words what is wrong with the rest.
        value = _parse_slowly(file, number, data)
    # Few bodies have so many brackets that they need to be walked.
    if data.count(b"[") + data.count(b"{") > MAX_LEVELS and _is_deeper(value, MAX_LEVELS):
        raise CorpusError(file, number, f"not read: nested too deep; expected at most {MAX_LEVELS} levels")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether a value has more levels of arrays and objects than so many."""
    level = [value]
    for _ in range(levels + 1):
        level = [one for one in level if type(one) is dict or type(one) is list]
        if not level:
            return False
        level = [inner for one in level for inner in (one.values() if type(one) is dict else one)]
    return True


def _parse_slowly(file: str, number: int, data: bytes) -> Any:
    """Read one JSON value with the standard library."""
    try:
        return loads_exactly(data.decode())
    except RecursionError as error:
        raise CorpusError(file, number, f"not read: nested too deep; expected at most {MAX_LEVELS} levels") from error
    except UnicodeDecodeError as error:
        raise CorpusError(file, number, f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from error
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        raise CorpusError(file, number, f"not JSON: {what} at column {error.colno}") from error
    except ValueError as error:
        if str(error).startswith(LONG_INTEGER):
            most = f"{sys.get_int_max_str_digits():,} digits"
            raise CorpusError(file, number, f"not read: a number of more than {most}") from error
        raise CorpusError(file, number, f"not JSON: {error}") from error
