"""What the user asks a run for."""

import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from serlab.errors import ResultsError
from serlab.limits import MAX_BODY_MB
from serlab.records import COMPRESSION, misfit

PARTS = ("size", "memory", "time")
VARIANT_KIND = "EmbeddingResponse"
"""The only kind that the variants for vectors write otherwise than the codec they come from."""

MOST_BODY_MB = 1 << 20
"""MiB of a body: more than any machine's memory."""
BOUNDS = {"max_body_mb": (1, MOST_BODY_MB), "memory_limit_mb": (0, 1 << 40), "batch_ms": (0, 1_000_000)}
BOUNDS |= {"time_limit_s": (0, 1_000_000)}
"""What a number must lie between, in a folder's record too; the system waits for no more than 2 million seconds."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; a resumed run must ask for the same.

    Attributes:
        codecs: names; empty means all that are installed, the variants only where they differ.
        workloads: names; empty means all built-in ones, or none if there is a corpus.
        corpora: paths.
        operations: what is timed, any of `serlab.measure.options.OPERATIONS`; empty means what the effort says.
        parts: any of `PARTS`, `LOAD_PARTS` and `WIRE`.
        effort: a key of `serlab.measure.options.EFFORTS`.
        seed: of the workloads, the sample and the order of the batches.
        strict: refuse a corpus with a line that cannot be read.
        gc: the collector while timing, see `serlab.measure.interleave.GC`.
        pin: keep each timing worker on one processor.
        batch_ms: how long a batch should take; 0 means what the effort says.
        time_limit_s: how long a worker may be at one step before it is killed.
        memory_limit_mb: address space of a worker; 0 means the machine's memory.
        max_body_mb: length of a body in MiB that codecs take; a longer one is refused.
        flamegraph: write memray's flame graphs beside the figures of memory.
        base: another environment, whose codecs are timed in pairs with these; "" is none.
        experiments: on the wire, any of `serlab.measure.wire.EXPERIMENTS`; empty means all.
    """

    codecs: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    corpora: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    parts: tuple[str, ...] = PARTS
    effort: str = "default"
    seed: int = 0
    strict: bool = False
    gc: str = "frozen"
    pin: bool = False
    batch_ms: float = 0.0
    time_limit_s: float = 300.0
    memory_limit_mb: int = 0
    flamegraph: bool = False
    base: str = ""
    experiments: tuple[str, ...] = ()
    max_body_mb: int = MAX_BODY_MB

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Options":
        """Read the options that `asdict` wrote into a run's environment; a key of another serlab is passed over.

        Raises:
            ResultsError: an option is of another type, or none that a run takes.
        """
        if wrong := misfit(record, cls):
            raise ResultsError(f"options: {wrong}")
        options = msgspec.convert(record, cls)
        if wrong := options.beyond_bounds():
            raise ResultsError(f"options.{wrong}")
        return options

    def beyond_bounds(self) -> str:
        """Return which number is beyond its bounds, or is none; "" where all are within."""
        for name, (low, high) in BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                return f"{name}: expected {low:,} to {high:,}, got {getattr(self, name)!r:.40}"
        return ""


# How much a run measures, and about how long each part of it takes.

CHECKS = ("check", "check-all")
"""The stage of the codecs that look for non-finite numbers: of messages as they are, and of messages without a seal."""

STAGES = ("populate", *CHECKS, "serialize", "deserialize", "convert")
OPERATIONS = ("encode", "decode", "read-one", "read-k", "relay", "stream", *STAGES, *COMPRESSION)
ROWS_OF = {"read-k": 6, "stream": 0, **dict.fromkeys(COMPRESSION, 0.3), **dict.fromkeys(CHECKS, 0.3)}
"""What an operation costs against the others: steps of the access curve; nothing where there is no stream; compression
has fewer batches, and codecs that write the same bytes share them; few codecs have a check."""

COMPRESSION_SHARE = 0.2
"""Of `arm_ns`, for an operation of compression: gzip takes 10 to 40 times as long as a codec, and hardly varies."""


