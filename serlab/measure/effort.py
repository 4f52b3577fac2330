"""How much a run measures, and about how long each part of it takes."""

from typing import NamedTuple

from serlab.outcomes import COMPRESSION

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
