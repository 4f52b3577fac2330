"""The cache inside one process: memory and LMDB."""

import asyncio
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard

from serlab import workloads
from serlab.codecs import open_codec, verifying_codecs
from serlab.errors import DecodeError, ServiceError, UnknownNameError
from serlab.limits import DEFAULT_LIMITS
from serlab.wire.cache import Bounded, Cache, Compressed, MemoryStore
from serlab.wire.cache.cache import Entry, seal
from serlab.wire.cache.lmdb_store import LmdbStore
from serlab.wire.now import now
from tests.wire.cachehelpers import EMBEDDED, Clock, answer, cache_on
from tests.wire.helpers import HELLO, bounded


@pytest.fixture(params=list(EMBEDDED))
def backend(request: pytest.FixtureRequest) -> Iterator[Bounded]:
    """Give each backend with room for 1 MB."""
    made = EMBEDDED[request.param](1 << 20)
    yield made
    now(made.close())


@pytest.mark.parametrize("name", verifying_codecs())
def test_an_answer_comes_back_through_every_codec(backend: Bounded, name: str) -> None:
    """As bytes as they were put, and as a message."""
    given = workloads.build("chat-response")[0]
    cache = Cache(backend, open_codec(name, "ChatResponse"))
    key = cache.key(HELLO)

    async def use() -> None:
        assert await cache.get(key) is None
        await cache.put(key, given)
        assert await cache.get(key) == given
        assert await cache.get_raw(key) == cache.codec.encode(given)

    bounded(use())
    assert cache.counts() == {
        "hits": 2, "misses": 1, "corrupt": 0, "expired": 0, "evicted": 0, "refused": 0, "failed": 0
    }  # fmt: skip


@pytest.mark.parametrize("wrapped", [lambda codec: codec, Compressed])
def test_a_codec_that_trusts_its_bytes_is_refused(backend: Bounded, wrapped: Any) -> None:
    """What is in a backend, others may have put there."""
    with pytest.raises(UnknownNameError, match="verifies"):
        Cache(backend, wrapped(open_codec("flatbuffers-unverified", "ChatResponse")))


@pytest.mark.parametrize("name", ["orjson", "protobuf"])
def test_an_answer_that_is_kept_compressed_comes_back_and_takes_less_room(backend: Bounded, name: str) -> None:
    """Under a key of its own, so that no cache without compression reads it."""
    given, codec = workloads.build("chat-response")[0], open_codec(name, "ChatResponse")
    plain, small = Cache(backend, codec), Cache(backend, Compressed(codec))

    async def use() -> None:
        await small.put(small.key(HELLO), given)
        assert await small.get(small.key(HELLO)) == given
        assert await plain.get(plain.key(HELLO)) is None
        assert len(await small.get_raw(small.key(HELLO)) or b"") < len(codec.encode(given))

    bounded(use())


def test_bytes_that_are_no_compressed_answer_are_a_miss(backend: Bounded) -> None:
    """Not compressed, cut, or with something behind them: counted as corrupt, and gone."""
    codec = Compressed(open_codec("orjson", "ChatResponse"))
    cache, whole = Cache(backend, codec), codec.encode(workloads.build("chat-response")[0])

    async def use() -> None:
        for wrong in (b"{}", b"", whole[:-3], whole + b"x"):
            await cache.put_raw(cache.key(HELLO), wrong)
            assert await cache.get(cache.key(HELLO)) is None
            assert await cache.get_raw(cache.key(HELLO)) is None

    bounded(use())
    assert cache.stats.corrupt == 4


@pytest.mark.parametrize("size", [DEFAULT_LIMITS.max_bytes + 1, DEFAULT_LIMITS.allowance(5000)])
def test_a_small_entry_that_would_become_a_huge_one_is_refused(size: int) -> None:
    """By what the frame says, before anything is decompressed: it grows no more than a message of its length may."""
    bomb = zstandard.compress(bytes(size))
    with pytest.raises(DecodeError, match=r"orjson\+zstd: limit max_bytes"):
        Compressed(open_codec("orjson", "ChatResponse")).decode(bomb)


