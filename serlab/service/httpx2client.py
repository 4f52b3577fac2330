"""httpx2: another arm for HTTP/1.1, and what HTTP/2 stands on (`serlab.service.http2client`).

Over HTTP/1.1 a call that is left closes its connection.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from time import perf_counter_ns
from typing import Any

import httpx2

from serlab.errors import ServiceError
from serlab.service.clientsettings import ClientSettings
from serlab.service.connecting import Sending
from serlab.service.failures import BrokenError, CallTimeoutError, retry_after, said
from serlab.service.httpheaders import headers_of
from serlab.service.keeping import Keeping
from serlab.service.patience import Patience
from serlab.service.transport import Payload, Piece, Reply, complaint_of, gathered


class Httpx2Transport:
    """Calls over HTTP/1.1; to be made in a running event loop.

    Args:
        base_url: of the server.
        settings: None for the defaults.
        http2: HTTP/2, which `serlab.service.http2client.Http2Transport` puts to use: calls must not be left over it.

    Attributes:
        opened: connections opened so far.

    Raises:
        ServiceError: a setting that httpx2 does not have.
    """

    messages = False

    def __init__(self, base_url: str, settings: ClientSettings | None = None, *, http2: bool = False) -> None:
        self.settings = settings or ClientSettings()
        self.base_url = base_url
        self.http2 = http2
        self.opened = 0
        self.keeping = Keeping()
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
        return httpx2.AsyncHTTPTransport(verify=verify, http1=not self.http2, http2=self.http2, limits=limits)

    def limits(self) -> httpx2.Timeout:
        """Give httpx2 the limit of the connect phase; it counts pool, TCP and TLS each by itself."""
        connect_s = self.settings.timeouts.connect_s
        return httpx2.Timeout(None, connect=connect_s, pool=connect_s)

    def count(self) -> None:
        """Count a connection."""
        self.opened += 1

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer; see `serlab.service.transport.Transport`."""
        return await gathered(self.stream(payload), self.where(payload))

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; see `serlab.service.transport.Transport`."""
        patience = Patience(self.settings.timeouts, payload.deadline, self.where(payload))
        async with aclosing(self.pieces(payload, patience, self.sending())) as pieces:
            async for piece in pieces:
                yield piece

    def where(self, payload: Payload) -> str:
        """Name what is called."""
        return f"{self.base_url}{payload.path}"

    def sending(self) -> Sending:
        """Make what sends one request."""
        return Sending(self.client, self.keeping, self.count)

    async def pieces(self, payload: Payload, patience: Patience, sending: Sending) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes, for somebody who has the patience and can leave it."""
        async with self.answer(payload, patience, sending) as answer, aclosing(answer.aiter_raw()) as parts:
            wait = patience.first
            while data := await wait(guarded(anext(parts, b""), patience, True)):
                yield Piece(data, perf_counter_ns())
                wait = patience.next

    @asynccontextmanager
    async def answer(
        self, payload: Payload, patience: Patience, sending: Sending
    ) -> AsyncGenerator[httpx2.Response, None]:
        """Send a request and wait for the answer's head.

        Raises:
            CallError: the answer is an error, or there is none.
        """
        request = self.client.build_request("POST", patience.where, content=payload.data, headers=headers_of(payload))
        work = sending.send(request) if self.http2 else sending.shielded(request)
        answer = await patience.first(guarded(work, patience, False))
        async with aclosing(answer):
            if answer.status_code != 200:
                data = await patience.rest(guarded(complaint_of(answer.aiter_raw()), patience, True))
                text = data.decode(errors="replace")
                raise patience.refused(answer.status_code, text, retry_after(answer.headers))
            yield answer

    async def close(self) -> None:
        """Close all connections."""
        await self.keeping.close()
        await self.client.aclose()


async def guarded(work: Any, patience: Patience, began: bool) -> Any:
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
