"""Decisions on bodies that codecs refuse, and on bodies without a type."""

import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serlab.decide import decide, scenario_names
from serlab.decide.ranking import Run
from serlab.decide.scenarios import from_dict
from serlab.errors import ScenarioError
from serlab.page.build import answers, boundaries
from serlab.rows import frame
from tests.support.boundaries import EVERYWHERE, scenario, table
from tests.support.rows import named_row

WAITS = {"latency": {"time_to_first_token_s": 1e-5}}
TYPED = {"protobuf", "flatbuffers-unverified", "flatbuffers-official"}


def refusing(*codecs: str, refused: int = 1, bodies: int = 200) -> pd.DataFrame:
    """Make a run in which some codecs refuse a few bodies of `chat-turn`, and all are measured on the others."""
    rows = table()
    rows = rows[~((rows["operation"] == "parity") & (rows["workload"] == "chat-turn"))]
    counts = [
        named_row("r1", codec, "1.0", "chat-turn", "ChatRequest", "parity", metric, "bodies", 0, float(count))
        for codec in EVERYWHERE
        for metric, count in counts_of(codec in codecs, refused, bodies).items()
    ]
    return pd.concat([rows, frame(counts)], ignore_index=True)


def counts_of(is_refusing: bool, refused: int, bodies: int) -> dict[str, int]:
    """Count the bodies as the parity pass does."""
    lost = refused if is_refusing else 0
    return {"equal": bodies - lost, "refused": lost, "changed": 0, "no_schema": 0, "common": bodies - refused}


def test_a_codec_that_refuses_bodies_is_taken_only_where_the_scenario_allows_it() -> None:
    """It keeps its figures and its place in the table, with share and count; the answer names the setting."""
    rows, asked = refusing("msgpack", "orjson"), scenario(wire={"bandwidth_bit_per_s": 8e9}, **WAITS)
    found = decide(rows, asked)
    noted = found.ranking.set_index("codec").loc["orjson"]
    assert noted["note"] == "refuses 1 of 200 bodies of chat-turn, 0.5 %" and noted["rank"] is None
    assert noted["time_ns"] > 0 and found.recommended == "msgspec-json"
    assert (
        "orjson and msgpack refuse bodies and are barred for that alone: max_refused_share is 0; with 0.005 they count."
    ) in found.reasons
    assert "chat-turn: figures are over 199 of 200 bodies" in " ".join(found.notes)
    taken = decide(rows, asked, max_refused_share=0.005)
    assert taken.recommended == "orjson" == decide(table(), asked).recommended
    assert taken.order.of("msgpack").barred == ""
    told = "orjson and msgpack refuse 1 of 200 bodies of chat-turn, 0.5 %, which max_refused_share = 0.005 allows."
    assert told in taken.reasons and told in taken.to_markdown()
    assert decide(rows, asked, max_refused_share=0.0049).order.of("msgpack").barred


@pytest.mark.parametrize(("refused", "bodies"), [(1, 300), (2, 300), (1, 100), (7, 999)])
def test_the_share_that_is_said_to_be_enough_is_enough(refused: int, bodies: int) -> None:
    """It is rounded up."""
    rows = refusing("msgpack", refused=refused, bodies=bodies)
    said = next(one for one in decide(rows, scenario(**WAITS)).reasons if "max_refused_share" in one)
    enough = float(said.partition("; with ")[2].partition(" ")[0])
    assert enough >= refused / bodies
    assert decide(rows, scenario(**WAITS), max_refused_share=enough).order.of("msgpack").barred == ""


def test_where_only_one_codec_carries_every_body_the_verdict_says_so() -> None:
    """And not where the others are barred for what their format cannot do."""
    rows = refusing(*(codec for codec in EVERYWHERE if codec != "msgpack"))
    found = decide(rows, scenario(**WAITS))
    assert found.verdict == (
        "Use msgpack: of what was measured only this meets the constraints and carries every body."
    )
    text = found.to_markdown()
    assert "msgpack" in text.splitlines()[0]
    alone = decide(rows, scenario(constraints={"other_languages": True}, **WAITS), max_refused_share=0.01)
    assert alone.order.reason != "alone"


def test_more_than_a_hundredth_is_no_figure_whatever_the_scenario_takes() -> None:
    """The reason is that of the parity check."""
    found = decide(refusing("msgpack", refused=3), scenario(**WAITS), max_refused_share=0.5)
    assert found.ranking.set_index("codec").loc["msgpack", "note"] == "refused on chat-turn"


@pytest.mark.parametrize("share", [-0.1, 1.1, "all"])
def test_a_share_is_a_number_from_0_to_1(share: object) -> None:
    """Another value is refused with its place."""
    messages = {"ChatRequest": {"operations": {"encode": 1}}}
    with pytest.raises(ScenarioError, match="max_refused_share: expected"):
        from_dict({"question": "?", "messages": messages, "max_refused_share": share})


