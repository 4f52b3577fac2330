"""How any two arms of an experiment on the wire stand to each other.

`serlab.report.wire` compares each arm with the baseline of its group. An argument goes from one improvement to the next
and asks what each adds: slim pieces against full ones, a hit against a call. All arms of an experiment are timed in the
same workers by turns, so any two can be compared, process by process.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from serlab.errors import NotMeasuredError
from serlab.report.units import three_digits
from serlab.report.wire import PREFIX, Values, arms_of, baseline_in, ratio
from serlab.stats import CONTROL, FLOOR, Estimate, median_of, verdict


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
        """Give an arm's figure with its interval; not a number where it was not measured."""
        return median_of(self.figures.get(metric, {}).get(name, {}))

    def value(self, name: str, metric: str = "latency") -> float:
        """Give an arm's figure; not a number where it was not measured."""
        return self.estimate(name, metric).value

    def versus(self, name: str, other: str, metric: str = "latency") -> Versus:
        """Compare an arm with another one."""
        found = self.figures.get(metric, {})
        return Versus(ratio(found.get(name, {}), found.get(other, {})), self.control(other, metric))

    def control(self, name: str, metric: str = "latency") -> Estimate:
        """Give the A/A ratio of an arm's group, or where nothing was measured twice there, of the experiment's first.

        Args:
            name: of the arm.
            metric: whose.
        """
        found = self.figures.get(metric, {})
        conditions = name.rpartition(" ")[2]
        groups = [conditions, *dict.fromkeys(each.rpartition(" ")[2] for each in found)]
        for group in groups:
            arms = {each.rpartition(" ")[0]: values for each, values in found.items() if each.endswith(f" {group}")}
            if base := baseline_in(arms):
                return ratio(arms[base + CONTROL], arms[base])
        return ratio({}, {})

    def codecs(self, conditions: str, metric: str = "latency") -> list[str]:
        """List what was compared under the same conditions, without floors and A/A, in the order of the rows."""
        arms = [name.rpartition(" ") for name in self.figures.get(metric, {})]
        names = [codec for codec, _, under in arms if under == conditions]
        return [name for name in names if not name.startswith(FLOOR) and not name.endswith(CONTROL)]

    def baseline(self) -> str:
        """Name the first arm that was measured twice."""
        names = [name.replace(CONTROL, "", 1) for arms in self.figures.values() for name in arms if CONTROL in name]
        return next(iter(names), "")


def wire_arms(rows: pd.DataFrame, experiment: str, workload: str = "") -> Arms:
    """Collect the arms of an experiment.

    Args:
        rows: the tidy table.
        experiment: its name.
        workload: whose; "" stands for the first that it was measured with.

    Raises:
        NotMeasuredError: the run lacks it.
    """
    own = rows[rows["operation"].str.startswith(f"{PREFIX}{experiment}/")]
    own = own[own["workload"] == (workload or next(iter(own["workload"]), ""))]
    if own.empty:
        there = sorted({name.split("/")[1] for name in rows["operation"] if name.startswith(PREFIX)})
        raise NotMeasuredError.of(f"{experiment} {workload}".strip(), "its rows", there, f"serlab wire {experiment}")
    figures: dict[str, dict[str, Values]] = {}
    for (operation, metric), group in own.groupby(["operation", "metric"], sort=False):
        conditions = str(operation).removeprefix(f"{PREFIX}{experiment}/")
        arms = {f"{codec} {conditions}": values for codec, values in arms_of(group).items()}
        figures.setdefault(str(metric), {}).update(arms)
    return Arms(experiment, str(own["workload"].iloc[0]), figures)
