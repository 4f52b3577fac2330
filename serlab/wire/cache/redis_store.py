"""Entries in Redis, for caches that several processes or machines share.

A cache must not make a service worse than none. What fails is a miss, and after a failure Redis is left alone for
`rest_s`, so that a dead or hanging one costs most requests nothing. A connection that died while it was idle is no
failure: the command is sent again, at once, over a new one.

At most `CONNECTIONS` commands are under way, the others wait here. redis-py's own pool refuses what is beyond its
bound (100): a burst of 1,000 requests would be 900 failures of a Redis that is well.

The bound is the server's: `maxmemory` with the policy `allkeys-lru` (see `serlab.wire.cache.redis_process`). A
server that is full and evicts nothing refuses entries, which is counted.

Source: Redis's documentation (SET, key eviction); redis-py's documentation (retries).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from serlab.errors import MissingPackageError
from serlab.wire.cache.cache import BackendStats

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import ResponseError
except ModuleNotFoundError as error:
    raise MissingPackageError("a cache in Redis needs redis: pip install 'serlab[service]'") from error

TIMEOUT_S = 0.5
"""Short against a model's answer, long against what an event loop stalls: the time runs then too."""
REST_S = 2.0
"""Long against the timeout, so that while Redis hangs most requests do not wait for it."""
CONNECTIONS = 16
"""One process fills no more: a command takes Redis microseconds and Python a hundred."""


class RedisBackend:
    """A backend: a Redis server, for one event loop.

    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` with TLS, or `unix://PATH`.
        timeout_s: how long each may take, a connection and an answer.
        rest_s: how long Redis is left alone after a failure.
        prefix: of the keys.
        clock: gives seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        rest_s: float = REST_S,
        prefix: bytes = b"serlab:",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        self.client: Any = Redis.from_url(url, retry=retry, max_connections=CONNECTIONS, **options)
        self.turns = asyncio.Semaphore(CONNECTIONS)
        self.rest_s, self.prefix, self.clock = rest_s, prefix, clock
        self.rests_until = 0.0
        self.stats = BackendStats()

    async def get(self, key: bytes) -> bytes | None:
        """Return an entry; None where there is none or Redis does not answer."""
        found = await self.ask("GET", self.prefix + key)
        return found if isinstance(found, bytes) else None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float = 0) -> None:
        """Keep an entry; Redis itself forgets it when its time is over."""
        time_to_live = ("PX", max(1, round(ttl_s * 1000))) if ttl_s else ()
        await self.ask("SET", self.prefix + key, sealed, *time_to_live)

    async def delete(self, key: bytes) -> None:
        """Forget an entry."""
        await self.ask("UNLINK", self.prefix + key)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def ask(self, *command: Any) -> Any:
        """Send a command; None where it fails, which is counted."""
        async with self.turns:
            if self.clock() >= self.rests_until:
                return await self.send(*command)
        self.stats.failed += 1
        return None

    async def send(self, *command: Any) -> Any:
        """Send a command now; None where it fails."""
        try:
            return await self.client.execute_command(*command)
        except ResponseError:
            # It answers, but not as wished: it is full (OOM), or still loading.
            self.stats.refused += 1
        except Exception:
            # Also what redis-py raises at bytes that are no answer: ValueError, RecursionError and others.
            self.stats.failed += 1
            self.rests_until = self.clock() + self.rest_s
        return None

    async def read_evictions(self) -> int:
        """Ask the server how many keys, anybody's, it has evicted since it started, and note that in the counters."""
        found = await self.ask("INFO", "stats")
        self.stats.evicted = int(found.get("evicted_keys", 0)) if isinstance(found, dict) else self.stats.evicted
        return self.stats.evicted
