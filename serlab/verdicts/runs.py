"""Two runs side by side: whether they can be compared at all, and which versions changed between them."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from serlab.errors import ResultsError
from serlab.results import load_environment, load_results

MACHINE = ("cpu", "cores", "os", "python")
"""What must be the same before times are compared. Of the system only its name counts and of Python only the
implementation and minor version: a patch is an upgrade like that of a library, while another minor version has another
interpreter loop and another allocator, so that every codec changes by an amount of its own."""

INPUT = ("seed", "corpora")
"""What must be the same, or the bodies are others."""

EXACT = ("python",)
"""What must be the same before sizes and allocation counts are compared."""


class Run(NamedTuple):
    """A results folder that was read."""

    directory: Path
    rows: pd.DataFrame
    environment: dict[str, Any]


class Version(NamedTuple):
    """Something whose version differs between two runs; "" where a run does not have it."""

    name: str
    old: str
    new: str


def load_run(directory: str | Path) -> Run:
    """Read a results folder.

    Raises:
        ResultsError: it holds no results.
    """
    return Run(Path(directory), load_results(directory), load_environment(directory, MACHINE))


def require_same(old: Run, new: Run, keys: tuple[str, ...]) -> None:
    """Refuse two runs that must not be compared.

    Args:
        old: the run before.
        new: the run after.
        keys: what of the machine must be the same.

    Raises:
        ResultsError: the machines or the bodies differ; the text names what.
    """
    machine = [line for key in keys for line in differing(key, named(key, old), named(key, new))]
    if machine:
        raise ResultsError(
            f"{old.directory} and {new.directory}: not of one machine ({'; '.join(machine)}); "
            "measure both on one, or measure two environments in one run: serlab time --base OTHER_VENV"
        )
    plans = old.environment.get("plan", {}), new.environment.get("plan", {})
    bodies = [line for key in INPUT for line in differing(key, plans[0].get(key), plans[1].get(key))]
    if bodies:
        raise ResultsError(
            f"{old.directory} and {new.directory}: not of the same bodies ({'; '.join(bodies)}); "
            "measure both with the same --seed and --corpus"
        )


def named(key: str, run: Run) -> Any:
    """Give what counts of one key of the environment."""
    value = run.environment.get(key)
    if key == "os":
        return str(value).partition(" ")[0]
    return str(value).rpartition(".")[0] if key == "python" else value


def differing(key: str, old: Any, new: Any) -> list[str]:
    """Say what a key was and is, if that differs."""
    return [] if old == new else [f"{key}: {old!r:.200} and {new!r:.200}"]


def version_changes(old: dict[str, Any], new: dict[str, Any]) -> list[Version]:
    """List what was upgraded.

    Args:
        old: the environment record of the run before.
        new: that of the run after.

    Returns:
        Libraries, Python, the system, serlab and its commit, where they differ.
    """
    before, after = listed(old), listed(new)
    names = sorted(before.keys() | after.keys())
    return [
        Version(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]


def listed(environment: dict[str, Any]) -> dict[str, str]:
    """Collect every version of an environment record."""
    names = {"python": "Python", "os": "system", "serlab": "serlab", "git_commit": "serlab's commit"}
    others = {title: str(environment[key]) for key, title in names.items() if environment.get(key)}
    return {**environment.get("versions", {}), **others}
