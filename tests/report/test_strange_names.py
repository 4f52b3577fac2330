"""Names from strangers through everything that shows them: terminal, Markdown, CSV, LaTeX, HTML and the page."""

import csv
import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from serlab.cli_show import show_check, show_summary
from serlab.codecs import codec_names
from serlab.console import Shown
from serlab.decide import decide, load_scenario
from serlab.decide.decision import show_decision
from serlab.decide.ranking import read_run
from serlab.measure.parity import Report, recorded
from serlab.page import write_page
from serlab.report import FORMATS, write_tables
from serlab.results import load_results
from serlab.verdicts import compare_runs
from serlab.verdicts_show import show_diff
from tests.support.corpora import CHAT
from tests.support.figurerows import rows_of
from tests.support.folders import ENVIRONMENT, write

ACTS = "\x1b]0;t\x07\x1b[31m\x9b\u202e\u2066\r\n"
TAG = "<img src=x onerror=alert(1)>"
LINK = "[l](http://evil.example)"
BARE = "https://evil.example Www.evil.example a@evil.example [x]: http://evil.example"
"""What becomes a link without brackets around it, and what says where `[x]` leads."""
LINKS = re.compile(r"\]\(|\]:|://evil|www\.evil|\w@evil", re.IGNORECASE)
HOSTILE = [f"={ACTS}1+1{TAG}{BARE}", f"@SUM(1){LINK}[/nope]", f"-2+3|x!A{TAG}", f"+1|{LINK}`[red]"]
FORMULAS = ("=", "+", "@", "-")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a results folder whose names are hostile: two codecs, a workload, the machine and the versions."""
    names = {"novel": HOSTILE[0], "msgpack": HOSTILE[1], "chat-turn": HOSTILE[2]}
    rows = [row._replace(codec=names.get(row.codec, row.codec), workload=names[row.workload]) for row in rows_of()]
    odd = {"cpu": HOSTILE[3], "run": HOSTILE[0], "versions": {HOSTILE[1]: TAG}, "command": [HOSTILE[3], "`x"]}
    return write(tmp_path / "run", rows, **odd)


def terminal() -> Shown:
    """Make a console that is a terminal."""
    look: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
    return Shown(file=io.StringIO(), width=200, force_terminal=False, **look)


def acting(text: str) -> set[str]:
    """Collect what acts in a text; a newline ends lines of serlab's own."""
    return {one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs") and one not in "\n"}


def test_tables_of_hostile_names_do_nothing(folder: Path) -> None:
    """In each format; numbers of CSV stay numbers."""
    for path in write_tables(folder):
        text = path.read_text()
        assert not acting(text), path
        assert path.suffix not in (".md", ".html") or TAG not in text, path
        if path.suffix == ".md":
            assert not LINKS.search(text)
        if path.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not [cell for cell in cells if cell.startswith(FORMULAS) and not is_number(cell)]
    assert {path.suffix.removeprefix(".") for path in write_tables(folder)} == {*FORMATS}
    sizes = (folder / "tables/size.csv").read_text()
    assert f"'{HOSTILE[1]}" in sizes and "'-2+3" in sizes and ",2000.0," in sizes


def is_number(cell: str) -> bool:
    """Tell a cell that is a figure."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_page_and_record_of_hostile_names_do_nothing(folder: Path, tmp_path: Path) -> None:
    """Nor does a scenario's question."""
    own = tmp_path / "own.toml"
    text = f'question = {json.dumps(TAG + LINK)}\n[messages.ChatRequest]\nworkloads = {{ "chat-turn" = 1 }}\n'
    own.write_text(text + "operations = { encode = 1, decode = 1 }\n")
    scenario = load_scenario(own)
    messages = scenario.messages["ChatRequest"]
    run = read_run(folder)
    workload = str(run.rows["workload"].iloc[0])
    changed = {"ChatRequest": type(messages)(workloads={workload: 1.0}, operations=messages.operations)}
    found = decide(run, type(scenario)(question=scenario.question, messages=changed, name=HOSTILE[0]))
    record = found.to_markdown()
    assert not acting(record.split("## Scenario")[0])
    assert TAG not in record.split("## Scenario")[0] and not LINKS.search(record.split("## Scenario")[0])
    console = terminal()
    show_decision(console, found)
    assert not acting(console.file.getvalue()) and LINK in console.file.getvalue()
    page = write_page(folder).read_text()
    head = page.split("window.vegaEmbed")[0]
    assert TAG not in page and "\x1b" not in page and "\u202e" not in page and "&lt;img src=x" in head


def test_terminal_output_of_hostile_names_does_nothing(folder: Path, tmp_path: Path) -> None:
    """Summary, diff and check, of names of codecs, workloads, fields and files."""
    console = terminal()
    rows = load_results(folder)
    show_summary(console, rows, [{"outcome": "changed", "workload": HOSTILE[2], "reason": HOSTILE[0]}])
    other = write(tmp_path / "other", rows_of(), **{**ENVIRONMENT, "cpu": HOSTILE[3]})
    show_diff(console, compare_runs(other, folder))
    path = tmp_path / f"[nope]{ACTS}[red].jsonl"
    path.write_text("\n".join([json.dumps(CHAT | dict.fromkeys(HOSTILE, 1)), "{"]))
    report = Report([codec_names()[0]])
    for body in recorded(str(path), False, report.cannot_read):
        report.add(body)
    show_check(console, report)
    shown = console.file.getvalue()
    assert not acting(shown) and "[nope]" in shown and "[red]" in shown and report.unreadable_lines == 1
