"""Results folders from strangers: links, pipes, names and values that no run writes."""

import copy
import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from serlab import rows
from serlab.cases import facts_of
from serlab.cli_options import recorded_options
from serlab.cli_show import show_summary
from serlab.console import Shown
from serlab.decide import decide, scenario_text
from serlab.decide.decision import show_decision
from serlab.decide.ranking import Run as DecideRun
from serlab.decide.ranking import read_run
from serlab.decide.scenarios import parse_setting
from serlab.errors import ResultsError, ScenarioError, SerlabError, UnknownNameError
from serlab.folders import agreeing, file_name, inside, read_inside, write_inside
from serlab.measure.options import Options
from serlab.measure.run import locked, write_suites
from serlab.notebook import holds
from serlab.page.build import environment_rows, title_of
from serlab.report import write_tables
from serlab.report.export import caption_of
from serlab.results import ENVIRONMENT, JOURNAL, Finished, Journal, load_environment, load_findings, load_results
from serlab.rows import NAMES, PARQUET, Row, frame, write_table
from serlab.verdicts import MACHINE, compare_runs, judge
from tests.conftest import Run
from tests.support.figurerows import rows_of as figure_rows
from tests.support.folders import ENVIRONMENT as RECORD
from tests.support.folders import paired_rows, rows_of, write

