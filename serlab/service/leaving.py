"""How a client over HTTP/2 leaves a call, where its library cannot.

HTTP/2 has RST_STREAM to say so. httpx2 does not send it and has no way to ask for it; and a task that is cancelled
inside of it may lose frames that were taken to be sent, after which the connection is no good to anybody. So the work
goes on in a task of its own, which is never cancelled; a call that is left is read to its end and thrown away, and the
server is told by the call's name to end it soon.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import count
from secrets import token_hex

import httpx2

from serlab.service.connecting import Sending
from serlab.service.failures import CallError
from serlab.service.keeping import Keeping
from serlab.service.paths import CALLS_PATH
from serlab.service.transport import Piece

AGAIN_S, SELDOM_S = 0.01, 0.5
"""How long to wait until a server that does not know the call yet is told again: at first, and at most."""


UNKNOWN = 404


class Pump:
    """Reads a stream in a task of its own, one piece ahead of whoever takes them.

    Args:
        pieces: the stream.
        sending: its request.

    Attributes:
        ended: whether it has come to its end, well or not.
        task: what reads.
    """

    def __init__(self, pieces: AsyncGenerator[Piece, None], sending: Sending) -> None:
        self.sending = sending
        self.queue: asyncio.Queue[Piece | CallError | None] = asyncio.Queue(1)
        self.left = self.ended = False
        self.task = asyncio.create_task(self.run(pieces))

    async def run(self, pieces: AsyncGenerator[Piece, None]) -> None:
        """Read to the end."""
        end: CallError | None = None
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    await self.put(piece)
        except CallError as error:
            end = error
        finally:
            self.ended = True
        await self.put(end)

    async def put(self, item: Piece | CallError | None) -> None:
        """Hand on what came, unless nobody takes it any more."""
        if not self.left:
            await self.queue.put(item)

    async def take(self) -> Piece | None:
        """Take the next piece, None at the end.

        Raises:
            CallError: the stream ended before its time.
        """
        item = await self.queue.get()
        if isinstance(item, CallError):
            raise item
        return item

    def leave(self) -> None:
        """Take nothing more; what still comes is thrown away."""
        self.left = self.sending.left = True
        while not self.queue.empty():
            self.queue.get_nowait()


class Teller(Keeping):
    """Names calls, tells the server which were left, and sees them to their end.

    Args:
        client: what to tell it with.
        base_url: of the server.

    Attributes:
        failed: how often the server could not be told.
    """

    def __init__(self, client: httpx2.AsyncClient, base_url: str) -> None:
        super().__init__()
        self.client = client
        self.base_url = base_url
        self.prefix, self.numbers = token_hex(8), count()
        self.failed = 0

    def name(self) -> str:
        """Name a call; no other client makes the same name."""
        return f"{self.prefix}-{next(self.numbers)}"

    def tell(self, name: str, pump: Pump) -> None:
        """Tell the server in the background: who cancels a call does not wait for it."""
        self.keep(asyncio.create_task(self.send(name, pump)))

    async def send(self, name: str, pump: Pump) -> None:
        """Tell the server until the call has ended; a failure is counted, for there is nobody to raise it to.

        The request can come after this word of its end, so the server is told again if it does not know the call.
        """
        address, pause_s = f"{self.base_url}{CALLS_PATH}{name}", AGAIN_S
        try:
            while not pump.ended:
                if pump.sending.sent and (await self.client.delete(address)).status_code != UNKNOWN:
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, SELDOM_S)
        except httpx2.HTTPError:
            self.failed += 1
