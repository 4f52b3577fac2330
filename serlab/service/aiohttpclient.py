"""HTTP/1.1 by aiohttp: the transport that costs least beside the protocol itself.

A call that is left closes its connection, which is all that HTTP/1.1 has to say so.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter_ns
from typing import Any

import aiohttp
from yarl import URL

from serlab.service.clientsettings import ClientSettings
from serlab.service.failures import BrokenError, CallTimeoutError, retry_after, said
from serlab.service.httpheaders import headers_of
from serlab.service.patience import Patience
from serlab.service.transport import Parts, Payload, Piece, Reply, complaint_of

BROKEN = (aiohttp.ClientError, OSError)


class AiohttpTransport:
    """Calls over HTTP/1.1; to be made in a running event loop.

    Args:
        base_url: of the server, e.g. "http://127.0.0.1:8080".
        settings: None for the defaults.

    Attributes:
        opened: connections opened so far.
    """

    messages = False

    def __init__(self, base_url: str, settings: ClientSettings | None = None) -> None:
        self.settings = settings or ClientSettings()
        self.base_url = base_url
        self.urls: dict[str, URL] = {}
        self.opened = 0
        self.session = aiohttp.ClientSession(
            connector=self.connector(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.settings.timeouts.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )

    def connector(self) -> aiohttp.TCPConnector:
        """Make the pool."""
        pool, cache_s = self.settings.pool, self.settings.dns_cache_s
        # aiohttp refuses an idle time beside connections that are never idle.
        kept: dict[str, Any] = {"keepalive_timeout": pool.idle_s} if pool.keep_alive else {"force_close": True}
        return aiohttp.TCPConnector(
            limit=pool.size,
            limit_per_host=pool.per_host,
            use_dns_cache=cache_s > 0,
            ttl_dns_cache=int(max(cache_s, 1)),
            ssl=self.settings.context() if self.base_url.startswith("https:") else False,
            socket_factory=self.socket,
            **kept,
        )

    def socket(self, info: Any) -> socket.socket:
        """Open a socket, and count it."""
        self.opened += 1
        return socket.socket(*info[:3])

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer; see `serlab.service.transport.Transport`."""
        patience = Patience(self.settings.timeouts, payload.deadline, self.where(payload))
        began = perf_counter_ns()
        async with self.answer(payload, patience) as answer:
            parts = Parts(patience.where)
            parts.add(await patience.first(guarded(answer.content.readany(), patience, True)))
            first = perf_counter_ns()
            if not answer.content.at_eof():
                await patience.rest(guarded(gather(answer.content, parts), patience, True))
            return Reply(parts.whole(), began, first, perf_counter_ns())

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; see `serlab.service.transport.Transport`."""
        patience = Patience(self.settings.timeouts, payload.deadline, self.where(payload))
        async with self.answer(payload, patience) as answer:
            wait = patience.first
            while data := await wait(guarded(answer.content.readany(), patience, True)):
                yield Piece(data, perf_counter_ns())
                wait = patience.next

    @asynccontextmanager
    async def answer(self, payload: Payload, patience: Patience) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send a request and wait for the answer's head; closes the connection if its body is not read to its end.

        Raises:
            CallError: the answer is an error, or there is none.
        """
        url = self.urls.get(payload.path) or self.urls.setdefault(payload.path, URL(self.base_url + payload.path))
        request = self.session.post(url, data=payload.data, headers=headers_of(payload), allow_redirects=False)
        answer = await patience.first(guarded(request, patience, False))
        try:
            if answer.status != 200:
                data = await patience.rest(guarded(complaint_of(answer.content.iter_any()), patience, True))
                text = data.decode(errors="replace")
                raise patience.refused(answer.status, text, retry_after(answer.headers))
            yield answer
        finally:
            answer.close()

    def where(self, payload: Payload) -> str:
        """Name what is called."""
        return f"{self.base_url}{payload.path}"

    async def close(self) -> None:
        """Close all connections."""
        await self.session.close()
        # aiohttp closes TLS connections in the loop's next turns.
        await asyncio.sleep(0)


async def gather(content: aiohttp.StreamReader, parts: Parts) -> None:
    """Read a body to its end.

    Raises:
        BrokenError: it is too long.
    """
    while data := await content.readany():
        parts.add(data)


async def guarded(work: Any, patience: Patience, began: bool) -> Any:
    """Wait for aiohttp, with its errors turned into ours.

    Raises:
        CallTimeoutError: there was no connection in time.
        BrokenError: the connection failed.
    """
    try:
        return await work
    except aiohttp.ConnectionTimeoutError as error:
        raise CallTimeoutError("connect", patience.timeouts.connect_s or 0.0, patience.where) from error
    except BROKEN as error:
        raise BrokenError(said(error), patience.where, began) from error
