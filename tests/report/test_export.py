"""Exported tables: cut as asked, and read by what they are for: GitHub, LaTeX, a browser, a program."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from serlab.cli import main
from serlab.errors import NotMeasuredError, UnknownNameError
from serlab.report.export import FORMATS, LATIN, SPECIAL, export_table, select, standalone, to_csv, to_markdown, to_tex
from serlab.report.formatting import readable
from serlab.report.tables import build_tables
from serlab.results import load_results
from tests.support.figurerows import CODECS, run
from tests.support.folders import write
from tests.support.rows import rows_in

HOSTILE = "50 %_of {all} #1 & $more$ ~ ^ \\ a|b <c> *d* `e` ünï 漢 \u2028"
"""A name with what each format would read as a command."""
NAMES = [
    "[prod].jsonl", "*", "[", "日志.jsonl", "журнал", "سجل", "👨\u200d👩", "été", "e\u0301te\u0301", "q\u0301\u0302",
    "ïĵ Łódź ỹ", "a\x1b[31m", "\u202etxt", "{", "%", "^^M",
]  # fmt: skip
"""Names in other scripts, and such as begin with what LaTeX takes for an argument."""
TABLES = ("size", "time", "memory", "summary", "lag")
has_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not here; .ci/run installs it")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a results folder of two workloads, one with a name that no format likes."""
    rows = run("chat-turn", HOSTILE)
    path: Path = write(tmp_path_factory.mktemp("export") / "results", rows_in(rows))
    return path


def cells_of(text: str) -> list[list[str]]:
    """Read a Markdown table as GitHub does: the text of each cell, row by row."""
    rows: list[list[str]] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append("".join(child.content for child in token.children or ()))
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_github_reads_a_table_with_every_cell_as_it_is(folder: Path, name: str) -> None:
    """Bars, tags and backslashes in a name included; each row has a cell for each heading."""
    text, caption = export_table(folder, name)
    rows = cells_of(text)
    shown = readable(build_tables(load_results(folder))[name])
    assert rows == [[column.heading for column in shown], *map(list, zip(*(c.cells for c in shown), strict=True))]
    assert text.startswith(f"{caption}\n\n|")


@has_latex
@pytest.mark.parametrize("name", TABLES)
def test_latex_compiles_a_table_that_fits_on_its_page(folder: Path, tmp_path: Path, name: str) -> None:
    """Without errors and without a line that stands over the edge."""
    assert compiled(export_table(folder, name, "tex", whole=True).text, tmp_path) == []


@has_latex
def test_latex_compiles_a_table_that_is_wider_than_any_page(tmp_path: Path) -> None:
    """It goes on in a second one with the same first columns."""
    table = pd.DataFrame({"codec": ["orjson"] * 60} | {f"figure_{i}_ratio": [1.23456] * 60 for i in range(40)})
    text = standalone(to_tex(table, "wide"))
    assert text.count(r"\begin{longtable}") > 1 and compiled(text, tmp_path) == []


@has_latex
def test_latex_compiles_every_character_that_is_written_specially(tmp_path: Path) -> None:
    """Those of its commands, those its fonts lack, and letters with accents."""
    table = pd.DataFrame({"codec": [*SPECIAL, *LATIN, HOSTILE]})
    assert compiled(standalone(to_tex(table, HOSTILE)), tmp_path) == []


@has_latex
def test_latex_compiles_names_in_any_script_and_with_any_beginning(tmp_path: Path) -> None:
    """In rows that begin a group and rows that go on, in headings of one and of several lines, and in the caption."""
    table = pd.DataFrame({"workload": NAMES, "codec": NAMES[::-1], "[日": "x", "*two [lines": "x", "raw_ratio": 1.5})
    assert compiled(standalone(to_tex(table, "[日 *")), tmp_path) == []
    alone = pd.DataFrame({"*": NAMES})
    assert compiled(standalone(to_tex(alone, "*")), tmp_path) == []


def test_latex_reads_no_cell_as_an_argument_and_is_ascii() -> None:
    """A row that begins with `[` or `*` would be one of the end of the row above; an accent is a command."""
    text = to_tex(pd.DataFrame({"workload": NAMES, "[codec": NAMES}), "caption")
    assert text.isascii() and not re.search(r"\\\\(?:\[|\*)|(?:\\\\|rule|space)\s*[\[*]", text)
    assert "{}[prod].jsonl" in text and "{}*" in text and "{}[codec" in text
    assert "{}[U+65E5][U+5FD7].jsonl" in text and r"\'{e}t\'{e}" in text and r"\textbackslash{}x1b[31m" in text


def test_a_text_in_csv_is_no_formula_and_nothing_in_it_acts() -> None:
    """A spreadsheet would compute it; the exact text stands in the rows."""
    table = pd.DataFrame({"workload": ["=1+1", "+1", "-1+cmd|x", "@a", "-1, free", "\x1b\n"], "ratio": [-1.5] * 6})
    rows = list(csv.reader(io.StringIO(to_csv(table, "c"))))[1:]
    assert [row[0] for row in rows] == ["'=1+1", "'+1", "'-1+cmd|x", "'@a", "'-1, free", r"\x1b\n"] and rows[0][
        1
    ] == "-1.5"


