"""Rows of the experiments on the wire → one table.

A row's operation is `wire/EXPERIMENT` and its conditions. What is compared is one group: a workload, an operation and a
metric. Its baseline is the arm that was measured twice (A/A) there, or, where none was, in the experiment's first
operation with that metric, so that forms of a stream stand beside each other. Where several were, each is its own.

The codec's share of a call is what the same bytes do not cost that nobody decodes (`floor: bytes of CODEC`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from serlab.cases import BYTES_OF, Case, arm_and_place, case_of, place_of, placed
from serlab.errors import NotMeasuredError
from serlab.report.formatting import three_digits
from serlab.stats import Estimate, median_of, paired_difference, paired_ratio, verdict

LOAD = "client-cpu"
"""Of one core; it stands beside the figure that it explains."""
TIMES = ("latency", "first-token", "stop-lag", "stall-p50", "stall-p99", "stall-max")
"""Metrics of which less is faster."""
TITLE = (
    "On the wire: ratios to the arm that has an A/A beside it; a codec's share is what the same bytes, decoded by "
    "nobody, do not cost"
)

Values = dict[int, float]
WireArms = dict[str, Values]


class _Group(NamedTuple):
    """What is compared: the arms of one workload under the same conditions in one metric."""

    experiment: str
    workload: str
    conditions: str
    metric: str
    unit: str
    arms: WireArms


def is_wire(rows: pd.DataFrame) -> pd.Series:
    """Return which rows are of the wire."""
    return placed(rows["operation"], lambda place: bool(place.experiment))


def of_experiment(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return which rows are of an experiment or of its part ("pooling/share"), under some conditions."""
    return placed(rows["operation"], lambda place: bool(place.within(name)))


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
    groups = _groups_of(rows)
    # What the experiment compares with where a group has no baseline of its own.
    fallbacks = {group[:2] + group[3:4]: group.arms for group in reversed(groups) if baseline_in(group.arms)}
    records = []
    loads = {group[:3]: group.arms for group in groups if group.metric == LOAD}
    for group in (group for group in groups if group.metric != LOAD):
        base = group.arms if baseline_in(group.arms) else fallbacks.get(group[:2] + group[3:4], {})
        records += list(_records_of(group, base, loads.get(group[:3], {})))
    return pd.DataFrame(records)


def _groups_of(rows: pd.DataFrame) -> list[_Group]:
    """Return the groups, numbers in conditions in their order: 5 ms before 25 ms."""
    wired, found = rows[is_wire(rows)], []
    for (workload, operation, metric), group in wired.groupby(["workload", "operation", "metric"], sort=False):
        place = place_of(str(operation))
        texts = (place.experiment, str(workload), ", ".join(place.conditions), str(metric))
        found.append(_Group(*texts, str(group["unit"].iloc[0]), arms_of(group)))
    return sorted(found, key=lambda group: (*group[:2], natural(group.conditions), group.metric))


def natural(conditions: str) -> list[list[tuple[float, str]]]:
    """Return a key that puts http before http2, and 5 before 25."""
    return [_numbered(condition) for condition in conditions.split(", ")]


def _numbered(text: str) -> list[tuple[float, str]]:
    """Return a key by which numbers in a text are in their order."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(float(part), "") if i % 2 else (0.0, part) for i, part in enumerate(parts)]


def arms_of(group: pd.DataFrame) -> WireArms:
    """Sort figures by arm and worker."""
    arms = group.groupby("codec", sort=False)
    return {str(codec): dict(zip(arm["process"], arm["value"], strict=True)) for codec, arm in arms}


def baseline_in(arms: WireArms) -> str | None:
    """Name the arm that was measured twice, if there is one."""
    return next((case.first for case in map(case_of, arms) if case.again), None)


def _records_of(group: _Group, base: WireArms, load: WireArms) -> Iterator[dict[str, Any]]:
    """Yield a group's rows, what is measured first, then its formula, the A/A and the floors."""
    place, arms, metric = group._asdict(), group.arms, group.metric
    del place["arms"]
    first = baseline_in(base) or ""
    for name, values in sorted(arms.items(), key=lambda arm: (_rank(arm[0]), median_of(arm[1]).value)):
        baseline = _twin(name, base) or first
        control = ratio(base.get(case_of(baseline).second, {}), base.get(baseline, {}))
        own, estimate = median_of(values), ratio(values, base.get(baseline, {}))
        record = {**place, "codec": name, "value": own.value, "value_low": own.low, "value_high": own.high}
        record |= {"ratio": estimate.value, "ratio_low": estimate.low, "ratio_high": estimate.high}
        is_baseline = name == baseline and base is arms
        record |= {"verdict": _verdict_of(name, is_baseline, estimate, control, metric)}
        record |= {"aa_low": control.low, "aa_high": control.high}
        record |= _share_columns(arms, name, metric) | {"client_cpu_share": median_of(load.get(name, {})).value}
        yield record | {"processes": own.n}


def _twin(name: str, base: WireArms) -> str:
    """Return the arm that was measured twice which an arm is, as client and server are; "" where it is none."""
    case = case_of(name)
    return case.first if case.second in base and case.first in base else ""


def _rank(name: str) -> int:
    """Order arms: what is measured, its formula, the baseline's second arm, the floors."""
    case = case_of(name)
    return 1 if case.is_formula else 2 if case.again else 3 if case.is_bound else 0


def ratio(values: Values, base: Values) -> Estimate:
    """Estimate a ratio of figures that may be 0: of two equal ones it is 1, whatever they are."""
    both = values.keys() & base.keys()
    if both and all(values[process] == base[process] for process in both):
        return Estimate(1.0, 1.0, 1.0, len(both))
    if any(base[process] <= 0 or values[process] <= 0 for process in both):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    return paired_ratio(values, base)


