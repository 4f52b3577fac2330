"""Tasks that nobody waits for any more, seen to their end."""

import asyncio
from typing import Any

PATIENCE_S = 2.0
"""How long what was left may take to end when its transport is closed: a word to the server, or a handshake."""


class Keeping:
    """Holds tasks until they have ended; what they raise concerns nobody, since their callers have left."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    def keep(self, task: "asyncio.Task[Any]") -> None:
        """See a task to its end."""
        self.tasks.add(task)
        task.add_done_callback(self.ended)

    def ended(self, task: "asyncio.Task[Any]") -> None:
        """Let a task go; asking for its exception tells asyncio that it was not overlooked."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """Wait until all have ended; cancel what does not in time."""
        if not self.tasks:
            return
        _, late = await asyncio.wait(self.tasks, timeout=PATIENCE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
