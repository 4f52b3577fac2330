"""Pools lend each object to one owner at a time; what breaks the rule is shown, and what is found out."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import msgspec
import pytest

from serlab.errors import DecodeError, ServiceError
from serlab.frames import HEADER_BYTES, decode_frame, frame_parts
from serlab.wire.pools import (
    CountingLock,
    Lease,
    LockedPool,
    Pool,
    QueuePool,
    Ticket,
    WaitingPool,
    buffers,
    builders,
    packers,
)
from tests.wire.helpers import bounded

KINDS = [Pool, LockedPool, QueuePool]
encoder = msgspec.json.Encoder()


class Tool:
    """Something to lend, which knows who has it."""

    def __init__(self) -> None:
        self.owner: object = None


def write_frame(number: int, buffer: bytearray) -> None:
    """Write a message and its frame's header into a buffer; all messages have one length."""
    encoder.encode_into({"number": f"{number:06}"}, buffer, HEADER_BYTES)
    buffer[:HEADER_BYTES] = frame_parts(memoryview(buffer)[HEADER_BYTES:], number)[0]


def is_whole(number: int, data: bytes | bytearray) -> bool:
    """Return whether a buffer still holds the frame that was written into it."""
    try:
        return decode_frame(data, number) == encoder.encode({"number": f"{number:06}"})
    except DecodeError:
        return False


async def deliver(pool: Pool[bytearray], hand_over: Callable[[Lease[bytearray]], Any]) -> list[bool]:
    """Send 100 messages to a consumer that is a little behind; tell which arrived whole."""
    queue: asyncio.Queue[Any] = asyncio.Queue(4)

    async def consume() -> list[bool]:
        arrived = []
        for number in range(100):
            got = await queue.get()
            await asyncio.sleep(0)
            arrived.append(is_whole(number, got.object if isinstance(got, Lease) else got))
            if isinstance(got, Lease):
                got.release()
        return arrived

    consumer = asyncio.create_task(consume())
    for number in range(100):
        lease = pool.lease()
        write_frame(number, lease.object)
        await queue.put(hand_over(lease))
    return await consumer


def keep_and_give_back(lease: Lease[bytearray]) -> bytearray:
    """Break the rule: give the buffer to the consumer and back to the pool."""
    lease.release()
    return lease.object


def copy_and_give_back(lease: Lease[bytearray]) -> bytes:
    """Keep the rule with a copy."""
    with lease as buffer:
        return bytes(buffer)


def hand_on(lease: Lease[bytearray]) -> Lease[bytearray]:
    """Keep the rule by handing the lease on."""
    return lease


@pytest.mark.parametrize("kind", KINDS)
def test_a_buffer_that_is_read_after_it_went_back_holds_another_message(kind: Any) -> None:
    """The trap, which only a checksum finds out; a copy or handing the lease on avoids it."""
    pool = buffers(kind=kind)
    broken = bounded(deliver(pool, keep_and_give_back))
    assert broken.count(False) > 50
    assert all(bounded(deliver(pool, copy_and_give_back)))
    assert all(bounded(deliver(pool, hand_on)))


def test_handing_on_takes_as_many_buffers_as_are_under_way() -> None:
    """And no more."""
    pool = buffers()
    bounded(deliver(pool, hand_on))
    assert 2 <= len(pool) <= 7


def test_a_buffer_with_a_view_on_it_is_refused() -> None:
    """The one breach that Python can tell; the buffer does not go back."""
    pool = buffers()
    lease = pool.lease()
    lease.object.extend(b"text")
    view = memoryview(lease.object)
    with pytest.raises(ServiceError, match="view on it"):
        lease.release()
    assert len(pool) == 0 and bytes(view) == b"text"


