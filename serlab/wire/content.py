"""Content types: which codec reads a request, and which writes its answer.

    application/json          the usual codec of JSON, another or a variant by `; codec=NAME`
    application/msgpack       likewise, as are all media types that the records of codecs name
    application/x-serlab; codec=NAME   any codec that verifies what it reads, also one whose format has no media type

Codecs that trust their bytes are not offered.

An answer is written as the request says in `Accept`, else as the request itself was. A stream has one of three forms:

    text/event-stream         server-sent events of JSON; what a JSON client gets that says nothing else
    application/x-ndjson      a line of JSON for each message
    application/x-serlab-frames; codec=NAME   any codec, in `serlab.frames`; what a client of a binary codec gets

Source: RFC 9110, Accept and media types; the HTML standard, server-sent events.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, Self

from serlab.codecs import JSON, CodecInfo, codec_for, codec_info, codec_infos, verifying_codecs
from serlab.errors import DecodeError, UnknownNameError
from serlab.frames import FrameDecoder, encode_frame, end_frame
from serlab.limits import DEFAULT_LIMITS
from serlab.sse import DONE, data_of
from serlab.wire.api_errors import ApiError

BASELINE, GRPC = codec_for("baseline"), codec_for("grpc")
EVENTS, LINES = "text/event-stream", "application/x-ndjson"
FRAMES, ANY_CODEC = "application/x-serlab-frames", "application/x-serlab"


def _offered() -> dict[str, tuple[str, ...]]:
    """Return media type → the codecs that verify and are no variants; the first is meant where none is named."""
    found: dict[str, list[CodecInfo]] = {}
    for info in codec_infos():
        if info.format.media and info.verifies and not info.variant_of:
            found.setdefault(info.format.media, []).append(info)
    ordered = {media: sorted(infos, key=lambda info: "media" not in info.roles) for media, infos in found.items()}
    return {media: tuple(info.name for info in infos) for media, infos in ordered.items()}


FORMATS = _offered()
ALIASES = {alias: info.format.media for info in codec_infos() for alias in info.format.aliases}
ALIASES |= {"application/jsonl": LINES}

MOST_HEADER = 1024
"""Characters of a Content-Type or Accept; a browser sends 150. What is longer is neither parsed nor kept."""

SHOWN = 40
"""Characters of a header that a refusal repeats."""

WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
"""A qvalue as RFC 9110, section 12.4.2, has it."""


class Content(NamedTuple):
    """What a body is: its media type and its codec.

    Attributes:
        media: one of `FORMATS`, `ANY_CODEC`, or for streams `EVENTS`, `LINES` or `FRAMES`.
        codec: the codec's name; "" where a stream's client leaves it open.
    """

    media: str
    codec: str

    def header(self) -> str:
        """Write the Content-Type: the codec is named where the media type does not tell it."""
        standard = FORMATS.get(self.media, FORMATS[JSON.media] if self.media in (EVENTS, LINES) else ("",))[0]
        return self.media if self.codec == standard else f"{self.media}; codec={self.codec}"


@lru_cache(maxsize=1024)
def content_of(header: str) -> Content:
    """Read a Content-Type; none at all is JSON.

    Raises:
        ApiError: it is not known, or its codec is of another format.
    """
    _check_length("Content-Type", header)
    content = _known(header or JSON.media)
    if content is None or content.media in (EVENTS, LINES, FRAMES):
        raise ApiError(415, f"Content-Type: expected one of {', '.join((*FORMATS, ANY_CODEC))}, got {header[:SHOWN]!r}")
    return content


@lru_cache(maxsize=1024)
def answer_content(accept: str, request: Content, streams: bool) -> Content:
    """Choose what an answer is written as.

    Args:
        accept: the Accept header.
        request: what the request was.
        streams: whether the answer is a stream.

    Raises:
        ApiError: nothing that is accepted can be given.
    """
    _check_length("Accept", accept)
    for header in _preferences(accept):
        if header in ("*/*", "application/*"):
            return _stream_of(request) if streams else request
        content = _known(header, 406)
        if content is not None and streams:
            return _stream_of(content)
        if content is not None and content.media not in (EVENTS, LINES, FRAMES):
            return content
    expected = ", ".join((*FORMATS, ANY_CODEC, *((EVENTS, LINES, FRAMES) if streams else ())))
    raise ApiError(406, f"Accept: expected one of {expected}, got {accept[:SHOWN]!r}")


def whole_codec(accept: str, request: Content, may_stream: bool) -> str:
    """Return the codec of an answer that is not streamed; "" where only a stream is accepted.

    Raises:
        ApiError: nothing that is accepted can be given, and there is no stream.
    """
    try:
        return answer_content(accept, request, False).codec
    except ApiError:
        if may_stream:
            return ""
        raise


def _check_length(name: str, header: str) -> None:
    """Refuse a header that is longer than any that means something here."""
    if len(header) > MOST_HEADER:
        raise ApiError(431, f"{name}: expected at most {MOST_HEADER:,} characters, got {len(header):,}; name one type")


def _stream_of(content: Content) -> Content:
    """Choose the form of a stream: events for JSON, frames for what is binary."""
    if content.media in (EVENTS, LINES, FRAMES):
        return content
    return Content(EVENTS if content.media == JSON.media else FRAMES, content.codec)


def _preferences(accept: str) -> list[str]:
    """List what is accepted, the most wanted first."""
    weighed = [(_weight(part), part.strip()) for part in (accept or "*/*").split(",")]
    return [part for share, part in sorted(weighed, key=lambda item: -item[0]) if share > 0]


def _weight(part: str) -> float:
    """Read the q of one part of an Accept header; 0, which leaves the part out, where it is none."""
    value = _parameters(part).get("q", "1")
    return float(value) if WEIGHT.fullmatch(value) else 0.0


def _parameters(header: str) -> dict[str, str]:
    """Read the parameters of a media type."""
    pairs = (part.partition("=") for part in header.split(";")[1:])
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _known(header: str, status: int = 415) -> Content | None:
    """Read one media type; None for one that is not known.

    Args:
        header: the type and its parameters.
        status: of the refusal.

    Raises:
        ApiError: the codec is not offered, or of another format than the media type.
    """
    media = header.partition(";")[0].strip().lower()
    media = ALIASES.get(media, media)
    named = _parameters(header).get("codec", "")
    if named and named not in verifying_codecs():
        raise ApiError(status, str(UnknownNameError.of("codec offered here", named[:SHOWN], verifying_codecs())))
    formats = {EVENTS: JSON.media, LINES: JSON.media}
    if media in (FRAMES, ANY_CODEC):
        return Content(media, named) if named else None
    codecs = FORMATS.get(formats.get(media, media))
    if codecs is None:
        return None
    if named and codec_info(named).format.media != formats.get(media, media):
        raise ApiError(status, f"{media}: expected one of its codecs ({', '.join(codecs)} and variants), got {named}")
    return Content(media, named or codecs[0])


# The three forms of a stream: events, lines, frames.


class _StreamForm(NamedTuple):
    """How encoded messages become a stream.

    Attributes:
        wrap: (encoded message, its place from 0) → bytes.
        end: (number of messages) → the bytes that close the stream.
    """

    wrap: Callable[[bytes, int], bytes]
    end: Callable[[int], bytes]


STREAM_FORMS: dict[str, _StreamForm] = {
    EVENTS: _StreamForm(lambda data, _: b"data: " + data + b"\n\n", lambda _: b"data: " + DONE + b"\n\n"),
    LINES: _StreamForm(lambda data, _: data + b"\n", lambda _: b""),
    FRAMES: _StreamForm(encode_frame, end_frame),
}
"""Media type → form. JSON as the codecs write it has no line breaks, so it needs no splitting."""


# A streamed body, cut anywhere → the encoded messages in it, as soon as each is whole.

MOST_LINE = DEFAULT_LIMITS.max_bytes + 1024
"""Bytes of a line or an event that are held: a message that a codec takes, and the name of its field."""

LINE = 64
"""Bytes that a line of an event takes beside its own."""


class _Unwrapper(Protocol):
    """Takes the bytes of one stream and gives the messages."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take the next bytes; give the messages that are now whole, each once.

        Raises:
            DecodeError: the stream is damaged.
        """
        ...

    def close(self) -> None:
        """Tell that the stream is at its end.

        Raises:
            DecodeError: something is missing.
        """
        ...


class _LineUnwrapper:
    """JSON lines: one message each. Whether lines are missing at the end, only the transport can tell."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def lines(self, chunk: bytes) -> list[bytes]:
        """Return the lines that are now whole, in time linear in the bytes however they are cut."""
        first, newline, rest = chunk.partition(b"\n")
        self.parts.append(first)
        self.size += len(first)
        if self.size > MOST_LINE:
            raise DecodeError(f"stream: expected lines of at most {MOST_LINE:,} bytes, got a longer one")
        if not newline:
            return []
        found = [b"".join(self.parts), *rest.split(b"\n")]
        last = found.pop()
        self.parts, self.size = [last], len(last)
        return found

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take the next bytes; see `_Unwrapper`."""
        return [line for line in map(bytes.strip, self.lines(chunk)) if line]

    def close(self) -> None:
        """Tell that the stream is at its end; see `_Unwrapper`."""
        if b"".join(self.parts).strip():
            raise DecodeError(f"stream: expected a whole line at its end, got {self.size} bytes of one")


class _EventUnwrapper(_LineUnwrapper):
    """Server-sent events: the data of each, up to `[DONE]`."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[bytes] = []
        self.held = 0
        self.done = False

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take the next bytes; see `_Unwrapper`."""
        found = []
        for line in map(bytes.strip, self.lines(chunk)):
            if line:
                value = data_of(line)
                self.hold(value)
            elif self.data:
                event, self.data, self.held = b"\n".join(self.data), [], 0
                self.done = self.done or event == DONE
                found += [] if self.done else [event]
        return found

    def hold(self, value: bytes | None) -> None:
        """Keep a line of an event; a short one takes more than its bytes."""
        if value is None:
            return
        self.data.append(value)
        self.held += len(value) + LINE
        if self.held > MOST_LINE + LINE:
            raise DecodeError(f"stream: expected events of at most {MOST_LINE:,} bytes, got a longer one")

    def close(self) -> None:
        """Tell that the stream is at its end; see `_Unwrapper`."""
        if not self.done:
            raise DecodeError(f"stream: expected {DONE.decode()} at its end, got none; it may be cut")


class MessageUnwrapper:
    """A transport that gives messages as they are, and knows its own end."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Take a message; see `_Unwrapper`."""
        return (chunk,)

    def close(self) -> None:
        """Tell that the stream is at its end; see `_Unwrapper`."""