def untyped(operations: set[str], place: str = "") -> Run:
    """Make a run on a corpus of another API, with the operations that were timed."""
    times = {
        codec: {name: value for name, value in timed.items() if name in operations}
        for codec, timed in EVERYWHERE.items()
    }
    rows = table(times, kinds={"other.jsonl": "document"}, failures=dict.fromkeys(TYPED, "no_schema"))
    options = {"corpora": [f"{place}other.jsonl"], "workloads": []}
    return Run(rows, {"options": options, "effort": {"operations": sorted(operations)}})


def test_bodies_without_a_type_stand_for_requests_and_answers() -> None:
    """Boundaries of these get their answer from the codecs that need no schema; the others say what they lack."""
    run = untyped({"encode", "decode", "relay"})
    answered = {}
    for name in scenario_names():
        try:
            answered[name] = decide(run, name)
        except ScenarioError as error:
            assert "\n" not in str(error)
            wants = (
                "needs read-one, which" if name == "log-archive" else "serlab compare --corpus other.jsonl --workload"
            )
            assert wants in str(error), name
    assert set(answered) == {"edge", "gateway", "response-cache", "service-hop"}
    found = answered["service-hop"]
    assert {one.codec for one in found.order.open} == {"orjson", "msgspec-json", "msgpack"}
    assert found.order.of("protobuf").barred == "no schema on other.jsonl"
    assert found.notes[0] == ("This run has no ChatRequest and ChatResponse; its bodies without a type stand for them.")


def test_what_is_done_to_a_body_without_a_type_is_the_mean_of_what_it_stands_for() -> None:
    """Weighed by how many of each a call brings; settings of either, and of the bodies themselves, count."""
    messages: dict[str, Any] = {
        "ChatRequest": {"per_call": 3, "operations": {"encode": 1}, "compress": 0},
        "ChatResponse": {"per_call": 1, "operations": {"encode": 1, "decode": 2}},
    }
    found = decide(untyped({"encode", "decode"}), scenario(messages=messages, wire={"crossings": 0}))
    (message,) = found.scenario.messages.values()
    assert (message.per_call, message.operations, message.compress) == (4, {"encode": 1.0, "decode": 0.5}, 0.25)
    assert found.order.of("orjson").cost.cpu_ns == pytest.approx(1.05 * (1000 + 0.5 * 2000))  # type: ignore[union-attr]
    changed = decide(
        untyped({"encode", "decode"}),
        scenario(messages=messages),
        **{"messages.ChatResponse.operations.decode": 0, "messages.document.operations.encode": 3},
    )
    assert changed.scenario.messages["document"].operations == {"encode": 3.0, "decode": 0.0}


def test_messages_with_a_type_are_not_stood_in_for() -> None:
    """Where a run holds one of the kinds, documents beside it count for nothing."""
    rows = table(kinds={"a.jsonl:ChatRequest": "ChatRequest", "a.jsonl:document": "document"})
    found = decide(rows, "service-hop")
    assert set(found.scenario.messages) == {"ChatRequest"} and found.kinds == []


def test_remedies_keep_the_corpora_of_the_run() -> None:
    """Of the built-in workloads only those of kinds that the corpora lack are named: others would push a corpus out."""
    options = {"corpora": ["my chats.jsonl", "b.jsonl"], "workloads": []}
    environment = {"options": options, "effort": {"operations": ["encode"]}}
    run = Run(table({"orjson": {"encode": 1.0, "decode": 2.0}}, {"orjson": 9}, {"b.jsonl": "ChatRequest"}), environment)
    corpora = "serlab compare --corpus 'my chats.jsonl' --corpus b.jsonl"
    assert (
        f"`{corpora} --workload chat-response,tool-call-response --operation encode,decode` measures all of it."
    ) in decide(run, "service-hop").notes[0]
    with pytest.raises(ScenarioError, match=f"has ChatRequest: measure with `{corpora} --workload stream --operation"):
        decide(run, "streaming-hop")
    with pytest.raises(ScenarioError, match=f"has not timed relay: measure with `{corpora} --operation encode,relay`"):
        decide(run, "gateway")


def test_the_page_names_corpora_without_their_folders() -> None:
    """It is sent to people who need not know where they lie."""
    run = untyped({"encode", "decode"}, "/data/somebody/")
    found = {one["scenario"]["name"]: one for one in answers(run, boundaries())}
    assert "--corpus other.jsonl" in found["streaming-hop"]["verdict"]
    assert "somebody" not in str(found) and found["service-hop"]["answered"]
    assert set(found["service-hop"]["scenario"]["messages"]) == {"document"}


def test_a_corpus_of_any_name_is_one_word_of_the_command_on_the_page() -> None:
    """Whoever copies the command runs nothing that a folder's record says."""
    names = ["'; touch here #'", "/data/' --corpus /data/'", "$(x)", "'", "/data/'"]
    run = Run(table(kinds={"b.jsonl": "ChatRequest"}), {"options": {"corpora": names}})
    found = {one["scenario"]["name"]: one for one in answers(run, boundaries())}
    command = found["streaming-hop"]["verdict"].partition("measure with `")[2].removesuffix("`.")
    words = shlex.split(command)
    assert words[:2] == ["serlab", "compare"] and "touch" not in words
    assert [after for word, after in pairwise(words) if word == "--corpus"] == [Path(name).name for name in names]
