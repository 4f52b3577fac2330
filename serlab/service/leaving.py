"""How a client over HTTP/2 says that it has left a call, where its library does not.

HTTP/2 has RST_STREAM for that. httpx2 does not send it and has no way to ask for it, so a call is named by a header,
and cancelled by a request with that name.
"""

import asyncio
from itertools import count
from secrets import token_hex
from typing import Literal

import httpx2

from serlab.service.paths import CANCEL_PATH

Leaving = Literal["tell", "close", "nothing"]
TELL_S = 2.0
"""How long telling the server may take; it is one short request."""


class Teller:
    """Names calls, and tells the server which were left.

    Args:
        client: what to tell it with.
        base_url: of the server.

    Attributes:
        failed: how often the server could not be told.
    """

    def __init__(self, client: httpx2.AsyncClient, base_url: str) -> None:
        self.client = client
        self.base_url = base_url
        self.prefix, self.numbers = token_hex(8), count()
        self.tasks: set[asyncio.Task[None]] = set()
        self.failed = 0

    def name(self) -> str:
        """Name a call; no other client makes the same name."""
        return f"{self.prefix}-{next(self.numbers)}"

    def tell(self, name: str) -> None:
        """Tell the server in the background: who cancels a call does not wait for it."""
        task = asyncio.create_task(self.send(name))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def send(self, name: str) -> None:
        """Tell the server; a failure is counted, for there is nobody to raise it to."""
        try:
            async with asyncio.timeout(TELL_S):
                answer = await self.client.post(f"{self.base_url}{CANCEL_PATH}{name}")
            self.failed += not answer.is_success
        except (TimeoutError, httpx2.HTTPError):
            self.failed += 1

    async def close(self) -> None:
        """Wait until all is told."""
        await asyncio.gather(*self.tasks)
