"""Requests on their way in over HTTP."""

import asyncio

from starlette.requests import Request

from serlab.service.bounds import Bounds
from serlab.service.departures import UNDERWAY
from serlab.service.negotiate import SHOWN
from serlab.service.refusals import Refusal, overloaded
from serlab.service.settings import MAX_BODY_BYTES
from serlab.service.stats import Stats

SHORT = 4096
"""Bytes of a part that is not kept by itself."""


class Arrivals:
    """The bodies of all requests under way: their memory is bounded together.

    Args:
        bounds: how many bytes, and how slowly a body may come.
        stats: where to count them.
    """

    def __init__(self, bounds: Bounds, stats: Stats) -> None:
        self.bounds = bounds
        self.stats = stats
        self.count = 0

    async def body(self, request: Request) -> bytes:
        """Read a request's body, which counts as held until `forget`.

        Raises:
            Refusal: it is too long, comes too slowly, or there is no room for it; or it is compressed: what it would
                become is not known beforehand.
        """
        check_headers(request)
        parts: list[bytes | bytearray] = []
        size, underway = 0, request.scope[UNDERWAY]
        underway.limit_s = self.bounds.body_s
        self.count += 1
        try:
            async for part in request.stream():
                add(parts, part)
                size += len(part)
                self.stats.held += len(part)
                if size > MAX_BODY_BYTES:
                    raise too_long()
                if self.stats.held > self.bounds.body_bytes and size > self.bounds.body_bytes // self.count:
                    raise overloaded("body: no room for it beside those of other requests")
                underway.limit_s = self.bounds.body_s + size / self.bounds.body_rate
            underway.works()
            return parts[0] if len(parts) == 1 and isinstance(parts[0], bytes) else b"".join(parts)
        except BaseException as error:
            self.forget(size)
            if isinstance(error, asyncio.CancelledError) and underway.is_late:
                underway.task.uncancel()
                rate = f"{self.bounds.body_s:g} s and {self.bounds.body_rate} bytes a second"
                raise Refusal(408, f"body: expected it within {rate}, got {size} bytes") from error
            raise

    def forget(self, size: int) -> None:
        """Count a body as held no more."""
        self.stats.held -= size
        self.count -= 1


def check_headers(request: Request) -> None:
    """Look at what a request says of its body.

    Raises:
        Refusal: that it is compressed, or too long.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        text = f"Content-Encoding: expected identity or none, got {coding[:SHOWN]!r}; send the body as it is"
        raise Refusal(415, text, headers={"accept-encoding": "identity"})
    told = request.headers.get("content-length", "")
    if told.isdecimal() and (len(told) > 18 or int(told) > MAX_BODY_BYTES):
        raise too_long()


def add(parts: list[bytes | bytearray], part: bytes) -> None:
    """Keep a part of a body, a short one together with those before: each by itself costs 40 bytes more."""
    if len(part) >= SHORT or not parts:
        parts.append(part)
    elif isinstance(parts[-1], bytearray):
        parts[-1] += part
    else:
        parts.append(bytearray(part))


def too_long() -> Refusal:
    """Refuse a body."""
    return Refusal(413, f"body: expected at most {MAX_BODY_BYTES} bytes", code="request_too_large")
