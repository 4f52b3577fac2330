"""What the tests of the cache share."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from serlab.codecs import open_codec
from serlab.messages import from_document
from serlab.service.cache import Bounded, Cache, MemoryStore
from serlab.service.cache.lmdbstore import LmdbStore

needs_redis = pytest.mark.skipif(
    not shutil.which("redis-server"), reason="redis-server is not installed: apt-get install redis-server"
)
EMBEDDED: dict[str, Callable[[int], Bounded]] = {
    "memory": lambda capacity: Bounded(MemoryStore(), capacity),
    "lmdb": lambda capacity: Bounded(LmdbStore(capacity), capacity),
}
RESPONSE = open_codec("msgspec-json", "ChatResponse")


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
