"""A cache of answers in front of a model, and what it costs.

- `Cache`: get, put, time to live, counters, over a backend. Which requests are the same is `key_of`; an answer is kept
  with a seal, so that a damaged one is a miss. `Compressed`: a codec whose bytes are kept compressed.
- `Bounded(MemoryStore(), …)` and `Bounded(LmdbStore(…), …)` inside the process, `RedisBackend` between processes.

The modules of LMDB and Redis are imported when they are asked for, since each needs its package.
"""

from typing import TYPE_CHECKING

from serlab.doors import front_door
from serlab.wire.cache.cache import (
    IGNORED,
    Backend,
    BackendStats,
    Bounded,
    Cache,
    CacheStats,
    Compressed,
    MemoryStore,
    Store,
    key_of,
)

if TYPE_CHECKING:
    from serlab.wire.cache.cache import NEVER, Entry, seal
    from serlab.wire.cache.lmdb_store import LmdbStore
    from serlab.wire.cache.redis_process import find_redis_server, redis_server
    from serlab.wire.cache.redis_store import RedisBackend

__getattr__ = front_door(__name__)

__all__ = [
    "IGNORED",
    "NEVER",
    "Backend",
    "BackendStats",
    "Bounded",
    "Cache",
    "CacheStats",
    "Compressed",
    "Entry",
    "LmdbStore",
    "MemoryStore",
    "RedisBackend",
    "Store",
    "find_redis_server",
    "key_of",
    "redis_server",
    "seal",
]
