"""Rows of the experiments on the wire → one table.

A row's operation is `wire/EXPERIMENT` and its conditions. What is compared is one group: a workload, an operation and a
metric. Its baseline is the arm that was measured twice (A/A) there, or, where none was, in the experiment's first
operation with that metric, so that forms of a stream stand beside each other. Where several were, each is its own.

The codec's share of a call is what the same bytes do not cost that nobody decodes (`floor: bytes of CODEC`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from serlab.cases import BYTES, NO_CONDITIONS, WIRE, Case, Conditions, Place
from serlab.errors import NotMeasuredError
from serlab.report.formatting import three_digits
from serlab.rows import by_case
from serlab.stats import Estimate, median_of, paired_difference, paired_ratio, verdict

LOAD = "client-cpu"
"""Of one core; it stands beside the figure that it explains."""
TIMES = ("latency", "first-token", "stop-lag", "stall-p50", "stall-p99", "stall-max")
"""Metrics of which less is faster."""
FLOOR, CONTROL = "floor", "A/A"
"""Verdicts on what is compared with nothing."""
TITLE = (
    "On the wire: ratios to the arm that has an A/A beside it; a codec's share is what the same bytes, decoded by "
    "nobody, do not cost"
)

Values = dict[int, float]
WireArms = dict[Case, Values]


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
    return rows["experiment"] != ""


def of_experiment(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return which rows are of an experiment or of its part ("pooling/share"), under some conditions."""
    experiment, _, part = name.partition("/")
    own = rows["experiment"] == experiment
    inside = {
        one: bool(Place(WIRE, experiment, one).within(experiment, part)) for one in rows["conditions"][own].unique()
    }
    return own & rows["conditions"].map(inside).eq(True)


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
    for (workload, _, metric), group in wired.groupby(["workload", "place", "metric"], sort=False):
        first = group.iloc[0]
        experiment, texts = str(first["experiment"]), first["conditions"].texts
        place = (experiment, str(workload), ", ".join(texts), str(metric))
        key = (experiment, str(workload), natural(texts), str(metric))
        found.append((key, _Group(*place, str(first["unit"]), by_case(group))))
    return [group for _, group in sorted(found, key=lambda pair: pair[0])]


def natural(conditions: Iterable[str]) -> list[list[tuple[float, str]]]:
    """Return a key that puts http before http2, and 5 before 25."""
    return [_numbered(condition) for condition in conditions]


def _numbered(text: str) -> list[tuple[float, str]]:
    """Return a key by which numbers in a text are in their order."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(float(part), "") if i % 2 else (0.0, part) for i, part in enumerate(parts)]


def baseline_in(arms: Iterable[Case]) -> Case | None:
    """Return the case that was measured twice, if there is one."""
    return next((case.first for case in arms if case.is_again), None)


def _records_of(group: _Group, base: WireArms, load: WireArms) -> Iterator[dict[str, Any]]:
    """Yield a group's rows, what is measured first, then its formula, the A/A and the floors."""
    place, arms, metric = group._asdict(), group.arms, group.metric
    del place["arms"]
    first = baseline_in(base) or Case("")
    for name, values in sorted(arms.items(), key=lambda arm: (_rank(arm[0]), median_of(arm[1]).value)):
        baseline = _twin(name, base) or first
        control = ratio(base.get(baseline.second, {}), base.get(baseline, {}))
        own, estimate = median_of(values), ratio(values, base.get(baseline, {}))
        record = {**place, "codec": str(name), "value": own.value, "value_low": own.low, "value_high": own.high}
        record |= {"ratio": estimate.value, "ratio_low": estimate.low, "ratio_high": estimate.high}
        is_baseline = name == baseline and base is arms
        record |= {"verdict": _verdict_of(name, is_baseline, estimate, control, metric)}
        record |= {"aa_low": control.low, "aa_high": control.high}
        record |= _share_columns(arms, name, metric) | {"client_cpu_share": median_of(load.get(name, {})).value}
        yield record | {"processes": own.n}


def _twin(case: Case, base: WireArms) -> Case | None:
    """Return the case that was measured twice which a case is, as client and server are; None where it is none."""
    return case.first if case.first != case.second and {case.first, case.second} <= base.keys() else None


def _rank(case: Case) -> int:
    """Order cases: what is measured, its formula, the baseline once more, the floors."""
    return 1 if case.is_formula else 2 if case.is_again else 3 if case.is_bound else 0


