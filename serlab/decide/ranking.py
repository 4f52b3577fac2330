"""Costs → an order with ties, and the one codec to recommend.

Codecs are compared with the leader, in pairs within a process; one whose interval holds 1, or that is inside the spread
of the baseline against itself (A/A), ties with it. Among those that tie the simplest is recommended: the baseline, then
what has the baseline's format on the wire, then what needs no schema. Where the recommended one saves less than the
scenario's threshold the answer is to stay with the baseline.
"""

import math
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import pandas as pd

from serlab.cases import AA, Case
from serlab.decide.cost import (
    NOT_MEASURED,
    Cost,
    Format,
    Inputs,
    counted,
    figures_of,
    format_of,
    inputs,
    missing,
    parts,
    per_call,
    refused,
    share_of,
    shortcomings,
    totals,
)
from serlab.decide.scenarios import Message, Scenario
from serlab.errors import ResultsError, ScenarioError
from serlab.results import load_environment, load_results
from serlab.rows import NAMES, Row
from serlab.stats import Estimate, is_tie, paired_ratio

# A run that was read once, to answer any number of scenarios.

Values = dict[str, dict[int, float]]
"""Codec → process → figure."""


class Run:
    """A run's rows and what the model reads of them.

    Args:
        rows: the tidy table.
        environment: the run's environment record; empty where there is none.
        place: the results folder, "" for a table in memory.
    """

    def __init__(self, rows: pd.DataFrame, environment: dict[str, Any], place: str = "") -> None:
        self.rows = rows
        self.environment = environment
        self.place = place

    def option(self, name: str) -> list[str]:
        """Return what the run was told by an option that may be repeated, such as its corpora."""
        return list(map(str, self.environment.get("options", {}).get(name) or ()))

    @cached_property
    def inputs(self) -> Inputs:
        """Return the medians over the processes."""
        return inputs(self.rows)

    @cached_property
    def processes(self) -> dict[int, Inputs]:
        """Return the figures of each process, the baseline's second arm among them."""
        timed = self.rows[self.rows["metric"] == "time"]["process"].unique()
        return {int(process): inputs(self.rows, int(process), control=True) for process in sorted(timed) or [0]}

    def costs(self, scenario: Scenario) -> dict[int, dict[str, Cost]]:
        """Add up what each codec costs in each process, so that codecs can be compared within a process."""
        return {process: totals(found, scenario) for process, found in self.processes.items()}


def _by_codec(costs: dict[int, dict[str, Cost]], field: str) -> Values:
    """Sort one field of the costs by codec."""
    found: Values = {}
    for process, one in costs.items():
        for codec, cost in one.items():
            found.setdefault(codec, {})[process] = getattr(cost, field)
    return found


def read_run(results: str | Path | pd.DataFrame | Run) -> Run:
    """Read a run.

    Args:
        results: a results folder, or the table that `serlab.compare` or `serlab.load_results` gave.

    Raises:
        ResultsError: the folder holds no results, or the table is none.
    """
    if isinstance(results, Run):
        return results
    if isinstance(results, pd.DataFrame):
        if absent := [name for name in (*Row._fields, *NAMES) if name not in results.columns]:
            raise ResultsError(f"not a table of results: no column {', '.join(absent)}; expected that of load_results")
        return Run(results, dict(results.attrs.get("environment", {})))
    return Run(load_results(results), load_environment(results), str(results))


# Bodies without a type in the place of whole requests and answers.
#
# Traffic of an API that serlab has no types for is measured as documents, through the codecs that need no schema. A
# boundary that whole requests and answers cross can be decided on them; one that is about chunks, vectors or token ids
# cannot, for nothing says that a document is one.

DOCUMENT = "document"
WHOLE = ("ChatRequest", "ChatResponse")
"""Kinds that a document may stand for."""

NAMED = ("read-one", "stream")
"""Operations that a document has not: nobody knows its fields, nor whether it is a chunk."""


class StandIn(NamedTuple):
    """A scenario on documents, and the kinds that they stand for in it; none where the run has messages with types."""

    scenario: Scenario
    kinds: list[str]


def stand_in(found: Inputs, scenario: Scenario) -> StandIn:
    """Let documents stand for whole requests and answers, where a run holds none of a scenario's kinds.

    Args:
        found: what `serlab.decide.cost.inputs` gave.
        scenario: as it was given.

    Returns:
        The scenario; what it does to the kinds that are stood for is done to the documents, in the same proportions.
    """
    held = {place.kind for place in found.workloads.values()}
    asked = {kind: message for kind, message in scenario.messages.items() if message.per_call}
    whole = {kind: message for kind, message in asked.items() if kind in WHOLE}
    if not whole or DOCUMENT not in held or held & asked.keys():
        return StandIn(scenario, [])
    others = {kind: message for kind, message in scenario.messages.items() if kind not in whole}
    messages = {DOCUMENT: _mixed(list(whole.values())), **others}
    return StandIn(msgspec.structs.replace(scenario, messages=messages), list(whole))


