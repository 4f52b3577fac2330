"""All that is taken out of a record because it differs from run to run, or from machine to machine."""

import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

DATED = re.compile(r"\b\d{8}-\d{6}(?:-\d+)?(?=[/\s]|$)", re.MULTILINE)
"""The name that a run gives itself; stored runs keep theirs."""
LEFT = re.compile(r"^((?:err: )?\d+/\d+ .*, )\d+:\d\d left$", re.MULTILINE)
"""How a run tells of its progress."""

MACHINE = (
    "command", "cores", "cpu", "git_commit", "load_average", "memory_bytes", "memory_limit_bytes", "os", "python",
    "run", "versions",
)  # fmt: skip
"""Keys of a run's environment record that tell of the machine, the time or the installation."""


def text(given: str, work: Path) -> str:
    """Put names in place of the places where this checkout, its interpreter and the scratch folder are."""
    places = {str(work): "<work>", sys.executable: "<python>", sys.prefix: "<venv>", str(ROOT): "<root>"}
    for place in sorted(places, key=len, reverse=True):
        given = given.replace(place, places[place])
    return given


def timed(given: str) -> str:
    """Put names in place of the date that a run has named its folder after, and of how long it expects to take."""
    return LEFT.sub(r"\1<time> left", DATED.sub("<date>", given))


def environment(record: Mapping[str, Any]) -> dict[str, Any]:
    """Put a mark in place of what an environment record tells of machine and time; the keys stay."""
    return {key: "…" if key in MACHINE else value for key, value in record.items()}


def version(given: str) -> str:
    """Put a mark in place of the interpreter's own version, which codecs of the standard library bear."""
    return "<python>" if given == platform.python_version() else given
