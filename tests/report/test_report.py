"""Tables: what stands in them, and that each format can be read by what it is for."""

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from serlab.report import FORMATS, build_tables, terminal_tables, write_tables
from serlab.report.figures import ratio_figure
from serlab.report.formatting import show
from serlab.report.tables import baseline_of, floor_values, without_figures
from serlab.rows import Row, frame, write_table
from tests.support.rows import named_row
from tests.support.scenes import codecs_of

ENVIRONMENT = {
    "run": "r", "cpu": "a CPU & more", "cores": 2, "os": "Linux", "python": "CPython 3.12", "processes": 6,
    "versions": {"orjson": "3"},
}  # fmt: skip


def times(codec: str, values: list[float], workload: str = "w", operation: str = "decode") -> list[Row]:
    """Make one row for each process."""
    return [
        named_row("r", codec, "1", workload, "ChatRequest", operation, "time", "ns", i, v) for i, v in enumerate(values)
    ]


def one(codec: str, operation: str, metric: str, value: float, workload: str = "w") -> Row:
    """Make a row that needs no process."""
    return named_row("r", codec, "1", workload, "ChatRequest", operation, metric, "u", 0, value)


@pytest.fixture
def rows() -> pd.DataFrame:
    """Make a run of three codecs: one twice as fast, one that ties, one that was refused."""
    base = [100.0, 101.0, 99.0, 100.0, 102.0, 98.0]
    found = times("orjson", base) + times("orjson (A/A)", [v * f for v, f in zip(base, (0.97, 1.03) * 3, strict=True)])
    found += times("fast", [v / 2 for v in base]) + times("equal_one", [v * 1.01 for v in base])
    for codec, size in (("orjson", 200.0), ("fast", 100.0), ("equal_one", 200.0)):
        found += [one(codec, "size", metric, size) for metric in ("raw", "gzip", "zstd")]
        found += [one(codec, "decode", metric, 7.0) for metric in ("allocations", "bytes", "peak")]
        found += [one(codec, "parity", "equal", 3)]
    return frame([*found, one("bad", "parity", "refused", 2), one("bad", "parity", "equal", 1)])


def test_verdicts_are_faster_tie_and_baseline(rows: pd.DataFrame) -> None:
    """A ratio inside the A/A interval is a tie, and the A/A stands in every row."""
    table = build_tables(rows)["time"].set_index("codec")
    assert table["verdict"].to_dict() == {
        "fast": "faster", "equal_one": "tie", "orjson": "baseline", "orjson (A/A)": "A/A",
    }  # fmt: skip
    assert table.loc["fast", "ratio"] == pytest.approx(0.5) and (table["processes"] == 6).all()
    assert (table["aa_low"] < 1).all() and (table["aa_high"] > 1).all()


def test_a_codec_that_failed_parity_has_the_reason_and_no_figure(rows: pd.DataFrame) -> None:
    """Its row says refused."""
    summary = build_tables(rows)["summary"].set_index("codec")
    assert summary.loc["bad", "parity"] == "refused" and pd.isna(summary.loc["bad", "decode_ratio"])
    text = rendered(rows, 80)
    assert "refused" in text and "1.01 =" in text


def test_where_no_codec_has_a_figure_each_has_its_reason() -> None:
    """In the terminal, in the captions' sentence, and the tables of figures are empty."""
    refused = [one(codec, "parity", "refused", 1) for codec in ("orjson", "msgpack")]
    rows = frame([*refused, one("json", "parity", "changed", 1), one("twin", "parity", "no_schema", 1)])
    text = rendered(rows, 80)
    assert "No codec has a figure." in text and text.count("refused") == 2 and "changed" in text and "no schema" in text
    assert without_figures(rows) == (
        "no codec has a figure: json changed, msgpack refused, orjson refused, twin no schema"
    )
    assert without_figures(frame([*refused, *times("orjson", [1.0])])) == ""


def test_a_run_of_other_operations_is_not_said_to_have_no_figures() -> None:
    """The summary has no column for a stage."""
    text = rendered(frame([*times("orjson", [1.0] * 5, operation="populate"), one("orjson", "parity", "equal", 1)]), 80)
    assert "The figures are in the tables." in " ".join(text.split()) and "equal" in text


def test_sizes_stand_against_the_baseline(rows: pd.DataFrame) -> None:
    """Half the bytes is a ratio of 0.5."""
    table = build_tables(rows)["size"].set_index("codec")
    assert table.loc["fast", "raw_ratio"] == 0.5 and table.loc["orjson", "raw_bytes"] == 200


def test_the_mean_of_workloads_is_geometric_and_over_common_ones() -> None:
    """A codec that lacks a workload is left out of the mean."""
    found = [row for w in ("a", "b") for row in times("orjson", [1.0] * 6, w)]
    found += times("x", [2.0] * 6, "a") + times("x", [0.5] * 6, "b") + times("y", [0.5] * 6, "a")
    summary = build_tables(frame(found))["summary"]
    mean = summary[summary["workload"] == "geometric mean of 2"].set_index("codec")
    assert mean["decode_ratio"].to_dict() == pytest.approx({"orjson": 1.0, "x": 1.0})


def with_floors(rows: pd.DataFrame) -> pd.DataFrame:
    """Add floors of 5 and 20 ns, and a codec whose worker died."""
    floors = times("floor: copy", [5.0] * 6) + times("floor: strings", [20.0] * 6)
    return pd.concat([rows, frame([*floors, one("dead", "parity", "failed", 1)])], ignore_index=True)


