"""From rows to a recommendation: order, ties, constraints, break-even points, sensitivity, records, and the command."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import serlab
from serlab.decide import Decision, decide, scenario_names
from serlab.decide.cost import format_of, inputs, totals
from serlab.decide.scenarios import bandwidth, override, percent
from serlab.errors import ResultsError, ScenarioError
from serlab.report.export import escaped
from serlab.report.formatting import lines, readable
from serlab.rows import write_table
from tests.conftest import Run
from tests.support.boundaries import EVERYWHERE, scenario, table
from tests.support.rows import renamed

WAITS = {"latency": {"time_to_first_token_s": 1e-5}}
"""A model so fast that codecs matter."""


def test_order_is_by_cost_and_ties_stand_together() -> None:
    """Two nanoseconds in 3,000 are inside the noise of the baseline's two arms; 800 are not."""
    found = decide(table(), scenario(wire={"bandwidth_bit_per_s": 8e9}))
    ranking = found.ranking[["codec", "rank", "verdict"]]
    assert ranking.values.tolist() == [
        ["orjson", 1, "recommended"],
        ["msgspec-json", 1, "tie"],
        ["msgpack", 3, "dearer"],
        ["protobuf", 4, "dearer"],
        ["flatbuffers-official", None, "barred"],
        ["flatbuffers-unverified", None, "barred"],
    ]
    assert found.verdict == "Stay with orjson: nothing that can be used here is cheaper."


def test_ratio_and_interval_are_those_of_the_processes() -> None:
    """A machine that is slow in one process is slow for all codecs of it, and the wire is always the same."""
    row = decide(table(), scenario()).ranking.set_index("codec").loc["msgpack"]
    ratios = [(3800 * slow + 700) / (3000 * slow + 1000) for slow in (1.0, 1.5, 0.8, 1.2, 1.1, 0.9)]
    assert row["ratio"] == pytest.approx(float(np.median(ratios)))
    assert min(ratios) * 0.95 < row["ratio_low"] < row["ratio"] < row["ratio_high"] < max(ratios) * 1.05


def test_a_tie_is_decided_for_what_is_simpler() -> None:
    """The baseline first; without it what needs no schema."""
    times = {"protobuf": {"encode": 1000.0}, "msgpack": {"encode": 1001.0}, "orjson": {"encode": 5000.0}}
    asked = scenario(messages={"ChatRequest": {"operations": {"encode": 1}}}, wire={"crossings": 0}, **WAITS)
    found = decide(table(times), asked)
    assert (found.order.leader, found.recommended) == ("protobuf", "msgpack")
    assert found.verdict.startswith("Use msgpack: it ties with protobuf, and needs no schema; it takes 0.200 [")
    slower = {**times, "orjson": {"encode": 1001.0}}
    found = decide(table(slower), asked)
    assert found.verdict == "Stay with orjson: protobuf and msgpack tie with it."


def test_a_saving_below_the_threshold_is_no_reason_to_change() -> None:
    """The same rows say change or stay by how long the model takes."""
    rows = table({"orjson": {"encode": 3000.0}, "msgpack": {"encode": 1000.0}})
    messages = {"ChatRequest": {"per_call": 10, "operations": {"encode": 1}}}
    asked = scenario(messages=messages, latency={"time_to_first_token_s": 1.0})
    found = decide(rows, asked)
    share = found.latency_share
    assert share is not None
    before, after = 10 * (3000 * 1.05 + 1000) / 1e9, 10 * (1000 * 1.05 + 700) / 1e9
    assert share.baseline_share == pytest.approx(before / (1 + before))
    assert share.saved_share == pytest.approx((before - after) / (1 + before)) == found.order.saving
    assert share.matters_below_s == pytest.approx((before - after) / 0.01)
    assert found.verdict.startswith("Stay with orjson: codec and wire are 0.0041 % of the latency of a call; msgpack, ")
    faster = decide(rows, asked, time_to_first_token_s=share.matters_below_s - before - 1e-9)
    slower = decide(rows, asked, time_to_first_token_s=share.matters_below_s - before + 1e-9)
    assert (faster.recommended, slower.recommended) == ("msgpack", "orjson")


