"""Requests on their way in over HTTP."""

from starlette.requests import Request

from serlab.service.negotiate import SHOWN
from serlab.service.refusals import Refusal
from serlab.service.settings import MAX_BODY_BYTES


async def body_of(request: Request) -> bytes:
    """Read a request's body.

    Raises:
        Refusal: it is too long, or compressed: what it would become is not known beforehand.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        text = f"Content-Encoding: expected identity or none, got {coding[:SHOWN]!r}; send the body as it is"
        raise Refusal(415, text, headers={"accept-encoding": "identity"})
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise Refusal(413, f"body: expected at most {MAX_BODY_BYTES} bytes", code="request_too_large")
    return b"".join(parts)
