"""gRPC by grpc.aio: `LLMService` of schemas/llm.proto, bytes in, bytes out.

    /v1/completions        Generate, and GenerateStream for a stream
    /v1/chat/completions   Chat with one request, for a stream; there is no whole answer to a chat
    /echo                  Echo, see `serlab.wire.echo`

The codec is protobuf, since that is what the server reads there. A deadline goes as gRPC's own; a call that is left is
reset, and the server's coroutine cancelled. One channel is one connection, which carries all calls side by side, so of
the pool only `idle_s` and `keep_alive` mean anything. gRPC for Python cannot choose the version of TLS.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import grpc

from serlab.errors import ServiceError
from serlab.wire.echo import ECHO_PATH, METHOD, SERVICE
from serlab.wire.settings import MAX_BODY_BYTES
from serlab.wire.timeouts import EXPIRED, BrokenError, CallError, CallTimeouts, ClientSettings, retry_after
from serlab.wire.transport import Payload, Piece, Reply

# The parts of a call over gRPC.

STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNIMPLEMENTED: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.DEADLINE_EXCEEDED: EXPIRED,
}
"""Code → the status of HTTP that means the same; any other is 500."""

TOO_LARGE, OVERSIZE = 413, "message larger than max"
"""The status of HTTP, and grpc's words, for a message beyond a limit: the code is that of a server which has enough,
but to come again later is no use."""

SETTLED = (
    grpc.ChannelConnectivity.READY,
    grpc.ChannelConnectivity.TRANSIENT_FAILURE,
    grpc.ChannelConnectivity.SHUTDOWN,
)
BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def _settled(channel: Any) -> None:
    """Wait until a channel is connected, or could not be: the call itself tells why."""
    while (state := channel.get_state(try_to_connect=True)) not in SETTLED:
        await channel.wait_for_state_change(state)


def _options_of(payload: Payload) -> dict[str, Any]:
    """Return what goes along with a request: metadata, and what is left of its deadline."""
    found: dict[str, Any] = {"metadata": tuple(payload.headers.items())} if payload.headers else {}
    if payload.deadline is not None:
        found["timeout"] = max(0.0, payload.deadline.left_s())
    return found


async def _alone(data: bytes) -> AsyncIterator[bytes]:
    """Send one request of a conversation."""
    yield data


async def _guarded(work: Any, patience: CallTimeouts, began: bool) -> Any:
    """Wait for gRPC, with its errors turned into ours.

    Raises:
        CallError: the call failed.
    """
    try:
        return await work
    except grpc.aio.AioRpcError as error:
        raise _failure_of(error, patience, began) from error


def _failure_of(error: Any, patience: CallTimeouts, began: bool) -> CallError:
    """Turn a status of gRPC into our error."""
    text = f"{error.code().name}: {error.details()}"
    if error.code() in BROKEN:
        return BrokenError(text, patience.where, began)
    trailing = dict(error.trailing_metadata() or ())
    status = TOO_LARGE if OVERSIZE in text else STATUSES.get(error.code(), 500)
    return patience.refused(status, text, retry_after(trailing))


WHOLE = {"/v1/completions": "/serlab.LLMService/Generate", ECHO_PATH: f"/{SERVICE}/{METHOD}"}
STREAMED = {"/v1/completions": "/serlab.LLMService/GenerateStream", "/v1/chat/completions": "/serlab.LLMService/Chat"}


class GrpcTransport:
    """Calls over gRPC; to be made in a running event loop.

    Args:
        address: host:port.
        settings: None for the defaults.
        secure: TLS.

    Attributes:
        opened: channels opened so far.

    Raises:
        ServiceError: a setting that gRPC does not have.
    """

    messages = True

    def __init__(self, address: str, settings: ClientSettings | None = None, *, secure: bool = False) -> None:
        self.settings = settings or ClientSettings()
        self.address = address
        self.opened = 0
        self.credentials = self.trust() if secure else None
        self.kept: Any = self.open() if self.settings.pool.keep_alive else None

    def trust(self) -> Any:
        """Read the authority."""
        if self.settings.tls:
            raise ServiceError(f"tls: expected no version, got {self.settings.tls}: gRPC for Python cannot choose one")
        file = self.settings.ca_file
        return grpc.ssl_channel_credentials(Path(file).read_bytes() if file else None)

    def open(self) -> Any:
        """Open a channel, with a connection of its own."""
        self.opened += 1
        options = [
            # Without it channels to one address share a connection, even those of different clients.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.client_idle_timeout_ms", max(1, int(self.settings.pool.idle_s * 1000))),
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", MAX_BODY_BYTES),
            ("grpc.max_send_message_length", MAX_BODY_BYTES),
            # No compressed answers: they are unpacked before their length is looked at.
            ("grpc.compression_enabled_algorithms_bitset", 1),
        ]
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        return grpc.aio.secure_channel(self.address, self.credentials, options=options)

    @asynccontextmanager
    async def channel(self, patience: CallTimeouts) -> AsyncIterator[Any]:
        """Return a channel that is connected if there is a limit to that, and close it if it is for one call only."""
        channel = self.kept or self.open()
        try:
            if patience.timeouts.connect_s is not None:
                await patience.connected(_settled(channel))
            yield channel
        finally:
            if channel is not self.kept:
                await channel.close()

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer; see `serlab.wire.transport.Transport`."""
        patience, method = self.begin(payload, WHOLE)
        began = perf_counter_ns()
        async with self.channel(patience) as channel:
            call = channel.unary_unary(method)(payload.data, **_options_of(payload))
            data = await patience.first(_guarded(call, patience, False))
            now = perf_counter_ns()
            return Reply(data, began, now, now)

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer message by message; see `serlab.wire.transport.Transport`."""
        patience, method = self.begin(payload, STREAMED)
        async with self.channel(patience) as channel:
            if method.endswith("Chat"):
                call = channel.stream_stream(method)(_alone(payload.data), **_options_of(payload))
            else:
                call = channel.unary_stream(method)(payload.data, **_options_of(payload))
            wait, began = patience.first, False
            try:
                while (data := await wait(_guarded(call.read(), patience, began))) is not grpc.aio.EOF:
                    yield Piece(data, perf_counter_ns())
                    wait, began = patience.next, True
            finally:
                call.cancel()

    def begin(self, payload: Payload, methods: dict[str, str]) -> tuple[CallTimeouts, str]:
        """Find the method.

        Raises:
            CallError: there is none.
        """
        where = f"grpc://{self.address}{payload.path}"
        if payload.path not in methods:
            raise CallError(f"{where}: expected one of {', '.join(methods)} for this form of answer; or use HTTP")
        return CallTimeouts(self.settings.timeouts, payload.deadline, where), methods[payload.path]

    async def close(self) -> None:
        """Close the channel."""
        if self.kept is not None:
            await self.kept.close()