WHOLE = {
    **RECORD,
    "memory_bytes": 8,
    "load_average": [0.5],
    "gc": "on",
    "effort": {"rounds": 3, "operations": ["decode"]},
    "command": ["serlab", "size"],
    "options": {"corpora": ["a.jsonl"], "workloads": ["w"], "base": ""},
    "hints": ["h"],
    "base": {"place": "/x", "versions": {"orjson": "3"}, "codecs": {"json": "1"}},
    "wire": {"transport": {"question": "q", "conditions": "c"}},
    "stored": {"busy_cores_before": 0.1},
    "plan": {"seed": 0, "corpora": {}, "parts": ["size"]},
    "format": 1,
}
ODD = [None, 5, -3, 1.5, float("nan"), float("inf"), 10**3000, "x", "", [], [1], {}, [{"a": [None]}], True, "\x1b{<b>}"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a results folder."""
    return write(tmp_path / "run", figure_rows())


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Make a file that belongs to somebody else."""
    path = tmp_path / "theirs"
    path.write_bytes(b"theirs")
    return path


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the places of a value's parts."""
    yield path
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value) if type(value) is list else ():
        yield from places(inner, (*path, step))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Put another value at a place."""
    if not path:
        return new
    found = copy.deepcopy(value)
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return found


def test_a_run_that_had_a_corpus_or_another_environment_goes_on_only_where_they_are_named_again(
    folder: Path, tmp_path: Path
) -> None:
    """A folder names nothing that is opened or run; its other options are its own."""
    record = {**RECORD, "options": {"seed": 3, "corpora": ["/etc/passwd"], "base": "./evil"}}
    (folder / ENVIRONMENT).write_text(json.dumps(record))
    for given, said in (
        (Options(), "--corpus /etc/passwd --base ./evil"),
        (Options(corpora=("mine",)), "made with --base ./evil"),
        (Options(base="mine"), "made with --corpus /etc/passwd, which"),
    ):
        with pytest.raises(ResultsError, match=f"{said}.*give it again beside --resume"):
            recorded_options(folder, given, Options().parts)
    mine = recorded_options(folder, Options(corpora=("mine",), base="own"), Options().parts)
    assert mine == Options(seed=3, corpora=("mine",), base="own")


@pytest.mark.slow
def test_no_python_of_a_folder_is_run(serlab: Run, tmp_path: Path) -> None:
    """The one that its record names as the other environment."""
    work = ("--quick", "--workload", "chat-turn", "--codec", "orjson", "--operation", "decode")
    serlab("time", *work, "--batch-ms", "0.1", "-o", "out")
    (tmp_path / "out" / PARQUET).unlink()
    evil = tmp_path / "evil"
    evil.write_text("#!/bin/sh\ntouch ran\n")
    evil.chmod(0o755)
    record = json.loads((tmp_path / "out" / ENVIRONMENT).read_text())
    record["options"]["base"] = str(evil)
    (tmp_path / "out" / ENVIRONMENT).write_text(json.dumps(record))
    done = serlab("time", "--resume", "-o", "out")
    assert done.returncode == 2 and "is not taken from a folder" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", [PARQUET, JOURNAL, ENVIRONMENT, ".lock", "report.html", "tables", "tables/size.md"])
def test_a_link_that_leads_out_of_a_folder_is_refused(folder: Path, outside: Path, name: str) -> None:
    """Whether something is read through it or written; what it leads to stays as it is."""
    target = outside.parent / "their folder" if name == "tables" else outside
    if name == "tables":
        target.mkdir()
    (folder / name).unlink(missing_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(target)
    with pytest.raises(ResultsError, match=r"run/.*: a link that leads out of the results folder"):
        use_all(folder, name)
    assert outside.read_bytes() == b"theirs" and not any(outside.parent.glob("their folder/*"))


def use_all(folder: Path, name: str) -> None:
    """Read and write what has a name."""
    if name in (JOURNAL, ".lock"):
        with locked(folder):
            Journal(folder).append(Finished("a", [], [], []))
    elif name == "report.html":
        write_inside(folder, name, b"page")
    else:
        write_tables(folder)


def test_what_is_left_of_a_write_is_not_written_through(folder: Path, outside: Path) -> None:
    """The name beside a file is a link."""
    (folder / ".page.part").symlink_to(outside)
    assert write_inside(folder, "page", b"mine").read_bytes() == b"mine" and outside.read_bytes() == b"theirs"
    assert not (folder / ".page.part").is_symlink()


def test_a_link_inside_and_a_folder_that_is_one_are_used(folder: Path, tmp_path: Path) -> None:
    """Such as a user makes."""
    (folder / PARQUET).rename(folder / "rows.parquet")
    (folder / PARQUET).symlink_to("rows.parquet")
    (tmp_path / "link").symlink_to(folder)
    assert len(load_results(tmp_path / "link")) and write_tables(tmp_path / "link")


def test_a_pipe_and_a_second_name_are_refused(folder: Path, outside: Path) -> None:
    """Nobody waits for a pipe, and what grows has one name."""
    (folder / PARQUET).unlink()
    os.mkfifo(folder / PARQUET)
    with pytest.raises(ResultsError, match="expected a regular file, got a pipe"):
        load_results(folder)
    os.link(outside, folder / JOURNAL)
    with pytest.raises(ResultsError, match="a hard link"):
        Journal(folder / ".").append(Finished("a", [], [], []))
    assert outside.read_bytes() == b"theirs"


def test_a_file_that_is_too_large_is_not_read(folder: Path) -> None:
    """It is one byte longer."""
    with pytest.raises(ResultsError, match="expected at most 10 bytes"):
        read_inside(folder, ENVIRONMENT, 10)
    assert read_inside(folder, ENVIRONMENT) and inside(folder, "none") == folder / "none"


def test_names_from_data_are_files_of_their_own(tmp_path: Path) -> None:
    """A codec of another package may be called anything, and so may a workload."""
    taken: list[str] = []
    for name in ("../../up", "/etc/passwd", "..", "", "a/b", "a:b", "a\0b", "\ud83d", "x" * 500, "x" * 501, ".hidden"):
        taken.append(file_name(name, taken))
    assert len(set(taken)) == len(taken) and not any("/" in one or one.startswith(".") for one in taken)
    assert file_name("my-codec_1.2", taken) == "my-codec_1.2" and max(map(len, taken)) < 130
    batches = {"name": "w/decode", "operation": "decode", "loops": [1, 1], "values": [5.0], "metadata": {}}
    cells = [Finished(str(i), [], [], [{**batches, "codec": name}]) for i, name in enumerate(("../a", "a", "/a"))]
    written = write_suites(tmp_path, [cell._replace(pyperf=[versioned(cell.pyperf[0])]) for cell in cells])
    assert [path.name for path in written] == ["a.json", "a-2.json", "a-3.json"]
    assert {path.parent for path in written} == {tmp_path / "pyperf"}
    with pytest.raises(ResultsError, match="pyperf does not take"):
        write_suites(tmp_path, [cells[0]._replace(pyperf=[versioned({**batches, "codec": "a", "values": [-1.0]})])])


def versioned(batches: dict[str, Any]) -> dict[str, Any]:
    """Say the codec's version, which is looked up otherwise."""
    return {**batches, "metadata": {"codec_version": "1"}}


