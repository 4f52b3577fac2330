"""Work that ends when the client goes, or when the server is stopped."""

import asyncio
from collections.abc import Coroutine, MutableMapping
from typing import Any, TypeVar

from serlab.service.calls import App, Calls, Receive, Send
from serlab.service.refusals import Departed

T = TypeVar("T")


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
    """An ASGI application whose requests can be stopped, all at once or by name.

    Args:
        app: the application.
        calls: where to keep the requests that have a name.
    """

    def __init__(self, app: App, calls: Calls) -> None:
        self.app = app
        self.calls = calls
        self.tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self.calls.answer(self.app, scope, receive, send)
        finally:
            self.tasks.discard(task)

    async def stop(self, patience_s: float) -> None:
        """Cancel what is under way.

        Args:
            patience_s: how long to wait for it to end.
        """
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=patience_s)
