"""What the tests of the cache and of the experiments on it and on pools share."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from serlab.codecs import open_codec
from serlab.measure.job import Finding, Record
from serlab.messages import from_document
from serlab.wire.cache import Bounded, Cache, MemoryStore
from serlab.wire.cache.lmdb_store import LmdbStore
from serlab.wire.experiments import run
from tests.support.jobs import all_of, figures_of, wire_job

needs_redis = pytest.mark.skipif(
    not shutil.which("redis-server"), reason="redis-server is not installed: apt-get install redis-server"
)
EMBEDDED: dict[str, Callable[[int], Bounded]] = {
    "memory": lambda capacity: Bounded(MemoryStore(), capacity),
    "lmdb": lambda capacity: Bounded(LmdbStore(capacity), capacity),
}
RESPONSE = open_codec("msgspec-json", "ChatResponse")

Figures = dict[tuple[str, str, str], float]
"""Operation, metric, arm → figure."""


def measured(experiment: str, workload: str, codecs: list[str], **changes: Any) -> tuple[Figures, list[Finding]]:
    """Run an experiment as a worker does; give its figures, and what it found amiss."""
    sent: list[Record] = []
    run(wire_job(experiment, workload, codecs, seed=0, **changes), sent.append)
    figures = {(operation, metric, codec): value for (operation, codec, metric), value in figures_of(sent).items()}
    return figures, all_of(Finding, sent)


def arms_in(figures: Figures, operation: str, metric: str = "latency") -> set[str]:
    """Name the arms of a group."""
    return {arm for found, unit, arm in figures if (found, unit) == (operation, metric)}


def answer(text: str = "blue") -> Any:
    """Make a short answer."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return from_document("ChatResponse", {"id": "a", "object": "chat.completion", "model": "m", "choices": [choice]})


def cache_on(backend: Any, **options: Any) -> Cache:
    """Make a cache of chat answers."""
    return Cache(backend, RESPONSE, **options)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now