@pytest.mark.slow
def test_a_record_of_other_types_gives_one_error_or_an_answer(folder: Path, tmp_path: Path) -> None:
    """Each value in turn becomes each of another type; whatever passes is written by whoever shows it."""
    good = write(tmp_path / "good", rows_of("b"))
    refused = passed = 0
    for path in places(WHOLE):
        for odd in ODD:
            (folder / ENVIRONMENT).write_text(json.dumps(changed(WHOLE, path, odd)))
            try:
                record = load_environment(folder, MACHINE)
                caption_of(record), title_of(record), environment_rows(record), holds(folder, {"parts": ["size"]})
                compare_runs(good, folder)
                recorded_options(folder, Options(corpora=("mine",)), Options().parts)
                passed += 1
            except ResultsError as error:
                refused += 1
                assert len(str(error)) < 2000
    assert refused > 500 and passed > 50
    (folder / ENVIRONMENT).write_bytes(b"[" * 100_000)
    with pytest.raises(ResultsError, match=r"damaged: nested too deep"):
        load_environment(folder)


@pytest.mark.slow
def test_a_table_of_other_types_gives_one_error_or_an_answer(folder: Path, tmp_path: Path) -> None:
    """In each column: all values, or one."""
    good = write(tmp_path / "good", [*figure_rows(), *paired_rows("c", {"json": 1.0})])
    shutil.copy(good / PARQUET, folder)
    use(folder, good)
    table = parquet.read_table(folder / PARQUET, use_threads=False)
    odd = [None, 5, -3, 2**40, 0, float("nan"), float("inf"), "x", "", "y" * 5000, b"x", [1], {"a": 1}, True]
    errors = answers = 0
    for number, name in enumerate(table.column_names):
        for one in odd:
            for share in (1, table.num_rows):
                values = table.column(number).to_pylist()
                values[::share] = [one] * len(values[::share])
                try:
                    column = pa.array(values)
                except (pa.ArrowInvalid, pa.ArrowTypeError):
                    continue  # No file can hold such a column.
                parquet.write_table(table.set_column(number, name, column), folder / PARQUET)
                try:
                    use(folder, good)
                    answers += 1
                except ResultsError:
                    errors += 1
    assert errors > 100 and answers > 20


def use(folder: Path, good: Path) -> None:
    """Do what the commands do with a folder's rows."""
    console = Shown(file=io.StringIO(), markup=False, emoji=False, highlight=False)
    with agreeing(folder):
        rows = load_results(folder)
        show_summary(console, rows, [])
        compare_runs(good, folder)
        judge([good, folder])
        with suppress(ScenarioError):
            decide(read_run(folder), "service-hop")


def test_rows_that_contradict_each_other_give_one_error() -> None:
    """With Python's own as its cause; an error of serlab's stays."""
    with (
        pytest.raises(ResultsError, match=r"run: rows that no run writes together .KeyError: 'raw'") as caught,
        agreeing("run"),
    ):
        raise KeyError("raw")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ScenarioError), agreeing("run"):
        raise ScenarioError("as it is")


def test_a_table_that_grows_when_it_is_read_is_refused(folder: Path) -> None:
    """A long text stands once in the file and in each of a million rows; more rows than a run has are not read."""
    table = load_results(folder)
    many = pd.concat([table.assign(workload="x" * 5000)] * 50)
    write_table(folder, many)
    with pytest.raises(ResultsError, match="a text of up to 4,096 characters in each workload"):
        load_results(folder)
    columns = {name: pa.array(["x"]).dictionary_encode() for name in Row._fields}
    columns |= {"process": pa.array([0]), "value": pa.array([1.0])}
    rows = pa.table({name: column.take(pa.array([0] * 5_000_001)) for name, column in columns.items()})
    parquet.write_table(rows, folder / PARQUET)
    with pytest.raises(ResultsError, match="expected at most 5,000,000 rows"):
        load_results(folder)


