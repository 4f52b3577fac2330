"""Fresh against reused, pair by pair: what reuse gains, and what a pool takes of it.

Each pair has up to four variants of the same work on the same populated messages:

- `fresh`: a new object for each message.
- `kept`: one object for all, without a pool: all that reuse can gain. A thread's own is as good.
- `pooled`: the object is leased for each message.
- `copied`: pooled, and the bytes are copied out, for whoever needs them after the object has gone back.

The protobuf pairs reuse a message by `Clear`. upb's messages live in an arena that gives nothing back before its last
message goes, so a message that is used again grows with every use. It is renewed every `RENEWED` uses here,
lest it eat the memory; `growth` measures by how much it grows, and what of that comes back when the message goes.
`Clear` and `__init__` on the same object is the only way to fill it again in one call.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import flatbuffers
import msgpack
import msgspec
import orjson

from serlab.cases import BOUND, CallArm, Case, Place, call_place
from serlab.codecs import KEPT, codec_for, codec_on, open_codec, plain, shaper, writer
from serlab.errors import ServiceError
from serlab.generated import llm_pb2
from serlab.measure import Arm, Outcome, known_outcome, warm_up
from serlab.messages import message_type, to_document
from serlab.wire.experiments.base import WireArm, again, awaited
from serlab.wire.pools import (
    FIRST_BYTES,
    CountingLock,
    LockedPool,
    Pool,
    QueuePool,
    Ticket,
    WaitingPool,
    buffers,
    builders,
    packers,
)

# The variants of each pair of `serlab.wire.experiments.pool_costs`: what is called, and with what.
#
# A pair is (message → what its calls take, name → call). All calls of a pair write the same bytes, or read the same
# message.

Call = Callable[[Any], Any]
Variants = tuple[Call, dict[str, Call]]

RENEWED = 64
"""Uses of a protobuf message before it is renewed: it grows by its own size and more with each."""


def _buffer_variants(protocol: ModuleType, kind: str) -> Variants:
    """`encode` to new bytes against `encode_into` a buffer, in one of msgspec's protocols."""
    encoder = protocol.Encoder(enc_hook=plain)
    write, own, pool = encoder.encode_into, bytearray(), buffers()

    def pooled(item: Any) -> None:
        with pool.lease() as buffer:
            write(item, buffer)

    def copied(item: Any) -> bytes:
        with pool.lease() as buffer:
            write(item, buffer)
            return bytes(buffer)

    calls: dict[str, Call] = {
        "fresh": encoder.encode,
        "kept": lambda item: write(item, own),
        "pooled": pooled,
        "copied": copied,
    }
    return open_codec(codec_on(protocol), kind).populate, calls


def _orjson_variants(kind: str) -> Variants:
    """A new buffer of orjson's bytes against a kept one: reuse saves the buffer and not the bytes."""
    arrays = kind == "EmbeddingResponse"
    dumps = partial(orjson.dumps, option=orjson.OPT_SERIALIZE_NUMPY) if arrays else orjson.dumps
    pool, own = buffers(), bytearray()

    def kept(item: Any) -> None:
        own[:] = dumps(item)

    def pooled(item: Any) -> None:
        with pool.lease() as buffer:
            buffer[:] = dumps(item)

    def fresh(item: Any) -> bytearray:
        return bytearray(dumps(item))

    return open_codec(codec_on(orjson), kind).populate, {"fresh": fresh, "kept": kept, "pooled": pooled, "bytes": dumps}


def _packer_variants(kind: str) -> Variants:
    """`packb`, which makes a Packer for each message, against a kept one."""
    pool, own = packers(), msgpack.Packer(autoreset=True).pack

    def pooled(item: Any) -> Any:
        with pool.lease() as packer:
            return packer.pack(item)

    return open_codec(codec_on(msgpack), kind).populate, {"fresh": msgpack.packb, "kept": own, "pooled": pooled}


def _builder_variants(kind: str) -> Variants:
    """A new Builder for each message against one that is cleared."""
    write, pool, own = writer(message_type(kind)), builders(), flatbuffers.Builder(FIRST_BYTES)

    def build(builder: Any, message: Any) -> bytes:
        builder.Finish(write(builder, message))
        return bytes(builder.Output())

    def kept(message: Any) -> bytes:
        own.Clear()
        return build(own, message)

    def pooled(message: Any) -> bytes:
        with pool.lease() as builder:
            return build(builder, message)

    def fresh(message: Any) -> bytes:
        return build(flatbuffers.Builder(FIRST_BYTES), message)

    return lambda message: message, {"fresh": fresh, "kept": kept, "pooled": pooled}


