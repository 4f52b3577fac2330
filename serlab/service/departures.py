"""Work that ends when the client goes, or when the server is stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeVar

from serlab.service.paths import CALL_HEADER
from serlab.service.refusals import Departed

T = TypeVar("T")
NAME = CALL_HEADER.encode()
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


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


class Calls:
    """The requests under way that their clients have named."""

    def __init__(self) -> None:
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.left: set[asyncio.Task[Any]] = set()

    def cancel(self, name: str) -> bool:
        """Stop a call as if its client had gone; tell whether there was one."""
        task = self.tasks.get(name)
        if task is None:
            return False
        self.left.add(task)
        return task.cancel()

    @contextmanager
    def named(self, scope: MutableMapping[str, Any], task: "asyncio.Task[Any]") -> Iterator[None]:
        """Keep a request under its name, if it has one, while it is under way.

        Raises:
            Departed: the client says that it has left it.
        """
        name = next((value.decode("latin-1") for key, value in scope["headers"] if key == NAME), "")
        if not name:
            yield
            return
        self.tasks[name] = task
        try:
            yield
        except asyncio.CancelledError as error:
            if task not in self.left:
                raise
            raise Departed("the client says that it has left this call") from error
        finally:
            self.left.discard(task)
            self.tasks.pop(name, None)


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
            with self.calls.named(scope, task):
                await self.app(scope, receive, send)
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
