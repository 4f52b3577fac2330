"""A decision in plain sentences, the answer first."""

import json
import math
import shlex
from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from serlab.decide.cost import COMPRESSORS, NAMES, Format, LatencyShare, counted, parts, refused, remedy, shortcomings
from serlab.decide.ranking import Ranking, Run, Standing
from serlab.decide.scenarios import WIRED, Scenario, bandwidth, duration, listed, money, percent, size, times, value_of
from serlab.report import TIME, common_lines, scaled, to_markdown
from serlab.visible import inline

if TYPE_CHECKING:
    from serlab.decide.decision import Decision


CORE_HOUR = "prices.core_hour"
PAIR = ["codec", "against"]
BANDWIDTH = "wire.bandwidth_bit_per_s"


def verdict(scenario: Scenario, ranking: Ranking, share: LatencyShare | None) -> str:
    """Say in one sentence what to do."""
    base, leader, best = ranking.baseline, ranking.leader, ranking.recommended
    if not best:
        return f"No codec that was measured can be used here: {_hindrance(ranking)}."
    lead = f"Stay with {base}" if best == base else f"Use {best}"
    if ranking.reason == "alone":
        carries = any(_only_refuses(scenario, one) for one in ranking.standings)
        also = " and carries every body" if carries and not scenario.max_refused_share else ""
        return f"{lead}: of what was measured only this meets the constraints{also}."
    if ranking.reason == "too little":
        return f"{lead}: {_too_little(scenario, ranking, share)}"
    if ranking.reason == "tie":
        others = [name for name in ranking.tied if name != base]
        return f"{lead}: {listed(others)} {'ties' if len(others) == 1 else 'tie'} with it."
    if best == base:
        return f"{lead}: nothing that can be used here is cheaper."
    gain = f"{_compared(scenario, ranking, ranking.of(best))}{_gained(scenario, ranking)}"
    if ranking.reason == "simplest":
        return f"{lead}: it ties with {leader}, and {_simpler(ranking)}; it {gain}."
    return f"{lead}: it {gain}."


def _compared(scenario: Scenario, ranking: Ranking, one: Standing) -> str:
    """Say how a codec stands to the baseline."""
    what = "takes" if scenario.objective == "time" else "costs"
    return f"{what} {times(one.to_baseline)} × what {ranking.baseline} does"


def _hindrance(ranking: Ranking) -> str:
    """Say what bars the cheapest codecs."""
    return ", ".join(f"{one.codec} ({one.barred})" for one in ranking.standings[:3])


def _too_little(scenario: Scenario, ranking: Ranking, share: LatencyShare | None) -> str:
    """Say how little a change would save."""
    leader = f"{ranking.leader}, the cheapest that can be used, would save"
    if share is not None and scenario.objective == "time":
        return (
            f"codec and wire are {percent(share.baseline_share)} of the latency of a call; {leader} "
            f"{percent(ranking.saving)}, and a change should save {percent(scenario.thresholds.latency_share)}."
        )
    currency = scenario.prices.currency
    return (
        f"{leader} {money(ranking.saving, currency)} per million messages, and a change should save "
        f"{money(scenario.thresholds.saving_per_million, currency)}."
    )


def _gained(scenario: Scenario, ranking: Ranking) -> str:
    """Say what a change saves."""
    if math.isnan(ranking.saving):
        return ""
    if scenario.objective == "money":
        return f", which saves {money(ranking.saving, scenario.prices.currency)} per million messages"
    return f", which saves {percent(ranking.saving)} of the latency of a call"


def _simpler(ranking: Ranking) -> str:
    """Say why the recommended codec is simpler than the leader."""
    best, leader = ranking.of(ranking.recommended).format, ranking.of(ranking.leader).format
    same = any(one.codec == ranking.baseline and one.format.wire == best.wire for one in ranking.standings)
    if same and leader.wire != best.wire:
        return f"writes {best.wire} as {ranking.baseline} does"
    return "needs no schema" if leader.schema else "is as simple"