def test_caches_of_two_codecs_share_a_backend(backend: Bounded) -> None:
    """The codec is part of the key, so neither reads the other's bytes."""
    caches = [Cache(backend, open_codec(name, "ChatResponse")) for name in ("orjson", "protobuf")]
    for cache in caches:
        now(cache.put(cache.key(HELLO), answer(cache.codec.name)))
    for cache in caches:
        assert now(cache.get(cache.key(HELLO))) == answer(cache.codec.name)


@pytest.mark.parametrize("place", [0, 5, 9, 17, 23, 24, 60, -1])
def test_a_flipped_bit_is_a_counted_miss(backend: Bounded, place: int) -> None:
    """Wherever it is: the length, the checks, the expiry, the answer. The entry goes, and can be put again."""
    cache = cache_on(backend)
    key = cache.key(HELLO)
    now(cache.put(key, answer()))
    damaged = bytearray(backend.store.get(key) or b"")
    damaged[place] ^= 4
    backend.store.put(key, bytes(damaged), [])
    assert now(cache.get(key)) is None and now(cache.get_raw(key)) is None
    assert (cache.stats.corrupt, cache.stats.misses, cache.stats.hits) == (1, 2, 0)
    now(cache.put(key, answer()))
    assert now(cache.get(key)) == answer()


@pytest.mark.parametrize("data", [b"", b"short", b"\0" * 16, b"\xff" * 100])
def test_rubbish_is_a_counted_miss(backend: Bounded, data: bytes) -> None:
    """What is no frame at all."""
    cache = cache_on(backend)
    key = cache.key(HELLO)
    now(backend.put(key, data))
    assert now(cache.get(key)) is None
    assert cache.stats.corrupt == 1


def test_a_whole_entry_under_another_key_is_a_counted_miss(backend: Bounded) -> None:
    """What a client would give that mixes up two answers: the checksum is bound to the key."""
    cache = cache_on(backend)
    mine, other = cache.key(HELLO), cache.key({"another": 1})
    now(cache.put(other, answer("for somebody else")))
    now(backend.put(mine, backend.store.get(other) or b""))
    assert now(cache.get_raw(mine)) is None
    assert cache.stats.corrupt == 1
    assert now(cache.get(other)) == answer("for somebody else")


def test_whole_bytes_that_are_no_message_are_a_counted_miss(backend: Bounded) -> None:
    """As an older version of serlab may have left them."""
    cache = cache_on(backend)
    key = cache.key(HELLO)
    now(backend.put(key, seal(key, Entry(b'{"id": ', 0))))
    assert now(cache.get(key)) is None
    assert cache.counts()["corrupt"] == 1 and now(backend.get(key)) is None


def test_an_answer_expires(backend: Bounded) -> None:
    """At its time, not before; then it is deleted."""
    clock = Clock()
    cache = cache_on(backend, ttl_s=10, clock=clock)
    key = cache.key(HELLO)
    now(cache.put(key, answer()))
    clock.now += 9.9
    assert now(cache.get(key)) == answer()
    clock.now += 0.2
    assert now(cache.get(key)) is None
    assert cache.stats.expired == 1 and not backend.order


YEAR_S = 365 * 86_400.0


@pytest.mark.parametrize("back_s", [5.0, 3600.0, 50 * YEAR_S])
def test_a_clock_that_is_set_back_ends_no_entry_and_lengthens_none_by_more_than_its_time(
    backend: Bounded, back_s: float
) -> None:
    """Nor does one that goes on going back."""
    clock = Clock()
    clock.now = begin = 60 * YEAR_S
    cache = cache_on(backend, ttl_s=10, clock=clock)
    key = cache.key(HELLO)
    now(cache.put(key, answer()))
    clock.now -= back_s
    assert now(cache.get(key)) == answer()
    clock.now += 9.9
    assert now(cache.get_raw(key)) is not None
    clock.now += 5.2
    assert now(cache.get(key)) is None
    assert cache.stats.expired == 1 and clock.now < begin + 20


