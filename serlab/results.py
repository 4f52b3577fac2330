"""The folder that a run leaves: the journal of finished cells, the environment record, and all rows.

DIR/journal.jsonl      one line per finished cell, appended while the run goes; what `--resume` reads
DIR/environment.json   the machine, the versions, the options, and the format of the folder
DIR/results.parquet    all rows, written at the end
DIR/pyperf/CODEC.json  raw times, for pyperf's own tools
DIR/tables/            the tables
DIR/report.html        the page: the answer, a calculator, figures and tables
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

import pandas as pd

from serlab.cases import facts_of
from serlab.errors import ResultsError
from serlab.folders import MOST_BYTES, REMEDY, appending, inside, read_inside
from serlab.records import UNMEASURED, Batches, Environment, Texts, misfit, read_json
from serlab.rows import FORMAT, FORMATS, PARQUET, Row, frame, other_format, read_row, read_table, unusable, write_table

JOURNAL = "journal.jsonl"
ENVIRONMENT = "environment.json"
KEYS = ("run", "versions")
"""What every environment record has."""
MACHINE = ("cpu", "cores", "os", "python", "processes")
"""What it tells besides of where and how a run was made, for the captions of tables and for comparing runs."""
RECORD_BYTES = 1 << 24
"""Bytes of the environment record."""


class Finished(NamedTuple):
    """A finished cell.

    Attributes:
        key: its name in the journal.
        rows: its figures.
        findings: what it found amiss.
        pyperf: its batches.
        left_out: workload → the bodies that are not measured, since a codec that is measured refuses them; numbered
            from 1 among the bodies of that kind in the order of the file.
    """

    key: str
    rows: list[Row]
    findings: list[dict[str, Any]]
    pyperf: list[dict[str, Any]]
    left_out: dict[str, list[int]] = {}  # noqa: RUF012 - nobody fills it


class _Line(TypedDict):
    """A line of the journal; a run of the first format may be gone on with in this one."""

    key: str
    rows: list[list[Any]]
    findings: list[Texts]
    pyperf: list[Batches]
    left_out: NotRequired[dict[str, list[int]]]


class Journal:
    """The growing file of finished cells; a cell is there whole or not at all.

    Args:
        directory: the results folder, which must exist.

    Raises:
        ResultsError: the folder's journal is damaged before its last line.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cells = {cell.key: cell for cell in _read_journal(directory)}
        _drop_torn_line(directory)

    def append(self, cell: Finished) -> None:
        """Write a finished cell and wait until it is on the disk.

        Raises:
            ResultsError: the disk is full or the folder cannot be written; nothing that stood there is lost.
        """
        rows = [{**row._asdict(), "conditions": facts_of(row.conditions)} for row in cell.rows]
        line = json.dumps({**cell._asdict(), "rows": [[*row.values()] for row in rows]}).encode() + b"\n"
        try:
            with appending(self.directory, JOURNAL) as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ResultsError(
                f"{self.directory / JOURNAL}: cannot be written: {error.strerror}; {REMEDY}; a run goes on with "
                "--resume"
            ) from error
        self.cells[cell.key] = cell

    def left_out(self, workload: str) -> set[int]:
        """Number the bodies of a workload that are not measured."""
        return {number for cell in self.cells.values() for number in cell.left_out.get(workload, ())}


def _read_journal(directory: Path) -> Iterator[Finished]:
    """Read the finished cells, of one that was measured again the last; a line that a kill cut short is passed over.

    Raises:
        ResultsError: another line is damaged, or the file is too large or cannot be read.
    """
    path, found = inside(directory, JOURNAL), dict[str, Finished]()
    if not path.exists():
        return
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            cell = _finished(read_json(line))
        except ValueError as error:
            raise ResultsError(f"{path}:{number}: damaged, {error}; start a new run in another folder") from error
        found[cell.key] = cell
    yield from found.values()


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Read the lines of a file one by one, each that has an end.

    Raises:
        ResultsError: it is too large, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise ResultsError(f"{path}: expected at most {MOST_BYTES:,} bytes, got more; is it of serlab?")
            yield from (line for line in file if line.endswith(b"\n"))
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}; start a new run in another folder") from error


def _finished(value: Any) -> Finished:
    """Make a finished cell of a line's JSON values.

    Raises:
        ValueError: it is none; the text names the place.
    """
    if wrong := misfit(value, _Line):
        raise ValueError(wrong)
    rows = [read_row(row) for row in value["rows"]]
    if wrong := next((wrong for row in rows if (wrong := unusable(row))), ""):
        raise ValueError(wrong)
    return Finished(value["key"], rows, value["findings"], value["pyperf"], value.get("left_out", {}))


