"""Who is fastest on each workload, and who cannot be told apart from it.

The other tables compare with the baseline. That two codecs are both faster than it does not say which of them is ahead,
so here each is compared with the leader, in pairs within a process.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

import pandas as pd

from serlab.report.figures.crossover import BITS_NS
from serlab.report.figures.data import Values, chosen, control_of, is_codec, middle, names_of, sizes, sums
from serlab.report.tables import baseline_of
from serlab.stats import CONTROL, FASTER, TIE, is_tie, paired_ratio

COLUMNS = ("workload", "fastest", "ties", "time_ns", "ratio", "ratio_low", "ratio_high", "verdict")


def leader_table(
    rows: pd.DataFrame,
    operations: Sequence[str] = ("encode", "decode"),
    bandwidth_bit_per_s: float = inf,
    *,
    size: str = "raw",
    workloads: Sequence[str] | None = None,
    codecs: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Find the fastest codec of each workload and all that tie with it.

    Args:
        rows: the tidy table of a run.
        operations: whose times are added up.
        bandwidth_bit_per_s: of a wire that the bytes cross, whose time is added; infinite: there is none.
        size: of the bytes on the wire: raw, gzip or zstd.
        workloads: which; None: all that were timed.
        codecs: which; None: all. The baseline takes part in any case.

    Returns:
        A row for each workload: `fastest`, `ties` (the codecs that tie with it, separated by commas), its `time_ns`,
        the ratio to the baseline with its interval, and `verdict`: faster, tie or baseline.

    Raises:
        UnknownNameError: the run has no such workload or codec.
    """
    kept = chosen(rows, workloads, codecs)
    records = [
        {"workload": workload, **leader_of(found, baseline_of(rows))}
        for workload in workloads or names_of(kept, "workload")
        if (found := costs_of(kept, workload, operations, bandwidth_bit_per_s, size))
    ]
    return pd.DataFrame(records, columns=COLUMNS)


def costs_of(
    rows: pd.DataFrame, workload: str, operations: Sequence[str], bandwidth: float, size: str
) -> dict[str, Values]:
    """Give arm → process → nanoseconds per message, the wire's included; the A/A arm sends the baseline's bytes."""
    found = sums(rows, workload, operations)
    if bandwidth == inf:
        return found
    bytes_of = sizes(rows, workload, size)
    return {
        arm: {process: time + bytes_of[codec] * BITS_NS / bandwidth for process, time in values.items()}
        for arm, values in found.items()
        if (codec := arm.removesuffix(CONTROL)) in bytes_of
    }


def leader_of(found: Mapping[str, Values], baseline: str) -> dict[str, Any]:
    """Describe the leader of one group."""
    codecs = {codec: values for codec, values in found.items() if is_codec(codec)}
    first = min(codecs, key=lambda codec: standing(codecs[codec], codecs.get(baseline, {})))
    ties = list(tied(found, first, baseline))
    ratio = paired_ratio(codecs[first], codecs.get(baseline, {}))
    return {
        "fastest": first,
        "ties": ", ".join(ties),
        "time_ns": middle(codecs[first]),
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "verdict": "baseline" if first == baseline else TIE if baseline in ties else FASTER,
    }


def standing(values: Values, base: Values) -> float:
    """Give what codecs are ordered by: the ratio to the baseline, which the machine's drift leaves alone."""
    ratio = paired_ratio(values, base)
    return ratio.value if ratio.n else middle(values)


def tied(found: Mapping[str, Values], first: str, baseline: str) -> Iterator[str]:
    """Name the codecs that cannot be told apart from the first."""
    control = control_of(found, baseline)
    for codec, values in found.items():
        if is_codec(codec) and codec != first and is_tie(paired_ratio(values, found[first]), control):
            yield codec