def test_a_clock_that_is_set_forward_costs_misses_only(backend: Bounded) -> None:
    """What is put after it lives as long as anything."""
    clock = Clock()
    cache = cache_on(backend, ttl_s=10, clock=clock)
    key = cache.key(HELLO)
    now(cache.put(key, answer()))
    clock.now += YEAR_S
    assert now(cache.get(key)) is None and cache.stats.expired == 1
    now(cache.put(key, answer()))
    clock.now += 9.9
    assert now(cache.get(key)) == answer()


def test_an_entry_in_a_file_outlives_a_restart_and_a_step_back_between(tmp_path: Path) -> None:
    """And is gone `ttl_s` after the first get, however far the clock went back."""
    clock = Clock()
    clock.now = 60 * YEAR_S
    for round_, step_s in enumerate((0.0, -YEAR_S, 9.9, 0.2)):
        clock.now += step_s
        cache = cache_on(Bounded(LmdbStore(1 << 20, tmp_path), 1 << 20), ttl_s=10, clock=clock)
        key = cache.key(HELLO)
        if not round_:
            now(cache.put(key, answer()))
        assert (now(cache.get(key)) is None) == (round_ == 3), round_
        now(cache.close())


def test_the_shortest_time_counts_of_caches_that_share_entries(backend: Bounded) -> None:
    """A year or for ever for the one is ten seconds for the other, from its first read."""
    clock = Clock()
    long, short, endless = (cache_on(backend, ttl_s=ttl_s, clock=clock) for ttl_s in (YEAR_S, 10, 0))
    key = long.key(HELLO)
    now(long.put(key, answer()))
    assert now(endless.get(key)) == now(short.get(key)) == answer()
    clock.now += 10.1
    assert now(endless.get(key)) is None
    now(endless.put(key, answer()))
    clock.now += YEAR_S
    assert now(short.get(key)) == answer()
    clock.now += 9.9
    assert now(short.get(key)) == answer()
    clock.now += 0.2
    assert now(short.get(key)) is None


def test_the_bound_holds_and_the_oldest_use_goes_first(backend: Bounded) -> None:
    """A get is a use."""
    backend.capacity = 10 * (32 + 1000)
    keys = [bytes([i]) * 32 for i in range(12)]
    for key in keys[:10]:
        now(backend.put(key, bytes(1000)))
    now(backend.get(keys[0]))
    for key in keys[10:]:
        now(backend.put(key, bytes(1000)))
        assert backend.used <= backend.capacity
    assert [key for key in keys if now(backend.get(key)) is None] == keys[1:3]
    assert backend.stats.evicted == 2
    assert {key for key, _ in backend.store.sizes()} == set(backend.order)


def test_used_bytes_are_right_after_any_sequence(backend: Bounded) -> None:
    """Puts over each other, deletes and refusals, against a count from scratch."""
    random = Random(1)
    backend.capacity = 20_000
    for _ in range(2_000):
        key = bytes([random.randrange(40)]) * 32
        if random.random() < 0.2:
            now(backend.delete(key))
        else:
            now(backend.put(key, random.randbytes(random.choice([0, 10, 3_000, 30_000]))))
    stored = dict(backend.store.sizes())
    assert stored.keys() == backend.order.keys()
    assert backend.used == sum(len(key) + size for key, size in stored.items()) <= 20_000
    assert backend.stats.refused > 0 and backend.stats.evicted > 0


def test_an_entry_beyond_the_capacity_is_refused_and_its_old_one_goes(backend: Bounded) -> None:
    """An old answer must not stay where a new one was given."""
    key = b"k" * 32
    now(backend.put(key, b"old"))
    now(backend.put(key, bytes(2 << 20)))
    assert now(backend.get(key)) is None
    assert backend.stats.refused == 1 and backend.used == 0


