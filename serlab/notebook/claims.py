"""Claims: what a printed sentence asserts, kept with the rows it rests on.

    encode = compare(rows, "msgpack", "encode", to="orjson")
    say(f"At the median msgpack takes {encode.median():.2f} of orjson's time, and less on {encode.count('less'):of}.")

A sentence takes its figures and its words of direction from claims, so that what is printed is what is recorded. Each
printed piece is appended to `PRINTED`; a test computes it again from the rows, by other code, and compares.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import pandas as pd

from serlab.cases import CONTROLS, WIRE, Case
from serlab.report import (
    SIZE,
    TIME,
    Arms,
    Values,
    baseline_in,
    baseline_of,
    control_of,
    middle,
    of_experiment,
    ratio,
    scaled,
    summed,
    three_digits,
)
from serlab.rows import NAMES
from serlab.stats import TIE, Estimate, paired_difference, paired_ratio, verdict

LESS, MORE = "less", "more"
FIGURE = ("metric", "process", "value")


class Selection(NamedTuple):
    """Rows of the tidy table: those with one of these codecs, one of these operations and this metric.

    Attributes:
        codecs: of several, the one with the least figure is taken, on each workload anew.
        operations: whose figures are added up.
        metric: of the rows.
        reads: a step of the access curve, or "": what it takes to read that much of plain objects is added.
        readers: the codecs without a view: the fastest to decode shows that, at the step beyond its decode.
    """

    codecs: tuple[str, ...]
    operations: tuple[str, ...]
    metric: str
    reads: str = ""
    readers: tuple[str, ...] = ()


class Claim(NamedTuple):
    """What a sentence asserts.

    Attributes:
        form: at, median, least, most or count: of the figures of the workloads, one for each, or of `parts`.
        workloads: that it rests on.
        selection: the rows of the figure.
        against: the rows it is divided by, process by process; None: the figure stands for itself.
        value: the median over processes, in the form's sense; for `count` the number of workloads.
        codec: the codec whose figure it is; "" where there is no single one.
        workload: where it was found; "" where there is no single one.
        verdict: less, more or tie (`serlab.stats`), against 1; "" where nothing is compared.
        counted: what `count` counts: a verdict, or the open interval that the figure is in.
        low: the lower end of the interval of a figure that is compared.
        high: its upper end.
        saved: 0, or the figure is what it takes less than `against`, and this much of it: one way of two is a half, and
            -1 is what it has more.
        parts: the claims, of other codecs or operations, that `least`, `most` or `count` were taken of.
    """

    form: str
    workloads: tuple[str, ...]
    selection: Selection
    against: Selection | None
    value: float
    codec: str = ""
    workload: str = ""
    verdict: str = ""
    counted: str | tuple[float, float] = ""
    low: float = float("nan")
    high: float = float("nan")
    saved: float = 0.0
    parts: "tuple[Claim, ...]" = ()

    def __format__(self, spec: str) -> str:
        """Write the claim into a sentence, and record that it was.

        Args:
            spec: `codec` or `workload`: that name; `ns` or `B`: with its unit; `of`: "7 of 12"; `1/` before another:
                the inverse, `1-`: the rest of 1, `low ` or `high `: that end of the interval; else as for a number,
                by default with three digits.
        """
        text = written(self, spec)
        PRINTED.append(Printed(self, spec, text))
        return text

    def words(self, less: str, more: str, tie: str) -> str:
        """Choose the words for the direction, and record which were chosen."""
        PRINTED.append(Printed(self, "words", self.verdict))
        return {LESS: less, MORE: more}.get(self.verdict, tie)

    def between(self) -> str:
        """Write the figure as a ratio with its interval; not the interval of what is exact."""
        return f"{self}×" if self.low == self.high or self.low != self.low else f"{self}× [{self:low }, {self:high }]"


class Printed(NamedTuple):
    """A claim as it was written into a sentence; with `words`, `text` is the verdict they were chosen by."""

    claim: Claim
    spec: str
    text: str


PRINTED: list[Printed] = []
"""All that was printed in this process, in order."""


def written(claim: Claim, spec: str) -> str:
    """Write a claim."""
    if spec in ("codec", "workload"):
        return f"`{getattr(claim, spec)}`"
    end, _, rest = spec.partition(" ")
    value, spec = (getattr(claim, end), rest) if end in ("low", "high") else (claim.value, spec)
    if value != value:
        return "–"
    value += 0.0  # no difference is no "-0"
    if spec == "of":
        return f"{value:.0f} of {len(claim.parts or claim.workloads)}"
    if spec in ("ns", "B"):
        return scaled(value, TIME if spec == "ns" else SIZE)
    value = 1 / value if spec.startswith("1/") else 1 - value if spec.startswith("1-") else value
    spec = spec.removeprefix("1/").removeprefix("1-")
    return format(value, spec) if spec else three_digits(value)


class _Found(NamedTuple):
    """One workload's figure."""

    codec: str
    estimate: Estimate
    verdict: str


