"""Several boundaries side by side: what to use at each, why, and what would change the answer."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from serlab.cases import AA, BOUNDS, Case
from serlab.decide import Decision, Scenario, change, decide, duration, money, overtaking, percent, read_run, times
from serlab.errors import ScenarioError
from serlab.report import baseline_of
from serlab.stats import Estimate, estimate

MOST_CHANGES = 2
"""Weights that are named in one sentence."""


def decide_each(
    rows: pd.DataFrame, scenarios: Iterable[str | Scenario], **overrides: Any
) -> tuple[dict[str, Decision], dict[str, str]]:
    """Decide every scenario that a run can answer.

    Args:
        rows: the tidy table of a run.
        scenarios: names of built-in ones, paths or scenarios.
        overrides: settings, as for `serlab.decide`.

    Returns:
        The decisions by the scenario's name, and why the others have none.
    """
    run = read_run(rows)
    found: dict[str, Decision] = {}
    missing: dict[str, str] = {}
    for scenario in scenarios:
        name = scenario.name if isinstance(scenario, Scenario) else scenario
        try:
            found[name] = decide(run, scenario, **overrides)
        except ScenarioError as error:
            missing[name] = str(error)
    return found, missing


def overview(decisions: Mapping[str, Decision]) -> pd.DataFrame:
    """Lay decisions side by side.

    Args:
        decisions: by name.

    Returns:
        For each: the answer; the cheapest codec that can be used there; its cost against the baseline's with a 95 %
        interval; the share of the whole latency that is codec and wire with the baseline; and what the cheapest saves.
    """
    return pd.DataFrame({name: _summed_up(decision) for name, decision in decisions.items()}).T.rename_axis("scenario")


def _summed_up(decision: Decision) -> dict[str, str]:
    """Sum up one decision."""
    order, share = decision.order, decision.latency_share
    leader = order.of(order.leader) if order.leader else None
    return {
        "answer": headline(decision),
        "cheapest": order.leader or "none",
        f"cost × {order.baseline}": times(leader.to_baseline) if leader else "–",
        "codec and wire of the latency": percent(share.baseline_share) if share else "nobody waits",
        "cheapest saves": _saving(decision, order.saving),
    }


def headline(decision: Decision) -> str:
    """Say the answer in three words."""
    if not decision.recommended:
        return "no codec can"
    stays = decision.recommended == decision.order.baseline
    return f"stay with {decision.recommended}" if stays else f"use {decision.recommended}"


def _saving(decision: Decision, amount: float) -> str:
    """Write a saving in what the scenario ranks by."""
    if amount != amount:
        return "–"
    if decision.scenario.objective == "time":
        return f"{percent(amount)} of the latency"
    return f"{money(amount, decision.scenario.prices.currency)} per million"


def what_would_change(decision: Decision) -> list[str]:
    """Say what would have to be otherwise for another answer; a clause each.

    Args:
        decision: the decision.

    Returns:
        The weights that turn the answer when halved or doubled; how fast a call must be, or how low the threshold, for
        the saving to count; the constraint that bars a cheaper codec; and where on the wire another one overtakes.
    """
    return list(_clauses(decision)) or ["nothing that was tried"]


def _clauses(decision: Decision) -> Iterator[str]:
    """Yield the clauses one by one."""
    order, share = decision.order, decision.latency_share
    trials = decision.sensitivity
    yield from [change(row) for row in trials[trials["changes"]].to_dict("records")][:MOST_CHANGES]
    if order.reason == "too little":
        if decision.scenario.objective == "money":
            yield f"{order.leader} at a threshold below {_saving(decision, order.saving)}"
        elif share is not None and share.matters_below_s > 0:
            yield f"{order.leader} in a call of less than {duration(share.matters_below_s)} in all"
    for one in order.standings:
        if order.leader and one.barred and one.cost and not one.format.reference and one.to_leader.value < 1:
            if not one.ties:
                yield f"{one.codec} if the boundary could do without “{one.barred.split(': ')[0]}”"
            break
    yield from (text.rstrip(".") for text in overtaking(decision.scenario, order, decision.breakeven))


def sections(record: str, titles: Sequence[str]) -> str:
    """Cut some sections out of a decision record.

    Args:
        record: what `Decision.to_markdown` gives.
        titles: of the sections to keep; what stands before the first one is kept too.

    Returns:
        Markdown, each heading two levels deeper so that it fits under a heading of a notebook.
    """
    head, *parts = re.split(r"^## ", record, flags=re.MULTILINE)
    kept = [part for part in parts if part.partition("\n")[0].strip() in titles]
    return re.sub(r"^(#+) ", r"##\1 ", "".join([head, *(f"## {part}" for part in kept)]), flags=re.MULTILINE)


# How many processes are enough: what the figures of a run would vary by with fewer or more of them.
#
# And how far repeated answers to one question stray. Both with intervals, since both are found from few of them.

RESAMPLES = 20_000
COUNTS = (1, 3, 5, 10, 20, 40)
DRAWS, REDRAWS = 200, 1_000
"""Resamples of the workloads, and medians drawn in each."""


def process_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each process's ratio to the baseline against the median of all processes.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each workload, operation and codec, A/A arm included and floors left out; one column for each
        process; 1.01 means 1 % above the median of the processes.
    """
    baseline = baseline_of(rows)
    times = rows[(rows["metric"] == "time") & ~rows["role"].isin(BOUNDS)]
    times = times.assign(codec=times["case"], operation=times["place"])
    group = ["workload", "operation"]
    wide = times.pivot_table(index=[*group, "codec"], columns="process", values="value").dropna()
    base = wide.xs(baseline, level="codec")
    others = wide.drop(index=baseline, level="codec")
    places = [(workload, operation) for workload, operation, _ in others.index]
    ratios = pd.DataFrame(others.to_numpy() / base.reindex(places).to_numpy(), others.index, others.columns)
    return ratios.div(ratios.median(axis=1), axis=0)


