"""The cache in Redis: a real server on loopback."""

import asyncio
import time
from urllib.parse import urlparse

import pytest

from serlab.errors import MissingPackageError, ServiceError
from serlab.service.cache.redisserver import free_port, redis_server
from serlab.service.cache.redisstore import CONNECTIONS, RedisBackend
from tests.service.cachehelpers import answer, cache_on, needs_redis
from tests.service.helpers import HELLO, bounded

pytestmark = needs_redis


def port_of(url: str) -> int:
    """Read the port of a URL."""
    return urlparse(url).port or 0


def test_an_answer_comes_back_and_two_clients_share_it() -> None:
    """That is what Redis is for."""

    async def use(url: str) -> None:
        first, second = cache_on(RedisBackend(url)), cache_on(RedisBackend(url))
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


def test_redis_stopped_and_restarted_is_misses_and_no_errors() -> None:
    """Before, while it is away and after; puts that went nowhere are no errors either."""
    port = free_port()

    async def use() -> None:
        cache = cache_on(RedisBackend(f"redis://127.0.0.1:{port}", rest_s=0.05, timeout_s=5))
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

    async def ask(cache: object, text: str, until: float) -> int:
        hits, key = 0, cache.key({"text": text})  # type: ignore[attr-defined]
        while time.monotonic() < until:
            found = await cache.get(key)  # type: ignore[attr-defined]
            assert found in (None, answer(text))
            hits += found is not None
            if found is None:
                await cache.put(key, answer(text))  # type: ignore[attr-defined]
                await asyncio.sleep(0.005)
        return hits

    async def use() -> None:
        cache = cache_on(RedisBackend(f"redis://127.0.0.1:{port}", rest_s=0.02))
        asking = []
        with redis_server(port=port):
            asking = [asyncio.create_task(ask(cache, str(i), time.monotonic() + 1.2)) for i in range(8)]
            await asyncio.sleep(0.3)
            before = cache.stats.hits
        await asyncio.sleep(0.1)
        with redis_server(port=port):
            await asyncio.gather(*asking)
        assert before > 0 and cache.stats.hits > before and cache.stats.misses > 8
        assert cache.stats.corrupt == 0 and cache.counts()["failed"] > 0
        await cache.close()

    bounded(use())


def test_a_server_that_does_not_answer_costs_little_time() -> None:
    """One that accepts and says nothing, as over a broken network: the first request waits, the others do not."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            continue
        writer.close()

    async def use() -> None:
        silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        cache = cache_on(RedisBackend(f"redis://127.0.0.1:{port}", timeout_s=0.05, rest_s=5))
        start = time.monotonic()
        for _ in range(100):
            assert await cache.get(cache.key(HELLO)) is None
        assert time.monotonic() - start < 2
        assert cache.counts()["failed"] == 100
        await cache.close()
        silent.close()
        await asyncio.sleep(0.01)

    bounded(use())


def test_a_burst_of_requests_is_no_failure() -> None:
    """Whoever finds all connections taken waits for one; no more are opened than the bound."""

    async def use(url: str) -> None:
        backend = RedisBackend(url, timeout_s=5)
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
        cache = cache_on(RedisBackend(url))
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
        backend = RedisBackend(url)
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
        cache = cache_on(RedisBackend(url))
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
        backend = RedisBackend(url)
        cache = cache_on(backend, ttl_s=0.5)
        key = cache.key(HELLO)
        await cache.put(key, answer())
        assert await cache.get(key) == answer()
        await asyncio.sleep(0.7)
        assert await backend.client.exists(backend.prefix + key) == 0
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
