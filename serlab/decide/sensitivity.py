"""How far the answer hangs on each weight: halved, doubled, and the range in which the leader stays ahead."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from serlab.decide.cost import COMPRESSORS, Cost, Inputs, counted, parts, per_call, totals
from serlab.decide.ranking import FIELDS, Ranking, Run, rank
from serlab.decide.scenarios import Scenario, replaced, value_at
from serlab.errors import ScenarioError
from serlab.stats import paired_ratio

# A scenario's weights, and how costs depend on one of them.
#
# The cost of all messages of a call is a straight line in every weight but the bandwidth, and in the inverse of that;
# for the share of a workload after multiplying by the sum of the shares of its kind, which all codecs have in common.
# So two points give the line, and two lines cross at most once.

PARALLEL = 1e-9
"""Lines whose slopes differ by less than this share of their height never cross: the difference is rounding."""

BANDWIDTH = ("wire", "bandwidth_bit_per_s")


class _Weight(NamedTuple):
    """One number of a scenario: where it stands, and what it is."""

    path: tuple[str, ...]
    value: float

    @property
    def name(self) -> str:
        """Return the path as in `--set`."""
        return ".".join(self.path)


class _Line(NamedTuple):
    """The cost of a call: `fixed` + factor × `slope`, where the factor is 1 at the scenario's own weight."""

    fixed: float
    slope: float


def _weights_of(run: Run, scenario: Scenario) -> list[_Weight]:
    """List the weights that the order of the codecs depends on.

    Args:
        run: the run.
        scenario: resolved, see `serlab.decide.cost.resolve`.

    Returns:
        Those above 0; a share or a count that stands alone is none.
    """
    found = (_Weight(path, value_at(scenario, path)) for path in _paths_of(run, scenario))
    return [weight for weight in found if weight.value > 0]


def _paths_of(run: Run, scenario: Scenario) -> Iterator[tuple[str, ...]]:
    """List where the weights stand."""
    of = parts(run.inputs, scenario)
    counts = counted(run.inputs, scenario, of)
    timed = {name for names in counts.values() for name, _ in names} & {*COMPRESSORS.get(scenario.wire.compression, ())}
    for kind, message in scenario.messages.items():
        yield from [("messages", kind, "per_call")] if len(scenario.messages) > 1 else []
        yield from (("messages", kind, "operations", operation) for operation in message.operations)
        yield from (("messages", kind, way) for way in ("compress", "decompress") if timed)
        yield from (("messages", kind, "workloads", name) for name in message.workloads if len(message.workloads) > 1)
    yield from [("wire", "crossings"), BANDWIDTH] if scenario.objective == "time" else [("wire", "crossings")]
    if scenario.objective == "money":
        yield from _money_paths()


def _money_paths() -> list[tuple[str, ...]]:
    """List the weights that only money depends on."""
    return [("prices", "core_hour"), ("prices", "traffic_gb"), ("prices", "storage_gb_month"), ("storage", "days")]


def _scaled(scenario: Scenario, weight: _Weight, factor: float) -> Scenario:
    """Return the scenario with a weight multiplied."""
    changed: Scenario = replaced(scenario, weight.path, weight.value * factor)
    return changed


def _lines(run: Run, scenario: Scenario, weight: _Weight, field: str) -> dict[int | None, dict[str, _Line]]:
    """Return each codec's line in one weight.

    Args:
        run: the run.
        scenario: resolved.
        weight: one of its weights.
        field: of `Cost`.

    Returns:
        Process → codec → line; under None those of the medians.
    """
    factors = (1.0, 0.5) if weight.path == BANDWIDTH else (1.0, 2.0)
    points = [_scaled(scenario, weight, factor) for factor in factors]
    found: dict[int | None, dict[str, _Line]] = {}
    sources: list[tuple[int | None, Inputs]] = [(None, run.inputs), *run.processes.items()]
    for process, inputs in sources:
        one, two = (_heights(totals(inputs, point), point, weight, field) for point in points)
        found[process] = {codec: _Line(2 * one[codec] - two[codec], two[codec] - one[codec]) for codec in one}
    return found


def _heights(costs: Mapping[str, Cost], scenario: Scenario, weight: _Weight, field: str) -> dict[str, float]:
    """Return the cost of a call, times what makes it a straight line in the weight."""
    norm = per_call(scenario)
    if "workloads" in weight.path:
        norm *= sum(scenario.messages[weight.path[1]].workloads.values())
    return {codec: norm * getattr(cost, field) for codec, cost in costs.items()}


