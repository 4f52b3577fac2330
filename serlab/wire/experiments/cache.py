"""What a look-up, a hit and a put cost, what a codec's bytes are worth in a cache, and the call that a hit saves.

    wire/cache/key                    the request's key; floor: SHA-256 of bytes alone
    wire/cache/decode                 an answer's bytes, wherever they were kept
    wire/cache/BACKEND/get            bytes, checked and not decoded
    wire/cache/BACKEND/hit            a message; floor: the baseline's bytes, not decoded
    wire/cache/BACKEND/put            encode and keep; floor: the baseline's bytes, encoded beforehand
    wire/cache/hits/capacity=SHARE%   the share of requests that hit, where all codecs get the same bytes
    wire/cache/call                   what a hit saves at least: a call to a server whose model takes no time

All times are taken in one go, so that a hit can be set against a call. `CODEC+zstd` keeps the codec's bytes compressed:
a put compresses, a hit decompresses, and more answers fit. The baseline and protobuf are measured so too.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import msgspec

from serlab import workloads
from serlab.cases import AA, BOUND, CallArm, Case, call_place
from serlab.codecs import Codec, codec_for, open_codec
from serlab.errors import MissingPackageError, ServiceError
from serlab.measure import Emit, Finding, Job, PassingError, Record, bind, load_messages
from serlab.messages import UNSET, same, to_document
from serlab.wire import Settings, spawned
from serlab.wire.cache import Cache, Compressed, find_redis_server
from serlab.wire.clients import Client, Transport, open_transport
from serlab.wire.experiments import cache_costs
from serlab.wire.experiments.base import WireArm, again, awaited, row, timed
from serlab.wire.experiments.cache_costs import Filled, Popularity, curves, distinct
from serlab.wire.settings import Addresses
from serlab.workloads import CHARACTERS_PER_TOKEN

BATCH = 32
"""Different answers that are timed, of a built-in workload."""
BODIES = 100
"""Different answers that the hit rate stands on."""
REQUEST = "chat-turn"
"""The workload of the requests: recorded answers do not tell what was asked."""
CALL = call_place("cache", part="call")
COMPACT = codec_for("compact")
"""What is kept compressed beside the baseline: the codec with the fewest bytes."""


class _Kept(NamedTuple):
    """A way to keep answers: a codec, compressed or not, and its bytes of them."""

    codec: Codec | Compressed
    encoded: list[bytes]


def run(job: Job, emit: Emit) -> None:
    """Time the parts of a cache and a call, then replay requests; see `serlab.wire.experiments.run`."""
    names = [job.baseline, *(name for name in job.codecs if name != job.baseline)]
    messages = _answers(job, BATCH)
    kept = _ways(job, names, messages)
    request = _asked(job.seed)
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        arms = [*cache_costs.key_arms([request], [open_codec(job.baseline, "ChatRequest").encode(request)])]
        arms += cache_costs.decode_arms([one.codec for one in kept], [one.encoded for one in kept])
        caches: list[Filled] = []
        for backend in _available(job, emit):
            filled = _filled(stack, runner, backend, kept, messages)
            arms += _backend_arms(runner, filled)
            caches += filled
        transport = _connected(stack, runner, _answer_tokens(kept[0].encoded))
        arms += _call_arms(runner, transport, names, request)
        found: list[Record] = []
        timed(job, found.append, arms)
        _require_hits(caches)
    for record in found:
        emit(record)
    _send_hit_rates(job, emit, names)


def _answers(job: Job, count: int) -> list[Any]:
    """Return the answers that are kept: so many of a built-in workload, or all of what was recorded."""
    return distinct(job.workload, count, job.seed) if job.documents is None else load_messages(job)


def _ways(job: Job, names: Sequence[str], messages: list[Any]) -> list[_Kept]:
    """Encode the answers by every codec, and by the baseline and the compact one compressed too."""
    bound = {name: bind(job, name, messages) for name in names}
    plain = [_Kept(one.codec, one.encoded) for one in bound.values()]
    compressed = [Compressed(bound[name].codec) for name in dict.fromkeys((names[0], COMPACT)) if name in bound]
    return plain + [_Kept(codec, [codec.encode(message) for message in messages]) for codec in compressed]


def _asked(seed: int) -> Any:
    """Return the request that is digested and sent: for a whole answer, whose length the server decides."""
    return msgspec.structs.replace(workloads.build(REQUEST, seed)[0], max_tokens=UNSET, stream=UNSET)


def _available(job: Job, emit: Emit) -> list[str]:
    """List the backends whose programs are there; what is missing is told once a run."""
    try:
        find_redis_server()
    except MissingPackageError as error:
        if job.process == 0:
            emit(Finding(job.workload, "", "refused", str(error)))
        return [name for name in cache_costs.BACKENDS if name != "redis"]
    return list(cache_costs.BACKENDS)


def _filled(
    stack: ExitStack, runner: asyncio.Runner, name: str, kept: Sequence[_Kept], messages: list[Any]
) -> list[Filled]:
    """Fill a backend with the answers in every way."""
    backend = stack.enter_context(cache_costs.opened(runner, name, [one.encoded for one in kept]))
    return [runner.run(cache_costs.fill(name, Cache(backend, one.codec), messages, one.encoded)) for one in kept]


def _backend_arms(runner: asyncio.Runner, filled: Sequence[Filled]) -> list[WireArm]:
    """Make the arms of a backend, whose first cache is the baseline's."""
    arms = cache_costs.baseline_arms(runner, filled[0])
    return [*arms, *(arm for one in filled[1:] for arm in cache_costs.arms_of(runner, one))]


