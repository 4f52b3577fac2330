"""What the tests of the clients share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from serlab.messages import from_document
from serlab.wire import Addresses
from serlab.wire.clients import Client, ClientSettings, Transport, open_transport
from serlab.wire.timeouts import Deadline

PROMPT = from_document("GenerateRequest", {"model": "m", "prompt": "once", "max_tokens": 9})
HTTP_ARMS = ("http", "https", "httpx2", "httpx2-tls", "http2", "http2-tls")


@asynccontextmanager
async def opened(arm: str, addresses: Addresses, settings: ClientSettings | None = None) -> AsyncIterator[Transport]:
    """Open a transport for a block."""
    transport = open_transport(arm, addresses, settings)
    try:
        yield transport
    finally:
        await transport.close()


async def messages(client: Client, request: Any, deadline: Deadline | None = None) -> list[Any]:
    """Stream an answer to its end."""
    async with aclosing(client.stream(request, deadline)) as chunks:
        return [chunk.message async for chunk in chunks]


class Relay:
    """Stands before a server and counts the connections that come."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.accepted = self.open = self.most = 0
        self.first = b""

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self.accepted += 1
        self.open += 1
        self.most = max(self.most, self.open)
        first = self.first = await reader.read(1 << 16)
        upstream, sink = await asyncio.open_connection("127.0.0.1", self.port)
        sink.write(first)
        ways = [asyncio.ensure_future(carry(*way)) for way in ((reader, sink), (upstream, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            self.open -= 1
            for end in (sink, writer):
                end.close()
            await asyncio.gather(*ways, return_exceptions=True)
        except asyncio.CancelledError:
            # The loop ends first: nobody else closes them.
            for end in (sink, writer):
                end.transport.abort()
            raise


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way."""
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def relayed(addresses: Addresses, name: str) -> AsyncIterator[tuple[Addresses, Relay]]:
    """Put a relay before one of a server's addresses."""
    host, _, port = getattr(addresses, name).rpartition(":")
    relay = Relay(int(port))
    async with await asyncio.start_server(relay.relay, "127.0.0.1", 0) as server:
        own = server.sockets[0].getsockname()[1]
        changes: dict[str, Any] = {name: f"{host}:{own}"}
        yield replace(addresses, **changes), relay
