"""What a call is made of, what another codec would save of it, and what else it waits for."""

import pandas as pd
import pytest

from serlab.errors import NotMeasuredError
from serlab.notebook.claims import compare_arms
from serlab.notebook.wire_claims import (
    even_at_ms,
    kept_sentence,
    parts_of,
    said_of,
    saved_one_way,
    share_texts,
    stall_sentences,
    times_codec,
    worth,
)
from serlab.report.figures import call_figure
from serlab.report.formatting import readable
from serlab.report.wire_calls import (
    call_table,
    connection_table,
    delayed,
    is_noticed,
    left_table,
    one_way,
    saving_table,
    stall_table,
)
from serlab.report.wire_forms import form_table, rival_table
from serlab.report.wire_tables import wire_arms
from tests.support.callrows import MS, arm, calls, connections, stalls, table
from tests.support.scenes import codecs_of, shown, title_of

SMALL = calls(orjson=0.002, protobuf=0.003)
LARGE = calls("vectors", orjson=9.0, protobuf=1.0, json=40.0)


def test_a_call_is_its_bytes_alone_and_the_coding() -> None:
    """The two parts make up the call, and the share is that of the coding."""
    found = call_table(table(LARGE)).set_index("codec")
    assert found["codec_share"]["orjson"] == pytest.approx(0.9, abs=0.01)
    assert found["codec_ns"]["protobuf"] == pytest.approx(1 * MS, rel=0.03)
    assert (found["transport_ns"] + found["codec_ns"]).tolist() == pytest.approx(found["call_ns"].tolist())
    assert set(found["part_verdict"]) == {"more"}


def test_a_codec_inside_the_noise_is_a_tie_with_no_codec() -> None:
    """Two microseconds of a millisecond are less than this machine makes of no difference."""
    found = call_table(table(SMALL)).set_index("codec")
    assert found["part_verdict"]["orjson"] == "tie" and found["verdict"]["protobuf"] == "tie"
    assert share_texts(found)["orjson"].endswith("=")
    assert said_of(table(SMALL), "chat-turn", "orjson").endswith("a tie with no codec at all.")


def test_other_numbers_of_calls_at_once_stand_apart() -> None:
    """Calls by eight are no calls one at a time."""
    rows = table(LARGE, arm("orjson", "transport/http/inflight=8", 5 * MS))
    assert call_table(rows, inflight=8)["call_ns"].tolist() == pytest.approx([5 * MS], rel=0.02)
    assert len(call_table(rows)) == 3


def test_a_saving_is_that_of_the_fastest_codec_with_its_interval() -> None:
    """A tenth less of ten milliseconds would be noticed in calls up to a hundred times as long."""
    found = saving_table(call_table(table(LARGE))).iloc[0]
    assert (found["codec"], found["verdict"]) == ("protobuf", "faster")
    assert found["saved_ns_low"] <= found["saved_ns"] == pytest.approx(8 * MS, rel=0.03) and found["saved_ns_high"] > 0
    assert found["noticed_ns"] == pytest.approx(100 * found["saved_ns"])


def test_a_saving_is_a_difference_of_the_same_worker() -> None:
    """The median over workers of what each saved, not the difference of two medians."""
    rows = table(LARGE)
    slow = rows["process"].isin([0, 1]) & (rows["codec"] == "orjson")
    rows = rows.assign(value=rows["value"].where(~slow, rows["value"] + 5 * MS))
    at = {codec: rows[rows["codec"] == codec].set_index("process")["value"] for codec in ("orjson", "protobuf")}
    found, each = saving_table(call_table(rows)).iloc[0], at["orjson"] - at["protobuf"]
    assert found["saved_ns"] == pytest.approx(each.median()) and found["saved_ns_high"] >= 12 * MS


