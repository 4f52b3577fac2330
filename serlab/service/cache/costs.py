"""What a cache costs beside the model that it saves: the key, the look-up, the check, decode, and a put.

Arms of all backends, to be timed together in short batches in random order (`serlab.service.experiments.cache`). Each
pass is one operation after another, for every answer, in an event loop, so that starting the loop (about 20 µs) hardly
counts; what it costs to await counts alike for all. A Redis is a process of its own and works while the other waits:
its time is what a request waits, not what a processor does.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

from serlab.codecs import Codec
from serlab.errors import ServiceError
from serlab.measure.arms import Arm
from serlab.messages import same, to_document
from serlab.service.cache.backend import Backend
from serlab.service.cache.bounded import Bounded
from serlab.service.cache.cache import Cache, Compressed
from serlab.service.cache.keys import key_of
from serlab.service.cache.lmdbstore import LmdbStore
from serlab.service.cache.redisserver import redis_server
from serlab.service.cache.redisstore import RedisBackend
from serlab.service.cache.store import MemoryStore
from serlab.service.experiments.frame import again, awaited, named
from serlab.stats import FLOOR

LEAST_CAPACITY = 64 << 20
ROOM = 2
"""Times the bytes of all entries that a cache may hold, so that nothing is evicted while it is timed."""
BACKENDS: dict[str, Callable[[ExitStack, int], Backend]] = {
    "memory": lambda _, capacity: Bounded(MemoryStore(), capacity),
    "lmdb": lambda _, capacity: Bounded(LmdbStore(capacity), capacity),
    "redis": lambda stack, capacity: RedisBackend(stack.enter_context(redis_server(capacity)), timeout_s=5),
}
"""Name → what opens it with a capacity in bytes; "redis" needs the program redis-server."""


class Filled(NamedTuple):
    """A cache with an answer under every key.

    Attributes:
        name: the backend's.
        cache: one codec's.
        keys: one for each answer.
        answers: messages.
        encoded: the same as bytes of the codec.
    """

    name: str
    cache: Cache
    keys: list[bytes]
    answers: list[Any]
    encoded: list[bytes]


@contextmanager
def opened(runner: asyncio.Runner, name: str, encoded: Sequence[Sequence[bytes]]) -> Iterator[Backend]:
    """Open a backend with room for all answers of all codecs, and close it in its own event loop.

    Args:
        runner: whose loop it lives in.
        name: one of `BACKENDS`.
        encoded: the answers, by codec.
    """
    capacity = max(LEAST_CAPACITY, ROOM * sum(len(data) for answers in encoded for data in answers))
    with ExitStack() as stack:
        backend = BACKENDS[name](stack, capacity)
        try:
            yield backend
        finally:
            runner.run(backend.close())


async def fill(name: str, cache: Cache, answers: list[Any], encoded: list[bytes]) -> Filled:
    """Put every answer under a key of its own, and see that it comes back.

    Raises:
        ServiceError: one does not.
    """
    keys = [cache.key({"answer": place}) for place in range(len(answers))]
    for key, answer in zip(keys, answers, strict=True):
        await cache.put(key, answer)
        if not same(to_document(answer), to_document(await cache.get(key))):
            raise ServiceError(
                f"cache in {name}: expected the answer that was put, got another from {cache.codec.name}"
            )
    return Filled(name, cache, keys, answers, encoded)


def key_arms(requests: Sequence[Any], encoded: Sequence[bytes]) -> list[Arm]:
    """Digest requests, twice (A/A); the floor digests their bytes as they come, which equal requests need not share."""
    operation = named("cache", "key")
    arm = Arm(f"key {operation}", key_of, list(requests), len(requests))
    floor = Arm(f"{FLOOR}sha-256 {operation}", lambda data: sha256(data).digest(), list(encoded), len(encoded))
    return [arm, again(arm), floor]


def decode_arms(codecs: Sequence[Codec | Compressed], encoded: Sequence[list[bytes]]) -> list[Arm]:
    """Decode the answers of each codec, which are the same on every backend; the first twice (A/A)."""
    operation = named("cache", "decode")
    both = zip(codecs, encoded, strict=True)
    arms = [Arm(f"{codec.name} {operation}", codec.decode, data, len(data)) for codec, data in both]
    return [*arms, again(arms[0])]


def arms_of(runner: asyncio.Runner, one: Filled) -> list[Arm]:
    """Get bytes, hit (get and decode) and put (encode and keep) on one backend with one codec."""
    cache, who = one.cache, one.cache.codec.name
    pairs = list(zip(one.keys, one.answers, strict=True))

    async def put(pair: tuple[bytes, Any]) -> None:
        await cache.put(*pair)

    return [
        awaited(runner, f"{who} {named('cache', one.name, 'get')}", cache.get_raw, one.keys),
        awaited(runner, f"{who} {named('cache', one.name, 'hit')}", cache.get, one.keys),
        awaited(runner, f"{who} {named('cache', one.name, 'put')}", put, pairs),
    ]


def baseline_arms(runner: asyncio.Runner, one: Filled) -> list[Arm]:
    """Give the arms of the baseline, each twice (A/A), and what its bytes cost with no codec at work."""
    pairs = list(zip(one.keys, one.encoded, strict=True))

    async def put(pair: tuple[bytes, bytes]) -> None:
        await one.cache.put_raw(*pair)

    arms = arms_of(runner, one)
    floors = [
        awaited(runner, f"{FLOOR}bytes {named('cache', one.name, 'hit')}", one.cache.get_raw, one.keys),
        awaited(runner, f"{FLOOR}bytes {named('cache', one.name, 'put')}", put, pairs),
    ]
    return [*arms, *map(again, arms), *floors]
