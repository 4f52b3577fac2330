"""What a TLS handshake costs, full and resumed: flights, bytes, time.

A blocking probe that speaks TLS in memory, since asyncio has no way to hand a session on, and a client of asyncio
therefore never resumes one. Between memory and socket every flight can be counted.

- TLS 1.2: a full handshake waits twice for the server, a resumed one once.
- TLS 1.3: both wait once. What resumption saves there is the certificate: bytes, and the signature's and its checks'
  time. The session comes after the handshake, in a ticket that somebody must read, and is good for one use by its
  standard.

Source: RFC 5246, 7.3; RFC 8446, 2.2 and 4.6.1 and appendix C.4.
"""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter_ns
from urllib.parse import urlsplit

from serlab.errors import ServiceError
from serlab.wire.process import has_something
from serlab.wire.timeouts import TlsVersion, tls_context

TIMEOUT_S = 5.0
TICKET_S = 0.05
"""How long to wait for tickets that a server sends after the handshake by itself."""

READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Handshake:
    """One handshake.

    Attributes:
        version: of TLS, e.g. "TLSv1.3".
        reused: whether the session was resumed.
        waits: how often the client waited for the server: round trips, that of TCP not counted.
        sent_bytes: what the client sent.
        received_bytes: what came.
        time_ns: from the first byte of TLS to its end, connected already.
        session: to resume, None if the server gave none; good for the same `context` only.
        context: what the session belongs to.
    """

    version: str
    reused: bool
    waits: int
    sent_bytes: int
    received_bytes: int
    time_ns: int
    session: ssl.SSLSession | None
    context: ssl.SSLContext


def shake(
    address: str, ca_file: str, version: TlsVersion, resumed: Handshake | None = None, protocol: str = "http/1.1"
) -> Handshake:
    """Connect, shake hands, wait for a ticket, and close.

    Args:
        address: "https://host:port" or "host:port".
        ca_file: the authority to trust, PEM.
        version: of TLS.
        resumed: the handshake whose session to resume, None for a full one.
        protocol: what ALPN offers; gRPC insists on "h2".

    Raises:
        ServiceError: there is no connection, or no TLS.
    """
    parts = urlsplit(address if "//" in address else f"//{address}")
    context = resumed.context if resumed else tls_context(ca_file, version)
    context.set_alpn_protocols([protocol])
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 443), TIMEOUT_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            probe = _Probe(connection, context, parts.hostname or "", resumed.session if resumed else None)
            return probe.shake()
    except OSError as error:
        raise ServiceError(f"{address}: expected TLS {version}, got {type(error).__name__}: {error}") from error


class _Probe:
    """TLS in memory over a socket, counted.

    Args:
        connection: the socket.
        context: what TLS is spoken with.
        host: the name in the certificate.
        session: to resume.
    """

    def __init__(
        self, connection: socket.socket, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None
    ) -> None:
        self.connection, self.context = connection, context
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host, session=session)
        self.sent = self.received = self.waits = 0

    def shake(self) -> Handshake:
        """Shake hands, and wait for a ticket."""
        began = perf_counter_ns()
        while not self.finished():
            self.send()
            self.waits += 1
            self.receive()
        self.send()
        took, counts = perf_counter_ns() - began, (self.waits, self.sent, self.received)
        self.await_ticket()
        version, reused = self.tls.version() or "", bool(self.tls.session_reused)
        return Handshake(version, reused, *counts, took, self.tls.session, self.context)

    def finished(self) -> bool:
        """Go on as far as what has come allows; tell whether that is the end."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def send(self) -> None:
        """Send what is to be sent."""
        data = self.outgoing.read()
        self.connection.sendall(data)
        self.sent += len(data)

    def receive(self) -> None:
        """Take what comes; a flight in several packets counts as one, unless the client could go on between."""
        data = self.connection.recv(READ)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.received += len(data)
        self.incoming.write(data)
        while has_something(self.connection, 0) and (more := self.connection.recv(READ)):
            self.received += len(more)
            self.incoming.write(more)

    def await_ticket(self) -> None:
        """Read what the server says by itself after the handshake: with TLS 1.3 its tickets."""
        while has_something(self.connection, TICKET_S) and (data := self.connection.recv(READ)):
            self.incoming.write(data)
            with suppress(ssl.SSLWantReadError):
                self.tls.read(READ)
