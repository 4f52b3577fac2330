"""The numbers of scripts/shape.py, on a small package that is made up: each rule is broken once and seen to be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import shape
from scripts.shape import HOME, Shape, entered_by, shape_of

CODECS = ["quick", "quick-base64", "json"]
FIELDS = "class Body:\n    top_p: float\n    name: str\n"
CLEAN = {
    "__init__.py": "",
    "messages.py": FIELDS,
    "codecs/__init__.py": '"""Codecs."""\n\nfrom tiny.codecs.quick import encode\n\n__all__ = ["encode"]\n',
    "codecs/quick.py": "NAME = 'quick'\n\n\ndef encode(body):\n    return bytes(body)\n",
    "report/__init__.py": "from tiny.report.tables import table\n",
    "report/tables.py": '"""Rows."""\n\nfrom tiny.codecs import encode\n\n\ndef table(row):\n    return encode(row)\n',
    "cli.py": "from tiny.report import table\n\nprint(table([]))\n",
}
BREAKS = {
    "circles_loading": ("codecs/quick.py", "from tiny.report import table\n", "tiny.codecs"),
    "circles_all": ("codecs/quick.py", "def late():\n    from tiny.report import table\n", "tiny.codecs"),
    "codec_names_outside": ("cli.py", "print('quick')\n", "cli.py:4 quick"),
    "word_json_outside": ("cli.py", "print('json')\n", "cli.py:4 json"),
    "parsed_names": ("cli.py", "codec = ''.join([])\nprint(codec.removesuffix('+zstd'))\n", "cli.py:5"),
    "untyped_dicts": ("cli.py", "job: dict[str, Any] = {}\n", "cli.py:4"),
    "publics_not_imported": ("cli.py", "def shown():\n    pass\n", "cli.py shown"),
    "private_imported": ("cli.py", "from tiny.report.tables import _row\n", "cli.py:4 tiny.report.tables._row"),
    "past_front_door": ("cli.py", "from tiny.report import tables\n", "cli.py:4 tiny.report.tables"),
    "names_twice": ("report/quick.py", "", "quick 2"),
    "long_bodies": ("cli.py", "def long():\n" + "    print()\n" * 41, "cli.py:4 long 41"),
    "one_importer": ("lonely.py", "", "lonely.py"),
}
"""Number → a file, what is appended to it, and the place that is then named."""


def shape_with(folder: Path, file: str = "", more: str = "") -> Shape:
    """Return the shape of the clean package in which one file has more text."""
    package = folder / "tiny"
    for name, text in {file or "cli.py": "", **CLEAN}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text + more * (name == file))
    return shape_of(package, CODECS, folder / "schemas")


def test_numbers_of_a_clean_package(tmp_path: Path) -> None:
    """Every number is the one that counting by hand gives."""
    found = shape_with(tmp_path).numbers
    assert found == {
        "files": 7,
        "lines": 24,
        "code_lines": 10,
        "module_median_lines": 3,
        "module_longest_lines": 7,
        "body_median": 1,
        "body_p90": 1,
        "body_longest": "tables.py:6 table (1)",
        "publics": 3,
        "edits_for_a_field": 1,
        "circles_loading": 0,
        "circles_all": 0,
        "one_importer": 4,
        "codec_names_outside": 0,
        "word_json_outside": 0,
        "parsed_names": 0,
        "untyped_dicts": 0,
        "publics_not_imported": 1,
        "private_imported": 0,
        "past_front_door": 0,
        "names_twice": 0,
        "long_bodies": 0,
    }


@pytest.mark.parametrize("number", BREAKS)
def test_break_of_a_rule_is_seen(number: str, tmp_path: Path) -> None:
    """What is planted is counted once more than before, and its place is named."""
    file, more, place = BREAKS[number]
    clean = shape_with(tmp_path / "clean")
    broken = shape_with(tmp_path / "broken", file, more)
    assert broken.numbers[number] == clean.numbers[number] + 1
    (named,) = set(broken.places[number]) - set(clean.places[number])
    assert named.startswith(place)


@pytest.mark.parametrize("text", ["import_module('tiny.report.tables')", "import_module(f'tiny.report.{name}')"])
def test_string_is_an_import(text: str, tmp_path: Path) -> None:
    """A module's name in a string, or the start of one, goes past a front door as a statement does."""
    assert shape_with(tmp_path, "cli.py", text).places["past_front_door"] == ["cli.py:4 tiny.report.tables"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("text = 'quick'.removesuffix('x')", 0),
        ("print(error.codec.startswith('x'))", 0),
        ("print(rows['codec'].str.endswith(CONTROL))", 1),
        ("print(name.rpartition(' '))", 1),
        ("print(name.rpartition('.'))", 0),
        ("print(CONTROL in name)", 1),
        ("print(re.match('x', codec))", 1),
    ],
)
def test_parsed_names_are_told_from_other_texts(text: str, count: int, tmp_path: Path) -> None:
    """Variables and columns that hold a name count, marks count beside anything; other texts do not."""
    assert shape_with(tmp_path, "cli.py", text).numbers["parsed_names"] == count


@pytest.mark.parametrize(
    ("file", "text"), [("page/codecs.js", 'f("quick-base64")\n'), ("decide/one.toml", 'only = ["quick-base64"]\n')]
)
def test_names_in_other_languages_count(file: str, text: str, tmp_path: Path) -> None:
    """A codec's name stands outside `codecs/` in whatever language it stands."""
    assert shape_with(tmp_path, file, text).places["codec_names_outside"] == [f"{file}:1 quick-base64"]


def test_field_is_edited_where_it_is_declared(tmp_path: Path) -> None:
    """A schema that is written by hand is one more edit, one that is generated is none."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "llm.fbs").write_text("table Body { top_p: float; }\n")
    (tmp_path / "schemas" / "llm.proto").write_text("// Generated.\nmessage Body { float top_p = 1; }\n")
    assert shape_with(tmp_path).numbers["edits_for_a_field"] == 2


def test_way_is_that_of_what_runs_and_not_of_what_is_imported(tmp_path: Path) -> None:
    """A file counts when a function of it runs, in a child too; not one that is imported, or runs meanwhile."""
    child = "import subprocess, sys, tiny.cli\nsubprocess.run([sys.executable, '-c', 'from tiny.b import b; b()'])\n"
    shape_with(tmp_path, "b.py", "def b(): return 1\n")
    (tmp_path / "tiny" / "c.py").write_text("def c(): return 1\nclass C:\n    c()\n")
    assert entered_by(tmp_path / "tiny", ["-c", child + "import tiny.c\n"]) == ["b.py"]
    assert entered_by(tmp_path / "tiny", ["-c", "raise SystemExit(3)"]) is None


@pytest.mark.slow
def test_script_prints_the_numbers_of_the_package() -> None:
    """It runs on what stands here, for people and for programs; circles there are none as modules are loaded."""
    command = [sys.executable, str(Path(shape.__file__)), "--places"]
    told: dict[str, Any] = json.loads(
        subprocess.run([*command, "--json"], cwd=HOME, capture_output=True, text=True, check=True).stdout
    )
    numbers, places = told["numbers"], told["places"]
    assert numbers["files"] > 50 and numbers["code_lines"] < numbers["lines"] and numbers["circles_loading"] == 0
    assert all(numbers[name] == len(found) for name, found in places.items())
