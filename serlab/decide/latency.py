"""What codec and wire are of the whole latency of a call."""

import math
from typing import NamedTuple

from serlab.decide.model import Cost
from serlab.decide.types import Scenario

NS = 1e9


class LatencyShare(NamedTuple):
    """Codec and wire beside what else a call waits for.

    Attributes:
        other_s: what else it waits for: the model and the rest.
        baseline_s: codec and wire with the baseline, all messages of a call one after another.
        leader_s: the same with the cheapest codec.
        baseline_share: of the whole latency with the baseline.
        saved_share: what the cheapest codec would take off it.
        matters_below_s: the saving is worth a change, by the scenario's threshold, in a call that takes less than this
            in all; not a number where nothing is saved.
    """

    other_s: float
    baseline_s: float
    leader_s: float
    baseline_share: float
    saved_share: float
    matters_below_s: float


def per_call(scenario: Scenario) -> float:
    """Count the messages of a call; of a resolved scenario those that the run holds."""
    return sum(message.per_call for message in scenario.messages.values())


def other_s(scenario: Scenario) -> float:
    """Add up what a call waits for beside codec and wire, in seconds; not a number where nobody waits."""
    waits = scenario.latency
    if waits is None:
        return math.nan
    return waits.model_calls * (waits.time_to_first_token_s + waits.tokens / waits.tokens_per_s) + waits.other_s


def share_of(scenario: Scenario, baseline: Cost, part_ns: float) -> float:
    """Give a part of the whole latency of a call with the baseline."""
    whole = other_s(scenario) + baseline.time_ns * per_call(scenario) / NS
    return part_ns / NS / whole if whole else math.nan


def latency_share(scenario: Scenario, baseline: Cost, leader: Cost) -> LatencyShare:
    """Compare codec and wire with the whole latency.

    Args:
        scenario: with the kinds that the run holds.
        baseline: what the baseline costs.
        leader: what the cheapest codec costs.
    """
    before, after = (cost.time_ns * per_call(scenario) for cost in (baseline, leader))
    least = scenario.thresholds.latency_share
    matters = (before - after) / NS / least if before > after and least else math.nan
    shares = share_of(scenario, baseline, before), share_of(scenario, baseline, before - after)
    return LatencyShare(other_s(scenario), before / NS, after / NS, *shares, matters)