def test_threads_share_a_backend(backend: Bounded) -> None:
    """Each with an event loop of its own; nobody sees another's bytes, and the bound holds."""
    backend.capacity = 200_000

    async def use(seed: int) -> int:
        cache, random, hits = cache_on(backend), Random(seed), 0
        for _ in range(300):
            text = f"{random.randrange(60)} " * 500
            key = cache.key({"text": text})
            found = await cache.get(key)
            assert found is None or found == answer(text)
            hits += found is not None
            await cache.put(key, answer(text))
        assert cache.stats.corrupt == 0
        return hits

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda seed: asyncio.run(use(seed)), range(4))) > 0
    assert backend.used == sum(len(key) + size for key, size in backend.store.sizes()) <= 200_000


@pytest.mark.parametrize("wrong", [0, -1])
def test_wrong_settings_are_refused(wrong: int) -> None:
    """A bound of nothing, a time below nothing."""
    with pytest.raises(ServiceError, match="above 0"):
        Bounded(MemoryStore(), wrong)
    for ttl_s in (-1, math.inf, math.nan, 1e300):
        with pytest.raises(ServiceError, match="ttl_s"):
            cache_on(Bounded(MemoryStore(), 1), ttl_s=ttl_s)


def test_lmdb_keeps_answers_from_one_process_to_the_next(tmp_path: Path) -> None:
    """Also from one that was killed; what is there counts for the bound."""
    code = f"""
import os
from serlab.wire.cache import Bounded, Cache
from serlab.wire.cache.lmdb_store import LmdbStore
from serlab.wire.now import now
from tests.wire.cachehelpers import answer, cache_on
from pathlib import Path
cache = cache_on(Bounded(LmdbStore(1 << 20, Path({str(tmp_path)!r})), 1 << 20))
for i in range(50):
    now(cache.put(cache.key({{"i": i}}), answer(str(i))))
os._exit(9)
"""
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False)
    assert done.returncode == 9
    cache = cache_on(Bounded(LmdbStore(1 << 20, tmp_path), 1 << 20))
    assert [now(cache.get(cache.key({"i": i}))) for i in range(50)] == [answer(str(i)) for i in range(50)]
    used = cache.backend.used  # type: ignore[attr-defined]
    now(cache.close())
    smaller = Bounded(LmdbStore(1 << 20, tmp_path), used // 2)
    assert 0 < smaller.used <= used // 2 and 20 <= smaller.stats.evicted <= 30
    now(smaller.close())


def test_damage_in_the_lmdb_file_is_a_counted_miss(tmp_path: Path) -> None:
    """Bits that flipped on the disk while nobody looked."""
    cache = cache_on(Bounded(LmdbStore(1 << 20, tmp_path), 1 << 20))
    keys = [cache.key({"i": i}) for i in range(20)]
    for key in keys:
        now(cache.put(key, answer("needle")))
    now(cache.close())
    file = tmp_path / "data.mdb"
    data = file.read_bytes()
    assert data.count(b"needle") >= 20
    file.write_bytes(data.replace(b"needle", b"noodle"))
    cache = cache_on(Bounded(LmdbStore(1 << 20, tmp_path), 1 << 20))
    assert [now(cache.get(key)) for key in keys] == [None] * 20
    assert cache.counts()["corrupt"] == 20
    now(cache.close())


def test_an_lmdb_folder_has_one_owner(tmp_path: Path) -> None:
    """A second one is told what to do; after the first has gone it may."""
    store = LmdbStore(1 << 20, tmp_path)
    with pytest.raises(ServiceError, match="in use; share a Redis"):
        LmdbStore(1 << 20, tmp_path)
    store.close()
    LmdbStore(1 << 20, tmp_path).close()


def test_a_folder_that_lmdb_cannot_use_is_refused(tmp_path: Path) -> None:
    """A file in the folder's place, and a file that is no database."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(ServiceError, match="expected a folder"):
        LmdbStore(1 << 20, tmp_path / "file")
    (tmp_path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(ServiceError, match="delete it"):
        LmdbStore(1 << 20, tmp_path)


def test_a_damaged_tree_is_told_at_the_start(tmp_path: Path) -> None:
    """Not an entry but a page that leads to entries: nothing can be listed, so the remedy is to delete it."""
    backend = Bounded(LmdbStore(1 << 20, tmp_path), 1 << 20)
    for number in range(200):
        now(backend.put(bytes([number]) * 32, bytes(300)))
    now(backend.close())
    file = tmp_path / "data.mdb"
    data = bytearray(file.read_bytes())
    # The two first pages are LMDB's meta pages; a page's flags stand 10 bytes from its start.
    for page in range(2 * 4096, len(data), 4096):
        data[page + 10 : page + 12] = b"\xff\xff"
    file.write_bytes(data)
    for _ in range(2):
        with pytest.raises(ServiceError, match="delete it"):
            Bounded(LmdbStore(1 << 20, tmp_path), 1 << 20)


@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.1, 0.01, 0.002, 0.0001])
def test_a_file_that_was_cut_short_kills_nothing(tmp_path: Path, share: float) -> None:
    """In a process of its own, which a signal would end: an error at the start, or misses; no wrong value."""
    store = LmdbStore(8 << 20, tmp_path)
    for number in range(500):
        store.put(b"%d" % number, bytes([number % 255 + 1]) * 3000, [])
    store.close()
    os.truncate(tmp_path / "data.mdb", int((tmp_path / "data.mdb").stat().st_size * share))
    code = """
import sys, lmdb
from pathlib import Path
from serlab.errors import ServiceError
from serlab.wire.cache.lmdb_store import LmdbStore
try:
    store = LmdbStore(8 << 20, Path(sys.argv[1]))
except ServiceError as error:
    sys.exit("delete it" not in str(error))
for number in range(500):
    try:
        store.get(b"%d" % number)
    except store.failures:
        pass
len(list(store.sizes()))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package, module", [("lmdb", "lmdb_store"), ("redis.asyncio", "redis_store")])
def test_a_missing_package_is_answered_with_the_install_command(package: str, module: str) -> None:
    """Only where it is needed: a cache in memory needs neither."""
    code = f"""
import sys
sys.modules[{package!r}] = None
import serlab.wire.cache
try:
    import serlab.wire.cache.{module}
except ImportError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("MissingPackageError") and "pip install 'serlab[service]'" in done.stdout


def test_a_closed_cache_misses() -> None:
    """Requests that are still under way when a service stops get no errors."""
    for make in EMBEDDED.values():
        cache = cache_on(make(1 << 20))
        key = cache.key(HELLO)
        now(cache.put(key, answer()))
        now(cache.close())
        now(cache.close())
        assert now(cache.get(key)) is None
        now(cache.backend.delete(key))


def test_a_full_lmdb_map_makes_room_and_never_raises(tmp_path: Path) -> None:
    """Pages may run out before the values add up to the capacity."""
    backend = Bounded(LmdbStore(1 << 20, tmp_path, map_bytes=1 << 20), 1 << 20)
    random = Random(1)
    keys = [random.randbytes(32) for _ in range(3_000)]
    for key in keys:
        now(backend.put(key, bytes(random.choice([100, 3_000, 60_000]))))
    assert backend.stats.evicted > 1_000
    assert {key for key, _ in backend.store.sizes()} >= set(backend.order)
    found = [now(backend.get(key)) for key in keys[-10:]]
    assert any(value is not None for value in found)
    now(backend.close())


def test_the_map_is_large_enough_for_the_capacity() -> None:
    """With entries just above the size from which they take whole pages, the worst case."""
    backend = Bounded(LmdbStore(8 << 20), 8 << 20)
    random = Random(1)
    for _ in range(20_000):
        now(backend.put(random.randbytes(32), bytes(random.choice([2_100, 4_200, 9_000]))))
    assert backend.stats.refused == backend.stats.failed == 0
    assert backend.used > 0.99 * backend.capacity
    now(backend.close())
