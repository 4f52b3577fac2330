"""What a cache costs beside the model that it saves: the key, the look-up, the check, decode, and a put.

Arms of all backends, to be timed together in short batches in random order (`serlab.wire.experiments.cache`). Each
pass is one operation after another, for every answer, in an event loop, so that starting the loop (about 20 µs) hardly
counts; what it costs to await counts alike for all. A Redis is a process of its own and works while the other waits:
its time is what a request waits, not what a processor does.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple, TypeVar

from serlab import workloads
from serlab.cases import BOUND, CallArm, Case, Place, call_place
from serlab.codecs import Codec
from serlab.errors import ServiceError
from serlab.measure import Arm
from serlab.messages import same, to_document
from serlab.wire.cache import (
    NEVER,
    Backend,
    Bounded,
    Cache,
    Compressed,
    Entry,
    LmdbStore,
    MemoryStore,
    RedisBackend,
    key_of,
    redis_server,
    seal,
)
from serlab.wire.experiments.base import WireArm, again, awaited
from serlab.wire.now import now

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

    def place(self, part: str) -> Place:
        """Return the place of a part of what the backend does: get, hit or put."""
        return call_place("cache", backend=self.name, part=part)


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


def key_arms(requests: Sequence[Any], encoded: Sequence[bytes]) -> list[WireArm]:
    """Digest requests, twice (A/A); the floor digests their bytes as they come, which equal requests need not share."""
    place = call_place("cache", part="key")
    arm = Arm(CallArm(Case("key"), place), key_of, list(requests), len(requests))
    floor = Arm(CallArm(Case("sha-256", BOUND), place), lambda data: sha256(data).digest(), list(encoded), len(encoded))
    return [arm, again(arm), floor]


def decode_arms(codecs: Sequence[Codec | Compressed], encoded: Sequence[list[bytes]]) -> list[WireArm]:
    """Decode the answers of each codec, which are the same on every backend; the first twice (A/A)."""
    place = call_place("cache", part="decode")
    both = zip(codecs, encoded, strict=True)
    arms = [Arm(CallArm(Case(codec.name), place), codec.decode, data, len(data)) for codec, data in both]
    return [*arms, again(arms[0])]


def arms_of(runner: asyncio.Runner, one: Filled) -> list[WireArm]:
    """Get bytes, hit (get and decode) and put (encode and keep) on one backend with one codec."""
    cache, who = one.cache, Case(one.cache.codec.name)
    pairs = list(zip(one.keys, one.answers, strict=True))

    async def put(pair: tuple[bytes, Any]) -> None:
        await cache.put(*pair)

    return [
        awaited(runner, CallArm(who, one.place("get")), cache.get_raw, one.keys),
        awaited(runner, CallArm(who, one.place("hit")), cache.get, one.keys),
        awaited(runner, CallArm(who, one.place("put")), put, pairs),
    ]


def baseline_arms(runner: asyncio.Runner, one: Filled) -> list[WireArm]:
    """Return the arms of the baseline, each twice (A/A), and what its bytes cost with no codec at work."""
    pairs = list(zip(one.keys, one.encoded, strict=True))

    async def put(pair: tuple[bytes, bytes]) -> None:
        await one.cache.put_raw(*pair)

    arms = arms_of(runner, one)
    floors = [
        awaited(runner, CallArm(Case("bytes", BOUND), one.place("hit")), one.cache.get_raw, one.keys),
        awaited(runner, CallArm(Case("bytes", BOUND), one.place("put")), put, pairs),
    ]
    return [*arms, *map(again, arms), *floors]


# Hit rate against capacity, on requests whose popularity follows Zipf's law.
#
# The law is an assumption: the k-th most wanted of `keys` answers is asked for in proportion to 1 / k^exponent, each
# time independently of what was asked before. Web proxies were found to see exponents of 0.64 to 0.83; what people ask
# a model may be more alike (a product's first question) or hardly ever the same (a conversation's tenth turn). Nothing
# here says what a real service would hit; it says what a capacity is worth under the law, and what a compact codec
# gains by holding more answers in the same bytes.
#
# Source: Breslau et al., Web Caching and Zipf-like Distributions (1999).

SHARES = (0.01, 0.1, 0.2, 0.5, 1.0)
Whose = TypeVar("Whose")


@dataclass(frozen=True, slots=True)
class Popularity:
    """How requests are drawn.

    Attributes:
        keys: how many different ones there are.
        exponent: 0 for all alike, 1 for Zipf's own law.
        requests: how many are drawn.
        seed: of the draw.
    """

    keys: int = 1_000
    exponent: float = 0.8
    requests: int = 20_000
    seed: int | str = 0

    def __post_init__(self) -> None:
        if self.keys < 1 or self.requests < 1 or not self.exponent >= 0:
            got = f"{self.keys}, {self.requests} and {self.exponent}"
            raise ServiceError(f"popularity: expected 1 key, 1 request, an exponent of 0 or more, got {got}")

    def draw(self) -> list[int]:
        """Draw the requests, each as its rank from 0."""
        sums = list(accumulate((rank + 1) ** -self.exponent for rank in range(self.keys)))
        random = Random(f"zipf/{self.seed}").random
        return [bisect_left(sums, random() * sums[-1]) for _ in range(self.requests)]


def curves(
    encoded: Mapping[Whose, Sequence[bytes]], popularity: Popularity | None = None, shares: Sequence[float] = SHARES
) -> Iterator[tuple[Whose, float, float]]:
    """Replay requests on a bounded cache, for several codecs and capacities.

    Args:
        encoded: codec → different answers in its bytes, which the ranks share in turn.
        popularity: of the requests.
        shares: of the first codec's bytes for all answers; every codec gets the same bytes.

    Yields:
        Codec, share, hit rate.
    """
    popularity = popularity or Popularity()
    ranks, keys = popularity.draw(), [key_of({"rank": rank}) for rank in range(popularity.keys)]
    whole = 0
    for name, data in encoded.items():
        entries = [seal(key, Entry(data[rank % len(data)], NEVER)) for rank, key in enumerate(keys)]
        whole = whole or sum(map(len, keys)) + sum(map(len, entries))
        for share in shares:
            yield name, share, hit_rate(keys, entries, ranks, max(1, round(share * whole)))


def distinct(workload: str, count: int, seed: int = 0) -> list[object]:
    """Build so many messages of a workload, seed after seed."""
    messages: list[object] = []
    while len(messages) < count:
        messages += workloads.build(workload, seed + len(messages))
    return messages[:count]


def hit_rate(keys: Sequence[bytes], entries: Sequence[bytes], ranks: Sequence[int], capacity_bytes: int) -> float:
    """Replay requests: each takes its entry from the cache, or puts it there.

    Args:
        keys: by rank.
        entries: by rank.
        ranks: in the order of the requests.
        capacity_bytes: of the cache, which is empty when it begins; the first request for a key always misses.

    Returns:
        The share of requests that hit.
    """
    cache, hits = Bounded(MemoryStore(), capacity_bytes), 0
    for rank in ranks:
        if now(cache.get(keys[rank])) is None:
            now(cache.put(keys[rank], entries[rank]))
        else:
            hits += 1
    return hits / len(ranks)
