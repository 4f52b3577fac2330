"""The page's calculator gives what `serlab decide` gives: order, ties, intervals and words."""

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from serlab.decide import Decision, decide, scenario_names
from serlab.decide.ranking import Run, read_run
from serlab.errors import ScenarioError
from serlab.page import write_page
from serlab.page.build import asset
from serlab.stats import Estimate, verdict
from tests.support.browser import answer, browser, needs_browser, open_page
from tests.support.pagerows import write

pytestmark = [pytest.mark.slow, needs_browser]
CHANGES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "slow wire": {"wire.bandwidth_bit_per_s": 2e6},
    "fast wire": {"wire.bandwidth_bit_per_s": 1e11},
    "no wire": {"wire.crossings": 0},
    "zstd": {"wire.compression": "zstd"},
    "gzip on a slow wire": {"wire.compression": "gzip", "wire.bandwidth_bit_per_s": 1e7},
    "fast model": {"latency.time_to_first_token_s": 1e-5, "latency.tokens": 0, "latency.other_s": 0},
    "fast model and wire": {
        "latency.time_to_first_token_s": 0,
        "latency.tokens": 0,
        "latency.other_s": 0,
        "wire.bandwidth_bit_per_s": 1e12,
    },
    "slow model": {"latency.time_to_first_token_s": 20.0, "latency.tokens_per_s": 3},
    "money": {"objective": "money", "thresholds.saving_per_million": 0.0001},
    "time": {"objective": "time"},
    "other prices": {"objective": "money", "prices.core_hour": 4.0, "prices.traffic_gb": 0.5, "storage.days": 9},
    "other traffic": {"messages.ChatRequest.workloads.chat-turn": 0, "messages.ChatRequest.per_call": 3},
    "refusals taken": {"max_refused_share": 0.005},
    "more refusals than are taken": {"max_refused_share": 0.0049, "wire.bandwidth_bit_per_s": 2e6},
    "a corpus counts": {"messages.ChatRequest.workloads.a.corpus.jsonl": 5},
}
"""Name → settings by their paths; those that a scenario has not are left out."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Write a run with its page."""
    directory = write(tmp_path_factory.mktemp("calculator") / "run")
    write_page(directory)
    return read_run(directory)


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open the page."""
    with browser(tmp_path_factory.mktemp("downloads")) as driver:
        open_page(driver, Path(run.place) / "report.html")
        yield driver


def applicable(name: str, changes: dict[str, Any], run: Run) -> dict[str, Any]:
    """Leave out what a scenario has no place for."""
    given = decide(run, name).given
    lacks_latency = given.latency is None
    kept = {path: value for path, value in changes.items() if not (lacks_latency and path.startswith("latency"))}
    return {
        path: value
        for path, value in kept.items()
        if not path.startswith("messages") or path.split(".")[1] in given.messages
    }


def figures(found: dict[str, Any]) -> list[float | None]:
    """List the figures of an estimate."""
    return [found[name] for name in ("value", "low", "high")]


def expected(decision: Decision) -> list[tuple[Any, ...]]:
    """List what must be equal to the last letter, the best codec first."""
    rows = decision.ranking.to_dict("records")
    ties = {one.codec: one.ties for one in decision.order.standings}
    return [(row["codec"], row["rank"], row["verdict"], row["note"], ties[row["codec"]]) for row in rows]


def close(one: float | None, other: float) -> bool:
    """Compare two figures; what is missing in one is missing in the other."""
    return math.isnan(other) if one is None else one == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", scenario_names())
def test_calculator_ranks_as_decide_does(page: Any, run: Run, name: str, change: str) -> None:
    """Order, ranks, ties, bars, ratios with intervals, saving and the sentence, under the same settings."""
    changes = applicable(name, CHANGES[change], run)
    decision = decide(run, name, **changes)
    found = answer(page, urlencode({"scenario": name, **changes}))
    ranking = found["ranking"]
    shown = [(one["codec"], one["rank"], one["verdict"], one["barred"], one["ties"]) for one in ranking["standings"]]
    assert shown == expected(decision)
    order = decision.order
    assert (ranking["leader"], ranking["recommended"], ranking["reason"], ranking["tied"]) == (
        order.leader, order.recommended, order.reason, order.tied,
    )  # fmt: skip
    assert close(ranking["saving"], order.saving)
    for one, other in zip(ranking["standings"], order.standings, strict=True):
        for mine, theirs in ((one["toBaseline"], other.to_baseline), (one["toLeader"], other.to_leader)):
            assert all(map(close, figures(mine), theirs[:3])) and mine["n"] == theirs.n, one["codec"]
        if other.cost is not None:
            for field in ("cpu_ns", "wire_ns", "time_ns", "size_bytes", "cost_per_million", "allocated_bytes"):
                assert close(one["cost"][field], getattr(other.cost, field)), (one["codec"], field)
    assert found["verdict"] == decision.verdict


def test_page_judges_as_python_does(page: Any) -> None:
    """Ratios and their reciprocals, controls on one side of 1, edges of the band and missing figures: the same word."""
    ends = (0.07, 0.8, 0.95, 0.999, 1.0, 1.001, 1.05, 1.25, 14.0)
    ratios = [
        Estimate(sorted(three)[1], min(three), max(three), n) for three in product(ends, repeat=3) for n in (0, 5)
    ]
    controls = [Estimate(1.0, low, high, n) for low, high in product(ends, repeat=2) if low <= high for n in (0, 5)]
    ratios = sorted(set(ratios))
    script = """
        const named = ([value, low, high, n]) => ({ value, low, high, n });
        const [ratios, controls] = Array.from(arguments, (all) => all.map(named));
        return controls.map((control) => ratios.map((ratio) => comparison(ratio, control, "less", "more")));
    """
    said = page.execute_script(asset("statistics.js") + script, ratios, controls)
    for control, words in zip(controls, said, strict=True):
        assert words == [verdict(ratio, control, "less", "more") for ratio in ratios], control
    assert {word for words in said for word in words} == {"less", "more", "tie", ""}


def test_changes_of_the_test_move_the_answer(run: Run) -> None:
    """Else equal answers would say little: leaders, ties and reasons differ between the settings above."""
    found = [
        decide(run, name, **applicable(name, changes, run)).order
        for name in scenario_names()
        for changes in CHANGES.values()
    ]
    assert {order.reason for order in found} >= {"cheapest", "simplest", "tie", "too little"}
    assert len({order.leader for order in found}) > 3 and {len(order.tied) for order in found} >= {1, 2}


@pytest.mark.parametrize("kind", ["ChatRequest", "document"])
def test_what_the_run_cannot_answer_has_no_ranking(tmp_path: Path, kind: str) -> None:
    """A run on a corpus of requests, with types or without, knows nothing of embeddings, in Python as on the page."""
    directory = write(tmp_path / "corpus", {"my.jsonl": kind})
    write_page(directory)
    run = read_run(directory)
    with browser(tmp_path) as driver:
        open_page(driver, directory / "report.html")
        for name in scenario_names():
            found = answer(driver, urlencode({"scenario": name}))
            try:
                decision = decide(run, name)
            except ScenarioError:
                assert found["ranking"] is None
            else:
                assert found["verdict"] == decision.verdict
