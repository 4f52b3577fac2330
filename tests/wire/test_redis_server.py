"""The cache in Redis: a real server on loopback."""

import asyncio
from typing import Any
from urllib.parse import urlparse

import pytest

from serlab import codecs
from serlab.errors import DecodeError, MissingPackageError, ServiceError
from serlab.wire.cache import Cache
from serlab.wire.cache.redis_process import free_port, redis_server
from serlab.wire.cache.redis_store import CONNECTIONS, RedisBackend
from tests.conftest import PATIENCE_S
from tests.wire.cachehelpers import Clock, answer, cache_on, needs_redis
from tests.wire.helpers import HELLO, bounded, until

pytestmark = needs_redis


def backend_at(url: str, **options: Any) -> RedisBackend:
    """Make a backend that is patient with a busy machine."""
    return RedisBackend(url, **({"timeout_s": PATIENCE_S} | options))


def port_of(url: str) -> int:
    """Read the port of a URL."""
    return urlparse(url).port or 0


def test_an_answer_comes_back_and_two_clients_share_it() -> None:
    """That is what Redis is for."""

    async def use(url: str) -> None:
        first, second = cache_on(backend_at(url)), cache_on(backend_at(url))
        key = first.key(HELLO)
        assert await second.get(key) is None
        await first.put(key, answer())
        assert await second.get(key) == answer()
        await second.backend.delete(key)
        assert await first.get(key) is None
        assert first.counts()["failed"] == second.counts()["failed"] == 0
        await first.close()
        await second.close()

    with redis_server() as url:
        bounded(use(url))


def test_what_somebody_else_put_there_goes_the_way_of_all_bytes_from_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `decode_untrusted` made to raise, a whole entry is a corrupt one."""

    def refuse(codec: Any, data: bytes) -> Any:
        raise DecodeError("planted: no message")

    async def use(url: str) -> None:
        cache = cache_on(backend_at(url))
        key = cache.key(HELLO)
        await cache.put(key, answer())
        monkeypatch.setattr(codecs, "decode_untrusted", refuse)
        assert await cache.get(key) is None
        assert (cache.stats.corrupt, cache.stats.hits, cache.counts()["failed"]) == (1, 0, 0)
        await cache.close()

    with redis_server() as url:
        bounded(use(url))


def test_an_answer_outlives_a_step_back_of_the_clock_but_not_for_ever() -> None:
    """The first get after the step writes the new time, there too; two caches whose clocks differ agree by then."""

    async def use(url: str) -> None:
        clock = Clock()
        clock.now = 2e9
        first, second = (cache_on(backend_at(url), ttl_s=1000, clock=clock) for _ in range(2))
        key = first.key(HELLO)
        await first.put(key, answer())
        clock.now -= 1e9
        assert await second.get(key) == answer()
        clock.now += 1001
        assert await first.get(key) is None
        assert first.stats.expired == 1 and second.stats.expired == 0
        left_ms = await first.backend.client.pttl(first.backend.prefix + key)
        assert left_ms == -2, "an expired entry was not deleted"
        await first.close()
        await second.close()

    with redis_server() as url:
        bounded(use(url))


def test_redis_stopped_and_restarted_is_misses_and_no_errors() -> None:
    """Before, while it is away and after; puts that went nowhere are no errors either."""
    port = free_port()

    async def use() -> None:
        cache = cache_on(backend_at(f"redis://127.0.0.1:{port}", rest_s=0.05))
        key = cache.key(HELLO)
        for round_ in range(3):
            with redis_server(port=port):
                await asyncio.sleep(0.06)
                assert await cache.get(key) is None, round_
                await cache.put(key, answer())
                assert await cache.get(key) == answer()
            for _ in range(5):
                assert await cache.get(key) is None
                await cache.put(key, answer())
        assert (cache.stats.hits, cache.stats.misses, cache.stats.corrupt) == (3, 18, 0)
        assert cache.counts()["failed"] == 30
        await cache.close()

    bounded(use())


def test_many_requests_at_once_outlive_a_restart() -> None:
    """Tasks that are in the middle of a call when the server goes get misses; afterwards they hit again."""
    port = free_port()

    async def ask(cache: Cache, text: str, enough: asyncio.Event) -> None:
        key = cache.key({"text": text})
        while not enough.is_set():
            found = await cache.get(key)
            assert found in (None, answer(text))
            if found is None:
                await cache.put(key, answer(text))
                await asyncio.sleep(0.005)

    async def use() -> None:
        cache, enough = cache_on(backend_at(f"redis://127.0.0.1:{port}", rest_s=0.02)), asyncio.Event()
        with redis_server(port=port):
            asking = [asyncio.create_task(ask(cache, str(i), enough)) for i in range(8)]
            assert await until(lambda: cache.stats.hits > 100)
        missed = cache.stats.misses
        assert await until(lambda: cache.stats.misses > missed + 8 and cache.counts()["failed"] > 8)
        hit = cache.stats.hits
        with redis_server(port=port):
            assert await until(lambda: cache.stats.hits > hit + 100)
            enough.set()
            await asyncio.gather(*asking)
        assert cache.stats.corrupt == 0
        await cache.close()

    bounded(use())


def test_a_server_that_does_not_answer_costs_little_time() -> None:
    """One that accepts and says nothing, as over a broken network: until it has rested, only the first waits."""
    asked = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            asked.append(data)
        writer.close()

    async def use() -> None:
        silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        clock = Clock()
        cache = cache_on(backend_at(f"redis://127.0.0.1:{port}", timeout_s=0.5, rest_s=5, clock=clock))
        assert await cache.get(cache.key(HELLO)) is None
        assert await until(lambda: asked)
        before = len(asked)
        for _ in range(99):
            assert await cache.get(cache.key(HELLO)) is None
        assert cache.counts()["failed"] == 100 and len(asked) == before
        clock.now += 5
        assert await cache.get(cache.key(HELLO)) is None
        assert await until(lambda: len(asked) > before)
        await cache.close()
        silent.close()
        await asyncio.sleep(0.01)

    bounded(use())


@pytest.mark.parametrize("says", [b"$abc\r\n", b":x\r\n", b"*1\r\n" * 5000 + b":1\r\n", b"%1\r\n*0\r\n+b\r\n"])
def test_an_answer_that_is_none_is_a_counted_failure(says: bytes) -> None:
    """Lengths and numbers that are none, arrays without end, a map whose key cannot be one."""

    async def rave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            writer.write(says)
        writer.close()

    async def use() -> None:
        raving = await asyncio.start_server(rave, "127.0.0.1", 0)
        cache = cache_on(backend_at(f"redis://127.0.0.1:{raving.sockets[0].getsockname()[1]}"))
        assert await cache.get(cache.key(HELLO)) is None
        assert cache.counts()["failed"] == 1
        await cache.close()
        raving.close()

    bounded(use())


def test_a_burst_of_requests_is_no_failure() -> None:
    """Whoever finds all connections taken waits for one; no more are opened than the bound."""

    async def use(url: str) -> None:
        backend = backend_at(url)
        await backend.put(b"k" * 32, b"value")
        assert await asyncio.gather(*(backend.get(b"k" * 32) for _ in range(1_000))) == [b"value"] * 1_000
        assert backend.stats.failed == 0
        assert (await backend.client.info("clients"))["connected_clients"] <= CONNECTIONS
        await backend.close()

    with redis_server() as url:
        bounded(use(url))


def test_a_cancelled_call_does_not_spoil_the_next_ones() -> None:
    """Its answer must not be read as another's."""

    async def use(url: str) -> None:
        cache = cache_on(backend_at(url))
        keys = [cache.key({"i": i}) for i in range(20)]
        for i, key in enumerate(keys):
            await cache.put(key, answer(str(i)))
        for wait in (0, 0.00005, 0.0001, 0.0005) * 10:
            tasks = [asyncio.create_task(cache.get(key)) for key in keys]
            await asyncio.sleep(wait)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert [await cache.get(key) for key in keys] == [answer(str(i)) for i in range(20)]
        assert cache.stats.corrupt == 0
        await cache.close()

    with redis_server() as url:
        bounded(use(url))


