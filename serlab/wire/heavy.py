"""Work that would stall the event loop: by turns if it is long, by a process of its own if it is very long.

A codec's C code holds the interpreter lock, so a thread would not free the loop of it; and what a stranger asks for
must end when the stranger goes, which only a process can be made to. Long work takes turns: between two pieces of it
the loop is left to others for as long as the first one took. What reads or makes more than `LARGE_BYTES` or
`LARGE_NUMBERS` is done by a child (`serlab.wire.jobs`). It is started for the first such request, which waits about
a second for it, is killed when its client goes or the server stops, and ends when it had nothing to do for `SPARE_S`,
so that its memory goes back.
"""

import asyncio
import os
import pickle
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from serlab import codecs
from serlab.codecs import JSON, codec_info
from serlab.wire import jobs
from serlab.wire.api_errors import ApiError, overloaded
from serlab.wire.jobs import SIZE, Job, Prepared
from serlab.wire.process import command_of

T = TypeVar("T")

LONG_BYTES, LARGE_BYTES = 1 << 14, 3 << 19
"""From where on a body is decoded by turns; and by a child."""
DENSE_BYTES, DENSE_ITEMS = 1 << 18, 1 << 16
"""From where on a child reads what is dense: a codec takes up to 0.35 ms for a kilobyte of small objects (protobuf),
which would hold the loop up for half a second at `LARGE_BYTES`. JSON shows how many arrays and objects it has; a
binary format does not, so all its messages of this length count as dense."""
LONG_NUMBERS, LARGE_NUMBERS = 1 << 15, 1 << 16
"""The same for what an answer is made of, the numbers of its vectors or the tokens of its texts: the standard library's
json takes 40 ms for `LARGE_NUMBERS`."""

LONG_S = 0.01
"""Work that took less is not followed by a pause."""
CHILDREN, PLACES = 2, 4
"""Children at once; and requests for them that are under way until their answers are taken, for these are in memory."""
PLACE_S = 30.0
"""How long to wait for a place."""
SPARE_S = 30.0
"""How long a child may have nothing to do."""
PIECE = 1 << 20
"""Bytes that go through a pipe, or to a client, before the loop serves others."""


def is_large(parts: Sequence[bytes], codec: str) -> bool:
    """Return whether a child reads a message.

    Args:
        parts: its bytes.
        codec: the name of what reads it.
    """
    size = size_of(parts)
    if size <= DENSE_BYTES or size > LARGE_BYTES:
        return size > LARGE_BYTES
    return (
        codec_info(codec).format.family != JSON.family
        or sum(part.count(b"[") + part.count(b"{") for part in parts) > DENSE_ITEMS
    )


def is_long(parts: Sequence[bytes]) -> bool:
    """Return whether what is done with a message that is not large takes turns."""
    return size_of(parts) >= LONG_BYTES


def joined(parts: Sequence[bytes]) -> bytes:
    """Return the bytes of a message in one piece."""
    return parts[0] if len(parts) == 1 else b"".join(parts)


def size_of(parts: Sequence[bytes]) -> int:
    """Return the bytes of a message that has come in parts."""
    return sum(map(len, parts))


