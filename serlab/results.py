"""The tidy table: one row is one figure; and the folder that a run leaves.

DIR/journal.jsonl      one line per finished cell, appended while the run goes; what `--resume` reads
DIR/environment.json   the machine, the versions, the options, and the format of the folder
DIR/results.parquet    all rows, written at the end
DIR/pyperf/CODEC.json  raw times, for pyperf's own tools
DIR/tables/            the tables
DIR/report.html        the page: the answer, a calculator, figures and tables
"""

import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from serlab.errors import ResultsError
from serlab.folders import MOST_BYTES, REMEDY, appending, inside, read_inside, write_inside
from serlab.records import UNMEASURED, Batches, Environment, Texts, misfit, read_json
from serlab.visible import visible

# The rows of a run, one for each figure, and results.parquet, which holds them.
#
# A table may come from another version, or from somebody else: what is no table of rows is refused with its place, and
# what else the file holds is not looked at.

PARQUET = "results.parquet"
FORMAT = 1
"""Version of the folder's format, as `format` in the environment; a folder without one is of the first. It goes up
when an older serlab could no longer read what a newer one writes."""
MOST_ROWS = 5_000_000
"""Rows of a table that is read; all workloads, codecs and parts together give some ten thousand for each process."""
LONGEST_TEXT = 4096
"""Bytes of a name in a row: repeated, a few bytes of a file would fill the memory with a longer one."""
MOST_PROCESSES = 100_000


class Row(NamedTuple):
    """One figure.

    Attributes:
        run: the run's id.
        codec: the codec's name; the baseline's second arm, the floors and the arms of another environment bear names
            of their own.
        codec_version: its library's version.
        workload: a built-in workload or a corpus file.
        message: the kind of message.
        operation: encode, decode, open, read-one, a step of the access curve, relay, stream, a stage, one of
            `COMPRESSION`, size or parity; under load with how, as in `encode/threads=2`; `wire/EXPERIMENT/…` for what
            was measured on a whole call, where `codec` is the arm and `serlab.measure.wire.METRICS` has the metrics.
        metric: time, time-paired and time-again (where two environments are paired), raw, gzip, zstd, allocations,
            bytes, peak, growth, retained, rate, byte-rate, lag-p50, lag-p99, lag-max, lag-rate, equal, refused,
            changed, no_schema, failed, unmeasured; and common, the bodies that the codec's figures are over, where
            some codec with figures refused one.
        unit: of the value.
        process: the worker's number, from 0.
        value: the figure.
    """

    run: str
    codec: str
    codec_version: str
    workload: str
    message: str
    operation: str
    metric: str
    unit: str
    process: int
    value: float


TEXTS = [name for name, kind in Row.__annotations__.items() if kind is str]


def _read_table(folder: Path) -> pd.DataFrame:
    """Read results.parquet: its rows and nothing else that it may hold.

    Raises:
        ResultsError: it is damaged, larger than a run's, or no table of rows.
    """
    path = folder / PARQUET
    try:
        data = BytesIO(read_inside(folder, PARQUET))
        _refuse_columns(folder, parquet.read_schema(data))
        # A text stands once in a dictionary, however many rows have it, and is looked at there.
        file = parquet.ParquetFile(data, read_dictionary=TEXTS)
        _refuse_size(path, file.metadata)
        table = file.read(columns=[*Row._fields], use_pandas_metadata=False)
        table.validate(full=True)
        columns = {name: _values_of(path, name, table.column(name)) for name in Row._fields}
    except ResultsError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ResultsError(f"{path}: damaged: {error}") from error
    return pd.DataFrame(columns)


def _refuse_size(path: Path, footer: Any) -> None:
    """Refuse a table that would be larger in memory than a run's; its parts say how large, and not the whole alone.

    Raises:
        ResultsError: it has too many rows, or too many bytes once they are unpacked.
    """
    rows, size = 0, 0
    for group in map(footer.row_group, range(footer.num_row_groups)):
        columns = [one for one in map(group.column, range(group.num_columns)) if one.path_in_schema in Row._fields]
        rows += max([group.num_rows, *(one.num_values for one in columns)])
        size += sum(one.total_uncompressed_size for one in columns)
    if max(rows, footer.num_rows) > MOST_ROWS:
        raise ResultsError(f"{path}: expected at most {MOST_ROWS:,} rows, got {max(rows, footer.num_rows):,}")
    if size > MOST_BYTES:
        raise ResultsError(f"{path}: expected at most {MOST_BYTES:,} bytes of columns, got {size:,}")


