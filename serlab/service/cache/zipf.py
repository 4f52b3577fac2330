"""Hit rate against capacity, on requests whose popularity follows Zipf's law.

The law is an assumption: the k-th most wanted of `keys` answers is asked for in proportion to 1 / k^exponent, each time
independently of what was asked before. Web proxies were found to see exponents of 0.64 to 0.83; what people ask a model
may be more alike (a product's first question) or hardly ever the same (a conversation's tenth turn). Nothing here says
what a real service would hit; it says what a capacity is worth under the law, and what a compact codec gains by holding
more answers in the same bytes.

Source: Breslau et al., Web Caching and Zipf-like Distributions (1999).
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from serlab import workloads
from serlab.errors import ServiceError
from serlab.service.cache.bounded import Bounded
from serlab.service.cache.entries import NEVER, Entry, seal
from serlab.service.cache.keys import key_of
from serlab.service.cache.store import MemoryStore
from serlab.service.now import now

SHARES = (0.01, 0.1, 0.2, 0.5, 1.0)


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
    encoded: Mapping[str, Sequence[bytes]], popularity: Popularity | None = None, shares: Sequence[float] = SHARES
) -> Iterator[tuple[str, float, float]]:
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
