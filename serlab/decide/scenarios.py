"""Scenarios as files: the built-in ones, a user's own, and what is wrong with one."""

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, field

from serlab.errors import ScenarioError, UnknownNameError
from serlab.messages import KINDS
from serlab.records import COMPRESSION
from serlab.report import SIZE, TIME, scaled, three_digits
from serlab.stats import Estimate

# What a scenario is made of; the TOML files under `scenarios/` explain each setting where it stands.

Amount = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a scenario's tables: immutable, and without keys that nobody reads."""


class Message(Setting, frozen=True, forbid_unknown_fields=True):
    """One kind of message at the boundary.

    Attributes:
        per_call: how many of them one call of the model brings.
        operations: operation → how often per message.
        compress: how often per message it is compressed, where `wire.compression` is not "none".
        decompress: the same for the reverse.
        workloads: workload or corpus → its share among the messages of this kind; empty means all that the run has,
            alike.
    """

    per_call: Amount = 1.0
    operations: dict[str, Amount] = field(default_factory=dict)
    compress: Amount = 1.0
    decompress: Amount = 1.0
    workloads: dict[str, Amount] = field(default_factory=dict)


class Wire(Setting, frozen=True, forbid_unknown_fields=True):
    """The way between the two ends: bits per second, how often a message goes over it, and compressed how."""

    bandwidth_bit_per_s: Positive = 1e9
    crossings: Amount = 1.0
    compression: Literal["none", "gzip", "zstd"] = "none"


class Storage(Setting, frozen=True, forbid_unknown_fields=True):
    """What is kept: copies per message, and for how many days."""

    copies: Amount = 0.0
    days: Amount = 0.0


class Constraints(Setting, frozen=True, forbid_unknown_fields=True):
    """What the format must be able to do, see `serlab.decide.cost`.

    Only `untrusted_bytes` is asked for where nothing is said: what checks nothing must be chosen on purpose.
    """

    browser: bool = False
    person: bool = False
    other_languages: bool = False
    unknown_fields: bool = False
    untrusted_bytes: bool = True


class Latency(Setting, frozen=True, forbid_unknown_fields=True):
    """What one call waits for beside codec and wire.

    Attributes:
        time_to_first_token_s: of one call of the model.
        tokens: in one answer.
        tokens_per_s: rate after the first token.
        model_calls: how many calls of the model one call of the service waits for.
        other_s: everything else.
    """

    time_to_first_token_s: Amount = 0.0
    tokens: Amount = 0.0
    tokens_per_s: Positive = 50.0
    model_calls: Amount = 1.0
    other_s: Amount = 0.0


class Prices(Setting, frozen=True, forbid_unknown_fields=True):
    """Money per core-hour, per 10^9 bytes that cross the wire, and per 10^9 bytes stored for a month.

    The defaults, and those of the built-in scenarios, are examples and no one's offer.
    """

    currency: str = "USD"
    core_hour: Amount = 0.04
    traffic_gb: Amount = 0.01
    storage_gb_month: Amount = 0.02


class Thresholds(Setting, frozen=True, forbid_unknown_fields=True):
    """The least saving that is worth a change of format: a share of the whole latency, money per million messages."""

    latency_share: Amount = 0.01
    saving_per_million: Amount = 1.0


class Scenario(Setting, frozen=True, forbid_unknown_fields=True):
    """A boundary of a system: what crosses it, how, under what constraints, and at what prices.

    Attributes:
        name: of the file, without its suffix.
        question: one sentence.
        objective: what codecs are ranked by: "time" is codec and wire per message, "money" all that has a price.
        messages: kind of message → how many, and what is done to each.
        wire: the way between the two ends.
        storage: what is kept.
        constraints: what the format must be able to do.
        latency: what a call waits for; None where nobody waits.
        prices: of CPU time, traffic and storage.
        thresholds: below which the answer is to stay with the baseline.
        codecs: codec → constraint → whether it meets it; for other packages' codecs, of which serlab knows nothing.
        max_refused_share: the share of a workload's bodies that a codec may refuse and still be recommended; what
            refuses more than 1 % has no figures, whatever stands here.
    """

    question: str
    messages: dict[str, Message]
    name: str = ""
    objective: Literal["time", "money"] = "time"
    wire: Wire = Wire()
    storage: Storage = Storage()
    constraints: Constraints = Constraints()
    latency: Latency | None = None
    prices: Prices = Prices()
    thresholds: Thresholds = Thresholds()
    codecs: dict[str, dict[str, bool]] = field(default_factory=dict)
    max_refused_share: Share = 0.0


