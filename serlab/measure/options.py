"""What the user asks a run for."""

from dataclasses import dataclass
from typing import Any

import msgspec

from serlab.errors import ResultsError
from serlab.limits import MAX_BODY_MB
from serlab.records import misfit

PARTS = ("size", "memory", "time")
VARIANT_KIND = "EmbeddingResponse"
"""The only kind that the variants for vectors write otherwise than the codec they come from."""

MOST_BODY_MB = 1 << 20
"""MiB of a body: more than any machine's memory."""
BOUNDS = {"max_body_mb": (1, MOST_BODY_MB), "memory_limit_mb": (0, 1 << 40), "batch_ms": (0, 1e6)}
BOUNDS |= {"time_limit_s": (0, 1e9)}
"""What a number of a folder's record must lie between."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; a resumed run must ask for the same.

    Attributes:
        codecs: names; empty means all that are installed, the variants only where they differ.
        workloads: names; empty means all built-in ones, or none if there is a corpus.
        corpora: paths.
        operations: what is timed, any of `serlab.measure.effort.OPERATIONS`; empty means what the effort says.
        parts: any of `PARTS`, `LOAD_PARTS` and `WIRE`.
        effort: a key of `serlab.measure.effort.EFFORTS`.
        seed: of the workloads, the sample and the order of the batches.
        strict: refuse a corpus with a line that cannot be read.
        gc: the collector while timing, see `serlab.measure.settings.GC`.
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
        for name, (low, high) in BOUNDS.items():
            if not low <= getattr(options, name) <= high:
                raise ResultsError(f"options.{name}: expected {low:,} to {high:,}, got {getattr(options, name)!r:.40}")
        return options
