"""What a model server is told when it starts, and where it can be reached."""

import asyncio
import ipaddress
from dataclasses import dataclass, field, fields
from random import Random
from time import thread_time
from typing import NamedTuple

from serlab.errors import ServiceError, UnknownNameError
from serlab.limits import DEFAULT_LIMITS
from serlab.wire.connections import Bounds

# Seeded faults: which request fails, and how.
#
# The k-th request that the server admits gets the k-th fault of its seed, so a client that sends one request after
# another meets the same faults in every run, and a repeated request another fault than at first. With requests at the
# same time the faults are the same, but which request meets which is up to their order of arrival.
#
# - `error`: status 500, before any work.
# - `rate-limit`: status 429 with Retry-After, before any work.
# - `stall`: the answer stops for `stall_s` seconds somewhere in the middle, then goes on.
# - `cut`: the connection ends somewhere in the middle of the answer.

KINDS = ("error", "rate-limit", "stall", "cut")


class Fault(NamedTuple):
    """What happens to one request.

    Attributes:
        kind: one of `KINDS`, "" for none.
        at: the share of the answer, 0 to 1, that comes before a stall or a cut.
    """

    kind: str
    at: float


NO_FAULT = Fault("", 0.0)


@dataclass(frozen=True, slots=True)
class Faults:
    """How many of the requests fail in which way.

    Attributes:
        error: share of requests, 0 to 1; so are `rate_limit`, `stall` and `cut`, together 1 at most.
        stall_s: how long a stall lasts, in seconds.
        retry_after_s: when a client that is over the rate limit may come again, in seconds.
    """

    error: float = 0.0
    rate_limit: float = 0.0
    stall: float = 0.0
    cut: float = 0.0
    stall_s: float = 5.0
    retry_after_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("error", "rate_limit", "stall", "cut"):
            if not 0 <= getattr(self, name) <= 1:
                raise ServiceError(f"faults: {name}: expected a share of 0 to 1, got {getattr(self, name)}")
        if sum(self.shares()) > 1 + 1e-9:
            raise ServiceError(f"faults: expected shares of 1 at most together, got {sum(self.shares()):g}")
        for name in ("stall_s", "retry_after_s"):
            if not 0 <= getattr(self, name) <= 86_400:
                raise ServiceError(f"faults: {name}: expected 0 to 86400, got {getattr(self, name)}")

    def shares(self) -> tuple[float, float, float, float]:
        """List the shares in the order of `KINDS`."""
        return self.error, self.rate_limit, self.stall, self.cut

    def draw(self, seed: int, number: int, forced: str = "") -> Fault:
        """Say what happens to a request.

        Args:
            seed: the server's.
            number: how many requests were admitted before.
            forced: a kind that the client asks for, "" for none.

        Raises:
            UnknownNameError: there is no such kind.
        """
        if forced and forced not in KINDS:
            raise UnknownNameError.of("fault", forced, KINDS)
        if not forced and not any(self.shares()):
            return NO_FAULT
        random = Random(f"faults/{seed}/{number}")
        draw, at = random.random(), random.random()
        for kind, share in zip(KINDS, self.shares(), strict=True):
            if forced == kind or (not forced and draw < share):
                return Fault(kind, at)
            draw -= share
        return NO_FAULT


# The latency model: how long the model behind the server takes.
#
#     a request of n items waits for a batch, which takes   batch_base_s + n · batch_item_s   (n: the batch's items)
#     its first token comes after                           first_token_s
#     each further token comes after                        token_s
#
# An item is a conversation, a prompt, or one text to embed. Batches are served one after another; see
# `serlab.wire.model`. A whole answer comes when its last token does. With all at 0 the server costs what its code
# costs, and that is what remains to be measured.
#
# Sleeping is not working. A model that sleeps leaves the event loop to the other requests, so the stalls of a real
# server that tokenizes or samples on its loop do not show. `busy=True` spends the same times as CPU on the loop
# itself, where everything else has to wait.


