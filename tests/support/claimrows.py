"""Three runs of known outcome, for what notebooks claim: the stored run's rows, with other figures in them.

So they hold whatever the notebooks read: every operation, stage, metric and arm of a real run. Each group's figures are
made anew from its baseline's.
"""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from serlab.cases import CONTROL, FLOOR
from serlab.results import load_results
from serlab.rows import frame, write_table
from tests.conftest import ROOT
from tests.support.rows import named_row

STORED = ROOT / "notebooks" / "stored"
NAMED = ("run", "codec", "version", "workload", "message", "operation", "metric", "unit", "process", "value")
OUTCOMES = ("baseline wins", "baseline loses", "all tie")
WORKLOADS = ("agent-request", "embeddings", "stream", "token-ids")
MORE_IS_BETTER = ("rate", "byte-rate", "body-rate", "token-rate")
LIKE_TIME = ("time", "latency", "first-token", "stop-lag", "lag-p50", "lag-p99", "lag-max", "lag-rate")
LIKE_TIME += ("stall-p50", "stall-p99", "stall-max", *MORE_IS_BETTER)
LIKE_SIZE = ("raw", "gzip", "zstd", "allocations", "bytes", "peak", "retained")
AGAIN = 1.3
"""By how much a figure strays between two equal things where all tie."""


def write_run(directory: Path, outcome: str) -> Path:
    """Write the stored runs' folders with the figures of an outcome."""
    for name in ("", "wire"):
        target = directory / name
        target.mkdir(parents=True, exist_ok=True)
        write_table(target, made(name, outcome))
        shutil.copy(STORED / name / "environment.json", target)
    shutil.copy(STORED / "noise.csv", directory)
    return directory


@cache
def made(name: str, outcome: str) -> pd.DataFrame:
    """Make the rows of an outcome."""
    rows = load_results(STORED / name)
    rows = rows.assign(codec=rows["case"], operation=rows["place"])[[*NAMED]]
    rows = rows if name else rows[rows["workload"].isin(WORKLOADS)]
    if not name and "check" not in set(rows["operation"]):
        rows = pd.concat([rows, rows[rows["operation"] == "populate"].assign(operation="check")])
    # In these experiments one group alone holds the baseline that all are compared with.
    whole = rows["operation"].str.extract("^(wire/(?:vectors|stream))/")[0].fillna(rows["operation"])
    found = [remade(group, outcome) for _, group in rows.groupby(["workload", whole, "metric"], sort=False)]
    return frame(named_row(*row) for group in found for row in group.itertuples(index=False))


def remade(group: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Replace the figures of one group; what has no baseline, or is a count, stays as it is."""
    group_by_output = {arm.removesuffix(CONTROL) for arm in group["codec"] if arm.endswith(CONTROL)}
    baseline = next(iter(group_by_output), "orjson")
    metric = group["metric"].iloc[0]
    if baseline not in set(group["codec"]) or metric not in LIKE_TIME + LIKE_SIZE:
        return group
    base = group[group["codec"] == baseline]["value"].median()
    arms = group["codec"].to_numpy()
    home = group[group["codec"] == baseline + CONTROL]["operation"]
    if len(home) and group["operation"].nunique() > 1:
        away = [f" {name.partition('/')[2]}" if name != home.iloc[0] else "" for name in group["operation"]]
        arms = arms + np.array(away, dtype=object)
    noisy = metric in LIKE_TIME
    factors = [
        factor(arm, process, baseline, outcome, noisy) for arm, process in zip(arms, group["process"], strict=True)
    ]
    by = np.array(factors)
    return group.assign(value=base * (1 / by if metric in MORE_IS_BETTER else by))


def factor(arm: str, process: int, baseline: str, outcome: str, noisy: bool) -> float:
    """Return what an arm costs in one process, against the baseline."""
    if arm.startswith((FLOOR, "formula")):
        return 0.02 * luck(arm, process, noisy)
    if arm == baseline:
        return 1.0
    if outcome == "all tie":
        return (
            1.0 if not noisy else AGAIN ** (-1) ** process if arm.endswith(CONTROL) else 1.1 * luck(arm, process, noisy)
        )
    if arm.endswith(CONTROL):
        return luck(arm, process, noisy)
    # A codec that differs only in how it reads writes the same.
    cost = 1.5 + 0.05 * (sum(arm.removesuffix("-unverified").encode()) % 17)
    return (cost if outcome == "baseline wins" else 1 / cost) * luck(arm, process, noisy)


def luck(arm: str, process: int, noisy: bool) -> float:
    """Return a factor near 1."""
    return float(np.exp(0.005 * np.random.default_rng([process, *arm.encode()]).standard_normal())) if noisy else 1.0