class Heavy:
    """Does what is heavy for one server.

    Args:
        seed: the server's; so are `tokens` and `dimensions`.
    """

    def __init__(self, seed: int, tokens: int, dimensions: int) -> None:
        self.settings = (seed, tokens, dimensions)
        self.turn = asyncio.Lock()
        self.places = asyncio.Semaphore(PLACES)
        self.placed: set[asyncio.Task[Any]] = set()
        self.idle: dict[Process, asyncio.TimerHandle] = {}
        self.busy: set[Process] = set()
        self.workers = asyncio.Semaphore(CHILDREN)

    async def by_turns(self, work: Callable[[], T], takes_turns: bool = True) -> T:
        """Do long work when it is its turn; work that is not, at once."""
        if not takes_turns:
            return work()
        await self.turn.acquire()
        began = time.perf_counter()
        try:
            return work()
        finally:
            took_s = time.perf_counter() - began
            if took_s < LONG_S:
                self.turn.release()
            else:
                asyncio.get_running_loop().call_later(took_s, self.turn.release)

    async def decoded(self, codec: Any, parts: Sequence[bytes]) -> Any:
        """Decode a message that is not large.

        Raises:
            DecodeError: it is none.
        """
        data = joined(parts)
        return await self.by_turns(lambda: codecs.decode_untrusted(codec, data), is_long(parts))

    async def place(self, task: "asyncio.Task[Any] | None") -> None:
        """Take a place for a task, that of a whole request, until it has ended or leaves it.

        Raises:
            ApiError: there is none for too long.
        """
        try:
            async with asyncio.timeout(PLACE_S):
                await self.places.acquire()
        except TimeoutError as error:
            raise overloaded(f"the server is at {PLACES} requests of this size already") from error
        assert task is not None
        self.placed.add(task)
        task.add_done_callback(self.leave)

    def leave(self, task: "asyncio.Task[Any] | None") -> None:
        """Give up the place of a task, if it has one."""
        if task in self.placed:
            self.placed.remove(task)
            task.remove_done_callback(self.leave)
            self.places.release()

    async def prepared(
        self, kind: str, codec: str, parts: Sequence[bytes], answer: str = "", written: str = ""
    ) -> Prepared:
        """Have a child decode a request and make its answer; see `Job`.

        Raises:
            ApiError: it is no message, or is not answered; or the child died of it.
        """
        async with self.workers:
            found = await self.asked(Job(kind, codec, answer, written, *self.settings), parts)
        if isinstance(found, ApiError):
            raise found
        return found

    async def asked(self, job: Job, parts: Sequence[bytes]) -> Prepared | ApiError:
        """Ask a child; one that is left in the middle is killed."""
        process = await self.child()
        self.busy.add(process)
        try:
            found = await _exchange(process, job, parts)
        except (EOFError, ConnectionError) as error:
            await self.ended(process)
            raise ApiError(500, "the process that read this request died of it", "server_error") from error
        except asyncio.CancelledError:
            await self.ended(process)
            raise
        self.busy.discard(process)
        self.idle[process] = asyncio.get_running_loop().call_later(SPARE_S, self.dismiss, process)
        return found

    async def child(self) -> Process:
        """Take a child that has nothing to do, or start one."""
        while self.idle:
            process, spare = self.idle.popitem()
            spare.cancel()
            if process.returncode is None:
                return process
        # A session of its own: Ctrl-C in a terminal is for the server, which then ends its children.
        command = command_of(jobs.__name__)
        return await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, limit=PIECE, start_new_session=True
        )

    def dismiss(self, process: Process) -> None:
        """Let a child end that had nothing to do for long: it does so when its input ends."""
        del self.idle[process]
        if process.stdin is not None:
            process.stdin.close()

    async def ended(self, process: Process) -> None:
        """Kill a child."""
        self.busy.discard(process)
        _kill(process)
        await process.wait()

    def children(self) -> list[Process]:
        """List the children."""
        return [*self.busy, *self.idle]

    def kill(self) -> None:
        """Kill all children at once; may be called from any thread."""
        for process in self.children():
            _kill(process)

    async def close(self) -> None:
        """End all children."""
        for spare in self.idle.values():
            spare.cancel()
        everybody = self.children()
        self.idle.clear()
        for process in everybody:
            await self.ended(process)


def _kill(process: Process) -> None:
    """Kill a child, whoever else does; its own method would take its status from whoever waits for it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


async def _exchange(process: Process, job: Job, parts: Sequence[bytes]) -> Prepared | ApiError:
    """Send a child a job, and take what comes of it.

    Raises:
        EOFError: the child has died; or ConnectionError.
    """
    source, target = process.stdout, process.stdin
    assert source is not None and target is not None
    for pieces in ((pickle.dumps(job),), parts):
        target.write(size_of(pieces).to_bytes(SIZE, "little"))
        for piece in pieces:
            for start in range(0, len(piece), PIECE):
                target.write(piece[start : start + PIECE])
                await target.drain()
    found: Prepared | ApiError = pickle.loads(await source.readexactly(await _size_from(source)))
    left, answer = await _size_from(source), []
    while left:
        answer.append(await source.readexactly(min(left, PIECE)))
        left -= len(answer[-1])
    return found._replace(pieces=tuple(answer)) if isinstance(found, Prepared) else found


async def _size_from(source: asyncio.StreamReader) -> int:
    """Read a length."""
    return int.from_bytes(await source.readexactly(SIZE), "little")
