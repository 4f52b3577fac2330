"""What figures stand on: times with intervals, sizes, and the choice of workloads and codecs."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from serlab.cases import AA, BOUNDS, CONTROLS, Case
from serlab.errors import NotMeasuredError, UnknownNameError
from serlab.report.figures.look import Spread
from serlab.report.tables import baseline_of, floor_values, own
from serlab.rows import by_case
from serlab.stats import Estimate, paired_ratio

Values = dict[int, float]
"""Process → nanoseconds per message."""

NAMED = {"workload": "workload", "codec": "case"}
"""What a user chooses → the column that has it as tables show it."""
NO_CODEC = (*BOUNDS, *CONTROLS)
"""Roles of what is no codec: a floor, and the baseline once more."""


def chosen(rows: pd.DataFrame, workloads: Sequence[str] | None, codecs: Sequence[str] | None) -> pd.DataFrame:
    """Pick workloads and codecs; the baseline, its A/A arm and the floors stay.

    Raises:
        UnknownNameError: the run has no such workload or codec.
    """
    rows = own(rows)
    kept = {baseline_of(rows)}
    for what, names in (("workload", workloads), ("codec", codecs)):
        for name in names or ():
            if name not in set(rows[NAMED[what]]):
                raise UnknownNameError.of(f"{what} in this run", name, names_of(rows, what))
    if workloads is not None:
        rows = rows[rows["workload"].isin(list(workloads))]
    if codecs is not None:
        rows = rows[rows["case"].isin([*codecs, *kept]) | rows["role"].isin(NO_CODEC)]
    return rows


def names_of(rows: pd.DataFrame, column: str) -> list[str]:
    """List what stands in a column, in the order of the rows, without what is no codec."""
    kept = rows[~rows["role"].isin(NO_CODEC)] if column == "codec" else rows
    return [str(name) for name in kept[NAMED[column]].unique()]


def is_codec(case: Case) -> bool:
    """Return whether a case is a codec's: no floor, and not the baseline once more."""
    return case.role not in NO_CODEC


def missing(what: str, needs: str, rows: pd.DataFrame, remedy: str) -> NotMeasuredError:
    """Build the error for a figure of what the run did not measure."""
    return NotMeasuredError.of(what, needs, [str(name) for name in rows["place"].unique()], remedy)


def workloads_with(
    rows: pd.DataFrame, wanted: Sequence[str] | None, has: Callable[[str], bool], what: str, needs: str, remedy: str
) -> list[str]:
    """List the workloads that have something to show, in the asked order.

    Raises:
        NotMeasuredError: none has, see `missing`.
    """
    found = [workload for workload in wanted or names_of(rows, "workload") if has(workload)]
    if not found:
        raise missing(what, needs, rows, remedy)
    return found


def arms(rows: pd.DataFrame, workload: str, operation: str, metric: str = "time") -> dict[Case, Values]:
    """Return case → process → figure of one group."""
    here = (rows["workload"] == workload) & (rows["place"] == operation) & (rows["metric"] == metric)
    return dict(by_case(rows[here]))


def sums(rows: pd.DataFrame, workload: str, operations: Sequence[str]) -> dict[Case, Values]:
    """Return codec → process → nanoseconds of several operations together, where all were measured."""
    parts = [arms(rows, workload, operation) for operation in operations]
    codecs = [codec for codec in parts[0] if all(codec in part for part in parts)]
    return {codec: summed([part[codec] for part in parts]) for codec in codecs}


def summed(parts: Sequence[Values]) -> Values:
    """Add up, process by process."""
    both = set(parts[0]).intersection(*parts[1:])
    return {process: sum(part[process] for part in parts) for process in sorted(both)}


def times(found: Mapping[Case, Values], baseline: str) -> dict[Case, Spread]:
    """Return each codec's nanoseconds per message with an interval.

    A process is as fast as the machine is at that moment, so what is certain is a codec's ratio to the baseline: value
    and interval are the ratio's, times the baseline's median. Without a baseline the median stands alone.
    """
    base = found.get(Case(baseline), {})
    scale = middle(base)
    return {codec: _time_of(values, base, scale) for codec, values in found.items()}


def _time_of(values: Values, base: Values, scale: float) -> Spread:
    """Return one codec's time by its ratio to the baseline."""
    ratio = paired_ratio(values, base)
    if not ratio.n:
        return Spread(middle(values), middle(values), middle(values))
    return Spread(ratio.value * scale, ratio.low * scale, ratio.high * scale)


def ratio_of(time: Spread, base: Spread) -> Estimate:
    """Return the ratio that a codec's time was drawn from."""
    return Estimate(time.value / base.value, time.low / base.value, time.high / base.value, 1)


def control_of(found: Mapping[Case, Values], baseline: str) -> Estimate:
    """Return the A/A ratio of a group."""
    return paired_ratio(found.get(Case(baseline, AA), {}), found.get(Case(baseline), {}))


def floor_time(found: Mapping[Case, Values], operation: str) -> float:
    """Return an operation's floor in nanoseconds; not a number where it was not measured."""
    return middle(floor_values(operation, found))


def middle(values: Mapping[int, float]) -> float:
    """Return the median over processes; not a number for none."""
    return float(pd.Series(dict(values), dtype=float).median())


def sizes(rows: pd.DataFrame, workload: str, metric: str) -> dict[str, float]:
    """Return codec → mean bytes per message."""
    here = (rows["workload"] == workload) & (rows["place"] == "size") & (rows["metric"] == metric)
    found = rows[here].groupby("case", sort=False)["value"].mean()
    return {str(codec): float(value) for codec, value in found.items()}
