"""The time limits of one call, for every transport."""

import asyncio
import math
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar

from serlab.errors import ServiceError
from serlab.wire.api_errors import ApiError, Stats

# What a client is told: its connections, its patience, its TLS.

TlsVersion = Literal["", "1.2", "1.3"]
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections that are kept.

    Attributes:
        size: at most at once, busy and idle; a call beyond waits, which is part of its connect phase.
        per_host: at most to one host, 0 for no limit of its own; aiohttp alone has it.
        idle_s: how long one that is idle is kept, in seconds.
        keep_alive: False for a new connection with every call.
    """

    size: int = 100
    per_host: int = 0
    idle_s: float = 15.0
    keep_alive: bool = True

    def __post_init__(self) -> None:
        if self.size < 1 or self.per_host < 0 or not 0 < self.idle_s < math.inf:
            text = f"got {self.size}, {self.per_host} and {self.idle_s}"
            raise ServiceError(f"pool: expected size >= 1, per_host >= 0 and idle_s > 0, {text}")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each phase of a call may take, in seconds; None for without end.

    Attributes:
        connect_s: from the call's start to a connection: waiting for the pool, name, TCP, TLS.
        first_byte_s: from the call's start to the first byte of the answer's body, connecting included.
        between_tokens_s: in a stream, from each piece of the body to the next.
        total_s: from the call's start to its end. The server is not told; see `Deadline`.
    """

    connect_s: float | None = None
    first_byte_s: float | None = None
    between_tokens_s: float | None = None
    total_s: float | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and not 0 < value < math.inf:
                raise ServiceError(f"timeouts: {one.name}: expected more than 0 seconds or None, got {value}")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One client.

    Attributes:
        pool: its connections.
        timeouts: its patience.
        ca_file: the authority it trusts, PEM; "" for those of the system.
        tls: the one version of TLS it speaks, "" for any.
        dns_cache_s: how long an address is remembered, in seconds, 0 for not at all. aiohttp alone has a cache: httpx2
            and h2 ask for every new connection, and gRPC keeps what it was told until a connection fails.
    """

    pool: Pool = field(default_factory=Pool)
    timeouts: Timeouts = field(default_factory=Timeouts)
    ca_file: str = ""
    tls: TlsVersion = ""
    dns_cache_s: float = 10.0

    def __post_init__(self) -> None:
        if self.tls and self.tls not in VERSIONS:
            raise ServiceError(f"tls: expected one of {', '.join(VERSIONS)} or nothing, got {self.tls!r}")
        if not 0 <= self.dns_cache_s < math.inf:
            raise ServiceError(f"dns_cache_s: expected 0 or more seconds, got {self.dns_cache_s}")

    def context(self) -> ssl.SSLContext:
        """Make what TLS is spoken with.

        Raises:
            ServiceError: the authority cannot be read.
        """
        return tls_context(self.ca_file, self.tls)


def tls_context(ca_file: str, version: TlsVersion) -> ssl.SSLContext:
    """Make a context that trusts an authority, or those of the system, and speaks one version of TLS, or any.

    Raises:
        ServiceError: the authority cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ServiceError(f"ca_file: expected certificates in PEM at {ca_file}, got {error}") from error
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


# What comes of a call instead of an answer, the same for every transport.
#
# ServiceError
# └── CallError               no whole answer came
#     ├── CallTimeoutError    time was up; `phase` says which
#     ├── RefusedError        the server answered with an error; `status`, `retry_after_s`
#     └── BrokenError         no connection, or it ended, or what came on it is no answer; `began`

Phase = Literal["connect", "first byte", "between tokens", "total", "deadline"]
SHOWN = 300
"""Characters of a server's complaint that are repeated."""

LONGEST = 15
"""Digits of a time that is believed."""


class CallError(ServiceError):
    """A call without a whole answer."""


class CallTimeoutError(CallError):
    """Time was up.

    Args:
        phase: what took too long.
        limit_s: how long it might have taken, in seconds; of a deadline, what was left when the call began.
        where: what was called.
    """

    passing = True

    def __init__(self, phase: Phase, limit_s: float, where: str) -> None:
        remedy = "the server is told of it too" if phase == "deadline" else "raise it in Timeouts, or try elsewhere"
        super().__init__(f"{where}: {phase}: expected within {limit_s:g} s, got nothing; {remedy}")
        self.phase: Phase = phase
        self.limit_s = limit_s


