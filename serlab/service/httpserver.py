"""granian in this event loop: one server without TLS and one with it.

granian was chosen among the ASGI servers that speak HTTP/2 because it alone, of three tried on loopback, did all that
is asked here: wait for a slow reader on both protocols, tell the application of a client that goes, end a connection
when the application breaks off, and take uploads of any length. It is Rust below ASGI, so the server itself costs
little of what is measured. Its embedding is marked experimental; the tests hold what is used of it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from serlab.service.bounds import HEADER_BUFFER_BYTES, MAX_HEADER_BYTES, MAX_STREAMS, listener
from serlab.service.departures import Tracked
from serlab.service.peers import Peers
from serlab.service.ports import reserved, until_listening
from serlab.service.settings import Settings
from serlab.service.tls import Certificates

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
            plain = await stack.enter_async_context(listening(app, settings.host, settings.http_port, {}))
            secure = await stack.enter_async_context(listening(app, settings.host, settings.https_port, tls))
        finally:
            certificates.forget_key()
        app.peers.ports |= {plain, secure}
        try:
            yield plain, secure
        finally:
            await app.stop(PATIENCE_S)


@asynccontextmanager
async def listening(app: Tracked, host: str, port: int, tls: dict[str, Any]) -> AsyncIterator[int]:
    """Serve on one port until the block is left; yields the port."""
    bounds = app.peers.bounds
    options: dict[str, Any] = {
        "interface": Interfaces.ASGINL,
        "http": HTTPModes.auto,
        "websockets": False,
        "log_enabled": False,
        # hyper's timeout for headers also ends a connection that has none to send.
        "http1_settings": HTTP1Settings(round(1000 * bounds.idle_s), max_buffer_size=HEADER_BUFFER_BYTES),
        "http2_settings": HTTP2Settings(max_concurrent_streams=MAX_STREAMS, max_headers_size=MAX_HEADER_BYTES),
    }
    most = listener(app.peers.table)
    with reserved(host, port) as held:
        server = Server(app, host, held, backlog=BACKLOG, backpressure=most, **options, **tls)
        task = asyncio.create_task(server.serve())
        await until_listening(host, held)
    try:
        yield held
    finally:
        await stop(server, task, app.peers)


async def stop(server: Any, task: "asyncio.Task[None]", peers: Peers) -> None:
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
