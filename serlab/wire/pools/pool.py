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

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from queue import Empty, SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

import flatbuffers
import msgpack

from serlab.errors import ServiceError

# Numbers that no two callers get, whatever threads or tasks they are.
#
# `count += 1` is three steps: a thread that is stopped between them gives a number twice. Within one event loop it is
# safe as long as no `await` stands between the steps.


class Ticket:
    """Numbers by `itertools.count`: one call into C, which no thread gets between under the interpreter's lock."""

    def __init__(self, start: int = 0) -> None:
        self.next = count(start).__next__


class CountingLock:
    """Numbers under a `threading.Lock`, which also tells how many there were.

    Attributes:
        value: the next number.
    """

    def __init__(self, start: int = 0) -> None:
        self.value = start
        self.lock = Lock()

    def next(self) -> int:
        """Return the next number."""
        with self.lock:
            number = self.value
            self.value = number + 1
        return number


# An object out of a pool, and the one time that it goes back.

T = TypeVar("T")


class Lender(Protocol[T]):
    """What a lease needs of a pool."""

    def acquire(self) -> T:
        """Take an object."""

    def release(self, item: T) -> None:
        """Give it back."""


class Lease(Generic[T]):
    """An object for the length of a block, or until `release`, for whoever hands it on.

    Args:
        pool: where it goes back to.
    """

    __slots__ = ("held", "object", "pool")

    def __init__(self, pool: Lender[T]) -> None:
        self.pool = pool
        self.object = pool.acquire()
        self.held = True

    def release(self) -> None:
        """Give it back.

        Raises:
            ServiceError: it was given back before, or is still in use.
        """
        if not self.held:
            raise ServiceError("lease: expected to be given back once, got twice; the object may be another's by now")
        self.held = False
        self.pool.release(self.object)

    def __enter__(self) -> T:
        return self.object

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.held:
            self.release()


MOST_FREE = 64
"""Objects that are kept for later: more than this many at once were a peak."""


def _unchanged(_: Any) -> bool:
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

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = _unchanged, most: int = MOST_FREE) -> None:
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

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = _unchanged, most: int = MOST_FREE) -> None:
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

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = _unchanged, most: int = MOST_FREE) -> None:
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


# A pool of a fixed number of objects, for which a task waits: a bound on memory, and on what is under way at once.


class WaitingPool(Generic[T]):
    """Lends objects within one event loop, first come, first served.

    Args:
        make: makes one; all are made at the beginning.
        clean: as in `serlab.wire.pools.pool.Pool`; what does not come back is replaced, so that nobody waits for it.
        size: how many there are.
    """

    def __init__(self, make: Callable[[], T], clean: Callable[[T], bool] = _unchanged, size: int = 16) -> None:
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


# Pools of what encoders write into.
#
# - Buffers: `msgspec`'s `encode_into` writes straight into a `bytearray`. orjson has no such call: it always makes
# bytes. - Packers of msgpack: each has a buffer of 256 kB from the start, which grows with a message and never
# shrinks, and   whose size it does not tell. So a pool of them is as large as its longest messages. - Builders of
# FlatBuffers' own package; `Clear` keeps the buffer.

MOST_BYTES = 1 << 20
"""A buffer that grew beyond this is let go: one long message would stay in memory for ever."""
FIRST_BYTES = 1024
"""What a Builder begins with, as `serlab.codecs.flatbuffers_official` has it."""

Kind = type[Pool[Any]]
"""`Pool`, `LockedPool` or `QueuePool`."""


def buffers(most_bytes: int = MOST_BYTES, kind: Kind = Pool) -> Pool[bytearray]:
    """Make a pool of buffers.

    Args:
        most_bytes: the largest that is kept.
        kind: of the pool.

    Returns:
        The pool; a buffer that comes back with a view on it is refused with a ServiceError.
    """
    return kind(bytearray, _buffer_cleaner(most_bytes))


def _buffer_cleaner(most_bytes: int) -> Callable[[bytearray], bool]:
    """Return what looks at a buffer that comes back; its bytes stay, since the next owner writes over them."""

    def clean(buffer: bytearray) -> bool:
        try:
            # A bytearray that somebody has a view of refuses to change its length.
            buffer.append(0)
        except BufferError as error:
            text = "pool: expected a buffer that nobody uses, got one with a view on it"
            raise ServiceError(f"{text}; release the view first, copy, or hand the lease on") from error
        buffer.pop()
        return sys.getsizeof(buffer) <= most_bytes

    return clean


def packers(kind: Kind = Pool) -> Pool[Any]:
    """Make a pool of Packers; `autoreset` empties one after each message, also after a refused one."""
    return kind(lambda: msgpack.Packer(autoreset=True))


def builders(most_bytes: int = MOST_BYTES, kind: Kind = Pool) -> Pool[Any]:
    """Make a pool of Builders.

    Args:
        most_bytes: the largest that is kept.
        kind: of the pool.
    """

    def clean(builder: Any) -> bool:
        builder.Clear()
        return len(builder.Bytes) <= most_bytes

    return kind(lambda: flatbuffers.Builder(FIRST_BYTES), clean)
