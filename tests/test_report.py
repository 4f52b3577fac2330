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
from serlab.report.units import show
from serlab.results import Row, frame

ENVIRONMENT = {
    "run": "r", "cpu": "a CPU & more", "cores": 2, "os": "Linux", "python": "CPython 3.12", "processes": 6,
    "versions": {"orjson": "3"},
}  # fmt: skip


def times(codec: str, values: list[float], workload: str = "w", operation: str = "decode") -> list[Row]:
    """Make one row for each process."""
    return [Row("r", codec, "1", workload, "ChatRequest", operation, "time", "ns", i, v) for i, v in enumerate(values)]


def one(codec: str, operation: str, metric: str, value: float, workload: str = "w") -> Row:
    """Make a row that needs no process."""
    return Row("r", codec, "1", workload, "ChatRequest", operation, metric, "u", 0, value)


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


def rendered(rows: pd.DataFrame, width: int) -> str:
    """Render the terminal summary."""
    console = Console(width=width, record=True, file=io.StringIO())
    for table in terminal_tables(rows):
        console.print(table)
    return console.export_text()


def test_the_summary_fits_eighty_columns(rows: pd.DataFrame) -> None:
    """No figure is cut off."""
    assert "…" not in rendered(rows, 80)


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
    rows.to_parquet(tmp_path / "results.parquet")
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


def test_a_figure_is_drawn(rows: pd.DataFrame, tmp_path: Path) -> None:
    """The ratio figure is a picture file."""
    ratio_figure(rows, tmp_path / "ratios.png", ["w"])
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


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
