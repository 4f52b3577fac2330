"""The cost model: by hand, and as plain JSON values."""

import math

import msgspec
import pytest

from serlab.decide import decide, load_scenario, scenario_names
from serlab.decide.cost import Cost, Inputs, inputs, missing, parts, totals
from serlab.errors import ScenarioError
from serlab.rows import frame
from tests.support.boundaries import BYTES, EVERYWHERE, MACHINE, rows_of, scenario, table
from tests.support.rows import renamed, rows_in

MEDIAN = 1.05
"""Median of `MACHINE`."""


def test_cost_is_the_sum_by_hand() -> None:
    """One request, encoded once and decoded twice, and three responses, encoded once; two crossings, gzip, stored."""
    messages = {
        "ChatRequest": {"per_call": 1, "operations": {"encode": 1, "decode": 2}},
        "ChatResponse": {"per_call": 3, "operations": {"encode": 1}},
    }
    prices = {"core_hour": 3.6, "traffic_gb": 2.0, "storage_gb_month": 10.0}
    wire = {"bandwidth_bit_per_s": 8e9, "crossings": 2, "compression": "gzip"}
    asked = scenario(messages=messages, wire=wire, prices=prices, storage={"copies": 3, "days": 365.25})
    cost = totals(inputs(table()), asked)["msgpack"]
    cpu = MEDIAN * (0.25 * (1200 + 2 * 2600) + 0.75 * 1200)
    money = cpu * 1e-12 + 2 * 350e-9 * 2 + 3 * 12 * 350e-9 * 10
    allocated = 0.25 * (2400 + 2 * 5200) + 0.75 * 2400
    assert cost == pytest.approx(Cost(cpu, 700, cpu + 700, 350, 1e6 * money, allocated, 7800))


def test_shares_of_workloads_are_those_of_the_scenario_and_add_up_to_one() -> None:
    """Named workloads that the run does not hold are left out, and the others fill their place."""
    rows = table(kinds={"a": "ChatRequest", "b": "ChatRequest", "c": "ChatRequest", "d": "ChatResponse"})
    messages = {
        "ChatRequest": {"per_call": 3, "workloads": {"a": 3, "b": 1, "absent": 4}, "operations": {"encode": 1}},
        "ChatResponse": {"per_call": 1, "workloads": {"absent": 1}, "operations": {"encode": 1}},
    }
    found = parts(inputs(rows), scenario(messages=messages))
    assert [(part.workload, part.share) for part in found] == [("a", 0.5625), ("b", 0.1875), ("d", 0.25)]


def test_all_workloads_of_a_kind_count_alike_where_none_is_named() -> None:
    """As in a run on one's own corpus."""
    rows = table(kinds={"mine.jsonl": "ChatRequest", "other.jsonl": "ChatRequest", "third": "ChatChunk"})
    found = parts(inputs(rows), scenario())
    assert [(part.workload, part.share) for part in found] == [("mine.jsonl", 0.5), ("other.jsonl", 0.5)]


def test_a_codec_without_a_figure_has_no_cost_and_the_reason_is_told() -> None:
    """Neither a missing operation nor a body that changed is guessed away."""
    times = {"orjson": EVERYWHERE["orjson"], "msgpack": {"encode": 1.0}, "protobuf": EVERYWHERE["protobuf"]}
    found = inputs(table(times, failures={"protobuf": "changed"}, kinds={"w": "ChatRequest"}))
    assert list(totals(found, scenario())) == ["orjson"]
    assert missing(found, scenario()) == {"msgpack": "not measured: decode on w", "protobuf": "changed on w"}


def test_floors_and_the_second_arm_are_no_codecs() -> None:
    """They have rows but no bytes of their own."""
    rows = table()
    rows.loc[rows["codec"] == "protobuf", "case"] = "floor: copy"
    found = inputs(renamed(rows))
    assert set(found.formats) == set(EVERYWHERE) - {"protobuf"}


