"""Decisions side by side, and what would change them."""

import pandas as pd

from serlab.decide import decide
from serlab.notebook.overview import decide_each, headline, overview, sections, what_would_change
from tests.support.boundaries import scenario, table

FAST = {"latency": {"time_to_first_token_s": 1e-5}}
SLOW = {"latency": {"time_to_first_token_s": 10.0}}


def test_scenarios_that_the_run_cannot_answer_come_with_the_reason() -> None:
    """A run without vectors decides nothing about them, and the rest is decided."""
    rows = table()
    found, missing = decide_each(rows[rows["message"] != "GenerateRequest"], [scenario(), "engine-ipc"])
    assert len(found) == 1
    assert set(missing) == {"engine-ipc"}
    assert "GenerateRequest" in missing["engine-ipc"]


def test_overview_says_what_the_decision_says() -> None:
    """The answer and the cheapest codec are the decision's own."""
    one = decide(table(), scenario(wire={"bandwidth_bit_per_s": 8e9}, **SLOW))
    (row,) = overview({"mine": one}).to_dict("records")
    assert row["answer"] == headline(one) == f"stay with {one.recommended}"
    assert row["cheapest"] == one.order.leader


def test_too_small_a_saving_names_the_call_in_which_it_would_count() -> None:
    """Which is what a reader with a faster model looks for."""
    slow = decide(table(), scenario(wire={"bandwidth_bit_per_s": 8e6}, **SLOW))
    assert slow.order.reason == "too little"
    assert slow.latency_share is not None
    assert any(f"{slow.order.leader} in a call of less than" in text for text in what_would_change(slow))
    fast = decide(table(), scenario(wire={"bandwidth_bit_per_s": 8e6}, **FAST))
    assert fast.recommended == slow.order.leader
    assert headline(fast) == f"use {fast.recommended}"


def test_sections_keep_what_was_asked_for_under_deeper_headings() -> None:
    """A record is longer than a notebook wants to show."""
    record = "# T\n\nhead\n\n## A\n\none\n\n## B\n\ntwo\n"
    assert sections(record, ["B"]) == "### T\n\nhead\n\n#### B\n\ntwo\n"


def test_overview_of_nothing_is_an_empty_table() -> None:
    """A corpus may fit no scenario."""
    assert isinstance(overview({}), pd.DataFrame)
    assert overview({}).empty