def test_damage_in_redis_is_a_counted_miss() -> None:
    """Somebody else wrote there, even another type of value."""

    async def use(url: str) -> None:
        backend = backend_at(url)
        cache = cache_on(backend)
        key = cache.key(HELLO)
        await backend.client.set(backend.prefix + key, b"rubbish")
        assert await cache.get(key) is None and cache.stats.corrupt == 1
        await backend.client.lpush(backend.prefix + key, b"a list")
        assert await cache.get(key) is None and backend.stats.refused == 1
        await cache.close()

    with redis_server() as url:
        bounded(use(url))


def test_the_bound_is_the_servers_and_evictions_are_counted() -> None:
    """A server with room for few answers evicts, and the newest are there."""

    async def use(url: str) -> None:
        cache = cache_on(backend_at(url))
        for i in range(600):
            await cache.put(cache.key({"i": i}), answer("x" * 10_000))
        assert await cache.get(cache.key({"i": 599})) == answer("x" * 10_000)
        assert await cache.backend.read_evictions() > 100  # type: ignore[attr-defined]
        assert cache.counts()["evicted"] > 100 and cache.counts()["refused"] == 0
        await cache.close()

    with redis_server(capacity_bytes=4 << 20) as url:
        bounded(use(url))


def test_redis_forgets_an_answer_when_its_time_is_over() -> None:
    """The server does it, so nobody needs to ask for it."""

    async def use(url: str) -> None:
        backend = backend_at(url)
        cache = cache_on(backend, ttl_s=3)
        key = cache.key(HELLO)
        await cache.put(key, answer())
        assert await cache.get(key) == answer()
        assert 0 < await backend.client.pttl(backend.prefix + key) <= 3000
        while await backend.client.exists(backend.prefix + key):
            await asyncio.sleep(0.05)
        assert await cache.get(key) is None
        await cache.close()

    with redis_server() as url:
        bounded(use(url))


def test_a_port_in_use_is_told() -> None:
    """The server that is there is not mistaken for the one that was asked for."""
    with redis_server() as url, pytest.raises(ServiceError, match="did not start"), redis_server(port=port_of(url)):
        pass


def test_a_missing_program_is_answered_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the package."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPackageError, match="apt-get install redis-server"), redis_server():
        pass