def test_whole_latency_is_the_sum_by_hand() -> None:
    """Two calls of the model, each with a first token and 30 more at 60 per second, and what else there is."""
    waits = {"time_to_first_token_s": 0.5, "tokens": 30, "tokens_per_s": 60, "model_calls": 2, "other_s": 0.25}
    share = decide(table(), scenario(latency=waits)).latency_share
    assert share is not None and share.other_s == 2 * (0.5 + 0.5) + 0.25
    assert share.baseline_s == pytest.approx((3000 * 1.05 + 1000) / 1e9)
    assert decide(table(), scenario()).latency_share is None


def test_money_has_a_threshold_of_its_own() -> None:
    """In money per million messages."""
    prices = {"core_hour": 0, "traffic_gb": 1.0}
    asked = scenario(objective="money", prices=prices, thresholds={"saving_per_million": 0.5})
    found = decide(table(), asked)
    assert found.recommended == "protobuf" and found.order.saving == pytest.approx(0.6)
    assert found.verdict == (
        "Use protobuf: it costs 0.400 [0.400, 0.400] × what orjson does, which saves 0.600 USD per million messages."
    )
    stays = decide(table(), asked, saving_per_million=0.7)
    assert stays.recommended == "orjson" and "would save 0.600 USD per million messages" in stays.verdict


def test_constraints_bar_what_cannot_meet_them_and_tell_what_that_costs() -> None:
    """A barred codec keeps its figures and gets no rank."""
    asked = scenario(constraints={"browser": True}, wire={"bandwidth_bit_per_s": 1e6}, **WAITS)
    found = decide(table(), asked)
    assert {one.codec for one in found.order.open} == {"orjson", "msgspec-json"}
    row = found.ranking.set_index("codec").loc["protobuf"]
    assert row["rank"] is None and row["note"] == "browser: no" and row["time_ns"] > 0
    assert "The constraints bar protobuf (browser: no), which stands at 0.40" in found.answer


@pytest.mark.parametrize(("trusted", "expected"), [(True, "flatbuffers-unverified"), (False, "orjson")])
def test_what_checks_nothing_needs_trusted_bytes(trusted: bool, expected: str) -> None:
    """And Google's own code is never recommended, however fast."""
    found = decide(table(), scenario(constraints={"untrusted_bytes": not trusted}, **WAITS))
    assert found.recommended == expected
    assert found.ranking.set_index("codec").loc["flatbuffers-official", "rank"] is None


def test_another_packages_codec_must_be_described_where_it_is_constrained() -> None:
    """Nothing is guessed of it."""
    rows = table({"orjson": EVERYWHERE["orjson"], "mine": {"encode": 1.0, "decode": 1.0}}, {"orjson": 1000, "mine": 9})
    barred = decide(rows, scenario(**WAITS))
    assert barred.ranking.set_index("codec").loc["mine", "note"] == "untrusted bytes: unknown, say it in [codecs.NAME]"
    told = decide(rows, scenario(codecs={"mine": {"untrusted_bytes": True}}, **WAITS))
    assert told.recommended == "mine"


def test_no_codec_that_fits_is_an_answer_too() -> None:
    """It names what bars them."""
    found = decide(table({"protobuf": EVERYWHERE["protobuf"]}), scenario(constraints={"person": True}))
    assert found.recommended == "" and "can be used here: protobuf (person: no)" in found.verdict
    assert found.to_markdown().startswith("# No codec at the boundary") and json.loads(found.to_json())


def test_parity_failure_excludes_with_its_reason() -> None:
    """A codec that lost something has no rank, however small it is."""
    found = decide(table(failures={"protobuf": "changed"}), scenario())
    assert found.ranking.set_index("codec").loc["protobuf", "note"] == "changed on chat-turn"