def test_one_way_saves_half_of_an_echo() -> None:
    """Eight milliseconds both ways are four one way, of a call that is coded half as often."""
    rows = table(LARGE)
    both = saving_table(call_table(rows))
    one, echo = one_way(both).iloc[0], both.iloc[0]
    for name in ("saved_ns", "saved_ns_low", "saved_ns_high", "noticed_ns"):
        assert one[name] == pytest.approx(echo[name] / 2)
    assert one["call_ns"] == pytest.approx((1 + 9 / 2) * MS, rel=0.03)
    saved = saved_one_way(rows, echo, "orjson")
    assert saved.value == pytest.approx(one["saved_ns"]) and saved.low == pytest.approx(one["saved_ns_low"])
    assert "not behind a model" in worth(one, "orjson", 500 * MS, saved)


def test_a_tie_saves_nothing_that_is_noticed() -> None:
    """The fastest of equal codecs is fastest by chance."""
    found = saving_table(call_table(table(SMALL))).iloc[0]
    assert found["verdict"] == "tie" and found["noticed_ns"] == 0
    said = worth(found, "orjson", 0.0, saved_one_way(table(SMALL), found, "orjson"))
    assert said == "**`chat-turn`: no.** No codec is measurably faster than `orjson` (a tie)."


def test_a_slower_codec_is_no_saving() -> None:
    """Where every other codec is slower, nothing is noticed."""
    found = saving_table(call_table(table(calls(orjson=1.0, json=4.0)))).iloc[0]
    assert (found["codec"], found["verdict"], found["noticed_ns"]) == ("json", "slower", 0)


@pytest.mark.parametrize(("model_ms", "answer"), [(500, "yes, behind a model as well"), (900, "not behind a model")])
def test_whether_a_change_is_noticed_depends_on_the_model(model_ms: float, answer: str) -> None:
    """Eight milliseconds are 1 % of 800."""
    found = saving_table(call_table(table(LARGE))).iloc[0]
    assert answer in worth(found, "orjson", model_ms * MS, saved_one_way(table(LARGE), found, "orjson"))


def test_a_change_is_noticed_only_if_the_end_of_its_interval_is() -> None:
    """A call of one second: 11 ms at the median and 9 at the least are no hundredth for certain."""
    saving = {"verdict": "faster", "saved_ns_low": 9 * MS, "saved_ns": 11 * MS, "call_ns": 1000 * MS}
    assert not is_noticed(saving) and is_noticed({**saving, "saved_ns_low": 10 * MS})
    assert not is_noticed({**saving, "saved_ns_low": 10 * MS}, 1.0 * MS)
    rows = table(calls("w", orjson=9.0, c=1.0))
    hardly = {**saving, "workload": "w", "codec": "c"}
    assert worth(hardly, "orjson", 0.0, saved_one_way(rows, hardly, "orjson")).startswith("**`w`: hardly.**")


def test_waiting_dilutes_a_share() -> None:
    """Nine of ten milliseconds are nine of a hundred after ninety more."""
    shares = delayed(call_table(table(LARGE)).set_index("codec"), {"here": 0, "far": 90})
    assert shares.loc["orjson"].tolist() == pytest.approx([0.9, 0.09], rel=0.02)


def test_a_run_without_calls_has_no_parts() -> None:
    """Neither table nor figure invents any."""
    rows = table(stalls())
    assert call_table(rows).empty and saving_table(call_table(rows)).empty
    with pytest.raises(NotMeasuredError, match="serlab wire transport"):
        call_figure(rows)


def test_the_figure_stacks_coding_on_bytes_alone() -> None:
    """Each codec has a grey bar, its own on top of it, and a share at the edge; the workloads are as asked."""
    figure = call_figure(table(SMALL, LARGE), ["vectors", "chat-turn"])
    (own,) = shown(figure, codec="orjson")
    assert title_of(figure)[0] == "vectors" and title_of(figure, 1)[0] == "chat-turn"
    assert own["call"] - own["alone"] == pytest.approx(9 * MS, rel=0.02)
    assert {"98 %", "90 %", "50 %"} == {row["share"] for row in shown(figure) if "share" in row}
    assert any(row.get("share", "").endswith("=") for row in shown(figure, 1)) and shown(figure, kind="A/A")


