"""One setting of a scenario: read it, change it, and write it as people do on a command line."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from serlab.decide.scenarios import from_dict
from serlab.decide.types import SECTIONS, Latency, Scenario
from serlab.errors import ScenarioError

PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}


def override(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """Change settings of a scenario; what comes out is checked like a file.

    Args:
        scenario: the scenario.
        settings: path → value. A path is as in the file, `messages.ChatChunk.operations.encode`; the name alone will
            do for what stands in one table, such as `bandwidth_bit_per_s` or `compression`.

    Returns:
        The changed scenario.

    Raises:
        ScenarioError: there is no such setting, or the value is of another type or out of range.
    """
    values = msgspec.to_builtins(scenario)
    for path, value in settings.items():
        place = values
        *tables, last = full_path(path).split(".", 3)
        for name in tables:
            place = enter(place, name, path)
        place[last] = value
    return from_dict(values, f"scenario {scenario.name}")


def enter(place: Any, name: str, path: str) -> Any:
    """Go into a table, or into a latency that the scenario leaves out."""
    if name == "latency" and place.get(name) is None:
        place[name] = msgspec.to_builtins(Latency())
    if not isinstance(place.get(name), dict):
        raise ScenarioError(f"setting {path!r}: the scenario has no {name!r} there. Known: {', '.join(place)}")
    return place[name]


def full_path(path: str) -> str:
    """Complete the name of a setting with its table's."""
    homes = {name: f"{key}.{name}" for key, type_ in SECTIONS.items() for name in type_.__struct_fields__}
    return homes.get(path, path)


def replaced(tree: Any, path: tuple[str, ...], value: Any) -> Any:
    """Give a copy of a scenario in which one setting is another; nothing is checked."""
    if not path:
        return value
    name, *rest = path
    inner = tree[name] if isinstance(tree, dict) else getattr(tree, name)
    changed = replaced(inner, tuple(rest), value)
    return {**tree, name: changed} if isinstance(tree, dict) else msgspec.structs.replace(tree, **{name: changed})


def value_at(tree: Any, path: tuple[str, ...]) -> Any:
    """Read one setting."""
    for name in path:
        tree = tree[name] if isinstance(tree, dict) else getattr(tree, name)
    return tree


def parse_bandwidth(text: str) -> float:
    """Read bits per second: 140Mbit, 1 Gbit/s, 2.5Gbps or a plain number.

    Raises:
        ScenarioError: it is nothing of the kind; bytes are refused, since a factor of 8 is easily lost.
    """
    match = re.fullmatch(r"([\d.]+(?:e\d+)?) ?([kMGT]?)(?:bit(?:/s)?|bps)?", text.strip())
    try:
        return float(match[1]) * PREFIXES[match[2]] if match else float("x")
    except ValueError as error:
        raise ScenarioError(f"bandwidth {text!r}: expected bits per second, such as 140Mbit or 10Gbit") from error


def parse_seconds(text: str) -> float:
    """Read a duration: 800ms, 1.5s or a plain number of seconds.

    Raises:
        ScenarioError: it is nothing of the kind.
    """
    match = re.fullmatch(r"([\d.]+) ?(s|ms|us|µs)?", text.strip())
    try:
        return float(match[1]) * SECONDS[match[2] or "s"] if match else float("x")
    except ValueError as error:
        raise ScenarioError(f"duration {text!r}: expected a number and s or ms, such as 800ms") from error


def parse_setting(text: str) -> tuple[str, Any]:
    """Read PATH=VALUE; a value is a number, true, false or a word.

    Raises:
        ScenarioError: there is no `=`.
    """
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise ScenarioError(f"--set {text!r}: expected PATH=VALUE, such as messages.ChatChunk.operations.encode=2")
    words: dict[str, Any] = {"true": True, "false": False}
    try:
        return path, float(value)
    except ValueError:
        return path, words.get(value, value)
