"""What a notebook argues from: any two arms of an experiment on the wire; streams, caches and pools."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serlab.cases import Conditions, Place
from serlab.errors import NotMeasuredError
from serlab.notebook.wire_claims import filled_in, reuse_claims, sharing_claims, small_cache
from serlab.report.figures import hit_figure, token_figure, write_figures
from serlab.report.wire_forms import Form, floors_of, gains, lead, stream_forms
from serlab.report.wire_reuse import (
    Costs,
    backends_of,
    break_even_table,
    growth_table,
    hit_rates,
    mean_costs,
    pooling_table,
    sharing_table,
    workloads_of,
)
from serlab.report.wire_tables import Arms, wire_arms
from serlab.rows import frame, write_table
from serlab.verdicts import compare_runs
from tests.support.folders import ENVIRONMENT
from tests.support.scenes import shown, words
from tests.support.wirearguments import CACHE, cache_rows, pooling_rows, rows_of, run, stream_rows

PLAIN = "orjson http/sse/full/every=1"
MODEL_NS = 500e6


@pytest.fixture(scope="module")
def stream() -> Arms:
    """Return the arms of the streams."""
    return wire_arms(run(), "stream")


@pytest.fixture(scope="module")
def cache() -> Arms:
    """Return the arms of the cache."""
    return wire_arms(run(), "cache")


def test_two_arms_are_compared_within_each_process(stream: Arms) -> None:
    """The machine was nearly twice as slow in one as in another, and the ratio is exact."""
    found = stream.versus("orjson http/sse/full/every=8", PLAIN)
    assert found.ratio[:3] == pytest.approx((0.4, 0.4, 0.4)) and found.verdict == "less"
    assert found.words("faster", "slower") == "faster (0.400×)"


def test_a_difference_inside_the_spread_is_a_tie(stream: Arms) -> None:
    """Also between two groups of which only the first has an A/A arm."""
    found = stream.versus("orjson http/sse/slim/every=1", PLAIN)
    assert found.verdict == "tie" and found.words("faster", "slower").startswith("a tie (1.00×")
    assert stream.control("orjson http/ndjson/full/every=1") == stream.control(PLAIN)


def test_an_arm_that_was_not_measured_has_no_verdict(stream: Arms) -> None:
    """Nor a figure."""
    found = stream.versus("novel http/sse/full/every=1", PLAIN)
    assert (found.verdict, found.words("faster", "slower")) == ("", "not measured")
    assert math.isnan(stream.value("novel http/sse/full/every=1"))


def test_an_experiment_that_the_run_lacks_is_named() -> None:
    """With those that are there, and the command."""
    with pytest.raises(NotMeasuredError, match="serlab wire vectors"):
        wire_arms(run(), "vectors")


def test_a_form_is_named_by_what_differs_from_the_usual() -> None:
    """And has the name of its arm."""
    form = Form.of("protobuf", Conditions(transport="http2", framing="frames", envelope="slim", every=8))
    assert (str(form), form.arm) == ("protobuf frames HTTP/2 slim ×8", "protobuf http2/frames/slim/every=8")
    streamed = Conditions(transport="grpc", framing="messages", envelope="full", every=1)
    assert str(Form.of("protobuf", streamed)) == "protobuf gRPC"


def test_forms_have_bytes_time_and_the_clients_work(stream: Arms) -> None:
    """Half of a core for the time of a token; floors are no forms."""
    forms = stream_forms(stream)
    assert not any("floor" in name or "A/A" in name for name in forms.index)
    plain = forms.loc["orjson sse"]
    assert (plain["wire_bytes"], plain["verdict"]) == (237, "baseline")
    assert plain["client_ns"] == pytest.approx(stream.value(PLAIN) / 2)
    assert forms.loc["json sse", "verdict"] == "slower" and forms["wire_bytes"].is_monotonic_decreasing


def test_a_step_is_set_against_what_it_starts_from(stream: Arms) -> None:
    """Not against the baseline of the run; one that was not measured is left out."""
    base = Form("protobuf", "http", "frames", "full", 1)
    steps = {"slim": (base._replace(envelope="slim"), base), "none": (base._replace(every=64), base)}
    found = gains(stream, steps)
    assert list(found.index) == ["slim"]
    assert found.loc["slim", "bytes_ratio"] == pytest.approx(27 / 109) and found.loc["slim", "time_verdict"] == "tie"


def test_the_floor_is_set_against_the_codec_whose_bytes_it_reads(stream: Arms) -> None:
    """The run's order of codecs tells, and what cannot be told from all of the time is marked."""
    found = floors_of(stream, ["json", "orjson", "msgpack", "protobuf"])
    assert list(found.index) == ["orjson sse", "msgpack frames"]
    assert found["floor_share"].tolist() == pytest.approx([0.75, 1.0]) and found["is_all"].tolist() == [False, True]
    assert "protobuf frames" in floors_of(stream, ["protobuf", "msgpack"]).index


