"""Load workers: processes that hold the same codecs and messages and load the machine on command.

They start afresh (spawn), not as copies of a process with threads. Each waits on a pipe of its own, so that it ends
when their parent does.
"""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Barrier, Thread
from time import perf_counter_ns, sleep
from types import TracebackType
from typing import Any, NamedTuple, Self

from serlab.cases import BOUND, Case
from serlab.codecs import open_codec, reason
from serlab.errors import WorkerError
from serlab.measure.inputs import load_messages, warm_up
from serlab.measure.job import Failed, Job
from serlab.measure.process import PassingError, is_passing, is_passing_end
from serlab.scratch import die_with_parent

# Work that is known to release the interpreter lock, and work that is known to hold it.
#
# Both run beside the codecs as floors, so that every table shows the instrument to be right: over N threads on N free
# cores the first does N times the work and the second no more than one thread does. A build of Python without the lock
# makes both scale.
#
# Source: the documentation of hashlib (the lock is released for data above 2047 bytes) and of
# `sys.setswitchinterval` (a thread that runs Python code gives the lock up every 5 ms).

IDLE, RELEASES, HOLDS = (Case(name, BOUND) for name in ("idle", "releases GIL", "holds GIL"))
FLOORS = (IDLE, RELEASES, HOLDS)
"""Names in the place of a codec's: nothing at all, hashing one buffer, counting in Python."""


def codec_of(case: Case) -> str:
    """Name the codec that a failure costs; a floor's would cost all."""
    return "" if case.is_bound else case.codec


def _hash_buffer(buffer: bytes) -> None:
    """Work without the lock."""
    sha256(buffer)


def _count_up(turns: int) -> None:
    """Work under the lock, in Python code."""
    for _ in range(turns):
        pass


def _idle(_: Any) -> None:
    """Do nothing."""


def floor(name: Case, time_ns: int) -> tuple[Callable[[Any], None], Any]:
    """Return a floor's function, with an argument on which one call takes about so long.

    Args:
        name: one of `FLOORS`.
        time_ns: what a call should take on this machine.
    """
    if name == IDLE:
        return _idle, None
    if name == RELEASES:
        return _hash_buffer, bytes(_sized(lambda size: _hash_buffer(bytes(size)), time_ns))
    return _count_up, _sized(_count_up, time_ns)


