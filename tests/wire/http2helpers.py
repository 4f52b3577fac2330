"""A server of HTTP/2 that does by hand what a test wants, frame by frame."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from serlab.wire.clients import ClientSettings, Http2Transport
from serlab.wire.transport import Payload

OK = [(":status", "200"), ("content-type", "a/b")]


def asking(data: bytes = b"q", **fields: Any) -> Payload:
    """Make a request."""
    return Payload("/path", data, "a/b", "a/b", **fields)


class Served:
    """A connection to the server.

    Attributes:
        events: all that came.
        ended: set when the client has closed it.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.state = H2Connection(H2Configuration(client_side=False))
        self.events: list[Event] = []
        self.ended = asyncio.Event()

    def of(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def resets(self) -> list[tuple[int, str]]:
        """Return the streams that were reset, and why."""
        return [(event.stream_id, event.error_code.name) for event in self.of(StreamReset)]

    def body(self, stream: int) -> bytes:
        """Return what has come of a request."""
        return b"".join(event.data for event in self.of(DataReceived) if event.stream_id == stream)

    def begin(self, stream: int, data: bytes = b"") -> None:
        """Begin an answer."""
        self.state.send_headers(stream, OK)
        if data:
            self.state.send_data(stream, data)
        self.flush()

    def answer(self, stream: int, data: bytes = b"a") -> None:
        """Return an answer that is whole."""
        self.state.send_headers(stream, OK)
        self.end(stream, data)

    def end(self, stream: int, data: bytes = b"") -> None:
        """Return the rest of one."""
        self.state.send_data(stream, data, end_stream=True)
        self.flush()

    def fill(self, stream: int) -> int:
        """Send as much as the client has room for; tell how many bytes."""
        sent = 0
        while room := min(self.state.local_flow_control_window(stream), self.state.max_outbound_frame_size):
            self.state.send_data(stream, bytes(room))
            sent += room
        self.flush()
        return sent

    def go_away(self, last: int) -> None:
        """Say up to which stream this connection is at work; h2 would say nothing more after it."""
        self.writer.write(GoAwayFrame(0, last_stream_id=last).serialize())

    def flush(self) -> None:
        """Write what there is to say."""
        self.writer.write(self.state.data_to_send())


Act = Callable[[Served, Event], None]


def silent(_: Served, __: Event) -> None:
    """Do nothing; what is to be done the test does."""


@asynccontextmanager
async def by_hand(
    act: Act = silent, settings: Mapping[int, int] | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[Served]]]:
    """Serve.

    Args:
        act: is called for each event.
        settings: that the server begins with.
        context: of TLS, None for none.

    Yields:
        The URL, and the connections that have come.
    """
    served: list[Served] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = Served(writer)
        for name, value in (settings or {}).items():
            one.state.local_settings[SettingCodes(name)] = value
            one.state.local_settings.acknowledge()
        served.append(one)
        one.state.initiate_connection()
        one.flush()
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                for event in one.state.receive_data(data):
                    one.events.append(event)
                    act(one, event)
                one.flush()
        one.ended.set()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}", served


@asynccontextmanager
async def calling(url: str, settings: ClientSettings | None = None, **options: Any) -> AsyncIterator[Http2Transport]:
    """Open a transport for a block, and see that no connection and no task is left of it."""
    transport = Http2Transport(url, settings, **options)
    try:
        yield transport
    finally:
        await transport.close()
        assert not transport.connections