def test_a_codec_stands_for_its_sort(stream: Arms) -> None:
    """The one that was measured in all shapes."""
    assert (lead(stream, "sse"), lead(stream, "frames"), lead(stream, "ndjson")) == ("orjson", "protobuf", "")


def test_a_cache_pays_from_where_it_costs_what_it_saves() -> None:
    """At that rate a request costs the same with and without; a look-up as dear as the call never pays."""
    costs = Costs(key=5, get=4, hit=8, put=10, call=1000)
    assert costs.mean(costs.break_even()) == pytest.approx(costs.call)
    assert Costs(key=0, get=60, hit=60, put=0, call=50).break_even() > 1
    assert Costs(key=0, get=1, hit=60, put=0, call=50).break_even() == math.inf


def test_break_even_falls_with_what_the_model_takes(cache: Arms) -> None:
    """Every backend and codec has its own, and a codec whose call was not measured none."""
    cheap, dear = break_even_table(cache), break_even_table(cache, MODEL_NS)
    assert backends_of(cache) == ["memory", "redis"] and len(cheap) == 3
    assert (dear["break_even_share"] < cheap["break_even_share"]).loc[cheap["backend"] == "memory"].all()
    own = cheap[(cheap["backend"] == "memory") & (cheap["codec"] == "orjson")].iloc[0]
    key, get, hit, put = CACHE["key key"], *(CACHE[f"orjson memory/{part}"] for part in ("get", "hit", "put"))
    expected = (key + get + put) / (CACHE["orjson call"] + put + get - hit)
    assert own["break_even_share"] == pytest.approx(expected)
    assert cheap[cheap["backend"] == "redis"]["break_even_share"].iloc[0] > 1, "never"


def test_hit_rates_stand_by_capacity_with_the_baseline_first(cache: Arms) -> None:
    """In the order of numbers: 10 % before 100 %."""
    rates = hit_rates(cache)
    assert list(rates.index) == [0.01, 0.1, 1.0] and rates.columns[0] == "orjson"
    assert rates.loc[0.1, "protobuf"] == 0.45


def test_a_compact_codec_wins_only_where_calls_are_dear(cache: Arms) -> None:
    """More hits save more than its decode costs, if a call takes half a second."""
    dear = mean_costs(cache, "memory", "10%", MODEL_NS)
    assert dear.index[0] == "protobuf" and dear.loc["protobuf", "verdict"] == "less"
    assert dear.loc["protobuf", "ratio"] == pytest.approx(0.55 / 0.6, rel=1e-3)
    assert mean_costs(cache, "memory", "100%").loc["protobuf", "verdict"] in ("more", "tie")


PACKED = {f"orjson+zstd memory/{part}": CACHE[f"orjson memory/{part}"] + 5e3 for part in ("get", "hit", "put")}


@pytest.mark.parametrize(
    ("packed", "winner", "word"),
    [(0.5, "orjson+zstd", "more than"), (0.42, "protobuf", "less than"), (0.45, "orjson+zstd", "as often as")],
)
def test_compressed_answers_are_set_against_the_best_without_compression(packed: float, winner: str, word: str) -> None:
    """A hit saves the call of the codec, which has no compressed twin; of two that hit alike the cheaper hit wins."""
    rows = run()
    hits = rows_of("cache", {"orjson+zstd hits/capacity=10%": packed}, "hit-rate", "chat-response")
    rows = pd.concat([rows, frame([*rows_of("cache", PACKED, workload="chat-response"), *hits])])
    table, said = small_cache(rows, wire_arms(rows, "cache"), "memory", "10%", MODEL_NS)
    assert table.loc["orjson+zstd", "hit_share"] == packed
    assert said.startswith(f"A request costs least with `{winner}`:")
    assert said.endswith(
        f"Compressed, `orjson` hits {packed:.0%}, {word} `protobuf`, the best without compression (45%)."
    )


def test_a_run_without_compressed_answers_says_so(cache: Arms) -> None:
    """And where nothing is cheaper, nothing is called so."""
    rows = run()
    assert small_cache(rows, cache, "memory", "10%", MODEL_NS)[1].endswith(
        "Compressed answers are not measured in this run."
    )
    said = small_cache(rows, cache, "memory", "100%", 0)[1]
    assert said.startswith("No way to keep the answers makes a request measurably cheaper than `orjson`.")


def test_reuse_is_set_against_a_fresh_object() -> None:
    """Variant by variant; a pair without one has a dash."""
    table = pooling_table(run())
    assert table.loc["buffer", "chat-turn: kept"] == "0.800×"
    assert table.loc["message-decode", "chat-turn: kept"].endswith("=")
    assert table.loc["message-decode", "chat-turn: pooled"] == "–"
    kept = reuse_claims(run())["kept"]
    assert sorted((round(one.value, 2), one.verdict) for one in kept) == [(0.8, "less"), (1.0, "tie")]