def test_unmeasured_operation_is_an_error_with_the_remedy() -> None:
    """Where no codec has it."""
    asked = scenario(messages={"ChatRequest": {"operations": {"stream": 1}}})
    with pytest.raises(ScenarioError, match="has not timed stream: measure with `serlab compare --operation stream`"):
        decide(table(), asked)


def test_break_even_bandwidth_is_where_brute_force_finds_it() -> None:
    """Just below it one of a pair is cheaper, just above it the other."""
    rows, asked = table(), scenario()
    crossings = decide(rows, asked).breakeven.dropna(subset=["at"])
    assert len(crossings) > 1
    for row in crossings.to_dict("records"):
        for factor, cheaper in ((0.999, row["cheaper_below"]), (1.001, row["cheaper_above"])):
            costs = totals(inputs(rows), override(asked, {"bandwidth_bit_per_s": row["at"] * factor}))
            assert min((row["codec"], row["against"]), key=lambda codec: costs[codec].time_ns) == cheaper
        assert row["at_low"] <= row["at"] * 1.3 and row["at_high"] >= row["at"] * 0.7


def test_break_even_bandwidth_by_hand() -> None:
    """800 ns of CPU more against 300 bytes less: 300 × 8 bits in 840 ns, and each process has its own."""
    table_ = decide(table(), scenario()).breakeven
    row = table_[(table_["codec"] == "msgpack") & (table_["against"] == "orjson")].iloc[0]
    assert row["at"] == pytest.approx(300 * 8e9 / (800 * 1.05))
    assert (row["cheaper_below"], row["cheaper_above"]) == ("msgpack", "orjson")
    assert 300 * 8e9 / 1200 * 0.7 < row["at_low"] < row["at"] < row["at_high"] < 300 * 8e9 / 640 * 1.4


def test_answer_names_the_bandwidth_of_the_overtaking() -> None:
    """As people say it."""
    assert "msgpack overtakes orjson below 2.86 Gbit/s [" in decide(table(), scenario()).answer


def test_break_even_price_is_where_brute_force_finds_it() -> None:
    """Money is a line in each price."""
    rows = table()
    asked = scenario(objective="money", storage={"copies": 1, "days": 30}, thresholds={"saving_per_million": 0})
    found = decide(rows, asked).breakeven
    prices = found[found["weight"].str.startswith("prices.")].dropna(subset=["at"])
    assert {"prices.core_hour", "prices.traffic_gb", "prices.storage_gb_month"} <= set(found["weight"])
    for row in prices.to_dict("records"):
        for factor, cheaper in ((0.999, row["cheaper_below"]), (1.001, row["cheaper_above"])):
            costs = totals(inputs(rows), override(asked, {row["weight"]: row["at"] * factor}))
            assert min((row["codec"], row["against"]), key=lambda codec: costs[codec].cost_per_million) == cheaper


def test_codecs_that_never_cross_have_no_break_even() -> None:
    """As many bytes and more time is dearer on every wire."""
    rows = table({"orjson": {"encode": 100.0}, "json": {"encode": 300.0}}, {"orjson": 90, "json": 90})
    row = decide(rows, scenario(messages={"ChatRequest": {"operations": {"encode": 1}}})).breakeven.iloc[0]
    assert math.isnan(row["at"]) and (row["cheaper_below"], row["cheaper_above"]) == ("orjson", "orjson")