class Figures:
    """One figure for each workload, from which claims are made.

    Args:
        rows: the tidy table of a run.
        selection: the rows of the figure.
        against: the rows it is divided by.
        workloads: which; None: all that have the figure.
        saved: 0, or how much of the difference to claim in place of the ratio.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        selection: Selection,
        against: Selection | None,
        workloads: Sequence[str] | None,
        saved: float = 0.0,
    ) -> None:
        self.selection, self.against, self.saved = selection, against, saved
        rows = rows[["workload", "codec", "role", "operation", "experiment", "conditions", *NAMES, *FIGURE]]
        rows.attrs = {}  # pandas copies them deeply at each selection
        self.is_wire = against is not None and _is_wire(rows, against)
        top, bottom = _by_workload(rows, selection), _by_workload(rows, against) if against else {}
        names = [name for name in (workloads or top) if name in top and (against is None or name in bottom)]
        baseline = baseline_of(rows)
        controls = _wire_controls(rows, against, bottom) if against and self.is_wire else {}
        found = {
            name: _find(
                top[name], bottom.get(name), self, baseline, controls.get(name) or control_of(top[name], baseline)
            )
            for name in names
        }
        self.found = {name: one for name, one in found.items() if one is not None}
        self.values = pd.Series({name: one.estimate.value for name, one in self.found.items()}, dtype=float)

    def __len__(self) -> int:
        return len(self.found)

    def at(self, workload: str) -> Claim:
        """Claim the figure of one workload."""
        return self.one("at", (workload,), workload)

    def least(self) -> Claim:
        """Claim the least figure."""
        return self.one("least", tuple(self.found), str(self.values.idxmin()) if len(self) else "")

    def most(self) -> Claim:
        """Claim the largest figure."""
        return self.one("most", tuple(self.found), str(self.values.idxmax()) if len(self) else "")

    def median(self) -> Claim:
        """Claim the figure of the workload in the middle; of two that disagree on the direction it is a tie."""
        order = list(self.values.sort_values(kind="stable").index)
        both = {self.found[order[i]].verdict for i in {(len(order) - 1) // 2, len(order) // 2} if order}
        direction = both.pop() if len(both) == 1 else TIE
        return self.claim("median", tuple(self.found), float(self.values.median()), verdict=direction)

    def count(self, counted: str | tuple[float, float]) -> Claim:
        """Claim on how many workloads the verdict is this, or the figure lies between two bounds."""
        if isinstance(counted, str):
            number = sum(one.verdict == counted for one in self.found.values())
        else:
            number = int(((self.values > counted[0]) & (self.values < counted[1])).sum())
        return self.claim("count", tuple(self.found), float(number), counted=counted)

    def one(self, form: str, workloads: tuple[str, ...], workload: str) -> Claim:
        """Claim the figure of one of some workloads; where it was not measured, a dash."""
        if workload not in self.found:
            return self.claim(form, (), float("nan"), verdict=TIE if self.against else "")
        codec, estimate, verdict = self.found[workload]
        ends = {"low": estimate.low, "high": estimate.high}
        return self.claim(form, workloads, estimate.value, codec=codec, workload=workload, verdict=verdict, **ends)

    def claim(self, form: str, workloads: tuple[str, ...], value: float, **more: Any) -> Claim:
        """Make a claim on these rows."""
        return Claim(form, workloads, self.selection, self.against, value, saved=self.saved, **more)


def measure(
    rows: pd.DataFrame,
    codecs: str | Sequence[str],
    operations: str | Sequence[str],
    metric: str = "time",
    *,
    workloads: Sequence[str] | None = None,
) -> Figures:
    """Take a figure for itself: the median over processes, on each workload."""
    return Figures(rows, Selection(_several(codecs), _several(operations), metric), None, workloads)


def compare(
    rows: pd.DataFrame,
    codecs: str | Sequence[str],
    operations: str | Sequence[str],
    metric: str = "time",
    *,
    to: str | Sequence[str] = (),
    to_operations: str | Sequence[str] = (),
    to_metric: str = "",
    to_reads: str = "",
    to_readers: Sequence[str] = (),
    workloads: Sequence[str] | None = None,
    saved: float = 0.0,
) -> Figures:
    """Divide a figure by another, process by process, on each workload.

    Args:
        rows: the tidy table of a run.
        codecs: one, or several of which the one with the least figure is taken.
        operations: one, or several that are added up.
        metric: of the rows.
        to: the codecs of the divisor; by default the same.
        to_operations: its operations; by default the same.
        to_metric: its metric; by default the same.
        to_reads: a step of the access curve that is read after it, from plain objects.
        to_readers: the codecs that show what that takes.
        workloads: which; None: all that have both.
        saved: how much to claim of what is saved of the divisor, in place of the ratio: 1 is all of the difference.

    Returns:
        The ratios: below 1 is less than the divisor.
    """
    selection = Selection(_several(codecs), _several(operations), metric)
    against = Selection(
        _several(to) or selection.codecs,
        _several(to_operations) or selection.operations,
        to_metric or metric,
        to_reads,
        tuple(to_readers),
    )
    return Figures(rows, selection, against, workloads, saved)


def compare_arms(
    rows: pd.DataFrame, arms: Arms, name: str, to: str = "", metric: str = "latency", saved: float = 0.0
) -> Claim:
    """Claim how one arm of an experiment on the wire stands to another; without another, its figure.

    Args:
        rows: the tidy table of a run.
        arms: the experiment.
        name: of an arm, as in "orjson http/sse/full/every=1".
        to: of the other one.
        metric: whose.
        saved: as in `compare`.
    """
    arm, other = arms.arm(name), arms.arm(to or name)
    operation, divisor = (f"{WIRE}/{arms.experiment}/{one.under}" for one in (arm, other))
    if not to:
        return measure(rows, str(arm.case), operation, metric, workloads=[arms.workload]).at(arms.workload)
    found = compare(
        rows,
        str(arm.case),
        operation,
        metric,
        to=str(other.case),
        to_operations=divisor,
        workloads=[arms.workload],
        saved=saved,
    )
    return found.at(arms.workload)


def least_among(claims: Iterable[Claim]) -> Claim:
    """Claim the least figure of several claims."""
    return _chosen("least", claims, min)


def most_among(claims: Iterable[Claim]) -> Claim:
    """Claim the largest figure of several claims."""
    return _chosen("most", claims, max)


def _chosen(form: str, claims: Iterable[Claim], choose: Callable[..., Claim]) -> Claim:
    """Claim the figure of one of several claims; where nothing was measured, a dash."""
    parts = tuple(one for one in claims if one.workloads)
    if not parts:
        return Claim(form, (), Selection((), (), ""), None, float("nan"))
    return choose(parts, key=lambda one: one.value)._replace(form=form, parts=parts)


def count_among(claims: Iterable[Claim], counted: str | tuple[float, float]) -> Claim:
    """Claim of how many claims the verdict is this, or the figure lies between two bounds."""
    parts = tuple(one for one in claims if one.workloads)
    hits = [
        one.verdict == counted if isinstance(counted, str) else counted[0] < one.value < counted[1] for one in parts
    ]
    places = tuple(dict.fromkeys(name for one in parts for name in one.workloads))
    return Claim("count", places, Selection((), (), ""), None, float(sum(hits)), counted=counted, parts=parts)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def _by_workload(rows: pd.DataFrame, selection: Selection) -> dict[str, dict[Case, Values]]:
    """Return workload → case → process → figure, its operations added up, where all of them were measured."""
    kept = rows[(rows["metric"] == selection.metric) & rows["place"].isin(list(selection.operations))]
    keys = ["workload", "codec", "role", "process"]
    groups = kept.groupby(keys, sort=False)["value"].agg(["sum", "count"])
    whole = groups[groups["count"] == len(selection.operations)].reset_index()
    found: dict[str, dict[Case, Values]] = {}
    for workload, codec, role, process, value in whole[[*keys, "sum"]].to_numpy().tolist():
        found.setdefault(workload, {}).setdefault(Case(codec, role), {})[process] = value
    return _with_reads(rows, found, selection) if selection.reads else found


def _with_reads(
    rows: pd.DataFrame, found: dict[str, dict[Case, Values]], selection: Selection
) -> dict[str, dict[Case, Values]]:
    """Add what it takes to read a share of plain objects, where that was measured."""
    decode, read = (_by_workload(rows, Selection((), (name,), "time")) for name in ("decode", selection.reads))
    baseline = baseline_of(rows)
    more: dict[str, dict[Case, Values]] = {}
    for name in (name for name in found if name in decode and name in read):
        plain = _least_of(decode[name], selection.readers, baseline)
        if plain in read[name]:
            less = {i: -value for i, value in decode[name][plain].items()}
            more[name] = {codec: summed([values, read[name][plain], less]) for codec, values in found[name].items()}
    return more


def _wire_controls(
    rows: pd.DataFrame, against: Selection, bottom: Mapping[str, dict[Case, Values]]
) -> dict[str, Estimate]:
    """Return each workload's A/A ratio on the wire: of the divisor's group, or of its experiment's first that has one.

    As the tables take it (`serlab.report.wire_tables`): there not every group holds a second baseline.
    """
    found = {name: _again(arms) for name, arms in bottom.items() if baseline_in(arms)}
    if missing := bottom.keys() - found.keys():
        experiment = rows[rows["place"] == against.operations[0]]["experiment"].iloc[0]
        own = rows[of_experiment(rows, experiment) & rows["workload"].isin(list(missing))]
        own = own[own["role"].isin(CONTROLS)]
        places = own[own["metric"] == against.metric][["workload", "place"]].drop_duplicates()
        for name, operation in places.to_numpy().tolist():
            group = _by_workload(rows, Selection((), (operation,), against.metric))[name]
            found.setdefault(name, _again(group))
    return found


def _is_wire(rows: pd.DataFrame, selection: Selection) -> bool:
    """Return whether a selection is of whole calls."""
    return bool((rows[rows["place"] == selection.operations[0]]["operation"] == WIRE).any())


def _again(arms: dict[Case, Values]) -> Estimate:
    """Return the A/A ratio of a group, whichever its baseline is."""
    return control_of(arms, baseline_in(arms) or "")


def _find(
    top: Mapping[Case, Values], bottom: Mapping[Case, Values] | None, of: Figures, baseline: str, control: Estimate
) -> _Found | None:
    """Find one workload's figure; None where a side of it was not measured."""
    codec = _least_of(top, of.selection.codecs, baseline)
    if codec is None:
        return None
    if bottom is None or of.against is None:
        return _Found(codec, Estimate(middle(top[codec]), float("nan"), float("nan"), len(top[codec])), "")
    other = _least_of(bottom, of.against.codecs, baseline)
    # On the wire a figure, such as a hit rate, may be 0.
    divide = ratio if of.is_wire else paired_ratio
    estimate = divide(top[codec], bottom[other]) if other else None
    if not other or not estimate or not estimate.n:
        return None
    said = verdict(estimate, control, LESS, MORE)
    if of.saved:
        sides = (bottom[other], top[codec]) if of.saved > 0 else (top[codec], bottom[other])
        value, low, high, n = paired_difference(*sides)
        estimate = Estimate(abs(of.saved) * value, abs(of.saved) * low, abs(of.saved) * high, n)
    return _Found(codec, estimate, said)


def _least_of(arms: Mapping[Case, Values], codecs: Sequence[str], baseline: str) -> Case | None:
    """Return the case with the least figure, in its ratio to the baseline."""
    there = [case for codec in codecs for case in arms if case == codec]
    return min(there, key=lambda case: _standing(arms[case], arms.get(Case(baseline), {})), default=None)


def _standing(values: Values, base: Values) -> float:
    """Return what codecs are ordered by: the ratio to the baseline, which the machine's drift leaves alone."""
    both = values.keys() & base.keys()
    return median([values[i] / base[i] for i in both] if both else values.values())
