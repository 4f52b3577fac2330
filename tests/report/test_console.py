"""What commands print: any text as it is, on any terminal."""

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from serlab.comparison import bar
from serlab.console import Shown, literal
from serlab.report import terminal_tables
from serlab.results import load_results
from serlab.rows import write_table
from serlab.visible import visible
from tests.conftest import Run
from tests.support.figurerows import run
from tests.support.folders import rows_of, write
from tests.support.rows import rows_in

FIELDS = [
    "[red]x[/red]",
    "[/nope]",
    "[bold",
    ":smile:",
    "\x1b]0;t\x07\x1b[31m",
    "a\nequal: b",
    "\u202etxt",
    "\x00",
    "\ud83d",
]
SHOWN = [
    "/[red]x[~1red]", "/[~1nope]", "/[bold", "/:smile:", r"/\x1b]0;t\x07\x1b[31m", r"/a\nequal: b",
    r"/\u202etxt", r"/\x00", r"/\ud83d",
]  # fmt: skip
ENCODINGS = [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}]
"""Settings under which standard output has not every character."""
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a results folder."""
    return write(tmp_path / "run", rows_in(run("chat-turn")))


def test_a_text_without_acting_characters_stays_as_it_is() -> None:
    """In any script, with joiners and with marks; what acts is written as Python writes it."""
    for text in ("журнал", "日志", "سجل", "می\u200cخواهم", "👨\u200d👩\u200d👧", "e\u0301", "a\\b [c]"):
        assert visible(text) == text
    assert visible("\x1b\x9b\r\n\t\x7f") == r"\x1b\x9b\r\n\t\x7f" and visible("a\nb\r", keep="\n") == "a\nb\\r"
    assert visible("\u2066\u200f\ufeff\u2028\ud83d\U000e0041") == r"\u2066\u200f\ufeff\u2028\ud83d\U000e0041"


@pytest.mark.parametrize("width", [10, 80])
def test_the_console_prints_every_text_as_it_is_and_nothing_in_it_acts(width: int) -> None:
    """Also one that is not made safe before, in a cell or by itself."""
    out = io.StringIO()
    console = Shown(file=out, markup=False, emoji=False, highlight=False, width=width, force_terminal=True)
    table = Table("[head]", title="[title]")
    for text in FIELDS:
        table.add_row(text)
        console.print(text, literal(text))
    console.print(table)
    assert not set(out.getvalue()) & set("\x07\u202e\x00\ud83d") and "\x1b]" not in out.getvalue()
    if width == 80:
        assert all(out.getvalue().count(text) == 3 for text in FIELDS[:4])
        assert "[head]" in out.getvalue() and "[title]" in out.getvalue()


def test_progress_prints_a_name_with_brackets_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus may be named so."""
    # A terminal that can redraw a line, whatever this one is.
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    progress = bar(Shown(file=out, width=120, force_terminal=True))
    progress.add_task("time/[/nope] [prod].jsonl/0", total=2, left="")
    with progress:
        progress.refresh()
    assert "time/[/nope] [prod].jsonl/0" in out.getvalue()


@pytest.mark.parametrize("settings", [{}, *ENCODINGS], ids=str)
def test_check_prints_field_names_of_any_kind(serlab: Run, tmp_path: Path, settings: dict[str, str]) -> None:
    """Brackets, escape sequences, newlines, overrides and surrogates; the exit status is that of a finding."""
    (tmp_path / "odd.jsonl").write_text(json.dumps(CHAT | dict.fromkeys(FIELDS, 1)))
    environment = {**os.environ, "COLUMNS": "80", **settings}
    done = serlab("check", "--corpus", "odd.jsonl", "--codec", "orjson,json", env=environment)
    assert done.returncode == 1 and done.stderr == ""
    lines = [line.strip(" |") for line in done.stdout.splitlines()]
    assert [line.split("  ")[0].rstrip(" |") for line in lines if line.startswith("/")] == SHOWN
    assert "\x1b" not in done.stdout and "refused: odd.jsonl:1: orjson" in done.stdout
    done = serlab("check", "--json", "--corpus", "odd.jsonl", "--codec", "orjson", env=environment)
    assert done.returncode == 1 and set(json.loads(done.stdout)["unknown_fields"]) == {
        "/" + name.replace("/", "~1") for name in FIELDS
    }


