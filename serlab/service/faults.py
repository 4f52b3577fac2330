"""Seeded faults: which request fails, and how.

The k-th request that the server admits gets the k-th fault of its seed, so a client that sends one request after
another meets the same faults in every run, and a repeated request another fault than at first. With requests at the
same time the faults are the same, but which request meets which is up to their order of arrival.

- `error`: status 500, before any work.
- `rate-limit`: status 429 with Retry-After, before any work.
- `stall`: the answer stops for `stall_s` seconds somewhere in the middle, then goes on.
- `cut`: the connection ends somewhere in the middle of the answer.
"""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from serlab.errors import ServiceError, UnknownNameError

KINDS = ("error", "rate-limit", "stall", "cut")


class Fault(NamedTuple):
    """What happens to one request.

    Attributes:
        kind: one of `KINDS`, "" for none.
        at: the share of the answer, 0 to 1, that comes before a stall or a cut.
    """

    kind: str
    at: float


NO_FAULT = Fault("", 0.0)


@dataclass(frozen=True, slots=True)
class Faults:
    """How many of the requests fail in which way.

    Attributes:
        error: share of requests, 0 to 1; so are `rate_limit`, `stall` and `cut`, together 1 at most.
        stall_s: how long a stall lasts, in seconds.
        retry_after_s: when a client that is over the rate limit may come again, in seconds.
    """

    error: float = 0.0
    rate_limit: float = 0.0
    stall: float = 0.0
    cut: float = 0.0
    stall_s: float = 5.0
    retry_after_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("error", "rate_limit", "stall", "cut"):
            if not 0 <= getattr(self, name) <= 1:
                raise ServiceError(f"faults: {name}: expected a share of 0 to 1, got {getattr(self, name)}")
        if sum(self.shares()) > 1 + 1e-9:
            raise ServiceError(f"faults: expected shares of 1 at most together, got {sum(self.shares()):g}")
        if min(self.stall_s, self.retry_after_s) < 0:
            raise ServiceError("faults: expected stall_s and retry_after_s of 0 or more seconds")

    def shares(self) -> tuple[float, float, float, float]:
        """List the shares in the order of `KINDS`."""
        return self.error, self.rate_limit, self.stall, self.cut

    def draw(self, seed: int, number: int, forced: str = "") -> Fault:
        """Say what happens to a request.

        Args:
            seed: the server's.
            number: how many requests were admitted before.
            forced: a kind that the client asks for, "" for none.

        Raises:
            UnknownNameError: there is no such kind.
        """
        if forced and forced not in KINDS:
            raise UnknownNameError.of("fault", forced, KINDS)
        if not forced and not any(self.shares()):
            return NO_FAULT
        random = Random(f"faults/{seed}/{number}")
        draw, at = random.random(), random.random()
        for kind, share in zip(KINDS, self.shares(), strict=True):
            if forced == kind or (not forced and draw < share):
                return Fault(kind, at)
            draw -= share
        return NO_FAULT
