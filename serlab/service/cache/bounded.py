"""A bound in bytes for a store inside this process: the entry that was used longest ago goes first.

Bytes are counted as keys and entries, the same for every store; what a store needs beside them comes on top.

Safe for threads and event loops: a lock is held for one look-up or one write, and nothing waits while it is held. The
methods are coroutines since those of a server are; these never give up the loop.
"""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from serlab.errors import ServiceError
from serlab.service.cache.backend import BackendStats
from serlab.service.cache.store import Store


class Bounded:
    """A backend: a store with a bound.

    Args:
        store: where values are kept; what is in it already counts, and goes before what comes.
        capacity_bytes: of keys and values together.

    Raises:
        ServiceError: the capacity is not above 0, or the store is damaged; it is closed then.
    """

    def __init__(self, store: Store, capacity_bytes: int) -> None:
        if capacity_bytes <= 0:
            raise ServiceError(f"cache: expected a capacity above 0 bytes, got {capacity_bytes}")
        self.store = store
        self.capacity = capacity_bytes
        self.stats = BackendStats()
        self.lock = Lock()
        try:
            self.order = OrderedDict((key, len(key) + size) for key, size in store.sizes())
        except store.failures as error:
            store.close()
            raise ServiceError(f"cache: cannot list what is kept: {error}; delete it and begin anew") from error
        self.used = sum(self.order.values())
        self.evict(capacity_bytes)

    async def get(self, key: bytes) -> bytes | None:
        """Give an entry; None where there is none, or the store cannot read it."""
        with self.lock:
            if key not in self.order:
                return None
            self.order.move_to_end(key)
            try:
                return self.store.get(key)
            except self.store.failures:
                self.stats.failed += 1
                return None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float = 0) -> None:
        """Keep an entry; one beyond the capacity is refused and takes the key's old one with it."""
        size = len(key) + len(sealed)
        with self.lock:
            if size > self.capacity or not self.keep(key, sealed, self.capacity - size):
                self.stats.refused += 1
                self.forget([key])

    async def delete(self, key: bytes) -> None:
        """Forget an entry."""
        with self.lock:
            self.forget([key])

    async def close(self) -> None:
        """Close the store."""
        with self.lock:
            self.order.clear()
            self.used = 0
            self.store.close()

    def keep(self, key: bytes, sealed: bytes, room: int) -> bool:
        """Write an entry and remove what must go; tell whether the store took it.

        A store of pages may be full before its values add up to the capacity: then half of them go first.
        """
        for attempt in range(2):
            victims = self.victims(room, key)
            try:
                self.store.put(key, sealed, victims)
            except self.store.failures:
                if attempt or not self.evict(self.used // 2):
                    return False
                continue
            self.stats.evicted += len(victims)
            self.drop([*victims, key])
            self.order[key] = len(key) + len(sealed)
            self.used += self.order[key]
            return True
        return False

    def victims(self, room: int, spared: bytes = b"") -> list[bytes]:
        """Choose what must go so that the rest takes at most `room` bytes; the spared key's value goes anyway."""
        chosen, left = [], self.used - self.order.get(spared, 0)
        for key, size in self.order.items():
            if left <= room:
                break
            if key != spared:
                chosen.append(key)
                left -= size
        return chosen

    def evict(self, room: int) -> bool:
        """Make values go until the rest takes at most `room` bytes; tell whether that worked."""
        victims = self.victims(room)
        self.stats.evicted += len(victims)
        return self.forget(victims)

    def forget(self, keys: list[bytes]) -> bool:
        """Remove values; where the store cannot, they are never asked for again."""
        self.drop(keys)
        try:
            self.store.remove(keys)
        except self.store.failures:
            self.stats.failed += 1
            return False
        return True

    def drop(self, keys: Iterable[bytes]) -> None:
        """Take keys out of the order."""
        for key in keys:
            self.used -= self.order.pop(key, 0)
