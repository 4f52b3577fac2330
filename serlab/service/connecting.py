"""A request by httpx2 whose connection is not left half made.

httpx2 loses the socket of a connection whose TLS handshake is cancelled, as every timeout from outside does too. So a
request is sent in a task of its own, which is cancelled only when its connection stands.

Source: the trace extension of httpx2, which tells how far a request is.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2

from serlab.service.keeping import Keeping


class Sending:
    """Sends one request.

    Args:
        client: what sends it.
        keeping: who sees to its end if it is left while it connects.
        count: called for each connection that is made.
    """

    def __init__(self, client: httpx2.AsyncClient, keeping: Keeping, count: Callable[[], None]) -> None:
        self.client, self.keeping, self.count = client, keeping, count
        self.connecting = self.left = False
        self.task: asyncio.Task[httpx2.Response] | None = None

    async def trace(self, event: str, _: dict[str, Any]) -> None:
        """Follow the request."""
        if event == "connection.connect_tcp.started":
            self.connecting = True
        elif event == "connection.connect_tcp.complete":
            self.count()
        elif event.endswith("send_request_headers.started"):
            self.connecting = False
            if self.left and self.task is not None:
                self.task.cancel()

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and wait for the answer's head.

        Raises:
            httpx2.HTTPError: there is none.
        """
        request.extensions = {**request.extensions, "trace": self.trace}
        self.task = asyncio.create_task(self.client.send(request, stream=True))
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            await self.leave(self.task)
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