def test_ways_to_share_are_set_against_the_plain_way() -> None:
    """With the most threads; the plain way is not one of them."""
    found = {name: (time.value, ratio.verdict) for name, (time, ratio) in sharing_claims(run()).items()}
    assert {name: verdict for name, (_, verdict) in found.items()} == {
        "lock, threads 4": "more",
        "count by lock, threads 4": "more",
    }


def test_the_smallest_and_the_largest_messages_are_shown() -> None:
    """A run may have many; without sizes any two."""
    rows = [row for name in ("b", "a", "c") for row in rows_of("pooling", {"fresh buffer": 1.0}, workload=name)]
    sizes = [rows[0]._replace(workload=name, metric="raw", value=size, **Place("size")._asdict()) for name, size in
             (("a", 20.0), ("b", 30.0), ("c", 10.0))]  # fmt: skip
    assert workloads_of(frame([*rows, *sizes])) == ["c", "b"]
    assert workloads_of(frame(rows)) == ["a", "c"]


@pytest.mark.parametrize(
    ("kept", "released", "word"),
    [(4860.0, 40.0, "arena"), (4860.0, 4860.0, "leak"), (4860.0, None, "not deleted"), (0.5, 0.0, "still")],
)
def test_growth_is_a_leak_only_where_it_stays_when_the_object_is_gone(
    kept: float, released: float | None, word: str
) -> None:
    """What comes back is an arena's, and an older run did not look."""
    grown = {"fresh message-decode": 0.0, "kept message-decode": kept}
    grown |= {} if released is None else {"released message-decode": released}
    rows = rows_of("pooling", grown, "growth-per-use")
    table = growth_table(frame([*rows_of("pooling", {"fresh message-decode": 1.0}), *rows]))
    assert table["growth"].tolist() == [word] and table["kept_bytes"].tolist() == [kept]
    assert growth_table(run())["growth"].tolist() == ["arena"]


def test_sharing_is_shown_with_the_most_threads() -> None:
    """A lock on a pool and one on a number are two things."""
    table = sharing_table(run())
    assert set(table.index) == {"list, threads 4", "lock, threads 4", "count by itertools, threads 4",
                                "count by lock, threads 4"}  # fmt: skip
    assert table.loc["count by lock, threads 4", "ratio"] == pytest.approx(3)
    assert table.loc["lock, threads 4", "verdict"] == "slower"


def test_tokens_are_drawn_with_a_name_for_each_form() -> None:
    """And the grey band of the A/A arm."""
    figure = token_figure(run())
    assert set(stream_forms(wire_arms(run(), "stream")).index) <= words(figure)
    assert shown(figure, kind="A/A")


def test_codecs_that_hit_alike_share_a_line() -> None:
    """JSON by whichever library takes the same bytes."""
    texts = words(hit_figure(run()))
    assert {"orjson (and 1 more)", "protobuf", "10 %", "40 %"} <= texts


@pytest.mark.parametrize("draw", [token_figure, hit_figure])
def test_a_figure_of_what_was_not_measured_is_refused(draw: Any) -> None:
    """With the command that measures it."""
    with pytest.raises(NotMeasuredError, match="serlab wire"):
        draw(frame(pooling_rows()))


def test_what_a_run_lacks_comes_from_the_stored_one(tmp_path: Path) -> None:
    """It is named, so that the notebook can tell; a part of an experiment too."""
    stored = tmp_path / "wire"
    stored.mkdir()
    size = stream_rows()[0]._replace(workload="chat-response", metric="raw", **Place("size")._asdict())
    write_table(stored, frame([*cache_rows(), *pooling_rows(), size]))
    own = frame([row._replace(workload="mine") for row in pooling_rows() if row.conditions.part != "share"])
    rows, added = filled_in(own, ["cache", "pooling", "pooling/share"], stored)
    assert added == ["cache", "pooling/share"]
    assert wire_arms(rows, "pooling").workload == "mine" and wire_arms(rows, "cache").workload == "chat-response"
    assert (rows["place"] == "size").sum() == 1


def test_figures_of_a_run_on_the_wire_are_written(tmp_path: Path) -> None:
    """For the workloads that have them; others are no error."""
    write_table(tmp_path, run())
    names = {path.stem for path in write_figures(tmp_path)}
    assert {"tokens-chat-turn", "hits-chat-response"} <= names


def test_comparison_of_runs_says_that_the_wire_is_left_out(tmp_path: Path) -> None:
    """Its figures are of one run and one machine's moment."""
    write_table(tmp_path, run())
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT))
    assert any("on the wire is not compared" in note for note in compare_runs(tmp_path, tmp_path).notes)
