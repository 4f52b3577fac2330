"""Corpora of a few bodies, and what it takes to read them."""

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serlab.corpus import Body, read
from serlab.errors import CorpusError

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

ANSWER = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}}]}

CHUNK = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "h"}}]}

TEXTS = {"model": "text-embedding-3-small", "input": ["a"]}

EVENTS = f"data: {json.dumps(CHUNK)}\n\ndata: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n"


def line(value: Any) -> bytes:
    """Write one JSON line."""
    return json.dumps(value).encode() + b"\n"


def nested(levels: int) -> bytes:
    """Write a chat request of so many levels of objects and arrays by turns."""
    opened = "".join('{"a":' if i % 2 else "[" for i in range(levels - 1))
    closed = "".join("}" if i % 2 else "]" for i in reversed(range(levels - 1)))
    return line({**CHAT, "metadata": "HERE"}).replace(b'"HERE"', f"{opened}1{closed}".encode())


def read_bytes(tmp_path: Path, data: bytes, name: str = "corpus.jsonl") -> tuple[list[Body], list[CorpusError]]:
    """Read a file of these bytes; give its bodies and what was reported."""
    path, errors = tmp_path / name, []  # type: Path, list[CorpusError]
    path.write_bytes(data)
    return list(read(path, on_error=errors.append)), errors


def kinds(bodies: list[Body]) -> list[str]:
    """Name the kinds in order."""
    return [body.kind for body in bodies]


def cpu_seconds(work: Callable[[], object]) -> float:
    """Measure the CPU time of some work, the shortest of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def peak_bytes(work: Callable[[], object]) -> int:
    """Measure the most memory that some work has at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def looked_at(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[int]:
    """Watch a function of bytes; give the list that receives the length of each that it is called with."""
    seen: list[int] = []
    own = getattr(module, name)
    monkeypatch.setattr(module, name, lambda data: (seen.append(len(data)), own(data))[1])
    return seen
