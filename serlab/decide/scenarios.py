"""Scenarios as files: the built-in ones, a user's own, and what is wrong with one."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from serlab.decide.types import SECTIONS, Constraints, Message, Scenario
from serlab.errors import ScenarioError, UnknownNameError
from serlab.messages import KINDS
from serlab.outcomes import COMPRESSION

OPERATIONS: tuple[str, ...] = ("encode", "decode", "read-one", "relay", "stream")
OPERATIONS += ("populate", "check", "check-all", "serialize", "deserialize", "convert")
OPERATIONS += ("read-0%", "read-1", "read-1%", "read-10%", "read-50%", "read-100%", *COMPRESSION)
"""What a run may have timed."""

MOST_LEVELS = 16
"""Levels of a scenario's file; it needs four."""
TOO_DEEP = f"nested too deep; expected at most {MOST_LEVELS} levels of tables, got more"
LEAST, MOST = 1e-15, 1e18
"""Size of a number that is not 0, so that no product of some of them is lost or without end."""


def scenario_names() -> list[str]:
    """List the built-in scenarios."""
    files = resources.files("serlab.decide").joinpath("scenarios").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def scenario_text(name: str) -> str:
    """Give a built-in scenario's file, comments and all, to be copied and edited.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in scenario_names():
        raise UnknownNameError.of("scenario", name, scenario_names())
    return resources.files("serlab.decide").joinpath("scenarios", f"{name}.toml").read_text(encoding="utf-8")


def load_scenario(source: str | Path) -> Scenario:
    """Load a scenario.

    Args:
        source: the name of a built-in one, or the path of a TOML file; what ends in `.toml` is a path.

    Returns:
        The scenario.

    Raises:
        UnknownNameError: there is no built-in scenario of that name.
        ScenarioError: the file cannot be read, or something in it is wrong; the text names the place.
    """
    if not str(source).endswith(".toml"):
        return parse(scenario_text(str(source)), str(source), str(source))
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ScenarioError(f"{path}: cannot be read: {reason}; `serlab decide --copy NAME` writes one") from error
    return parse(text, str(path), path.stem)


def parse(text: str, file: str, name: str) -> Scenario:
    """Read a scenario's TOML.

    Raises:
        ScenarioError: it is not TOML, or something in it is wrong.
    """
    try:
        values = tomllib.loads(text)
    except ValueError as error:
        # Also Python's own, of an integer with more digits than it reads.
        raise ScenarioError(f"{file}: not TOML: {error}") from error
    except RecursionError:
        values = None
    if values is None or (wrong := misshapen(values)):
        raise ScenarioError(f"{file}: {wrong if values is not None else TOO_DEEP}")
    return from_dict(values, file, name)


def misshapen(values: Any) -> str:
    """Name what no scenario has, and what whoever walks or shows it fails at; "" where there is nothing such.

    Keys with dots reach any depth, and Python writes no integer of thousands of digits.
    """
    level = [values]
    for _ in range(MOST_LEVELS):
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
        if any(isinstance(one, int) and one.bit_length() > 64 for one in level):
            return "expected integers of at most 64 bits, got a larger one"
        level = [one for one in level if isinstance(one, dict | list)]
    return TOO_DEEP if level else ""


def from_dict(values: Mapping[str, Any], file: str = "scenario", name: str = "") -> Scenario:
    """Make a scenario of plain values.

    Args:
        values: as in the file.
        file: what errors name.
        name: the scenario's, where the values have none.

    Raises:
        ScenarioError: a key is unknown, or a value is of another type or out of range.
    """
    known(values, Scenario.__struct_fields__, file, "")
    found = dict(values)
    for key, type_ in SECTIONS.items():
        if found.get(key) is not None:
            found[key] = section(found[key], type_, file, key)
    found["messages"] = messages_of(found.get("messages"), file)
    for codec, claims in table(found.get("codecs", {}), file, "codecs").items():
        known(table(claims, file, f"codecs.{codec}"), Constraints.__struct_fields__, file, f"codecs.{codec}")
    made: Scenario = section({"name": name, **found}, Scenario, file, "")
    return made


def messages_of(values: Any, file: str) -> dict[str, Message]:
    """Make the kinds of messages."""
    if not table(values if values is not None else {}, file, "messages"):
        raise ScenarioError(f"{file}: messages: expected at least one [messages.KIND], KIND of {', '.join(KINDS)}")
    known(values, KINDS, file, "messages", "kind of message")
    found = {kind: section(value, Message, file, f"messages.{kind}") for kind, value in values.items()}
    for kind, message in found.items():
        known(message.operations, OPERATIONS, file, f"messages.{kind}.operations", "operation")
        if message.workloads and not sum(message.workloads.values()):
            raise ScenarioError(f"{file}: messages.{kind}.workloads: expected a share above 0, got none")
    if not sum(message.per_call for message in found.values()):
        raise ScenarioError(f"{file}: messages: expected a per_call above 0, got none")
    return found


def section(value: Any, type_: type[Any], file: str, where: str) -> Any:
    """Make one table of a scenario."""
    if isinstance(value, type_):
        return value
    known(table(value, file, where), type_.__struct_fields__, file, where)
    finite(value, file, where)
    try:
        return msgspec.convert({k: v for k, v in value.items() if v is not None}, type_)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        names = [name for name in path.strip("`.").replace("[...]", "").split(".") if name]
        place = ".".join(filter(None, [where, *names]))
        text = text.replace("Object missing", "missing").replace("Expected", "expected")
        if text.startswith("Invalid enum value"):
            text = f"expected one of {', '.join(get_args(get_type_hints(type_)[names[0]]))}"
        got = f", got {value[names[0]]!r:.60}" if names and names[0] in value else ""
        raise ScenarioError(f"{file}: {place}: {text}{got}".replace(": :", ":")) from error


def table(value: Any, file: str, where: str) -> Mapping[str, Any]:
    """Insist on a table.

    Raises:
        ScenarioError: it is something else.
    """
    if not isinstance(value, Mapping):
        raise ScenarioError(f"{file}: {where}: expected a table, got {value!r:.40}")
    return value


def known(values: Iterable[str], names: Iterable[str], file: str, where: str, what: str = "setting") -> None:
    """Refuse a key that nobody reads.

    Raises:
        ScenarioError: there is one; the text names the nearest known.
    """
    for key in values:
        if key not in (listed := list(names)):
            place = f"{file}: {where}" if where else file
            raise ScenarioError(f"{place}: {UnknownNameError.of(what, key[:60], listed)}")


def finite(value: Any, file: str, where: str) -> None:
    """Refuse infinity and what is no number, which TOML can say, and numbers beyond all measure."""
    for key, one in value.items():
        place = f"{file}: {where}.{key}".replace(": .", ": ")
        if isinstance(one, float) and not math.isfinite(one):
            raise ScenarioError(f"{place}: expected a finite number, got {one}")
        if isinstance(one, int | float) and one and not LEAST <= abs(one) <= MOST:
            raise ScenarioError(f"{place}: expected 0, or a number from {LEAST:g} to {MOST:g}, got {one:g}")
        if isinstance(one, dict):
            finite(one, file, f"{where}.{key}".strip("."))