UNWRAPPERS: dict[str, type[_Unwrapper]] = {EVENTS: _EventUnwrapper, LINES: _LineUnwrapper, FRAMES: FrameDecoder}
"""Media type → what takes a stream of it apart."""


# The shape of a stream: what each piece repeats, and how many tokens go into one.
#
#     x-serlab-envelope: slim     pieces after the first hold their text alone
#     x-serlab-coalesce: 8        eight tokens a piece
#
# Both are for HTTP. A slim piece is still a message of its kind, so every codec takes it; a client has to keep what
# the first piece said of the answer: its id, object, time and model. Coalescing has a price that no codec can win
# back: the first of n tokens waits for the n - 1 that come after it.

ENVELOPE_HEADER, COALESCE_HEADER = "x-serlab-envelope", "x-serlab-coalesce"
ENVELOPES = ("full", "slim")
MOST_TOKENS = 4096
"""In one piece; more is a whole answer by another name."""


class Shape(NamedTuple):
    """How an answer is cut into pieces.

    Attributes:
        slim: whether only the first piece says what all have in common.
        every: tokens in a piece; the last may have fewer.
    """

    slim: bool = False
    every: int = 1

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> Self:
        """Read the headers of a request.

        Raises:
            ApiError: there is no such envelope, or no number of tokens.
        """
        envelope, every = headers.get(ENVELOPE_HEADER, ENVELOPES[0]), headers.get(COALESCE_HEADER, "1")
        if envelope not in ENVELOPES:
            raise _wrong(ENVELOPE_HEADER, " or ".join(ENVELOPES), envelope)
        # isdecimal() takes digits of any script, and int() digits without end.
        if not (every.isascii() and every.isdecimal() and len(every) <= 4 and 1 <= int(every) <= MOST_TOKENS):
            raise _wrong(COALESCE_HEADER, f"1 to {MOST_TOKENS} tokens", every)
        return cls(envelope == "slim", int(every))

    def headers(self) -> dict[str, str]:
        """Write the headers that ask for this shape; none for what comes anyway."""
        slim = {ENVELOPE_HEADER: "slim"} if self.slim else {}
        return slim | ({COALESCE_HEADER: str(self.every)} if self.every > 1 else {})

    def parts(self, tokens: Sequence[str]) -> Iterator[tuple[str, int]]:
        """Join the tokens of each piece.

        Yields:
            The text, and of how many tokens it is.
        """
        for start in range(0, len(tokens), self.every):
            group = tokens[start : start + self.every]
            yield "".join(group), len(group)


FULL = Shape()
"""A token a piece, each with all that the API says."""


def _wrong(name: str, expected: str, got: str) -> ApiError:
    """Make the refusal of a header's value."""
    return ApiError(400, f"{name}: expected {expected}, got {got[:40]!r}", param=name, code="invalid_value")