def _crossing(one: _Line, other: _Line) -> float:
    """Return the factor at which two codecs cost the same.

    Returns:
        The factor, above 0; 0 where one is cheaper whatever the weight.
    """
    fixed, slope = one.fixed - other.fixed, other.slope - one.slope
    height = max(abs(one.fixed + one.slope), abs(other.fixed + other.slope))
    if abs(slope) < PARALLEL * height or abs(fixed) < PARALLEL * height:
        return 0.0
    return max(0.0, fixed / slope)


def _setting_at(weight: _Weight, factor: float) -> float:
    """Turn a factor into the weight's own unit."""
    return weight.value / factor if weight.path == BANDWIDTH else weight.value * factor


FACTORS = (0.5, 2.0)
COMPRESSIONS = ("none", "gzip", "zstd")
WAITING = ("time_to_first_token_s", "tokens_per_s")
COLUMNS = ("weight", "value", "tried", "leader", "overtaken", "answer", "changes", "old_leader_ratio")
RANGE = ("stays_from", "stays_to")


def sensitivity(run: Run, scenario: Scenario, ranking: Ranking) -> pd.DataFrame:
    """Try each weight halved and doubled, and the other compressions.

    Args:
        run: the run.
        scenario: resolved.
        ranking: of that scenario.

    Returns:
        One row for each trial: the weight, its value in the scenario and the one that was `tried`; who leads then, and
        whether the present leader is overtaken, which it is not where it ties; who is recommended then, and whether
        that changes the answer; what the present leader costs against the new one; and from where to where the weight
        may go until another codec that does not tie now costs as little as the leader.
    """
    records = [record for weight in _weights_of(run, scenario) for record in _trials(run, scenario, ranking, weight)]
    records += [*_latency_trials(run, scenario, ranking), *_compression_trials(run, scenario, ranking)]
    table = pd.DataFrame(records, columns=[*COLUMNS, *RANGE])
    return table.astype({"overtaken": bool, "changes": bool, **dict.fromkeys(RANGE, float)})


def _trials(run: Run, scenario: Scenario, ranking: Ranking, weight: _Weight) -> Iterator[dict[str, Any]]:
    """Try one weight."""
    low, high = _stays(run, scenario, ranking, weight)
    for factor in FACTORS:
        record = _trial(run, _scaled(scenario, weight, factor), ranking)
        place = {"weight": weight.name, "value": weight.value, "tried": weight.value * factor}
        yield {**place, **record, "stays_from": low, "stays_to": high}


def _trial(run: Run, changed: Scenario, ranking: Ranking) -> dict[str, Any]:
    """Rank under a changed scenario, and compare the leaders."""
    new = rank(run, changed)
    field = FIELDS[changed.objective]
    costs: dict[str, Cost] = totals(run.inputs, changed)
    ahead = new.leader in costs and ranking.leader in costs
    ratio = (
        getattr(costs[ranking.leader], field) / (getattr(costs[new.leader], field) or math.nan) if ahead else math.nan
    )
    overtaken = ranking.leader not in new.tied
    changes = new.recommended != ranking.recommended
    found = {"leader": new.leader, "overtaken": overtaken, "answer": new.recommended, "changes": changes}
    return {**found, "old_leader_ratio": ratio}


def _stays(run: Run, scenario: Scenario, ranking: Ranking, weight: _Weight) -> tuple[float, float]:
    """Return the range of a weight in which the leader is ahead of all that do not tie with it."""
    drawn = _lines(run, scenario, weight, FIELDS[scenario.objective])[None]
    others = [one.codec for one in ranking.open if not one.ties]
    factors = [_crossing(drawn[codec], drawn[ranking.leader]) for codec in others]
    below = max((factor for factor in factors if 0 < factor <= 1), default=0.0)
    above = min((factor for factor in factors if factor > 1), default=math.inf)
    if weight.path == BANDWIDTH:
        return (0.0 if above == math.inf else _setting_at(weight, above)), (
            _setting_at(weight, below) if below else math.inf
        )
    return weight.value * below, weight.value * above


def _latency_trials(run: Run, scenario: Scenario, ranking: Ranking) -> Iterator[dict[str, Any]]:
    """Try the model's latency, which moves no codec but the threshold of a change."""
    if scenario.latency is None or scenario.objective != "time":
        return
    for name in WAITING:
        weight = _Weight(("latency", name), value_at(scenario, ("latency", name)))
        for factor in FACTORS if weight.value else ():
            record = _trial(run, _scaled(scenario, weight, factor), ranking)
            yield {"weight": weight.name, "value": weight.value, "tried": weight.value * factor, **record}


