"""Several boundaries side by side: what to use at each, why, and what would change the answer."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from serlab.decide import Decision, Scenario, decide
from serlab.decide.answer import change, overtaking
from serlab.decide.run import read_run
from serlab.decide.text import duration, money, percent, times
from serlab.errors import ScenarioError

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
    return pd.DataFrame({name: summed_up(decision) for name, decision in decisions.items()}).T.rename_axis("scenario")


def summed_up(decision: Decision) -> dict[str, str]:
    """Sum up one decision."""
    order, share = decision.order, decision.latency_share
    leader = order.of(order.leader) if order.leader else None
    return {
        "answer": headline(decision),
        "cheapest": order.leader or "none",
        f"cost × {order.baseline}": times(leader.to_baseline) if leader else "–",
        "codec and wire of the latency": percent(share.baseline_share) if share else "nobody waits",
        "cheapest saves": saving(decision, order.saving),
    }


def headline(decision: Decision) -> str:
    """Say the answer in three words."""
    if not decision.recommended:
        return "no codec can"
    stays = decision.recommended == decision.order.baseline
    return f"stay with {decision.recommended}" if stays else f"use {decision.recommended}"


def saving(decision: Decision, amount: float) -> str:
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
    return list(clauses(decision)) or ["nothing that was tried"]


def clauses(decision: Decision) -> Iterator[str]:
    """Give the clauses one by one."""
    order, share = decision.order, decision.latency_share
    trials = decision.sensitivity
    yield from [change(row) for row in trials[trials["changes"]].to_dict("records")][:MOST_CHANGES]
    if order.reason == "too little":
        if decision.scenario.objective == "money":
            yield f"{order.leader} at a threshold below {saving(decision, order.saving)}"
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
