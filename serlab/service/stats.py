"""The server's own counters: whether its work stops when the client goes shows in them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from serlab.service.refusals import Cut


@dataclass(slots=True)
class Stats:
    """What one server has done; `active`, `waiting` and `held` are what it is at.

    Attributes:
        active: answers that are being made now.
        waiting: items that wait for a batch now.
        held: bytes of bodies that have come over HTTP and are not decoded yet.
        completed: answers that the model made whole.
        cancelled: answers that stopped because the client went, its deadline passed or the server was stopped.
        expired: answers that stopped, or were not begun, because a deadline had passed by the server's clock; a client
            that keeps the same deadline often leaves a moment before.
        cut: answers that a fault ended.
        failed: answers that ended by a mistake of the server.
        refused: requests that got an error for an answer.
        tokens: tokens made, those of whole answers and of streams.
        batches: batches served.
        items: items in them.
    """

    active: int = 0
    waiting: int = 0
    held: int = 0
    completed: int = 0
    cancelled: int = 0
    expired: int = 0
    cut: int = 0
    failed: int = 0
    refused: int = 0
    tokens: int = 0
    batches: int = 0
    items: int = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count one answer, and how it ended."""
        self.active += 1
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        except Cut:
            self.cut += 1
            raise
        except Exception:
            self.failed += 1
            raise
        else:
            self.completed += 1
        finally:
            self.active -= 1

    def to_dict(self) -> dict[str, int]:
        """Give the counters by name."""
        return asdict(self)