def _drop_torn_line(directory: Path) -> None:
    """Cut off what a kill left of an unfinished line, so that the next one starts afresh."""
    if (directory / JOURNAL).exists():
        with appending(directory, JOURNAL) as file:
            data = file.read()
            if not data.endswith(b"\n"):
                file.truncate(data.rfind(b"\n") + 1)


def write_results(directory: Path, cells: Iterable[Finished]) -> pd.DataFrame:
    """Write results.parquet from the finished cells.

    Args:
        directory: the results folder.
        cells: what the journal holds.

    Returns:
        The tidy table.

    Raises:
        ResultsError: the disk is full or the folder cannot be written.
    """
    table = frame(row for cell in cells for row in cell.rows)
    write_table(directory, table)
    return table


def load_results(directory: str | Path) -> pd.DataFrame:
    """Read the tidy table of a run; of one that was stopped, what it has measured.

    Args:
        directory: a results folder.

    Returns:
        One row per figure, with the columns of `Row`, and the names that tables show: `case` (codec and role, as in
        "orjson (A/A)") and `place` (operation, experiment and conditions).

    Raises:
        ResultsError: the folder holds no results, or those of another format.
    """
    folder = Path(directory)
    if (folder / ENVIRONMENT).exists():
        load_environment(folder)
    if inside(folder, PARQUET).exists():
        return read_table(folder)
    if not (folder / JOURNAL).exists():
        raise _no_results(folder, PARQUET)
    return frame(row for cell in _read_journal(folder) for row in cell.rows)


def load_findings(directory: str | Path) -> list[dict[str, Any]]:
    """Read what a run found amiss: bodies refused or changed, corpus lines that cannot be read, workers that died."""
    cells = _read_journal(Path(directory))
    return [finding for cell in cells for finding in cell.findings]


def load_environment(directory: str | Path, needed: Iterable[str] = ()) -> dict[str, Any]:
    """Read a run's environment record.

    Args:
        directory: a results folder.
        needed: keys that the caller reads besides those that every record has.

    Raises:
        ResultsError: there is none, it is damaged, or the folder is of another format or lacks a key.
    """
    path = Path(directory) / ENVIRONMENT
    try:
        record = read_json(read_inside(directory, ENVIRONMENT, RECORD_BYTES))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_results(Path(directory), ENVIRONMENT) from error
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    except ResultsError:
        raise
    except ValueError as error:
        raise ResultsError(f"{path}: damaged: {error}") from error
    return _checked_record(Path(directory), record, (*KEYS, *needed))


def _checked_record(folder: Path, record: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Refuse the record of a folder that this serlab cannot read; keys that it does not know do no harm.

    Raises:
        ResultsError: it is of another format, or lacks a key.
    """
    if not isinstance(record, dict):
        raise other_format(folder, f"{ENVIRONMENT} with an object", type(record).__name__)
    version = record.get("format", FORMATS[0])
    if type(version) is not int or version not in FORMATS:
        writer = f" of serlab {record['serlab']}" if record.get("serlab") else ""
        raise other_format(folder, f"format {' or '.join(map(str, FORMATS))}", f"format {version!r:.40}{writer:.40}")
    if missing := [key for key in keys if key not in record]:
        raise other_format(
            folder, f"{ENVIRONMENT} with the keys of format {FORMAT}", f"one without {', '.join(missing)}"
        )
    if not isinstance(record["versions"], dict):
        raise other_format(folder, f"{ENVIRONMENT} with an object of versions", type(record["versions"]).__name__)
    if wrong := misfit(record, Environment):
        raise ResultsError(f"{folder / ENVIRONMENT}: {wrong}; expected what `serlab compare` writes there")
    return record


def _no_results(folder: Path, name: str) -> ResultsError:
    """Say that a folder lacks what every results folder has, or is not there at all."""
    remedy = f"make one with `serlab compare -o {folder}`"
    if not folder.exists():
        return ResultsError(f"{folder}: no such folder; expected a results folder: {remedy}")
    return ResultsError(f"{folder}: expected a results folder, which has {name}; {remedy}")


def is_finished(directory: str | Path) -> bool:
    """Return whether a run came to its end."""
    return (Path(directory) / PARQUET).exists()


def unfinished(parent: Path) -> Path | None:
    """Find the newest results folder whose run was stopped; where there is none, one in which something is unmeasured.

    Args:
        parent: the folder that holds results folders.

    Returns:
        The folder; None if there is none.
    """
    folders = [path.parent for path in parent.glob(f"*/{ENVIRONMENT}")]
    begun = [path for path in folders if not is_finished(path)] or [path for path in folders if _lacks_figures(path)]
    return max(begun, key=lambda path: (path / ENVIRONMENT).stat().st_mtime, default=None)


def _lacks_figures(directory: Path) -> bool:
    """Return whether trouble kept something from being measured in a run; False where its journal cannot be read."""
    with suppress(ResultsError, OSError):
        return any(one.get("outcome") == UNMEASURED for one in load_findings(directory))
    return False
