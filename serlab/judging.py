"""The subcommands that compare runs: diff and gate.

Exit status of diff: 0 whatever it found, since a difference between two versions is information and not a fault; 2 if
the runs cannot be compared. Exit status of gate: 0 nothing became worse, 1 something did, 2 it cannot be judged.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from serlab.console import console
from serlab.folders import agreeing
from serlab.visible import visible

AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
FINDING = 1


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The results folder before.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The results folder after.")],
    as_json: AsJson = False,
) -> None:
    """Show what changed between two runs on one machine: sizes, allocations, parity, and times as ratios."""
    from serlab.verdicts import compare_runs
    from serlab.verdicts.show import show_diff

    with agreeing(old, new):
        found = compare_runs(old, new)
    print(dump(found.to_dict())) if as_json else show_diff(console(), found)


def gate(
    directories: Annotated[
        list[Path], typer.Argument(metavar="BASE HEAD | DIR", help="Two results folders, or one timed with --base.")
    ],
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="PATTERN", help="WORKLOAD/OPERATION/CODEC/METRIC that may be worse; repeat."),
    ] = None,
    github: Annotated[bool, typer.Option("--github", help="Also write annotations for GitHub Actions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fail if anything became larger, allocates more, lost parity, or is slower than base in the same run."""
    from serlab.verdicts import judge
    from serlab.verdicts.show import gate_lines, github_lines

    if len(directories) > 2:
        raise typer.BadParameter("expected BASE and HEAD, or one folder")
    with agreeing(*directories):
        found = judge(directories, tuple(allow or ()))
    lines = (
        [dump(found.to_dict())]
        if as_json
        else [*map(visible, (*gate_lines(found), *(github_lines(found) if github else ())))]
    )
    print("\n".join(lines))
    if found.failures:
        raise typer.Exit(FINDING)


def dump(found: dict[str, object]) -> str:
    """Write JSON, where a figure that is missing is null."""
    return json.dumps(without_nan(found), allow_nan=False)


def without_nan(value: object) -> object:
    """Put None for what is not a number, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and value != value else value
