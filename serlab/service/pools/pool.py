"""Pools that never wait: one that is empty makes a new object.

    with pool.lease() as buffer:
        encoder.encode_into(message, buffer)
        socket.sendall(buffer)

Three ways to keep what is free, with the same calls:

- `Pool`: a list. Its `pop` and `append` are each one step that no thread can get between, so it serves threads too; for
  tasks of one event loop nothing is needed, since no call here gives up the loop.
- `LockedPool`: the same under a `threading.Lock`, which promises what the list merely does.
- `QueuePool`: a `queue.SimpleQueue`, which promises it as well. First in, first out: all objects stay in use, and warm
  ones are not preferred.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Generic, TypeVar

from serlab.errors import ServiceError
from serlab.service.pools.lease import Lease

T = TypeVar("T")
MOST_FREE = 64
"""Objects that are kept for later: more than this many at once were a peak."""


def unchanged(_: Any) -> bool:
    """Clean what needs no cleaning."""
    return True


class Pool(Generic[T]):
    """Lends objects, the one that came back last first.

    Args:
        make: makes one.
        clean: makes one ready for the next owner when it comes back; False lets it go, an error tells of a user that
            still has it.
        most: how many are kept.
    """

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = unchanged, most: int = MOST_FREE) -> None:
        if most < 1:
            raise ServiceError(f"pool: expected to keep 1 object or more, got {most}")
        self.make, self.clean, self.most = make, clean, most
        self.free: list[T] = []

    def acquire(self) -> T:
        """Take an object; the caller owns it until `release`."""
        try:
            return self.free.pop()
        except IndexError:
            return self.make()

    def release(self, item: T) -> None:
        """Give an object back, once; `lease` sees to that.

        Raises:
            ServiceError: it is still in use; it does not go back.
        """
        # Between the two, another thread may add one: then one more is kept.
        if self.clean(item) and len(self.free) < self.most:
            self.free.append(item)

    def lease(self) -> Lease[T]:
        """Take an object for a block."""
        return Lease(self)

    def __len__(self) -> int:
        """Count what is free."""
        return len(self.free)


class LockedPool(Pool[T]):
    """The same under a lock; making and cleaning are outside of it."""

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = unchanged, most: int = MOST_FREE) -> None:
        super().__init__(make, clean, most)
        self.lock = Lock()

    def acquire(self) -> T:
        """Take an object."""
        with self.lock:
            if self.free:
                return self.free.pop()
        return self.make()

    def release(self, item: T) -> None:
        """Give an object back, once."""
        if self.clean(item):
            with self.lock:
                if len(self.free) < self.most:
                    self.free.append(item)


class QueuePool(Pool[T]):
    """The same in a queue."""

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = unchanged, most: int = MOST_FREE) -> None:
        super().__init__(make, clean, most)
        self.queue: SimpleQueue[T] = SimpleQueue()

    def acquire(self) -> T:
        """Take an object."""
        try:
            return self.queue.get_nowait()
        except Empty:
            return self.make()

    def release(self, item: T) -> None:
        """Give an object back, once."""
        if self.clean(item) and self.queue.qsize() < self.most:
            self.queue.put(item)

    def __len__(self) -> int:
        """Count what is free."""
        return self.queue.qsize()
