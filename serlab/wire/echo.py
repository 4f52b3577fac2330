"""A message that goes to the server and comes back: what a codec costs on a whole way, and nothing else.

    POST /echo                 Content-Type: of the message, as everywhere; x-serlab-kind: ChatRequest
    gRPC  /serlab.Echo/Echo    bytes; the same in the metadata x-serlab-content and x-serlab-kind

The server decodes the message and encodes it again. As `application/octet-stream` the bytes come back as they are:
that is what the transport costs alone. gRPC carries bytes here, not messages of a schema, so that every codec that
verifies what it reads can go its way.
"""

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import grpc

from serlab import codecs
from serlab.codecs import check_verifies, open_codec
from serlab.wire.api_errors import api_error_for, one_line
from serlab.wire.client import content_for
from serlab.wire.content import SHOWN, content_of
from serlab.wire.heavy import Heavy, is_large, is_long, joined
from serlab.wire.transport import Payload, Transport

ECHO_PATH = "/echo"
SERVICE, METHOD = "serlab.Echo", "Echo"
KIND_HEADER, CONTENT_HEADER = "x-serlab-kind", "x-serlab-content"
BYTES = "application/octet-stream"


async def returned(heavy: Heavy, content: str, kind: str, parts: Sequence[bytes]) -> Sequence[bytes]:
    """Decode and encode a message; give bytes that are none back as they are.

    Args:
        heavy: what does it if it is long.
        content: the message's media type, or `BYTES`.
        kind: of the message.
        parts: one encoded message.

    Returns:
        The pieces of the encoded message.

    Raises:
        SerlabError: there is no such codec or kind, or the bytes are no message of it.
    """
    if content == BYTES:
        return parts
    codec = open_codec(content_of(content).codec, kind[:SHOWN])
    if is_large(parts, codec.name):
        return (await heavy.prepared(kind, codec.name, parts, kind, codec.name)).pieces
    message = await heavy.decoded(codec, parts)
    return (await heavy.by_turns(lambda: codec.encode(message), is_long(parts)),)


def grpc_handler(heavy: Heavy) -> Any:
    """Return what a gRPC server needs to answer; bytes go in and out, for no serializer is named."""

    async def echo(data: bytes, context: Any) -> bytes:
        told = dict(context.invocation_metadata() or ())
        content, kind = str(told.get(CONTENT_HEADER, BYTES)), str(told.get(KIND_HEADER, ""))
        try:
            if content != BYTES and is_large((data,), content_of(content).codec):
                await heavy.place(asyncio.current_task())
            return joined(await returned(heavy, content, kind, (data,)))
        except Exception as error:
            refusal = api_error_for(error)
            code = grpc.StatusCode.INVALID_ARGUMENT if refusal.status < 500 else grpc.StatusCode.INTERNAL
            await context.abort(code, one_line(str(refusal)))
            raise

    return grpc.method_handlers_generic_handler(SERVICE, {METHOD: grpc.unary_unary_rpc_method_handler(echo)})


class Echo:
    """Sends messages of one kind in one codec, and gets them back.

    Args:
        transport: what carries the bytes; who made it closes it.
        kind: of the messages.
        codec: a codec's name.

    Raises:
        UnknownNameError: there is no such codec or kind, or the codec does not verify what it reads.
    """

    def __init__(self, transport: Transport, kind: str, codec: str) -> None:
        check_verifies(codec)
        self.transport, self.kind = transport, kind
        self.codec = open_codec(codec, kind)
        self.content = content_for(codec).header()

    @cached_property
    def headers(self) -> dict[str, str]:
        """Return what goes along with a message."""
        return {KIND_HEADER: self.kind, CONTENT_HEADER: self.content}

    async def call(self, message: Any) -> Any:
        """Send a message and decode what comes back.

        Raises:
            CallError: nothing did.
            SerlabError: the codec cannot carry the message.
        """
        return codecs.decode_untrusted(self.codec, await self.coded(self.codec.encode(message)))

    async def coded(self, data: bytes) -> bytes:
        """Send a message that is encoded already, and leave the answer encoded: the server still does its part."""
        payload = Payload(ECHO_PATH, data, self.content, self.content, None, self.headers)
        return (await self.transport.call(payload)).data

    async def plain(self, data: bytes) -> bytes:
        """Send bytes that nobody decodes."""
        headers = {CONTENT_HEADER: BYTES}
        return (await self.transport.call(Payload(ECHO_PATH, data, BYTES, BYTES, None, headers))).data

    async def call_in_thread(self, message: Any) -> Any:
        """Send a message and get it back, with the codec's work in another thread."""
        data = await asyncio.to_thread(self.codec.encode, message)
        return await asyncio.to_thread(codecs.decode_untrusted, self.codec, await self.coded(data))
