"""A batcher: requests that wait together are served together, one batch after another.

A batch takes what waits when the one before it ends, up to the limit. Who leaves while waiting is not taken along; a
batch that has begun is finished even if all its members leave, as a kernel on a GPU is. Nothing here runs in a thread.
"""

import asyncio
from collections import deque
from typing import NamedTuple

from serlab.service.latency import Latency, spend
from serlab.service.stats import Stats


class Job(NamedTuple):
    """A request that waits: its items, and what tells it that its batch is done."""

    items: int
    done: asyncio.Future[None]


class Batcher:
    """Serves batches that take a + b·n seconds; where that is 0, nobody waits and nothing is counted.

    Args:
        latency: the model's times.
        stats: where to count.
    """

    def __init__(self, latency: Latency, stats: Stats) -> None:
        self.latency = latency
        self.stats = stats
        self.jobs: deque[Job] = deque()
        self.runner: asyncio.Task[None] | None = None

    async def serve(self, items: int) -> None:
        """Wait until a batch with these items was served.

        Args:
            items: how many the request has; those of one request are never split, even beyond the limit.
        """
        if not self.latency.batch_s(items):
            return
        job = Job(items, asyncio.get_running_loop().create_future())
        self.jobs.append(job)
        self.stats.waiting += items
        if self.runner is None or self.runner.done():
            self.runner = asyncio.create_task(self.run())
        try:
            await job.done
        except asyncio.CancelledError:
            if job in self.jobs:
                self.jobs.remove(job)
                self.stats.waiting -= items
            raise

    async def run(self) -> None:
        """Serve batches until nobody waits."""
        while batch := self.take():
            items = sum(job.items for job in batch)
            self.stats.batches += 1
            self.stats.items += items
            await spend(self.latency.batch_s(items), self.latency.busy)
            for job in batch:
                if not job.done.done():
                    job.done.set_result(None)

    def take(self) -> list[Job]:
        """Take the next batch: the first that waits and whoever else still fits."""
        batch: list[Job] = []
        room = self.latency.batch_limit
        while self.jobs and (not batch or self.jobs[0].items <= room):
            job = self.jobs.popleft()
            self.stats.waiting -= job.items
            room -= job.items
            batch.append(job)
        return batch

    async def close(self) -> None:
        """Stop the batch that is under way."""
        if self.runner is not None:
            self.runner.cancel()
            await asyncio.gather(self.runner, return_exceptions=True)
