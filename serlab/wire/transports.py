"""The transports by name, as an experiment lists them: one name is one library, protocol and security."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

import aiohttp
import httpx2
from yarl import URL

from serlab.errors import ServiceError, UnknownNameError
from serlab.wire.grpc_client import GrpcTransport
from serlab.wire.http2 import Http2Transport
from serlab.wire.settings import Addresses
from serlab.wire.timeouts import (
    BrokenError,
    CallTimeoutError,
    CallTimeouts,
    ClientSettings,
    retry_after,
    said,
)
from serlab.wire.transport import (
    Parts,
    Payload,
    Piece,
    Reply,
    TaskSet,
    Transport,
    complaint_of,
    gathered,
    headers_of,
)

# A request by httpx2 whose connection is not left half made.
#
# httpx2 loses the socket of a connection whose TLS handshake is cancelled, as every timeout from outside does too. So
# a request is sent in a task of its own, which is cancelled only when its connection stands.
#
# Source: the trace extension of httpx2, which tells how far a request is.


class _Sending:
    """Sends one request, and knows how far it is.

    Args:
        client: what sends it.
        keeping: who sees to its end if it is left while it connects.
        count: called for each connection that is made.
    """

    def __init__(self, client: httpx2.AsyncClient, keeping: TaskSet, count: Callable[[], None]) -> None:
        self.client, self.keeping, self.count = client, keeping, count
        self.connecting = self.left = False

    async def trace(self, event: str, _: dict[str, Any]) -> None:
        """Follow the request; one that is left while it connects is not sent."""
        if event == "connection.connect_tcp.started":
            self.connecting = True
        elif event == "connection.connect_tcp.complete":
            self.count()
        elif event.endswith("send_request_headers.started"):
            self.connecting = False
            if self.left:
                raise asyncio.CancelledError

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and wait for the answer's head; if it is cancelled, its connection is first completed.

        Raises:
            httpx2.HTTPError: there is none.
        """
        request.extensions = {**request.extensions, "trace": self.trace}
        task = asyncio.create_task(self.client.send(request, stream=True))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await self.leave(task)
            raise

    async def leave(self, task: "asyncio.Task[httpx2.Response]") -> None:
        """End a request that nobody waits for."""
        self.left = True
        if self.connecting:
            self.keeping.keep(task)
        elif task.done() and not task.cancelled() and not task.exception():
            await task.result().aclose()
        else:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


# HTTP/1.1 by aiohttp: the transport that costs least beside the protocol itself.
#
# A call that is left closes its connection, which is all that HTTP/1.1 has to say so.

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
        """Get a whole answer; see `serlab.wire.transport.Transport`."""
        patience = CallTimeouts(self.settings.timeouts, payload.deadline, self.where(payload))
        began = perf_counter_ns()
        async with self.answer(payload, patience) as answer:
            parts = Parts(patience.where)
            parts.add(await patience.first(_guarded(answer.content.readany(), patience, True)))
            first = perf_counter_ns()
            if not answer.content.at_eof():
                await patience.rest(_guarded(_gather(answer.content, parts), patience, True))
            return Reply(parts.whole(), began, first, perf_counter_ns())

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; see `serlab.wire.transport.Transport`."""
        patience = CallTimeouts(self.settings.timeouts, payload.deadline, self.where(payload))
        async with self.answer(payload, patience) as answer:
            wait = patience.first
            while data := await wait(_guarded(answer.content.readany(), patience, True)):
                yield Piece(data, perf_counter_ns())
                wait = patience.next

    @asynccontextmanager
    async def answer(self, payload: Payload, patience: CallTimeouts) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send a request and wait for the answer's head; closes the connection if its body is not read to its end.

        Raises:
            CallError: the answer is an error, or there is none.
        """
        url = self.urls.get(payload.path) or self.urls.setdefault(payload.path, URL(self.base_url + payload.path))
        request = self.session.post(url, data=payload.data, headers=headers_of(payload), allow_redirects=False)
        answer = await patience.first(_guarded(request, patience, False))
        try:
            if answer.status != 200:
                data = await patience.rest(_guarded(complaint_of(answer.content.iter_any()), patience, True))
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


async def _gather(content: aiohttp.StreamReader, parts: Parts) -> None:
    """Read a body to its end.

    Raises:
        BrokenError: it is too long.
    """
    while data := await content.readany():
        parts.add(data)


async def _guarded(work: Any, patience: CallTimeouts, began: bool) -> Any:
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


# httpx2: another arm for HTTP/1.1.


