"""The latency model: how long the model behind the server takes.

    a request of n items waits for a batch, which takes   batch_base_s + n · batch_item_s   (n: the batch's items)
    its first token comes after                           first_token_s
    each further token comes after                        token_s

An item is a conversation, a prompt, or one text to embed. Batches are served one after another; see
`serlab.service.batcher`. A whole answer comes when its last token does. With all at 0 the server costs what its code
costs, and that is what remains to be measured.

Sleeping is not working. A model that sleeps leaves the event loop to the other requests, so the stalls of a real server
that tokenizes or samples on its loop do not show. `busy=True` spends the same times as CPU on the loop itself, where
everything else has to wait.
"""

import asyncio
from dataclasses import dataclass, fields
from time import thread_time

from serlab.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Latency:
    """The times of the model, in seconds.

    Attributes:
        first_token_s: from the end of the batch to the first token.
        token_s: between two tokens.
        batch_base_s: what a batch takes, however many are in it.
        batch_item_s: what each item of a batch adds.
        batch_limit: items in a batch at most.
        busy: spend CPU on the event loop instead of sleeping.
    """

    first_token_s: float = 0.0
    token_s: float = 0.0
    batch_base_s: float = 0.0
    batch_item_s: float = 0.0
    batch_limit: int = 64
    busy: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < 86_400:
                raise ServiceError(f"latency: {field.name}: expected 0 to 86400, got {value}")
        if self.batch_limit < 1:
            raise ServiceError(f"latency: batch_limit: expected at least 1, got {self.batch_limit}")

    def batch_s(self, items: int) -> float:
        """Say how long a batch takes: a + b·n seconds."""
        return self.batch_base_s + items * self.batch_item_s


async def spend(seconds: float, busy: bool) -> None:
    """Let time pass, and always let the event loop go round once.

    Args:
        seconds: how long.
        busy: as CPU time of this thread rather than by the clock.
    """
    if busy:
        burn(seconds)
        seconds = 0.0
    await asyncio.sleep(max(0.0, seconds))


def burn(seconds: float) -> None:
    """Spend CPU time of this thread."""
    end = thread_time() + seconds
    while thread_time() < end:
        continue


class Pace:
    """Tells one answer's tokens when they are due.

    Due times are fixed when the answer begins, so that a late wake-up delays one token and not all that follow.

    Args:
        latency: the model's times.
    """

    def __init__(self, latency: Latency) -> None:
        self.latency = latency
        self.step_s = latency.first_token_s
        self.due = asyncio.get_running_loop().time()

    async def next(self) -> None:
        """Wait for the next token."""
        self.due += self.step_s
        waits_s = self.step_s if self.latency.busy else self.due - asyncio.get_running_loop().time()
        self.step_s = self.latency.token_s
        await spend(waits_s, self.latency.busy)

    async def all(self, tokens: int) -> None:
        """Wait for the last of some tokens."""
        if self.latency.busy:
            # One by one: between two tokens the loop serves others, as it would in a stream.
            for _ in range(tokens):
                await self.next()
        else:
            await spend(self.latency.first_token_s + max(0, tokens - 1) * self.latency.token_s, False)
