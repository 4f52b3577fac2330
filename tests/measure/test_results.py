"""The journal and the tidy table."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serlab.cases import Conditions
from serlab.cli_options import recorded_options, unused
from serlab.decide.ranking import read_run
from serlab.errors import ResultsError
from serlab.folders import write_atomically
from serlab.measure.options import Options
from serlab.page import write_page
from serlab.report import write_tables
from serlab.results import (
    JOURNAL,
    Finished,
    Journal,
    load_environment,
    load_findings,
    load_results,
    unfinished,
    write_results,
)
from serlab.rows import FORMAT, NAMES, Row, write_table
from serlab.verdicts import load_run
from tests.support.folders import rows_of, write
from tests.support.rows import named_row

ROW = named_row("r", "json", "3", "w", "ChatRequest", "encode", "time", "ns", 0, 1.5)


def cell(key: str, *rows: Row) -> Finished:
    """Make a finished cell."""
    return Finished(key, list(rows), [{"outcome": "refused"}], [])


def test_a_journal_gives_back_what_was_appended(tmp_path: Path) -> None:
    """A new journal of the same folder holds the same cells."""
    Journal(tmp_path).append(cell("a", ROW, ROW._replace(process=1)))
    assert Journal(tmp_path).cells == {"a": cell("a", ROW, ROW._replace(process=1))}


def test_a_torn_last_line_is_dropped_and_the_next_starts_afresh(tmp_path: Path) -> None:
    """What a kill left unfinished is as if it had not been."""
    Journal(tmp_path).append(cell("a", ROW))
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"key": "b", "rows": [')
    journal = Journal(tmp_path)
    journal.append(cell("c", ROW))
    assert list(Journal(tmp_path).cells) == ["a", "c"]


def test_damage_before_the_last_line_is_an_error(tmp_path: Path) -> None:
    """It names file and line and what to do."""
    (tmp_path / "journal.jsonl").write_text('{"key": 1}\n')
    with pytest.raises(ResultsError, match=r"journal.jsonl:1: damaged.*another folder"):
        Journal(tmp_path)


def test_rows_come_in_an_order_of_their_own(tmp_path: Path) -> None:
    """The table does not depend on when a cell was measured."""
    one, two = cell("a", ROW), cell("b", ROW._replace(codec="a", process=3))
    assert write_results(tmp_path, [one, two]).equals(write_results(tmp_path, [two, one]))
    assert load_results(tmp_path)["codec"].tolist() == ["a", "json"]


def test_a_stopped_run_can_be_read(tmp_path: Path) -> None:
    """Without results.parquet the journal is read."""
    Journal(tmp_path).append(cell("a", ROW))
    assert load_results(tmp_path)["value"].tolist() == [1.5]


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    """So is a damaged table."""
    with pytest.raises(ResultsError, match="make one with `serlab compare"):
        load_results(tmp_path)
    (tmp_path / "results.parquet").write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match="damaged"):
        load_results(tmp_path)


def test_the_newest_stopped_run_is_found(tmp_path: Path) -> None:
    """A finished one does not count."""
    assert unfinished(tmp_path) is None
    for name in ("done", "stopped"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "environment.json").touch()
    (tmp_path / "done" / "results.parquet").touch()
    assert unfinished(tmp_path) == tmp_path / "stopped"


def test_where_none_was_stopped_one_with_unmeasured_cells_is_found(tmp_path: Path) -> None:
    """Until they were measured; a journal that cannot be read is passed over."""
    for name in ("done", "lacking", "damaged"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "environment.json").touch()
        (tmp_path / name / "results.parquet").touch()
        Journal(tmp_path / name).append(cell("a", ROW))
    (tmp_path / "damaged/journal.jsonl").write_text("[\n")
    assert unfinished(tmp_path) is None
    journal = Journal(tmp_path / "lacking")
    journal.append(cell("b", ROW)._replace(findings=[{"outcome": "unmeasured", "codec": "json"}]))
    assert unfinished(tmp_path) == tmp_path / "lacking"
    journal.append(cell("b", ROW._replace(process=2)))
    assert unfinished(tmp_path) is None


def test_of_a_cell_that_was_measured_again_the_last_counts(tmp_path: Path) -> None:
    """For rows and findings alike, in whatever order the others came."""
    journal = Journal(tmp_path)
    for found in (cell("a", ROW), cell("b"), cell("a", ROW._replace(value=2.5))._replace(findings=[])):
        journal.append(found)
    assert load_results(tmp_path)["value"].tolist() == [2.5] and load_findings(tmp_path) == [{"outcome": "refused"}]
    assert list(Journal(tmp_path).cells) == ["a", "b"]


def test_a_second_that_comes_twice_gives_two_folders(tmp_path: Path) -> None:
    """As after a clock was set back."""
    first = unused(tmp_path / "20260101-000000")
    first.mkdir()
    second = unused(tmp_path / "20260101-000000")
    second.mkdir()
    names = [first.name, second.name, unused(tmp_path / "20260101-000000").name]
    assert names == ["20260101-000000", "20260101-000000-2", "20260101-000000-3"]


def test_a_pipe_is_written_to_and_a_link_stays_one(tmp_path: Path) -> None:
    """Replacing them would take a device from the system, or leave the linked file as it was."""
    pipe, real, link = tmp_path / "pipe", tmp_path / "real", tmp_path / "link"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        write_atomically(pipe, b"piped")
        assert read.result(10) == b"piped" and pipe.is_fifo()
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_atomically(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": FORMAT + 1, "serlab": "9.9"}, f"expected format 1 or 2, got format {FORMAT + 1} of serlab 9.9"),
        ({"format": "1"}, "expected format 1 or 2, got format '1' of serlab 0.1.0"),
        ({"versions": []}, "expected environment.json with an object of versions, got list"),
    ],
)
def test_a_folder_of_another_format_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    """By whatever reads it, with what to do about it."""
    path = write(tmp_path / "run", rows_of("a"), **changed)
    for read in (load_environment, load_results, write_tables, write_page, load_run, read_run):
        with pytest.raises(ResultsError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: a results folder of another version: {said}; read it with")


def test_a_folder_without_a_key_or_a_column_is_named(tmp_path: Path) -> None:
    """Or with a column that holds something else; what is there in addition does no harm, and a version may lack."""
    path = write(tmp_path / "run", rows_of("a"), novel={"a": 1})
    table = load_results(path).assign(novel=1)
    for bad, said in (
        (table.drop(columns=["version"]), "columns of format 2, got one without version"),
        (table.assign(value="x"), "numbers in the column value, got (large_)?string"),
        (table.assign(codec=1), "texts in the column codec, got int64"),
        (table.assign(role="boss"), "expected a role of measured, .* got boss"),
        (table.assign(conditions="{"), "expected conditions in each row, got {"),
        (table.assign(conditions='{"threads": "two"}'), "expected conditions in each row, got .*: Expected `int"),
        (table.assign(conditions='{"threads": 1e999}'), "expected conditions in each row"),
        (table.assign(conditions='{"moon": "full"}'), "expected conditions in each row, got .*unknown field `moon`"),
    ):
        texts = {} if "conditions" in said else {"conditions": "{}"}
        bad.drop(columns=[*NAMES]).assign(**texts).to_parquet(path / "results.parquet")
        with pytest.raises(ResultsError, match=said):
            load_results(path)
    write_table(path, table)
    assert len(load_results(path)) == len(table) and "novel" in load_environment(path)
    for text, said in (("{}", "got one without run, versions"), ("[]", "an object, got list")):
        (path / "environment.json").write_text(text)
        with pytest.raises(ResultsError, match=said):
            load_results(path)
    (path / "environment.json").write_text('{"run": "r", "versions": {}}')
    for read in (write_tables, load_run):
        with pytest.raises(ResultsError, match="got one without cpu, cores, os, python"):
            read(path)
    with pytest.raises(ResultsError, match="with the options of the run, got one without them"):
        recorded_options(path, Options(), Options().parts)


def test_options_of_another_serlab_are_read_as_far_as_they_are_known() -> None:
    """A key that is not known here does no harm."""
    assert Options.from_record({"seed": 3, "codecs": ["json"], "novel": 1}) == Options(seed=3, codecs=("json",))


OLD = {"codec": "orjson (A/A)", "codec_version": "3", "operation": "encode/threads=2"}


def test_rows_of_the_first_format_are_read_by_the_facts_in_their_names(tmp_path: Path) -> None:
    """From the table and from the journal, where a run that goes on adds rows of this format."""
    path = write(tmp_path / "run", [ROW, ROW._replace(process=1, role="aa")])
    rows = [["r", *OLD.values(), "w", "ChatRequest", "rate", "messages/s", 0, 1.5]]
    names = ["run", "codec", "codec_version", "operation", "workload", "message", "metric", "unit", "process", "value"]
    old = pd.DataFrame(rows, columns=names)
    old.to_parquet(path / "results.parquet")
    found = load_results(path).iloc[0]
    assert (found["codec"], found["role"], found["version"]) == ("orjson", "aa", "3")
    assert (found["operation"], found["experiment"], found["conditions"]) == ("encode", "", Conditions(threads=2))
    assert (found["form"], found["lifetime"], found["case"], found["place"]) == (
        "typed", "dropped", "orjson (A/A)", "encode/threads=2",
    )  # fmt: skip
    order = ["run", "codec", "codec_version", "workload", "message", "operation", "metric", "unit", "process", "value"]
    line = {"key": "a", "rows": old[order].to_numpy().tolist(), "findings": [], "pyperf": []}
    (path / "results.parquet").unlink()
    (path / JOURNAL).write_text(json.dumps(line) + "\n")
    Journal(path).append(cell("b", ROW))
    both = load_results(path)
    assert both["case"].tolist() == ["json", "orjson (A/A)"] and both["role"].tolist() == ["measured", "aa"]
    write_table(path, both)
    pd.testing.assert_frame_equal(load_results(path), both)


def test_texts_of_conditions_are_made_visible(tmp_path: Path) -> None:
    """JSON carries what a terminal would obey as an escape; from the table and from the journal."""
    path = write(tmp_path / "run", [ROW])
    odd = load_results(path).drop(columns=[*NAMES]).assign(conditions='{"way": "\\u001b[2J\\u202e\\ud800"}')
    odd.to_parquet(path / "results.parquet")
    found = load_results(path)
    (path / "results.parquet").unlink()
    Journal(path).append(cell("a", ROW._replace(conditions=Conditions(way="\x1b[2J\u202e\ud800"))))
    for table in (found, load_results(path)):
        assert table["place"].iloc[0] == "encode/\\x1b[2J\\u202e\\ud800" == f"encode/{table['conditions'].iloc[0].way}"
