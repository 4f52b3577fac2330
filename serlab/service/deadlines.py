"""A deadline that travels: whoever works for a call knows when nobody waits for the answer any more.

It is sent as what is left of it, in milliseconds, so that clocks need not agree; each hop loses the time of the wire.
gRPC sends the same thing by itself as `grpc-timeout`.

Source: gRFC and the guide on deadlines of gRPC, whose rules are followed here for HTTP.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self, TypeVar

from serlab.errors import ServiceError
from serlab.service.refusals import Refusal
from serlab.service.stats import Stats

T = TypeVar("T")
DEADLINE_HEADER = "x-serlab-deadline-ms"


class Deadline(NamedTuple):
    """When an answer is worth nothing any more.

    Attributes:
        at_s: the time of the monotonic clock, in seconds.
    """

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Set a deadline from now.

        Raises:
            ServiceError: it is no time in the future.
        """
        if not 0 < seconds < math.inf:
            raise ServiceError(f"deadline: expected more than 0 seconds, got {seconds}")
        return cls(time.monotonic() + seconds)

    @classmethod
    def read(cls, header: str) -> Self | None:
        """Read the header of a request that has come; None where there is none.

        Raises:
            Refusal: it is no number of milliseconds.
        """
        if not header:
            return None
        # Fifteen digits are 30,000 years; float() would take "inf" and "1e400" too.
        if not header.isdecimal() or len(header) > 15:
            raise Refusal(400, f"{DEADLINE_HEADER}: expected whole milliseconds, got {header[:40]!r}")
        return cls(time.monotonic() + int(header) / 1000)

    def left_s(self) -> float:
        """Tell how many seconds are left, less than 0 when it has passed."""
        return self.at_s - time.monotonic()

    def header(self) -> str:
        """Write what is left for the next hop, in whole milliseconds, rounded up."""
        return str(max(0, math.ceil(self.left_s() * 1000)))


async def before(deadline: Deadline | None, work: Callable[[], Awaitable[T]], stats: Stats) -> T:
    """Do work for a call, and stop when its deadline has passed.

    Args:
        deadline: None for work without end.
        work: begins it.
        stats: where to count an end before its time.

    Raises:
        Refusal: the deadline has passed; the work was cancelled, or not even begun.
    """
    if deadline is None:
        return await work()
    if deadline.left_s() <= 0:
        raise expired(stats)
    try:
        async with asyncio.timeout(deadline.left_s()) as scope:
            return await work()
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise expired(stats) from error


def expired(stats: Stats) -> Refusal:
    """Refuse what nobody waits for any more, and count it."""
    stats.expired += 1
    return Refusal(504, "the deadline has passed; the work was stopped", code="deadline_exceeded")
