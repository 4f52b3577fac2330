"""Who leads, who ties with the leader, and until where a view is cheaper than decoding whole."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from serlab.errors import UnknownNameError
from serlab.report.fastest import crossing, lazy_table, leader_table
from tests.support.figurerows import SHARES, SIZES, SPEED, VIEW, noise, run

STEPS = [step for step in SHARES if step != "read-1"]


def test_the_leader_is_the_fastest_and_its_ratio_is_against_the_baseline() -> None:
    """With an interval around the true ratio."""
    (row,) = leader_table(run(), ["decode"]).to_dict("records")
    assert (row["workload"], row["fastest"], row["verdict"]) == ("chat-turn", "msgspec-msgpack", "faster")
    assert row["ratio_low"] < SPEED["msgspec-msgpack"] < row["ratio_high"]
    assert row["ties"] == ""


def test_codecs_that_differ_by_less_than_the_noise_tie_with_the_leader() -> None:
    """msgspec-json and novel are 1 % apart, their processes vary by 2 %."""
    (row,) = leader_table(run(), ["decode"], codecs=["msgspec-json", "novel", "protobuf"]).to_dict("records")
    assert {row["fastest"], row["ties"]} == {"msgspec-json", "novel"}


def test_a_baseline_that_leads_or_ties_is_called_so() -> None:
    """No codec is faster than orjson here but for noise."""
    (row,) = leader_table(run(), ["decode"], codecs=["protobuf"]).to_dict("records")
    assert (row["fastest"], row["verdict"]) == ("orjson", "baseline")
    rows = leader_table(run(), ["encode", "decode"], codecs=["msgpack"])
    assert set(rows["verdict"]) <= {"baseline", "tie"}


def test_on_a_slow_wire_the_smallest_leads() -> None:
    """At 1 kbit/s the bytes are all that counts; on a wire without limit they count nothing."""
    slow = leader_table(run(), bandwidth_bit_per_s=1e3)
    assert list(slow["fastest"]) == [min(SIZES, key=lambda codec: SIZES[codec])]
    assert slow["time_ns"].iloc[0] == pytest.approx(SIZES["protobuf"] * 8e6, rel=0.01)
    assert list(leader_table(run(), bandwidth_bit_per_s=1e15)["fastest"]) == ["msgspec-msgpack"]


def test_workloads_without_times_have_no_leader() -> None:
    """An empty table, no error: a run may hold sizes only."""
    rows = run()
    assert leader_table(rows[rows["operation"] == "size"]).empty
    with pytest.raises(UnknownNameError, match="did you mean 'protobuf'"):
        leader_table(rows, codecs=["protobuff"])


def test_a_view_is_cheaper_up_to_the_share_where_its_line_crosses_the_whole_decode() -> None:
    """The view costs 0.1 + 3.6 × share, orjson 1 whatever is read: the lines meet at a quarter."""
    (row,) = lazy_table(run(), [VIEW], "orjson").to_dict("records")
    assert row["verdict"] == "up to a share"
    assert row["share_low"] < 0.25 < row["share_high"]
    assert row["share"] == pytest.approx(0.25, abs=0.02)
    assert row["opens_ratio"] == pytest.approx(0.1, abs=0.01)


def test_against_its_own_decode_the_share_is_another() -> None:
    """That decode takes 2.08 here, so that the lines meet at 0.55."""
    (row,) = lazy_table(run(), [VIEW]).to_dict("records")
    assert row["share"] == pytest.approx(0.55, abs=0.04)


def test_a_view_that_is_dearer_from_the_start_never_pays() -> None:
    """And one that stays cheaper always does; neither has a share."""
    never, always = (with_view(offset, 0.0) for offset in (5.0, 0.1))
    assert [row["verdict"] for row in (never, always)] == ["never", "always"]
    assert np.isnan(never["share"]) and np.isnan(always["share"])


def test_processes_that_disagree_are_not_averaged() -> None:
    """A view that is as dear as the decode crosses in some processes and starts above in others."""
    assert with_view(1.0, 0.0)["verdict"] == "unsure"


def test_a_view_that_is_cheaper_up_to_nearly_all_fields_is_not_unsure() -> None:
    """In some processes it stays cheaper to the end: the share is near 1 there, and the others still count."""
    row = with_view(0.5, 0.5)
    assert row["verdict"] == "up to a share"
    assert 0.85 < row["share_low"] <= row["share"] <= row["share_high"] <= 1


def test_a_view_whose_first_field_costs_more_than_the_whole_decode_never_pays() -> None:
    """It opens for less, but whoever only opens has read nothing."""
    row = with_view(0.7, 0.0, first=1.83)
    assert row["verdict"] == "never"
    assert row["opens_ratio"] == pytest.approx(0.7, abs=0.05) and row["one_ratio"] == pytest.approx(1.83, abs=0.1)


def test_the_rival_is_the_fastest_whole_decoder() -> None:
    """A view that beats orjson may still lose to another codec, which takes half of its time here."""
    assert with_view(0.8, 0.0)["verdict"] == "always"
    row = with_view(0.8, 0.0, whole=["orjson", "msgspec-msgpack", "json"])
    assert (row["whole"], row["verdict"]) == ("msgspec-msgpack", "never")


def with_view(fixed: float, slope: float, first: float = 0.0, whole: str | list[str] = "orjson") -> dict[str, Any]:
    """Return the verdict on a view of known cost."""
    rows = run()
    for step, share in SHARES.items():
        at = (rows["codec"] == VIEW) & (rows["operation"] == step)
        cost = first if first and step == "read-1" else fixed + slope * share
        rows.loc[at, "value"] = 1e4 * cost * noise(f"{step}view")
    return dict(lazy_table(rows, [VIEW], whole).iloc[0])


def test_crossing_is_interpolated_between_two_steps() -> None:
    """0 where it starts above, 1 where it stays below."""
    assert crossing([1.0, 2.0], ["read-0%", "read-100%"]) == 0.0
    assert crossing([-1.0, -0.5], ["read-0%", "read-100%"]) == 1.0
    assert crossing([-1.0, 3.0], ["read-10%", "read-50%"]) == pytest.approx(0.2)


def test_without_an_access_curve_there_is_nothing_to_compare() -> None:
    """A quick run does not measure it."""
    rows = run()
    kept: pd.DataFrame = rows[~rows["operation"].isin(SHARES)]
    assert lazy_table(kept, [VIEW]).empty
