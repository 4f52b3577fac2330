"""granian in this event loop: one server without TLS and one with it.

granian was chosen among the ASGI servers that speak HTTP/2 because it alone, of three tried on loopback, did all that
is asked here: wait for a slow reader on both protocols, tell the application of a client that goes, end a connection
when the application breaks off, and take uploads of any length. It is Rust below ASGI, so the server itself costs
little of what is measured. Its embedding is marked experimental; the tests hold what is used of it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from pathlib import Path, PosixPath
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

import grpc
import trustme
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from serlab.errors import ServiceError
from serlab.wire.app import Tracked
from serlab.wire.connections import (
    HEADER_BUFFER_BYTES,
    MAX_HEADER_BYTES,
    MAX_STREAMS,
    SEND_BUFFER_BYTES,
    Peers,
    Underway,
    grpc_listener,
    listener,
    reserved,
    until_listening,
)
from serlab.wire.echo import grpc_handler
from serlab.wire.grpc_server import Service
from serlab.wire.model import Engine
from serlab.wire.settings import MAX_BODY_BYTES, Settings

# Certificates for loopback: a certificate authority of the server's own, made when it starts.
#
# The key never has a name in the file system, where the system can do that: a server that is killed leaves none
# behind.

NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates(NamedTuple):
    """What the server shows, and what its clients need.

    Attributes:
        chain: path of the server's certificates, PEM.
        key: path of its key, PEM, until `forget_key`.
        descriptor: of the key; -1 where it is a file.
        private: the key.
        authority: path of the authority that a client must trust, PEM.
    """

    chain: Path
    key: Path
    descriptor: int
    private: bytes
    authority: Path

    def forget_key(self) -> None:
        """Close what has the key when everybody has read it."""
        if self.descriptor == -1:
            self.key.unlink(missing_ok=True)
        else:
            os.close(self.descriptor)


class _OpenFile(PosixPath):
    """The path of an open file that has no other: granian resolves its paths, and this one would lead nowhere."""

    def resolve(self, strict: bool = False) -> Self:
        """Return the path as it is."""
        return self


def make_certificates(folder: Path, host: str) -> Certificates:
    """Make an authority and a certificate for loopback.

    Args:
        folder: where to write them; nobody else should read it, since the key may be in it for a moment.
        host: where the server listens, beside the names of loopback.
    """
    authority = trustme.CA()
    issued = authority.issue_cert(*dict.fromkeys((*NAMES, host)))
    private = issued.private_key_pem.bytes()
    found = Certificates(folder / "chain.pem", *_held(folder, private), private, folder / "authority.pem")
    found.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    found.authority.write_bytes(authority.cert_pem.bytes())
    return found


def _held(folder: Path, private: bytes) -> tuple[Path, int]:
    """Put a key where a path leads to it; give the path and the descriptor, -1 if it is a file of the folder."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key")
        os.write(descriptor, private)
        return _OpenFile(f"/proc/self/fd/{descriptor}"), descriptor
    path = folder / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(private)
    return path, -1


PATIENCE_S = 0.2
"""How long the requests under way, and then the connections, may take to end when the server stops."""

BACKLOG = 4096
"""Connections that wait in the kernel. granian's own default, 128, would make those of a load test be tried again."""


@asynccontextmanager
async def http_servers(app: Tracked, settings: Settings, certificates: Certificates) -> AsyncIterator[tuple[int, int]]:
    """Serve an application until the block is left.

    Args:
        app: the ASGI application.
        settings: host and ports.
        certificates: for TLS.

    Yields:
        The ports without and with TLS.

    Raises:
        ServiceError: a port cannot be had.
    """
    tls = {"ssl_cert": certificates.chain, "ssl_key": certificates.key, "ssl_protocol_min": SSLProtocols.tls12}
    async with AsyncExitStack() as stack:
        try:
            plain = await stack.enter_async_context(_listening(app, settings.host, settings.http_port, {}))
            secure = await stack.enter_async_context(_listening(app, settings.host, settings.https_port, tls))
        finally:
            certificates.forget_key()
        app.peers.ports |= {plain, secure}
        try:
            yield plain, secure
        finally:
            await app.stop(PATIENCE_S)


@asynccontextmanager
async def _listening(app: Tracked, host: str, port: int, tls: dict[str, Any]) -> AsyncIterator[int]:
    """Serve on one port until the block is left; yields the port."""
    bounds = app.peers.bounds
    options: dict[str, Any] = {
        "interface": Interfaces.ASGINL,
        "http": HTTPModes.auto,
        "websockets": False,
        "log_enabled": False,
        # hyper's timeout for headers also ends a connection that has none to send.
        "http1_settings": HTTP1Settings(round(1000 * bounds.idle_s), max_buffer_size=HEADER_BUFFER_BYTES),
        "http2_settings": HTTP2Settings(
            max_concurrent_streams=MAX_STREAMS,
            max_headers_size=MAX_HEADER_BYTES,
            max_send_buffer_size=SEND_BUFFER_BYTES,
        ),
    }
    most = listener(app.peers.table)
    with reserved(host, port) as held:
        server = Server(app, host, held, backlog=BACKLOG, backpressure=most, **options, **tls)
        task = asyncio.create_task(server.serve())
        await until_listening(host, held)
    try:
        yield held
    finally:
        await _stop(server, task, app.peers)


