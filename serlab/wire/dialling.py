"""A blocking client that makes its connections by hand: new ones, and ones that resume a session of TLS.

asyncio has no way to hand a session on, so this is `http.client` over `socket` and `ssl`. The request is bytes made
beforehand, and the answer is read to its end but not decoded: what is left is the connection.

A session of TLS 1.3 comes in tickets after the handshake, which somebody must read: whoever has read an answer has
read them. A ticket is good for one connection by the standard.

Source: RFC 8446, 4.6.1 and appendix C.4.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import cast
from urllib.parse import urlsplit

from serlab.errors import ServiceError

TIMEOUT_S = 30.0
"""How long to wait for anything; far more than it takes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: an encoded message, where it goes, and its headers."""

    path: str
    data: bytes
    headers: Mapping[str, str]


class Dialler:
    """Connects to one address and asks the same thing each time.

    Args:
        address: "host:port" or a URL.
        request: what is asked.
        context: what TLS is spoken with; None for none. It must be the same one for all who share sessions.

    Raises:
        ServiceError: the address has no port.
    """

    def __init__(self, address: str, request: Request, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(address if "//" in address else f"//{address}")
        if not parts.hostname or not parts.port:
            raise ServiceError(f"address: expected host:port or a URL with a port, got {address!r}")
        self.host, self.port, self.request, self.context = parts.hostname, parts.port, request, context
        self.left: list[HTTPConnection] = []

    def dial(self, session: ssl.SSLSession | None = None) -> HTTPConnection:
        """Make a connection.

        Args:
            session: to resume; None for a full handshake.

        Raises:
            ServiceError: there is none, or the session was not resumed.
        """
        connection = HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        connection.auto_open = 0
        try:
            plain = socket.create_connection((self.host, self.port), TIMEOUT_S)
            # Else headers and body, which go out one after the other, would wait for an acknowledgement between them.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sock = self.secured(plain, session) if self.context else plain
        except OSError as error:
            text = f"{self.host}:{self.port}: expected a connection"
            raise ServiceError(f"{text}, got {type(error).__name__}: {error}") from error
        return connection

    def secured(self, plain: socket.socket, session: ssl.SSLSession | None) -> ssl.SSLSocket:
        """Shake hands."""
        assert self.context is not None
        try:
            secure = self.context.wrap_socket(plain, server_hostname=self.host, session=session)
        except OSError:
            plain.close()
            raise
        if bool(secure.session_reused) != (session is not None):
            secure.close()
            expected, got = ("a resumed", "a full") if session else ("a full", "a resumed")
            raise ServiceError(f"{self.host}:{self.port}: expected {expected} handshake, got {got} one")
        return secure

    def ask(self, connection: HTTPConnection) -> None:
        """Ask on a connection, and read the answer to its end.

        Raises:
            ServiceError: there is none, or it is a refusal.
        """
        try:
            connection.request("POST", self.request.path, self.request.data, dict(self.request.headers))
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, HTTPException) as error:
            text = f"{self.host}:{self.port}{self.request.path}: expected an answer"
            raise ServiceError(f"{text}, got {type(error).__name__}: {error}") from error
        if answer.status != 200 or not data:
            text = f"{self.host}:{self.port}{self.request.path}: expected an answer with status 200"
            raise ServiceError(f"{text}, got {answer.status} and {len(data)} bytes")

    def call(self, session: ssl.SSLSession | None = None) -> HTTPConnection:
        """Connect and ask; the connection is left for `hang_up`, so that its end is not part of the call."""
        connection = self.dial(session)
        self.left.append(connection)
        self.ask(connection)
        return connection

    def hang_up(self, _: object = None) -> None:
        """Close what calls have left."""
        while self.left:
            self.left.pop().close()

    def session(self, _: object = None) -> ssl.SSLSession:
        """Get a session that nobody has resumed yet, by a call of its own.

        Raises:
            ServiceError: the server gives none.
        """
        connection = self.call()
        session = cast(ssl.SSLSocket, connection.sock).session
        self.hang_up()
        if session is None:
            raise ServiceError(f"{self.host}:{self.port}: expected a session to resume, got none")
        return session