class Effort(NamedTuple):
    """How much is measured.

    Attributes:
        processes: fresh processes per workload; the interval resamples these.
        rounds: batches of each codec and operation in one process.
        batch_ns: how long a batch should take; at least one pass over the workload's messages.
        arm_ns: what one codec and operation may cost in one process; a slower one gets fewer batches, at least three.
        sample_bodies: bodies of a corpus, per file and kind, that are timed and traced.
        sample_bytes: their size as compact JSON.
        operations: what is timed where the user names nothing.
    """

    processes: int
    rounds: int
    batch_ns: int
    arm_ns: int
    sample_bodies: int
    sample_bytes: int
    operations: tuple[str, ...]


CORE = ("encode", "decode", "read-one")
WHOLE = (*CORE, "relay", "stream", *COMPRESSION)
EFFORTS = {
    "quick": Effort(5, 11, 1_000_000, 40_000_000, 50, 1_000_000, CORE),
    "default": Effort(10, 25, 2_000_000, 150_000_000, 200, 4_000_000, WHOLE),
    "rigorous": Effort(20, 25, 2_000_000, 150_000_000, 200, 4_000_000, (*WHOLE, "read-k")),
}


LONG_BODIES = 1.4
"""What a worker takes against one whose bodies all fit into a batch: the mean over the built-in workloads."""
START_S = 0.5
"""What a fresh process takes to import the codecs and to check them."""


def time_cost(effort: Effort, codecs: int) -> float:
    """Estimate the seconds of a worker that times every operation; floors and the A/A arm are three more."""
    arm_s = LONG_BODIES * min(effort.arm_ns, (effort.rounds + 3) * effort.batch_ns) / 1e9
    return START_S + (codecs + 3) * arm_s * sum(ROWS_OF.get(operation, 1) for operation in effort.operations)


def memory_cost(codecs: int) -> float:
    """Estimate the seconds of a worker that traces every codec."""
    return START_S + 0.55 * codecs


def parity_cost(codecs: int) -> float:
    """Estimate the seconds of a worker that checks a built-in workload."""
    return START_S + 0.03 * codecs


# How much the load parts measure: throughput and event-loop lag.
#
# Both are measured on request only. What a window costs is stated here once, for the plan's estimate and the workers.

LOAD_PARTS = ("throughput", "lag")
LOAD_OPERATIONS = ("encode", "decode")
LOAD_WORKLOADS = (
    "chat-turn",
    "agent-request",
    "image-request",
    "logprobs-response",
    "embeddings",
    "mooncake-conv",
)
"""What is loaded where no workload is named: one small body, and one of each sort of large ones."""

BATCHES_PER_WINDOW = 10
"""A window is this many batches of the time part, 10 or 20 ms: short, so that all arms meet every state of the machine;
longer than CPython's 5 ms between two threads."""
LEAST_WINDOWS, MOST_WINDOWS = 3, 5

TICK_NS = 1_000_000
"""Period of the ticker that sees the loop's lag."""
BODIES_PER_S = 40
"""Bodies that are coded on the loop while its lag is measured."""
BODIES_PER_WINDOW = 5
WAYS = ("inline", "thread", "pool")
"""Where a body is coded: in the coroutine, by `asyncio.to_thread`, in a pool of one process."""


def usable_cores() -> int:
    """Count the cores that this process may use; a quota of CPU time is not seen here, but in the floor's scaling."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def window_ns(effort: Effort) -> int:
    """Return the length of a throughput window."""
    return BATCHES_PER_WINDOW * effort.batch_ns


def windows(effort: Effort) -> int:
    """Return the number of throughput windows of each arm in one worker."""
    return min(MOST_WINDOWS, max(LEAST_WINDOWS, effort.arm_ns // window_ns(effort)))


def lag_windows(effort: Effort) -> int:
    """Return the number of lag windows of each arm in one worker."""
    return 1 if effort.arm_ns < 100_000_000 else 2


def load_cost(part: str, codecs: int, operations: int, effort: Effort) -> float:
    """Estimate the seconds of a load cell.

    Args:
        part: one of `LOAD_PARTS`.
        codecs: how many; three arms more are floors and the baseline's second arm.
        operations: how many are loaded.
        effort: the plan's.
    """
    arms = (codecs + 3) * operations
    if part == "throughput":
        modes = 4 if usable_cores() > 1 else 2
        return 2.0 + arms * modes * windows(effort) * 1.3 * window_ns(effort) / 1e9
    return 2.5 + (arms + operations) * len(WAYS) * lag_windows(effort) * BODIES_PER_WINDOW / BODIES_PER_S
