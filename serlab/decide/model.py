"""The cost model: a linear function of measured medians and of a scenario's weights, and nothing else.

Per message, of one codec, where a message is of workload w with the share q(w), and a scenario does operation o to it
n(o, w) times:

    q(w)      = per_call(kind) × share(w) / Σ share of the kind's workloads, divided by Σ per_call of all kinds
    cpu_ns    = Σ q(w) × (Σ n(o, w) × time_ns(o, w) + compress × time_ns(C, w) + decompress × time_ns(D, w))
    size      = Σ q(w) × bytes(w), raw, gzip or zstd as the wire is compressed
    wire_ns   = crossings × size × 8e9 / bandwidth_bit_per_s
    time_ns   = cpu_ns + wire_ns
    money     = cpu_ns / 3.6e12 × core_hour
                + crossings × size / 1e9 × traffic_gb
                + copies × days / 30.4375 × size / 1e9 × storage_gb_month
    cost_per_million = 1e6 × money

C and D are the run's operations `gzip` and `gunzip`, or `zstd` and `unzstd`. They are counted only where the run timed
them in all of the workloads, else left out for every codec alike. Kinds that the run does not hold are left out. A
variant for vectors (`orjson-base64`) writes other kinds as its codec does (`orjson`), whose figures stand in there. A
codec without one of the figures has no cost. Memory is Σ q(w) × n(o, w) × bytes allocated, and the highest peak, both
without compression.

`inputs` and a scenario are plain JSON values, so that the same function can be written, and checked, in JavaScript.
"""

import math
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from serlab.decide.formats import VECTORS, stand_in
from serlab.decide.gather import Inputs, inputs
from serlab.decide.text import percent
from serlab.decide.types import Message, Scenario
from serlab.errors import ScenarioError

__all__ = ["Cost", "Inputs", "Part", "candidates", "inputs", "missing", "parts", "resolve", "total", "totals"]

DAYS_PER_MONTH = 365.25 / 12
NS_PER_HOUR = 3.6e12
COMPRESSORS = {"gzip": ("gzip", "gunzip"), "zstd": ("zstd", "unzstd")}
"""Compression → the operations that compress and decompress."""

Counts = dict[str, list[tuple[str, float]]]
"""Workload → operation and how often per message."""


class Cost(NamedTuple):
    """What a codec costs per message; memory is not a number where the run did not measure it."""

    cpu_ns: float
    wire_ns: float
    time_ns: float
    size_bytes: float
    cost_per_million: float
    allocated_bytes: float
    peak_bytes: float


class Part(NamedTuple):
    """A workload's place in a scenario: its share of all messages, and what is done to each."""

    workload: str
    share: float
    message: Message


def resolve(found: Inputs, scenario: Scenario, corpora: Sequence[str] = ()) -> Scenario:
    """Put the run's workloads in the place of what the scenario says of them.

    Args:
        found: what `inputs` gave.
        scenario: the scenario.
        corpora: of the run, which what measures the rest keeps.

    Returns:
        The scenario with the kinds that the run holds, each with the workloads that stand for it and their shares.

    Raises:
        ScenarioError: the run holds none of the kinds.
    """
    messages = {}
    for kind, message in scenario.messages.items():
        held = [name for name, place in found["workloads"].items() if place["kind"] == kind]
        named = {name: share for name, share in message.workloads.items() if name in held and share}
        if held and message.per_call:
            messages[kind] = msgspec.structs.replace(message, workloads=named or dict.fromkeys(held, 1.0))
    if not messages:
        kinds = sorted({place["kind"] for place in found["workloads"].values()})
        raise ScenarioError(
            f"scenario {scenario.name}: needs {' or '.join(scenario.messages)}; this run has "
            f"{', '.join(kinds) or 'nothing'}: measure with {remedy(scenario, messages, corpora)}"
        )
    return msgspec.structs.replace(scenario, messages=messages)


def remedy(scenario: Scenario, held: Collection[str], corpora: Sequence[str]) -> str:
    """Name the command that measures what a scenario is about.

    Args:
        scenario: the scenario.
        held: kinds of it that the run has. With corpora only the others are named: a built-in workload would be
            decided on in place of a corpus of its kind.
        corpora: of the run.
    """
    wanted = [message for kind, message in scenario.messages.items() if not corpora or kind not in held]
    names = [name for message in wanted for name in message.workloads]
    operations = dict.fromkeys(name for message in scenario.messages.values() for name in message.operations)
    options = [word for corpus in corpora for word in ("--corpus", corpus)]
    options += ["--workload", ",".join(names)] if names else [] if corpora and not wanted else ["--corpus", "FILE"]
    return f"`{shlex.join(['serlab', 'compare', *options, '--operation', ','.join(operations) or 'encode'])}`"


def parts(found: Inputs, scenario: Scenario) -> list[Part]:
    """List the workloads of a scenario with their shares, which add up to 1.

    Raises:
        ScenarioError: the run holds none of the kinds.
    """
    messages = resolve(found, scenario).messages.values()
    count = sum(message.per_call for message in messages)
    return [
        Part(name, message.per_call * share / sum(message.workloads.values()) / count, message)
        for message in messages
        for name, share in message.workloads.items()
    ]


