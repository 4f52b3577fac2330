"""What the tests of the cache and of the experiments on it and on pools share."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from serlab import workloads
from serlab.codecs import open_codec
from serlab.messages import from_document
from serlab.service.cache import Bounded, Cache, MemoryStore
from serlab.service.cache.lmdb_store import LmdbStore
from serlab.service.experiments import run

needs_redis = pytest.mark.skipif(
    not shutil.which("redis-server"), reason="redis-server is not installed: apt-get install redis-server"
)
EMBEDDED: dict[str, Callable[[int], Bounded]] = {
    "memory": lambda capacity: Bounded(MemoryStore(), capacity),
    "lmdb": lambda capacity: Bounded(LmdbStore(capacity), capacity),
}
RESPONSE = open_codec("msgspec-json", "ChatResponse")

TINY = {"rounds": 2, "batch_ns": 100_000, "arm_ns": 1_000_000}
"""An effort that says nothing of speed."""
Figures = dict[tuple[str, str, str], float]
"""Operation, metric, arm → figure."""


def measured(experiment: str, workload: str, codecs: list[str], **changes: Any) -> tuple[Figures, list[Any]]:
    """Run an experiment as a worker does; give its figures, and what it found amiss."""
    job = {"experiment": experiment, "workload": workload, "seed": 0, "process": 0, "documents": None, "gc": "on"}
    job |= {"kind": changes.pop("kind", "") or workloads.kind(workload), "codecs": codecs, "baseline": codecs[0]}
    sent: list[dict[str, Any]] = []
    run(job | {"effort": TINY} | changes, sent.append)
    rows = [record["row"] for record in sent if "row" in record]
    figures = {(row["operation"], row["metric"], row["codec"]): row["value"] for row in rows}
    assert len(figures) == len(rows)
    return figures, [record["finding"] for record in sent if "finding" in record]


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
        """Give the seconds."""
        return self.now
