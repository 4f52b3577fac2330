"""Time per message: all codecs of one workload side by side in one process, in short batches in random order.

Source: interleaving after Kalibera and Jones, Rigorous benchmarking in reasonable time (2013); the batch length is
long against the clock's resolution and short against what a shared machine does to its guests.
"""

import gc
import io
import os
import time
from collections.abc import Callable
from random import Random
from statistics import median
from typing import Any

import pyperf
from serlab.measure.jobs import Job, open_codecs, sample_messages

from serlab.codecs import Codec, codec_info
from serlab.measure.parity import carried
from serlab.report.tables import AA
from serlab.results import Row
from serlab.workloads import read_one

BATCH_NS = 2_000_000
BASELINE = "orjson"

Arms = dict[str, tuple[Callable[[Any], Any], list[Any]]]
"""Arm name → the function to time and what it is called with."""


def measure(job: Job) -> dict[str, Any]:
    """Time every operation of a workload."""
    pairs = sample_messages(job)
    codecs = carried(open_codecs(job), pairs)
    messages = [message for _, message in pairs]
    rows: list[Row] = []
    suites: list[dict[str, Any]] = []
    gc.collect()
    gc.freeze()
    gc.disable()
    for operation in job.operations:
        arms = arms_of(operation, codecs, messages, job.kind)
        for name, values in interleave(arms, job).items():
            rows.append(row_of(job, name, operation, median(values)))
            if not name.endswith(AA):
                suites.append({"codec": name, "run": pyperf_run(job, name, operation, values)})
    return {"rows": rows, "findings": [], "pyperf": suites}


def arms_of(operation: str, codecs: dict[str, Codec], messages: list[Any], kind: str) -> Arms:
    """Prepare what each codec does in an operation; the baseline enters twice, under two names."""
    arms: Arms = {}
    for name, codec in codecs.items():
        prepared = prepare(operation, codec, messages, kind)
        if prepared is not None:
            arms[name] = prepared
    baseline = BASELINE if BASELINE in arms else next(iter(arms), "")
    if baseline:
        arms[baseline + AA] = arms[baseline]
    return arms


def prepare(
    operation: str, codec: Codec, messages: list[Any], kind: str
) -> tuple[Callable[[Any], Any], list[Any]] | None:
    """Give an operation's function and its inputs; None where the kind has no field to read."""
    if operation == "encode":
        return codec.encode, messages
    if operation == "populate":
        return codec.populate, messages
    if operation == "serialize":
        return codec.serialize, [codec.populate(message) for message in messages]
    data = [codec.encode(message) for message in messages]
    if operation == "decode":
        return codec.decode, data
    if operation == "deserialize":
        return codec.deserialize, data
    if operation == "convert":
        return codec.convert, [codec.deserialize(item) for item in data]
    return prepare_read_one(codec, data, kind)


def prepare_read_one(codec: Codec, data: list[bytes], kind: str) -> tuple[Callable[[Any], Any], list[Any]] | None:
    """Give the function that opens the bytes and reads the kind's field, and the bodies that have that field."""
    read = read_one(kind)
    if read is None:
        return None

    def open_and_read(item: bytes) -> Any:
        return read(codec.open(item))

    readable = [item for item in data if can_read(open_and_read, item)]
    return (open_and_read, readable) if readable else None


def can_read(read: Callable[[bytes], Any], item: bytes) -> bool:
    """Tell whether a body has the field: an error body has no choices."""
    try:
        read(item)
    except (IndexError, TypeError, AttributeError):
        return False
    return True


def interleave(arms: Arms, job: Job) -> dict[str, list[float]]:
    """Time all arms, batch by batch in random order.

    Returns:
        Arm → nanoseconds per message of each batch.
    """
    loops = {name: calibrate(*arm) for name, arm in arms.items()}
    values: dict[str, list[float]] = {name: [] for name in arms}
    random = Random(f"{job.seed}/{job.process}/{job.workload}")
    names = list(arms)
    for _ in range(job.rounds):
        random.shuffle(names)
        for name in names:
            function, items = arms[name]
            values[name].append(batch(function, items, loops[name]) / (loops[name] * len(items)))
    return values


def calibrate(function: Callable[[Any], Any], items: list[Any]) -> int:
    """Find how many passes over the items make a batch; this warms the arm up as well."""
    elapsed = max(1, min(batch(function, items, 1) for _ in range(2)))
    return max(1, round(BATCH_NS / elapsed))


def batch(function: Callable[[Any], Any], items: list[Any], loops: int) -> int:
    """Time one batch in nanoseconds."""
    passes = range(loops)
    start = time.perf_counter_ns()
    for _ in passes:
        for item in items:
            function(item)
    return time.perf_counter_ns() - start


def row_of(job: Job, name: str, operation: str, value: float) -> Row:
    """Make the row of one arm."""
    version = codec_info(name.removesuffix(AA)).version
    return Row(job.run, name, version, job.workload, job.kind, operation, "time", "ns", job.process, value)


def pyperf_run(job: Job, name: str, operation: str, values: list[float]) -> str:
    """Give the batches as a pyperf benchmark of one run, with this process's metadata."""
    info = codec_info(name)
    metadata = {"name": f"{job.workload}/{operation}", "unit": "second", "codec_version": info.version or "?"}
    metadata |= {"gc": "frozen and disabled", "hash_seed": os.environ.get("PYTHONHASHSEED", "")}
    run = pyperf.Run([value / 1e9 for value in values], metadata=metadata, collect_metadata=True)
    return benchmark_json(pyperf.Benchmark([run]))


def benchmark_json(benchmark: Any) -> str:
    """Write a pyperf benchmark as JSON text; a stream is the one way that pyperf offers."""
    stream = io.StringIO()
    benchmark.dump(stream)
    return stream.getvalue()
