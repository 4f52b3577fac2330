"""Rows of the experiments on the wire → one table.

A row's operation is `wire/EXPERIMENT` and its conditions. What is compared is one group: a workload, an operation and a
metric. Its baseline is the arm that was measured twice (A/A) there, or, where none was, in the experiment's first
operation with that metric, so that forms of a stream stand beside each other. Where several were, each is its own.

The codec's share of a call is what the same bytes do not cost that nobody decodes (`floor: bytes of CODEC`).
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from serlab.stats import CONTROL, FLOOR, Estimate, median_of, paired_ratio, verdict

PREFIX = "wire/"
BYTES_OF = FLOOR + "bytes of "
FORMULA = "formula: "
"""Begins an arm that is calculated, not measured; it stands beside what it predicts."""
LOAD = "client-cpu"
"""Of one core; it stands beside the figure that it explains."""
TIMES = ("latency", "first-token", "stop-lag", "stall-p50", "stall-p99", "stall-max")
"""Metrics of which less is faster."""
TITLE = (
    "On the wire: ratios to the arm that has an A/A beside it; a codec's share is what the same bytes, decoded by "
    "nobody, do not cost"
)

Values = dict[int, float]
Arms = dict[str, Values]


class Group(NamedTuple):
    """What is compared: the arms of one workload under the same conditions in one metric."""

    experiment: str
    workload: str
    conditions: str
    metric: str
    unit: str
    arms: Arms


def is_wire(rows: pd.DataFrame) -> pd.Series:
    """Tell which rows are of the wire."""
    return rows["operation"].str.startswith(PREFIX)


def wire_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Build the table.

    Args:
        rows: the tidy table.

    Returns:
        One row for each experiment, workload, conditions, metric and arm, as measured: value with unit and interval,
        ratio to the baseline with interval and verdict, the A/A interval of the group, the codec's share of a call
        where its bytes were sent alone, and how much of one core the client used. Empty where nothing was measured
        on the wire.
    """
    groups = groups_of(rows)
    # What the experiment compares with where a group has no baseline of its own.
    fallbacks = {group[:2] + group[3:4]: group.arms for group in reversed(groups) if baseline_in(group.arms)}
    records = []
    loads = {group[:3]: group.arms for group in groups if group.metric == LOAD}
    for group in (group for group in groups if group.metric != LOAD):
        base = group.arms if baseline_in(group.arms) else fallbacks.get(group[:2] + group[3:4], {})
        records += list(records_of(group, base, loads.get(group[:3], {})))
    return pd.DataFrame(records)


def groups_of(rows: pd.DataFrame) -> list[Group]:
    """Give the groups, numbers in conditions in their order: 5 ms before 25 ms."""
    wired, found = rows[is_wire(rows)], []
    for (workload, operation, metric), group in wired.groupby(["workload", "operation", "metric"], sort=False):
        experiment, _, conditions = str(operation).removeprefix(PREFIX).partition("/")
        texts = (experiment, str(workload), conditions.replace("/", ", "), str(metric))
        found.append(Group(*texts, str(group["unit"].iloc[0]), arms_of(group)))
    return sorted(found, key=lambda group: (*group[:2], natural(group.conditions), group.metric))


def natural(conditions: str) -> list[list[tuple[float, str]]]:
    """Give a key that puts http before http2, and 5 before 25."""
    return [numbered(condition) for condition in conditions.split(", ")]


def numbered(text: str) -> list[tuple[float, str]]:
    """Give a key by which numbers in a text are in their order."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(float(part), "") if i % 2 else (0.0, part) for i, part in enumerate(parts)]


def arms_of(group: pd.DataFrame) -> Arms:
    """Sort figures by arm and worker."""
    arms = group.groupby("codec", sort=False)
    return {str(codec): dict(zip(arm["process"], arm["value"], strict=True)) for codec, arm in arms}


def baseline_in(arms: Arms) -> str | None:
    """Name the arm that was measured twice, if there is one."""
    return next((name.removesuffix(CONTROL) for name in arms if name.endswith(CONTROL)), None)


def records_of(group: Group, base: Arms, load: Arms) -> Iterator[dict[str, Any]]:
    """Give a group's rows, what is measured first, then its formula, the A/A and the floors."""
    place, arms, metric = group._asdict(), group.arms, group.metric
    del place["arms"]
    first = baseline_in(base) or ""
    for name, values in sorted(arms.items(), key=lambda arm: (rank(arm[0]), median_of(arm[1]).value)):
        baseline = twin(name, base) or first
        control = ratio(base.get(baseline + CONTROL, {}), base.get(baseline, {}))
        own, estimate = median_of(values), ratio(values, base.get(baseline, {}))
        record = {**place, "codec": name, "value": own.value, "value_low": own.low, "value_high": own.high}
        record |= {"ratio": estimate.value, "ratio_low": estimate.low, "ratio_high": estimate.high}
        is_baseline = name == baseline and base is arms
        record |= {"verdict": verdict_of(name, is_baseline, estimate, control, metric)}
        record |= {"aa_low": control.low, "aa_high": control.high}
        record |= share_columns(arms, name, metric) | {"client_cpu_share": median_of(load.get(name, {})).value}
        yield record | {"processes": own.n}


def twin(name: str, base: Arms) -> str:
    """Give the arm that was measured twice which an arm is, as client and server are; "" where it is none."""
    stem = name.removesuffix(CONTROL)
    return stem if stem + CONTROL in base and stem in base else ""


def rank(name: str) -> int:
    """Order arms: what is measured, its formula, the baseline's second arm, the floors."""
    if name.startswith(FORMULA):
        return 1
    return 2 if name.endswith(CONTROL) else 3 if name.startswith(FLOOR) else 0


def ratio(values: Values, base: Values) -> Estimate:
    """Estimate a ratio of figures that may be 0: of two equal ones it is 1, whatever they are."""
    both = values.keys() & base.keys()
    if both and all(values[process] == base[process] for process in both):
        return Estimate(1.0, 1.0, 1.0, len(both))
    if any(base[process] <= 0 or values[process] <= 0 for process in both):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    return paired_ratio(values, base)


def verdict_of(name: str, is_baseline: bool, estimate: Estimate, control: Estimate, metric: str) -> str:
    """Say what an arm is to the baseline; of a floor and a formula, that it is one."""
    if name.startswith((FLOOR, FORMULA)):
        return name.partition(":")[0]
    if is_baseline or name.endswith(CONTROL):
        return "baseline" if is_baseline else "A/A"
    return verdict(estimate, control) if metric in TIMES else verdict(estimate, control, "less", "more")


def share_columns(arms: Arms, name: str, metric: str) -> dict[str, float]:
    """Spell out a codec's share of a call."""
    alone = arms.get(BYTES_OF + name.removesuffix(CONTROL), {}) if metric == "latency" else {}
    rest = paired_ratio(alone, arms[name])
    return {"codec_share": 1 - rest.value, "codec_share_low": 1 - rest.high, "codec_share_high": 1 - rest.low}
