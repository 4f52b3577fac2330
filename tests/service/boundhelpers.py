"""What the tests of the server's bounds share: clients that cost something and give nothing."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from serlab.messages import from_document
from serlab.service import Addresses
from serlab.service.clients import Client, open_transport
from tests.service.helpers import CHAT, HANG_S, PATH, trust

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