def _mixed(messages: list[Message]) -> Message:
    """Make one kind of several: what is done to a message is the mean over them."""
    calls = sum(message.per_call for message in messages)
    names = dict.fromkeys(name for message in messages for name in message.operations)

    def mean(values: list[float]) -> float:
        return sum(message.per_call * value for message, value in zip(messages, values, strict=True)) / calls

    operations = {name: mean([message.operations.get(name, 0.0) for message in messages]) for name in names}
    compress, decompress = mean([one.compress for one in messages]), mean([one.decompress for one in messages])
    return Message(calls, operations, compress, decompress)


FIELDS = {"time": "time_ns", "money": "cost_per_million"}
"""Objective → what codecs are ranked by."""

Reason = Literal["cheapest", "simplest", "tie", "too little", "alone", "none"]


class Standing(NamedTuple):
    """Where a codec stands.

    Attributes:
        codec: its name.
        format: what its format can do.
        cost: per message; None where it was not measured.
        to_baseline: ratio to the baseline, in what the scenario ranks by.
        to_leader: the same to the leader.
        ties: whether it ties with the leader.
        barred: why it cannot be recommended; "" if it can.
    """

    codec: str
    format: Format
    cost: Cost | None
    to_baseline: Estimate
    to_leader: Estimate
    ties: bool
    barred: str


@dataclass(frozen=True)
class Ranking:
    """The codecs in order, those that can be recommended first.

    Attributes:
        standings: the best first; then what is barred, by cost; then what has no cost.
        baseline: the codec that one would stay with.
        control: the baseline against itself.
        leader: the cheapest that can be recommended; "" for none.
        recommended: the answer; "" for none.
        reason: why: it is the cheapest; it ties with the leader and is simpler; it is the baseline and ties; it is the
            baseline and the leader saves too little; it is the only one.
        saving: of the leader against the baseline, as a share of the whole latency or in money per million messages, as
            the scenario ranks; not a number where there is none.
    """

    standings: list[Standing]
    baseline: str
    control: Estimate
    leader: str
    recommended: str
    reason: Reason
    saving: float

    def of(self, codec: str) -> Standing:
        """Look a codec up.

        Raises:
            StopIteration: it is not there.
        """
        return next(one for one in self.standings if one.codec == codec)

    @property
    def open(self) -> list[Standing]:
        """List those that can be recommended."""
        return [one for one in self.standings if not one.barred]

    @property
    def tied(self) -> list[str]:
        """Name those that tie with the leader, the leader first."""
        return [one.codec for one in self.open if one.ties]


def rank(run: Run, scenario: Scenario) -> Ranking:
    """Rank codecs and choose one.

    Args:
        run: the run.
        scenario: the scenario.

    Raises:
        ScenarioError: the run holds none of the kinds, or no codec has all the figures.
    """
    field = FIELDS[scenario.objective]
    costs, absent = totals(run.inputs, scenario), missing(run.inputs, scenario)
    if not costs:
        raise ScenarioError(f"scenario {scenario.name}: {_unmeasured(run, scenario, absent)}")
    barred = {codec: _obstacle(run.inputs, scenario, codec) for codec in costs} | absent
    values = _by_codec(run.costs(scenario), field)
    baseline = run.inputs.baseline
    # Of two that cost the same to the last digit the baseline stands first.
    names = sorted(barred, key=lambda codec: (codec != baseline, codec))
    order = sorted(names, key=lambda codec: _order_key(codec, barred[codec], costs, field))
    leader = next((codec for codec in order if not barred[codec]), "")
    control = _ratio(values, str(Case(baseline, AA)), baseline)
    standings = [
        _standing(codec, scenario, values, costs.get(codec), barred[codec], baseline, leader, control)
        for codec in order
    ]
    return _choose(scenario, standings, baseline, control, leader)


