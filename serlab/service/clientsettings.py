"""What a client is told: its connections, its patience, its TLS."""

import math
import ssl
from dataclasses import dataclass, field, fields
from typing import Literal

from serlab.errors import ServiceError

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
            asks for every new connection, and gRPC keeps what it was told until a connection fails.
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
