"""Requests that their clients have named, so that they can say that they have left them."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serlab.service.paths import CALL_HEADER

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

NAME = CALL_HEADER.encode()
GONE = 499
"""A status that nobody reads: the client has gone (nginx's number)."""


class Calls:
    """The named requests that are under way."""

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

    async def answer(self, app: App, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, and keep it under its name while it is under way.

        The answer to one that was left ends as if it were whole: its client throws it away, and nothing is broken.
        """
        name = next((value.decode("latin-1") for key, value in scope["headers"] if key == NAME), "")
        task = asyncio.current_task()
        if not name or task is None:
            await app(scope, receive, send)
            return
        reply = Reply(send)
        self.tasks[name] = task
        try:
            await app(scope, receive, reply.send)
        except asyncio.CancelledError:
            if task not in self.left:
                raise
            task.uncancel()
            await reply.end()
        finally:
            self.left.discard(task)
            del self.tasks[name]


class Reply:
    """Sends an answer, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self.forward = send
        self.begun = False

    async def send(self, message: Message) -> None:
        """Send a part of it."""
        self.begun = True
        await self.forward(message)

    async def end(self) -> None:
        """Send what ends it."""
        if not self.begun:
            await self.forward({"type": "http.response.start", "status": GONE, "headers": []})
        await self.forward({"type": "http.response.body", "body": b"", "more_body": False})