def test_no_heading_and_no_part_of_a_text_in_csv_is_a_formula() -> None:
    """Columns bear names from data, and in many places a spreadsheet parts cells at semicolons."""
    texts = ["a;=1+1", 'a;"=1+1"', "a;-5", "a;-b", "a=1"]
    heading, *rows = csv.reader(io.StringIO(to_csv(pd.DataFrame({"=1+1": texts, "b;@c": [1.5] * 5}), "c")))
    assert heading == ["'=1+1", "b;'@c"]
    assert [row[0] for row in rows] == ["a;'=1+1", 'a;\'"=1+1"', "a;-5", "a;'-b", "a=1"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_in_a_name_acts_in_a_table(suffix: str) -> None:
    """Neither an escape sequence nor an override of the direction, a newline or a heading that holds them."""
    odd = "a\x1b[31m\u202eb\nc"
    text = FORMATS[suffix](pd.DataFrame({"workload": [odd], odd: ["x"]}), "caption", None)
    assert not set(text) & {"\x1b", "\u202e"} and "b\nc" not in text


def compiled(text: str, folder: Path) -> list[str]:
    """Run pdflatex, which settles a table's widths from the third time on; list the lines that are too wide."""
    (folder / "table.tex").write_text(text, encoding="utf-8")
    for _ in range(3):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
        assert done.returncode == 0, done.stdout[-2000:]
    log = (folder / "table.log").read_text(encoding="utf-8", errors="replace")
    return re.findall(r"Overfull \\hbox.*|Missing character.*", log)


def test_rows_and_columns_are_those_that_were_asked_for(folder: Path) -> None:
    """In the order that was asked; a figure in a table for reading brings its interval along."""
    cut = ["workload=chat-turn", "operation=decode", "codec=json,orjson"]
    text, _ = export_table(folder, "time", "csv", cut, ["ratio", "codec"])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["codec"] for row in rows} == {"json", "orjson"} and list(rows[0]) == ["ratio", "codec"]
    shown = cells_of(export_table(folder, "time", "md", cut, ["ratio", "codec"]).text)
    assert shown[0] == ["ratio", "codec"] and len(shown) == len(rows) + 1
    assert all(re.fullmatch(r"[\d.]+× \[[\d.]+, [\d.]+\]( =)?", ratio) for ratio, _ in shown[1:])
    kept = json.loads(export_table(folder, "time", "json", cut, ["codec"]).text)
    assert {row["codec"] for row in kept["rows"]} == {"json", "orjson"} and kept["caption"]


def test_a_value_with_a_comma_is_selected_whole() -> None:
    """A corpus file may be named so; other commas part the values."""
    table = pd.DataFrame({"workload": ["a,b", "a", "b", "c"]})
    assert list(select(table, ["workload=a,b"])["workload"]) == ["a,b"]
    assert list(select(table, ["workload=a, c"])["workload"]) == ["a", "c"]


def test_an_interval_without_a_figure_and_a_verdict_of_many_stand_once() -> None:
    """`aa_low` and `aa_high` are one column; `raw_verdict` is the mark in `raw_ratio`; no figure has no interval."""
    nothing = float("nan")
    table = pd.DataFrame({
        "codec": ["a", "b"], "aa_low": [0.99, nothing], "aa_high": [1.01, nothing],
        "raw_ratio": [1.0, nothing], "raw_ratio_low": [0.9, nothing], "raw_ratio_high": [1.1, nothing],
        "raw_verdict": ["tie", ""],
    })  # fmt: skip
    assert [(column.heading, *column.cells) for column in readable(table)] == [
        ("codec", "a", "b"), ("A/A", "[0.990, 1.01]", "–"), ("raw ratio", "1.00× [0.900, 1.10] =", "–"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--table", "tim"], "did you mean 'time'"),
        (["--table", "paired"], "serlab time --base VENV"),
        (["--table", "time", "--columns", "codec,time"], "did you mean 'time_ns'"),
        (["--table", "time", "--select", "worklod=chat-turn"], "did you mean 'workload'"),
        (["--table", "time", "--select", "workload=chat-tun"], "did you mean 'chat-turn'"),
        (["--table", "time", "--select", "workload"], "expected COLUMN=VALUE"),
        (["--table", "time", "--select", "codec=json", "--select", "verdict=baseline"], "leave one out"),
        (["--format", "xlsx"], "no format named 'xlsx'. Known: csv, html, json, md, tex"),
        (["--standalone"], "--standalone is for --format tex, got md"),
        (["-o", "."], "cannot be written"),
    ],
)
def test_wrong_use_is_one_error_that_names_the_remedy(
    folder: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exit status 2, with nothing on standard output."""
    assert export(monkeypatch, str(folder), *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in " ".join(err.split()) and "Traceback" not in err


def test_a_folder_without_results_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that makes one."""
    assert export(monkeypatch, str(tmp_path)) == 2
    assert f"serlab compare -o {tmp_path}" in capsys.readouterr().err


def test_a_file_and_its_caption_are_written_where_they_were_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CSV has no place for the caption, so it has a file of its own."""
    table, caption = tmp_path / "new" / "t.csv", tmp_path / "t.txt"
    where = ["--table", "size", "--format", "csv", "-o", str(table), "--caption-file", str(caption)]
    assert export(monkeypatch, str(folder), *where) == 0 and capsys.readouterr().out == ""
    assert len(list(csv.reader(io.StringIO(table.read_text())))) == 2 * len(CODECS) + 1
    assert caption.read_text().startswith("Mean bytes per message. Run r on a CPU")


def export(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run `serlab export` by its entry point, in this process; give the exit status."""
    monkeypatch.setattr(sys, "argv", ["serlab", "export", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_what_the_run_lacks_is_not_an_empty_table(folder: Path) -> None:
    """Neither a table nor a selection."""
    with pytest.raises(NotMeasuredError, match="the run holds lag, memory, size, summary, time"):
        export_table(folder, "throughput")
    with pytest.raises(UnknownNameError, match="no format named 'pdf'"):
        export_table(folder, "size", "pdf")


def test_an_empty_table_says_that_nothing_was_measured() -> None:
    """In the formats for reading."""
    assert "Not measured" in to_markdown(pd.DataFrame(), "c") and "Not measured" in to_tex(pd.DataFrame(), "c")
