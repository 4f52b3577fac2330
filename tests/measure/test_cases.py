"""Names are made of facts, and those of older folders are read back in one place."""

import copy
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serlab.cases import (
    AA,
    BOUND,
    BYTES,
    MEASURED,
    OTHER_AA,
    OTHER_ENV,
    ROLES,
    CallArm,
    Case,
    Conditions,
    Place,
    call_place,
    case_of,
    conditions_from,
    facts_of,
    place_of,
)
from serlab.results import load_results

STORED = Path(__file__).parents[2] / "notebooks" / "stored"
PLACES = {
    "encode": Place("encode"),
    "read-100%": Place("read-100%"),
    "encode/threads=2": Place("encode", "", Conditions(threads=2)),
    "decode/inline": Place("decode", "", Conditions(way="inline")),
    "wire/transport": call_place("transport"),
    "wire/transport/http/inflight=8": call_place("transport", transport="http", inflight=8),
    "wire/stream/http2/sse/slim/every=8": call_place(
        "stream", transport="http2", framing="sse", envelope="slim", every=8
    ),
    "wire/connection/tls1.3/rtt=25ms": call_place("connection", protocol="tls1.3", rtt_ms=25.0),
    "wire/pooling/share/tasks=16": call_place("pooling", part="share", tasks=16),
    "wire/cache/redis/hit": call_place("cache", backend="redis", part="hit"),
    "wire/cache/hits/capacity=10%": call_place("cache", part="hits", capacity=0.1),
    "wire/cache/key": call_place("cache", part="key"),
    "wire/vectors/base64": call_place("vectors", vectors="base64"),
    "wire/loop-stall/thread": call_place("loop-stall", way="thread"),
    "wire/cancel/grpc": call_place("cancel", transport="grpc"),
}


@pytest.mark.parametrize("role", ROLES)
def test_name_and_case_are_one(role: str) -> None:
    """In every role; a copy knows what it is, too."""
    case = Case("orjson", role)
    found = [case_of(str(case)), copy.deepcopy(case), pickle.loads(pickle.dumps(case)), case]
    assert {(one, one.codec, one.role) for one in found} == {(str(case), "orjson", role)}
    assert case == str(case) and hash(case) == hash(str(case)) and type(str(case)) is str


def test_a_case_has_a_second_and_one_elsewhere() -> None:
    """A bound has none, and what is measured once more began somewhere."""
    own = Case("orjson")
    assert [own, own.second, own.elsewhere, own.elsewhere.second] == [
        Case("orjson", role) for role in (MEASURED, AA, OTHER_ENV, OTHER_AA)
    ]
    assert {case.ran for case in (own, own.second, own.elsewhere.second)} == {own}
    assert own.second.first == own and own.elsewhere.second.first == own.elsewhere
    assert Case("copy", BOUND).second == Case("copy", BOUND) == "floor: copy"
    assert Case("orjson", BYTES).is_bound and not Case("orjson", BYTES).is_compared


@given(st.text(st.characters(exclude_characters="/= "), min_size=1), st.sampled_from(ROLES))
def test_any_name_comes_back(name: str, role: str) -> None:
    """A codec of a corpus or of another package may bear any name."""
    assert case_of(Case(name, role)) == Case(name, role)
    assert place_of(f"wire/stream/{name}").conditions.text == name


@pytest.mark.parametrize("name", PLACES)
def test_name_and_place_are_one(name: str) -> None:
    """Of every experiment."""
    place = PLACES[name]
    assert place.name == name and place_of(name) == place
    assert conditions_from(facts_of(place.conditions)) == place.conditions


@pytest.mark.parametrize(
    "name", ["wire/moon/full", "wire/stream/a/b/c/d", "encode/threads=many", "wire/cache/hits/capacity=x", "encode/a=1"]
)
def test_conditions_that_nobody_knows_stay_as_they_are(name: str) -> None:
    """As one text."""
    assert place_of(name).name == name and place_of(name).conditions.other


@pytest.mark.parametrize("folder", [STORED, STORED / "wire"], ids=["codecs", "wire"])
def test_every_name_of_a_run_comes_back(folder: Path) -> None:
    """Of the stored runs, and nothing in them is without a name of its own."""
    rows = load_results(folder)
    assert [case_of(name) for name in rows["case"].unique()] == [*rows["case"].unique()]
    assert [place_of(name).name for name in rows["place"].unique()] == [*rows["place"].unique()]
    assert all(one.other is None for one in rows["conditions"].unique())


@pytest.mark.parametrize("name", ["mine+zstd", "mine", "formula"])
def test_a_codec_that_is_named_like_a_mark_is_run_by_its_own_name(name: str) -> None:
    """Its version, its failures and its file are asked for by that."""
    assert {Case(name, role).ran for role in (MEASURED, AA, OTHER_ENV, OTHER_AA)} == {name}


def test_an_experiment_has_parts() -> None:
    """The conditions begin after the part."""
    place = call_place("pooling", part="share", threads=4)
    assert place.conditions.texts == ("share", "threads=4") and place.conditions.counts == {"threads": 4}
    assert (place.within("pooling"), place.within("pooling", "share")) == ("share/threads=4", "threads=4")
    assert place.within("pool") is None and place.within("pooling", "count") is None
    arm = CallArm(Case("lock"), place)
    assert (str(arm), str(arm.second)) == (
        "lock wire/pooling/share/threads=4",
        "lock (A/A) wire/pooling/share/threads=4",
    )
