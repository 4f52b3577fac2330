"""Server-sent events: lines → the data of each event, one at a time.

Comments, names, ids and retry times are passed over. A recording that ends inside an event still gives it, and one
whose blank lines were dropped gives each JSON object as an event, where the standard would join them. A line between
events that is no field, such as the bare JSON object that some servers send for an error, is given as it is. White
space around a line means nothing to JSON and is dropped.

Source: the WHATWG standard, server-sent events; the OpenAI API reference (`[DONE]`).
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

DONE = b"[DONE]"
"""The data of the event that ends a stream."""

START = re.compile(rb"\s*(?:(?:data|event|id|retry)[ \t]?:|:)")
"""How the first line of an event stream begins; no JSON document does."""

FIELD = re.compile(rb"(?:data|event|id|retry)[ \t]*(?::|$)|:")
"""How a field or a comment begins; a name alone is a field without a value."""

OUTSIDE = (b"{", b"[", b'"')
"""How a line of JSON begins that no event is made of; the rare others are looked at more closely."""

LINE = re.compile(rb"[^\r\n]+(?:\r\n?|\n)?|[\r\n]+")
"""A line with its end, or an end that follows another with all that follow it: a blank line is as good as many."""

DATA = re.compile(rb"^[ \t]*data\s?:", re.MULTILINE)
"""A data field; what may stand before it does not go over line ends, or each of many would be a place to start at."""

TRUNCATED = "Input data was truncated"
"""How msgspec calls JSON that is right as far as it goes."""

MOST_PARTS, MOST_CUT = 1000, 1 << 20
"""Lines and bytes of an event that are looked at again for each line that may continue it."""

SPARE, SPARE_A_BYTE = 1 << 25, 64
"""Bytes that may be looked at again in all, at the start and for each byte that is read: lines that continue events of
a hundred lines each, however many, and some of a thousand."""

MAX_EVENT = 1 << 28
"""Bytes that one event may take; more is no message, and would be held whole."""

PART = 128
"""Bytes that a line of data takes beside its own, most of them while the lines are joined."""


class Event(NamedTuple):
    """The data of one event, or a line that is no part of one.

    Attributes:
        line: the number of the line that it began in.
        data: what its data fields hold; the whole line where it is none.
        is_field: whether it came in data fields.
    """

    line: int
    data: bytes
    is_field: bool = True


def is_stream(text: str) -> bool:
    """Recognise a whole event stream from any other text."""
    data = text.lstrip("\ufeff \t\r\n").encode("utf-8", "surrogatepass")
    return bool(START.match(data) and DATA.search(data.replace(b"\r", b"\n")))


def lines_of(text: str, number: int) -> list[tuple[int, bytes]]:
    """Return a text's lines under one number: that of the line that held the text."""
    return [(number, text.lstrip("\ufeff \t\r\n").encode("utf-8", "surrogatepass"))]


def events(lines: Iterable[tuple[int, bytes]]) -> Iterator[Event]:
    """Read events as their lines come, and what stands between them.

    Args:
        lines: number and bytes of each line, with or without its end; a CR inside ends a line too.

    Yields:
        Each event that has data, and each line that is neither blank, a field nor a comment; in the order of the lines.
    """
    data: list[bytes] = []
    start = size = 0
    spare, is_whole = SPARE, None  # type: int, bool | None
    for number, whole in lines:
        spare += SPARE_A_BYTE * len(whole)
        if not data and whole.startswith(OUTSIDE):
            yield Event(number, whole, is_field=False)
            continue
        for line in map(bytes.strip, _split(whole)):
            value, stray = data_of(line), _is_stray(line)
            goes_on = stray and size <= spare and _goes_on_after(data, size)
            spare -= size - PART * len(data) if stray else 0
            if data and value is not None and is_whole is None:
                is_whole = _is_event(data)
            if data and not goes_on and (not line or stray or size > MAX_EVENT or (value is not None and is_whole)):
                yield Event(start, b"\n".join(data))
                data, size = [], 0
            if stray and not goes_on:
                yield Event(number, line, is_field=False)
            elif part := line if goes_on else value:
                start = start if data else number
                data.append(part)
                size += len(part) + PART
                is_whole = None
    if data:
        yield Event(start, b"\n".join(data))


def _split(whole: bytes) -> Iterable[bytes]:
    """Split at line ends; a long text bit by bit, since a list of its lines may be many times as large."""
    if len(whole) < MOST_CUT:
        return whole.splitlines()
    return (found[0] for found in LINE.finditer(whole))


def _is_stray(line: bytes) -> bool:
    """Recognise a line that is neither blank, a field nor a comment."""
    return line != b"" and not FIELD.match(line)


def _goes_on_after(data: list[bytes], size: int) -> bool:
    """Return whether a line without a field may continue an event's JSON, printed over several lines by a recorder."""
    return 0 < len(data) < MOST_PARTS and size < MOST_CUT and is_cut_json(b"\n".join(data))


def data_of(line: bytes) -> bytes | None:
    """Return what a line adds to the data of its event; None for any other line."""
    if line.startswith(b"{"):
        return line
    field, _, value = line.partition(b":")
    return value.lstrip() if field.rstrip() == b"data" else None


def _is_event(data: list[bytes]) -> bool:
    """Recognise data that no further line can belong to: a whole JSON object, or the end of the stream."""
    if len(data) > 1:
        return False
    return data[0] == DONE or (data[0].startswith(b"{") and is_json(data[0]))


def is_cut_json(data: bytes) -> bool:
    """Recognise the beginning of a JSON value, which more bytes would complete."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        return str(error) == TRUNCATED
    except (UnicodeDecodeError, RecursionError):
        return False
    return False


def is_deep_json(data: bytes) -> bool:
    """Return what is right as far as it is read, and has more levels than are read."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    except RecursionError:
        return True
    return False


def is_json(data: bytes) -> bool:
    """Return whether bytes are one JSON value."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
