"""What notebooks claim follows from the rows: computed again from them, in runs that differ in who wins."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from serlab import notebook
from serlab.notebook import claims
from serlab.notebook.claims import (
    Claim,
    Printed,
    Selection,
    compare,
    compare_arms,
    count_among,
    least_among,
    measure,
    most_among,
)
from serlab.report import figures
from serlab.report.wire_tables import wire_arms
from serlab.results import load_environment, load_results
from serlab.rows import frame
from serlab.stats import Estimate, median_of, paired_ratio, verdict
from tests.conftest import ROOT
from tests.support.claimrows import OUTCOMES, made, write_run
from tests.support.rows import named_row

SOURCES = {path.stem: path.read_text() for path in sorted((ROOT / "notebooks").glob("[0-9]*.py"))}
CLAIMING = [name for name, text in SOURCES.items() if "claims import" in text or "small_cache" in text]


class Shared(dict[str, Any]):
    """An environment that is not copied: pandas copies all that a table carries whenever rows are selected."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Shared":
        return self


class Told(NamedTuple):
    """What a notebook said, the claims in it, the rows that it could read, and its variables."""

    text: str
    printed: list[Printed]
    rows: pd.DataFrame
    names: dict[str, Any]


@pytest.fixture(scope="module", params=OUTCOMES)
def tell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """Return a function that runs a notebook's source on the run of an outcome, once, without Jupyter and figures."""
    home = tmp_path_factory.mktemp("notebooks")
    write_run(home / notebook.STORED, request.param)
    rows = pd.concat([load_results(path.parent) for path in sorted(home.rglob("results.parquet"))])

    @cache
    def told(name: str) -> Told:
        said: list[str] = []
        claims.PRINTED.clear()
        source = (ROOT / "notebooks" / f"{name}.py").read_text()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(home)
            patch.setattr(notebook, "load_environment", lambda folder: Shared(load_environment(folder)))
            patch.setattr(notebook, "say", lambda *sentences: said.extend(sentences))
            for figure in (one for one in figures.__all__ if one.endswith("_figure")):
                patch.setattr(figures, figure, lambda *args, **settings: None)
            names: dict[str, Any] = {"__name__": name}
            exec(compile(source, name, "exec"), names)
        return Told("\n".join(said), list(claims.PRINTED), rows, names)

    return told


DERIVED: dict[int, tuple[pd.DataFrame, dict[str, Any]]] = {}
"""Rows, by what they are in memory → what was computed of them: a notebook claims much of the same rows."""


def derived(rows: pd.DataFrame, key: str, make: Callable[[], Any]) -> Any:
    """Compute something of rows once; the rows are kept with it, so no others can be taken for them."""
    if len(DERIVED) > 300:
        DERIVED.clear()
    found = DERIVED.setdefault(id(rows), (rows, {}))[1]
    if key not in found:
        found[key] = make()
    return found[key]


