"""The time limits of one call, for every transport."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from serlab.service.clientsettings import Timeouts
from serlab.service.deadlines import Deadline
from serlab.service.failures import CallError, CallTimeoutError, Phase, RefusedError

T = TypeVar("T")
EXPIRED = 504
"""The server's status for a deadline that has passed."""

Limit = tuple[float, Phase, float]


class Patience:
    """Waits for the parts of one call, each within its limit.

    Args:
        timeouts: the limits.
        deadline: that of the call.
        where: what is called.

    Raises:
        CallTimeoutError: the deadline has passed already.
    """

    def __init__(self, timeouts: Timeouts, deadline: Deadline | None, where: str) -> None:
        self.timeouts = timeouts
        self.where = where
        self.began = asyncio.get_running_loop().time()
        self.overall: list[Limit] = []
        self.left_s = deadline.left_s() if deadline else None
        if timeouts.total_s is not None:
            self.overall.append((self.began + timeouts.total_s, "total", timeouts.total_s))
        if self.left_s is not None:
            if self.left_s <= 0:
                raise CallTimeoutError("deadline", self.left_s, where)
            self.overall.append((self.began + self.left_s, "deadline", self.left_s))

    def refused(self, status: int, message: str, retry_after_s: float | None) -> CallError:
        """Turn a server's error into ours; one that tells that the deadline has passed is no refusal."""
        if status == EXPIRED and self.left_s is not None:
            return CallTimeoutError("deadline", self.left_s, self.where)
        return RefusedError(status, message, retry_after_s, self.where)

    async def connected(self, work: Awaitable[T]) -> T:
        """Wait for a connection."""
        return await self.within("connect", self.began, self.timeouts.connect_s, work)

    async def first(self, work: Awaitable[T]) -> T:
        """Wait for the first byte of the body, or for what comes before it."""
        return await self.within("first byte", self.began, self.timeouts.first_byte_s, work)

    async def next(self, work: Awaitable[T]) -> T:
        """Wait for the next piece of a stream."""
        if self.timeouts.between_tokens_s is None:
            return await self.rest(work)
        now = asyncio.get_running_loop().time()
        return await self.within("between tokens", now, self.timeouts.between_tokens_s, work)

    async def rest(self, work: Awaitable[T]) -> T:
        """Wait for what has no limit of its own."""
        return await self.within("total", self.began, None, work)

    async def within(self, phase: Phase, since: float, limit_s: float | None, work: Awaitable[T]) -> T:
        """Wait within the nearest limit.

        Args:
            phase: its name.
            since: from when it counts, by the loop's clock.
            limit_s: how long, None for only as long as the whole call may take.
            work: what to wait for; it raises no TimeoutError of its own.

        Raises:
            CallTimeoutError: time is up.
        """
        limits = self.overall if limit_s is None else [(since + limit_s, phase, limit_s), *self.overall]
        if not limits:
            return await work
        when, name, allowed_s = min(limits)
        try:
            async with asyncio.timeout_at(when):
                return await work
        except TimeoutError as error:
            raise CallTimeoutError(name, allowed_s, self.where) from error


class Untimed(Patience):
    """Knows what a call's limits are and keeps none: for work that must not be cancelled in its middle."""

    async def within(self, phase: Phase, since: float, limit_s: float | None, work: Awaitable[T]) -> T:
        """Wait as long as it takes."""
        return await work
