"""Memory: allocations, bytes and peak of one operation, and what its result keeps, by memray.

Per-operation figures are the slope between N and 2N passes after a warm-up, so that what the tracker and the first
calls allocate cancels out; counts then repeat exactly. Python's own allocator is traced, without which small objects
are invisible. memray's `total_allocations` counts frees too; here only what allocates is counted.

- `peak`: what was allocated at most at one time while one message after another was coded; below about 1 kB it is the
  tracker's own.
- `growth`: what is still allocated after many operations whose results are dropped, per operation; zero up to 131 kB
  in all, which caches of the interpreter and of numpy may hold. A leak shows as a figure above zero.
- `retained`: what one kept result keeps allocated. A decoder gets a copy of its own of the bytes, so that what a view
  or an array holds on to counts, and what is only read does not.

Never time what is traced.
"""

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Any, NamedTuple

import memray

from serlab.codecs import reason
from serlab.errors import ResultsError
from serlab.folders import file_name, write_inside
from serlab.measure.inputs import Bound, bind, load_messages, row
from serlab.measure.job import Emit, Finding, Job
from serlab.measure.parity import carries
from serlab.measure.process import PassingError, reraise_passing
from serlab.scratch import Scratch

# memray's tracker around one operation: what it allocates, and what is alive afterwards.
#
# memray follows Python calls through the interpreter's profile hook, and under that hook each call of a Python
# function allocates a frame object, which it does not without (an empty function: one allocation of about 150 bytes on
# CPython 3.11). The hook is taken out while the operation runs: only counts are wanted here, no call stacks.
#
# Source: memray's documentation, "Python allocators" and `FileReader`.

FREES = {memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP, memray.AllocatorType.PYMALLOC_FREE}
ARENAS = {memray.AllocatorType.MMAP}
"""What Python's allocator takes in steps of 1 MiB for objects that are counted themselves."""
MARK, MARKED_WITHIN = 457, 4
"""Length of a value that is made last, and among how many allocations it is looked for: memray stops where a capture
cannot grow. Every trace has it, so that a slope has not."""
ROOM = 65_536
"""Bytes that must be free in the folder of captures; the head of one, and all of one that is summed up, take 4,096."""


class _Trace(NamedTuple):
    """What one tracker saw."""

    allocations: int
    bytes: int
    peak: int


def run_all(call: Callable[[Any], Any], items: Iterable[Any]) -> None:
    """Call a function with every item."""
    for item in items:
        call(item)


def _require_room(folder: Path) -> None:
    """See that a capture has room to begin, or had room to end: memray says on standard error only that it had none.

    Raises:
        PassingError: the disk is full, or a limit is reached.
    """
    page = folder / "room.bin"
    try:
        page.write_bytes(bytes(ROOM))
    except OSError as error:
        where = f"{folder}: {error.strerror}; make room or set TMPDIR"
        raise PassingError(f"memory: no room for a trace in {where}") from error
    finally:
        page.unlink(missing_ok=True)


def _trace(call: Callable[[Any], Any], items: list[Any], folder: Path) -> _Trace:
    """Run a function on some items under a tracker and sum up what was allocated.

    Raises:
        PassingError: there was no room for the whole trace.
    """
    _require_room(folder)
    capture = folder / "capture.bin"
    # The iterator is made out here, so that what is traced is the operation alone.
    work = iter(items)
    gc.collect()
    with memray.Tracker(capture, trace_python_allocators=True):
        sys.setprofile(None)
        run_all(call, work)
        bytes(MARK)
    allocations = size = 0
    last = deque[int](maxlen=MARKED_WITHIN)
    with memray.FileReader(capture) as reader:
        for one in reader.get_allocation_records():
            if one.allocator not in FREES | ARENAS:
                allocations += one.n_allocations
                size += one.size
                last.append(one.size)
        peak = reader.metadata.peak_memory
    capture.unlink()
    if sys.getsizeof(bytes(MARK)) not in last:
        raise PassingError(f"memory: a trace was cut short: no room in {folder}; make room or set TMPDIR")
    return _Trace(allocations, size, peak)


