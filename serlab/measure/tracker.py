"""memray's tracker around one operation: what it allocates, and what is alive afterwards.

memray follows Python calls through the interpreter's profile hook, and under that hook each call of a Python function
allocates a frame object, which it does not without (an empty function: one allocation of about 150 bytes on CPython
3.11). The hook is taken out while the operation runs: only counts are wanted here, no call stacks.

Source: memray's documentation, "Python allocators" and `FileReader`.
"""

import gc
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import memray

FREES = {memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP, memray.AllocatorType.PYMALLOC_FREE}
ARENAS = {memray.AllocatorType.MMAP}
"""What Python's allocator takes in steps of 1 MiB for objects that are counted themselves."""


class Trace(NamedTuple):
    """What one tracker saw."""

    allocations: int
    bytes: int
    peak: int


def run_all(call: Callable[[Any], Any], items: Iterable[Any]) -> None:
    """Call a function with every item."""
    for item in items:
        call(item)


def trace(call: Callable[[Any], Any], items: list[Any], folder: Path) -> Trace:
    """Run a function on some items under a tracker and sum up what was allocated."""
    capture = folder / "capture.bin"
    # The iterator is made out here, so that what is traced is the operation alone.
    work = iter(items)
    gc.collect()
    with memray.Tracker(capture, trace_python_allocators=True):
        sys.setprofile(None)
        run_all(call, work)
    with memray.FileReader(capture) as reader:
        records = reader.get_allocation_records()
        made = [(one.n_allocations, one.size) for one in records if one.allocator not in FREES | ARENAS]
        peak = reader.metadata.peak_memory
    capture.unlink()
    return Trace(sum(n for n, _ in made), sum(size for _, size in made), peak)


def live(call: Callable[[Any], Any], items: list[Any], folder: Path) -> int:
    """Run a function on some items under a tracker and count the bytes that are still allocated afterwards."""
    capture = folder / "capture.bin"
    work = iter(items)
    form = memray.FileFormat.AGGREGATED_ALLOCATIONS
    gc.collect()
    with memray.Tracker(capture, trace_python_allocators=True, file_format=form):
        sys.setprofile(None)
        run_all(call, work)
        # A full collection empties CPython's free lists, whose objects would count as alive.
        gc.collect()
    with memray.FileReader(capture) as reader:
        records = reader.get_leaked_allocation_records()
        left: int = sum(one.size for one in records if one.allocator not in ARENAS)
    capture.unlink()
    return left
