"""Hit rate against capacity, and what a cache costs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from serlab import workloads
from serlab.cases import CONTROL, FLOOR
from serlab.errors import ServiceError
from serlab.measure.job import Record
from serlab.measure.process import PassingError
from serlab.measure.wire import METRICS
from serlab.wire.cache import Cache, redis_server
from serlab.wire.experiments import base, cache, run
from serlab.wire.experiments import cache_costs as costs
from serlab.wire.experiments.cache_costs import Popularity, curves, hit_rate
from tests.support.jobs import wire_job
from tests.wire.cachehelpers import EMBEDDED, RESPONSE, Figures, answer, arms_in, measured, needs_redis
from tests.wire.helpers import bounded

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


def test_the_curve_has_a_rate_for_every_codec_and_capacity() -> None:
    """All codecs get the same bytes, so the one with fewer bytes an answer hits more, until all of them fit."""
    encoded = {"heavy": [bytes(300)], "light": [bytes(200), bytes(100)], "again": [bytes(300)]}
    found = list(curves(encoded, Popularity(keys=200, requests=4_000), (0.05, 0.5, 1.0)))
    rates = {name: [rate for one, _, rate in found if one == name] for name in encoded}
    assert [share for _, share, _ in found] == [0.05, 0.5, 1.0] * 3
    assert rates["heavy"] == rates["again"] == sorted(rates["heavy"])
    assert all(light > heavy for light, heavy in zip(rates["light"][:2], rates["heavy"][:2], strict=True))
    assert rates["light"][2] == rates["heavy"][2]


@pytest.mark.parametrize("wrong", [{"keys": 0}, {"requests": 0}, {"exponent": -1}, {"exponent": float("nan")}])
def test_wrong_popularity_is_refused(wrong: dict[str, float]) -> None:
    """Before anything is drawn."""
    with pytest.raises(ServiceError, match="popularity"):
        Popularity(**wrong)  # type: ignore[arg-type]


BACKENDS = [pytest.param(name, marks=needs_redis if name == "redis" else ()) for name in costs.BACKENDS]
CODECS = ["orjson", "protobuf"]


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Run the experiment once."""
    return measured("cache", "chat-response", CODECS)[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_costs_have_a_row_for_every_part(backend: str, figures: Figures) -> None:
    """The baseline twice, and bytes alone beside what codes them."""
    arms = {"orjson", "orjson" + CONTROL, "protobuf", "orjson+zstd", "protobuf+zstd"}
    assert arms_in(figures, f"wire/cache/{backend}/get") == arms
    assert arms_in(figures, f"wire/cache/{backend}/hit") == arms_in(figures, f"wire/cache/{backend}/put")
    assert arms_in(figures, f"wire/cache/{backend}/hit") == arms | {FLOOR + "bytes"}


def test_key_decode_call_and_hit_rates_have_their_rows(figures: Figures) -> None:
    """No group is without its A/A, and every figure is above 0."""
    codecs = {"orjson", "orjson" + CONTROL, "protobuf"}
    arms = codecs | {"orjson+zstd", "protobuf+zstd"}
    assert arms_in(figures, "wire/cache/key") == {"key", "key" + CONTROL, FLOOR + "sha-256"}
    assert arms_in(figures, "wire/cache/decode") == arms
    assert arms_in(figures, "wire/cache/call") == codecs | {FLOOR + "bytes"}
    for share in (1, 10, 20, 50, 100):
        assert arms_in(figures, f"wire/cache/hits/capacity={share}%", "hit-rate") == arms
    assert all(value > 0 for value in figures.values())
    assert {metric for _, metric, _ in figures} <= METRICS.keys()
    assert not [operation for operation, _, _ in figures if " " in operation]


def test_a_hit_costs_more_than_its_get_and_less_than_a_call(figures: Figures) -> None:
    """On any machine: it decodes besides, and asks no other process."""
    hit, call = figures["wire/cache/memory/hit", "latency", "protobuf"], figures["wire/cache/call", "latency", "orjson"]
    assert figures["wire/cache/memory/get", "latency", "protobuf"] < hit < call


def test_the_second_draw_of_the_baseline_hits_as_often(figures: Figures) -> None:
    """A count has no noise; the codec with fewer bytes hits more, until all answers fit."""
    for share in (1, 50):
        rates = {arm: figures[f"wire/cache/hits/capacity={share}%", "hit-rate", arm] for arm in ("orjson", "protobuf")}
        again = figures[f"wire/cache/hits/capacity={share}%", "hit-rate", "orjson" + CONTROL]
        assert rates["orjson"] == again < rates["protobuf"]


def test_compressed_answers_hit_more_and_cost_their_compression(figures: Figures) -> None:
    """What zstd takes is in the hit and in the put, not beside them."""
    for codec in ("orjson", "protobuf"):
        rates = [figures["wire/cache/hits/capacity=10%", "hit-rate", arm] for arm in (codec, f"{codec}+zstd")]
        assert rates[0] < rates[1]
    for part in ("memory/put", "decode"):
        plain, compressed = (figures[f"wire/cache/{part}", "latency", arm] for arm in ("orjson", "orjson+zstd"))
        assert plain < compressed


def test_recorded_answers_are_cached_as_they_are() -> None:
    """Also a single one."""
    document = workloads.documents("tool-call-response")[0]
    changes: dict[str, Any] = {"kind": "ChatResponse", "documents": [document], "process": 1}
    figures, _ = measured("cache", "mine.jsonl", ["msgpack"], **changes)
    assert arms_in(figures, "wire/cache/lmdb/get") == {"msgpack", "msgpack" + CONTROL, "msgpack+zstd"}


def test_a_redis_that_is_not_installed_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it, once a run; the other backends are measured."""
    monkeypatch.setenv("PATH", "/nowhere")
    figures, findings = measured("cache", "chat-response", ["orjson"])
    backends = {operation.split("/")[2] for operation, _, _ in figures}
    assert backends == {"key", "decode", "memory", "lmdb", "call", "hits"}
    assert [found.outcome for found in findings] == ["refused"]
    assert "apt-get install redis-server" in findings[0].reason


def test_an_answer_that_does_not_come_back_stops_the_experiment() -> None:
    """Before anything is timed."""
    lossy = replace(RESPONSE, convert=lambda data: answer("red"))
    with pytest.raises(ServiceError, match="expected the answer that was put"):
        bounded(costs.fill("memory", Cache(EMBEDDED["memory"](1 << 20), lossy), [answer()], [b""]))


@needs_redis
def test_a_redis_that_dies_while_it_is_timed_leaves_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failures would be the fastest hits of all; the worker is started again."""
    stop, sent = ExitStack(), list[Record]()

    @contextmanager
    def mortal(capacity: int) -> Iterator[str]:
        yield stop.enter_context(redis_server(capacity))

    def timed(*given: Any) -> None:
        stop.close()
        base.timed(*given)

    monkeypatch.setattr(costs, "redis_server", mortal)
    monkeypatch.setattr(cache, "timed", timed)
    with pytest.raises(PassingError, match=r"cache in redis: expected hits alone while it was timed, got .* failed"):
        run(wire_job("cache", "chat-response", ["orjson"]), sent.append)
    assert not sent
