"""The subcommand that answers: which codec at this boundary, what does it buy, or stay with the baseline?

Exit status: 0 answered; 2 a scenario, a setting or a folder that cannot be used.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serlab.console import console
from serlab.errors import ScenarioError
from serlab.folders import agreeing
from serlab.options import AsJson
from serlab.visible import visible

if TYPE_CHECKING:
    from serlab.decide import Decision
    from serlab.decide.run import Run

Directory = Annotated[Path | None, typer.Argument(metavar="DIR", help="A results folder of `serlab compare`.")]
Scenarios = Annotated[
    list[str] | None, typer.Option("--scenario", metavar="NAME|FILE.toml", help="A boundary; may be repeated.")
]
Bandwidth = Annotated[str, typer.Option("--bandwidth", metavar="BITS", help="Of the wire: 140Mbit, 10Gbit.")]
Compression = Annotated[str, typer.Option("--compression", metavar="none|gzip|zstd", help="On the wire.")]
ModelLatency = Annotated[str, typer.Option("--model-latency", metavar="TIME", help="Until the first token: 800ms.")]
TokensPerS = Annotated[float | None, typer.Option("--tokens-per-s", help="The model's rate after the first token.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Any setting of the scenario; repeat.")
]
Record = Annotated[Path | None, typer.Option("--adr", metavar="FILE", help="Write a decision record in Markdown.")]
Copy = Annotated[str, typer.Option("--copy", metavar="NAME", help="Print a built-in scenario's file, to be edited.")]
Listing = Annotated[bool, typer.Option("--list", help="List the built-in scenarios.")]


def decide(
    directory: Directory = None,
    scenario: Scenarios = None,
    bandwidth: Bandwidth = "",
    compression: Compression = "",
    model_latency: ModelLatency = "",
    tokens_per_s: TokensPerS = None,
    setting: Settings = None,
    adr: Record = None,
    copy: Copy = "",
    listing: Listing = False,
    as_json: AsJson = False,
) -> None:
    """Say which codec to use at a boundary, what it buys, or to stay with the baseline.

    Without --scenario, one line for each built-in one.
    """
    from serlab.decide import scenario_text

    if copy:
        print(scenario_text(copy), end="")
        return
    if listing:
        print_scenarios(as_json)
        return
    if directory is None:
        raise typer.BadParameter("expected DIR, a results folder; make one with `serlab compare -o DIR`")
    if adr is not None and len(scenario or ()) != 1:
        raise typer.BadParameter("--adr writes one decision: expected one --scenario")
    overrides = given(bandwidth, compression, model_latency, tokens_per_s, setting or [])
    with agreeing(directory):
        if not scenario:
            overview(directory, overrides, as_json)
            return
        found = decisions(directory, scenario, overrides)
        if adr is not None:
            write_record(adr, found[0])
        print_decisions(found, as_json)


def print_decisions(found: "list[Decision]", as_json: bool) -> None:
    """Print decisions for people, or one list for a program."""
    from serlab.decide.show import show_decision

    if as_json:
        print(json.dumps([one.to_dict() for one in found], allow_nan=False))
        return
    for one in found:
        show_decision(console(), one)


def given(
    bandwidth: str, compression: str, model_latency: str, tokens_per_s: float | None, settings: list[str]
) -> dict[str, Any]:
    """Gather the settings of the command line."""
    from serlab.decide.settings import parse_bandwidth, parse_seconds, parse_setting

    found: dict[str, Any] = dict(map(parse_setting, settings))
    found |= {"bandwidth_bit_per_s": parse_bandwidth(bandwidth)} if bandwidth else {}
    found |= {"compression": compression} if compression else {}
    found |= {"time_to_first_token_s": parse_seconds(model_latency)} if model_latency else {}
    return found | ({"tokens_per_s": tokens_per_s} if tokens_per_s is not None else {})


def decisions(directory: Path, scenarios: list[str], overrides: dict[str, Any]) -> "list[Decision]":
    """Decide each scenario on one reading of the folder."""
    from serlab.decide import decide as decide_
    from serlab.decide.run import read_run

    run = read_run(directory)
    return [decide_(run, scenario, **overrides) for scenario in scenarios]


def overview(directory: Path, overrides: dict[str, Any], as_json: bool) -> None:
    """Print one line for each built-in scenario."""
    from serlab.decide import scenario_names
    from serlab.decide.run import read_run
    from serlab.decide.show import show_overview

    run = read_run(directory)
    lines = {name: line(run, name, overrides) for name in scenario_names()}
    print(json.dumps(lines)) if as_json else show_overview(console(), lines)


def line(run: "Run", name: str, overrides: dict[str, Any]) -> str:
    """Answer a scenario in one sentence, or say why the run cannot."""
    from serlab.decide import decide as decide_

    try:
        return decide_(run, name, **overrides).verdict
    except ScenarioError as error:
        return f"No answer: {str(error).removeprefix(f'scenario {name}: ')}."


def print_scenarios(as_json: bool) -> None:
    """List the built-in scenarios with their questions."""
    from serlab.decide import load_scenario, scenario_names
    from serlab.decide.show import show_overview

    questions = {name: load_scenario(name).question for name in scenario_names()}
    print(json.dumps(questions)) if as_json else show_overview(console(), questions)


def write_record(path: Path, decision: "Decision") -> None:
    """Write a decision record."""
    from serlab.folders import write_atomically

    write_atomically(path, visible(decision.to_markdown(), keep="\n").encode())