@dataclass(frozen=True, slots=True)
class Latency:
    """The times of the model, in seconds.

    Attributes:
        first_token_s: from the end of the batch to the first token.
        token_s: between two tokens.
        batch_base_s: what a batch takes, however many are in it.
        batch_item_s: what each item of a batch adds.
        batch_limit: items in a batch at most.
        busy: spend CPU on the event loop instead of sleeping.
    """

    first_token_s: float = 0.0
    token_s: float = 0.0
    batch_base_s: float = 0.0
    batch_item_s: float = 0.0
    batch_limit: int = 64
    busy: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0 <= value < 86_400:
                raise ServiceError(f"latency: {each.name}: expected 0 to 86400, got {value}")
        if self.batch_limit < 1:
            raise ServiceError(f"latency: batch_limit: expected at least 1, got {self.batch_limit}")

    def batch_s(self, items: int) -> float:
        """Say how long a batch takes: a + b·n seconds."""
        return self.batch_base_s + items * self.batch_item_s


async def spend(seconds: float, busy: bool) -> None:
    """Let time pass, and always let the event loop go round once.

    Args:
        seconds: how long.
        busy: as CPU time of this thread rather than by the clock.
    """
    if busy:
        _burn(seconds)
        seconds = 0.0
    await asyncio.sleep(max(0.0, seconds))


def _burn(seconds: float) -> None:
    """Spend CPU time of this thread."""
    end = thread_time() + seconds
    while thread_time() < end:
        continue


class Pace:
    """Tells one answer's tokens when they are due.

    Due times are fixed when the answer begins, so that a late wake-up delays one token and not all that follow.

    Args:
        latency: the model's times.
    """

    def __init__(self, latency: Latency) -> None:
        self.latency = latency
        self.step_s = latency.first_token_s
        self.due = asyncio.get_running_loop().time()

    async def next(self) -> None:
        """Wait for the next token."""
        self.due += self.step_s
        waits_s = self.step_s if self.latency.busy else self.due - asyncio.get_running_loop().time()
        self.step_s = self.latency.token_s
        await spend(waits_s, self.latency.busy)

    async def all(self, tokens: int) -> None:
        """Wait for the last of some tokens."""
        if self.latency.busy:
            # One by one: between two tokens the loop serves others, as it would in a stream.
            for _ in range(tokens):
                await self.next()
        else:
            await spend(self.latency.first_token_s + max(0, tokens - 1) * self.latency.token_s, False)


MAX_BODY_BYTES = DEFAULT_LIMITS.max_bytes
"""A longer request is refused; 64 MiB holds an image of 40 MiB as base64."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One model server.

    Attributes:
        host: the IP address where it listens; loopback, unless `exposed`.
        exposed: whether another host than loopback is meant.
        http_port: HTTP/1.1 and cleartext HTTP/2 by prior knowledge; 0 for a free port, as for the others.
        https_port: HTTP/1.1 and HTTP/2 by ALPN, over TLS 1.2 or 1.3.
        grpc_port: gRPC without TLS.
        grpcs_port: gRPC with TLS.
        seed: of the answers and the faults.
        tokens: the length of an answer, unless the request wants a shorter one.
        dimensions: the length of a vector, unless the request wants another.
        latency: the model's times.
        faults: what goes wrong.
        bounds: what strangers may take of it.
    """

    host: str = "127.0.0.1"
    exposed: bool = False
    http_port: int = 0
    https_port: int = 0
    grpc_port: int = 0
    grpcs_port: int = 0
    seed: int = 0
    tokens: int = 128
    dimensions: int = 1536
    latency: Latency = field(default_factory=Latency)
    faults: Faults = field(default_factory=Faults)
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        if not _is_loopback(self.host) and not self.exposed:
            text = f"host: expected a loopback address, got {self.host}"
            raise ServiceError(f"{text}; the server has no access control: expose it only if you mean to")
        for name in ("http_port", "https_port", "grpc_port", "grpcs_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise ServiceError(f"{name}: expected 0 to 65535, got {getattr(self, name)}")
        if not (1 <= self.tokens <= 1_000_000 and 1 <= self.dimensions <= 65_536):
            text = f"got {self.tokens} and {self.dimensions}"
            raise ServiceError(f"expected 1 to 1000000 tokens and 1 to 65536 dimensions, {text}")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server listens.

    Attributes:
        http: base URL without TLS.
        https: base URL with TLS.
        grpc: host:port without TLS.
        grpcs: host:port with TLS.
        ca_file: path of the certificate authority that a client must trust, PEM; gone when the server has stopped.
        pid: the server's process.
    """

    http: str
    https: str
    grpc: str
    grpcs: str
    ca_file: str
    pid: int


def _is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    Raises:
        ServiceError: it is none.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ServiceError(f"host: expected an IP address such as 127.0.0.1 or ::1, got {host!r}") from error