def _live(call: Callable[[Any], Any], items: list[Any], folder: Path) -> int:
    """Run a function on some items under a tracker and count the bytes that are still allocated afterwards.

    Raises:
        PassingError: there was no room for the trace, which memray writes at the end.
    """
    _require_room(folder)
    capture = folder / "capture.bin"
    work = iter(items)
    form = memray.FileFormat.AGGREGATED_ALLOCATIONS
    gc.collect()
    with memray.Tracker(capture, trace_python_allocators=True, file_format=form):
        sys.setprofile(None)
        run_all(call, work)
        # A full collection empties CPython's free lists, whose objects would count as alive.
        gc.collect()
    _require_room(folder)
    with memray.FileReader(capture) as reader:
        records = reader.get_leaked_allocation_records()
        left: int = sum(one.size for one in records if one.allocator not in ARENAS)
    capture.unlink()
    return left


# memray's flame graphs: where the memory of one operation's peak comes from.
#
# The call stacks are real, so the interpreter's profile hook stays in: each Python call allocates a frame that it does
# not allocate otherwise, and the figures are not those of the tables.
#
# Source: memray's documentation, "Flame Graph Reporter".


def write_flamegraph(call: Callable[[Any], Any], items: Iterable[Any], folder: Path, name: str) -> None:
    """Trace an operation and write its flame graph.

    Args:
        call: what is traced.
        items: its arguments, one per call.
        folder: the results folder.
        name: of an .html file in it, which loads nothing from elsewhere.

    Raises:
        ResultsError: memray cannot write it.
    """
    # Brings memray's terminal programs along, which only this needs.
    from memray.commands import main as memray_command

    with TemporaryDirectory(prefix="serlab-") as temporary:
        # Elsewhere first: memray would write through a link that the folder came with.
        capture, graph = Path(temporary, "trace.bin"), Path(temporary, "graph.html")
        with memray.Tracker(capture, trace_python_allocators=True):
            for item in items:
                call(item)
        if status := memray_command(["flamegraph", "--no-web", "--output", str(graph), str(capture)]):
            raise ResultsError(f"{folder / name}: memray flamegraph ended with status {status}")
        write_inside(folder, name, graph.read_bytes())


UNITS = {
    "allocations": "1/op",
    "bytes": "bytes/op",
    "peak": "bytes",
    "growth": "bytes/op",
    "retained": "bytes",
}
WARM_UP = 3
"""Passes until caches and free lists are filled."""

MOST_TRIES = 6
"""How often a slope is measured until it is one."""
SETTLED = 0.1
"""Share of N passes by which 2N may differ from twice as many: CPython's free lists give and take up to 2 % of the
allocations, sets and dicts that grow up to 12 % of what is kept; what a codec learns is many times a message."""
TRACKER_ALLOCATIONS = 300
TRACKER_BYTES = 16_384
"""More than a trace holds beside what is traced: 3 to 222 allocations, and about 1 kB that stays alive."""

GROWTH_NS = 4_000_000
"""How long, untraced, the operations take that must leave nothing: 4,000 of 1 µs, a few of a large body."""

MOST_OPERATIONS = 10_000
CACHES_BYTES = 131_072
"""More than what was seen alive after operations that leak nothing: 100 kB after 500 tokens with log probabilities had
been read 16 times as FlatBuffers, 95 kB after 8 times."""


def run(job: Job, emit: Emit) -> None:
    """Trace every codec on one workload.

    Args:
        job: what to trace.
        emit: receives rows and findings.
    """
    messages = load_messages(job)
    # What was loaded is frozen, or each of the collections below would walk it for 20 ms.
    gc.collect()
    gc.freeze()
    gc.disable()
    with Scratch() as folder:
        for name in job.codecs:
            try:
                if carries(job, name, messages, emit):
                    _measure_codec(job, name, messages, folder, emit)
            except Exception as error:  # A codec from elsewhere may raise anything; it costs that codec only.
                reraise_passing(error)
                emit(Finding(job.workload, name, "refused", f"{name}: {reason(error)}"))


