"""Rows of arms: an arm's name is "CODEC OPERATION", and its figure the median of its batches."""

from collections.abc import Mapping, Sequence
from statistics import median

from serlab.codecs import codec_names, open_codec
from serlab.results import Row
from serlab.stats import CONTROL


def control(name: str) -> str:
    """Name the second arm of a codec (A/A)."""
    codec, _, operation = name.rpartition(" ")
    return f"{codec}{CONTROL} {operation}"


def rows_of(
    times: Mapping[str, Sequence[float]], workload: str, kind: str, run: str = "", process: int = 0
) -> list[Row]:
    """Make the rows of what `serlab.measure.arms.interleave` gives.

    Args:
        times: arm's name → nanoseconds of each batch.
        workload: of the messages.
        kind: of the messages.
        run: the run's id.
        process: the worker's number.
    """
    rows = []
    for name, values in times.items():
        codec, _, operation = name.rpartition(" ")
        version = version_of(codec.removesuffix(CONTROL), kind)
        rows.append(Row(run, codec, version, workload, kind, operation, "time", "ns", process, median(values)))
    return rows


def version_of(codec: str, kind: str) -> str:
    """Look up a codec's version; "" for what is none."""
    return open_codec(codec, kind).version if codec in codec_names() else ""
