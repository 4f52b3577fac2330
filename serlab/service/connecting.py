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
    """Sends one request, and knows how far it is.

    Args:
        client: what sends it.
        keeping: who sees to its end if it is left while it connects.
        count: called for each connection that is made.

    Attributes:
        sent: whether all of it is on its way to the server.
        left: set it when nobody waits for the answer; a request that is not sent yet then ends before it is.
    """

    def __init__(self, client: httpx2.AsyncClient, keeping: Keeping, count: Callable[[], None]) -> None:
        self.client, self.keeping, self.count = client, keeping, count
        self.connecting = self.sent = self.left = False

    async def trace(self, event: str, _: dict[str, Any]) -> None:
        """Follow the request. It must not give up control: httpx2 has chosen a stream's number, and not used it yet."""
        if event == "connection.connect_tcp.started":
            self.connecting = True
        elif event == "connection.connect_tcp.complete":
            self.count()
        elif event.endswith("send_request_headers.started"):
            self.connecting = False
            if self.left:
                raise asyncio.CancelledError
        elif event.endswith("send_request_body.complete"):
            self.sent = True

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and wait for the answer's head; not to be cancelled.

        Raises:
            httpx2.HTTPError: there is none.
        """
        request.extensions = {**request.extensions, "trace": self.trace}
        return await self.client.send(request, stream=True)

    async def shielded(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and wait for the answer's head; if it is cancelled, its connection is first completed.

        Raises:
            httpx2.HTTPError: there is none.
        """
        task = asyncio.create_task(self.send(request))
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