def test_a_variant_for_vectors_stands_on_its_stem_where_it_writes_the_same() -> None:
    """It is measured on vectors only."""
    vectors = [*rows_of("e", "EmbeddingResponse", "orjson", {"encode": 9.0}, 90, "")]
    vectors += rows_of("e", "EmbeddingResponse", "orjson-base64", {"encode": 5.0}, 50, "")
    rows = table({"orjson": {"encode": 7.0}}, kinds={"q": "EmbeddingRequest"})
    both = frame([*rows_in(rows), *vectors])
    messages = {kind: {"operations": {"encode": 1}} for kind in ("EmbeddingRequest", "EmbeddingResponse")}
    found = totals(inputs(both), scenario(messages=messages))
    assert found["orjson-base64"].cpu_ns == pytest.approx(MEDIAN * (7 + 5) / 2)
    assert found["orjson-base64"].size_bytes == pytest.approx((1000 + 50) / 2)


def test_no_other_variant_stands_on_its_stem() -> None:
    """Google's own code writes as many bytes and takes another time."""
    rows = table(kinds={"a": "ChatRequest", "b": "ChatRequest"})
    rows = rows[(rows["codec"] != "flatbuffers-unverified") | (rows["workload"] == "a")]
    rows["codec"] = rows["codec"].replace("flatbuffers-official", "flatbuffers")
    assert missing(inputs(rows), scenario()) == {
        "flatbuffers-unverified": "not measured: encode, decode, raw size on b"
    }


@pytest.mark.parametrize("timed", [False, True])
def test_compression_counts_where_the_run_timed_it(timed: bool) -> None:
    """For all codecs or for none."""
    more = {"gzip": 100.0, "gunzip": 30.0} if timed else {}
    rows = table({codec: {**times, **more} for codec, times in EVERYWHERE.items()})
    messages = {"ChatRequest": {"operations": {"encode": 1}, "compress": 2, "decompress": 1}}
    asked = scenario(messages=messages, wire={"compression": "gzip"})
    cost = totals(inputs(rows), asked)["orjson"]
    assert cost.cpu_ns == pytest.approx(MEDIAN * (1000 + (230 if timed else 0)))
    assert cost.allocated_bytes == 2000
    assert ("not measured and is left out" in decide(rows, asked).answer) is not timed


def test_memory_that_was_not_measured_is_not_a_number() -> None:
    """A part of the operations is no figure for all."""
    rows = table()
    rows = rows[(rows["metric"] != "bytes") | (rows["operation"] != "decode")]
    assert math.isnan(totals(inputs(rows), scenario())["orjson"].allocated_bytes)


def test_a_run_without_the_kind_cannot_answer_and_says_what_to_measure() -> None:
    """The command names the scenario's workloads."""
    with pytest.raises(ScenarioError, match=r"needs ChatRequest; this run has ChatChunk: .*--corpus FILE"):
        totals(inputs(table(kinds={"s": "ChatChunk"})), scenario())
    with pytest.raises(ScenarioError, match="serlab compare --workload token-ids --operation encode,decode"):
        totals(inputs(table(kinds={"s": "ChatChunk"})), load_scenario("engine-ipc"))


def test_inputs_are_json_and_give_the_same_costs_when_they_come_back() -> None:
    """So that a page can hold them."""
    found = inputs(table())
    back = msgspec.json.decode(msgspec.json.encode(found), type=Inputs)
    assert totals(back, scenario()) == totals(found, scenario())


@pytest.mark.parametrize("name", scenario_names())
def test_every_built_in_scenario_answers_with_the_models_own_figures(name: str) -> None:
    """The ranking's values are those of `model.totals`, to the last digit."""
    rows = table()
    decision = decide(rows, name)
    costs = totals(inputs(rows), load_scenario(name))
    ranking = decision.ranking.set_index("codec")
    crossings = decision.scenario.wire.crossings
    assert set(costs) == set(BYTES) and decision.recommended
    for codec, cost in costs.items():
        row = ranking.loc[codec]
        assert (row["time_ns"], row["cpu_ns"], row["size_bytes"]) == (cost.time_ns, cost.cpu_ns, cost.size_bytes)
        assert row["usd_per_million"] == cost.cost_per_million
        assert row["core_hours_per_million"] == pytest.approx(cost.cpu_ns / 3.6e6)
        assert row["wire_gb_per_million"] == pytest.approx(cost.size_bytes * crossings / 1000)
    assert len(MACHINE) == decision.ranking["processes"].iloc[0]
