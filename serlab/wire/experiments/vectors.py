"""What the form of the vectors costs in an embeddings call: list, base64, bin, packed.

A client sends texts, the server embeds and encodes, the client decodes and ends with one float32 array of all vectors,
which is what an index or a model takes. In `base64` the request asks for it as OpenAI's own client does, by
`encoding_format`, and what is decoded is text; in the other forms the codec gives arrays. The floors are the same calls
whose answers are not decoded.
"""

import asyncio
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from serlab.cases import BOUND, CallArm, Case, call_place
from serlab.codecs import codec_info, codec_infos
from serlab.errors import ServiceError
from serlab.measure import Emit, Job, load_messages
from serlab.messages import BATCHES, Embedding, EmbeddingRequest, EmbeddingsByType
from serlab.wire import Settings, spawned
from serlab.wire.answers import MOST_DIMENSIONS, MOST_INPUTS
from serlab.wire.clients import Client, Payload, Transport
from serlab.wire.experiments.base import WireArm, awaited, row, timed
from serlab.wire.experiments.stream import is_text
from serlab.wire.experiments.watched import Watch, opened, patient

# How many vectors of how many numbers a message holds, wherever its API puts them.

DIGITS = 4 / 3 * 4
"""Characters of base64 for a float32, without padding."""


def shapes_of(message: Any) -> Iterator[tuple[int, int]]:
    """Yield (vectors, numbers of one) for each group of vectors in an EmbeddingResponse; ragged count as the first.

    Args:
        message: an EmbeddingResponse, of any API's shape.
    """
    for group in _groups_of(message):
        sizes = [size for size in map(_length_of, group) if size]
        if sizes:
            yield len(sizes), sizes[0]


def _groups_of(message: Any) -> Iterator[list[Any]]:
    """List the groups of vectors that a message may have."""
    yield message.data or []
    found = message.embeddings
    if isinstance(found, EmbeddingsByType):
        yield from (getattr(found, name) or [] for name in (*BATCHES, "base64"))
    elif isinstance(found, list):
        yield found
    yield [message.embedding]


def _length_of(vector: Any) -> int:
    """Count the numbers of a vector: an array, a list, base64 of float32, or an `Embedding` with one; 0 for none."""
    if isinstance(vector, Embedding):
        return _length_of(vector.embedding) or _length_of(vector.values)
    if isinstance(vector, str):
        return int(len(vector.rstrip("=")) / DIGITS)
    return len(vector) if isinstance(vector, (list, np.ndarray)) else 0


SHAPES = 3
"""Kinds of call in a pass, at most: (texts, numbers) of the first messages."""
Array = np.ndarray[Any, np.dtype[np.float32]]


class Caller:
    """Calls with one codec in one form.

    Args:
        transport: what carries the calls.
        codec: of requests and answers.
        form: "list", "base64", "bin" or "packed".
    """

    def __init__(self, transport: Transport, codec: str, form: str) -> None:
        self.client = Client(transport, "EmbeddingRequest", codec)
        self.name = CallArm(Case(codec), call_place("vectors", vectors=form))
        self.form = form
        self.asked = "base64" if form == "base64" else "float"

    def request(self, shape: tuple[int, int]) -> EmbeddingRequest:
        """Ask for the vectors of some texts."""
        texts = [f"text {number} of those that are embedded here" for number in range(shape[0])]
        return EmbeddingRequest(model="serlab", input=texts, encoding_format=self.asked, dimensions=shape[1])

    def payload(self, shape: tuple[int, int]) -> Payload:
        """Encode a request once."""
        return self.client.payload(self.client.request.encode(self.request(shape)))

    async def call(self, request: EmbeddingRequest) -> Array:
        """Get the vectors, a row each."""
        answer = await self.client.call(request)
        return np.stack([array_of(item.embedding) for item in answer.message.data])

    async def size(self, payload: Payload) -> int:
        """Get an answer, and of it only how many bytes it has."""
        return len((await self.client.transport.call(payload)).data)


