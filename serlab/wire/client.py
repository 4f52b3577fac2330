"""A codec on a transport: messages in, messages out.

    transport = AiohttpTransport(addresses.http)
    client = Client(transport, "ChatRequest", "protobuf")
    answer = await client.call(request)
    async with aclosing(client.stream(request)) as chunks:
        async for chunk in chunks: ...

What the codec costs is the difference to the transport alone: `client.payload(data)` gives a request that is encoded
already, and `client.transport` takes it and gives bytes.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any

import msgspec

from serlab import codecs
from serlab.codecs import JSON, check_verifies, codec_info, open_codec
from serlab.errors import DecodeError, ServiceError
from serlab.messages import UNSET
from serlab.wire.content import (
    ANY_CODEC,
    BASELINE,
    EVENTS,
    FRAMES,
    GRPC,
    LINES,
    UNWRAPPERS,
    Content,
    MessageUnwrapper,
)
from serlab.wire.timeouts import Answer, BrokenError, Chunk, Deadline
from serlab.wire.transport import PATHS, Payload, Transport

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Client:
    """Calls a server with one kind of request in one codec.

    Args:
        transport: what carries the bytes; several clients may share one, and who made it closes it.
        kind: of the requests: "ChatRequest", "GenerateRequest" or "EmbeddingRequest".
        codec: a codec's name; over gRPC the one that it carries.
        form: of a stream: `text/event-stream`, `application/x-ndjson` or `application/x-serlab-frames`; "" for events
            where the codec is JSON, else frames.
        headers: to send along with every call.

    Raises:
        UnknownNameError: there is no such codec, or it does not verify what it reads: an answer is a stranger's bytes.
        ServiceError: there is no such kind or form, or gRPC with another codec.
    """

    def __init__(
        self,
        transport: Transport,
        kind: str,
        codec: str = BASELINE,
        form: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self.transport = transport
        self.headers = headers
        self.path = _path_of(kind)
        kinds = PATHS[self.path]
        if transport.messages and codec != GRPC:
            raise ServiceError(f"gRPC: expected the codec {GRPC}, got {codec}; use HTTP for the others")
        check_verifies(codec)
        self.content = content_for(codec)
        self.form = form or (EVENTS if self.content.media == JSON.media else FRAMES)
        if self.form not in UNWRAPPERS or (self.form in (EVENTS, LINES) and self.content.media != JSON.media):
            raise ServiceError(f"form: expected {FRAMES}, or for JSON {EVENTS} or {LINES}, got {form!r} with {codec}")
        self.request, self.whole = open_codec(codec, kinds.request), open_codec(codec, kinds.whole)
        self.piece = open_codec(codec, kinds.piece) if kinds.piece else None

    def payload(self, data: bytes, deadline: Deadline | None = None, streams: bool = False) -> Payload:
        """Make a request of one that is encoded already; `transport` takes it.

        Args:
            data: one encoded message; for a stream over HTTP its `stream` is true.
            deadline: when the answer is worth nothing any more.
            streams: whether a stream is asked for.
        """
        accept = Content(self.form, self.content.codec) if streams else self.content
        return Payload(self.path, data, self.content.header(), accept.header(), deadline, self.headers)

    async def call(self, request: Any, deadline: Deadline | None = None) -> Answer:
        """Get a whole answer; see `serlab.wire.timeouts.Caller`.

        Raises:
            EncodeError: the codec cannot carry the request.
            CallError: there is no answer.
        """
        began = perf_counter_ns()
        payload = self.payload(self.request.encode(_streaming(request, False)), deadline)
        reply = await self.transport.call(payload)
        try:
            return Answer(codecs.decode_untrusted(self.whole, reply.data), began, reply.first_ns, reply.ended_ns)
        except DecodeError as error:
            raise BrokenError(str(error), self.path, True) from error

    async def stream(self, request: Any, deadline: Deadline | None = None) -> AsyncGenerator[Chunk, None]:
        """Get an answer as it comes; see `serlab.wire.timeouts.Caller`.

        Raises:
            EncodeError: the codec cannot carry the request.
            CallError: the answer ended before its time.
        """
        if self.piece is None:
            raise ServiceError(f"{self.path}: expected a call, got a stream: this path has none")
        payload = self.payload(self.request.encode(_streaming(request, True)), deadline, True)
        unwrapper = MessageUnwrapper() if self.transport.messages else UNWRAPPERS[self.form]()
        try:
            async with aclosing(self.transport.stream(payload)) as pieces:
                async for data, time_ns in pieces:
                    for message in unwrapper.feed(data):
                        yield Chunk(codecs.decode_untrusted(self.piece, message), time_ns)
            unwrapper.close()
        except DecodeError as error:
            raise BrokenError(str(error), self.path, True) from error


def _path_of(kind: str) -> str:
    """Find where a kind of request goes.

    Raises:
        ServiceError: nowhere.
    """
    for path, kinds in PATHS.items():
        if kinds.request == kind:
            return path
    known = ", ".join(kinds.request for kinds in PATHS.values())
    raise ServiceError(f"kind: expected one of {known}, got {kind!r}")


def content_for(codec: str) -> Content:
    """Choose the media type for a codec: that of its format, if it is one that others know."""
    return Content(codec_info(codec).format.media or ANY_CODEC, codec)


def _streaming(request: Any, wanted: bool) -> Any:
    """Ask for a stream, or for none; the request itself stays as it is."""
    if getattr(request, "stream", UNSET) is True and not wanted:
        return msgspec.structs.replace(request, stream=UNSET)
    if wanted and hasattr(request, "stream") and request.stream is not True:
        return msgspec.structs.replace(request, stream=True)
    return request
