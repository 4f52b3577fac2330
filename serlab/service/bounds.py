"""What strangers may take of a server: connections, time, memory. Work is bounded in `serlab.service.checks`.

A connection is idle while no request of its own is under way. One that has made none yet, and one whose request arrives
or whose answer is taken slowly, wait for their client as well; see `serlab.service.peers`.
"""

import resource
from dataclasses import dataclass, fields

from serlab.errors import ServiceError

RESERVED = 256
"""Descriptors that are kept for all but connections: libraries, files, pipes, the event loop."""

NO_LIMIT = 1 << 20
"""Descriptors of a process that may have as many as it likes."""

MAX_HEADER_BYTES = 1 << 16
"""Names and values of a request together; more is a 431. Over gRPC, of a call's metadata."""

HEADER_BUFFER_BYTES = 8192 + 4096 * 100
"""What hyper reads of a request over HTTP/1.1 before it gives up: headers that never end cost that for a connection. It
is also the size of a piece of a body, so a small one would make large uploads slow."""

MAX_STREAMS = 200
"""Requests at once over one connection of HTTP/2 or gRPC; the others wait with their client."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one server.

    Attributes:
        connections: how many may stand at once, over all ports together. Beyond, those that wait for their client are
            closed, such as are nearest to their own limit first. Fewer where the process may have fewer descriptors.
        requests: how many may be under way at once; the next gets a 503.
        first_request_s: how long a connection may take to its first request: TLS, headers and all.
        idle_s: how long a connection may stand between two requests.
        body_s: how long a body may take to arrive, beside a second for each `body_rate` bytes.
        body_rate: bytes a second.
        taken_s: how long a client may take nothing of an answer.
        body_bytes: of all requests under way together. Beyond, a body that has more than its share is refused with a
            503, so that small ones go on.
    """

    connections: int = 4096
    requests: int = 8192
    first_request_s: float = 30.0
    idle_s: float = 300.0
    body_s: float = 30.0
    body_rate: int = 1 << 16
    taken_s: float = 60.0
    body_bytes: int = 1 << 29

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 < getattr(self, field.name) < 1 << 40:
                raise ServiceError(f"bounds: {field.name}: expected more than 0, got {getattr(self, field.name)}")

    def table(self) -> int:
        """Tell how many connections may stand in this process, whose descriptors are bounded too.

        Each of four ports may have an eighth more until that is noticed; see `listener`.
        """
        return max(16, min(self.connections, (descriptors() - RESERVED) * 2 // 9))


def descriptors() -> int:
    """Tell how many descriptors this process may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return NO_LIMIT if limit == resource.RLIM_INFINITY else limit


def listener(table: int) -> int:
    """Tell how many connections a port of HTTP takes at most; the others wait in the kernel.

    There is always room for a few beyond the table: nobody would be let in while a full one waits to be looked at.
    """
    return table + max(16, table // 8)


def grpc_listener(table: int) -> int:
    """Tell how many connections a port of gRPC takes at most; it closes the others, so it has what is left."""
    return max(listener(table), (descriptors() - RESERVED) // 2 - listener(table))


def raise_descriptors() -> None:
    """Let this process have as many descriptors as the system allows it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