def array_of(vector: Any) -> Array:
    """Make a float32 array of a vector as it was decoded; an array that is one stays."""
    if isinstance(vector, str):
        return np.frombuffer(b64decode(vector), "<f4")
    return np.asarray(vector, np.float32)


def forms_of(codec: str) -> list[tuple[str, str]]:
    """List the forms that a codec can give, as (codec, form): bytes are a variant of their codec."""
    info = codec_info(codec)
    if info.vectors:
        # Base64 text is that of `encoding_format`, without the client's asking.
        return [(codec, info.vectors)]
    if is_text(codec):
        return [(codec, "list"), (codec, "base64")]
    if info.schema:
        return [(codec, "packed")]
    packed = [other.name for other in codec_infos() if other.variant_of == codec and other.vectors == "bin"]
    return [(codec, "list"), *((name, "bin") for name in packed)]


def run(job: Job, emit: Emit) -> None:
    """Time embeddings calls, side by side.

    Args:
        job: see `serlab.wire.experiments.run`.
        emit: receives the rows.
    """
    shapes = list(dict.fromkeys(found for message in load_messages(job) if (found := fitting(message))))[:SHAPES]
    if not shapes:
        raise ServiceError(f"{job.workload}: expected messages with vectors, got none; choose another workload")
    names = list(dict.fromkeys((job.baseline, *job.codecs)))
    pairs = dict.fromkeys(pair for name in names for pair in forms_of(name))
    with spawned(Settings()) as addresses, asyncio.Runner() as runner, opened(runner, addresses, ["http"]) as opens:
        callers = [Caller(opens["http"], *pair) for pair in pairs]
        runner.run(agree(callers, shapes))
        arms = [_timing(runner, caller.name, caller, shapes) for caller in callers]
        arms.append(_timing(runner, callers[0].name.second, callers[0], shapes))
        firsts = {caller.form: caller for caller in reversed(callers)}
        arms += [_floor(runner, caller, shapes) for caller in firsts.values()]
        watch = Watch()
        timed(patient(job), emit, [watch.over(arm) for arm in arms])
        watch.tell(job, emit)
        for caller, name in [(each, each.name) for each in callers] + [(callers[0], callers[0].name.second)]:
            sizes = [runner.run(caller.size(caller.payload(shape))) for shape in shapes]
            emit(row(job, name, "body-bytes", "bytes", sum(sizes) / len(shapes)))


def fitting(message: Any) -> tuple[int, int] | None:
    """Return the shape of a message's vectors, if the server makes such."""
    return next((s for s in shapes_of(message) if 0 < s[0] <= MOST_INPUTS and 0 < s[1] <= MOST_DIMENSIONS), None)


def _timing(runner: asyncio.Runner, name: CallArm, caller: Caller, shapes: Sequence[tuple[int, int]]) -> WireArm:
    """Make the arm of a caller."""
    return awaited(runner, name, caller.call, [caller.request(shape) for shape in shapes])


def _floor(runner: asyncio.Runner, caller: Caller, shapes: Sequence[tuple[int, int]]) -> WireArm:
    """Make the arm of the same calls whose answers are not decoded."""
    name = caller.name._replace(case=Case("not decoded", BOUND))
    return awaited(runner, name, caller.size, [caller.payload(shape) for shape in shapes])


async def agree(callers: Sequence[Caller], shapes: Sequence[tuple[int, int]]) -> None:
    """Make sure that every form brings the same numbers, bit by bit.

    Raises:
        ServiceError: one does not.
    """
    for shape in shapes:
        expected = await callers[0].call(callers[0].request(shape))
        for caller in callers:
            found = await caller.call(caller.request(shape))
            if found.dtype != np.float32 or found.shape != shape or found.tobytes() != expected.tobytes():
                raise ServiceError(f"{caller.name}: expected the vectors that others bring, got {found.shape}")
