"""What the tests of the server's bounds share: clients that cost something and give nothing."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx2
import orjson

from serlab.messages import from_document
from serlab.wire import Addresses
from serlab.wire.clients import Client, open_transport
from tests.wire.helpers import CHAT, HANG_S, PATH, trust

SILENT = b""
SLOW_HEADERS = b"POST /echo HTTP/1.1\r\nhost: x\r\nx-slow: "
SLOW_BODY = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: 9999\r\n\r\n"
SLOW_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The preface of HTTP/2 and settings: a connection that never asks for anything."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def port_of(address: str) -> int:
    """Read the port of an address."""
    return int(address.rpartition(":")[2])


@asynccontextmanager
async def strangers(port: int, count: int, says: bytes = SILENT) -> AsyncIterator[list[Streams]]:
    """Open connections that say the beginning of something, and nothing more, for a block."""

    async def one() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(says)
        return reader, writer

    found: list[Streams] = []
    try:
        for start in range(0, count, 256):
            found += await asyncio.gather(*(one() for _ in range(min(256, count - start))))
        yield found
    finally:
        for _, writer in found:
            writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the other side has closed a connection."""
    try:
        while await reader.read(65_536):
            continue
    except ConnectionError:
        return True
    return True


async def all_answer(addresses: Addresses) -> None:
    """Ask by each transport, each over a new connection; all must answer."""
    for arm in ("http", "https", "http2", "http2-tls"):
        options: dict[str, Any] = {"http2": True, "http1": False} if arm.startswith("http2") else {}
        address = addresses.https if arm in ("https", "http2-tls") else addresses.http
        verify = trust(addresses)
        async with httpx2.AsyncClient(timeout=HANG_S, trust_env=False, verify=verify, **options) as http:
            assert (await http.post(address + PATH, json=CHAT)).status_code == 200, arm
    prompt = from_document("GenerateRequest", {"model": "m", "prompt": "once", "max_tokens": 3})
    for arm in ("grpc", "grpc-tls"):
        transport = open_transport(arm, addresses)
        try:
            answer = await Client(transport, "GenerateRequest", "protobuf").call(prompt)
            assert answer.message.choices[0].text
        finally:
            await transport.close()


def descriptors(wanted: int) -> int:
    """Let this process have descriptors; tell how many connections it may open, `wanted` at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard - 300)


class Miser:
    """A client over HTTP/2 that asks for answers and gives no room for them.

    Attributes:
        statuses: of the answers that have begun, by stream.
        taken: what has come of each.
        ended: the streams whose answers are whole.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        nothing = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}
        self.connection.local_settings = h2.settings.Settings(client=True, initial_values=nothing)
        self.connection.initiate_connection()
        self.statuses: dict[int, str] = {}
        self.taken: dict[int, bytes] = {}
        self.ended: set[int] = set()

    async def ask(self, path: str, document: Any) -> int:
        """Send a request; return its stream."""
        stream: int = self.connection.get_next_available_stream_id()
        fields = {":method": "POST", ":path": path, ":scheme": "http", ":authority": "x"}
        self.connection.send_headers(stream, [*fields.items(), ("content-type", "application/json")])
        self.connection.send_data(stream, orjson.dumps(document), end_stream=True)
        await self.send()
        return stream

    async def give(self, stream: int, room: int) -> None:
        """Return room for a part of an answer."""
        self.connection.increment_flow_control_window(room)
        self.connection.increment_flow_control_window(room, stream)
        await self.send()

    async def send(self) -> None:
        """Send what is to be sent."""
        self.writer.write(self.connection.data_to_send())
        await self.writer.drain()

    async def read(self) -> None:
        """Note what comes, until the other side closes the connection."""
        while data := await self.reader.read(65_536):
            for event in self.connection.receive_data(data):
                match event:
                    case h2.events.ResponseReceived():
                        self.statuses[event.stream_id] = dict(event.headers)[":status"]
                    case h2.events.DataReceived():
                        self.taken[event.stream_id] = self.taken.get(event.stream_id, b"") + event.data
                    case h2.events.StreamEnded():
                        self.ended.add(event.stream_id)
            await self.send()


@asynccontextmanager
async def miser(addresses: Addresses, tls: bool = False) -> AsyncIterator[tuple[Miser, "asyncio.Task[None]"]]:
    """Connect a client that takes nothing for a block; the task is done when the server has closed the connection."""
    context = trust(addresses) if tls else None
    if context is not None:
        context.set_alpn_protocols(["h2"])
    port = port_of(addresses.https if tls else addresses.http)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = Miser(reader, writer)
    reading = asyncio.create_task(found.read())
    try:
        yield found, reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()
