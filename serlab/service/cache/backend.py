"""What a cache asks of the place where entries are kept."""

from dataclasses import asdict, dataclass
from typing import Protocol


@dataclass(slots=True)
class BackendStats:
    """What happened to entries where they are kept.

    Attributes:
        evicted: entries that made room for others.
        refused: entries that were not kept, since they are larger than the whole or found no room.
        failed: calls that the backend did not answer; they are misses.
    """

    evicted: int = 0
    refused: int = 0
    failed: int = 0

    def to_dict(self) -> dict[str, int]:
        """Give the counters by name."""
        return asdict(self)


class Backend(Protocol):
    """Keeps entries, which are bytes; what it cannot do it counts, and never raises.

    Attributes:
        stats: its counters.
    """

    stats: BackendStats

    async def get(self, key: bytes) -> bytes | None:
        """Give an entry; None where there is none."""

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        """Keep an entry, for at most so many seconds where the backend knows of time; 0 is for ever."""

    async def delete(self, key: bytes) -> None:
        """Forget an entry."""

    async def close(self) -> None:
        """Give back what it holds."""
