"""The example corpus, and what is found in a corpus."""

from pathlib import Path

import pytest

from serlab.corpus import read
from serlab.notebook.corpora import outcomes, sizes_by_kind, take_stock, write_example
from serlab.workloads import documents


@pytest.fixture
def example(tmp_path: Path) -> str:
    """Write the example corpus."""
    return str(write_example(tmp_path / "example.jsonl"))


def test_example_holds_what_a_recorder_would_leave(example: str) -> None:
    """Requests, answers, a stream's chunks, another API's body, and one line that was cut."""
    unreadable: list[Exception] = []
    bodies = list(read(example, on_error=unreadable.append))
    assert {body.kind for body in bodies} == {"ChatRequest", "ChatResponse", "ChatChunk", "document"}
    assert [body.document for body in bodies if body.kind == "ChatChunk"] == documents("stream")
    assert len(unreadable) == 1


def test_example_is_the_same_each_time(tmp_path: Path) -> None:
    """So that a notebook's outputs are, also where it is compressed."""
    one, two = (write_example(tmp_path / name).read_bytes() for name in ("a.jsonl.gz", "b.jsonl.gz"))
    assert one == two
    assert list(read(tmp_path / "a.jsonl.gz"))


def test_stock_counts_bodies_lines_and_outcomes(example: str) -> None:
    """Every body has an outcome in every codec."""
    report, bodies = take_stock(example, ["orjson", "protobuf"])
    assert len(bodies) == report.bodies == bodies.groupby("kind").size().sum()
    assert report.unreadable_lines == 1
    counts = outcomes(report)
    assert (counts.sum(axis=1) == len(bodies)).all()
    assert counts.loc["orjson", "equal"] == len(bodies)
    assert counts.loc["protobuf", "no schema"] == 1


def test_sizes_are_ordered_by_their_share_of_the_bytes(example: str) -> None:
    """Quantiles rise, and the shares are of the whole."""
    _, bodies = take_stock(example, ["orjson"])
    table = sizes_by_kind(bodies)
    assert table["share of bytes"].sum() == pytest.approx(1)
    assert table["share of bytes"].is_monotonic_decreasing
    assert (table["50%_bytes"] <= table["largest_bytes"]).all()


def test_stock_reads_no_more_than_asked(example: str) -> None:
    """A long file is looked at from its start."""
    assert len(take_stock(example, ["orjson"], most=3)[1]) == 3


def test_empty_corpus_is_no_error(tmp_path: Path) -> None:
    """It has nothing to show."""
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert sizes_by_kind(take_stock(str(empty), ["orjson"])[1]).empty
