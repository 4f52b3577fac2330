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
from granian.server.embed import Server

from serlab.service.departures import Tracked
from serlab.service.ports import reserved, until_listening
from serlab.service.settings import Settings
from serlab.service.tls import Certificates

PATIENCE_S = 0.2
"""How long the requests under way, and then the connections, may take to end when the server stops."""

CONNECTIONS = 4096
"""Connections at once. granian's own default, 128, would make a load test queue in the kernel."""


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
        plain = await stack.enter_async_context(listening(app, settings.host, settings.http_port, {}))
        secure = await stack.enter_async_context(listening(app, settings.host, settings.https_port, tls))
        try:
            yield plain, secure
        finally:
            await app.stop(PATIENCE_S)


@asynccontextmanager
async def listening(app: Tracked, host: str, port: int, tls: dict[str, Any]) -> AsyncIterator[int]:
    """Serve on one port until the block is left; yields the port."""
    options: dict[str, Any] = {
        "interface": Interfaces.ASGINL,
        "http": HTTPModes.auto,
        "websockets": False,
        "log_enabled": False,
    }
    with reserved(host, port) as held:
        server = Server(app, host, held, backlog=CONNECTIONS, backpressure=CONNECTIONS, **options, **tls)
        task = asyncio.create_task(server.serve())
        await until_listening(host, held)
    try:
        yield held
    finally:
        await stop(server, task)


async def stop(server: Any, task: "asyncio.Task[None]") -> None:
    """Stop a server.

    granian waits without end for a connection whose reader takes nothing, so it is left after a while; that connection
    then lives until its client or this process ends.
    """
    server.stop()
    await asyncio.wait((task,), timeout=PATIENCE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
