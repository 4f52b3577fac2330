"""The experiments on the wire in a line each: how much ties, and what differs most either way."""

from typing import Any, NamedTuple

import pandas as pd

from serlab.report.units import three_digits
from serlab.stats import band

FIRST = ("latency", "stall-p99", "stop-lag")
"""The metric that an experiment is told by: the first of these that it has."""
COMPARED = ("tie", "faster", "slower", "less", "more")


class Digest(NamedTuple):
    """One experiment on one workload.

    Attributes:
        experiment: its name.
        workload: the messages' workload.
        baseline: what is compared with; several where groups differ.
        compared: how many figures have a verdict.
        ties: how many of them are ties.
        least: the arm with the smallest ratio that is no tie, with its conditions; "" where all tie.
        most: the one with the largest.
        share: the codec's share of a call, from the smallest to the largest; "" where it was not measured.
        noise: by how much the baseline differs from itself (A/A), as a share, in the group where it does so most.
        noisiest: that group's conditions.
    """

    experiment: str
    workload: str
    baseline: str
    compared: int
    ties: int
    least: str
    most: str
    share: str
    noise: float
    noisiest: str


def digests(table: pd.DataFrame) -> list[Digest]:
    """Sum up each experiment on each workload.

    Args:
        table: what `serlab.report.wire.wire_table` gave.

    Returns:
        The lines; empty if nothing was measured on the wire.
    """
    if table.empty:
        return []
    groups = table.groupby(["experiment", "workload"], sort=False)
    return [digest(str(experiment), str(workload), group) for (experiment, workload), group in groups]


def digest(experiment: str, workload: str, group: pd.DataFrame) -> Digest:
    """Sum up one experiment by its first metric."""
    metrics = set(group["metric"])
    metric = next((name for name in FIRST if name in metrics), min(metrics))
    chosen = group[group["metric"] == metric]
    compared = chosen[chosen["verdict"].isin(COMPARED)]
    differs = compared[compared["verdict"] != "tie"].sort_values("ratio", kind="stable").to_dict("records")
    below = [row for row in differs if row["ratio"] < 1]
    above = [row for row in differs if row["ratio"] > 1]
    bases = ", ".join(map(str, chosen[chosen["verdict"] == "baseline"]["codec"].unique()))
    texts = (named(below[0]) if below else "", named(above[-1]) if above else "")
    counts = (len(compared), len(compared) - len(differs))
    return Digest(experiment, workload, bases, *counts, *texts, share_of(chosen), *noise_of(compared))


def noise_of(compared: pd.DataFrame) -> tuple[float, str]:
    """Give how far a baseline strays from itself where it does so most among what is compared, and where that is."""
    found = compared.dropna(subset=["aa_low"]).to_dict("records")
    off = [(band(row["aa_low"], row["aa_high"])[1] - 1, str(row["conditions"])) for row in found]
    return max(off, default=(float("nan"), ""))


def named(row: dict[Any, Any]) -> str:
    """Name an arm with its ratio."""
    ends = f"[{three_digits(row['ratio_low'])}, {three_digits(row['ratio_high'])}]"
    where = f" ({row['conditions']})" if row["conditions"] else ""
    return f"{row['codec']} {three_digits(row['ratio'])}× {ends}{where}"


def share_of(chosen: pd.DataFrame) -> str:
    """Write the range of the codec's share of a call; what cannot be seen is 0."""
    found = chosen[~chosen["verdict"].isin(["A/A"])]["codec_share"].dropna().clip(lower=0)
    if found.empty:
        return ""
    low, high = (f"{100 * value:.0f}" for value in (found.min(), found.max()))
    return f"{low} %" if low == high else f"{low} to {high} %"