def test_every_group_says_how_far_from_the_floor_it_is(rows: pd.DataFrame) -> None:
    """A decoded message is made of strings; the floors themselves are no codecs."""
    table = build_tables(with_floors(rows))["time"].set_index("codec")
    assert table.loc["fast", "times_floor"] == pytest.approx(2.5) and table.loc["floor: strings", "times_floor"] == 1.0
    assert table.loc["floor: copy", "verdict"] == table.loc["floor: strings", "verdict"] == "floor"
    assert build_tables(rows)["time"]["times_floor"].isna().all()


def test_floors_enter_no_ranking_and_no_mean(rows: pd.DataFrame) -> None:
    """Neither the summary nor the terminal nor the figure shows them, and none becomes the baseline."""
    given = with_floors(rows)
    assert not build_tables(given)["summary"]["codec"].str.startswith("floor").any()
    assert "floor" not in rendered(given, 80)
    figure = ratio_figure(given, ["w"])
    assert codecs_of(figure, 1) == ["fast", "orjson", "equal_one"]
    alone = frame(times("floor: copy", [1.0]) + times("x", [2.0]))
    assert baseline_of(alone) == "x"


@pytest.mark.parametrize(
    ("operation", "floor"),
    [("encode", 5.0), ("relay", 5.0), ("serialize", 5.0), ("read-10%", 20.0), ("decode", 20.0), ("stream", 25.0)],
)
def test_an_operation_stands_on_its_own_floor(operation: str, floor: float) -> None:
    """The copy where bytes are written, the strings where fields are read, both for a stream."""
    assert floor_values(operation, {"floor: copy": {0: 5.0, 1: 1.0}, "floor: strings": {0: 20.0}})[0] == floor
    assert floor_values(operation, {}) == {}


def test_a_codec_whose_worker_died_says_so_in_the_time_table(rows: pd.DataFrame) -> None:
    """It has no figure there."""
    table = build_tables(with_floors(rows))["time"].set_index("codec")
    assert table.loc["dead", "verdict"] == "failed" and pd.isna(table.loc["dead", "time_ns"])


def test_an_operation_of_one_workload_takes_no_codec_out_of_the_means() -> None:
    """A stream is measured on chunks only, so it has no mean, and the others keep theirs."""
    found = [row for w in ("a", "b") for row in times("orjson", [1.0] * 6, w) + times("x", [2.0] * 6, w)]
    found += times("orjson", [1.0] * 6, "a", "stream") + times("x", [2.0] * 6, "a", "stream")
    mean = build_tables(frame(found))["summary"].set_index(["workload", "codec"]).loc["geometric mean of 2"]
    assert mean.loc["x", "decode_ratio"] == pytest.approx(2.0) and pd.isna(mean.loc["x", "stream_ratio"])


def rendered(rows: pd.DataFrame, width: int) -> str:
    """Render the terminal summary."""
    console = Console(width=width, record=True, file=io.StringIO())
    for table in terminal_tables(rows):
        console.print(table)
    return console.export_text()


def test_the_summary_fits_eighty_columns(rows: pd.DataFrame) -> None:
    """No figure is cut off."""
    assert "…" not in rendered(rows, 80)
    long = rows.assign(workload="a_corpus_of_a_very_long_name_indeed.jsonl.zst:EmbeddingResponse")
    assert "…" not in rendered(long, 80) and "0.500" in rendered(long, 80)


class TagCount(HTMLParser):
    """Counts tags, and holds each open tag until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = 0
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Open a tag."""
        self.cells += tag == "td"
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close a tag, which must be the last that was opened."""
        assert self.open.pop() == tag


@pytest.fixture
def folder(rows: pd.DataFrame, tmp_path: Path) -> Path:
    """Write a results folder and its tables."""
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT))
    write_table(tmp_path, rows)
    assert len(write_tables(tmp_path)) == 4 * len(FORMATS)
    return tmp_path / "tables"


def test_csv_has_units_in_its_header(folder: Path) -> None:
    """It is plain CSV."""
    found = list(csv.DictReader(io.StringIO((folder / "time.csv").read_text())))
    assert found[0]["codec"] == "fast" and float(found[0]["time_ns"]) == 50.0


def test_markdown_has_a_column_for_each_heading(folder: Path) -> None:
    """All rows have the same number of cells, and figures have a unit."""
    lines = [line for line in (folder / "time.md").read_text().splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1 and "50.0 ns" in lines[2]


def test_html_is_well_formed_and_asks_for_nothing(folder: Path) -> None:
    """Every tag is closed; no address is loaded."""
    text = (folder / "summary.html").read_text()
    count = TagCount()
    count.feed(text)
    assert count.open == [] and count.cells > 20 and "http" not in text and "a CPU &amp; more" in text


def test_latex_escapes_what_it_would_read_as_a_command(folder: Path) -> None:
    """Underscores and ampersands are text."""
    text = (folder / "time.tex").read_text()
    assert r"equal\_one" in text and r"a CPU \& more" in text and r"\toprule" in text


def test_every_format_bears_machine_and_versions(folder: Path) -> None:
    """A table on its own says where it comes from; CSV has no place for it."""
    for suffix in ("md", "tex", "html", "json"):
        text = (folder / f"time.{suffix}").read_text()
        assert "orjson 3" in text and "6 processes" in text and "CPython 3.12" in text


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("time_ns", 1234.0, "1.23 µs"),
        ("time_ns", 0.5, "0.500 ns"),
        ("raw_bytes", 2_500_000.0, "2.50 MB"),
        ("ratio", 0.06, "0.0600"),
        ("ratio", 0.99997, "1.00"),
        ("ratio", 1234.5, "1,234"),
        ("allocations_per_op", 12018.0, "12,018"),
        ("ratio", float("nan"), "–"),
        ("verdict", "tie", "tie"),
    ],
)
def test_figures_have_three_digits_and_a_unit(column: str, value: object, text: str) -> None:
    """The unit is in the column's name."""
    assert show(column, value) == text
