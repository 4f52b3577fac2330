"""How much the load parts measure: throughput and event-loop lag.

Both are measured on request only. What a window costs is stated here once, for the plan's estimate and the workers.
"""

import os
from collections.abc import Mapping

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


def window_ns(effort: Mapping[str, int]) -> int:
    """Give the length of a throughput window."""
    return BATCHES_PER_WINDOW * effort["batch_ns"]


def windows(effort: Mapping[str, int]) -> int:
    """Give the number of throughput windows of each arm in one worker."""
    return min(MOST_WINDOWS, max(LEAST_WINDOWS, effort["arm_ns"] // window_ns(effort)))


def lag_windows(effort: Mapping[str, int]) -> int:
    """Give the number of lag windows of each arm in one worker."""
    return 1 if effort["arm_ns"] < 100_000_000 else 2


def load_cost(part: str, codecs: int, operations: int, effort: Mapping[str, int]) -> float:
    """Estimate the seconds of a load cell.

    Args:
        part: one of `LOAD_PARTS`.
        codecs: how many; three arms more are floors and the baseline's second arm.
        operations: how many are loaded.
        effort: the fields of the plan's effort.
    """
    arms = (codecs + 3) * operations
    if part == "throughput":
        modes = 4 if usable_cores() > 1 else 2
        return 2.0 + arms * modes * windows(effort) * 1.3 * window_ns(effort) / 1e9
    return 2.5 + (arms + operations) * len(WAYS) * lag_windows(effort) * BODIES_PER_WINDOW / BODIES_PER_S