def of_workload(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Select the rows of a workload."""
    selected: pd.DataFrame = derived(rows, name, lambda: rows[rows["workload"] == name])
    return selected


def expected(rows: pd.DataFrame, claim: Claim) -> Claim:
    """Compute a claim again from the rows alone."""
    if claim.parts:
        return among([expected(rows, one) for one in claim.parts], claim)
    found = {name: one for name in claim.workloads for one in recomputed(of_workload(rows, name), claim)}
    ratios = {name: one.value for name, (_, one, _) in found.items()}
    values = np.array(list(ratios.values()))
    if claim.form == "median":
        ranked = sorted(ratios, key=ratios.__getitem__)
        middle = {found[ranked[i]][2] for i in ((len(ranked) - 1) // 2, len(ranked) // 2)}
        return claim._replace(value=float(np.median(values)), verdict=middle.pop() if len(middle) == 1 else "tie")
    if claim.form == "count":
        low, high = (0, 0) if isinstance(claim.counted, str) else claim.counted
        hits = [found[name][2] == claim.counted or low < ratio < high for name, ratio in ratios.items()]
        return claim._replace(value=float(sum(hits)))
    name = {"at": claim.workload, "least": min(ratios, key=ratios.__getitem__)}.get(claim.form)
    name = name or max(ratios, key=ratios.__getitem__)
    codec, (value, low, high, _), verdict = found[name]
    return claim._replace(value=value, codec=codec, workload=name, verdict=verdict, low=low, high=high)


def among(found: list[Claim], claim: Claim) -> Claim:
    """Compute the least, the largest or the number of other claims."""
    if claim.form == "count":
        low, high = (0, 0) if isinstance(claim.counted, str) else claim.counted
        return claim._replace(value=float(sum(one.verdict == claim.counted or low < one.value < high for one in found)))
    ranked = sorted(found, key=lambda one: one.value)
    return ranked[0 if claim.form == "least" else -1]


def recomputed(rows: pd.DataFrame, claim: Claim) -> Iterator[tuple[str, Estimate, str]]:
    """Compute the codec, the figure and the verdict of one workload."""
    top, codec = least(rows, claim.selection)
    if claim.against is None:
        yield codec, Estimate(float(np.median(top[codec].dropna())), np.nan, np.nan, 0), ""
        return
    bottom, other = least(rows, claim.against)
    ratio = (top[codec] / bottom[other]).dropna()
    estimate = paired_ratio(dict(ratio), dict.fromkeys(ratio.index, 1.0))
    said = verdict(estimate, spread(rows, claim.against, top, bottom), "less", "more")
    if claim.saved:
        less = ((bottom[other] - top[codec]) * claim.saved).dropna()
        estimate = median_of(dict(less))
    yield codec, estimate, said


def spread(rows: pd.DataFrame, against: Selection, top: pd.DataFrame, bottom: pd.DataFrame) -> Estimate:
    """Compute A/A: of the figure's own group, on the wire of the divisor's or of the experiment's first with one."""
    groups: Iterable[pd.DataFrame] = [top]
    if against.operations[0].startswith("wire/"):
        begin = "/".join(against.operations[0].split("/")[:2]) + "/"
        measured: list[str] = derived(rows, against.metric, lambda: measured_by(rows, against.metric))
        beside = (one for one in measured if one.startswith(begin))
        groups = chain([bottom], (least(rows, Selection((), (one,), against.metric))[0] for one in beside))
    group_by_output = ((group, name) for group in groups for name in group if name.endswith("(A/A)"))
    group, twin = next(group_by_output, (None, ""))
    if group is None:
        return Estimate(np.nan, np.nan, np.nan, 0)
    return paired_ratio(dict(group[twin].dropna()), dict(group[twin.removesuffix(" (A/A)")].dropna()))


def measured_by(rows: pd.DataFrame, metric: str) -> list[str]:
    """List the operations of a metric."""
    return list(rows[rows["metric"] == metric]["place"].unique())


def least(rows: pd.DataFrame, selection: Selection) -> tuple[pd.DataFrame, str]:
    """Return process × codec → figure, and the codec with the least ratio to orjson."""
    found: tuple[pd.DataFrame, str] = derived(rows, repr(selection), lambda: least_of(rows, selection))
    return found


def least_of(rows: pd.DataFrame, selection: Selection) -> tuple[pd.DataFrame, str]:
    """Compute it."""
    kept = rows[rows["place"].isin(list(selection.operations)) & (rows["metric"] == selection.metric)]
    wide = kept.pivot_table(index="process", columns=["case", "place"], values="value")
    sums = wide.T.groupby(level="case").sum(min_count=len(selection.operations)).T
    if selection.reads:
        decode, plain = least(rows, Selection(selection.readers, ("decode",), "time"))
        read, _ = least(rows, Selection((plain,), (selection.reads,), "time"))
        sums = sums.add(read[plain] - decode[plain], axis=0)
    there = [codec for codec in selection.codecs if codec in sums and sums[codec].notna().any()]
    base = sums.get("orjson", 1.0)
    return sums, min(there, key=lambda codec: float((sums[codec] / base).median()), default="")


def mistakes(rows: pd.DataFrame, printed: list[Printed]) -> list[Printed]:
    """List what was printed that the rows do not carry; the last digit may be rounded either way."""
    return [one for one in printed if one.claim.workloads and one.text not in texts(rows, one)]


def texts(rows: pd.DataFrame, printed: Printed) -> set[str]:
    """Write what the rows carry in place of what was printed."""
    claim = expected(rows, printed.claim)
    if printed.spec == "words":
        return {claim.verdict}
    near = [
        claim._replace(value=claim.value * by, low=claim.low * by, high=claim.high * by)
        for by in (1 - 1e-9, 1, 1 + 1e-9)
    ]
    return {claims.written(one, printed.spec) for one in near}


def flipped(rows: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Turn a claim's figure round, with all that it was chosen from: what was twice the other is half of it."""
    for part in claim.parts:
        rows = flipped(rows, part)
    if claim.parts:
        return rows
    chosen = rows["workload"].isin(list(claim.workloads)) & rows["case"].isin(list(claim.selection.codecs))
    chosen &= rows["place"].isin(list(claim.selection.operations)) & (rows["metric"] == claim.selection.metric)
    ratio = expected(rows, claim._replace(form="at", parts=(), saved=0.0)).value if claim.saved else claim.value
    return rows.assign(value=rows["value"].where(~chosen, rows["value"] / (ratio**2 if claim.against else 2)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMING)
def test_what_a_notebook_claims_follows_from_the_rows(tell: Callable[[str], Told], name: str) -> None:
    """Whoever wins: each figure, name and direction in its sentences is computed again by other code."""
    told = tell(name)
    assert told.printed
    assert mistakes(told.rows, told.printed) == []
    assert [one.text for one in told.printed if one.spec != "words" and one.text not in told.text] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMING)
def test_a_figure_with_its_sign_flipped_is_found(tell: Callable[[str], Told], name: str) -> None:
    """One figure of each form, one saving and one direction: so the check above can fail."""
    told = tell(name)
    # What is as large as the other stays so when the two change places.
    shown = [one for one in told.printed if one.spec not in ("codec", "workload") and one.claim.form != "count"]
    tried = {(one.claim.form, one.spec == "words", one.claim.saved): one for one in shown if turns(one.claim, one.spec)}
    assert tried or all(one.claim.verdict in ("tie", "") for one in told.printed)
    for one in tried.values():
        assert mistakes(flipped(told.rows, one.claim), [one]) == [one]


def turns(claim: Claim, spec: str) -> bool:
    """Return whether a claim reads otherwise with its figure turned round: not 1.00, and not a tie."""
    return claim.verdict != "tie" if spec == "words" or claim.saved else not 0.95 < claim.value < 1.05


def test_notebooks_whose_sentences_rest_on_rows_claim_them() -> None:
    """A notebook that claims nothing would not be checked."""
    assert {name[:2] for name in CLAIMING} >= {"01", "02", "03", "04", "05", "06", "10", "11", "12"}


def is_plain(decision: Any) -> bool:
    """Return whether a decision is on the time of one workload, on an uncompressed wire."""
    scenario = decision.scenario
    workloads = [name for message in scenario.messages.values() for name in message.workloads]
    return scenario.objective == "time" and scenario.wire.compression == "none" and len(workloads) == 1


def cost_ratios(rows: pd.DataFrame, decision: Any) -> dict[str, Estimate]:
    """Compute what each codec that may be used costs against the baseline, and the baseline's second arm (A/A)."""
    message, wire, base = *decision.scenario.messages.values(), decision.scenario.wire, decision.order.baseline
    own = rows[rows["workload"].isin(list(message.workloads))]
    size = own[(own["place"] == "size") & (own["metric"] == "raw")].groupby("case")["value"].mean()
    time = own[own["metric"] == "time"].pivot_table(index="process", columns=["case", "place"], values="value")
    codecs = [one.codec for one in decision.order.standings if not one.barred and one.to_baseline.n]
    costs = {
        codec: sum(count * time[codec, operation] for operation, count in message.operations.items())
        + wire.crossings * size[codec.removesuffix(" (A/A)")] * 8e9 / wire.bandwidth_bit_per_s
        for codec in (*codecs, f"{base} (A/A)")
    }
    return {codec: paired_ratio(dict(cost.dropna()), dict(costs[base].dropna())) for codec, cost in costs.items()}


def is_carried(rows: pd.DataFrame, text: str, name: str, decision: Any) -> bool:
    """Return whether rows carry a decision: the cheapest, its cost, whether that is a tie, and what is said of it."""
    order, base = decision.order, decision.order.baseline
    ratios = cost_ratios(rows, decision)
    control = ratios.pop(f"{base} (A/A)")
    cheapest = min(ratios, key=lambda codec: ratios[codec].value)
    is_cheaper = verdict(ratios[cheapest], control, "less", "more") == "less"
    changes = decision.recommended != base
    return (
        ratios[order.leader].value == pytest.approx(order.of(order.leader).to_baseline.value, rel=0.01)
        and ratios[order.leader].value <= 1.01 * ratios[cheapest].value
        and (base not in order.tied) == is_cheaper
        and (f"**{name}** (use {decision.recommended})" in text) == changes
        and (is_cheaper or not changes)
    )


@pytest.mark.slow
def test_what_is_decided_follows_from_the_rows(tell: Callable[[str], Told]) -> None:
    """Where one workload crosses a boundary uncompressed; with the winner's figure turned round it does not."""
    told = tell("10_which_format_when")
    rows, found = told.names["rows"], {name: one for name, one in told.names["decisions"].items() if is_plain(one)}
    assert found
    for name, one in found.items():
        assert is_carried(rows, told.text, name, one)
        ratios, leader = cost_ratios(rows, one), one.order.leader
        by = (1.1 * max(ratio.value for ratio in ratios.values()) / ratios[leader].value) ** 2
        turned = rows.assign(value=rows["value"].where(rows["case"] != leader, rows["value"] * by))
        assert not is_carried(turned, told.text, name, one)


TIMES = {"orjson": [10.0, 12.0, 11.0], "msgpack": [5.0, 6.0, 5.5], "json": [30.0, 36.0, 33.0]}


def test_reading_plain_objects_is_added_to_a_whole_decode() -> None:
    """A decoder that is followed by reading is compared with a view that reads the same."""
    whole = table({"orjson": [10.0] * 3, "msgpack": [7.0] * 3})
    rows = pd.concat([whole, table({"orjson": [13.0] * 3, "view": [5.0] * 3}, operation="read-1")])
    ratios = compare(
        rows, "view", "read-1", to="msgpack", to_operations="decode", to_reads="read-1", to_readers=["orjson"]
    )
    assert ratios.at("w").value == 0.5


def table(times: dict[str, list[float]], workload: str = "w", operation: str = "decode") -> pd.DataFrame:
    """Make rows of times."""
    return frame(
        named_row("r", codec, "1", workload, "ChatRequest", operation, "time", "ns", i, value)
        for codec, all_ in times.items()
        for i, value in enumerate(all_)
    )


ROWS = pd.concat([table(TIMES), table(TIMES | {"msgpack": [20.0, 24.0, 22.0]}, "v")])


def test_a_claim_holds_figure_codec_place_and_direction() -> None:
    """The least, the largest and the middle of one ratio for each workload."""
    ratios = compare(ROWS, "msgpack", "decode", to="orjson")
    least, most = ratios.least(), ratios.most()
    assert (least.value, least.workload, least.verdict) == (0.5, "w", "less")
    assert (most.value, most.workload, most.verdict) == (2.0, "v", "more")
    assert (ratios.median().value, ratios.median().verdict) == (1.25, "tie")
    assert ratios.at("v").value == 2.0
    assert ratios.count("less").value == 1 and ratios.count((0.4, 3.0)).value == 2


def test_of_several_codecs_the_least_is_taken_on_each_workload() -> None:
    """So that a sentence on the fastest of some names the one that it is."""
    best = compare(ROWS, ["msgpack", "json", "orjson"], "decode", to="json")
    assert [best.at(name).codec for name in ("w", "v")] == ["msgpack", "orjson"]


def test_operations_are_added_up_only_where_all_were_measured() -> None:
    """A sum that lacks a part would be a smaller figure than the truth."""
    rows = pd.concat([ROWS, table(TIMES, "w", "encode")])
    both = measure(rows, "orjson", ["encode", "decode"])
    assert both.at("w").value == 22.0 and list(both.found) == ["w"]


def test_a_claim_is_recorded_as_it_is_written() -> None:
    """Figure, inverse, count, unit, name and direction; what was not measured is a dash."""
    claims.PRINTED.clear()
    ratios = compare(ROWS, "msgpack", "decode", to="orjson")
    least = ratios.least()
    text = f"{least:.2f} {least:1/.0f} {ratios.count('less'):of} {measure(ROWS, 'orjson', 'decode').at('w'):ns} "
    text += f"{least:codec} {least:workload} {least.words('faster', 'slower', 'as fast')}"
    assert text == "0.50 2 1 of 2 11.0 ns `msgpack` `w` faster"
    assert [one.text for one in claims.PRINTED] == ["0.50", "2", "1 of 2", "11.0 ns", "`msgpack`", "`w`", "less"]
    assert f"{compare(ROWS, 'protobuf', 'decode', to='orjson').median():.1f}" == "–"


def test_two_that_cannot_be_told_apart_tie() -> None:
    """By the rule of the tables: inside the interval of the baseline against itself."""
    again = {"orjson (A/A)": [11.0, 11.0, 12.1], "msgpack": [10.5, 12.7, 11.6]}
    assert compare(table(TIMES | again), "msgpack", "decode", to="orjson").at("w").verdict == "tie"
    assert compare(table(TIMES | again), "json", "decode", to="orjson").at("w").verdict == "more"


@pytest.mark.parametrize(("outcome", "verdict"), list(zip(OUTCOMES, ["more", "less", "tie"], strict=True)))
def test_the_three_runs_are_what_they_are_called(outcome: str, verdict: str) -> None:
    """On every workload, for every operation and size."""
    rows = made("", outcome)
    for codec in ("msgpack", "protobuf", "flatbuffers"):
        for operation, metric in (("encode", "time"), ("decode", "time"), ("size", "raw"), ("decode", "peak")):
            ratios = compare(rows, codec, operation, metric, to="orjson")
            assert len(ratios) and ratios.count(verdict).value == len(ratios)


WIRE = pd.concat(
    table(TIMES | twice, operation=f"wire/call/{way}").assign(metric="latency")
    for way, twice in (("near", {"orjson (A/A)": [11.0, 13.2, 12.1]}), ("far", {"msgpack": [9.6, 11.5, 10.6]}))
)


def test_what_is_saved_is_a_difference_with_its_interval() -> None:
    """Process by process, and as much of it as is asked for; the direction is that of the ratio."""
    half = compare(WIRE, "msgpack", "wire/call/near", "latency", to="orjson", saved=0.5).at("w")
    assert (half.value, half.verdict) == (2.75, "less") and half.low < 2.75 < half.high
    assert f"{half:.2f} {half:1-.2f}" == "2.75 -1.75" and f"{half:low .1f}" == f"{half.low:.1f}"


def test_a_group_without_a_second_baseline_takes_its_experiments_noise() -> None:
    """On the wire: 4 % less is a tie where equal things stray by 10 %."""
    arms = wire_arms(WIRE, "call")
    near = compare_arms(WIRE, arms, "msgpack far", "orjson far")
    assert near.verdict == "tie" and near.value == pytest.approx(0.96, abs=0.01)
    assert compare_arms(WIRE, arms, "json far", "orjson far").verdict == "more"
    assert compare_arms(WIRE, arms, "json far").value == 33.0


def test_claims_of_several_codecs_have_a_least_a_largest_and_a_number() -> None:
    """What was not measured is none of them."""
    found = [compare(ROWS, codec, "decode", to="orjson").at("w") for codec in ("msgpack", "json", "protobuf")]
    least, most, more = least_among(found), most_among(found), count_among(found, "more")
    assert (least.codec, least.value, most.codec, most.value) == ("msgpack", 0.5, "json", 3.0)
    assert claims.written(more, "of") == "1 of 2" and expected(ROWS, more) == more
    assert f"{least_among([])}" == "–"
