"""Where a worker is, in a byte range that it shares with the run.

A record on standard output would disturb the batch after it: the run wakes up on the other core and reads. A store
into shared memory takes less than 1 µs, outside of what is timed, wakes nobody, and is still there when the worker has
been killed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from mmap import mmap
from tempfile import TemporaryFile

SIZE = 256
"""Bytes of a name; longer ones are cut, and then belong to no codec."""
BEAT_SIZE = 8
"""Bytes behind the name, for a number that goes up with every mark: a worker that goes on is not one that hangs."""

Mark = Callable[[str], None]
"""Notes the codec that is about to run; "" for none."""


@contextmanager
def shared_mark() -> Iterator[int]:
    """Make an empty mark.

    Yields:
        A file descriptor, to be inherited by the worker.
    """
    with TemporaryFile() as file:
        file.truncate(SIZE + BEAT_SIZE)
        yield file.fileno()


def read_mark(descriptor: int) -> str:
    """Read what a worker noted last, "" if nothing; the worker may be dead."""
    return os.pread(descriptor, SIZE, 0).rstrip(b"\0").decode("utf-8", "replace")


def read_beat(descriptor: int) -> bytes:
    """Read what changes with every mark."""
    return os.pread(descriptor, BEAT_SIZE, SIZE)


def open_mark(descriptor: int | None) -> Mark:
    """Give a worker the function that writes its mark; one that does nothing where no run listens."""
    if descriptor is None:
        return lambda name: None
    shared, beats = mmap(descriptor, SIZE + BEAT_SIZE), count(1)

    def mark(name: str) -> None:
        shared[:] = padded(name) + next(beats).to_bytes(BEAT_SIZE, "little")

    return mark


@cache
def padded(name: str) -> bytes:
    """Fill a name up to the size of a mark."""
    return name.encode()[:SIZE].ljust(SIZE, b"\0")