def _require_hits(caches: Sequence[Filled]) -> None:
    """See that every look-up found its answer and every put was kept: what fails or misses is soon done.

    Raises:
        PassingError: a backend was away, or had no room.
    """
    for one in caches:
        wrong = ", ".join(f"{count} {name}" for name, count in one.cache.counts().items() if count and name != "hits")
        if wrong:
            raise PassingError(f"cache in {one.name}: expected hits alone while it was timed, got {wrong}")


def _answer_tokens(encoded: Sequence[bytes]) -> int:
    """Say how many tokens make an answer of about the cached ones' length."""
    return max(1, sum(map(len, encoded)) // len(encoded) // CHARACTERS_PER_TOKEN)


def _connected(stack: ExitStack, runner: asyncio.Runner, tokens: int) -> Transport:
    """Start a server and connect to it."""
    addresses = stack.enter_context(spawned(Settings(tokens=tokens)))
    transport = runner.run(_opened(addresses))
    stack.callback(lambda: runner.run(transport.close()))
    return transport


async def _opened(addresses: Addresses) -> Transport:
    """Open a transport in the event loop."""
    return open_transport("http", addresses)


def _call_arms(runner: asyncio.Runner, transport: Transport, names: Sequence[str], request: Any) -> list[WireArm]:
    """Call with every codec, the first twice (A/A); the floor leaves the first one's work to the server alone.

    Raises:
        ServiceError: codecs got different answers.
    """
    clients = [Client(transport, "ChatRequest", name) for name in names]
    found = [to_document(runner.run(_settled(client, request))) for client in clients]
    if not all(same(found[0], other) for other in found):
        raise ServiceError(f"{CALL.name}: expected the same answer through every codec, got different ones")
    both = zip(names, clients, strict=True)
    arms = [awaited(runner, CallArm(Case(name), CALL), client.call, [request]) for name, client in both]
    payload = clients[0].payload(clients[0].request.encode(request))
    return [*arms, again(arms[0]), awaited(runner, CallArm(Case("bytes", BOUND), CALL), transport.call, [payload])]


async def _settled(client: Client, request: Any) -> Any:
    """Call until codecs that learn have learned, here and in the server; give the last answer."""
    for _ in range(client.request.learns):
        await client.call(request)
    return (await client.call(request)).message


def _send_hit_rates(job: Job, emit: Emit, names: Sequence[str]) -> None:
    """Send the hit rates; each process draws its own requests, and the baseline meets its own twice."""
    messages = _answers(job, BODIES)
    encoded = {Case(one.codec.name): one.encoded for one in _ways(job, names, messages)}
    encoded[Case(names[0], AA)] = encoded[Case(names[0])]
    popularity = Popularity(seed=f"{job.seed}/{job.process}")
    for case, share, rate in curves(encoded, popularity):
        place = call_place("cache", part="hits", capacity=share)
        emit(row(job, CallArm(case, place), "hit-rate", "share", rate))
