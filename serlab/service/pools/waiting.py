"""A pool of a fixed number of objects, for which a task waits: a bound on memory, and on what is under way at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from serlab.errors import ServiceError
from serlab.service.pools.pool import unchanged

T = TypeVar("T")


class WaitingPool(Generic[T]):
    """Lends objects within one event loop, first come, first served.

    Args:
        make: makes one; all are made at the beginning.
        clean: as in `serlab.service.pools.pool.Pool`; what does not come back is replaced, so that nobody waits for it.
        size: how many there are.
    """

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = unchanged, size: int = 16) -> None:
        if size < 1:
            raise ServiceError(f"pool: expected 1 object or more, got {size}")
        self.make, self.clean = make, clean
        self.queue: asyncio.Queue[T] = asyncio.Queue(size)
        for _ in range(size):
            self.queue.put_nowait(make())

    async def acquire(self) -> T:
        """Wait for an object; who is cancelled meanwhile takes none."""
        return await self.queue.get()

    def release(self, item: T) -> None:
        """Give an object back, once.

        Raises:
            ServiceError: it is still in use, or there are more than there were.
        """
        kept = False
        try:
            kept = self.clean(item)
        finally:
            try:
                self.queue.put_nowait(item if kept else self.make())
            except asyncio.QueueFull as error:
                raise ServiceError("pool: expected an object to be given back once, got one too many") from error

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[T]:
        """Wait for an object for a block."""
        item = await self.acquire()
        try:
            yield item
        finally:
            self.release(item)

    def __len__(self) -> int:
        """Count what is free."""
        return self.queue.qsize()
