"""Rows of two environments, timed by turns in one run → one table: head against base.

The margin is how far this environment strays from itself between two processes of a pair (A/A), as a factor: the end
of that interval that is farther from 1.
"""

from typing import Any

import pandas as pd

from serlab.report.units import three_digits
from serlab.report.wire import is_wire
from serlab.stats import AGAIN, BASE, CONTROL, PAIRED, margin, paired_ratio, verdict


def paired_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare the two environments of a run.

    Args:
        rows: the tidy table.

    Returns:
        One row for each workload, operation and codec that both timed, the largest effects first; empty where the run
        had one environment only.
    """
    times = rows[rows["metric"] == PAIRED]
    codecs = [codec.removesuffix(BASE) for codec in times["codec"].unique() if codec.endswith(BASE)]
    wanted = times[times["codec"].isin(codecs)].drop_duplicates(["workload", "operation", "codec"])
    records = [record_of(rows, *place) for place in wanted[["workload", "operation", "codec"]].itertuples(index=False)]
    table = pd.DataFrame([record for record in records if record["pairs"]])
    if table.empty:
        return table
    effect = table["ratio"].map(lambda ratio: max(ratio, 1 / ratio))
    ranked = table.assign(_tie=table["verdict"] == "tie", _effect=-effect)
    return ranked.sort_values(["_tie", "_effect"], kind="stable", ignore_index=True).drop(columns=["_tie", "_effect"])


def record_of(rows: pd.DataFrame, workload: str, operation: str, codec: str) -> dict[str, Any]:
    """Compare one codec in one group."""
    group = rows[(rows["workload"] == workload) & (rows["operation"] == operation)]
    head, base = arm(group, codec, PAIRED), arm(group, codec + BASE, PAIRED)
    estimate = paired_ratio(head, base)
    control = paired_ratio(arm(group, codec, AGAIN), head)
    return {
        "workload": workload,
        "operation": operation,
        "codec": codec,
        "base_version": version_of(group, codec + BASE),
        "head_version": version_of(group, codec),
        "base_ns": pd.Series(base, dtype=float).median(),
        "head_ns": pd.Series(head, dtype=float).median(),
        "ratio": estimate.value,
        "ratio_low": estimate.low,
        "ratio_high": estimate.high,
        "margin": margin(control),
        "verdict": verdict(estimate, control),
        "pairs": estimate.n,
    }


def arm(group: pd.DataFrame, codec: str, metric: str) -> dict[int, float]:
    """Map process to figure."""
    rows = group[(group["codec"] == codec) & (group["metric"] == metric)]
    return dict(zip(rows["process"], rows["value"], strict=True))


def version_of(group: pd.DataFrame, codec: str) -> str:
    """Look up the version of a codec's library."""
    versions = group[group["codec"] == codec]["codec_version"]
    return str(versions.iloc[0]) if len(versions) else ""


def own(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out the other environment and the wire, whose figures have tables of their own."""
    codecs = rows["codec"].str.removesuffix(CONTROL)
    return rows[~codecs.str.endswith(BASE) & ~is_wire(rows)]


def paired_lines(rows: pd.DataFrame) -> list[str]:
    """Say how two environments stand to each other: a line for each difference and one for the ties.

    Args:
        rows: the tidy table.

    Returns:
        The lines; none where the run had one environment only.
    """
    table = paired_table(rows)
    if table.empty:
        return []
    lines = [line_of(row) for row in table[table["verdict"] != "tie"].to_dict("records")]
    ties = int((table["verdict"] == "tie").sum())
    return ["Head against base, the largest differences first:", *lines, f"{ties} of {len(table)} figures tie"]


def line_of(row: dict[Any, Any]) -> str:
    """Write one difference with its interval and margin."""
    low, value, high, margin = (three_digits(row[name]) for name in ("ratio_low", "ratio", "ratio_high", "margin"))
    versions = f"{row['base_version']} → {row['head_version']}"
    place = f"{row['workload']} {row['operation']} {row['codec']} {versions}"
    return f"{row['verdict']}: {place}: {value} [{low}, {high}], A/A margin {margin}"