class Httpx2Transport:
    """Calls over HTTP/1.1; to be made in a running event loop.

    Args:
        base_url: of the server.
        settings: None for the defaults.

    Attributes:
        opened: connections opened so far.

    Raises:
        ServiceError: a setting that httpx2 does not have.
    """

    messages = False

    def __init__(self, base_url: str, settings: ClientSettings | None = None) -> None:
        self.settings = settings or ClientSettings()
        self.base_url = base_url
        self.opened = 0
        self.keeping = TaskSet()
        self.client = httpx2.AsyncClient(transport=self.pool(), timeout=self.limits(), trust_env=False)

    def pool(self) -> httpx2.AsyncHTTPTransport:
        """Make the pool."""
        pool = self.settings.pool
        if pool.per_host:
            raise ServiceError(f"pool: per_host: expected 0, got {pool.per_host}: httpx2 has no such limit; use size")
        limits = httpx2.Limits(
            max_connections=pool.size,
            max_keepalive_connections=pool.size if pool.keep_alive else 0,
            keepalive_expiry=pool.idle_s,
        )
        verify = self.settings.context() if self.base_url.startswith("https:") else False
        return httpx2.AsyncHTTPTransport(verify=verify, limits=limits)

    def limits(self) -> httpx2.Timeout:
        """Return httpx2's limit of the connect phase; it counts pool, TCP and TLS each by itself."""
        connect_s = self.settings.timeouts.connect_s
        return httpx2.Timeout(None, connect=connect_s, pool=connect_s)

    def count(self) -> None:
        """Count a connection."""
        self.opened += 1

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer; see `serlab.wire.transport.Transport`."""
        return await gathered(self.stream(payload), self.where(payload))

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; see `serlab.wire.transport.Transport`."""
        patience = CallTimeouts(self.settings.timeouts, payload.deadline, self.where(payload))
        async with self.answer(payload, patience) as answer, aclosing(answer.aiter_raw()) as parts:
            wait = patience.first
            while data := await wait(_httpx2client_guarded(anext(parts, b""), patience, True)):
                yield Piece(data, perf_counter_ns())
                wait = patience.next

    def where(self, payload: Payload) -> str:
        """Name what is called."""
        return f"{self.base_url}{payload.path}"

    @asynccontextmanager
    async def answer(self, payload: Payload, patience: CallTimeouts) -> AsyncGenerator[httpx2.Response, None]:
        """Send a request and wait for the answer's head.

        Raises:
            CallError: the answer is an error, or there is none.
        """
        request = self.client.build_request("POST", patience.where, content=payload.data, headers=headers_of(payload))
        work = _Sending(self.client, self.keeping, self.count).send(request)
        answer = await patience.first(_httpx2client_guarded(work, patience, False))
        async with aclosing(answer):
            if answer.status_code != 200:
                data = await patience.rest(_httpx2client_guarded(complaint_of(answer.aiter_raw()), patience, True))
                text = data.decode(errors="replace")
                raise patience.refused(answer.status_code, text, retry_after(answer.headers))
            yield answer

    async def close(self) -> None:
        """Close all connections."""
        await self.keeping.close()
        await self.client.aclose()


async def _httpx2client_guarded(work: Any, patience: CallTimeouts, began: bool) -> Any:
    """Wait for httpx2, with its errors turned into ours.

    Raises:
        CallTimeoutError: there was no connection in time.
        BrokenError: the connection failed.
    """
    try:
        return await work
    except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise CallTimeoutError("connect", patience.timeouts.connect_s or 0.0, patience.where) from error
    except httpx2.HTTPError as error:
        raise BrokenError(said(error), patience.where, began) from error


Opener = Callable[[Addresses, ClientSettings], Transport]
TRANSPORTS: dict[str, Opener] = {
    "http": lambda at, settings: AiohttpTransport(at.http, settings),
    "https": lambda at, settings: AiohttpTransport(at.https, settings),
    "httpx2": lambda at, settings: Httpx2Transport(at.http, settings),
    "httpx2-tls": lambda at, settings: Httpx2Transport(at.https, settings),
    "http2": lambda at, settings: Http2Transport(at.http, settings),
    "http2-tls": lambda at, settings: Http2Transport(at.https, settings),
    "grpc": lambda at, settings: GrpcTransport(at.grpc, settings),
    "grpc-tls": lambda at, settings: GrpcTransport(at.grpcs, settings, secure=True),
}
"""Name → what opens it. HTTP/1.1 is aiohttp's, which costs least, unless httpx2 is named."""


def open_transport(name: str, addresses: Addresses, settings: ClientSettings | None = None) -> Transport:
    """Open a transport to a model server; to be called in a running event loop.

    Args:
        name: one of `TRANSPORTS`.
        addresses: of the server, whose own authority is trusted unless the settings name another.
        settings: None for the defaults.

    Raises:
        UnknownNameError: there is no such transport.
        ServiceError: a setting that the transport does not have.
    """
    if name not in TRANSPORTS:
        raise UnknownNameError.of("transport", name, TRANSPORTS)
    settings = settings or ClientSettings()
    return TRANSPORTS[name](addresses, settings if settings.ca_file else replace(settings, ca_file=addresses.ca_file))
