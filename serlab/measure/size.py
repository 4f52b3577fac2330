"""Bytes per message: raw, gzip and zstd, each message by itself."""

import gzip

import zstandard

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
"""The libraries' own defaults, which servers use too."""

METRICS = ("raw", "gzip", "zstd")


def sizes(data: bytes) -> dict[str, int]:
    """Weigh one encoded message.

    Args:
        data: one message.

    Returns:
        Bytes by metric; gzip without a time stamp, zstd with the content size, as `compress` writes them.
    """
    zipped = gzip.compress(data, GZIP_LEVEL, mtime=0)
    return {"raw": len(data), "gzip": len(zipped), "zstd": len(zstandard.compress(data, ZSTD_LEVEL))}


class MeanSizes:
    """Sums up sizes, so that a corpus of any length is weighed without being held."""

    def __init__(self) -> None:
        self.count = 0
        self.totals = dict.fromkeys(METRICS, 0)

    def add(self, weighed: dict[str, int]) -> None:
        """Count one message in."""
        self.count += 1
        for metric in METRICS:
            self.totals[metric] += weighed[metric]

    def join(self, other: "MeanSizes") -> None:
        """Count in what another one has counted."""
        self.count += other.count
        for metric in METRICS:
            self.totals[metric] += other.totals[metric]

    def means(self) -> dict[str, float]:
        """Give the mean bytes per message by metric.

        Raises:
            ZeroDivisionError: nothing was added.
        """
        return {metric: total / self.count for metric, total in self.totals.items()}