def costs(scenario: Scenario, ranking: Ranking) -> Iterator[str]:
    """Say what a message costs with the baseline, the leader and the recommended codec, and which tie."""
    names = dict.fromkeys((ranking.baseline, ranking.recommended, ranking.leader))
    for one in (one for name in names for one in ranking.standings if one.codec == name and one.cost):
        yield _cost(scenario, ranking, one)
    if len(ranking.tied) > 1 and ranking.reason != "tie":
        yield f"{listed(ranking.tied)} tie: they differ by less than the noise of this run."


def _cost(scenario: Scenario, ranking: Ranking, one: Standing) -> str:
    """Say what a message costs with one codec."""
    assert one.cost is not None
    wire = f" and {scaled(one.cost.wire_ns, TIME)} on a wire of {bandwidth(scenario.wire.bandwidth_bit_per_s)}"
    price = money(one.cost.cost_per_million, scenario.prices.currency)
    text = f"With {one.codec} a message takes {scaled(one.cost.cpu_ns, TIME)} of CPU{wire if one.cost.wire_ns else ''}"
    memory = "" if math.isnan(one.cost.allocated_bytes) else f" and {size(one.cost.allocated_bytes)} allocated"
    text += f", {size(one.cost.size_bytes)} sent{memory}, {price} per million"
    said = one.codec == ranking.recommended and ranking.reason in ("cheapest", "simplest")
    if one.codec != ranking.baseline and one.to_baseline.n and not said:
        text += f"; it {_compared(scenario, ranking, one)}"
    return f"{text}."


def barred(ranking: Ranking) -> Iterator[str]:
    """Say what the constraints cost: the cheapest codec that they bar, if it is cheaper than the leader."""
    out = [one for one in ranking.standings if one.barred and one.cost and not one.format.reference]
    for one in out[:1]:
        if ranking.leader and one.to_leader.value < 1 and not one.ties:
            yield (
                f"The constraints bar {one.codec} ({one.barred}), which stands at {times(one.to_leader)} × "
                f"{ranking.leader}."
            )


def refusing(run: Run, scenario: Scenario, ranking: Ranking) -> Iterator[str]:
    """Say which codecs refuse bodies and are taken all the same, and which are barred for that alone."""
    limit = f"{scenario.max_refused_share:g}"
    found = {one.codec: refused(run.inputs, scenario, one.codec) for one in ranking.standings if one.cost}
    taken: dict[str, list[str]] = {}
    for codec in (one.codec for one in ranking.open if found[one.codec]):
        taken.setdefault(listed(list(map(str, found[codec]))), []).append(codec)
    for what, codecs in taken.items():
        yield f"{_refuse(codecs)} {what}, which max_refused_share = {limit} allows."
    out = [one.codec for one in ranking.standings if _only_refuses(scenario, one)]
    if out:
        # Rounded up, so that what is said is enough.
        enough = math.ceil(max(one.share for codec in out for one in found[codec]) * 1e4) / 1e4
        yield (
            f"{_refuse(out)} bodies and {'is' if len(out) == 1 else 'are'} barred for that alone: max_refused_share is "
            f"{limit}; with {enough:g} they count."
        )


def _refuse(codecs: list[str]) -> str:
    """Say that codecs refuse something."""
    return f"{listed(codecs)} {'refuses' if len(codecs) == 1 else 'refuse'}"


def _only_refuses(scenario: Scenario, one: Standing) -> bool:
    """Return whether a codec is barred for nothing but the bodies that it refuses."""
    others = one.format.reference or shortcomings(one.format, scenario.constraints)
    return bool(one.cost and one.barred and not others)


