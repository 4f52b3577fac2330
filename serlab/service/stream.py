"""The three forms of a stream: events, lines, frames."""

from collections.abc import Callable
from typing import NamedTuple

from serlab.frames import encode_frame, end_frame
from serlab.service.negotiate import EVENTS, FRAMES, LINES
from serlab.sse import DONE


class StreamForm(NamedTuple):
    """How encoded messages become a stream.

    Attributes:
        wrap: (encoded message, its place from 0) → bytes.
        end: (number of messages) → the bytes that close the stream.
    """

    wrap: Callable[[bytes, int], bytes]
    end: Callable[[int], bytes]


STREAM_FORMS: dict[str, StreamForm] = {
    EVENTS: StreamForm(lambda data, _: b"data: " + data + b"\n\n", lambda _: b"data: " + DONE + b"\n\n"),
    LINES: StreamForm(lambda data, _: data + b"\n", lambda _: b""),
    FRAMES: StreamForm(encode_frame, end_frame),
}
"""Media type → form. JSON as the codecs write it has no line breaks, so it needs no splitting."""
