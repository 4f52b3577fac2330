"""Entries in Redis, for caches that several processes or machines share.

A cache must not make a service worse than none: whatever Redis does, a call ends soon (`timeout_s` for each step, and
one retry), and what fails is a miss. After a failure Redis is left alone for `rest_s`, so that a dead one costs most
requests nothing.

The bound is the server's: `maxmemory` with the policy `allkeys-lru` (see `serlab.service.cache.redisserver`). A server
that is full and evicts nothing refuses entries, which is counted.

Source: Redis's documentation (SET, key eviction); redis-py's documentation (retries).
"""

import time
from collections.abc import Callable
from typing import Any

from serlab.errors import MissingPackageError
from serlab.service.cache.backend import BackendStats

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError, ResponseError
except ModuleNotFoundError as error:
    raise MissingPackageError("a cache in Redis needs redis: pip install 'serlab[service]'") from error

REST_S = 0.5
"""Shorter than people notice, longer than hundreds of requests."""


class RedisBackend:
    """A backend: a Redis server.

    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` with TLS, or `unix://PATH`.
        timeout_s: how long a connection, and an answer, may take.
        rest_s: how long Redis is left alone after a failure.
        prefix: of the keys.
        clock: gives seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 0.25,
        rest_s: float = REST_S,
        prefix: bytes = b"serlab:",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # One retry, at once: a connection that was idle while the server restarted is dead, a new one may not be.
        options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        self.client: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 1), **options)
        self.rest_s, self.prefix, self.clock = rest_s, prefix, clock
        self.rests_until = 0.0
        self.stats = BackendStats()

    async def get(self, key: bytes) -> bytes | None:
        """Give an entry; None where there is none or Redis does not answer."""
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
        if self.clock() < self.rests_until:
            self.stats.failed += 1
            return None
        try:
            return await self.client.execute_command(*command)
        except ResponseError:
            # It answers, but not as wished: it is full (OOM), or still loading.
            self.stats.refused += 1
        except (RedisError, OSError, TimeoutError):
            self.stats.failed += 1
            self.rests_until = self.clock() + self.rest_s
        return None

    async def read_evictions(self) -> int:
        """Ask the server how many keys, anybody's, it has evicted since it started, and note that in the counters."""
        found = await self.ask("INFO", "stats")
        self.stats.evicted = int(found.get("evicted_keys", 0)) if isinstance(found, dict) else self.stats.evicted
        return self.stats.evicted
