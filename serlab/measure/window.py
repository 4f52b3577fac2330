"""Windows: how much several workers do while all of them are at it.

A worker codes batch after batch and notes the clock between them (its marks). What counts is the common window, from
the last worker's first mark to the first worker's last: nobody is idle in it. A batch that the window's edge cuts
counts by its share of time, so that a window may be short against slow bodies.

Marks of several processes are compared. That needs a clock that is one for the machine, which `perf_counter` is on
Linux (CLOCK_MONOTONIC), macOS and Windows.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Barrier, Thread
from time import perf_counter_ns, sleep
from typing import Any, NamedTuple

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


def run_batch(work: Work) -> None:
    """Do one batch."""
    call, items = work.call, work.items
    for _ in range(work.loops):
        for item in items:
            call(item)


def alone(work: Work, begin_ns: int, window_ns: int) -> Marks:
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
        run_batch(work)
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
                run_batch(self.work)
                marks.append(perf_counter_ns())
        except Exception as error:  # It belongs to the thread that waits for this one.
            self.errors.append(error)

    def is_over(self) -> bool:
        """Tell whether every thread has begun, done a batch and passed the end of the window."""
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
    batches = sum(batches_within(marks, begin, end) for marks in workers)
    return batches * messages * 1e9 / (end - begin)


def batches_within(marks: Marks, begin: int, end: int) -> float:
    """Count batches between two times; one that is cut counts by its share."""
    return sum(
        max(0, min(after, end) - max(before, begin)) / max(1, after - before) for before, after in pairwise(marks)
    )