def test_every_weight_is_tried_and_its_range_is_where_brute_force_finds_it() -> None:
    """At the ends of the range another codec costs as little as the leader."""
    rows = table(kinds={"a": "ChatRequest", "b": "ChatRequest", "c": "ChatResponse"})
    rows.loc[(rows["workload"] == "b") & (rows["operation"] == "size"), "value"] *= 3
    rows.loc[(rows["workload"] == "c") & (rows["codec"] == "msgpack") & (rows["metric"] == "time"), "value"] *= 2
    messages = {
        "ChatRequest": {"operations": {"encode": 1, "decode": 1}, "workloads": {"a": 1, "b": 1}},
        "ChatResponse": {"operations": {"decode": 2}, "per_call": 2},
    }
    asked = scenario(messages=messages, wire={"bandwidth_bit_per_s": 8e9})
    found = decide(rows, asked)
    tried = found.sensitivity
    assert set(tried["weight"]) == {
        "messages.ChatRequest.per_call", "messages.ChatRequest.operations.encode",
        "messages.ChatRequest.operations.decode", "messages.ChatRequest.workloads.a",
        "messages.ChatRequest.workloads.b", "messages.ChatResponse.per_call",
        "messages.ChatResponse.operations.decode", "wire.crossings", "wire.bandwidth_bit_per_s", "wire.compression",
    }  # fmt: skip
    ends = 0
    for row in tried.to_dict("records"):
        for end in (row["stays_from"], row["stays_to"]):
            if not (isinstance(end, float) and 0 < end < math.inf):
                continue
            costs = totals(inputs(rows), override(asked, {row["weight"]: end}))
            leader = costs[found.order.leader].time_ns
            others = [costs[one.codec].time_ns for one in found.order.open if not one.ties]
            assert min(abs(other / leader - 1) for other in others) < 1e-6
            ends += 1
    assert ends > 4


def test_sensitivity_tells_when_the_answer_changes_and_by_how_much() -> None:
    """A tenth of the bandwidth would do; halving it is enough here."""
    asked = scenario(wire={"bandwidth_bit_per_s": 4e9})
    found = decide(table(), asked)
    row = found.sensitivity.set_index(["weight", "tried"]).loc[("wire.bandwidth_bit_per_s", 2e9)]
    assert found.recommended == "orjson" and row["changes"] and row["overtaken"]
    costs = totals(inputs(table()), override(asked, {"bandwidth_bit_per_s": 2e9}))
    assert row["old_leader_ratio"] == pytest.approx(costs["orjson"].time_ns / costs[row["leader"]].time_ns)
    assert f"wire.bandwidth_bit_per_s = 2.00 Gbit/s → {row['answer']}" in found.answer


def test_a_run_of_sizes_answers_what_needs_no_time() -> None:
    """Storage alone; what needs times is refused."""
    rows = table()
    rows = rows[rows["metric"].isin(["raw", "gzip", "zstd", "equal"])]
    kept = {"objective": "money", "storage": {"copies": 1, "days": 365.25}, "thresholds": {"saving_per_million": 0}}
    found = decide(rows, scenario(messages={"ChatRequest": {}}, prices={"traffic_gb": 0}, **kept))
    assert found.recommended == "protobuf"
    assert found.ranking.set_index("codec").loc["protobuf", "usd_per_million"] == pytest.approx(400e-3 * 12 * 0.02)
    with pytest.raises(ScenarioError, match="has not timed decode, encode"):
        decide(rows, scenario())


def test_rows_of_load_and_of_another_environment_do_not_count() -> None:
    """They bear names and metrics of their own."""
    rows = table()
    more = rows[(rows["metric"] == "time") & (rows["place"] == "encode") & (rows["role"] == "measured")]
    load = more.assign(place="encode/threads=2", metric="rate", value=1e9)
    base = more.assign(case=more["case"] + " (base)", metric="time-paired", value=1e9)
    found = decide(renamed(pd.concat([rows, load, base], ignore_index=True)), scenario())
    pd.testing.assert_frame_equal(found.ranking, decide(rows, scenario()).ranking)


def test_missing_kind_is_left_out_and_told() -> None:
    """The rest is still answered."""
    found = decide(table(kinds={"mine": "ChatRequest"}), "service-hop")
    assert "This run has no ChatResponse, which the answer leaves out" in found.answer
    assert "Here ChatRequest is mine." in found.answer


