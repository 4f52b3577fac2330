"""The ways a token can be streamed that are compared: a transport, a form, a shape and a codec each."""

from collections.abc import Sequence
from typing import NamedTuple

from serlab.codecs import JSON, codec_for, codec_info
from serlab.service.experiments.frame import named
from serlab.service.negotiate import EVENTS, FRAMES, GRPC, LINES
from serlab.service.shaping import FULL, Shape

FORMS = {"sse": EVENTS, "ndjson": LINES, "frames": FRAMES, "messages": ""}
"""Word for a form → its media type; gRPC has messages of its own and no media type."""
EVERY = 8
"""Tokens in a piece where they are coalesced: at 20 ms a token the first of them waits for 140 ms."""
SHAPES = (Shape(slim=True), Shape(every=EVERY), Shape(slim=True, every=EVERY))


class Way(NamedTuple):
    """One way of streaming.

    Attributes:
        transport: one of `serlab.service.clients.ARMS`.
        form: one of `FORMS`.
        shape: of the pieces.
        codec: of the pieces.
    """

    transport: str
    form: str
    shape: Shape
    codec: str

    def operation(self) -> str:
        """Name what is compared between codecs."""
        envelope = "slim" if self.shape.slim else "full"
        return named("stream", self.transport, self.form, envelope, f"every={self.shape.every}")

    def name(self) -> str:
        """Name the arm."""
        return f"{self.codec} {self.operation()}"


def is_text(codec: str) -> bool:
    """Tell whether a codec writes JSON, which can go as events or lines."""
    return codec_info(codec).format.family == JSON.family


def usual(codec: str) -> Way:
    """Give the way that a client gets who names only a codec: events of JSON, frames of the others."""
    return Way("http", "sse" if is_text(codec) else "frames", FULL, codec)


def ways_of(codecs: Sequence[str], baseline: str) -> list[Way]:
    """List what is compared, the baseline first.

    Every codec goes the usual way; the other transports, forms and shapes are shown with one codec of each sort, since
    what they add does not depend on it.

    Args:
        codecs: their names.
        baseline: the codec whose usual way the others are compared with.
    """
    names = list(dict.fromkeys((baseline, *codecs)))
    texts, binaries = list(filter(is_text, names)), [name for name in names if not is_text(name)]
    found = list(map(usual, names))
    for codec in leads(texts, codec_for("baseline")):
        found += [Way("http", "ndjson", FULL, codec), Way("http2", "sse", FULL, codec)]
        found += [Way("http", "sse", shape, codec) for shape in SHAPES]
    for codec in leads(binaries, GRPC):
        found += [Way("grpc", "messages", FULL, codec)] if codec == GRPC else []
        found += [Way("http2", "frames", FULL, codec), *(Way("http", "frames", shape, codec) for shape in SHAPES)]
    return found


def leads(names: Sequence[str], wanted: str) -> list[str]:
    """Choose the codec that stands for its sort; none where there is none."""
    return [wanted] if wanted in names else list(names[:1])


def floors_of(ways: Sequence[Way]) -> list[Way]:
    """Choose the ways whose bytes are read alone as well: the first of each transport and form in the full shape."""
    firsts: dict[tuple[str, str], Way] = {}
    for way in ways:
        if way.shape == FULL:
            firsts.setdefault((way.transport, way.form), way)
    return list(firsts.values())
