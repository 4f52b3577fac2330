"""What biases a timing and can be pinned: the collector and the processor."""

import gc
import os

GC = ("frozen", "on")
"""`frozen`: what was loaded stays out of every collection, and none runs while timing. `on`: as Python starts; then
orjson decoded 500 tokens with log probabilities in 3.4 × the time (`serlab time --quick --gc on`).
"""

DESCRIPTIONS = {
    "frozen": "frozen and disabled while timing, disabled while tracing",
    "on": "enabled while timing, nothing frozen; disabled while tracing",
}


def settle_gc(mode: str) -> None:
    """Put the collector into the state in which a worker times.

    Args:
        mode: one of `GC`; with `frozen`, collections that would hit whoever is running do not happen.
    """
    gc.collect()
    if mode == "frozen":
        gc.freeze()
        gc.disable()
    else:
        gc.enable()


def pin(process: int) -> int | None:
    """Keep a worker on one processor, the next one for each process.

    Not the default, since it gained nothing here: over 24 processes the A/A ratio varied by 0.93 % without it and by
    0.89 % with it (two workloads, encode and decode, two processors; with another program keeping one of them busy by
    11 % and 13 %, median deviation 1.0 % and 0.7 %), and a pinned worker cannot move away from a busy processor.

    Args:
        process: the worker's number.

    Returns:
        The processor; None where the system has no such call or refuses it.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[process % len(allowed)]
    try:
        os.sched_setaffinity(0, {chosen})
    except OSError:
        return None
    return chosen