def test_variants_are_drawn_if_they_are_asked_for() -> None:
    """All but variants are shown by default, and the baseline always."""
    found = table(calls("vectors", orjson=9.0, **{"orjson-base64": 3.0}))
    drawn = [codecs_of(call_figure(found, codecs=names)) for names in (None, ["orjson-base64"])]
    assert drawn == [["orjson"], ["orjson-base64", "orjson"]]


def test_the_parts_are_written_in_one_unit_with_their_interval() -> None:
    """`10.0 ms [9.95, 10.1]`: the ends of an interval of times are in the unit of the figure."""
    shown = parts_of(call_table(table(LARGE)), "vectors")
    assert shown["call"]["orjson"].startswith(("10.0 ms [9.9", "9.9")) and shown["codec's share"]["json"].startswith(
        "97"
    )
    times = pd.DataFrame({"a_ns": [1_500.0], "a_ns_low": [900.0], "a_ns_high": [2_000_000.0]})
    assert readable(times)[0].cells == ["1.50 µs [0.900, 2,000]"]


def test_a_kept_connection_saves_what_a_new_one_takes_more() -> None:
    """A millisecond at hand; two round trips more at a distance; by distance and arm in order."""
    found = connection_table(table(connections()))
    assert found["arm"].tolist() == ["kept", "new", "resumed"] * 2 and found["rtt_ms"].tolist() == [0] * 3 + [10] * 3
    new = found[found["arm"] == "new"]
    assert new["saved_ns"].tolist() == pytest.approx([1 * MS, 21 * MS], rel=0.02)
    assert set(new["verdict"]) == {"faster"} and set(found[found["arm"] == "kept"]["verdict"]) == {"tie"}
    assert new["formula_trips"].iloc[1] == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize(("codec_ms", "distance_ms"), [(0.5, 0.0), (9.0, 4.0)])
def test_a_connection_is_worth_a_codec_from_a_distance_on(codec_ms: float, distance_ms: float) -> None:
    """A new connection takes one millisecond and two round trips more."""
    found = even_at_ms(connection_table(table(connections())), "tls1.3", codec_ms * MS)
    assert found == pytest.approx(distance_ms, abs=0.05)


def test_nothing_is_said_of_what_saves_nothing_measurably() -> None:
    """Twenty times as much is a claim; a tie makes none, and times less than nothing is none."""
    savings = pd.DataFrame({"saved_ns_low": [20.0, 20.0], "verdict": ["faster", "tie"]})
    assert times_codec(savings, 1.0) == ["20.0×", "–"] and times_codec(savings, -1.0) == ["–", "–"]


def test_what_a_kept_connection_saves_is_that_of_the_longest_distance() -> None:
    """Twenty-one milliseconds, and no word of a codec that saves nothing."""
    rows = table(connections())
    new = connection_table(rows).query("arm == 'new'")
    said = kept_sentence(rows, new, {"chat-turn": MS, "vectors": -MS})
    assert (
        "round trip of 10 ms" in said and "codec may save of a call of `chat-turn`." in said and "vectors" not in said
    )
    assert kept_sentence(rows, new, {"vectors": -MS}).endswith(" ms.")
    alike = rows.assign(value=rows["value"].where(rows["codec"] != "new", 10 * MS))
    assert "did not" in kept_sentence(alike, new, {"chat-turn": MS})


