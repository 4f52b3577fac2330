"""The tidy table: one row is one figure; and the folder that a run leaves.

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
from typing import Any, NamedTuple

import pandas as pd

from serlab.errors import ResultsError
from serlab.visible import visible

JOURNAL = "journal.jsonl"
ENVIRONMENT = "environment.json"
PARQUET = "results.parquet"
FORMAT = 1
"""Version of the folder's format, as `format` in the environment; a folder without one is of the first. It goes up
when an older serlab could no longer read what a newer one writes."""
KEYS = ("run", "versions")
"""What every environment record has."""
MACHINE = ("cpu", "cores", "os", "python", "processes")
"""What it tells besides of where and how a run was made, for the captions of tables and for comparing runs."""
COMPRESSION = ("gzip", "gunzip", "zstd", "unzstd")
"""Operations on a codec's bytes, which are no work of the codec's own."""
REMEDY = "make room or choose another folder"


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
            changed, no_schema, failed; and common, the bodies that the codec's figures are over, where some codec
            with figures refused one.
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


class Journal:
    """The growing file of finished cells; a cell is there whole or not at all.

    Args:
        directory: the results folder, which must exist.

    Raises:
        ResultsError: the folder's journal is damaged before its last line.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / JOURNAL
        self.cells = {cell.key: cell for cell in read_journal(self.path)}
        drop_torn_line(self.path)

    def append(self, cell: Finished) -> None:
        """Write a finished cell and wait until it is on the disk.

        Raises:
            ResultsError: the disk is full or the folder cannot be written; nothing that stood there is lost.
        """
        line = json.dumps(cell._asdict()).encode() + b"\n"
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ResultsError(
                f"{self.path}: cannot be written: {error.strerror}; {REMEDY}; a run goes on with --resume"
            ) from error
        self.cells[cell.key] = cell

    def left_out(self, workload: str) -> set[int]:
        """Number the bodies of a workload that are not measured."""
        return {number for cell in self.cells.values() for number in cell.left_out.get(workload, ())}


def read_journal(path: Path) -> Iterator[Finished]:
    """Read the finished cells; a last line that a kill cut short is passed over.

    Raises:
        ResultsError: another line is damaged.
    """
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            value = json.loads(line)
            rows = [Row(*row) for row in value["rows"]]
            yield Finished(value["key"], rows, value["findings"], value["pyperf"], value.get("left_out", {}))
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(f"{path}:{number}: damaged, {error}; start a new run in another folder") from error


def drop_torn_line(path: Path) -> None:
    """Cut off what a kill left of an unfinished line, so that the next one starts afresh."""
    if path.exists():
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or, after a failure, as it was.

    A link stays one, and what is no regular file (a pipe, a device) is written to, not replaced.

    Raises:
        ResultsError: the disk is full or the folder cannot be written.
    """
    target = Path(os.path.realpath(path))
    # Not `with_name`: the current folder has none, and would be no OSError.
    temporary = target.parent / f".{target.name}.part"
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ResultsError(f"{path}: cannot be written: {error.strerror}; {REMEDY}") from error


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
    buffer = table.to_parquet(index=False)
    write_atomically(directory / PARQUET, buffer)
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
    try:
        table = pd.read_parquet(folder / PARQUET) if (folder / PARQUET).exists() else None
    except (OSError, ValueError) as error:
        raise ResultsError(f"{folder / PARQUET}: damaged: {error}") from error
    if table is not None:
        return checked(folder, table)
    if not (folder / JOURNAL).exists():
        raise no_results(folder, PARQUET)
    return frame(row for cell in read_journal(folder / JOURNAL) for row in cell.rows)


def checked(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Refuse a table that is not one of rows.

    Raises:
        ResultsError: a column is missing, or holds what it cannot.
    """
    if missing := [name for name in Row._fields if name not in table.columns]:
        raise other_format(
            folder, f"{PARQUET} with the columns of format {FORMAT}", f"one without {', '.join(missing)}"
        )
    for name, column in table[[*Row._fields]].items():
        fits = pd.api.types.is_string_dtype if name in TEXTS else pd.api.types.is_numeric_dtype
        if not fits(column):
            what = "texts" if name in TEXTS else "numbers"
            raise other_format(folder, f"{PARQUET} with {what} in the column {name}", str(column.dtype))
    return shown(table)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Give the rows with names that can be shown anywhere: a codec or a workload may bear any other."""
    for name in TEXTS:
        found = {one: visible(one) for one in table[name].unique() if isinstance(one, str)}
        if any(before != after for before, after in found.items()):
            table[name] = table[name].map(found)
    return table


def load_findings(directory: str | Path) -> list[dict[str, Any]]:
    """Read what a run found amiss: bodies refused or changed, corpus lines that cannot be read, workers that died."""
    cells = read_journal(Path(directory) / JOURNAL)
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
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise no_results(Path(directory), ENVIRONMENT) from error
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path}: damaged: {error}") from error
    return checked_record(Path(directory), record, (*KEYS, *needed))


def checked_record(folder: Path, record: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Refuse the record of a folder that this serlab cannot read; keys that it does not know do no harm.

    Raises:
        ResultsError: it is of another format, or lacks a key.
    """
    if not isinstance(record, dict):
        raise other_format(folder, f"{ENVIRONMENT} with an object", type(record).__name__)
    version = record.get("format", FORMAT)
    if type(version) is not int or version != FORMAT:
        writer = f" of serlab {record['serlab']}" if record.get("serlab") else ""
        raise other_format(folder, f"format {FORMAT}", f"format {version!r}{writer}")
    if missing := [key for key in keys if key not in record]:
        raise other_format(
            folder, f"{ENVIRONMENT} with the keys of format {FORMAT}", f"one without {', '.join(missing)}"
        )
    if not isinstance(record["versions"], dict):
        raise other_format(folder, f"{ENVIRONMENT} with an object of versions", type(record["versions"]).__name__)
    return record


def other_format(folder: Path, expected: str, got: str) -> ResultsError:
    """Say that a results folder is not of the format that this serlab reads."""
    return ResultsError(
        f"{folder}: a results folder of another version: expected {expected}, got {got}; read it with the serlab that "
        "wrote it, or measure again with `serlab compare -o DIR`"
    )


def no_results(folder: Path, name: str) -> ResultsError:
    """Say that a folder lacks what every results folder has, or is not there at all."""
    remedy = f"make one with `serlab compare -o {folder}`"
    if not folder.exists():
        return ResultsError(f"{folder}: no such folder; expected a results folder: {remedy}")
    return ResultsError(f"{folder}: expected a results folder, which has {name}; {remedy}")


def is_finished(directory: str | Path) -> bool:
    """Tell whether a run came to its end."""
    return (Path(directory) / PARQUET).exists()


def unfinished(parent: Path) -> Path | None:
    """Find the newest results folder whose run was stopped.

    Args:
        parent: the folder that holds results folders.

    Returns:
        The folder; None if there is none.
    """
    begun = [path.parent for path in parent.glob(f"*/{ENVIRONMENT}") if not is_finished(path.parent)]
    return max(begun, key=lambda path: (path / ENVIRONMENT).stat().st_mtime, default=None)
