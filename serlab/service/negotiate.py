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
from functools import lru_cache
from typing import NamedTuple

from serlab.codecs import JSON, CodecInfo, codec_for, codec_info, codec_infos, verifying_codecs
from serlab.errors import UnknownNameError
from serlab.service.refusals import Refusal

BASELINE, GRPC = codec_for("baseline"), codec_for("grpc")
EVENTS, LINES = "text/event-stream", "application/x-ndjson"
FRAMES, ANY_CODEC = "application/x-serlab-frames", "application/x-serlab"


def offered() -> dict[str, tuple[str, ...]]:
    """Return media type → the codecs that verify and are no variants; the first is meant where none is named."""
    found: dict[str, list[CodecInfo]] = {}
    for info in codec_infos():
        if info.format.media and info.verifies and not info.variant_of:
            found.setdefault(info.format.media, []).append(info)
    ordered = {media: sorted(infos, key=lambda info: "media" not in info.roles) for media, infos in found.items()}
    return {media: tuple(info.name for info in infos) for media, infos in ordered.items()}


FORMATS = offered()
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
        Refusal: it is not known, or its codec is of another format.
    """
    check_length("Content-Type", header)
    content = known(header or JSON.media)
    if content is None or content.media in (EVENTS, LINES, FRAMES):
        raise Refusal(415, f"Content-Type: expected one of {', '.join((*FORMATS, ANY_CODEC))}, got {header[:SHOWN]!r}")
    return content


@lru_cache(maxsize=1024)
def answer_content(accept: str, request: Content, streams: bool) -> Content:
    """Choose what an answer is written as.

    Args:
        accept: the Accept header.
        request: what the request was.
        streams: whether the answer is a stream.

    Raises:
        Refusal: nothing that is accepted can be given.
    """
    check_length("Accept", accept)
    for header in preferences(accept):
        if header in ("*/*", "application/*"):
            return stream_of(request) if streams else request
        content = known(header, 406)
        if content is not None and streams:
            return stream_of(content)
        if content is not None and content.media not in (EVENTS, LINES, FRAMES):
            return content
    expected = ", ".join((*FORMATS, ANY_CODEC, *((EVENTS, LINES, FRAMES) if streams else ())))
    raise Refusal(406, f"Accept: expected one of {expected}, got {accept[:SHOWN]!r}")


def whole_codec(accept: str, request: Content, may_stream: bool) -> str:
    """Return the codec of an answer that is not streamed; "" where only a stream is accepted.

    Raises:
        Refusal: nothing that is accepted can be given, and there is no stream.
    """
    try:
        return answer_content(accept, request, False).codec
    except Refusal:
        if may_stream:
            return ""
        raise


def check_length(name: str, header: str) -> None:
    """Refuse a header that is longer than any that means something here."""
    if len(header) > MOST_HEADER:
        raise Refusal(431, f"{name}: expected at most {MOST_HEADER:,} characters, got {len(header):,}; name one type")


def stream_of(content: Content) -> Content:
    """Choose the form of a stream: events for JSON, frames for what is binary."""
    if content.media in (EVENTS, LINES, FRAMES):
        return content
    return Content(EVENTS if content.media == JSON.media else FRAMES, content.codec)


def preferences(accept: str) -> list[str]:
    """List what is accepted, the most wanted first."""
    weighed = [(weight(part), part.strip()) for part in (accept or "*/*").split(",")]
    return [part for share, part in sorted(weighed, key=lambda item: -item[0]) if share > 0]


def weight(part: str) -> float:
    """Read the q of one part of an Accept header; 0, which leaves the part out, where it is none."""
    value = parameters(part).get("q", "1")
    return float(value) if WEIGHT.fullmatch(value) else 0.0


def parameters(header: str) -> dict[str, str]:
    """Read the parameters of a media type."""
    pairs = (part.partition("=") for part in header.split(";")[1:])
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def known(header: str, status: int = 415) -> Content | None:
    """Read one media type; None for one that is not known.

    Args:
        header: the type and its parameters.
        status: of the refusal.

    Raises:
        Refusal: the codec is not offered, or of another format than the media type.
    """
    media = header.partition(";")[0].strip().lower()
    media = ALIASES.get(media, media)
    named = parameters(header).get("codec", "")
    if named and named not in verifying_codecs():
        raise Refusal(status, str(UnknownNameError.of("codec offered here", named[:SHOWN], verifying_codecs())))
    formats = {EVENTS: JSON.media, LINES: JSON.media}
    if media in (FRAMES, ANY_CODEC):
        return Content(media, named) if named else None
    codecs = FORMATS.get(formats.get(media, media))
    if codecs is None:
        return None
    if named and codec_info(named).format.media != formats.get(media, media):
        raise Refusal(status, f"{media}: expected one of its codecs ({', '.join(codecs)} and variants), got {named}")
    return Content(media, named or codecs[0])