async def _stop(server: Any, task: "asyncio.Task[None]", peers: Peers) -> None:
    """Stop a server.

    granian waits without end for a connection whose reader takes nothing, so what stands after a while is closed.
    """
    server.stop()
    await asyncio.wait((task,), timeout=PATIENCE_S)
    if not task.done():
        await peers.close_all()
        await asyncio.wait((task,), timeout=PATIENCE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# Which clients of gRPC have a call under way; see `serlab.wire.connections`.


class _Watched(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handlers that note their calls.

    Args:
        handlers: what answers.
        peers: where to note.
        ports: without TLS and with it.
    """

    def __init__(self, handlers: Any, peers: Peers, ports: tuple[int, int]) -> None:
        self.handlers = handlers
        self.peers = peers
        self.ports = ports
        self.known: dict[str, Any] = {}

    def service(self, details: Any) -> Any:
        """Return what answers a method, None if nothing does."""
        handler = self.known.get(details.method)
        if handler is None and (plain := self.handlers.service(details)) is not None:
            handler = self.known[details.method] = self.watched(plain)
        return handler

    def watched(self, handler: Any) -> Any:
        """Return a handler that does the same."""
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(self.both(handler.stream_stream))
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self.stream(handler.unary_stream))
        return grpc.unary_unary_rpc_method_handler(self.unary(handler.unary_unary))

    @contextmanager
    def call(self, context: Any) -> Iterator[Underway]:
        """Note a call whose request has come."""
        secure = context.auth_context().get("transport_security_type") == [b"ssl"]
        address = *_client_of(context.peer()), self.ports[secure]
        found = self.peers.begin(address, asyncio.current_task())
        found.works()
        try:
            yield found
        finally:
            self.peers.end(found)

    def unary(self, answer: Any) -> Any:
        """Watch a method of one answer."""

        async def watched(request: bytes, context: Any) -> Any:
            with self.call(context):
                return await answer(request, context)

        return watched

    def stream(self, answer: Any) -> Any:
        """Watch a method that answers with a stream."""

        async def watched(request: bytes, context: Any) -> AsyncGenerator[bytes, None]:
            with self.call(context) as call:
                async with aclosing(answer(request, context)) as pieces:
                    async for piece in pieces:
                        call.waits(self.peers.bounds.taken_s)
                        yield piece
                        call.works()

        return watched

    def both(self, answer: Any) -> Any:
        """Watch a method of two streams."""

        async def watched(requests: AsyncIterator[bytes], context: Any) -> AsyncGenerator[bytes, None]:
            with self.call(context) as call:
                async with aclosing(answer(self.asked(requests, call), context)) as pieces:
                    async for piece in pieces:
                        call.waits(self.peers.bounds.taken_s)
                        yield piece
                        call.works()

        return watched

    async def asked(self, requests: AsyncIterator[bytes], call: Underway) -> AsyncGenerator[bytes, None]:
        """Note that a call waits for its client's next request, as a connection does."""
        call.waits(self.peers.bounds.idle_s)
        async for request in requests:
            call.works()
            yield request
            call.waits(self.peers.bounds.idle_s)


def _client_of(peer: str) -> tuple[str, int]:
    """Read a peer as gRPC writes it: ipv4:127.0.0.1:4000, ipv6:%5B::1%5D:4000."""
    host, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0


# grpc.aio with the model server's service, on a port without TLS and on one with it.

OPTIONS: list[tuple[str, int]] = [
    # Without it a second server on a port that is taken would start, and get every second call.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.max_send_message_length", MAX_BODY_BYTES),
    # None but identity: a message is unpacked before its length is looked at, and 64 kB of gzip may be 64 MB of zeros.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Without a number, grpc takes calls that are begun and reset at any rate, and refuses those of others (CANCELLED)
    # when 1,000 wait for Python: half of a good client's failed beside four connections that did so.
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    ("grpc.max_metadata_size", MAX_HEADER_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_HEADER_BYTES),
]


def _bounded(peers: Peers) -> list[tuple[str, int]]:
    """Return grpc's own options for the bounds that it keeps by itself."""
    bounds = peers.bounds
    return [
        *OPTIONS,
        ("grpc.max_allowed_incoming_connections", grpc_listener(peers.table)),
        ("grpc.max_connection_idle_ms", round(1000 * bounds.idle_s)),
        ("grpc.server_handshake_timeout_ms", round(1000 * bounds.first_request_s)),
    ]


async def start_grpc(engine: Engine, settings: Settings, certificates: Certificates) -> tuple[Any, str, str]:
    """Start the gRPC server.

    Returns:
        The server, and host:port without TLS and with it.

    Raises:
        ServiceError: a port cannot be had.
    """
    server = grpc.aio.server(options=_bounded(engine.peers), maximum_concurrent_rpcs=settings.bounds.requests)
    credentials = grpc.ssl_server_credentials([(certificates.private, certificates.chain.read_bytes())])
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        plain = server.add_insecure_port(f"{host}:{settings.grpc_port}")
        secure = server.add_secure_port(f"{host}:{settings.grpcs_port}", credentials)
    except RuntimeError as error:
        ports = f"{settings.grpc_port} or {settings.grpcs_port}"
        raise ServiceError(f"gRPC cannot listen on port {ports} of {host}; choose another, or 0") from error
    handlers = (Service(engine).handler(), grpc_handler(engine.heavy))
    server.add_generic_rpc_handlers(tuple(_Watched(one, engine.peers, (plain, secure)) for one in handlers))
    await server.start()
    engine.peers.ports |= {plain, secure}
    return server, f"{host}:{plain}", f"{host}:{secure}"