def test_evidence_counts_the_rows_that_the_answer_rests_on() -> None:
    """Each selector finds so many rows; rows of other operations and workloads are not among them."""
    rows = table()
    found = decide(rows, scenario())
    for line in found.evidence.to_dict("records"):
        keys = ("workload", "message", "operation", "metric", "codec")
        named = rows.assign(codec=rows["case"], operation=rows["place"])
        chosen = rows[np.logical_and.reduce([named[key] == line[key] for key in keys])]
        assert len(chosen) == line["rows"] > 0
    assert set(found.evidence["workload"]) == {"chat-turn"}
    assert set(found.evidence["codec"]) == {*EVERYWHERE, "orjson (A/A)"}
    assert set(found.evidence["operation"]) == {"encode", "decode", "size", "parity"}
    assert f"This rests on {found.evidence['rows'].sum():,} rows of run r1" in found.answer


@pytest.mark.parametrize("name", scenario_names())
def test_record_holds_every_figure_of_the_ranking(name: str) -> None:
    """And every section, the answer and the scenario."""
    found = decide(table(), name)
    text = found.to_markdown()
    for codec, row in zip(found.ranking["codec"], lines(readable(found.ranking)), strict=True):
        line = next(line for line in text.splitlines() if line.startswith("|") and f"| {codec} |" in line)
        assert [cell.strip() for cell in line.strip("|").split("|")] == list(map(escaped, row))
    for title in ("Status", "Context", "Options considered", "Decision", "Consequences", "Evidence", "Scenario"):
        assert f"\n## {title}\n" in text
    assert found.verdict in text and all(line in text for line in (*found.notes, *found.reasons))
    assert json.loads(text.partition("```json")[2].partition("```")[0])["name"] == name


def test_record_says_what_the_format_loses() -> None:
    """Of protobuf, that nobody reads it with a pager."""
    asked = scenario(objective="money", prices={"core_hour": 0}, thresholds={"saving_per_million": 0})
    text = decide(table(), asked).to_markdown()
    assert text.startswith("# protobuf at the boundary") and "Nobody reads it with a pager" in text
    assert "The bytes become protobuf" in text and "share a schema" in text


def test_json_has_everything_and_no_nan() -> None:
    """What is not a number is null."""
    found = json.loads(decide(table(), "edge").to_json())
    assert found["recommended"] == "orjson" and len(found["ranking"]) == 6
    assert {"scenario", "breakeven", "sensitivity", "evidence", "latency_share", "answer", "tied"} <= set(found)


def test_package_can_be_called_whatever_was_imported_first() -> None:
    """`serlab.decide` is the function and the package."""
    found = serlab.decide(table(), "edge")
    assert isinstance(found, serlab.Decision) and isinstance(found, Decision)
    assert callable(serlab.decide.cost.totals)  # type: ignore[attr-defined]
    assert found.verdict in found._repr_markdown_()


def test_what_is_no_table_of_results_is_refused() -> None:
    """With the missing columns."""
    with pytest.raises(ResultsError, match="no column run, version, role"):
        decide(pd.DataFrame({"codec": ["a"], "workload": ["w"]}), "edge")


def test_every_codec_of_serlab_has_a_format() -> None:
    """A new codec must be described before it can be recommended."""
    from serlab.codecs.info import BUILT_IN

    assert [name for name in BUILT_IN if format_of(name).wire == ""] == []