def _verdict_of(name: str, is_baseline: bool, estimate: Estimate, control: Estimate, metric: str) -> str:
    """Say what an arm is to the baseline; of a floor and a formula, that it is one."""
    case = case_of(name)
    if case.is_bound or case.is_formula:
        return "floor" if case.is_bound else "formula"
    if is_baseline or case.again:
        return "baseline" if is_baseline else "A/A"
    return verdict(estimate, control) if metric in TIMES else verdict(estimate, control, "less", "more")


def _share_columns(arms: WireArms, name: str, metric: str) -> dict[str, float]:
    """Spell out a codec's share of a call."""
    alone = arms.get(Case(case_of(name).first, BYTES_OF).name, {}) if metric == "latency" else {}
    rest = paired_ratio(alone, arms[name])
    return {"codec_share": 1 - rest.value, "codec_share_low": 1 - rest.high, "codec_share_high": 1 - rest.low}


# How any two arms of an experiment on the wire stand to each other.
#
# `serlab.report.wire_tables` compares each arm with the baseline of its group. An argument goes from one improvement
# to the next and asks what each adds: slim pieces against full ones, a hit against a call. All arms of an experiment
# are timed in the same workers by turns, so any two can be compared, process by process.


class Versus(NamedTuple):
    """One arm against another.

    Attributes:
        ratio: of their figures.
        control: the A/A ratio: what the machine makes of two equal arms.
    """

    ratio: Estimate
    control: Estimate

    @property
    def verdict(self) -> str:
        """Say less, more or tie; "" where an arm has no figure."""
        return verdict(self.ratio, self.control, "less", "more")

    def words(self, less: str, more: str, tie: str = "a tie") -> str:
        """Say how the one stands to the other, with the ratio and its interval."""
        said = {"less": less, "more": more, "tie": tie, "": "not measured"}[self.verdict]
        return f"{said} ({self})" if self.verdict else said

    def __str__(self) -> str:
        """Write the ratio with its interval; not the interval of what is exact."""
        value, low, high = (three_digits(one) for one in self.ratio[:3])
        return f"{value}×" if low == high else f"{value}× [{low}, {high}]"


class Arms(NamedTuple):
    """The arms of one experiment on one workload.

    Attributes:
        experiment: its name.
        workload: its name.
        figures: metric → "CODEC CONDITIONS" → worker → figure, as in "orjson http/sse/full/every=1".
    """

    experiment: str
    workload: str
    figures: Mapping[str, Mapping[str, Values]]

    def estimate(self, name: str, metric: str = "latency") -> Estimate:
        """Return an arm's figure with its interval; not a number where it was not measured."""
        return median_of(self.figures.get(metric, {}).get(name, {}))

    def value(self, name: str, metric: str = "latency") -> float:
        """Return an arm's figure; not a number where it was not measured."""
        return self.estimate(name, metric).value

    def versus(self, name: str, other: str, metric: str = "latency") -> Versus:
        """Compare an arm with another one."""
        found = self.figures.get(metric, {})
        return Versus(ratio(found.get(name, {}), found.get(other, {})), self.control(other, metric))

    def saved(self, name: str, other: str, metric: str = "latency") -> Estimate:
        """Estimate what an arm takes less than another one, worker by worker; negative where it takes more."""
        found = self.figures.get(metric, {})
        return paired_difference(found.get(other, {}), found.get(name, {}))

    def control(self, name: str, metric: str = "latency") -> Estimate:
        """Return the A/A ratio of an arm's group, or where nothing was measured twice there, of the experiment's first.

        Args:
            name: of the arm.
            metric: whose.
        """
        found = self.figures.get(metric, {})
        groups: dict[str, WireArms] = {arm_and_place(name)[1]: {}}
        for each, values in found.items():
            arm, conditions = arm_and_place(each)
            groups.setdefault(conditions, {})[arm] = values
        for arms in groups.values():
            if base := baseline_in(arms):
                return ratio(arms[case_of(base).second], arms[base])
        return ratio({}, {})

    def codecs(self, conditions: str, metric: str = "latency") -> list[str]:
        """List what was compared under the same conditions, without floors and A/A, in the order of the rows."""
        arms = [arm_and_place(name) for name in self.figures.get(metric, {})]
        return [arm for arm, under in arms if under == conditions and case_of(arm).is_compared]

    def baseline(self) -> str:
        """Name the first arm that was measured twice."""
        names = [arm_and_place(name) for arms in self.figures.values() for name in arms]
        again = (f"{case_of(arm).first} {under}" for arm, under in names if case_of(arm).again)
        return next(again, "")


def wire_arms(rows: pd.DataFrame, experiment: str, workload: str = "") -> Arms:
    """Collect the arms of an experiment.

    Args:
        rows: the tidy table.
        experiment: its name.
        workload: whose; "" stands for the first that it was measured with.

    Raises:
        NotMeasuredError: the run lacks it.
    """
    own = rows[of_experiment(rows, experiment)]
    own = own[own["workload"] == (workload or next(iter(own["workload"]), ""))]
    if own.empty:
        there = sorted({place_of(str(name)).experiment for name in rows["operation"].unique()} - {""})
        raise NotMeasuredError.of(f"{experiment} {workload}".strip(), "its rows", there, f"serlab wire {experiment}")
    figures: dict[str, dict[str, Values]] = {}
    for (operation, metric), group in own.groupby(["operation", "metric"], sort=False):
        conditions = place_of(str(operation)).within(experiment)
        arms = {f"{codec} {conditions}": values for codec, values in arms_of(group).items()}
        figures.setdefault(str(metric), {}).update(arms)
    return Arms(experiment, str(own["workload"].iloc[0]), figures)