def test_stalls_inline_and_by_a_thread_stand_side_by_side() -> None:
    """The floors come last and have no thread to compare; the lower rate of both ways is shown."""
    found = stall_table(table(stalls()))
    assert found["codec"].tolist() == ["orjson", "json", "floor: idle", "floor: bytes"]
    json = found.set_index("codec").loc["json"]
    assert json["to_inline_ratio"] == pytest.approx(0.2, rel=0.02) and json["to_inline_verdict"] == "less"
    assert json["inline_verdict"] == "slower" and json["bodies_per_s"] == pytest.approx(10, rel=0.02)
    assert found["to_inline_ratio"].isna().tolist() == [False, False, True, True]


def test_stalls_are_told_apart_only_where_they_differ() -> None:
    """What a thread does not change is not named, and coding that ties with bytes alone is called so."""
    rows = table(stalls(thread=1.0, floor_ms=10.0))
    said = " ".join(stall_sentences(rows, stall_table(rows), "chat-turn", "orjson"))
    assert "bytes alone: a tie" in said and "longer than with `orjson`: json." in said and "A thread" not in said
    assert "The pace was not kept with: json." in said


def test_stalls_that_all_tie_are_called_so() -> None:
    """A run that cannot tell them apart says so."""
    rows = table(stalls(thread=1.0))
    rows = rows[rows["codec"] != "json"]
    assert "all tie" in stall_sentences(rows, stall_table(rows), "chat-turn", "orjson")[-1]


def test_what_cancelled_calls_leave_keeps_its_extremes() -> None:
    """A single worker's leak is not lost in a median."""
    rows = table(arm("client", "cancel/http", 0.0, "left-tasks", "1"))
    rows.loc[0, "value"] = 3.0
    found = left_table(rows).iloc[0]
    assert (found["transport"], found["arm"], found["value"], found["most"]) == ("http", "client", 0.0, 3.0)


def test_forms_of_vectors_are_compared_with_the_list() -> None:
    """A form in which half the time is saved; a codec stands for its variant in base64."""
    rows = [row for codec, form, ms in (("orjson", "list", 8), ("orjson (A/A)", "list", 8), ("orjson", "base64", 4),
                                        ("orjson-base64", "base64", 4), ("protobuf", "packed", 2))
            for row in arm(codec, f"vectors/{form}", ms * MS)]  # fmt: skip
    found = form_table(table(rows)).set_index("form")
    assert found["codec"].to_dict() == {"list": "orjson", "base64": "orjson", "packed": "protobuf"}
    assert found["saved_ns"]["base64"] == pytest.approx(4 * MS, rel=0.02) and found["verdict"]["packed"] == "faster"


def test_a_form_has_two_rivals() -> None:
    """It saves 6 ms of a list and 2 ms of base64, which is what the official client asks for."""
    rows = [row for codec, form, ms in (("orjson", "list", 8), ("orjson (A/A)", "list", 8), ("orjson", "base64", 4),
                                        ("orjson-base64", "base64", 4), ("protobuf", "packed", 2))
            for row in arm(codec, f"vectors/{form}", ms * MS)]  # fmt: skip
    tidy = table(rows)
    found, arms = rival_table(tidy).set_index("rival"), wire_arms(tidy, "vectors")
    assert found["codec"].tolist() == ["protobuf packed"] * 2 and set(found["verdict"]) == {"faster"}
    assert found["saved_ns"].tolist() == pytest.approx([6 * MS, 2 * MS], rel=0.02)
    assert found["noticed_ns"]["orjson base64"] == pytest.approx(100 * found["saved_ns"]["orjson base64"])
    saved = [compare_arms(tidy, arms, one["codec"], str(rival), saved=1.0) for rival, one in found.iterrows()]
    said = [
        worth(one, str(rival), 350 * MS, claim) for (rival, one), claim in zip(found.iterrows(), saved, strict=True)
    ]
    assert "as well" in said[0] and "against `orjson base64`" in said[1] and "not behind a model" in said[1]


def test_waits_that_were_not_measured_have_no_rows() -> None:
    """Each table is empty rather than made up."""
    rows = table(SMALL)
    assert connection_table(rows).empty and stall_table(rows).empty and left_table(rows).empty
