"""What became of a workload's bodies in a codec, and whether the codec gets figures there.

Figures (size, time, memory, load) are over the bodies that all codecs with figures carry, so that ratios compare like
with like. A codec that refuses a few bodies keeps its figures, and those bodies are left out for all. A codec that
refuses more, or that changes one body, gets no figures, and what it refuses stays in for the others.
"""

from collections.abc import Mapping

COMPRESSION = ("gzip", "gunzip", "zstd", "unzstd")
"""Operations on a codec's bytes, which are no work of the codec's own."""

OUTCOMES = ("refused", "changed", "no_schema", "failed")
"""Metrics of parity that count what did not come back equal."""

FAILED = OUTCOMES[3]
"""The outcome of a codec that killed its worker, in a way that is its own, whenever it was tried."""

UNMEASURED = "unmeasured"
"""The outcome of what trouble kept from being measured, which says nothing of the codec; `--resume` measures it."""

COMMON = "common"
"""Metric of parity: how many bodies a codec's figures are over, where some codec with figures refused one."""

MOST_REFUSED_SHARE = 0.01
"""Share of a workload's bodies that a codec may refuse and still get figures."""


def why_unmeasured(counts: Mapping[str, float]) -> str:
    """Say which outcome costs a codec its figures on a workload.

    Args:
        counts: metric of parity → bodies.

    Returns:
        One of `OUTCOMES`; `UNMEASURED` where its parity is not known; "" for a codec that gets figures.
    """
    if counts.get(UNMEASURED) and not body_count(counts) and not counts.get(FAILED):
        return UNMEASURED
    if refused_share(counts) > MOST_REFUSED_SHARE:
        return "refused"
    return next((name for name in OUTCOMES[1:] if counts.get(name)), "")


def refused_share(counts: Mapping[str, float]) -> float:
    """Give the share of its bodies that a codec refused."""
    bodies = body_count(counts)
    return counts.get("refused", 0) / bodies if bodies else 0.0


def body_count(counts: Mapping[str, float]) -> int:
    """Count the bodies that were sent through a codec."""
    return round(sum(counts.get(name, 0) for name in ("equal", "refused", "changed", "no_schema")))