def control_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the same for the A/A arm alone."""
    ratios = process_ratios(rows)
    names = ratios.index.get_level_values("codec")
    return ratios[names == Case(baseline_of(rows), AA)]


def reach_by_processes(ratios: pd.DataFrame, counts: Sequence[int] = COUNTS, seed: int = 0) -> pd.Series:
    """Estimate how far the median of so many processes lies from the truth, in 95 of 100 runs at most.

    Each group keeps the deviation that its processes show, and medians of so many normal values are drawn. To draw
    from the processes themselves, as a bootstrap does, reaches too far for few of them: an outlier comes twice.

    Args:
        ratios: of `process_ratios`.
        counts: numbers of processes.
        seed: of the draws.

    Returns:
        Number of processes → share, 0.01 for 1 %; not a number for a run of one process.
    """
    values = np.log(ratios.to_numpy())
    if values.shape[1] < 2 or not len(values):
        return pd.Series(np.nan, index=list(counts))
    random = np.random.default_rng(seed)
    deviations = values.std(axis=1, ddof=1)[random.integers(0, len(values), RESAMPLES)]
    return pd.Series({count: _reach(deviations, count, random) for count in counts})


def _reach(deviations: np.ndarray, count: int, random: np.random.Generator) -> float:
    """Draw a median of so many normal values for each deviation, and give what 95 % of them stay inside of."""
    medians = np.median(random.normal(0, 1, (len(deviations), count)), axis=1)
    return float(np.exp(np.percentile(np.abs(medians * deviations), 95)) - 1)


def reach_interval(ratios: pd.DataFrame, counts: Sequence[int] = COUNTS, seed: int = 0) -> pd.DataFrame:
    """Return the 95 % interval of `reach_by_processes`: what it would be with other workloads.

    Workloads are resampled and not groups, since the groups of one workload share its messages and its hour.

    Args:
        ratios: of `process_ratios`.
        counts: numbers of processes.
        seed: of the draws.

    Returns:
        One row for each number of processes; `low` and `high`, not numbers for a run of one process or workload.
    """
    names = list(dict.fromkeys(ratios.index.get_level_values("workload")))
    if ratios.shape[1] < 2 or len(names) < 2:
        return pd.DataFrame(np.nan, index=list(counts), columns=["low", "high"])
    logs = np.log(ratios)
    spread = logs.std(axis=1, ddof=1)
    groups = [spread.xs(name, level="workload").to_numpy() for name in names]
    random = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        pool = np.concatenate([groups[place] for place in random.integers(0, len(groups), len(groups))])
        deviations = pool[random.integers(0, len(pool), REDRAWS)]
        found.append([_reach(deviations, count, random) for count in counts])
    ends = np.percentile(found, [2.5, 97.5], axis=0)
    return pd.DataFrame(ends.T, index=list(counts), columns=["low", "high"])


def variation(ratios: Sequence[float], seed: int = 0) -> Estimate:
    """Estimate the coefficient of variation of repeated answers, with the interval of resampled repetitions.

    Args:
        ratios: one for each repetition.
        seed: of the resampling.
    """
    values = np.asarray(ratios, dtype=float)
    draws = values[np.random.default_rng(seed).integers(0, len(values), (RESAMPLES // 10, len(values)))]
    own, resampled = (found.std(axis=-1, ddof=1) / found.mean(axis=-1) for found in (values, draws))
    return estimate(float(own), resampled, len(values))


def enough(reaches: Iterable[tuple[int, float]], difference: float) -> int | None:
    """Return the smallest number of processes whose reach is inside a difference; None if none of them is."""
    return next((count for count, share in reaches if share < difference), None)
