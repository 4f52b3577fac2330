"""What a model server is told when it starts, and where it can be reached."""

import ipaddress
from dataclasses import dataclass, field

from serlab.errors import ServiceError
from serlab.limits import DEFAULT_LIMITS
from serlab.service.bounds import Bounds
from serlab.service.faults import Faults
from serlab.service.latency import Latency

MAX_BODY_BYTES = DEFAULT_LIMITS.max_bytes
"""A longer request is refused; 64 MiB holds an image of 40 MiB as base64."""

CERTIFICATES_PREFIX = "serlab-tls-"
"""How the name of a server's folder begins; here, since whoever starts one in a child needs no library of its own."""


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
        if not is_loopback(self.host) and not self.exposed:
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


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address.

    Raises:
        ServiceError: it is none.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ServiceError(f"host: expected an IP address such as 127.0.0.1 or ::1, got {host!r}") from error