SECTIONS: dict[str, type[Setting]] = {
    "wire": Wire,
    "storage": Storage,
    "constraints": Constraints,
    "latency": Latency,
    "prices": Prices,
    "thresholds": Thresholds,
}
"""Table of a scenario's file → its type."""


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
    """Return a built-in scenario's file, comments and all, to be copied and edited.

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
        return _parse(scenario_text(str(source)), str(source), str(source))
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ScenarioError(f"{path}: cannot be read: {reason}; `serlab decide --copy NAME` writes one") from error
    return _parse(text, str(path), path.stem)


def _parse(text: str, file: str, name: str) -> Scenario:
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
    if values is None or (wrong := _misshapen(values)):
        raise ScenarioError(f"{file}: {wrong if values is not None else TOO_DEEP}")
    return from_dict(values, file, name)


def _misshapen(values: Any) -> str:
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
    _known(values, Scenario.__struct_fields__, file, "")
    found = dict(values)
    for key, type_ in SECTIONS.items():
        if found.get(key) is not None:
            found[key] = _section(found[key], type_, file, key)
    found["messages"] = _messages_of(found.get("messages"), file)
    for codec, claims in _table(found.get("codecs", {}), file, "codecs").items():
        _known(_table(claims, file, f"codecs.{codec}"), Constraints.__struct_fields__, file, f"codecs.{codec}")
    made: Scenario = _section({"name": name, **found}, Scenario, file, "")
    return made


def _messages_of(values: Any, file: str) -> dict[str, Message]:
    """Make the kinds of messages."""
    if not _table(values if values is not None else {}, file, "messages"):
        raise ScenarioError(f"{file}: messages: expected at least one [messages.KIND], KIND of {', '.join(KINDS)}")
    _known(values, KINDS, file, "messages", "kind of message")
    found = {kind: _section(value, Message, file, f"messages.{kind}") for kind, value in values.items()}
    for kind, message in found.items():
        _known(message.operations, OPERATIONS, file, f"messages.{kind}.operations", "operation")
        if message.workloads and not sum(message.workloads.values()):
            raise ScenarioError(f"{file}: messages.{kind}.workloads: expected a share above 0, got none")
    if not sum(message.per_call for message in found.values()):
        raise ScenarioError(f"{file}: messages: expected a per_call above 0, got none")
    return found


def _section(value: Any, type_: type[Any], file: str, where: str) -> Any:
    """Make one table of a scenario."""
    if isinstance(value, type_):
        return value
    _known(_table(value, file, where), type_.__struct_fields__, file, where)
    _finite(value, file, where)
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


def _table(value: Any, file: str, where: str) -> Mapping[str, Any]:
    """Insist on a table.

    Raises:
        ScenarioError: it is something else.
    """
    if not isinstance(value, Mapping):
        raise ScenarioError(f"{file}: {where}: expected a table, got {value!r:.40}")
    return value


def _known(values: Iterable[str], names: Iterable[str], file: str, where: str, what: str = "setting") -> None:
    """Refuse a key that nobody reads.

    Raises:
        ScenarioError: there is one; the text names the nearest known.
    """
    for key in values:
        if key not in (listed := list(names)):
            place = f"{file}: {where}" if where else file
            raise ScenarioError(f"{place}: {UnknownNameError.of(what, key[:60], listed)}")


def _finite(value: Any, file: str, where: str) -> None:
    """Refuse infinity and what is no number, which TOML can say, and numbers beyond all measure."""
    for key, one in value.items():
        place = f"{file}: {where}.{key}".replace(": .", ": ")
        if isinstance(one, float) and not math.isfinite(one):
            raise ScenarioError(f"{place}: expected a finite number, got {one}")
        if isinstance(one, int | float) and one and not LEAST <= abs(one) <= MOST:
            raise ScenarioError(f"{place}: expected 0, or a number from {LEAST:g} to {MOST:g}, got {one:g}")
        if isinstance(one, dict):
            _finite(one, file, f"{where}.{key}".strip("."))


# Figures of a decision as people read them.

BITS = ((1e12, "Tbit/s"), (1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s"))
LEAST_SHARE = 0.00001
LEAST_MONEY = 0.001
WIRED = (1e5, 1e12)
"""Bandwidths that there are, in bit/s: a break-even outside of them is of no use to anybody."""


def percent(share: float) -> str:
    """Write a share with two digits that count, and the smallest ones only as such."""
    if math.isnan(share):
        return "–"
    return (
        f"{_two_digits(share * 100)} %"
        if abs(share) >= LEAST_SHARE or not share
        else f"less than {LEAST_SHARE * 100:g} %"
    )


def _two_digits(value: float) -> str:
    """Write a number with two digits that count and no exponent."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def money(amount: float, currency: str) -> str:
    """Write an amount, and the smallest ones only as such."""
    if 0 < abs(amount) < LEAST_MONEY:
        return f"less than {LEAST_MONEY} {currency}"
    return f"{three_digits(amount)} {currency}"


def bandwidth(bits_per_s: float) -> str:
    """Write a bandwidth."""
    return scaled(bits_per_s, BITS)


def duration(seconds: float) -> str:
    """Write a duration in the largest unit that keeps it at 1 or more."""
    return scaled(seconds * 1e9, TIME)


def size(byte_count: float) -> str:
    """Write a number of bytes."""
    return scaled(byte_count, SIZE)


def times(estimate: Estimate) -> str:
    """Write a ratio with its interval."""
    if estimate.n == 0:
        return "–"
    return f"{three_digits(estimate.value)} [{three_digits(estimate.low)}, {three_digits(estimate.high)}]"


def value_of(weight: str, value: object) -> str:
    """Write a weight's value in its unit."""
    if not isinstance(value, int | float):
        return str(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "any"
    return bandwidth(value) if weight.endswith("bit_per_s") else f"{value:.3g}"


def listed(names: list[str]) -> str:
    """Write names as a list with `and`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


# One setting of a scenario: read it, change it, and write it as people do on a command line.

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
        *tables, last = _full_path(path).split(".", 3)
        for name in tables:
            place = _enter(place, name, path)
        place[last] = value
    return from_dict(values, f"scenario {scenario.name}")


def _enter(place: Any, name: str, path: str) -> Any:
    """Go into a table, or into a latency that the scenario leaves out."""
    if name == "latency" and place.get(name) is None:
        place[name] = msgspec.to_builtins(Latency())
    if not isinstance(place.get(name), dict):
        raise ScenarioError(f"setting {path!r}: the scenario has no {name!r} there. Known: {', '.join(place)}")
    return place[name]


def _full_path(path: str) -> str:
    """Complete the name of a setting with its table's."""
    homes = {name: f"{key}.{name}" for key, type_ in SECTIONS.items() for name in type_.__struct_fields__}
    return homes.get(path, path)


def replaced(tree: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return a copy of a scenario in which one setting is another; nothing is checked."""
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
