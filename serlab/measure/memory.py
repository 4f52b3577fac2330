"""Memory: allocations, bytes and peak of one operation, by memray.

Per-operation figures are the slope between N and 2N passes after a warm-up, so that what the tracker and the first
calls allocate cancels out; counts then repeat exactly. Python's own allocator is traced, without which small objects
are invisible. memray's `total_allocations` counts frees too; here only what allocates is counted.

memray follows Python calls through the interpreter's profile hook, and under that hook each call of a Python function
allocates a frame object, which it does not without (an empty function: one allocation of about 150 bytes on CPython
3.11). The hook is taken out while the operation runs: only counts are wanted here, no call stacks.

The peak is what was allocated at most at one time while one message after another was coded; below about 1 kB it is
the tracker's own. Never time what is traced.

Source: memray's documentation, "Python allocators" and `FileReader`.
"""

import gc
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import memray

from serlab.codecs.base import reason
from serlab.measure.load import Emit, bind, finding, load_messages, row
from serlab.measure.parity import check
from serlab.messages import to_document

OPERATIONS = ("encode", "decode")
UNITS = {"allocations": "1/op", "bytes": "bytes/op", "peak": "bytes"}
FREES = {memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP, memray.AllocatorType.PYMALLOC_FREE}
WARM_UP = 3
"""Passes until caches and free lists are filled."""


class Trace(NamedTuple):
    """What one tracker saw."""

    allocations: int
    bytes: int
    peak: int


def run(job: dict[str, Any], emit: Emit) -> None:
    """Trace every codec on one workload.

    Args:
        job: workload, kind, seed, documents, codecs.
        emit: receives rows and findings.
    """
    messages = load_messages(job)
    gc.collect()
    gc.disable()
    with TemporaryDirectory(prefix="serlab-") as folder:
        for name in job["codecs"]:
            emit({"at": name})
            try:
                measure_codec(job, name, messages, Path(folder), emit)
            except Exception as error:  # A codec from elsewhere may raise anything; it costs that codec only.
                emit(finding(job, name, "refused", f"{name}: {reason(error)}"))


def measure_codec(job: dict[str, Any], name: str, messages: list[Any], folder: Path, emit: Emit) -> None:
    """Trace one codec, if it carries every message."""
    for message in messages:
        outcome = check(name, job["kind"], message, to_document(message))
        if outcome.outcome != "equal":
            emit(finding(job, name, outcome.outcome, outcome.reason))
            return
    bound = bind(job, name, messages)
    inputs = {"encode": messages, "decode": bound.encoded}
    passes = passes_for(sum(map(len, bound.encoded)))
    for operation in OPERATIONS:
        figures = per_operation(getattr(bound.codec, operation), inputs[operation], passes, folder)
        for metric, value in figures.items():
            emit(row(job, name, operation, metric, UNITS[metric], value))


def passes_for(size: int) -> int:
    """Choose N by the bytes of a pass: large bodies allocate so much that few passes show it."""
    return 2 if size > 100_000 else 4 if size > 10_000 else 16


def per_operation(call: Callable[[Any], Any], items: list[Any], passes: int, folder: Path) -> dict[str, float]:
    """Measure the slope between N and 2N passes.

    Args:
        call: what is traced.
        items: its arguments, one per message.
        passes: N.
        folder: where the tracker may write.

    Returns:
        Metric → figure per message.
    """
    run_all(call, items * WARM_UP)
    # The first tracker of a process allocates some things for good, and so does the first call under it.
    _, once, twice = (trace(call, items, n, folder) for n in (1, passes, 2 * passes))
    count = passes * len(items)
    return {
        "allocations": (twice.allocations - once.allocations) / count,
        "bytes": (twice.bytes - once.bytes) / count,
        "peak": twice.peak,
    }


def run_all(call: Callable[[Any], Any], items: Iterable[Any]) -> None:
    """Call a function with every item."""
    for item in items:
        call(item)


def trace(call: Callable[[Any], Any], items: list[Any], passes: int, folder: Path) -> Trace:
    """Run some passes under a tracker and sum up what they allocated."""
    capture = folder / "capture.bin"
    # The iterator is made out here, so that what is traced is the operation alone.
    work = iter(items * passes)
    gc.collect()
    with memray.Tracker(capture, trace_python_allocators=True):
        sys.setprofile(None)
        run_all(call, work)
    with memray.FileReader(capture) as reader:
        records = reader.get_allocation_records()
        made = [(one.n_allocations, one.size) for one in records if one.allocator not in FREES]
        peak = reader.metadata.peak_memory
    capture.unlink()
    return Trace(sum(n for n, _ in made), sum(size for _, size in made), peak)