def _unmeasured(run: Run, scenario: Scenario, absent: dict[str, str]) -> str:
    """Say why no codec has a cost: operations that nobody timed, or what is wrong with each codec."""
    of = parts(run.inputs, scenario)
    figures = [
        (name, figures_of(run.inputs, part.workload, codec))
        for part in of
        for name, _ in counted(run.inputs, scenario, of)[part.workload]
        for codec in absent
    ]
    times = [(name, one.time_ns) for name, one in figures if one is not NOT_MEASURED and not one.failure]
    untimed = {name for name, _ in times} - {name for name, timed in times if name in timed}
    kinds = {run.inputs.workloads[part.workload].kind for part in of}
    if kinds == {DOCUMENT} and (nameless := sorted(untimed & {*NAMED})):
        return f"needs {', '.join(nameless)}, which the bodies of this run do not have: they are of no type"
    if untimed:
        before = run.environment.get("effort", {}).get("operations", ())
        wanted = ",".join(dict.fromkeys((*before, *sorted(untimed))))
        named = run.option("workloads")
        options = [*(["--workload", ",".join(named)] if named else [])]
        options += [word for corpus in run.option("corpora") for word in ("--corpus", corpus)]
        command = shlex.join(["serlab", "compare", *options, "--operation", wanted])
        return f"this run has not timed {', '.join(sorted(untimed))}: measure with `{command}`"
    codecs = {reason: [codec for codec in absent if absent[codec] == reason] for reason in absent.values()}
    told = (f"{'every codec' if len(codecs) == 1 else ', '.join(who)}: {reason}" for reason, who in codecs.items())
    return "; ".join(told) or "this run has no codec"


def _obstacle(found: Inputs, scenario: Scenario, codec: str) -> str:
    """Say why a codec cannot be recommended, whatever it costs; "" if it can."""
    format_ = format_of(codec, scenario.codecs.get(codec))
    reasons = shortcomings(format_, scenario.constraints)
    reasons += [f"refuses {one}" for one in refused(found, scenario, codec) if one.share > scenario.max_refused_share]
    return "; ".join([*reasons, *([f"reference: {format_.reference}"] if format_.reference else [])])


def _order_key(codec: str, barred: str, costs: dict[str, Cost], field: str) -> tuple[int, float]:
    """Return what codecs are ordered by."""
    return (bool(barred), getattr(costs[codec], field)) if codec in costs else (2, 0.0)


def _ratio(values: Values, codec: str, to: str) -> Estimate:
    """Estimate a ratio within the processes; none where the other costs nothing."""
    base = {process: value for process, value in values.get(to, {}).items() if value > 0}
    return paired_ratio(values.get(codec, {}), base)


def _standing(
    codec: str,
    scenario: Scenario,
    values: Values,
    cost: Cost | None,
    barred: str,
    baseline: str,
    leader: str,
    control: Estimate,
) -> Standing:
    """Compare a codec with the baseline and the leader."""
    to_leader = _ratio(values, codec, leader)
    ties = cost is not None and (codec == leader or is_tie(to_leader, control))
    format_ = format_of(codec, scenario.codecs.get(codec))
    return Standing(codec, format_, cost, _ratio(values, codec, baseline), to_leader, ties, barred)


def _choose(scenario: Scenario, standings: list[Standing], baseline: str, control: Estimate, leader: str) -> Ranking:
    """Choose the codec to recommend."""
    open_ = {one.codec: one for one in standings if not one.barred}
    if not open_:
        return Ranking(standings, baseline, control, "", "", "none", math.nan)
    best = _simplest([one for one in open_.values() if one.ties], baseline)
    saving = _saving_of(scenario, open_[baseline].cost, open_[leader].cost) if baseline in open_ else math.nan
    reason: Reason = "cheapest" if best == leader else "simplest"
    if len(open_) == 1:
        reason = "alone"
    elif best == baseline and best != leader:
        reason = "tie"
    elif best != baseline and saving < _threshold(scenario):
        best, reason = baseline, "too little"
    return Ranking(standings, baseline, control, leader, best, reason, saving)


def _simplest(tied: list[Standing], baseline: str) -> str:
    """Name the simplest of those that tie, by how much there is to change and to keep."""
    same = format_of(baseline).wire
    key = [(one.codec != baseline, one.format.wire != same, one.format.schema is not False) for one in tied]
    return tied[key.index(min(key))].codec


def _saving_of(scenario: Scenario, baseline: Cost | None, leader: Cost | None) -> float:
    """Say what the leader saves, in the unit of the threshold; not a number for what nobody waits for."""
    if baseline is None or leader is None:
        return math.nan
    if scenario.objective == "money":
        return baseline.cost_per_million - leader.cost_per_million
    if scenario.latency is None:
        return math.nan
    saved = (baseline.time_ns - leader.time_ns) * per_call(scenario)
    return share_of(scenario, baseline, saved)


def _threshold(scenario: Scenario) -> float:
    """Return the least saving that is worth a change."""
    limits = scenario.thresholds
    return limits.saving_per_million if scenario.objective == "money" else limits.latency_share