def overtaking(scenario: Scenario, ranking: Ranking, table: pd.DataFrame) -> Iterator[str]:
    """Say where another codec overtakes the leader, and the leader the baseline."""
    mine = table[(table["codec"] == ranking.leader) | (table["against"] == ranking.leader)]
    wired = mine[(mine["weight"] == BANDWIDTH) & mine["at"].between(*WIRED)]
    base = [ranking.baseline]
    if scenario.objective == "money":
        priced = mine[mine["weight"] == CORE_HOUR].dropna(subset=["at"])
        for row in priced[priced[PAIR].isin(base).any(axis=1)].to_dict("records"):
            price = f"{money(row['at'], scenario.prices.currency)} per core-hour"
            yield f"{row['cheaper_above']} costs less than {row['cheaper_below']} above {price}."
        return
    below = wired[(wired["at"] < wired["value"]) & (wired["cheaper_below"] != ranking.leader)].nlargest(1, "at")
    above = wired[(wired["at"] > wired["value"]) & (wired["cheaper_above"] != ranking.leader)].nsmallest(1, "at")
    for row in (
        pd.concat([wired[wired[PAIR].isin(base).any(axis=1)], below, above]).drop_duplicates().to_dict("records")
    ):
        interval = "" if math.isnan(row["at_low"]) else f" [{bandwidth(row['at_low'])}, {bandwidth(row['at_high'])}]"
        yield f"{row['cheaper_below']} overtakes {row['cheaper_above']} below {bandwidth(row['at'])}{interval}."


def waiting(scenario: Scenario, ranking: Ranking, share: LatencyShare | None) -> Iterator[str]:
    """Say what of the latency is at stake, and in how fast a call the saving would matter."""
    if share is None:
        return
    if ranking.reason != "too little" or scenario.objective != "time":
        yield f"Codec and wire are {percent(share.baseline_share)} of the latency of a call with {ranking.baseline}."
    elif share.matters_below_s > 0:
        least = percent(scenario.thresholds.latency_share)
        if share.matters_below_s < share.baseline_s:
            yield f"{ranking.leader} would save less than {least} even of a call that is codec and wire alone."
            return
        limit = duration(share.matters_below_s)
        yield f"{ranking.leader} would save {least} only of a call that takes less than {limit} in all."


def changing(table: pd.DataFrame) -> Iterator[str]:
    """Say which weights the answer hangs on."""
    changes = table[table["changes"]]
    if changes.empty:
        yield "No weight changes the answer when it is halved or doubled, nor does another compression."
        return
    texts = [change(row) for row in changes.to_dict("records")]
    yield f"The answer hangs on: {'; '.join(texts)}."


def change(row: Mapping[Hashable, Any]) -> str:
    """Say what becomes of the answer under one changed weight."""
    weight = str(row["weight"])
    return f"{weight} = {value_of(weight, row['tried'])} → {row['answer'] or 'nothing'} ({row['leader']} cheapest)"


def notes(run: Run, given: Scenario, resolved: Scenario, kinds: list[str]) -> Iterator[str]:
    """Say what the answer leaves out, and what stands for what.

    Args:
        run: the run.
        given: the scenario as it was given.
        resolved: with the workloads that the run holds.
        kinds: those that bodies without a type stand for.
    """
    left_out = [kind for kind, message in given.messages.items() if kind not in resolved.messages and message.per_call]
    if left_out:
        yield (
            f"This run has no {listed(left_out)}, which the answer leaves out; "
            f"{remedy(given, resolved.messages, run.option('corpora'))} "
            "measures all of it."
        )
    if kinds:
        yield f"This run has no {listed(kinds)}; its bodies without a type stand for them."
    others = {
        kind: listed(list(message.workloads))
        for kind, message in resolved.messages.items()
        if not set(given.messages[kind].workloads) <= set(message.workloads)
    }
    if others:
        yield f"Here {listed([f'{kind} is {names}' for kind, names in others.items()])}."
    of = parts(run.inputs, resolved)
    yield from common_lines(run.rows[run.rows["workload"].isin([part.workload for part in of])])
    how = COMPRESSORS.get(resolved.wire.compression)
    if how and not any(name in how for names in counted(run.inputs, resolved, of).values() for name, _ in names):
        yield f"The CPU time of {resolved.wire.compression} was not measured and is left out for all codecs alike."


