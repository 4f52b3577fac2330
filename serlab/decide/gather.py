"""A run's rows → the plain numbers that the cost model reads."""

from typing import Any

import pandas as pd

from serlab.decide.formats import format_of
from serlab.outcomes import body_count, why_unmeasured
from serlab.report.tables import OUTCOMES, baseline_of
from serlab.stats import BASE, CONTROL, FLOOR

MEMORY = {"bytes": "allocated_bytes", "peak": "peak_bytes"}

Inputs = dict[str, Any]


def inputs(rows: pd.DataFrame, process: int | None = None, control: bool = False) -> Inputs:
    """Gather what the model reads.

    Args:
        rows: the tidy table of one run.
        process: take times from this worker alone; None takes the median over all.
        control: give the baseline's second arm as well, as if it were a codec.

    Returns:
        `{"baseline": name, "formats": {codec: capabilities}, "workloads": {workload: {"kind": kind, "codecs": {codec:
        {"failure": why there is no figure or "", "bodies": count, "refused": count of these, "bytes": {"raw", "gzip",
        "zstd"}, "time_ns": {operation: ns}, "allocated_bytes": {operation: bytes}, "peak_bytes": {operation: bytes}
        }}}}}`; JSON values throughout.
    """
    baseline = baseline_of(rows)
    rows = rows[~rows["codec"].str.startswith(FLOOR) & ~rows["codec"].str.endswith((BASE, BASE + CONTROL))]
    found: Inputs = {"baseline": baseline, "formats": {}, "workloads": {}}
    for keys, group in rows.groupby(["workload", "message", "codec"], sort=False):
        workload, kind, codec = map(str, keys)
        place = found["workloads"].setdefault(workload, {"kind": kind, "codecs": {}})
        if codec.endswith(CONTROL) and not control:
            continue
        place["codecs"][codec] = figures(group, process)
        found["formats"].setdefault(codec, format_of(codec)._asdict())
    if control:
        add_control(found["workloads"], baseline)
    return found


def figures(group: pd.DataFrame, process: int | None) -> dict[str, Any]:
    """Gather one codec's figures on one workload."""
    found: dict[str, Any] = {"bytes": {}, "time_ns": {}, **{name: {} for name in MEMORY.values()}}
    times: dict[str, list[float]] = {}
    counts: dict[str, float] = {}
    for row in group.itertuples():
        if row.metric == "time" and process in (None, row.process):
            times.setdefault(str(row.operation), []).append(float(row.value))  # type: ignore[arg-type]
        elif row.operation == "size":
            found["bytes"][row.metric] = row.value
        elif row.operation == "parity":
            counts[str(row.metric)] = float(row.value)  # type: ignore[arg-type]
        elif row.metric in MEMORY:
            found[MEMORY[str(row.metric)]][row.operation] = row.value
    found["failure"] = OUTCOMES.get(why_unmeasured(counts), "")
    found |= {"bodies": body_count(counts), "refused": round(counts.get("refused", 0))}
    found["time_ns"] = {operation: float(pd.Series(values).median()) for operation, values in times.items()}
    return found


def add_control(workloads: dict[str, Any], baseline: str) -> None:
    """Give the baseline's second arm, which is only timed, the baseline's sizes."""
    for place in workloads.values():
        arm, base = place["codecs"].get(baseline + CONTROL), place["codecs"].get(baseline)
        if arm and base:
            place["codecs"][baseline + CONTROL] = {**base, "time_ns": arm["time_ns"]}
