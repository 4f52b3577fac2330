"""Requests on their way in over HTTP."""

import asyncio
import ctypes
from collections.abc import Sequence

from starlette.requests import Request

from serlab.service.bounds import Bounds
from serlab.service.departures import UNDERWAY
from serlab.service.heavy import PIECE
from serlab.service.negotiate import SHOWN
from serlab.service.refusals import Refusal, overloaded
from serlab.service.settings import MAX_BODY_BYTES
from serlab.service.stats import Stats

SHORT = 4096
"""Bytes of a part that is not kept by itself."""

FREE_PARTS = 4
"""Parts of a body that are read as fast as they come; see `Arrivals.pace`. One of 1.6 MB has no more."""
SHORT_RATE, LONG_RATE = 1000, 1 << 27
"""Short parts a second, and bytes a second of others, that are read of all bodies together beyond these."""
MOST_LATE_S = 0.02
"""How long a part waits at most because the loop was held up."""
TRIM_BYTES, TRIM_S = 1 << 26, 3.0
"""After how many bytes of bodies that are held no more free memory goes back to the system, and how much later."""


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
        self.turn = asyncio.Lock()
        self.gone = 0

    async def body(self, request: Request) -> Sequence[bytes]:
        """Read a request's body, which counts as held until `forget`.

        It is returned in the parts that it came in: to join one of 63 MB would hold the loop up for as long as a copy
        takes, a quarter of a second on a busy machine.

        Raises:
            Refusal: it is too long, comes too slowly, or there is no room for it; or it is compressed: what it would
                become is not known beforehand.
        """
        check_headers(request)
        parts: list[bytes | bytearray] = []
        size, number, underway = 0, 0, request.scope[UNDERWAY]
        underway.limit_s = self.bounds.body_s
        self.count += 1
        try:
            async for part in request.stream():
                add(parts, part)
                size += len(part)
                number += 1
                self.stats.held += len(part)
                if size > MAX_BODY_BYTES:
                    raise too_long()
                if self.stats.held > self.bounds.body_bytes and size > self.bounds.body_bytes // self.count:
                    raise overloaded("body: no room for it beside those of other requests")
                underway.limit_s = self.bounds.body_s + size / self.bounds.body_rate
                if number > FREE_PARTS:
                    await self.pace(len(part))
            underway.works()
            return [part if isinstance(part, bytes) else bytes(part) for part in parts]
        except BaseException as error:
            self.forget(size)
            if isinstance(error, asyncio.CancelledError) and underway.is_late:
                underway.task.uncancel()
                rate = f"{self.bounds.body_s:g} s and {self.bounds.body_rate} bytes a second"
                raise Refusal(408, f"body: expected it within {rate}, got {size} bytes") from error
            raise

    async def pace(self, size: int) -> None:
        """Wait before more of a body is read, so that small requests come between.

        The server's library reads a part for each body that asks for one, in threads that want the interpreter as the
        loop does: 60 bodies that came at once left it hardly any of it, and 1,000 that trickled in kept it busy with
        parts of a few bytes. So beside others a long body takes its turn for each further part, and waits as long
        again as the loop was held up meanwhile; a short part waits until more has come.

        Args:
            size: of the last part.
        """
        if size < SHORT:
            await asyncio.sleep(self.count / SHORT_RATE)
        elif self.count > 1:
            async with self.turn:
                loop = asyncio.get_running_loop()
                due = loop.time() + size / LONG_RATE
                await asyncio.sleep(size / LONG_RATE)
                await asyncio.sleep(min(MOST_LATE_S, loop.time() - due))

    def forget(self, size: int) -> None:
        """Count a body of so many bytes as held no more."""
        self.stats.held -= size
        self.count -= 1
        self.gone += size
        if self.gone > TRIM_BYTES:
            self.gone = 0
            loop = asyncio.get_running_loop()
            loop.call_later(TRIM_S, loop.run_in_executor, None, give_back)


def give_back() -> None:
    """Give free memory back to the system.

    The C library keeps what lies between pieces that are in use: 0.4 GB stayed with a server that had refused sixty
    bodies of 60 MB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


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
    if len(part) >= SHORT or (part and not parts):
        parts.append(part)
    elif parts and isinstance(parts[-1], bytearray) and len(parts[-1]) < PIECE:
        parts[-1] += part
    elif part:
        parts.append(bytearray(part))


def too_long() -> Refusal:
    """Refuse a body."""
    return Refusal(413, f"body: expected at most {MAX_BODY_BYTES} bytes", code="request_too_large")
