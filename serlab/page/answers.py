"""What `decide` says of each boundary, as the page's first lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from serlab.decide import Decision, Scenario, decide, load_scenario, scenario_names
from serlab.decide.run import Run
from serlab.decide.untyped import stand_in
from serlab.errors import ScenarioError
from serlab.page.sections import shareable

FIRST = ("service-hop", "streaming-hop", "gateway", "edge", "engine-ipc", "embeddings", "response-cache", "log-archive")
"""The order of the built-in boundaries: the common ones first."""


def boundaries(own: Sequence[str | Path] = ()) -> list[Scenario]:
    """List the boundaries that the page knows.

    Args:
        own: scenario files, which stand first; one that bears a built-in one's name takes its place.

    Returns:
        The scenarios.

    Raises:
        ScenarioError: a file cannot be read, or something in it is wrong.
        UnknownNameError: there is no built-in scenario of that name.
    """
    first = [load_scenario(source) for source in own]
    known = sorted(scenario_names(), key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    found = {scenario.name: scenario for scenario in [*first, *map(load_scenario, known)]}
    return list({**found, **{scenario.name: scenario for scenario in first}}.values())


def answers(run: Run, scenarios: Sequence[Scenario]) -> list[dict[str, Any]]:
    """Decide each scenario.

    Args:
        run: the run.
        scenarios: what `boundaries` gave.

    Returns:
        For each: the scenario as JSON values, the verdict, notes and reasons; of one that the run cannot answer the
        reason as the verdict, and `answered` is false.
    """
    return [answer(run, scenario) for scenario in scenarios]


def answer(run: Run, scenario: Scenario) -> dict[str, Any]:
    """Decide one scenario; on bodies without a type the page holds it as they stand in it."""
    shown = stand_in(run.inputs, scenario).scenario
    record: dict[str, Any] = {"scenario": msgspec.to_builtins(shown), "notes": [], "reasons": []}
    try:
        found = decide(run, scenario)
    except ScenarioError as error:
        text = str(error).removeprefix(f"scenario {scenario.name}: ")
        return {**record, "verdict": f"No answer: {without_folders(text, run)}.", "answered": False, "recommended": ""}
    return {**record, **said(found), "answered": True}


def without_folders(text: str, run: Run) -> str:
    """Name the corpora in a command without the folders above them, as the page does elsewhere."""
    for corpus in run.option("corpora"):
        text = text.replace(corpus, shareable(corpus))
    return text


def said(found: Decision) -> dict[str, Any]:
    """Give a decision's sentences."""
    return {
        "verdict": found.verdict,
        "notes": [without_folders(note, found.run) for note in found.notes],
        "reasons": found.reasons,
        "recommended": found.recommended,
    }
