"""What a streamed token costs by envelope, codec, framing and coalescing.

A conversation is answered with `TOKENS` tokens by a model that takes no time; an arm reads the whole stream, message by
message, and its figure is the time a token. The call itself, with the encoding of the request, is in it, spread over
the tokens. The floors read the same bytes and drop them: nothing is unwrapped, nothing decoded; what the server does is
the same.
"""

import asyncio
from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec

from serlab.errors import ServiceError
from serlab.measure.arms import WARM_UP_BATCHES, Arm
from serlab.measure.load import Emit, load_messages
from serlab.messages import UNSET
from serlab.service import Settings, spawned
from serlab.service.experiments.frame import awaited, control, row, timed
from serlab.service.experiments.streamreader import Reader
from serlab.service.experiments.streamways import floors_of, ways_of
from serlab.service.experiments.watched import Watch, opened, patient
from serlab.stats import FLOOR

TOKENS = 256
"""Of an answer: enough that what a call costs beside them is small, few enough that a quick run has several answers."""
REQUESTS = 2
"""Conversations in a pass, at most."""
TRANSPORTS = ("http", "http2", "grpc")
UNLIMITED = dict.fromkeys(("tools", "tool_choice", "n", "max_tokens", "max_completion_tokens", "stream_options"), UNSET)
"""What would make an answer a call, shorter, or another number of them."""


def run(job: dict[str, Any], emit: Emit) -> None:
    """Time whole streams, side by side.

    Args:
        job: see `serlab.service.experiments.run`.
        emit: receives the rows.
    """
    requests = askable(job, load_messages(job))
    ways = ways_of(job["codecs"], job["baseline"])
    with (
        spawned(Settings(tokens=TOKENS)) as addresses,
        asyncio.Runner() as runner,
        opened(runner, addresses, TRANSPORTS) as transports,
    ):
        readers = {way.name(): Reader(transports[way.transport], way) for way in ways}
        readers[control(ways[0].name())] = Reader(transports[ways[0].transport], ways[0])
        runner.run(agree(list(readers.values()), requests))
        watch = Watch()
        arms = [awaited(runner, name, reader.read, requests) for name, reader in readers.items()]
        arms += [floor(runner, readers[way.name()], requests) for way in floors_of(ways)]
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


def floor(runner: asyncio.Runner, reader: Reader, requests: Sequence[Any]) -> Arm:
    """Make the arm that reads the same bytes as a reader and does nothing with them."""
    payloads = [reader.payload(request) for request in requests]
    return awaited(runner, f"{FLOOR}bytes {reader.way.operation()}", reader.drop, payloads)


def askable(job: dict[str, Any], messages: Sequence[Any]) -> list[Any]:
    """Choose the first conversations, and ask for text of full length as a stream.

    Raises:
        ServiceError: there is none.
    """
    found = [message for message in messages if isinstance(message.messages, list) and message.messages]
    if not found:
        raise ServiceError(
            f"{job['workload']}: expected a ChatRequest with messages, got none; choose another workload"
        )
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