def test_shares_and_bandwidths_are_written_for_people() -> None:
    """Two digits that count, and the smallest ones only as such."""
    assert [percent(share) for share in (0.003, 0.0924, 0.25, 1e-7, 0)] == [
        "0.3 %", "9.2 %", "25 %", "less than 0.001 %", "0 %",
    ]  # fmt: skip
    assert bandwidth(1.4e8) == "140 Mbit/s"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a results folder."""
    write_table(tmp_path, table())
    (tmp_path / "environment.json").write_text(json.dumps({"run": "r1", "cpu": "a CPU", "versions": {"orjson": "3"}}))
    return tmp_path


def test_command_answers_each_scenario_in_a_line(serlab: Run, folder: Path) -> None:
    """Without --scenario; one that cannot be answered says why."""
    done = serlab("decide", str(folder), "--json")
    lines = json.loads(done.stdout)
    assert list(lines) == scenario_names() and all(line.startswith(("Stay with", "Use ")) for line in lines.values())
    write_table(folder, table(kinds={"s": "ChatChunk"}))
    done = serlab("decide", str(folder))
    assert done.returncode == 0 and "No answer: needs ChatRequest or ChatResponse" in " ".join(done.stdout.split())


def test_command_shows_the_verdict_first_and_writes_the_record(serlab: Run, folder: Path) -> None:
    """In a terminal of 80 columns nothing is cut off."""
    options = ("--scenario", "service-hop", "--bandwidth", "140Mbit", "--model-latency", "1ms", "--adr", "adr.md")
    done = serlab("decide", str(folder), *options, "--set", "latency.tokens=0", cwd=folder)
    assert done.returncode == 0 and done.stderr == "" and "…" not in done.stdout
    text = " ".join(done.stdout.split())
    expected = decide(folder, "service-hop", tokens=0, bandwidth_bit_per_s=140e6, time_to_first_token_s=0.001)
    assert text.index(expected.verdict) < text.index("With orjson a message takes")
    record = (folder / "adr.md").read_text()
    assert expected.verdict in record and "--set bandwidth_bit_per_s=140000000.0" in record


def test_command_takes_a_copied_scenario_and_prints_json(serlab: Run, folder: Path) -> None:
    """The way from a built-in scenario to one's own."""
    copied = serlab("decide", "--copy", "edge").stdout
    (folder / "mine.toml").write_text(copied.replace("browser = true", "browser = false"))
    done = serlab("decide", str(folder), "--scenario", "mine.toml", "--scenario", "edge", "--json", cwd=folder)
    mine, edge = json.loads(done.stdout)
    assert (mine["scenario"]["name"], edge["scenario"]["name"]) == ("mine", "edge")
    assert mine["scenario"]["constraints"]["browser"] is False
    assert set(json.loads(serlab("decide", "--list", "--json").stdout)) == set(scenario_names())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "expected DIR"),
        (("absent", "--scenario", "edge"), "expected a results folder"),
        ((".", "--scenario", "egde"), "did you mean 'edge'?"),
        ((".", "--scenario", "absent.toml"), "absent.toml: cannot be read"),
        ((".", "--scenario", "edge", "--bandwidth", "140MB"), "expected bits per second"),
        ((".", "--scenario", "edge", "--set", "wire.bandwith=1"), "no setting named 'bandwith'"),
        ((".", "--scenario", "edge", "--tokens-per-s", "0"), "latency.tokens_per_s: expected `float` > 0.0"),
        ((".", "--adr", "adr.md"), "expected one --scenario"),
        (("--copy", "egde"), "did you mean 'edge'?"),
    ],
)
def test_command_refuses_in_one_line(serlab: Run, folder: Path, arguments: tuple[str, ...], text: str) -> None:
    """Exit status 2, and no traceback."""
    done = serlab("decide", *arguments, cwd=folder)
    assert done.returncode == 2 and done.stdout == ""
    assert text in " ".join(done.stderr.replace("│", " ").split()) and "Traceback" not in done.stderr


def test_saving_that_no_call_could_notice_names_no_length_of_a_call() -> None:
    """A saving of less than the threshold of codec and wire themselves has no call in which it would be enough."""
    rows = table({"orjson": {"encode": 1000.0}, "msgpack": {"encode": 800.0}})
    messages = {"ChatRequest": {"per_call": 1, "operations": {"encode": 1}}}
    waits, least = {"time_to_first_token_s": 1.0}, {"latency_share": 0.3}
    asked = scenario(messages=messages, latency=waits, wire={"bandwidth_bit_per_s": 1e12}, thresholds=least)
    found = decide(rows, asked)
    share = found.latency_share
    assert share is not None and 0 < share.matters_below_s < share.baseline_s and found.order.reason == "too little"
    assert any("less than 30 % even of a call that is codec and wire alone" in reason for reason in found.reasons)