def _refuse_columns(folder: Path, schema: Any) -> None:
    """Refuse a table that is not one of rows.

    Raises:
        ResultsError: a column is missing, or holds what it cannot.
    """
    if missing := [name for name in Row._fields if schema.get_field_index(name) < 0]:
        raise other_format(
            folder, f"{PARQUET} with the columns of format {FORMAT}", f"one without {', '.join(missing)}"
        )
    for name in Row._fields:
        kind = schema.field(name).type
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        if name in TEXTS:
            fits, what = pa.types.is_string(value) or pa.types.is_large_string(value), "texts"
        else:
            is_float = pa.types.is_floating(kind) and name == "value"
            fits, what = pa.types.is_integer(kind) or is_float, "whole numbers" if name == "process" else "numbers"
        if not fits:
            raise other_format(folder, f"{PARQUET} with {what} in the column {name}", str(kind))


def _values_of(path: Path, name: str, column: Any) -> Any:
    """Return the values of a column; texts with names that can be shown anywhere, since a codec may bear any other.

    Raises:
        ResultsError: a value is missing, or is none that a run writes.
    """
    if name in TEXTS:
        chunks = column.unify_dictionaries().chunks
        words = chunks[0].dictionary.to_pylist() if chunks else []
        if column.null_count or any(word is None or len(word) > LONGEST_TEXT for word in words):
            raise ResultsError(f"{path}: expected a text of up to {LONGEST_TEXT:,} characters in each {name}")
        shown = pd.Series([*map(visible, words)], dtype="str")
        places = [place for chunk in chunks for place in chunk.indices.to_pylist()]
        return shown.take(places).reset_index(drop=True)
    found = column.to_pandas()
    if name == "process":
        if column.null_count or not found.between(0, MOST_PROCESSES, inclusive="left").all():
            raise ResultsError(f"{path}: expected the number of a process in each row")
        return found.astype("int64")
    values = found.astype("float64")
    if not np.isfinite(values).all():
        raise ResultsError(f"{path}: expected a finite figure in each row, got one that is none")
    return values


def _unusable(row: Row) -> str:
    """Say what of a row no run writes; "" where it can be worked with."""
    if not 0 <= row.process < MOST_PROCESSES:
        return f"expected the number of a process, got {row.process!r:.60}"
    if not _is_finite(row.value):
        return "expected a finite value"
    return next((f"expected a short {name}" for name in TEXTS if len(getattr(row, name)) > LONGEST_TEXT), "")


def _is_finite(value: float) -> bool:
    """Tell a figure; JSON may hold a whole number that is larger than any float."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def other_format(folder: Path, expected: str, got: str) -> ResultsError:
    """Say that a results folder is not of the format that this serlab reads."""
    return ResultsError(
        f"{folder}: a results folder of another version: expected {expected}, got {got}; read it with the serlab that "
        "wrote it, or measure again with `serlab compare -o DIR`"
    )


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
    """A line of the journal."""

    key: str
    rows: list[Row]
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
        line = json.dumps(cell._asdict()).encode() + b"\n"
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
    rows = [Row(*row) for row in value["rows"]]
    if wrong := next((wrong for row in rows if (wrong := _unusable(row))), ""):
        raise ValueError(wrong)
    return Finished(value["key"], rows, value["findings"], value["pyperf"], value.get("left_out", {}))


def _drop_torn_line(directory: Path) -> None:
    """Cut off what a kill left of an unfinished line, so that the next one starts afresh."""
    if (directory / JOURNAL).exists():
        with appending(directory, JOURNAL) as file:
            data = file.read()
            if not data.endswith(b"\n"):
                file.truncate(data.rfind(b"\n") + 1)


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Make the tidy table of rows, in an order that does not depend on when each was measured."""
    # A column of texts takes no lone surrogate, so names are made visible before there is one.
    safe = [[visible(one) if isinstance(one, str) else one for one in row] for row in rows]
    table = pd.DataFrame(safe, columns=list(Row._fields))
    return table.sort_values(list(Row._fields[:-1]), kind="stable", ignore_index=True)


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
    write_inside(directory, PARQUET, table.to_parquet(index=False))
    return table


def load_results(directory: str | Path) -> pd.DataFrame:
    """Read the tidy table of a run; of one that was stopped, what it has measured.

    Args:
        directory: a results folder.

    Returns:
        One row per figure, with the columns of `Row`.

    Raises:
        ResultsError: the folder holds no results, or those of another format.
    """
    folder = Path(directory)
    if (folder / ENVIRONMENT).exists():
        load_environment(folder)
    if inside(folder, PARQUET).exists():
        return _read_table(folder)
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
    version = record.get("format", FORMAT)
    if type(version) is not int or version != FORMAT:
        writer = f" of serlab {record['serlab']}" if record.get("serlab") else ""
        raise other_format(folder, f"format {FORMAT}", f"format {version!r:.40}{writer:.40}")
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
