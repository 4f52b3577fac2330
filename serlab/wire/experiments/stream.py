"""What a streamed token costs by envelope, codec, framing and coalescing.

A conversation is answered with `TOKENS` tokens by a model that takes no time; an arm reads the whole stream, message by
message, and its figure is the time a token. The call itself, with the encoding of the request, is in it, spread over
the tokens. The floors read the same bytes and drop them: nothing is unwrapped, nothing decoded; what the server does is
the same.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from statistics import median
from time import perf_counter_ns
from typing import Any, NamedTuple

import msgspec

from serlab.cases import BOUND, CallArm, Case, call_place
from serlab.codecs import JSON, codec_for, codec_info
from serlab.errors import ServiceError
from serlab.measure import WARM_UP_BATCHES, Emit, Job, load_messages
from serlab.messages import UNSET
from serlab.wire import Settings, spawned
from serlab.wire.clients import Client, Payload, Transport
from serlab.wire.content import EVENTS, FRAMES, FULL, GRPC, LINES, Shape
from serlab.wire.experiments.base import WireArm, awaited, row, timed
from serlab.wire.experiments.watched import Watch, opened, patient

# The ways a token can be streamed that are compared: a transport, a form, a shape and a codec each.

FORMS = {"sse": EVENTS, "ndjson": LINES, "frames": FRAMES, "messages": ""}
"""Word for a form → its media type; gRPC has messages of its own and no media type."""
EVERY = 8
"""Tokens in a piece where they are coalesced: at 20 ms a token the first of them waits for 140 ms."""
SHAPES = (Shape(slim=True), Shape(every=EVERY), Shape(slim=True, every=EVERY))


class Way(NamedTuple):
    """One way of streaming.

    Attributes:
        transport: one of `serlab.wire.clients.TRANSPORTS`.
        form: one of `FORMS`.
        shape: of the pieces.
        codec: of the pieces.
    """

    transport: str
    form: str
    shape: Shape
    codec: str

    def name(self) -> CallArm:
        """Name the arm."""
        shape = {"envelope": "slim" if self.shape.slim else "full", "every": self.shape.every}
        place = call_place("stream", transport=self.transport, framing=self.form, **shape)
        return CallArm(Case(self.codec), place)


def is_text(codec: str) -> bool:
    """Return whether a codec writes JSON, which can go as events or lines."""
    return codec_info(codec).format.family == JSON.family


def usual(codec: str) -> Way:
    """Return the way that a client gets who names only a codec: events of JSON, frames of the others."""
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
    for codec in _leads(texts, codec_for("baseline")):
        found += [Way("http", "ndjson", FULL, codec), Way("http2", "sse", FULL, codec)]
        found += [Way("http", "sse", shape, codec) for shape in SHAPES]
    for codec in _leads(binaries, GRPC):
        found += [Way("grpc", "messages", FULL, codec)] if codec == GRPC else []
        found += [Way("http2", "frames", FULL, codec), *(Way("http", "frames", shape, codec) for shape in SHAPES)]
    return found


def _leads(names: Sequence[str], wanted: str) -> list[str]:
    """Choose the codec that stands for its sort; none where there is none."""
    return [wanted] if wanted in names else list(names[:1])


def floors_of(ways: Sequence[Way]) -> list[Way]:
    """Choose the ways whose bytes are read alone as well: the first of each transport and form in the full shape."""
    firsts: dict[tuple[str, str], Way] = {}
    for way in ways:
        if way.shape == FULL:
            firsts.setdefault((way.transport, way.form), way)
    return list(firsts.values())


# Reads the streams of one way, and notes when the first token was there.


class Reader:
    """Reads streams of one way.

    Args:
        transport: what carries them.
        way: which.

    Attributes:
        firsts: nanoseconds from the begin of each call to its first token, decoded.
    """

    def __init__(self, transport: Transport, way: Way) -> None:
        self.client = Client(transport, "ChatRequest", way.codec, FORMS[way.form], way.shape.headers())
        self.way = way
        self.firsts: list[int] = []

    def payload(self, request: Any) -> Payload:
        """Encode a request once, for who wants only the bytes of its answer."""
        return self.client.payload(self.client.request.encode(request), streams=True)

    async def read(self, request: Any) -> None:
        """Read a stream to its end."""
        began, first = perf_counter_ns(), 0
        async with aclosing(self.client.stream(request)) as chunks:
            async for chunk in chunks:
                if not first and _text_of(chunk.message):
                    first = perf_counter_ns() - began
        self.firsts.append(first)

    async def texts(self, request: Any) -> list[str]:
        """Read the pieces of an answer's text."""
        async with aclosing(self.client.stream(request)) as chunks:
            return [text for text in [_text_of(chunk.message) async for chunk in chunks] if text]

    async def drop(self, payload: Payload) -> int:
        """Read the bytes of a stream and drop them; tell how many there were."""
        size = 0
        async with aclosing(self.client.transport.stream(payload)) as pieces:
            async for data, _ in pieces:
                size += len(data)
        return size


