"""A scenario's weights, and how costs depend on one of them.

The cost of all messages of a call is a straight line in every weight but the bandwidth, and in the inverse of that; for
the share of a workload after multiplying by the sum of the shares of its kind, which all codecs have in common. So two
points give the line, and two lines cross at most once.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from serlab.decide.latency import per_call
from serlab.decide.model import COMPRESSORS, Cost, Inputs, counted, parts, totals
from serlab.decide.run import Run
from serlab.decide.settings import replaced, value_at
from serlab.decide.types import Scenario

PARALLEL = 1e-9
"""Lines whose slopes differ by less than this share of their height never cross: the difference is rounding."""

BANDWIDTH = ("wire", "bandwidth_bit_per_s")


class Weight(NamedTuple):
    """One number of a scenario: where it stands, and what it is."""

    path: tuple[str, ...]
    value: float

    @property
    def name(self) -> str:
        """Give the path as in `--set`."""
        return ".".join(self.path)


class Line(NamedTuple):
    """The cost of a call: `fixed` + factor × `slope`, where the factor is 1 at the scenario's own weight."""

    fixed: float
    slope: float


def weights_of(run: Run, scenario: Scenario) -> list[Weight]:
    """List the weights that the order of the codecs depends on.

    Args:
        run: the run.
        scenario: resolved, see `serlab.decide.model.resolve`.

    Returns:
        Those above 0; a share or a count that stands alone is none.
    """
    found = (Weight(path, value_at(scenario, path)) for path in paths_of(run, scenario))
    return [weight for weight in found if weight.value > 0]


def paths_of(run: Run, scenario: Scenario) -> Iterator[tuple[str, ...]]:
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
        yield from money_paths()


def money_paths() -> list[tuple[str, ...]]:
    """List the weights that only money depends on."""
    return [("prices", "core_hour"), ("prices", "traffic_gb"), ("prices", "storage_gb_month"), ("storage", "days")]


def scaled(scenario: Scenario, weight: Weight, factor: float) -> Scenario:
    """Give the scenario with a weight multiplied."""
    changed: Scenario = replaced(scenario, weight.path, weight.value * factor)
    return changed


def lines(run: Run, scenario: Scenario, weight: Weight, field: str) -> dict[int | None, dict[str, Line]]:
    """Give each codec's line in one weight.

    Args:
        run: the run.
        scenario: resolved.
        weight: one of its weights.
        field: of `Cost`.

    Returns:
        Process → codec → line; under None those of the medians.
    """
    factors = (1.0, 0.5) if weight.path == BANDWIDTH else (1.0, 2.0)
    points = [scaled(scenario, weight, factor) for factor in factors]
    found: dict[int | None, dict[str, Line]] = {}
    sources: list[tuple[int | None, Inputs]] = [(None, run.inputs), *run.processes.items()]
    for process, inputs in sources:
        one, two = (heights(totals(inputs, point), point, weight, field) for point in points)
        found[process] = {codec: Line(2 * one[codec] - two[codec], two[codec] - one[codec]) for codec in one}
    return found


def heights(costs: Mapping[str, Cost], scenario: Scenario, weight: Weight, field: str) -> dict[str, float]:
    """Give the cost of a call, times what makes it a straight line in the weight."""
    norm = per_call(scenario)
    if "workloads" in weight.path:
        norm *= sum(scenario.messages[weight.path[1]].workloads.values())
    return {codec: norm * getattr(cost, field) for codec, cost in costs.items()}


def crossing(one: Line, other: Line) -> float:
    """Give the factor at which two codecs cost the same.

    Returns:
        The factor, above 0; 0 where one is cheaper whatever the weight.
    """
    fixed, slope = one.fixed - other.fixed, other.slope - one.slope
    height = max(abs(one.fixed + one.slope), abs(other.fixed + other.slope))
    if abs(slope) < PARALLEL * height or abs(fixed) < PARALLEL * height:
        return 0.0
    return max(0.0, fixed / slope)


def setting_at(weight: Weight, factor: float) -> float:
    """Turn a factor into the weight's own unit."""
    return weight.value / factor if weight.path == BANDWIDTH else weight.value * factor
