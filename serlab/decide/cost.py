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

`Inputs` and a scenario hold plain JSON values, so that the same function can be written, and checked, in JavaScript.
"""

import math
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from serlab.cases import AA, BOUNDS, ELSEWHERE, Case
from serlab.codecs import find_info
from serlab.decide.scenarios import Constraints, Message, Scenario, percent
from serlab.errors import ScenarioError
from serlab.records import body_count, why_unmeasured
from serlab.report import OUTCOMES, baseline_of

# What each format can do, whatever it costs: what constraints are checked against.
#
# A codec's record says it. Of a codec that is not installed here, as the results of another machine may have it,
# nothing is known; a scenario's `[codecs.NAME]` may say it, and where a constraint asks for what nobody said, the
# codec cannot be recommended.

NAMES = Constraints.__struct_fields__


class Format(NamedTuple):
    """What a codec's format can do; None where it is not known.

    Attributes:
        wire: what stands on the wire; codecs with the same can stand at either end.
        browser: a browser reads it without a library.
        person: somebody reads it in an editor or a pager.
        other_languages: libraries for the common languages read it.
        unknown_fields: a field that the reader's types do not know survives decoding and encoding.
        untrusted_bytes: hostile bytes cannot crash the process, read beyond the message or flood the memory.
        schema: both ends must share a schema file.
        reference: measured to compare with, not to be recommended; why, "" if it may be.
    """

    wire: str
    browser: bool | None
    person: bool | None
    other_languages: bool | None
    unknown_fields: bool | None
    untrusted_bytes: bool | None
    schema: bool | None
    reference: str = ""


VECTORS = "EmbeddingResponse"
"""The only kind that the variants for vectors write otherwise than the codec they come from."""
UNKNOWN = Format("", None, None, None, None, None, None)


def substitute_of(codec: str) -> str:
    """Name the codec that writes the same where there are no vectors; "" for one that is no variant for vectors."""
    info = find_info(codec)
    return info.variant_of if info is not None and info.vectors else ""


def format_of(codec: str, claims: Mapping[str, bool] | None = None) -> Format:
    """Return what a codec's format can do.

    Args:
        codec: its name.
        claims: what the scenario says of it, constraint → whether it meets it.

    Returns:
        What its record says; all None for a codec that is not installed here.
    """
    info, said = find_info(codec), dict[str, Any](claims or {})
    if info is None or not info.format.name:
        return UNKNOWN._replace(**said)
    wire = info.format
    abilities = (wire.browser, wire.person, wire.other_languages, wire.unknown_fields, info.verifies, info.schema)
    return Format(wire.name, *abilities, info.reference)._replace(**said)


def shortcomings(format_: Format, constraints: Constraints) -> list[str]:
    """Say which constraints a format does not meet, or is not known to meet."""
    found = []
    for name in NAMES:
        able = getattr(format_, name)
        if getattr(constraints, name) and not able:
            text = name.replace("_", " ")
            found.append(f"{text}: unknown, say it in [codecs.NAME]" if able is None else f"{text}: no")
    return found


# A run's rows → the plain numbers that the cost model reads.

MEMORY = {"bytes": "allocated_bytes", "peak": "peak_bytes"}
"""Metric → the attribute of `CodecFigures` that holds it."""


class CodecFigures(msgspec.Struct):
    """One codec's figures on one workload.

    Attributes:
        bytes: "raw", "gzip" or "zstd" → of a message.
        time_ns: operation → nanoseconds per message.
        allocated_bytes: operation → of a message.
        peak_bytes: operation → the highest at a time.
        failure: why there is no figure; "" where there are.
        bodies: how many were tried.
        refused: how many of these the codec refused.
    """

    bytes: dict[str, float] = {}
    time_ns: dict[str, float] = {}
    allocated_bytes: dict[str, float] = {}
    peak_bytes: dict[str, float] = {}
    failure: str = ""
    bodies: int = 0
    refused: int = 0


NOT_MEASURED = CodecFigures()
"""Of a codec that was not measured on a workload."""


class WorkloadFigures(msgspec.Struct):
    """A workload: the kind of its messages, and each codec's figures."""

    kind: str
    codecs: dict[str, CodecFigures] = {}


class Inputs(msgspec.Struct):
    """What the model reads of a run: the baseline's name, what each codec's format can do, and the workloads."""

    baseline: str
    formats: dict[str, Format] = {}
    workloads: dict[str, WorkloadFigures] = {}


