"""What a cache costs beside the model that it saves: the key, the look-up, the check, decode, and a put.

All arms of all backends are timed in short batches in random order in one process (`serlab.measure.arms`). Each call is
`BATCH` operations one after another in an event loop, so that starting the loop (about 20 µs) hardly counts; what it
costs to await counts alike for all. A Redis is a process of its own and works while the other waits: its time is what a
request waits, not what a processor does.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random
from typing import Any, NamedTuple

from serlab import workloads
from serlab.codecs import open_codec
from serlab.measure.arms import Arm, calibrate, interleave
from serlab.measure.effort import EFFORTS
from serlab.results import Row
from serlab.service.armrows import control, rows_of
from serlab.service.cache.backend import Backend
from serlab.service.cache.bounded import Bounded
from serlab.service.cache.cache import Cache
from serlab.service.cache.lmdbstore import LmdbStore
from serlab.service.cache.redisserver import redis_server
from serlab.service.cache.redisstore import RedisBackend
from serlab.service.cache.store import MemoryStore
from serlab.service.cache.zipf import CODECS, distinct

BATCH = 32
CAPACITY = 64 << 20
BACKENDS: dict[str, Callable[[ExitStack], Backend]] = {
    "memory": lambda _: Bounded(MemoryStore(), CAPACITY),
    "lmdb": lambda _: Bounded(LmdbStore(CAPACITY), CAPACITY),
    "redis": lambda stack: RedisBackend(stack.enter_context(redis_server(CAPACITY)), timeout_s=5),
}


class Filled(NamedTuple):
    """A cache with an answer under every key."""

    name: str
    cache: Cache
    keys: list[bytes]
    answers: list[Any]


def experiment(
    workload: str = "chat-response",
    request: str = "chat-turn",
    codecs: Sequence[str] = CODECS,
    backends: Sequence[str] = tuple(BACKENDS),
    effort: str = "quick",
    *,
    seed: int = 0,
    run: str = "",
    process: int = 0,
) -> list[Row]:
    """Time the parts of a hit and of a put.

    Args:
        workload: of the answers.
        request: the workload whose requests are digested.
        codecs: that answers are kept in; the first is measured twice (A/A).
        backends: some of `BACKENDS`; "redis" needs the program redis-server.
        effort: one of `serlab.measure.effort.EFFORTS`.
        seed: of the messages and the order.
        run: the run's id.
        process: the worker's number.

    Returns:
        Rows of the metric `time` in ns, in the operations `cache/key`, `cache/BACKEND/get` (bytes, checked),
        `cache/decode`, `cache/BACKEND/hit` (both at once) and `cache/BACKEND/put` (encode and keep).
    """
    answers, kind = distinct(workload, BATCH), workloads.kind(workload)
    with asyncio.Runner() as runner, ExitStack() as stack:
        opened = [(name, stack.enter_context(closing(runner, BACKENDS[name](stack)))) for name in backends]
        filled = [
            runner.run(fill(name, Cache(backend, open_codec(codec, kind)), answers))
            for name, backend in opened
            for codec in codecs
        ]
        arms = [key_arm(filled[0].cache, workloads.build(request, seed)), *decode_arms(filled, len(codecs))]
        arms += [arm for one in filled for arm in arms_of(one, runner)]
        arms += [arm._replace(name=control(arm.name)) for arm in arms if arm.name.startswith(f"{codecs[0]} ")]
        settings = EFFORTS[effort]._asdict()
        times = interleave([calibrate(settings, arm) for arm in arms], Random(f"{seed}/{process}/{workload}"))
    return rows_of(times, workload, kind, run, process)


@contextmanager
def closing(runner: asyncio.Runner, backend: Backend) -> Iterator[Backend]:
    """Close a backend in its own event loop."""
    try:
        yield backend
    finally:
        runner.run(backend.close())


async def fill(name: str, cache: Cache, answers: list[Any]) -> Filled:
    """Put every answer under a key of its own."""
    keys = [cache.key({"answer": place}) for place in range(len(answers))]
    for key, answer in zip(keys, answers, strict=True):
        await cache.put(key, answer)
    return Filled(name, cache, keys, answers)


def key_arm(cache: Cache, requests: list[Any]) -> Arm:
    """Digest requests."""
    return Arm(" cache/key", cache.key, requests, len(requests))


def decode_arms(filled: Sequence[Filled], count: int) -> list[Arm]:
    """Decode the answers of each codec, which are the same on every backend."""
    codecs = [(one.cache.codec, [one.cache.codec.encode(answer) for answer in one.answers]) for one in filled[:count]]
    return [Arm(f"{codec.name} cache/decode", codec.decode, data, len(data)) for codec, data in codecs]


def arms_of(one: Filled, runner: asyncio.Runner) -> list[Arm]:
    """Get, hit and put on one backend with one codec."""
    cache, count = one.cache, len(one.keys)
    works: dict[str, Callable[[Any], Coroutine[Any, Any, None]]] = {
        "get": partial(each, cache.get_raw),
        "hit": partial(each, cache.get),
        "put": partial(put_each, cache, one.answers),
    }
    prefix = f"{cache.codec.name} cache/{one.name}"
    return [
        Arm(f"{prefix}/{what}", lambda keys, work=work: runner.run(work(keys)), [one.keys], count)  # type: ignore[misc]
        for what, work in works.items()
    ]


async def each(ask: Callable[[bytes], Coroutine[Any, Any, Any]], keys: list[bytes]) -> None:
    """Ask for every key, one after another."""
    for key in keys:
        await ask(key)


async def put_each(cache: Cache, answers: list[Any], keys: list[bytes]) -> None:
    """Keep every answer, one after another."""
    for key, answer in zip(keys, answers, strict=True):
        await cache.put(key, answer)
