"""Hit rate against capacity, and what a cache costs."""

from collections import Counter

import pytest

from serlab.errors import ServiceError
from serlab.service.cache import costs, zipf
from serlab.service.cache.zipf import Popularity, hit_rate
from serlab.stats import CONTROL
from tests.service.cachehelpers import needs_redis

KEYS = [bytes([i // 256, i % 256]) * 16 for i in range(300)]
ENTRIES = [bytes(100)] * 300
EACH = 132


def test_a_draw_repeats_with_its_seed_and_follows_the_law() -> None:
    """The first rank is drawn 2^exponent times as often as the second."""
    popularity = Popularity(keys=300, exponent=1.0, requests=50_000)
    ranks = popularity.draw()
    assert ranks == popularity.draw() != Popularity(keys=300, exponent=1.0, requests=50_000, seed=1).draw()
    counts = Counter(ranks)
    assert max(ranks) < 300 and counts[0] / counts[1] == pytest.approx(2, rel=0.1)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.15)


def test_with_room_for_all_only_first_requests_miss() -> None:
    """Exactly."""
    ranks = Popularity(keys=300, requests=3_000).draw()
    assert hit_rate(KEYS, ENTRIES, ranks, 300 * EACH) == (len(ranks) - len(set(ranks))) / len(ranks)


def test_the_hit_rate_grows_with_capacity() -> None:
    """With entries of one size, the least recently used order never loses by more room."""
    ranks = Popularity(keys=300, requests=5_000).draw()
    rates = [hit_rate(KEYS, ENTRIES, ranks, count * EACH) for count in (1, 3, 10, 30, 100, 300)]
    assert rates == sorted(rates) and rates[0] < 0.1 < 0.8 < rates[-1]


def test_where_all_are_alike_the_hit_rate_is_the_share_that_fits() -> None:
    """An exponent of 0: whatever is kept is as good as anything else."""
    ranks = Popularity(keys=300, exponent=0, requests=40_000).draw()
    assert hit_rate(KEYS, ENTRIES, ranks, 60 * EACH) == pytest.approx(0.2, abs=0.02)


def test_the_least_recently_used_goes_first_in_the_replay() -> None:
    """By hand: room for two."""
    assert hit_rate(KEYS, ENTRIES, [0, 1, 0, 2, 0, 1], 2 * EACH) == pytest.approx(2 / 6)


def test_the_curve_has_a_row_for_every_codec_and_capacity() -> None:
    """All codecs get the same bytes, so the one with fewer bytes an answer hits more."""
    popularity = Popularity(keys=200, requests=4_000)
    rows = zipf.experiment("chat-response", ("orjson", "protobuf"), popularity, (0.05, 0.5), bodies=20)
    by_codec = {name: [row.value for row in rows if row.codec == name] for name in ("orjson", "protobuf")}
    operations = [row.operation for row in rows]
    assert operations[:2] == operations[2:] and {row.metric for row in rows} == {"hit-rate"}
    assert all(light > heavy for light, heavy in zip(by_codec["protobuf"], by_codec["orjson"], strict=True))


@pytest.mark.parametrize("wrong", [{"keys": 0}, {"requests": 0}, {"exponent": -1}, {"exponent": float("nan")}])
def test_wrong_popularity_is_refused(wrong: dict[str, float]) -> None:
    """Before anything is drawn."""
    with pytest.raises(ServiceError, match="popularity"):
        Popularity(**wrong)  # type: ignore[arg-type]


@needs_redis
def test_costs_have_a_row_for_every_part() -> None:
    """And a hit costs at least its get, on every backend."""
    rows = costs.experiment(codecs=("orjson", "protobuf"))
    figures = {(row.codec, row.operation): row.value for row in rows}
    parts = {f"cache/{backend}/{what}" for backend in costs.BACKENDS for what in ("get", "hit", "put")}
    for codec in ("orjson", "orjson" + CONTROL, "protobuf"):
        assert {operation for name, operation in figures if name == codec} == parts | {"cache/decode"}
    assert figures["", "cache/key"] > 0
    assert all(row.codec_version for row in rows if row.codec) and {row.unit for row in rows} == {"ns"}
    assert figures["protobuf", "cache/memory/hit"] > figures["protobuf", "cache/memory/get"]
    assert figures["orjson", "cache/redis/get"] > 2 * figures["orjson", "cache/memory/get"]