def inputs(rows: pd.DataFrame, process: int | None = None, control: bool = False) -> Inputs:
    """Gather what the model reads.

    Args:
        rows: the tidy table of one run.
        process: take times from this worker alone; None takes the median over all.
        control: give the baseline's second arm as well, as if it were a codec.
    """
    baseline = baseline_of(rows)
    rows = rows[~rows["role"].isin((*BOUNDS, *ELSEWHERE))]
    found = Inputs(baseline)
    for keys, group in rows.groupby(["workload", "message", "codec", "role"], sort=False):
        workload, kind, name, role = map(str, keys)
        codec = Case(name, role)
        place = found.workloads.setdefault(workload, WorkloadFigures(kind))
        if codec.is_again and not control:
            continue
        place.codecs[str(codec)] = _figures(group, process)
        found.formats.setdefault(str(codec), format_of(codec))
    if control:
        _add_control(found.workloads, baseline)
    return found


def _figures(group: pd.DataFrame, process: int | None) -> CodecFigures:
    """Gather one codec's figures on one workload."""
    found = CodecFigures()
    times: dict[str, list[float]] = {}
    counts: dict[str, float] = {}
    for row in group.itertuples():
        if row.metric == "time" and process in (None, row.process):
            times.setdefault(str(row.place), []).append(float(row.value))  # type: ignore[arg-type]
        elif row.place == "size":
            found.bytes[str(row.metric)] = float(row.value)  # type: ignore[arg-type]
        elif row.place == "parity":
            counts[str(row.metric)] = float(row.value)  # type: ignore[arg-type]
        elif row.metric in MEMORY:
            getattr(found, MEMORY[str(row.metric)])[row.place] = row.value
    found.failure = OUTCOMES.get(why_unmeasured(counts), "")
    found.bodies, found.refused = body_count(counts), round(counts.get("refused", 0))
    found.time_ns = {operation: float(pd.Series(values).median()) for operation, values in times.items()}
    return found


def _add_control(workloads: dict[str, WorkloadFigures], baseline: str) -> None:
    """Return the baseline's second arm, which is only timed, the baseline's sizes."""
    second = str(Case(baseline, AA))
    for place in workloads.values():
        arm, base = place.codecs.get(second), place.codecs.get(baseline)
        if arm and base:
            place.codecs[second] = msgspec.structs.replace(base, time_ns=arm.time_ns)


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
        held = [name for name, place in found.workloads.items() if place.kind == kind]
        named = {name: share for name, share in message.workloads.items() if name in held and share}
        if held and message.per_call:
            messages[kind] = msgspec.structs.replace(message, workloads=named or dict.fromkeys(held, 1.0))
    if not messages:
        kinds = sorted({place.kind for place in found.workloads.values()})
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
    timed = how and all(_has_times(found.workloads[part.workload], how) for part in of)
    counts = {}
    for part in of:
        more = [*zip(how, (part.message.compress, part.message.decompress), strict=True)] if how and timed else []
        counts[part.workload] = [(name, times) for name, times in [*part.message.operations.items(), *more] if times]
    return counts


def _has_times(place: WorkloadFigures, operations: tuple[str, ...]) -> bool:
    """Return whether some codec was timed in all of some operations."""
    return any(set(operations) <= one.time_ns.keys() for one in place.codecs.values())


def figures_of(found: Inputs, workload: str, codec: str) -> CodecFigures:
    """Look up a codec's figures on a workload, or those of its `substitute_of`; `NOT_MEASURED` if neither has any."""
    place = found.workloads[workload]
    other = substitute_of(codec) if place.kind != VECTORS else ""
    return place.codecs.get(codec) or place.codecs.get(other, NOT_MEASURED)


def _lacking(found: Inputs, scenario: Scenario, of: list[Part], counts: Counts, codec: str) -> Iterator[str]:
    """Say what a codec lacks for a scenario."""
    size = scenario.wire.compression.replace("none", "raw")
    for part in of:
        mine = figures_of(found, part.workload, codec)
        if mine.failure:
            yield f"{mine.failure} on {part.workload}"
            continue
        absent = [name for name, _ in counts[part.workload] if name not in mine.time_ns]
        absent += [] if size in mine.bytes else [f"{size} size"]
        if absent:
            yield f"not measured: {', '.join(absent)} on {part.workload}"


class Refused(NamedTuple):
    """Bodies of a workload that a codec refuses."""

    workload: str
    refused: int
    bodies: int

    @property
    def share(self) -> float:
        """Return the share of all bodies."""
        return self.refused / self.bodies

    def __str__(self) -> str:
        return f"{self.refused} of {self.bodies} bodies of {self.workload}, {percent(self.share)}"


def refused(found: Inputs, scenario: Scenario, codec: str) -> list[Refused]:
    """List the bodies that a codec refuses in the workloads of a scenario."""
    figures = ((part.workload, figures_of(found, part.workload, codec)) for part in parts(found, scenario))
    return [Refused(name, mine.refused, mine.bodies) for name, mine in figures if mine.refused]