def _measure_codec(job: Job, name: str, messages: list[Any], folder: Path, emit: Emit) -> None:
    """Trace one codec."""
    bound = bind(job, name, messages)
    passes = _passes_for(sum(map(len, bound.encoded)))
    for operation, (call, items) in _operations_of(bound, messages).items():
        figures = per_operation(call, items, passes, folder)
        figures["growth"] = growth(call, items, _affordable(call, items), folder)
        figures["retained"] = retained(call, items, passes, folder)
        for metric, value in figures.items():
            emit(row(job, name, operation, metric, UNITS[metric], value))
        if job.flamegraph:
            graph = "-".join(map(file_name, (job.workload, name, operation)))
            write_flamegraph(call, items * passes, Path(job.folder), f"flamegraphs/{graph}.html")


def _operations_of(bound: Bound, messages: list[Any]) -> dict[str, tuple[Callable[[Any], Any], list[Any]]]:
    """Return what is traced and its arguments; `open` only where that is a view and not the decoded message."""
    codec, encoded = bound.codec, bound.encoded
    found: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "encode": (codec.encode, messages),
        "decode": (codec.decode, encoded),
    }
    return found | ({"open": (codec.open, encoded)} if codec.view else {})


def _passes_for(size: int) -> int:
    """Choose N by the bytes of a pass: large bodies allocate so much that few passes show it."""
    return 1 if size > 50_000 else 4 if size > 10_000 else 16


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
    _trace(call, items, folder)
    for _ in range(MOST_TRIES):
        once, twice = (_trace(call, items * n, folder) for n in (passes, 2 * passes))
        if _settled(once.allocations, twice.allocations, TRACKER_ALLOCATIONS):
            break
    count = passes * len(items)
    return {
        "allocations": (twice.allocations - once.allocations) / count,
        "bytes": (twice.bytes - once.bytes) / count,
        "peak": twice.peak,
    }


def _settled(once: float, twice: float, slack: float) -> bool:
    """Return whether 2N passes took twice what N passes took.

    A codec may learn from its first messages: the FlatBuffers writer writes code for a shape that it has met 16
    times. What that allocates for good is no cost of a message, and would fall into one of the two traces.

    Args:
        once: allocations or bytes of N passes.
        twice: of 2N passes.
        slack: what the tracker takes for itself.
    """
    return abs(twice - 2 * once) <= slack + SETTLED * abs(once)


def _affordable(call: Callable[[Any], Any], items: list[Any]) -> int:
    """Choose how many passes are watched for growth."""
    start = perf_counter_ns()
    run_all(call, items)
    passes = GROWTH_NS // max(1, perf_counter_ns() - start)
    return max(2, min(passes, MOST_OPERATIONS // len(items)))


def growth(call: Callable[[Any], Any], items: list[Any], passes: int, folder: Path) -> float:
    """Measure what an operation leaves behind when its result is dropped, in bytes per operation."""
    left = _live(call, items * passes, folder)
    return left / (passes * len(items)) if left > CACHES_BYTES else 0.0


def retained(call: Callable[[Any], Any], items: list[Any], passes: int, folder: Path) -> float:
    """Measure what one kept result keeps allocated, as the slope between N and 2N results.

    Args:
        call: what is traced.
        items: its arguments, one per message; bytes are copied for each call.
        passes: N.
        folder: where the tracker may write.
    """
    # The first calls fill caches that stay.
    run_all(call, items * WARM_UP)
    for _ in range(MOST_TRIES):
        once, twice = (_live_results(call, items * n, folder) for n in (passes, 2 * passes))
        if _settled(once, twice, TRACKER_BYTES):
            break
    return (twice - once) / (passes * len(items))


def _live_results(call: Callable[[Any], Any], items: list[Any], folder: Path) -> int:
    """Keep the result for each item and count the bytes that are allocated then."""
    kept = [None] * len(items)

    def keep(numbered: tuple[int, Any]) -> None:
        number, item = numbered
        kept[number] = call(bytes(memoryview(item)) if type(item) is bytes else item)

    return _live(keep, list(enumerate(items)), folder)