class _Renewed:
    """A protobuf message that is used again, and replaced every so many uses."""

    def __init__(self, cls: Any, uses: int = RENEWED) -> None:
        self.cls, self.uses, self.left = cls, uses, 0
        self.message: Any = None

    def __call__(self) -> Any:
        """Give it."""
        if not self.left:
            self.message, self.left = self.cls(), self.uses
        self.left -= 1
        return self.message


def _message_encode_variants(kind: str) -> Variants:
    """A new message against one that is cleared and filled again, both serialized."""
    cls, shape = getattr(llm_pb2, kind), shaper(message_type(kind))
    renewed = _Renewed(cls)

    def kept(fields: dict[str, Any]) -> Any:
        message = renewed()
        message.Clear()
        message.__init__(**fields)
        return message.SerializeToString()

    def prepare(message: Any) -> Any:
        return shape(msgspec.to_builtins(message, builtin_types=KEPT))

    return prepare, {"fresh": lambda fields: cls(**fields).SerializeToString(), "kept": kept}


def _message_decode_variants(kind: str) -> Variants:
    """A new message against one that is parsed into again; `ParseFromString` clears it first."""
    cls = getattr(llm_pb2, kind)
    renewed = _Renewed(cls)

    def kept(data: bytes) -> Any:
        message = renewed()
        message.ParseFromString(data)
        return message

    return open_codec(codec_for("grpc"), kind).encode, {"fresh": cls.FromString, "kept": kept}


PAIRS: dict[str, tuple[str, Callable[[str], Variants]]] = {
    "buffer": (codec_on(msgspec.json), lambda kind: _buffer_variants(msgspec.json, kind)),
    "buffer-msgpack": (codec_on(msgspec.msgpack), lambda kind: _buffer_variants(msgspec.msgpack, kind)),
    "buffer-orjson": (codec_on(orjson), _orjson_variants),
    "packer": (codec_on(msgpack), _packer_variants),
    "builder": (codec_on(flatbuffers), _builder_variants),
    "message-encode": (codec_for("grpc"), _message_encode_variants),
    "message-decode": (codec_for("grpc"), _message_decode_variants),
}
"""Pair → its codec, and kind → its variants."""


def lost(codec: str, kind: str, messages: list[Any]) -> Outcome | None:
    """Take messages through a pair's codec, which nobody chose and so nobody has checked yet.

    Returns:
        What became of the first one that does not come back as it was; None where all do.
    """
    outcomes = (known_outcome(codec, kind, message, to_document(message)) for message in messages)
    return next((found for found in outcomes if found.outcome != "equal"), None)


def arms_of(pair: str, kind: str, messages: list[Any]) -> list[WireArm]:
    """Make the arms of a pair, `fresh` twice (A/A).

    Args:
        pair: one of `PAIRS`.
        kind: of the messages.
        messages: what is written or read; the pair's codec carries them.

    Raises:
        ServiceError: the variants do not all do the same.
    """
    codec, make = PAIRS[pair]
    warm_up(open_codec(codec, kind), messages)
    prepare, calls = make(kind)
    items = [prepare(message) for message in messages]
    check(pair, calls, items)
    place = call_place("pooling", part=pair)
    arms = [Arm(CallArm(Case(name), place), call, items, len(items)) for name, call in calls.items()]
    return [*arms, again(arms[0])]


def check(pair: str, calls: dict[str, Call], items: list[Any]) -> None:
    """See that variants give what the first one gives; a buffer that stays where it is is not given.

    Raises:
        ServiceError: one does not.
    """
    first, *others = calls.items()
    for item in items:
        expected = first[1](item)
        for name, call in others:
            if (found := call(item)) is not None and found != expected:
                raise ServiceError(f"{pair}: expected the same of {name} as of {first[0]}, got something else")


