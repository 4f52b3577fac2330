"""Work that is known to release the interpreter lock, and work that is known to hold it.

Both run beside the codecs as floors, so that every table shows the instrument to be right: over N threads on N free
cores the first does N times the work and the second no more than one thread does. A build of Python without the lock
makes both scale.

Source: the documentation of hashlib (the lock is released for data above 2047 bytes) and of
`sys.setswitchinterval` (a thread that runs Python code gives the lock up every 5 ms).
"""

from collections.abc import Callable
from hashlib import sha256
from time import perf_counter_ns
from typing import Any

from serlab.stats import FLOOR

IDLE = FLOOR + "idle"
RELEASES = FLOOR + "releases GIL"
HOLDS = FLOOR + "holds GIL"
FLOORS = (IDLE, RELEASES, HOLDS)
"""Names in the place of a codec's: nothing at all, hashing one buffer, counting in Python."""


def hash_buffer(buffer: bytes) -> None:
    """Work without the lock."""
    sha256(buffer)


def count_up(turns: int) -> None:
    """Work under the lock, in Python code."""
    for _ in range(turns):
        pass


def idle(_: Any) -> None:
    """Do nothing."""


def floor(name: str, time_ns: int) -> tuple[Callable[[Any], None], Any]:
    """Give a floor's function, with an argument on which one call takes about so long.

    Args:
        name: one of `FLOORS`.
        time_ns: what a call should take on this machine.
    """
    if name == IDLE:
        return idle, None
    if name == RELEASES:
        return hash_buffer, bytes(sized(lambda size: hash_buffer(bytes(size)), time_ns))
    return count_up, sized(count_up, time_ns)


def sized(call: Callable[[int], None], time_ns: int, start: int = 1 << 16) -> int:
    """Find the size at which a call that takes time in proportion to its argument takes about so long."""
    fastest = min(once(call, start) for _ in range(5))
    return max(1, start * time_ns // max(1, fastest))


def once(call: Callable[[int], None], size: int) -> int:
    """Time one call in nanoseconds."""
    begin = perf_counter_ns()
    call(size)
    return perf_counter_ns() - begin