def _sized(call: Callable[[int], None], time_ns: int, start: int = 1 << 16) -> int:
    """Find the size at which a call that takes time in proportion to its argument takes about so long."""
    fastest = min(_once(call, start) for _ in range(5))
    return max(1, start * time_ns // max(1, fastest))


def _once(call: Callable[[int], None], size: int) -> int:
    """Time one call in nanoseconds."""
    begin = perf_counter_ns()
    call(size)
    return perf_counter_ns() - begin


# Windows: how much several workers do while all of them are at it.
#
# A worker codes batch after batch and notes the clock between them (its marks). What counts is the common window, from
# the last worker's first mark to the first worker's last: nobody is idle in it. A batch that the window's edge cuts
# counts by its share of time, so that a window may be short against slow bodies.
#
# Marks of several processes are compared. That needs a clock that is one for the machine, which `perf_counter` is on
# Linux (CLOCK_MONOTONIC), macOS and Windows.

Marks = list[int]
"""Nanoseconds on the machine's clock, before the first batch and after each."""


class Work(NamedTuple):
    """What a worker does again and again.

    Attributes:
        call: the function.
        items: its arguments, one per message.
        loops: passes over the items in a batch.
    """

    call: Callable[[Any], Any]
    items: Sequence[Any]
    loops: int = 1


def _run_batch(work: Work) -> None:
    """Do one batch."""
    call, items = work.call, work.items
    for _ in range(work.loops):
        for item in items:
            call(item)


def _alone(work: Work, begin_ns: int, window_ns: int) -> Marks:
    """Work in this thread from an agreed time on.

    Args:
        work: what to do.
        begin_ns: on the machine's clock; one that is past means at once.
        window_ns: at least one batch is done even so.

    Returns:
        The marks.
    """
    sleep(max(0, begin_ns - perf_counter_ns()) / 1e9)
    marks = [perf_counter_ns()]
    while len(marks) == 1 or marks[-1] < begin_ns + window_ns:
        _run_batch(work)
        marks.append(perf_counter_ns())
    return marks


class Team:
    """Threads that do the same work at the same time.

    The window opens when the last thread has begun, which under the lock may be many batches after the first; and all
    go on until all have passed its end, so that the last batch of each meets as much company as the others.

    Args:
        work: what to do.
        threads: how many.
        window_ns: how long.
    """

    def __init__(self, work: Work, threads: int, window_ns: int) -> None:
        self.work = work
        self.window_ns = window_ns
        self.marks: list[Marks] = [[] for _ in range(threads)]
        self.errors: list[Exception] = []
        self.barrier = Barrier(threads)

    def run(self) -> list[Marks]:
        """Start the threads, wait for them and give their marks.

        Raises:
            Exception: whatever the work raised first.
        """
        threads = [Thread(target=self.take_part, args=(marks,)) for marks in self.marks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]
        return self.marks

    def take_part(self, marks: Marks) -> None:
        """Work as one of the threads."""
        self.barrier.wait()
        marks.append(perf_counter_ns())
        try:
            while not self.errors and not self.is_over():
                _run_batch(self.work)
                marks.append(perf_counter_ns())
        except Exception as error:  # It belongs to the thread that waits for this one.
            self.errors.append(error)

    def is_over(self) -> bool:
        """Return whether every thread has begun, done a batch and passed the end of the window."""
        if not all(len(marks) > 1 for marks in self.marks):
            return False
        end = max(marks[0] for marks in self.marks) + self.window_ns
        return all(marks[-1] >= end for marks in self.marks)


def rate_per_s(workers: Sequence[Marks], messages: int) -> float | None:
    """Count what all workers together did in their common window.

    Args:
        workers: the marks of each.
        messages: in a batch.

    Returns:
        Messages per second; None where they were never all at work.
    """
    begin, end = max(marks[0] for marks in workers), min(marks[-1] for marks in workers)
    if end <= begin:
        return None
    batches = sum(_batches_within(marks, begin, end) for marks in workers)
    return batches * messages * 1e9 / (end - begin)


def _batches_within(marks: Marks, begin: int, end: int) -> float:
    """Count batches between two times; one that is cut counts by its share."""
    return sum(
        max(0, min(after, end) - max(before, begin)) / max(1, after - before) for before, after in pairwise(marks)
    )


LEAD_NS = 2_000_000
"""From the command until work begins: enough for every process to be awake."""
FLOOR_CALL_NS = 200_000
"""What one call of a floor takes."""


class Order(NamedTuple):
    """What a process is to do in one window.

    Attributes:
        codec: whose work: a codec's, once more too, or one of `FLOORS`.
        operation: encode or decode.
        loops: passes over the messages in a batch.
        threads: how many; 0 is the process's main thread.
        window_ns: how long; 0 is one batch.
        begin_ns: when, on the machine's clock; threads begin at once.
    """

    codec: Case
    operation: str
    loops: int = 1
    threads: int = 0
    window_ns: int = 0
    begin_ns: int = 0


class WorkerGroup:
    """Starts processes and gives them orders; a context manager.

    Args:
        job: the worker's.
        size: how many processes.
    """

    def __init__(self, job: Job, size: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipes: list[Connection] = []
        self.processes = []
        for _ in range(size):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(theirs, job), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def __enter__(self) -> Self:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            _marks_of(_receive(pipe, process))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.join()

    def run(self, order: Order, processes: int) -> list[Marks]:
        """Let some processes work at the same time.

        Args:
            order: what each does; its start is set here.
            processes: how many.

        Returns:
            The marks of every thread of every process.

        Raises:
            WorkerError: a process died, or the work raised an error; a `PassingError` where that is no codec's.
        """
        timed = order._replace(begin_ns=perf_counter_ns() + LEAD_NS)
        for pipe in self.pipes[:processes]:
            with suppress(BrokenPipeError):  # Whoever is dead is noticed when it is read from.
                pipe.send(timed)
        # All answers are taken before the first failure is raised: one left in a pipe would be the next order's.
        members = list(zip(self.pipes, self.processes, strict=True))[:processes]
        answers = [_receive(*member) for member in members]
        return [marks for answer in answers for marks in _marks_of(answer)]


def _marks_of(answer: list[Marks] | WorkerError) -> list[Marks]:
    """Return the marks, or raise the failure that came instead."""
    if isinstance(answer, WorkerError):
        raise answer
    return answer


def _receive(pipe: Connection, process: SpawnProcess) -> list[Marks] | WorkerError:
    """Take a process's answer.

    Returns:
        Its marks, or what to raise: it is dead, or could not do its work (a `PassingError` where that is no codec's).
    """
    try:
        found: list[Marks] | Failed = pipe.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        status = process.exitcode or 0
        kind = PassingError if is_passing_end(status, "") else WorkerError
        return kind(f"a load worker died ({ended_by(status)})")
    if isinstance(found, Failed):
        return PassingError(found.reason) if found.passing else WorkerError(found.reason)
    return found


def ended_by(status: int) -> str:
    """Say how a process ended, by its exit code."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def _serve(pipe: Connection, job: Job) -> None:
    """Take orders until the parent is gone: what a load worker runs."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    works = _prepare(job)
    gc.collect()
    gc.freeze()
    gc.disable()
    with suppress(EOFError, ConnectionError):
        pipe.send([])
        while True:
            order = pipe.recv()
            try:
                pipe.send(_follow(works, order))
            except Exception as error:  # A codec may raise anything under load; the parent must hear of it.
                pipe.send(Failed(reason(error), is_passing(error)))


def _prepare(job: Job) -> dict[tuple[Case, str], Work]:
    """Make everything that can be ordered: (codec or floor, operation) → work."""
    messages = load_messages(job)
    works = {}
    for operation in job.operations:
        for name in job.codecs:
            works[Case(name), operation] = _work_of(name, job.kind, operation, messages)
        for bound in FLOORS[1:]:
            call, item = floor(bound, FLOOR_CALL_NS)
            works[bound, operation] = Work(call, [item])
    return works


def _work_of(codec: str, kind: str, operation: str, messages: Sequence[Any]) -> Work:
    """Make a codec's work."""
    bound = open_codec(codec, kind)
    warm_up(bound, messages)
    items = messages if operation == "encode" else list(map(bound.encode, messages))
    return Work(getattr(bound, operation), items)


def _follow(works: dict[tuple[Case, str], Work], order: Order) -> list[Marks]:
    """Do what was ordered."""
    work = works[order.codec.first, order.operation]._replace(loops=order.loops)
    if order.threads:
        return Team(work, order.threads, order.window_ns).run()
    return [_alone(work, order.begin_ns, order.window_ns)]
