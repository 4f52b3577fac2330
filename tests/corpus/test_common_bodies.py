"""Figures over the bodies that all codecs with figures carry: who refuses what, and what is measured then."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from serlab import compare, from_document, load_findings, open_codec
from serlab.decide import decide, scenario_names
from serlab.errors import ScenarioError
from serlab.measure import parity as bodies
from serlab.measure.job import Finding, Job, Kind, LeftOut, Record
from serlab.measure.options import Options
from serlab.measure.plan import Cell, make_plan
from serlab.measure.run import job_of, unable
from serlab.page import write_page
from serlab.records import why_unmeasured
from serlab.report import build_tables
from serlab.results import JOURNAL, Finished, Journal, load_results
from serlab.rows import PARQUET, frame
from tests.conftest import Run
from tests.support.corpora import CHAT, line, nested
from tests.support.jobs import all_of, figures_of
from tests.support.rows import named_row

SURROGATE = line({**CHAT, "user": "cut \ud83d"})
"""A body that `json` carries, and no codec that writes UTF-8."""

DEEP = nested(300)
"""A body that all but orjson carry."""


def good(number: int) -> bytes:
    """Write a body that every codec carries; no two have one length."""
    return line({**CHAT, "user": "x" * number})


def corpus_of(path: Path, count: int, odd: dict[int, bytes]) -> Path:
    """Write a corpus of so many bodies, in which some, numbered from 1, are odd."""
    path.write_bytes(b"".join(odd.get(number) or good(number) for number in range(1, count + 1)))
    return path


def parity(corpus: Path, codecs: list[str]) -> list[Record]:
    """Check a corpus as a worker does; give what it sends."""
    sent: list[Record] = []
    kinds = {"ChatRequest": Kind("c", codecs)}
    bodies.run(Job(part="parity", workload="c", file=str(corpus), kinds=kinds, size=True), sent.append)
    return sent


def mean_size(codec: str, numbers: range, without: set[int]) -> float:
    """Encode good bodies by hand and give their mean length."""
    encode = open_codec(codec, "ChatRequest").encode
    documents = [{**CHAT, "user": "x" * number} for number in numbers if number not in without]
    return sum(len(encode(from_document("ChatRequest", one))) for one in documents) / len(documents)


def test_sizes_are_over_the_bodies_that_all_codecs_with_figures_carry(tmp_path: Path) -> None:
    """One body in 200 that some refuse is left out for all; the counts say so."""
    sent = parity(corpus_of(tmp_path / "c.jsonl", 200, {17: SURROGATE}), ["json", "orjson", "msgpack", "protobuf"])
    found = figures_of(sent)
    for codec in ("json", "orjson", "msgpack", "protobuf"):
        assert found["parity", codec, "refused"] == (codec != "json")
        assert found["parity", codec, "common"] == 199
        assert found["size", codec, "raw"] == pytest.approx(mean_size(codec, range(1, 201), {17}))
    assert all_of(LeftOut, sent) == [LeftOut("c", [17])]
    told = all_of(Finding, sent)
    assert {one.codec: one.reason.partition(", first")[0] for one in told} == dict.fromkeys(
        ("orjson", "msgpack", "protobuf"), "1 of 200 bodies refused"
    )
    assert f"{tmp_path / 'c.jsonl'}:17: " in told[0].reason


@pytest.mark.parametrize(("deep", "is_measured"), [(1, True), (2, False)])
def test_a_codec_that_refuses_more_than_a_hundredth_shrinks_nothing(
    tmp_path: Path, deep: int, is_measured: bool
) -> None:
    """At 2 of 200 orjson has figures, and what it refuses is left out; at 3 it has none, and the others keep all."""
    odd = {5: SURROGATE} | {20 + i: DEEP for i in range(deep)}
    sent = parity(corpus_of(tmp_path / "c.jsonl", 200, odd), ["orjson", "json", "msgpack"])
    found = figures_of(sent)
    assert (("size", "orjson", "raw") in found) == is_measured
    left_out = all_of(LeftOut, sent)[0].bodies
    assert left_out == ([5, 20] if is_measured else [5])
    assert found["parity", "json", "common"] == found["parity", "msgpack", "common"] == 200 - len(left_out)


def test_a_workload_that_all_carry_leaves_nothing_out(tmp_path: Path) -> None:
    """Then no row speaks of common bodies."""
    sent = parity(corpus_of(tmp_path / "c.jsonl", 20, {}), ["json", "orjson"])
    assert not any(isinstance(one, LeftOut | Finding) for one in sent)
    assert ("parity", "json", "common") not in figures_of(sent)


COUNTS: list[tuple[dict[str, float], str]] = [
    ({"equal": 200}, ""),
    ({"equal": 99, "refused": 1}, ""),
    ({"equal": 98, "refused": 1}, "refused"),
    ({"equal": 1999, "changed": 1}, "changed"),
    ({"equal": 1998, "refused": 1, "changed": 1}, "changed"),
    ({"no_schema": 5}, "no_schema"),
    ({"equal": 500, "failed": 1}, "failed"),
    ({}, ""),
]


@pytest.mark.parametrize(("counts", "outcome"), COUNTS, ids=str)
def test_what_costs_a_codec_its_figures(counts: dict[str, float], outcome: str) -> None:
    """More than a hundredth refused, or one body changed, whatever else; a hundredth exactly is no reason."""
    assert why_unmeasured(counts) == outcome
    assert why_unmeasured({"equal": 99 * 29, "refused": 29}) == ""


def test_what_is_timed_is_common_after_a_resumption_too(tmp_path: Path) -> None:
    """The bodies to leave out stand in the journal; those before them stay the same, and a built-in workload obeys."""
    path = corpus_of(tmp_path / "c.jsonl", 300, {})
    plan = make_plan(Options(codecs=("orjson", "json"), corpora=(str(path),), workloads=("stream",)))
    kept = sorted(number for number, _ in plan.corpora["c.jsonl"].samples["ChatRequest"].kept)
    without = [kept[0], kept[7], 299]
    row = named_row("r", "orjson", "3", "c.jsonl", "ChatRequest", "parity", "refused", "bodies", 0, 3)
    equal = row._replace(metric="equal", value=297)
    cell = Finished("parity/c.jsonl", [row, equal], [], [], {"c.jsonl": without, "stream": [1, 500]})
    Journal(tmp_path).append(cell)
    journal = Journal(tmp_path)
    lengths = [len(one["user"]) for one in documents(plan, "c.jsonl", journal)]
    assert lengths == [number for number in kept if number not in without] and len(lengths) >= len(kept) - 3
    assert unable(journal, "c.jsonl") == set()
    (tmp_path / "none").mkdir()
    assert len(documents(plan, "c.jsonl", Journal(tmp_path / "none"))) == len(kept)
    assert job_of(plan, Cell("time", "stream"), Journal(tmp_path / "none"), set()).documents is None
    assert len(documents(plan, "stream", journal)) == 498


def documents(plan: Any, workload: str, journal: Journal) -> list[Any]:
    """Return what a timing worker is told to measure."""
    return job_of(plan, Cell("time", workload), journal, set()).documents or []


@pytest.mark.slow
def test_a_run_says_what_was_refused_and_over_what_its_figures_are(serlab: Run, tmp_path: Path) -> None:
    """Every codec has every figure, the refusals stand beside them, and the exit status is that of a finding."""
    odd = dict.fromkeys((20, 90), SURROGATE)
    corpus_of(tmp_path / "my.jsonl", 250, odd)
    work = ("--corpus", "my.jsonl", "--codec", "json,orjson,msgpack", "--operation", "encode,decode")
    done = serlab("compare", "--quick", *work, "-o", "out")
    assert done.returncode == 1, done.stderr
    told = " ".join(done.stdout.split())
    assert "my.jsonl: figures are over 248 of 250 bodies, those that all codecs with figures carry" in told
    assert "refused: msgpack 2, orjson 2." in told and "2 of 250 bodies refused, first my.jsonl:20: orjson" in told
    summary = build_tables(load_results(tmp_path / "out"))["summary"].set_index("codec")
    assert summary["parity"].to_dict() == {
        "orjson": "2 of 250 refused", "msgpack": "2 of 250 refused", "json": "equal",
    }  # fmt: skip
    assert summary[["size_ratio", "encode_ratio", "decode_ratio", "decode_allocations"]].notna().all(axis=None)
    assert {one["part"] for one in load_findings(tmp_path / "out")} == {"parity"}
    assert "figures are over 248 of 250 bodies" in (tmp_path / "out/report.html").read_text()
    # What was left after the first cell goes on to the same rows, without a body that a codec refuses.
    shutil.copytree(tmp_path / "out", tmp_path / "stopped")
    (tmp_path / "stopped" / PARQUET).unlink()
    first = (tmp_path / "stopped" / JOURNAL).read_bytes().split(b"\n")[0]
    (tmp_path / "stopped" / JOURNAL).write_bytes(first + b"\n")
    assert serlab("compare", "--resume", "--corpus", "my.jsonl", "-o", "stopped").returncode == 1
    assert len(load_results(tmp_path / "stopped")) == len(load_results(tmp_path / "out"))
    assert {one["part"] for one in load_findings(tmp_path / "stopped")} == {"parity"}


def test_a_run_in_which_every_codec_refuses_has_no_figures_and_no_trouble(tmp_path: Path) -> None:
    """Tables, page and decisions say why; no worker is started for codecs that there are none of."""
    (tmp_path / "c.jsonl").write_bytes(SURROGATE)
    corpus = str(tmp_path / "c.jsonl")
    table = compare(["orjson", "msgpack"], corpus=corpus, directory=tmp_path / "out", progress=False)
    assert set(table["operation"]) == {"parity"} and len(table.attrs["findings"]) == 2
    tables = build_tables(table)
    assert all(tables[name].empty for name in ("size", "time", "memory"))
    assert set(tables["summary"]["parity"]) == {"refused"}
    assert "every codec: refused on c.jsonl" in write_page(tmp_path / "out").read_text()
    for name in scenario_names():
        with pytest.raises(
            ScenarioError, match=r"every codec: refused on c\.jsonl|measure with `serlab compare --corpus"
        ):
            decide(tmp_path / "out", name)


def test_an_older_run_keeps_its_meaning() -> None:
    """Where one refusal cost a codec its figures, the row says how many, and the cells are empty."""
    place = ("r", "orjson", "3", "w", "ChatRequest")
    rows = [
        named_row(*place, "parity", "equal", "bodies", 0, 199),
        named_row(*place, "parity", "refused", "bodies", 0, 1),
    ]
    rows += [named_row("r", "json", "3", "w", "ChatRequest", "parity", "equal", "bodies", 0, 200)]
    rows += [
        named_row("r", "json", "3", "w", "ChatRequest", "size", name, "bytes", 0, 9) for name in ("raw", "gzip", "zstd")
    ]
    summary = build_tables(frame(rows))["summary"].set_index("codec")
    assert summary.loc["orjson", "parity"] == "1 of 200 refused" and summary.loc["orjson"].isna()["raw_bytes"]


def test_finding_names_the_first_body_of_its_own_outcome() -> None:
    """Not one that was refused before another was changed."""
    tally, sent = bodies.Tally(), list[Record]()
    for number, outcome in enumerate(["refused", *["equal"] * 198, "changed"], 1):
        item = bodies.Item("f", number, "document", {}, {}, "")
        tally.add(item, {"orjson": bodies.Outcome(outcome, f"was {outcome}", b"{}")}, False)
    bodies.tell(Job(part="parity", workload="w"), "orjson", tally, sent.append)
    assert [one.reason for one in all_of(Finding, sent)] == ["1 of 200 bodies changed, first f:200: was changed"]