def resting(evidence: pd.DataFrame) -> str:
    """Name the rows that an answer rests on."""
    metrics: dict[str, list[str]] = {}
    for operation, metric in evidence[["operation", "metric"]].drop_duplicates().itertuples(index=False):
        metrics.setdefault(str(operation), []).append(str(metric))
    what = "; ".join(f"{operation} ({', '.join(names)})" for operation, names in metrics.items())
    rows, runs = int(evidence["rows"].sum()), ", ".join(evidence["run"].unique())
    return f"This rests on {rows:,} rows of run {runs}: {what}, of {listed(list(evidence['workload'].unique()))}."


# An architecture decision record: what was decided, against what, on what evidence, and what it costs.
#
# Source: Nygard, Documenting Architecture Decisions (title, status, context, decision, consequences).


def record(decision: "Decision") -> str:
    """Write the record.

    Args:
        decision: the decision.

    Returns:
        Markdown.
    """
    sections = {
        "Status": ["Proposed."],
        "Context": [inline(decision.scenario.question), *_context(decision)],
        "Options considered": _options(decision),
        "Decision": [inline(decision.verdict), *_bullets(decision.reasons)],
        "Consequences": list(_bullets(_consequences(decision))),
        "Break-even points": [to_markdown(decision.breakeven, _caption_of_breakeven())],
        "Sensitivity": [to_markdown(_shown(decision.sensitivity), _caption_of_sensitivity(decision))],
        "Evidence": _evidence(decision),
        "Scenario": ["```json", _scenario_json(decision), "```"],
    }
    text = "\n\n".join(f"## {title}\n\n" + "\n".join(lines).strip() for title, lines in sections.items())
    title = inline(f"{decision.recommended or 'No codec'} at the boundary “{decision.scenario.name}”")
    return f"# {title}\n\n{text}\n"


def _scenario_json(decision: "Decision") -> str:
    """Write the scenario as it was decided."""
    return json.dumps(msgspec.to_builtins(decision.scenario), indent=1, ensure_ascii=False)


def _bullets(lines: list[str]) -> list[str]:
    """Write a list."""
    return ["", *(f"- {inline(line)}" for line in lines)] if lines else []


def _context(decision: "Decision") -> Iterator[str]:
    """Describe the boundary."""
    scenario = decision.scenario
    lines = [f"{kind}: {_described(message)}" for kind, message in scenario.messages.items()]
    count = scenario.wire.crossings
    crossings = f"{count:g} {'crossing' if count == 1 else 'crossings'}"
    lines.append(
        f"Wire: {bandwidth(scenario.wire.bandwidth_bit_per_s)}, {crossings} per message, "
        f"compression {scenario.wire.compression}"
    )
    if scenario.storage.copies:
        lines.append(f"Stored: {scenario.storage.copies:g} copies per message for {scenario.storage.days:g} days")
    wanted = [name.replace("_", " ") for name in NAMES if getattr(scenario.constraints, name)]
    lines.append(f"Constraints: {', '.join(wanted) or 'none'}")
    if share := decision.latency_share:
        lines.append(
            f"A call waits {duration(share.other_s)} beside codec and wire, which with {decision.order.baseline} are "
            f"{percent(share.baseline_share)} of the whole"
        )
    prices = msgspec.to_builtins(scenario.prices)
    lines.append("Prices (assumptions): " + ", ".join(f"{key} {value}" for key, value in prices.items()))
    yield from _bullets([*lines, *decision.notes])


def _described(message: msgspec.Struct) -> str:
    """Describe what is done to a kind of message."""
    values = msgspec.to_builtins(message)
    operations = ", ".join(f"{name} × {times:g}" for name, times in values["operations"].items()) or "no operation"
    shares = ", ".join(f"{name} × {share:g}" for name, share in values["workloads"].items())
    return f"{values['per_call']:g} per call; {operations}; from {shares}"