def candidates(found: Inputs, of: list[Part]) -> list[str]:
    """List the codecs that were measured, under their own names, in one of a scenario's workloads at least."""
    names = [codec for part in of for codec in found.workloads[part.workload].codecs]
    return list(dict.fromkeys(names))


def missing(found: Inputs, scenario: Scenario) -> dict[str, str]:
    """Say of each codec that has no cost why that is.

    Raises:
        ScenarioError: the run holds none of the kinds.
    """
    of = parts(found, scenario)
    counts = counted(found, scenario, of)
    reasons = {codec: list(_lacking(found, scenario, of, counts, codec)) for codec in candidates(found, of)}
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
        codec: _total(found, scenario, of, counts, codec)
        for codec in candidates(found, of)
        if not any(_lacking(found, scenario, of, counts, codec))
    }


def _total(found: Inputs, scenario: Scenario, of: list[Part], counts: Counts, codec: str) -> Cost:
    """Add up what one codec costs."""
    cpu = size = allocated = peak = 0.0
    metric = scenario.wire.compression.replace("none", "raw")
    for part in of:
        mine = figures_of(found, part.workload, codec)
        size += part.share * mine.bytes[metric]
        for operation, times in counts[part.workload]:
            cpu += part.share * times * mine.time_ns[operation]
            if operation in part.message.operations:
                allocated += part.share * times * mine.allocated_bytes.get(operation, math.nan)
                peak = _higher(peak, mine.peak_bytes.get(operation, math.nan))
    wire = scenario.wire.crossings * size * 8e9 / scenario.wire.bandwidth_bit_per_s
    return Cost(cpu, wire, cpu + wire, size, 1e6 * _money(scenario, cpu, size), allocated, peak)


def _higher(one: float, other: float) -> float:
    """Return the higher of two; not a number if one is not."""
    return math.nan if math.isnan(one) or math.isnan(other) else max(one, other)


def _money(scenario: Scenario, cpu_ns: float, size: float) -> float:
    """Price one message."""
    prices, storage = scenario.prices, scenario.storage
    kept = storage.copies * storage.days / DAYS_PER_MONTH * size / 1e9 * prices.storage_gb_month
    moved = scenario.wire.crossings * size / 1e9 * prices.traffic_gb
    return cpu_ns / NS_PER_HOUR * prices.core_hour + moved + kept


# What codec and wire are of the whole latency of a call.

NS = 1e9


class LatencyShare(NamedTuple):
    """Codec and wire beside what else a call waits for.

    Attributes:
        other_s: what else it waits for: the model and the rest.
        baseline_s: codec and wire with the baseline, all messages of a call one after another.
        leader_s: the same with the cheapest codec.
        baseline_share: of the whole latency with the baseline.
        saved_share: what the cheapest codec would take off it.
        matters_below_s: the saving is worth a change, by the scenario's threshold, in a call that takes less than this
            in all; not a number where nothing is saved.
    """

    other_s: float
    baseline_s: float
    leader_s: float
    baseline_share: float
    saved_share: float
    matters_below_s: float


def per_call(scenario: Scenario) -> float:
    """Count the messages of a call; of a resolved scenario those that the run holds."""
    return sum(message.per_call for message in scenario.messages.values())


def _other_s(scenario: Scenario) -> float:
    """Add up what a call waits for beside codec and wire, in seconds; not a number where nobody waits."""
    waits = scenario.latency
    if waits is None:
        return math.nan
    return waits.model_calls * (waits.time_to_first_token_s + waits.tokens / waits.tokens_per_s) + waits.other_s


def share_of(scenario: Scenario, baseline: Cost, part_ns: float) -> float:
    """Return a part of the whole latency of a call with the baseline."""
    whole = _other_s(scenario) + baseline.time_ns * per_call(scenario) / NS
    return part_ns / NS / whole if whole else math.nan


def latency_share(scenario: Scenario, baseline: Cost, leader: Cost) -> LatencyShare:
    """Compare codec and wire with the whole latency.

    Args:
        scenario: with the kinds that the run holds.
        baseline: what the baseline costs.
        leader: what the cheapest codec costs.
    """
    before, after = (cost.time_ns * per_call(scenario) for cost in (baseline, leader))
    least = scenario.thresholds.latency_share
    matters = (before - after) / NS / least if before > after and least else math.nan
    shares = share_of(scenario, baseline, before), share_of(scenario, baseline, before - after)
    return LatencyShare(_other_s(scenario), before / NS, after / NS, *shares, matters)