def test_a_table_whose_parts_hold_more_than_it_says_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count of all rows stands in the file beside those of its parts, and may be another."""
    table = pd.concat([load_results(folder).head(1)] * 2000)
    write_table(folder, table)
    monkeypatch.setattr(rows, "MOST_UNPACKED", 100)
    with pytest.raises(ResultsError, match="expected at most 100 bytes of columns"):
        load_results(folder)
    monkeypatch.undo()
    assert len(load_results(folder)) == 2000
    data = (folder / PARQUET).read_bytes()
    end = len(data) - 8
    begin = end - int.from_bytes(data[-8:-4], "little")
    # 2,000 and 1 as Thrift writes them, each in two bytes.
    footer = data[begin:end].replace(b"\xa0\x1f", b"\x82\x00", 1)
    (folder / PARQUET).write_bytes(data[:begin] + footer + data[end:])
    assert parquet.ParquetFile(folder / PARQUET).metadata.num_rows == 1
    monkeypatch.setattr(rows, "MOST_ROWS", 1000)
    with pytest.raises(ResultsError, match="expected at most 1,000 rows, got 2,000"):
        load_results(folder)


def test_a_changed_byte_of_a_tables_footer_ends_no_process(folder: Path) -> None:
    """Counts and lengths stand there, and pyarrow may end the process where one does not fit another."""
    code = """
import sys
from serlab.errors import ResultsError
from serlab.results import load_results
path = sys.argv[1] + "/results.parquet"
good = open(path, "rb").read()
begin = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
for i in [i for i in range(begin, len(good) - 8) if good[i] == 2]:
    open(path, "wb").write(good[:i] + bytes([127]) + good[i + 1 :])
    try:
        load_results(sys.argv[1])
    except ResultsError:
        pass
