"""How far the answer hangs on each weight: halved, doubled, and the range in which the leader stays ahead."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from serlab.decide.model import Cost, totals
from serlab.decide.ranking import FIELDS, Ranking, rank
from serlab.decide.run import Run
from serlab.decide.settings import replaced, value_at
from serlab.decide.types import Scenario
from serlab.decide.weights import BANDWIDTH, Weight, crossing, lines, scaled, setting_at, weights_of
from serlab.errors import ScenarioError

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
    records = [record for weight in weights_of(run, scenario) for record in trials(run, scenario, ranking, weight)]
    records += [*latency_trials(run, scenario, ranking), *compression_trials(run, scenario, ranking)]
    table = pd.DataFrame(records, columns=[*COLUMNS, *RANGE])
    return table.astype({"overtaken": bool, "changes": bool, **dict.fromkeys(RANGE, float)})


def trials(run: Run, scenario: Scenario, ranking: Ranking, weight: Weight) -> Iterator[dict[str, Any]]:
    """Try one weight."""
    low, high = stays(run, scenario, ranking, weight)
    for factor in FACTORS:
        record = trial(run, scaled(scenario, weight, factor), ranking)
        place = {"weight": weight.name, "value": weight.value, "tried": weight.value * factor}
        yield {**place, **record, "stays_from": low, "stays_to": high}


def trial(run: Run, changed: Scenario, ranking: Ranking) -> dict[str, Any]:
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


def stays(run: Run, scenario: Scenario, ranking: Ranking, weight: Weight) -> tuple[float, float]:
    """Give the range of a weight in which the leader is ahead of all that do not tie with it."""
    drawn = lines(run, scenario, weight, FIELDS[scenario.objective])[None]
    others = [one.codec for one in ranking.open if not one.ties]
    factors = [crossing(drawn[codec], drawn[ranking.leader]) for codec in others]
    below = max((factor for factor in factors if 0 < factor <= 1), default=0.0)
    above = min((factor for factor in factors if factor > 1), default=math.inf)
    if weight.path == BANDWIDTH:
        return (0.0 if above == math.inf else setting_at(weight, above)), (
            setting_at(weight, below) if below else math.inf
        )
    return weight.value * below, weight.value * above


def latency_trials(run: Run, scenario: Scenario, ranking: Ranking) -> Iterator[dict[str, Any]]:
    """Try the model's latency, which moves no codec but the threshold of a change."""
    if scenario.latency is None or scenario.objective != "time":
        return
    for name in WAITING:
        weight = Weight(("latency", name), value_at(scenario, ("latency", name)))
        for factor in FACTORS if weight.value else ():
            record = trial(run, scaled(scenario, weight, factor), ranking)
            yield {"weight": weight.name, "value": weight.value, "tried": weight.value * factor, **record}


def compression_trials(run: Run, scenario: Scenario, ranking: Ranking) -> Iterator[dict[str, Any]]:
    """Try the other compressions that the run has weighed."""
    path = ("wire", "compression")
    for name in COMPRESSIONS:
        try:
            record = trial(run, replaced(scenario, path, name), ranking)
        except ScenarioError:
            continue
        if name != scenario.wire.compression:
            yield {"weight": ".".join(path), "value": scenario.wire.compression, "tried": name, **record}