# What it costs to take and give back, and to count: with threads, and with tasks of one event loop.
#
# Threads: each takes and gives back `OPERATIONS` times as fast as it can. The interpreter lets one thread run at a
# time and changes over every 5 ms, so a lock is hardly ever found taken; what is timed is the call, not a queue before
# it. `bare` is the list without a lease.
#
# Tasks: each takes, gives up the loop once, and gives back, so that as many objects are out as there are tasks. The
# floor `none` does the same without a pool. `waiting` has `OBJECTS` objects, so that tasks beyond these wait for one.

OPERATIONS, OBJECTS = 200, 8
POOLS: dict[str, type[Pool[Any]]] = {"list": Pool, "lock": LockedPool, "queue": QueuePool}
COUNTERS: dict[str, type[Ticket] | type[CountingLock]] = {"itertools": Ticket, "lock": CountingLock}


def thread_arms(executor: ThreadPoolExecutor, count: int) -> list[WireArm]:
    """Share pools and counters among threads; the list and `itertools` twice (A/A).

    Args:
        executor: of as many threads or more.
        count: of threads.
    """
    pools = {name: _pool_work(kind(object)) for name, kind in POOLS.items()} | {"bare": _bare_work(Pool(object))}
    counters = {name: _counter_work(kind()) for name, kind in COUNTERS.items()}
    return [
        *_threaded(executor, count, call_place("pooling", part="share", threads=count), pools),
        *_threaded(executor, count, call_place("pooling", part="count", threads=count), counters),
    ]


def _threaded(
    executor: ThreadPoolExecutor, count: int, place: Place, works: dict[str, Callable[[int], None]]
) -> list[WireArm]:
    """Make an arm of each work, done by so many threads at once; the first twice."""

    def arm(name: str, work: Callable[[int], None]) -> WireArm:
        def call(operations: int) -> None:
            for done in [executor.submit(work, operations) for _ in range(count)]:
                done.result()

        return Arm(CallArm(Case(name), place), call, [OPERATIONS], count * OPERATIONS)

    arms = [arm(name, work) for name, work in works.items()]
    return [*arms, again(arms[0])]


def _pool_work(pool: Pool[Any]) -> Callable[[int], None]:
    """Give what takes and gives back."""

    def work(operations: int) -> None:
        for _ in range(operations):
            with pool.lease():
                pass

    return work


def _bare_work(pool: Pool[Any]) -> Callable[[int], None]:
    """Give what takes and gives back without a lease, and so without what keeps it from doing so twice."""

    def work(operations: int) -> None:
        for _ in range(operations):
            pool.release(pool.acquire())

    return work


def _counter_work(counter: Ticket | CountingLock) -> Callable[[int], None]:
    """Return what counts."""

    def work(operations: int) -> None:
        for _ in range(operations):
            counter.next()

    return work


def task_arms(runner: asyncio.Runner, count: int) -> list[WireArm]:
    """Share pools among so many tasks; the list twice (A/A)."""
    place = call_place("pooling", part="share", tasks=count)
    works: dict[Case, Callable[[int], Any]] = {Case(name): _leasing(kind(object)) for name, kind in POOLS.items()}
    works |= {Case("waiting"): _waiting_for(WaitingPool(object, size=OBJECTS)), Case("none", BOUND): _idling}

    def arm(case: Case, work: Callable[[int], Any]) -> WireArm:
        async def all_tasks(operations: int) -> None:
            await asyncio.gather(*(work(operations) for _ in range(count)))

        return awaited(runner, CallArm(case, place), all_tasks, [OPERATIONS], count * OPERATIONS)

    arms = [arm(name, work) for name, work in works.items()]
    return [*arms, again(arms[0])]


def _leasing(pool: Pool[Any]) -> Callable[[int], Any]:
    """Return a task that takes, lets others run, and gives back."""

    async def work(operations: int) -> None:
        for _ in range(operations):
            with pool.lease():
                await asyncio.sleep(0)

    return work


def _waiting_for(pool: WaitingPool[Any]) -> Callable[[int], Any]:
    """Return the same for a pool that is waited for."""

    async def work(operations: int) -> None:
        for _ in range(operations):
            async with pool.lease():
                await asyncio.sleep(0)

    return work


async def _idling(operations: int) -> None:
    """Let others run, so many times."""
    for _ in range(operations):
        await asyncio.sleep(0)
