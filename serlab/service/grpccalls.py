"""The parts of a call over gRPC."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from serlab.service.failures import BrokenError, CallError, retry_after
from serlab.service.patience import EXPIRED, Patience
from serlab.service.transport import Payload

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


async def settled(channel: Any) -> None:
    """Wait until a channel is connected, or could not be: the call itself tells why."""
    while (state := channel.get_state(try_to_connect=True)) not in SETTLED:
        await channel.wait_for_state_change(state)


def options_of(payload: Payload) -> dict[str, Any]:
    """Give what goes along with a request: metadata, and what is left of its deadline."""
    found: dict[str, Any] = {"metadata": tuple(payload.headers.items())} if payload.headers else {}
    if payload.deadline is not None:
        found["timeout"] = max(0.0, payload.deadline.left_s())
    return found


async def alone(data: bytes) -> AsyncIterator[bytes]:
    """Send one request of a conversation."""
    yield data


async def guarded(work: Any, patience: Patience, began: bool) -> Any:
    """Wait for gRPC, with its errors turned into ours.

    Raises:
        CallError: the call failed.
    """
    try:
        return await work
    except grpc.aio.AioRpcError as error:
        raise failure_of(error, patience, began) from error


def failure_of(error: Any, patience: Patience, began: bool) -> CallError:
    """Turn a status of gRPC into our error."""
    text = f"{error.code().name}: {error.details()}"
    if error.code() in BROKEN:
        return BrokenError(text, patience.where, began)
    trailing = dict(error.trailing_metadata() or ())
    status = TOO_LARGE if OVERSIZE in text else STATUSES.get(error.code(), 500)
    return patience.refused(status, text, retry_after(trailing))