"""
    done = subprocess.run([sys.executable, "-P", "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-300:]


def test_a_table_without_rows_is_read(folder: Path) -> None:
    """A run in which nothing could be measured leaves one, and can be gone on with."""
    write_table(folder, frame([]))
    found = load_results(folder)
    assert len(found) == 0 and {*Row._fields, *NAMES} <= {*found.columns}


def test_a_journal_that_is_a_folder_is_one_error(folder: Path) -> None:
    """What it is and what to do."""
    (folder / PARQUET).unlink()
    (folder / JOURNAL).unlink(missing_ok=True)
    (folder / JOURNAL).mkdir()
    for read in (load_results, load_findings, Journal):
        with pytest.raises(ResultsError, match=r"journal.jsonl: cannot be read: Is a directory; start a new run"):
            read(folder)


def test_a_journal_is_read_line_by_line(tmp_path: Path) -> None:
    """One of nothing but ends of lines takes no memory before it is refused."""
    (tmp_path / JOURNAL).write_bytes(b"\n" * 10_000_000)
    tracemalloc.start()
    with pytest.raises(ResultsError, match="jsonl:1: damaged"):
        load_results(tmp_path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5_000_000


@pytest.mark.parametrize(
    "line",
    [
        "5",
        '{"key": "a"}',
        '{"key": "a", "rows": [["r"]], "findings": [], "pyperf": []}',
        '{"key": "a", "rows": [], "findings": [5], "pyperf": []}',
        '{"key": "a", "rows": [["r","c","1","w","m","o","x","u",-1,1.0]], "findings": [], "pyperf": []}',
        '{"key": "a", "rows": [["r","c","1","w","m","o","x","u",0,1e999]], "findings": [], "pyperf": []}',
        '{"key": "a", "rows": [], "findings": [], "pyperf": [{"codec": "../x"}]}',
        "[" * 100_000,
    ],
)
def test_a_journal_of_other_types_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    """Whoever reads it."""
    (tmp_path / JOURNAL).write_text(f"{line}\n")
    with pytest.raises(ResultsError, match=rf"{JOURNAL}:1: damaged, .*start a new run"):
        Journal(tmp_path)


@pytest.mark.parametrize("options", [{"seed": "x"}, {"max_body_mb": 10**30}, {"time_limit_s": -1}, {"codecs": [5]}])
def test_options_of_a_record_are_of_their_types(folder: Path, options: dict[str, Any]) -> None:
    """Or named with their place."""
    (folder / ENVIRONMENT).write_text(json.dumps({**RECORD, "options": options}))
    with pytest.raises(ResultsError, match=f"options.*{next(iter(options))}"):
        recorded_options(folder, Options(), Options().parts)
    assert issubclass(ResultsError, SerlabError)


TOML = {
    "a number": "5", "one below nothing": "-1", "the least": "5e-324", "no number": "nan", "without end": "-inf",
    "large": "1e308", "digits": f"1{'0' * 400}", "more digits": "9" * 5000, "a flag": "true", "a text": '"x"',
    "a long text": f'"{"y" * 100_000}"', "what acts": '"\\u001b[31m<b>|\\n"', "lists": "[[], [1], {}]",
    "levels": "[" * 3000 + "]" * 3000, "a table": "{}", "a table of tables": "{a = {b = 1}}", "a day": "1979-05-27",
    "a time": "07:32:00",
}  # fmt: skip
"""Values of all types of TOML, and what none of them needs."""


class Odd(str):
    """A value that stands in a file as it is."""


def toml(value: Any) -> str:
    """Write a value as TOML."""
    if isinstance(value, Odd):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def answered(run: DecideRun, scenario: Path, **settings: Any) -> bool:
    """Ask for a decision as the command does; tell whether there was one, not one error."""
    try:
        with agreeing(run.place):
            found = decide(run, scenario, **settings)
            show_decision(Shown(file=io.StringIO(), markup=False, emoji=False, highlight=False), found)
            json.dumps(found.to_dict(), allow_nan=False), found.to_markdown()
    except (ScenarioError, UnknownNameError) as error:
        assert len(str(error)) < 2000, str(error)[:3000]
        return False
    return True


@pytest.mark.slow
def test_a_scenario_of_other_types_gives_one_error_or_an_answer(folder: Path, tmp_path: Path) -> None:
    """Each value in turn becomes one of another type, in the file as well as by a setting."""
    whole, path = tomllib.loads(scenario_text("service-hop")), tmp_path / "a.toml"
    run, answers, errors = read_run(folder), 0, 0
    for place in places(whole):
        for odd in TOML.values() if place else ():
            path.write_text("".join(f"{key} = {toml(one)}\n" for key, one in changed(whole, place, Odd(odd)).items()))
            is_answered = answered(run, path)
            answers, errors = answers + is_answered, errors + (not is_answered)
    path.write_text(scenario_text("service-hop"))
    for place in places(whole):
        for word in ("", "x", "-1", "1e999", "nan", "true", "9" * 5000) if place else ():
            name, value = parse_setting(f"{'.'.join(place)}={word}")
            is_answered = answered(run, path, **{name: value})
            answers, errors = answers + is_answered, errors + (not is_answered)
    assert answers > 25 and errors > 700


@pytest.mark.slow
def test_a_scenario_that_is_no_toml_is_one_error(folder: Path, tmp_path: Path) -> None:
    """Other encodings, keys that stand twice, any number of levels."""
    path, good = tmp_path / "a.toml", scenario_text("service-hop")
    run, deep = read_run(folder), ".".join(["messages.ChatRequest.operations", *["a"] * 20_000])
    for data in (
        b"", b"\xff\xfe", good.encode("utf-16"), good.encode() + b"\0", b"a=1\na=1\n", b"[wire]\n[wire]\n",
        b"[" * 100_000, b"x=" + b"{a=" * 5000, f"{deep} = 1".encode(), f"[{deep}]".encode(), b"\r",
        b"\xed\xa0\x80=1", b"a=" + b"9" * 5000,
    ):  # fmt: skip
        path.write_bytes(data)
        assert not answered(run, path)


@pytest.mark.slow
def test_a_journal_with_a_value_of_another_type_gives_one_error_or_an_answer(tmp_path: Path) -> None:
    """At every place of a line."""
    finding = {"codec": "json", "outcome": "refused", "file": "a", "line": "1", "kind": "document", "reason": "r"}
    rows = [list(row._replace(conditions=facts_of(row.conditions))) for row in figure_rows()[:2]]
    batches = {"name": "w", "codec": "json", "operation": "decode", "loops": [1, 1], "values": [1.0], "metadata": {}}
    line = {"key": "a", "rows": rows, "findings": [finding], "pyperf": [batches], "left_out": {"w": [1]}}
    answers = errors = 0
    console = Shown(file=io.StringIO(), markup=False, emoji=False, highlight=False)
    for place in places(line):
        for odd in ODD:
            (tmp_path / JOURNAL).write_text(json.dumps(changed(line, place, odd)) + "\n")
            try:
                with agreeing(tmp_path):
                    Journal(tmp_path)
                    show_summary(console, load_results(tmp_path), load_findings(tmp_path))
                answers += 1
            except ResultsError as error:
                errors += 1
                assert len(str(error)) < 2000
    assert answers and errors > 650