def test_a_released_view_is_no_hindrance() -> None:
    """Nor does the look at the buffer change it."""
    pool = buffers()
    with pool.lease() as buffer:
        buffer.extend(b"text")
        with memoryview(buffer):
            pass
    with pool.lease() as again:
        assert again is buffer and again == b"text"


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_used_again_and_made_when_none_is_free(kind: Any) -> None:
    """A pool of this sort never waits."""
    pool = kind(Tool)
    with pool.lease() as first, pool.lease() as second:
        assert first is not second and len(pool) == 0
    assert len(pool) == 2
    with pool.lease() as third:
        assert third in (first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_than_the_most_are_kept(kind: Any) -> None:
    """The others go."""
    pool = kind(Tool, most=2)
    leases = [pool.lease() for _ in range(5)]
    for lease in leases:
        lease.release()
    assert len(pool) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_cleaning_lets_go_does_not_come_back(kind: Any) -> None:
    """As a buffer that grew too large."""
    pool = kind(Tool, lambda tool: False)
    with pool.lease():
        pass
    assert len(pool) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_goes_back_when_the_block_fails(kind: Any) -> None:
    """Once."""
    pool = kind(Tool)
    with pytest.raises(KeyError), pool.lease():
        raise KeyError
    assert len(pool) == 1


def test_a_lease_is_given_back_once() -> None:
    """Twice, two owners would get the object; inside a block an early release is enough."""
    pool = Pool(Tool)
    lease = pool.lease()
    with lease:
        lease.release()
    with pytest.raises(ServiceError, match="got twice"):
        lease.release()
    assert len(pool) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_threads_never_share_an_object(kind: Any) -> None:
    """Each marks what it has, and finds its own mark again; threads change over as often as can be."""
    pool, barrier, before = kind(Tool), Barrier(4), sys.getswitchinterval()

    def use(me: int) -> int:
        barrier.wait(300)
        wrong = 0
        for _ in range(3_000):
            with pool.lease() as tool:
                wrong += tool.owner is not None
                tool.owner = me
                wrong += tool.owner != me
                tool.owner = None
        return wrong

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(use, range(4))) == 0
    finally:
        sys.setswitchinterval(before)
    assert 1 <= len(pool) <= 4


@pytest.mark.parametrize("counter", [Ticket, CountingLock])
def test_no_number_is_given_twice(counter: Any) -> None:
    """To four threads at once, from the start that was asked for."""
    numbers, barrier, before = counter(5), Barrier(4), sys.getswitchinterval()

    def take(_: int) -> list[int]:
        barrier.wait(300)
        return [numbers.next() for _ in range(5_000)]

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            taken = sorted(number for part in threads.map(take, range(4)) for number in part)
    finally:
        sys.setswitchinterval(before)
    assert taken == list(range(5, 20_005))


def test_a_waiting_pool_bounds_what_is_under_way() -> None:
    """Twenty tasks, three objects: never more than three at once, and all get their turn."""

    async def use() -> tuple[int, int]:
        pool, now, most, done = WaitingPool(Tool, size=3), 0, 0, 0

        async def work() -> None:
            nonlocal now, most, done
            async with pool.lease():
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1
                done += 1

        await asyncio.gather(*(work() for _ in range(20)))
        assert len(pool) == 3
        return most, done

    assert bounded(use()) == (3, 20)


def test_a_cancelled_task_takes_nothing_from_a_waiting_pool() -> None:
    """Neither while it waits nor while it has one."""

    async def use() -> int:
        pool = WaitingPool(Tool, size=2)

        async def hold() -> None:
            async with pool.lease():
                await asyncio.sleep(10)

        tasks = [asyncio.create_task(hold()) for _ in range(6)]
        await asyncio.sleep(0)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(pool)

    assert bounded(use()) == 2


def test_a_waiting_pool_replaces_what_does_not_come_back() -> None:
    """Let go, or still in use: nobody waits for it for ever."""

    async def use() -> None:
        pool = WaitingPool(bytearray, buffers(most_bytes=1000).clean, size=1)
        async with pool.lease() as grown:
            grown.extend(bytes(5000))
        kept = await pool.acquire()
        assert kept is not grown
        view = memoryview(kept)
        with pytest.raises(ServiceError, match="view on it"):
            pool.release(kept)
        assert len(pool) == 1 and view.nbytes == 0
        with pytest.raises(ServiceError, match="one too many"):
            pool.release(bytearray())

    bounded(use())


def test_a_large_buffer_and_a_large_builder_are_let_go() -> None:
    """One long message does not stay in memory for ever."""
    large, grown = buffers(most_bytes=10_000), builders(most_bytes=10_000)
    with large.lease() as buffer, grown.lease() as builder:
        buffer.extend(bytes(20_000))
        builder.Finish(builder.CreateString("x" * 20_000))
    assert len(large) == len(grown) == 0


def test_a_packer_is_empty_again_after_a_refused_message() -> None:
    """What was written before the refusal is not in the next message."""
    pool = packers()
    with pytest.raises(TypeError), pool.lease() as packer:
        packer.pack([1, 2, object()])
    with pool.lease() as again:
        assert again is packer and again.pack(3) == b"\x03"


@pytest.mark.parametrize("make", [lambda: Pool(Tool, most=0), lambda: WaitingPool(Tool, size=0)])
def test_a_pool_of_nothing_is_refused(make: Callable[[], object]) -> None:
    """It would help nobody, or wait for ever."""
    with pytest.raises(ServiceError, match="1 object or more"):
        make()
