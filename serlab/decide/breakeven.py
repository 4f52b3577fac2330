"""Where one codec overtakes another: at what bandwidth in time, at what price or duration in money."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from serlab.decide.ranking import Ranking
from serlab.decide.run import Run
from serlab.decide.settings import value_at
from serlab.decide.types import Scenario
from serlab.decide.weights import BANDWIDTH, Line, Weight, crossing, lines, money_paths, setting_at
from serlab.stats import paired_ratio

COLUMNS = ("weight", "value", "codec", "against", "at", "at_low", "at_high", "cheaper_below", "cheaper_above")


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
    for weight, field in breakeven_weights(scenario):
        drawn = lines(run, scenario, weight, field)
        found += [point(weight, drawn, *pair) for pair in pairs(ranking) if {*pair} <= drawn[None].keys()]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(("value", "at", "at_low", "at_high"), float))


def breakeven_weights(scenario: Scenario) -> list[tuple[Weight, str]]:
    """List the weights to break even in, with what they decide: time or money."""
    chosen: list[tuple[tuple[str, ...], str]] = [(BANDWIDTH, "time_ns")] if scenario.wire.crossings else []
    if scenario.objective == "money":
        chosen += [(path, "cost_per_million") for path in money_paths() if path[0] == "prices"]
    found = [(Weight(path, value_at(scenario, path)), field) for path, field in chosen]
    return [(weight, field) for weight, field in found if weight.value > 0]


def pairs(ranking: Ranking) -> Iterator[tuple[str, str]]:
    """Pair the leader and the baseline with all that can be recommended."""
    names = [one.codec for one in ranking.open]
    for against in dict.fromkeys((ranking.baseline, ranking.leader)):
        done = {ranking.baseline} if against != ranking.baseline else set()
        yield from ((codec, against) for codec in names if against in names and codec not in {against, *done})


def point(weight: Weight, drawn: Mapping[int | None, Mapping[str, Line]], codec: str, against: str) -> dict[str, Any]:
    """Find where two codecs cost the same."""
    one, other = drawn[None][codec], drawn[None][against]
    factor = crossing(one, other)
    record: dict[str, Any] = {"weight": weight.name, "value": weight.value, "codec": codec, "against": against}
    if not factor:
        cheaper = codec if one.fixed + one.slope <= other.fixed + other.slope else against
        return {**record, "at": math.nan, "cheaper_below": cheaper, "cheaper_above": cheaper}
    steeper, flatter = (codec, against) if one.slope > other.slope else (against, codec)
    # More of a weight harms whom it weighs on; more bandwidth is less of what weighs.
    below, above = (flatter, steeper) if weight.path == BANDWIDTH else (steeper, flatter)
    low, high = reach(weight, drawn, codec, against)
    ends = {"at": setting_at(weight, factor), "at_low": low, "at_high": high}
    return {**record, **ends, "cheaper_below": below, "cheaper_above": above}


def reach(
    weight: Weight, drawn: Mapping[int | None, Mapping[str, Line]], codec: str, against: str
) -> tuple[float, float]:
    """Give the interval of a break-even; none where a process sees no crossing."""
    both = {p: (by[codec], by[against]) for p, by in drawn.items() if p is not None and {codec, against} <= by.keys()}
    if not both or not all(crossing(one, other) for one, other in both.values()):
        return math.nan, math.nan
    fixed = {process: abs(one.fixed - other.fixed) for process, (one, other) in both.items()}
    slope = {process: abs(one.slope - other.slope) for process, (one, other) in both.items()}
    estimate = paired_ratio(slope, fixed) if weight.path == BANDWIDTH else paired_ratio(fixed, slope)
    return weight.value * estimate.low, weight.value * estimate.high