def counted(found: Inputs, scenario: Scenario, of: list[Part]) -> Counts:
    """List the operations that count in each workload, compression among them where it was measured in all."""
    how = COMPRESSORS.get(scenario.wire.compression)
    timed = how and all(has_times(found["workloads"][part.workload], how) for part in of)
    counts = {}
    for part in of:
        more = [*zip(how, (part.message.compress, part.message.decompress), strict=True)] if how and timed else []
        counts[part.workload] = [(name, times) for name, times in [*part.message.operations.items(), *more] if times]
    return counts


def has_times(place: Mapping[str, Any], operations: tuple[str, ...]) -> bool:
    """Tell whether some codec was timed in all of some operations."""
    return any(set(operations) <= one["time_ns"].keys() for one in place["codecs"].values())


def figures_of(found: Inputs, workload: str, codec: str) -> dict[str, Any]:
    """Look up a codec's figures on a workload, those of its `stand_in` where it has none; empty if neither has."""
    place = found["workloads"][workload]
    other = stand_in(codec) if place["kind"] != VECTORS else ""
    mine: dict[str, Any] = place["codecs"].get(codec) or place["codecs"].get(other, {})
    return mine


def lacking(found: Inputs, scenario: Scenario, of: list[Part], counts: Counts, codec: str) -> Iterator[str]:
    """Say what a codec lacks for a scenario."""
    size = scenario.wire.compression.replace("none", "raw")
    for part in of:
        mine = figures_of(found, part.workload, codec)
        if mine.get("failure"):
            yield f"{mine['failure']} on {part.workload}"
            continue
        absent = [name for name, _ in counts[part.workload] if name not in mine.get("time_ns", {})]
        absent += [] if size in mine.get("bytes", {}) else [f"{size} size"]
        if absent:
            yield f"not measured: {', '.join(absent)} on {part.workload}"


class Refused(NamedTuple):
    """Bodies of a workload that a codec refuses."""

    workload: str
    refused: int
    bodies: int

    @property
    def share(self) -> float:
        """Give the share of all bodies."""
        return self.refused / self.bodies

    def __str__(self) -> str:
        return f"{self.refused} of {self.bodies} bodies of {self.workload}, {percent(self.share)}"


def refused(found: Inputs, scenario: Scenario, codec: str) -> list[Refused]:
    """List the bodies that a codec refuses in the workloads of a scenario."""
    figures = ((part.workload, figures_of(found, part.workload, codec)) for part in parts(found, scenario))
    return [Refused(name, mine["refused"], mine["bodies"]) for name, mine in figures if mine.get("refused")]


def candidates(found: Inputs, of: list[Part]) -> list[str]:
    """List the codecs that were measured, under their own names, in one of a scenario's workloads at least."""
    names = [codec for part in of for codec in found["workloads"][part.workload]["codecs"]]
    return list(dict.fromkeys(names))


def missing(found: Inputs, scenario: Scenario) -> dict[str, str]:
    """Say of each codec that has no cost why that is.

    Raises:
        ScenarioError: the run holds none of the kinds.
    """
    of = parts(found, scenario)
    counts = counted(found, scenario, of)
    reasons = {codec: list(lacking(found, scenario, of, counts, codec)) for codec in candidates(found, of)}
    return {codec: "; ".join(reason) for codec, reason in reasons.items() if reason}


def totals(found: Inputs, scenario: Scenario) -> dict[str, Cost]:
    """Add up what each codec costs per message, by the formula at the top.

    Args:
        found: what `inputs` gave.
        scenario: the scenario.

    Returns:
        Codec → cost, of the codecs that have all the figures.

    Raises:
        ScenarioError: the run holds none of the kinds.
    """
    of = parts(found, scenario)
    counts = counted(found, scenario, of)
    return {
        codec: total(found, scenario, of, counts, codec)
        for codec in candidates(found, of)
        if not any(lacking(found, scenario, of, counts, codec))
    }


def total(found: Inputs, scenario: Scenario, of: list[Part], counts: Counts, codec: str) -> Cost:
    """Add up what one codec costs."""
    cpu = size = allocated = peak = 0.0
    metric = scenario.wire.compression.replace("none", "raw")
    for part in of:
        mine = figures_of(found, part.workload, codec)
        size += part.share * mine["bytes"][metric]
        for operation, times in counts[part.workload]:
            cpu += part.share * times * mine["time_ns"][operation]
            if operation in part.message.operations:
                allocated += part.share * times * mine["allocated_bytes"].get(operation, math.nan)
                peak = higher(peak, mine["peak_bytes"].get(operation, math.nan))
    wire = scenario.wire.crossings * size * 8e9 / scenario.wire.bandwidth_bit_per_s
    return Cost(cpu, wire, cpu + wire, size, 1e6 * money(scenario, cpu, size), allocated, peak)


def higher(one: float, other: float) -> float:
    """Give the higher of two; not a number if one is not."""
    return math.nan if math.isnan(one) or math.isnan(other) else max(one, other)


def money(scenario: Scenario, cpu_ns: float, size: float) -> float:
    """Price one message."""
    prices, storage = scenario.prices, scenario.storage
    kept = storage.copies * storage.days / DAYS_PER_MONTH * size / 1e9 * prices.storage_gb_month
    moved = scenario.wire.crossings * size / 1e9 * prices.traffic_gb
    return cpu_ns / NS_PER_HOUR * prices.core_hour + moved + kept