def _text_of(chunk: Any) -> str:
    """Return the text that a piece adds; the first and the last add none."""
    return "".join(choice.delta.content or "" for choice in chunk.choices or ())


TOKENS = 256
"""Of an answer: enough that what a call costs beside them is small, few enough that a quick run has several answers."""
REQUESTS = 2
"""Conversations in a pass, at most."""
TRANSPORTS = ("http", "http2", "grpc")
UNLIMITED = dict.fromkeys(("tools", "tool_choice", "n", "max_tokens", "max_completion_tokens", "stream_options"), UNSET)
"""What would make an answer a call, shorter, or another number of them."""


def run(job: Job, emit: Emit) -> None:
    """Time whole streams, side by side.

    Args:
        job: see `serlab.wire.experiments.run`.
        emit: receives the rows.
    """
    requests = askable(job, load_messages(job))
    ways = ways_of(job.codecs, job.baseline)
    with (
        spawned(Settings(tokens=TOKENS)) as addresses,
        asyncio.Runner() as runner,
        opened(runner, addresses, TRANSPORTS) as transports,
    ):
        readers = {way.name(): Reader(transports[way.transport], way) for way in ways}
        readers[ways[0].name().second] = Reader(transports[ways[0].transport], ways[0])
        runner.run(agree(list(readers.values()), requests))
        watch = Watch()
        arms = [awaited(runner, name, reader.read, requests) for name, reader in readers.items()]
        arms += [_floor(runner, readers[way.name()], requests) for way in floors_of(ways)]
        tokens = TOKENS * len(requests)
        figures = timed(patient(job), emit, [watch.over(arm._replace(messages=tokens)) for arm in arms])
        for name, value in figures.items():
            emit(row(job, name, "token-rate", "tokens/s", 1e9 / value))
        watch.tell(job, emit)
        for name, reader in readers.items():
            sizes = [runner.run(reader.drop(reader.payload(request))) for request in requests]
            emit(row(job, name, "token-bytes", "bytes/token", sum(sizes) / tokens))
            firsts = reader.firsts[WARM_UP_BATCHES * len(requests) :]
            emit(row(job, name, "first-token", "ns", median(firsts)))


def _floor(runner: asyncio.Runner, reader: Reader, requests: Sequence[Any]) -> WireArm:
    """Make the arm that reads the same bytes as a reader and does nothing with them."""
    payloads = [reader.payload(request) for request in requests]
    name = reader.way.name()._replace(case=Case("bytes", BOUND))
    return awaited(runner, name, reader.drop, payloads)


def askable(job: Job, messages: Sequence[Any]) -> list[Any]:
    """Choose the first conversations, and ask for text of full length as a stream.

    Raises:
        ServiceError: there is none.
    """
    found = [message for message in messages if isinstance(message.messages, list) and message.messages]
    if not found:
        raise ServiceError(f"{job.workload}: expected a ChatRequest with messages, got none; choose another workload")
    return [msgspec.structs.replace(each, model="serlab", stream=True, **UNLIMITED) for each in found[:REQUESTS]]


async def agree(readers: Sequence[Reader], requests: Sequence[Any]) -> None:
    """Make sure that every way brings the same text, in as many pieces as it should.

    Raises:
        ServiceError: one does not.
    """
    for request in requests:
        expected = "".join(await readers[0].texts(request))
        for reader in readers:
            texts = await reader.texts(request)
            if "".join(texts) != expected or len(texts) != -(-TOKENS // reader.way.shape.every):
                raise ServiceError(f"{reader.way.name()}: expected the text that others bring, got {len(texts)} pieces")