class RefusedError(CallError):
    """The server's own error.

    Args:
        status: the status of HTTP; over gRPC the one that stands for its code.
        message: what the server says.
        retry_after_s: when to come again, in seconds, if it says so.
        where: what was called.
    """

    def __init__(self, status: int, message: str, retry_after_s: float | None, where: str) -> None:
        super().__init__(f"{where}: expected an answer, got {status}: {_printable(message)}")
        self.status = status
        self.retry_after_s = retry_after_s


class BrokenError(CallError):
    """The connection failed, or ended in the middle of an answer.

    Args:
        reason: what happened.
        where: what was called.
        began: whether a part of the answer had come; if not, the server may still have worked.
    """

    passing = True

    def __init__(self, reason: str, where: str, began: bool = False) -> None:
        expected = "the rest of the answer" if began else "an answer"
        super().__init__(f"{where}: expected {expected}, got {reason}")
        self.began = began


def said(error: BaseException) -> str:
    """Return a library's complaint in one line; many are empty."""
    text = _printable(str(error))
    return f"{type(error).__name__}: {text}"[:SHOWN] if text else type(error).__name__


def _printable(text: str) -> str:
    """Return what a server or a library says as one line without control characters, which a terminal would obey."""
    words = " ".join(text[: 2 * SHOWN].split())
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)[:SHOWN]


def retry_after(headers: object) -> float | None:
    """Read when to come again: `retry-after-ms`, else whole seconds of `Retry-After`.

    Args:
        headers: a mapping that does not mind upper and lower case; or one of gRPC's metadata.
    """
    get = getattr(headers, "get")  # noqa: B009, the libraries share no type
    for name, scale in (("retry-after-ms", 1000), ("grpc-retry-pushback-ms", 1000), ("retry-after", 1)):
        value = str(get(name) or "")
        # Fifteen digits are 30,000 years; more would be read as an infinity.
        if len(value) <= LONGEST and value.replace(".", "", 1).isdecimal():
            return float(value) / scale
    return None


# A deadline that travels: whoever works for a call knows when nobody waits for the answer any more.
#
# It is sent as what is left of it, in milliseconds, so that clocks need not agree; each hop loses the time of the
# wire. gRPC sends the same thing by itself as `grpc-timeout`.
#
# Source: gRFC and the guide on deadlines of gRPC, whose rules are followed here for HTTP.

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
            ApiError: it is no number of milliseconds.
        """
        if not header:
            return None
        # Fifteen digits are 30,000 years; float() would take "inf" and "1e400" too.
        if not header.isdecimal() or len(header) > 15:
            raise ApiError(400, f"{DEADLINE_HEADER}: expected whole milliseconds, got {header[:40]!r}")
        return cls(time.monotonic() + int(header) / 1000)

    def left_s(self) -> float:
        """Return how many seconds are left, less than 0 when it has passed."""
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
        ApiError: the deadline has passed; the work was cancelled, or not even begun.
    """
    if deadline is None:
        return await work()
    if deadline.left_s() <= 0:
        raise _expired(stats)
    try:
        async with asyncio.timeout(deadline.left_s()) as scope:
            return await work()
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise _expired(stats) from error


def _expired(stats: Stats) -> ApiError:
    """Refuse what nobody waits for any more, and count it."""
    stats.expired += 1
    return ApiError(504, "the deadline has passed; the work was stopped", code="deadline_exceeded")


EXPIRED = 504
"""The server's status for a deadline that has passed."""

Limit = tuple[float, Phase, float]


class CallTimeouts:
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


# What a client gives, and what else gives it: retries, gateways, whatever stands in front of a client.


class Answer(NamedTuple):
    """A whole answer.

    Attributes:
        message: what came.
        began_ns: when the call began, before encoding, by `time.perf_counter_ns`.
        first_ns: when the first bytes of the body came.
        ended_ns: when the last had come, before decoding.
    """

    message: Any
    began_ns: int
    first_ns: int
    ended_ns: int


class Chunk(NamedTuple):
    """A part of a streamed answer.

    Attributes:
        message: what came.
        time_ns: when its last bytes came, before unwrapping and decoding; those that came together have one time.
    """

    message: Any
    time_ns: int


class Caller(Protocol):
    """Answers requests: a client, or what stands in front of one."""

    async def call(self, request: Any, deadline: Deadline | None = None) -> Answer:
        """Get a whole answer.

        Raises:
            CallError: there is none.
        """
        ...

    def stream(self, request: Any, deadline: Deadline | None = None) -> AsyncGenerator[Chunk, None]:
        """Get an answer as it comes; leave it early by `aclose`.

        Raises:
            CallError: it ended before its time.
        """
        ...