@pytest.mark.parametrize("settings", ENCODINGS, ids=str)
@pytest.mark.parametrize(
    "arguments",
    ["list", "report run", "export run --table time", "diff run run", "decide --list", "decide run --json", "--help"],
)
def test_a_terminal_without_unicode_is_told_the_same(
    serlab: Run, folder: Path, arguments: str, settings: dict[str, str]
) -> None:
    """With stand-ins; the exit status is that of a terminal that has every character."""
    done = serlab(*shlex.split(arguments), env={**os.environ, "COLUMNS": "80", **settings}, encoding="cp1252")
    assert done.returncode == serlab(*shlex.split(arguments)).returncode == 0
    assert done.stderr == "" and len(done.stdout) > 100


def test_a_table_of_html_keeps_its_characters_where_the_terminal_lacks_them(serlab: Run, folder: Path) -> None:
    """HTML has references for them, and JSON escapes."""
    ascii_only = {"env": {**os.environ, "PYTHONIOENCODING": "ascii"}}
    html = serlab("export", "run", "--table", "time", "--format", "html", **ascii_only).stdout
    assert "&#215;" in html and html.isascii()
    assert json.loads(serlab("export", "run", "--table", "time", "--format", "json", **ascii_only).stdout)["rows"]


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["0", "1", "abc", "-5", ""])
@pytest.mark.parametrize("arguments", [("decide", "--list"), ("--help",), ("frobnicate",)])
def test_a_width_that_is_none_is_not_believed(serlab: Run, columns: str, arguments: tuple[str, ...]) -> None:
    """The output is that of a terminal of 80 columns."""
    usual = serlab(*arguments, env={**os.environ, "COLUMNS": "80"})
    done = serlab(*arguments, env={**os.environ, "COLUMNS": columns})
    assert (done.returncode, done.stdout, done.stderr) == (usual.returncode, usual.stdout, usual.stderr)


def test_a_closed_pipe_is_quiet_whatever_prints(tmp_path: Path) -> None:
    """A table by rich ends as lines do: with the status of an interruption."""
    command = f"{shlex.quote(sys.executable)} -m serlab list"
    script = f"({command}; echo $? > status) | :"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout == done.stderr == "" and (tmp_path / "status").read_text() == "130\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out [prod] x", "out [/nope] dir", ":smile:[b", "a\nb"])
def test_a_folder_is_named_as_it_is(serlab: Run, tmp_path: Path, name: str) -> None:
    """With brackets too; a newline is written as an escape."""
    (tmp_path / "[c].jsonl").write_text(json.dumps(CHAT))
    done = serlab("size", "--codec", "orjson", "--corpus", "[c].jsonl", "-o", name)
    shown = name.replace("\n", "\\n")
    assert (
        done.returncode == 0 and f"All rows: {shown}/results.parquet\n" in done.stdout and " [c].jsonl" in done.stdout
    )
    assert done.stderr.startswith(f"serlab: results go to {shown}\n")
    done = serlab("report", name)
    assert done.returncode == 0 and f"20 files in {shown}/tables\n" in done.stdout


def test_a_table_for_any_console_reads_no_markup() -> None:
    """A notebook prints the summary on a console of its own."""
    rows = run("[/nope]").replace({"codec": {"json": "[red]json"}})
    out = io.StringIO()
    for table in terminal_tables(rows):
        print(*(cell for column in table.columns for cell in column.cells), file=out)
    assert "[/nope]" in out.getvalue() and "[red]json" in out.getvalue()


def test_rows_of_a_folder_have_names_that_can_be_shown(tmp_path: Path) -> None:
    """Whoever made it."""
    path = write(tmp_path / "run", rows_of("a"))
    table = load_results(path)
    write_table(path, table.replace({"workload": {"w1": "w\x1b1\u202e"}}))
    assert set(load_results(path)["workload"]) == {r"w\x1b1\u202e", "w2"}
