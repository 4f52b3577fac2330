"""A decision in plain sentences, the answer first."""

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from serlab.decide.formats import shortcomings
from serlab.decide.latency import LatencyShare
from serlab.decide.model import COMPRESSORS, counted, parts, refused, remedy
from serlab.decide.ranking import Ranking, Standing
from serlab.decide.run import Run
from serlab.decide.text import WIRED, bandwidth, duration, listed, money, percent, size, times, value_of
from serlab.decide.types import Scenario
from serlab.report.tables import common_lines
from serlab.report.units import TIME, scaled

CORE_HOUR = "prices.core_hour"
PAIR = ["codec", "against"]
BANDWIDTH = "wire.bandwidth_bit_per_s"


def verdict(scenario: Scenario, ranking: Ranking, share: LatencyShare | None) -> str:
    """Say in one sentence what to do."""
    base, leader, best = ranking.baseline, ranking.leader, ranking.recommended
    if not best:
        return f"No codec that was measured can be used here: {hindrance(ranking)}."
    lead = f"Stay with {base}" if best == base else f"Use {best}"
    if ranking.reason == "alone":
        carries = any(only_refuses(scenario, one) for one in ranking.standings)
        also = " and carries every body" if carries and not scenario.max_refused_share else ""
        return f"{lead}: of what was measured only this meets the constraints{also}."
    if ranking.reason == "too little":
        return f"{lead}: {too_little(scenario, ranking, share)}"
    if ranking.reason == "tie":
        others = [name for name in ranking.tied if name != base]
        return f"{lead}: {listed(others)} {'ties' if len(others) == 1 else 'tie'} with it."
    if best == base:
        return f"{lead}: nothing that can be used here is cheaper."
    gain = f"{compared(scenario, ranking, ranking.of(best))}{gained(scenario, ranking)}"
    if ranking.reason == "simplest":
        return f"{lead}: it ties with {leader}, and {simpler(ranking)}; it {gain}."
    return f"{lead}: it {gain}."


def compared(scenario: Scenario, ranking: Ranking, one: Standing) -> str:
    """Say how a codec stands to the baseline."""
    what = "takes" if scenario.objective == "time" else "costs"
    return f"{what} {times(one.to_baseline)} × what {ranking.baseline} does"


def hindrance(ranking: Ranking) -> str:
    """Say what bars the cheapest codecs."""
    return ", ".join(f"{one.codec} ({one.barred})" for one in ranking.standings[:3])


def too_little(scenario: Scenario, ranking: Ranking, share: LatencyShare | None) -> str:
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


def gained(scenario: Scenario, ranking: Ranking) -> str:
    """Say what a change saves."""
    if math.isnan(ranking.saving):
        return ""
    if scenario.objective == "money":
        return f", which saves {money(ranking.saving, scenario.prices.currency)} per million messages"
    return f", which saves {percent(ranking.saving)} of the latency of a call"


def simpler(ranking: Ranking) -> str:
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
        yield cost(scenario, ranking, one)
    if len(ranking.tied) > 1 and ranking.reason != "tie":
        yield f"{listed(ranking.tied)} tie: they differ by less than the noise of this run."


def cost(scenario: Scenario, ranking: Ranking, one: Standing) -> str:
    """Say what a message costs with one codec."""
    assert one.cost is not None
    wire = f" and {scaled(one.cost.wire_ns, TIME)} on a wire of {bandwidth(scenario.wire.bandwidth_bit_per_s)}"
    price = money(one.cost.cost_per_million, scenario.prices.currency)
    text = f"With {one.codec} a message takes {scaled(one.cost.cpu_ns, TIME)} of CPU{wire if one.cost.wire_ns else ''}"
    memory = "" if math.isnan(one.cost.allocated_bytes) else f" and {size(one.cost.allocated_bytes)} allocated"
    text += f", {size(one.cost.size_bytes)} sent{memory}, {price} per million"
    said = one.codec == ranking.recommended and ranking.reason in ("cheapest", "simplest")
    if one.codec != ranking.baseline and one.to_baseline.n and not said:
        text += f"; it {compared(scenario, ranking, one)}"
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
        yield f"{refuse(codecs)} {what}, which max_refused_share = {limit} allows."
    out = [one.codec for one in ranking.standings if only_refuses(scenario, one)]
    if out:
        # Rounded up, so that what is said is enough.
        enough = math.ceil(max(one.share for codec in out for one in found[codec]) * 1e4) / 1e4
        yield (
            f"{refuse(out)} bodies and {'is' if len(out) == 1 else 'are'} barred for that alone: max_refused_share is "
            f"{limit}; with {enough:g} they count."
        )


def refuse(codecs: list[str]) -> str:
    """Say that codecs refuse something."""
    return f"{listed(codecs)} {'refuses' if len(codecs) == 1 else 'refuse'}"


def only_refuses(scenario: Scenario, one: Standing) -> bool:
    """Tell whether a codec is barred for nothing but the bodies that it refuses."""
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
