"""HTTP/2 by httpx2, over TLS by ALPN and without TLS by prior knowledge.

A call that is left does not end at once: the server is told, and what still comes of the answer is read and thrown
away. `serlab.service.leaving` tells why.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace

from serlab.service.clientsettings import ClientSettings
from serlab.service.httpx2client import Httpx2Transport
from serlab.service.leaving import Pump, Teller
from serlab.service.paths import CALL_HEADER
from serlab.service.patience import Patience, Untimed
from serlab.service.transport import Payload, Piece, Reply, gathered


class Http2Transport:
    """Calls over HTTP/2, side by side on one connection; to be made in a running event loop.

    Args:
        base_url: of the server.
        settings: None for the defaults.
        tells: whether the server knows `DELETE /v1/calls/NAME`, as serlab's own does. If not, it works on for a call
            that is left, and the client reads on.

    Attributes:
        teller: what was left, and is on its way to its end.

    Raises:
        ServiceError: a setting that httpx2 does not have.
    """

    messages = False

    def __init__(self, base_url: str, settings: ClientSettings | None = None, *, tells: bool = True) -> None:
        self.inner = Httpx2Transport(base_url, settings, http2=True)
        # A client of its own: what was left may fill the connection, and could then never be told of.
        self.words = Httpx2Transport(base_url, settings, http2=True)
        self.teller = Teller(self.words.client, base_url)
        self.tells = tells

    @property
    def opened(self) -> int:
        """Count the connections opened so far."""
        return self.inner.opened

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer; see `serlab.service.transport.Transport`."""
        return await gathered(self.stream(payload), self.inner.where(payload))

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; see `serlab.service.transport.Transport`."""
        limits = self.inner.settings.timeouts, payload.deadline, self.inner.where(payload)
        patience, name = Patience(*limits), self.teller.name()
        named = replace(payload, headers={**payload.headers, CALL_HEADER: name})
        sending = self.inner.sending()
        pump = Pump(self.inner.pieces(named, Untimed(*limits), sending), sending)
        try:
            wait = patience.first
            while (piece := await wait(pump.take())) is not None:
                yield piece
                wait = patience.next
        finally:
            if not pump.ended:
                self.leave(pump, name)

    def leave(self, pump: Pump, name: str) -> None:
        """Leave a call that has not ended."""
        pump.leave()
        self.teller.keep(pump.task)
        if self.tells:
            self.teller.tell(name, pump)

    async def close(self) -> None:
        """Wait for what was left to end, and close all connections."""
        await self.teller.close()
        await self.inner.close()
        await self.words.close()
