"""Server-sent events: lines → the data of each event, one at a time.

Comments, names, ids and retry times are passed over. A recording that ends inside an event still gives it, and one
whose blank lines were dropped gives each JSON object as an event, where the standard would join them. A bare JSON
object between events, as some servers send an error, is an event too. White space around a line means nothing to JSON
and is dropped.

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

DATA = re.compile(rb"^\s*data\s?:", re.MULTILINE)
MAX_EVENT = 1 << 28
"""Bytes of data in one event; more is no message, and would be held whole."""


class Event(NamedTuple):
    """The data of one event, and the line that it began in."""

    line: int
    data: bytes


def is_stream(text: str) -> bool:
    """Tell a whole event stream from any other text."""
    data = text.lstrip("\ufeff \t\r\n").encode("utf-8", "surrogatepass")
    return bool(START.match(data) and DATA.search(data.replace(b"\r", b"\n")))


def lines_of(text: str, number: int) -> list[tuple[int, bytes]]:
    """Give a text's lines under one number: that of the line that held the text."""
    return [(number, text.lstrip("\ufeff \t\r\n").encode("utf-8", "surrogatepass"))]


def events(lines: Iterable[tuple[int, bytes]]) -> Iterator[Event]:
    """Read events as their lines come.

    Args:
        lines: number and bytes of each line, with or without its end; a CR inside ends a line too.

    Yields:
        Each event that has data.
    """
    data: list[bytes] = []
    start = size = 0
    for number, whole in lines:
        for line in map(bytes.strip, whole.splitlines()):
            value = data_of(line)
            if data and (not line or size > MAX_EVENT or (value is not None and is_event(data))):
                yield Event(start, b"\n".join(data))
                data, size = [], 0
            if value:
                start = start if data else number
                data.append(value)
                size += len(value)
    if data:
        yield Event(start, b"\n".join(data))


def data_of(line: bytes) -> bytes | None:
    """Give what a line adds to the data of its event; None for any other line."""
    if line.startswith(b"{"):
        return line
    field, _, value = line.partition(b":")
    return value.lstrip() if field.rstrip() == b"data" else None


def is_event(data: list[bytes]) -> bool:
    """Tell data that no further line can belong to: a whole JSON object, or the end of the stream."""
    if len(data) > 1:
        return False
    return data[0] == DONE or (data[0].startswith(b"{") and is_json(data[0]))


def is_json(data: bytes) -> bool:
    """Tell whether bytes are one JSON value."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
