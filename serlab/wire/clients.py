"""The client half of the service: one interface over aiohttp, httpx2, h2 and gRPC, with any codec.

    transport = open_transport("http", addresses, ClientSettings(timeouts=Timeouts(connect_s=1, first_byte_s=5)))
    client = Client(transport, "ChatRequest", "protobuf")
    answer = await client.call(request, Deadline.after(10))
    async with aclosing(client.stream(request)) as chunks:
        async for chunk in chunks: ...
    await transport.close()

`Transport` is bytes in, bytes out; `Client` puts a codec on one, and is a `Caller`, as is whatever stands in front of
one. It is apart from `serlab.wire` so that a server's process does not load what only clients need.
`docs/service.md` tells how to use it.
"""

from serlab.errors import MissingPackageError
from serlab.wire import INSTALL

try:
    from serlab.wire.client import Client
    from serlab.wire.grpc_client import GrpcTransport
    from serlab.wire.handshakes import Handshake, shake
    from serlab.wire.http2 import Http2Transport
    from serlab.wire.timeouts import (
        Answer,
        BrokenError,
        Caller,
        CallError,
        CallTimeoutError,
        Chunk,
        ClientSettings,
        Deadline,
        Pool,
        RefusedError,
        Timeouts,
    )
    from serlab.wire.transport import Payload, Piece, Reply, Transport
    from serlab.wire.transports import TRANSPORTS, AiohttpTransport, Httpx2Transport, open_transport
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"aiohttp", "yarl", "httpx2", "h2", "grpc"}:
        raise
    raise MissingPackageError(f"serlab.wire.clients needs {error.name}: {INSTALL}") from error

__all__ = [
    "TRANSPORTS",
    "AiohttpTransport",
    "Answer",
    "BrokenError",
    "CallError",
    "CallTimeoutError",
    "Caller",
    "Chunk",
    "Client",
    "ClientSettings",
    "Deadline",
    "GrpcTransport",
    "Handshake",
    "Http2Transport",
    "Httpx2Transport",
    "Payload",
    "Piece",
    "Pool",
    "RefusedError",
    "Reply",
    "Timeouts",
    "Transport",
    "open_transport",
    "shake",
]
