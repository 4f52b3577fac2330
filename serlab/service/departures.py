"""Work that ends when the client goes, or when the server is stopped."""

import asyncio
from collections.abc import Coroutine, MutableMapping
from typing import Any, TypeVar

import orjson

from serlab.service.bounds import MAX_HEADER_BYTES
from serlab.service.calls import App, Calls, Message, Receive, Send
from serlab.service.peers import Peers, Underway
from serlab.service.refusals import Departed, Refusal, overloaded

T = TypeVar("T")
UNDERWAY = "serlab.underway"
"""Where a request's scope has what is noted of it."""


async def departure(receive: Receive) -> None:
    """Wait until the client has gone; the request must have been read."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do work for a client, and cancel it when the client goes.

    Args:
        receive: of the ASGI server, after the request's body.
        work: what to do.

    Raises:
        Departed: the client went first.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(departure(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Departed("the client went before its answer was whole")
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


class Tracked:
    """An ASGI application whose requests can be stopped, together or by name, and wait for slow clients only so long.

    Args:
        app: the application.
        calls: where to keep the requests that have a name.
        peers: where to note who is at work.
    """

    def __init__(self, app: App, calls: Calls, peers: Peers) -> None:
        self.app = app
        self.calls = calls
        self.peers = peers
        self.tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        task = asyncio.current_task()
        assert task is not None
        host, port = scope["client"]
        request = self.peers.begin((host, int(port)), task)
        scope[UNDERWAY] = request
        self.tasks.add(task)
        try:
            app = self.app if (refusal := self.refusal(scope)) is None else refused_by(refusal)
            await self.calls.answer(app, scope, receive, taken(send, request, self.peers))
        finally:
            self.tasks.discard(task)
            self.peers.end(request)

    def refusal(self, scope: MutableMapping[str, Any]) -> Refusal | None:
        """Tell why a request is refused before anybody looks at it."""
        if self.peers.underway > self.peers.bounds.requests:
            return overloaded(f"the server is at {self.peers.bounds.requests} requests already")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            return Refusal(431, f"headers: expected at most {MAX_HEADER_BYTES} bytes", code="headers_too_large")
        return None

    async def stop(self, patience_s: float) -> None:
        """Cancel what is under way.

        Args:
            patience_s: how long to wait for it to end.
        """
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=patience_s)


def taken(send: Send, request: Underway, peers: Peers) -> Send:
    """Note how long a client takes to take a part of its answer."""

    async def sends(message: Message) -> None:
        request.waits(peers.bounds.taken_s)
        await send(message)
        request.works()

    return sends


def refused_by(refusal: Refusal) -> App:
    """Answer with a refusal, and leave the body."""

    async def respond(_: MutableMapping[str, Any], __: Receive, send: Send) -> None:
        body = orjson.dumps(refusal.document())
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return respond
