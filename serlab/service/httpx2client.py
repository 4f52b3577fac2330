"""HTTP/1.1 and HTTP/2 by httpx2: another arm, and the one for HTTP/2.

Over HTTP/1.1 a call that is left closes its connection. Over HTTP/2 httpx2 says nothing (see docs/service.md), so each
call has a name, and one that is left is cancelled by that name with a request of its own, or by closing the connection.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from time import perf_counter_ns
from typing import Any

import httpx2

from serlab.errors import ServiceError
from serlab.service.clientsettings import ClientSettings
from serlab.service.failures import BrokenError, CallTimeoutError, retry_after, said
from serlab.service.httpheaders import headers_of
from serlab.service.leaving import Leaving, Teller
from serlab.service.paths import CALL_HEADER
from serlab.service.patience import Patience
from serlab.service.transport import Payload, Piece, Reply


class Httpx2Transport:
    """Calls over HTTP/1.1 or HTTP/2; to be made in a running event loop.

    Args:
        base_url: of the server.
        settings: None for the defaults.
        http2: HTTP/2, over TLS by ALPN and without TLS by prior knowledge.
        leaving: what a call over HTTP/2 does that is left: `tell` the server by the call's name, which only servers
            with `/v1/cancel` understand; `close` the connection, with all other calls on it; `nothing`, which lets the
            server work on. Over HTTP/1.1 the connection is closed.

    Attributes:
        opened: connections opened so far.

    Raises:
        ServiceError: a setting that httpx2 does not have.
    """

    messages = False

    def __init__(
        self,
        base_url: str,
        settings: ClientSettings | None = None,
        *,
        http2: bool = False,
        leaving: Leaving = "tell",
    ) -> None:
        self.settings = settings or ClientSettings()
        self.base_url = base_url
        self.http2 = http2
        self.leaving: Leaving = leaving if http2 else "nothing"
        self.opened = 0
        self.client = httpx2.AsyncClient(transport=self.pool(), timeout=self.limits(), trust_env=False)
        self.teller = Teller(self.client, base_url)

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

    async def count(self, event: str, _: dict[str, Any]) -> None:
        """Count connections."""
        self.opened += event == "connection.connect_tcp.complete"

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer; see `serlab.service.transport.Transport`."""
        began = perf_counter_ns()
        async with aclosing(self.stream(payload)) as pieces:
            found = [piece async for piece in pieces]
        if not found:
            now = perf_counter_ns()
            return Reply(b"", began, now, now)
        return Reply(b"".join(piece.data for piece in found), began, found[0].time_ns, perf_counter_ns())

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; see `serlab.service.transport.Transport`."""
        patience = Patience(self.settings.timeouts, payload.deadline, f"{self.base_url}{payload.path}")
        async with self.answer(payload, patience) as answer:
            wait = patience.first
            async with aclosing(answer.aiter_raw()) as parts:
                while data := await wait(guarded(anext(parts, b""), patience, True)):
                    yield Piece(data, perf_counter_ns())
                    wait = patience.next

    @asynccontextmanager
    async def answer(self, payload: Payload, patience: Patience) -> AsyncGenerator[httpx2.Response, None]:
        """Send a request and wait for the answer's head; leaves the call if its body is not read to its end.

        Raises:
            CallError: the answer is an error, or there is none.
        """
        headers, name, answer, whole = headers_of(payload), "", None, False
        if self.leaving == "tell":
            name = headers[CALL_HEADER] = self.teller.name()
        request = self.client.build_request("POST", patience.where, content=payload.data, headers=headers)
        request.extensions = {**request.extensions, "trace": self.count}
        try:
            answer = await patience.first(guarded(self.client.send(request, stream=True), patience, False))
            if answer.status_code != 200:
                text = (await patience.rest(guarded(answer.aread(), patience, True))).decode(errors="replace")
                whole = True
                raise patience.refused(answer.status_code, text, retry_after(answer.headers))
            yield answer
            whole = True
        finally:
            await self.leave(answer, name, whole)

    async def leave(self, answer: httpx2.Response | None, name: str, whole: bool) -> None:
        """End a call, and let the server know if it has not ended by itself."""
        if not whole and name:
            self.teller.tell(name)
        if answer is not None:
            if not whole and self.leaving == "close":
                await answer.extensions["network_stream"].aclose()
            await answer.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self.teller.close()
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