def ratio(values: Values, base: Values) -> Estimate:
    """Estimate a ratio of figures that may be 0: of two equal ones it is 1, whatever they are."""
    both = values.keys() & base.keys()
    if both and all(values[process] == base[process] for process in both):
        return Estimate(1.0, 1.0, 1.0, len(both))
    if any(base[process] <= 0 or values[process] <= 0 for process in both):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    return paired_ratio(values, base)


def _verdict_of(case: Case, is_baseline: bool, estimate: Estimate, control: Estimate, metric: str) -> str:
    """Say what a case is to the baseline; of a floor and a formula, that it is one."""
    if case.is_bound or case.is_formula:
        return FLOOR if case.is_bound else "formula"
    if is_baseline or case.is_again:
        return "baseline" if is_baseline else CONTROL
    return verdict(estimate, control) if metric in TIMES else verdict(estimate, control, "less", "more")


def _share_columns(arms: WireArms, case: Case, metric: str) -> dict[str, float]:
    """Spell out a codec's share of a call."""
    alone = arms.get(Case(case.codec, BYTES), {}) if metric == "latency" and not case.is_bound else {}
    rest = paired_ratio(alone, arms[case])
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


class ArmFacts(NamedTuple):
    """What a name such as "orjson http/sse/full/every=1" was made of.

    Attributes:
        case: whose figure.
        under: the conditions as one text.
        conditions: the same by name.
    """

    case: Case
    under: str
    conditions: Conditions

    @property
    def name(self) -> str:
        """Return the name."""
        return f"{self.case} {self.under}"


class Arms(NamedTuple):
    """The arms of one experiment on one workload.

    Attributes:
        experiment: its name.
        workload: its name.
        figures: metric → "CASE CONDITIONS" → worker → figure, as in "orjson http/sse/full/every=1".
        known: the same names → what they were made of.
    """

    experiment: str
    workload: str
    figures: Mapping[str, Mapping[str, Values]]
    known: Mapping[str, ArmFacts]

    def of(self, metric: str = "latency") -> list[ArmFacts]:
        """List what has a figure in a metric, in the order of the rows."""
        return [self.known[name] for name in self.figures.get(metric, {})]

    def arm(self, name: str) -> ArmFacts:
        """Return what a name was made of; of what was not measured, a case without conditions."""
        return self.known.get(name) or ArmFacts(Case(name), "", NO_CONDITIONS)

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
        groups: dict[str, WireArms] = {self.known[name].under: {}} if name in self.known else {}
        for arm in self.of(metric):
            groups.setdefault(arm.under, {})[arm.case] = found[arm.name]
        for arms in groups.values():
            if base := baseline_in(arms):
                return ratio(arms[base.second], arms[base])
        return ratio({}, {})

    def codecs(self, conditions: str, metric: str = "latency") -> list[Case]:
        """List what was compared under the same conditions, without floors and A/A, in the order of the rows."""
        return [arm.case for arm in self.of(metric) if arm.under == conditions and arm.case.is_compared]

    def baseline(self) -> str:
        """Name the first arm that was measured twice."""
        return next((arm._replace(case=arm.case.first).name for arm in self._again()), "")

    def baseline_codec(self) -> Case | None:
        """Return the case of the first arm that was measured twice."""
        return next((arm.case.first for arm in self._again()), None)

    def _again(self) -> Iterator[ArmFacts]:
        """Yield the arms that are there once more (A/A)."""
        return (arm for metric in self.figures for arm in self.of(metric) if arm.case.is_again)


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
        there = sorted({*rows["experiment"]} - {""})
        raise NotMeasuredError.of(f"{experiment} {workload}".strip(), "its rows", there, f"serlab wire {experiment}")
    figures: dict[str, dict[str, Values]] = {}
    known: dict[str, ArmFacts] = {}
    name, _, part = experiment.partition("/")
    for (_, metric), group in own.groupby(["place", "metric"], sort=False):
        conditions = group["conditions"].iloc[0]
        under = Place(WIRE, name, conditions).within(name, part) or ""
        for case, values in by_case(group).items():
            arm = ArmFacts(case, under, conditions)
            known[arm.name] = arm
            figures.setdefault(str(metric), {})[arm.name] = values
    return Arms(experiment, str(own["workload"].iloc[0]), figures, known)