def _compression_trials(run: Run, scenario: Scenario, ranking: Ranking) -> Iterator[dict[str, Any]]:
    """Try the other compressions that the run has weighed."""
    path = ("wire", "compression")
    for name in COMPRESSIONS:
        try:
            record = _trial(run, replaced(scenario, path, name), ranking)
        except ScenarioError:
            continue
        if name != scenario.wire.compression:
            yield {"weight": ".".join(path), "value": scenario.wire.compression, "tried": name, **record}


# Where one codec overtakes another: at what bandwidth in time, at what price or duration in money.

BREAKEVEN_COLUMNS = ("weight", "value", "codec", "against", "at", "at_low", "at_high", "cheaper_below", "cheaper_above")


def breakeven(run: Run, scenario: Scenario, ranking: Ranking) -> pd.DataFrame:
    """Find where codecs that can be recommended overtake the baseline and the leader.

    Args:
        run: the run.
        scenario: resolved.
        ranking: of that scenario.

    Returns:
        One row for each weight and pair: the weight and its value in the scenario; the pair; the value `at` which both
        cost the same, with a 95 % interval (not a number where they never do, and no interval where the processes do
        not agree that they do); and which is cheaper below and above.
    """
    found: list[dict[str, Any]] = []
    for weight, field in _breakeven_weights(scenario):
        drawn = _lines(run, scenario, weight, field)
        found += [_point(weight, drawn, *pair) for pair in _pairs(ranking) if {*pair} <= drawn[None].keys()]
    table = pd.DataFrame(found, columns=list(BREAKEVEN_COLUMNS))
    return table.astype(dict.fromkeys(("value", "at", "at_low", "at_high"), float))


def _breakeven_weights(scenario: Scenario) -> list[tuple[_Weight, str]]:
    """List the weights to break even in, with what they decide: time or money."""
    chosen: list[tuple[tuple[str, ...], str]] = [(BANDWIDTH, "time_ns")] if scenario.wire.crossings else []
    if scenario.objective == "money":
        chosen += [(path, "cost_per_million") for path in _money_paths() if path[0] == "prices"]
    found = [(_Weight(path, value_at(scenario, path)), field) for path, field in chosen]
    return [(weight, field) for weight, field in found if weight.value > 0]


def _pairs(ranking: Ranking) -> Iterator[tuple[str, str]]:
    """Pair the leader and the baseline with all that can be recommended."""
    names = [one.codec for one in ranking.open]
    for against in dict.fromkeys((ranking.baseline, ranking.leader)):
        done = {ranking.baseline} if against != ranking.baseline else set()
        yield from ((codec, against) for codec in names if against in names and codec not in {against, *done})


def _point(
    weight: _Weight, drawn: Mapping[int | None, Mapping[str, _Line]], codec: str, against: str
) -> dict[str, Any]:
    """Find where two codecs cost the same."""
    one, other = drawn[None][codec], drawn[None][against]
    factor = _crossing(one, other)
    record: dict[str, Any] = {"weight": weight.name, "value": weight.value, "codec": codec, "against": against}
    if not factor:
        cheaper = codec if one.fixed + one.slope <= other.fixed + other.slope else against
        return {**record, "at": math.nan, "cheaper_below": cheaper, "cheaper_above": cheaper}
    steeper, flatter = (codec, against) if one.slope > other.slope else (against, codec)
    # More of a weight harms whom it weighs on; more bandwidth is less of what weighs.
    below, above = (flatter, steeper) if weight.path == BANDWIDTH else (steeper, flatter)
    low, high = _reach(weight, drawn, codec, against)
    ends = {"at": _setting_at(weight, factor), "at_low": low, "at_high": high}
    return {**record, **ends, "cheaper_below": below, "cheaper_above": above}


def _reach(
    weight: _Weight, drawn: Mapping[int | None, Mapping[str, _Line]], codec: str, against: str
) -> tuple[float, float]:
    """Return the interval of a break-even; none where a process sees no crossing."""
    both = {p: (by[codec], by[against]) for p, by in drawn.items() if p is not None and {codec, against} <= by.keys()}
    if not both or not all(_crossing(one, other) for one, other in both.values()):
        return math.nan, math.nan
    fixed = {process: abs(one.fixed - other.fixed) for process, (one, other) in both.items()}
    slope = {process: abs(one.slope - other.slope) for process, (one, other) in both.items()}
    estimate = paired_ratio(slope, fixed) if weight.path == BANDWIDTH else paired_ratio(fixed, slope)
    return weight.value * estimate.low, weight.value * estimate.high