def _options(decision: "Decision") -> list[str]:
    """List every codec with every figure."""
    control = decision.order.control
    ranked = "time" if decision.scenario.objective == "time" else "money"
    caption = (
        f"Per message, ranked by {ranked}; ratio: to {decision.order.baseline}, to leader: to {decision.order.leader}, "
        f"medians over processes with 95 % intervals. The baseline against itself (A/A): "
        f"[{control.low:.3f}, {control.high:.3f}]."
    )
    return [to_markdown(decision.ranking, caption)]


def _consequences(decision: "Decision") -> list[str]:
    """Say what the choice brings with it."""
    if not decision.recommended:
        return ["Measure other codecs, or drop a constraint."]
    base = decision.order.of(decision.order.baseline).format if _has_baseline(decision) else None
    mine = decision.order.of(decision.recommended).format
    found = list(_losses(mine))
    if decision.recommended == decision.order.baseline:
        return ["Nothing changes.", *found]
    same = base is not None and base.wire == mine.wire
    change = "The bytes keep their format; only the library changes" if same else f"The bytes become {mine.wire}"
    return [f"{change}{'' if same else '; both ends change together, or speak both for a while'}.", *found]


def _has_baseline(decision: "Decision") -> bool:
    """Return whether the baseline was measured."""
    return any(one.codec == decision.order.baseline for one in decision.order.standings)


def _losses(format_: Format) -> Iterator[str]:
    """Say what a format cannot do."""
    texts = {
        "browser": "A browser needs a library to read it.",
        "person": "Nobody reads it with a pager: debugging needs a tool.",
        "other_languages": "Other languages cannot read it.",
        "unknown_fields": "A field that a service's types do not know is lost when it passes the message on.",
        "untrusted_bytes": "Bytes from strangers must not reach it.",
    }
    yield from (text for name, text in texts.items() if getattr(format_, name) is False)
    if format_.schema:
        yield "Both ends share a schema, whose changes need rules; see `serlab fidelity`."


def _caption_of_breakeven() -> str:
    """Explain the table of break-even points."""
    return "The value at which two codecs cost the same; – where one is cheaper whatever the value."


def _caption_of_sensitivity(decision: "Decision") -> str:
    """Explain the table of sensitivities."""
    return (
        f"Each weight halved and doubled; {decision.order.leader or 'no codec'} stays the cheapest from `stays from` "
        "to `stays to`, apart from ties."
    )


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Write weights in their units."""
    columns = ("value", "tried", "stays_from", "stays_to")
    written = {
        name: [value_of(weight, value) for weight, value in zip(table["weight"], table[name], strict=True)]
        for name in columns
    }
    return table.assign(**written)


def _evidence(decision: "Decision") -> list[str]:
    """Name the run, the machine, the versions, the commands and the rows."""
    environment = decision.run.environment
    lines = [f"Run {', '.join(sorted(decision.run.rows['run'].astype(str).unique()))}"]
    if environment:
        versions = ", ".join(f"{name} {version}" for name, version in environment.get("versions", {}).items())
        machine = ", ".join(str(environment.get(key, "")) for key in ("cpu", "os", "python"))
        lines += [f"Machine: {machine}, {environment.get('cores')} cores", f"Versions: {versions}"]
        lines.append(f"serlab {environment.get('serlab', '')} {environment.get('git_commit', '')}".rstrip())
        lines += [f"Measured by `{shlex.join(environment['command'])}`"] if environment.get("command") else []
    lines += [f"Decided by `{decision.command}`"] if decision.command else []
    table = decision.evidence.groupby(["workload", "message", "operation", "metric"], as_index=False)
    grouped = table.agg(rows=("rows", "sum"), codecs=("codec", ", ".join))
    return [
        *_bullets(lines),
        "",
        to_markdown(grouped, "The rows of results.parquet, by their names: `place` and `case` of `load_results`."),
    ]
