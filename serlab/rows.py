"""The rows of a run, one for each figure, and results.parquet, which holds them.

A table may come from another version, or from somebody else: what is no table of rows is refused with its place, and
what else the file holds is not looked at.
"""

import math
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from serlab.errors import ResultsError
from serlab.folders import read_inside
from serlab.visible import visible

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


def read_table(folder: Path) -> pd.DataFrame:
    """Read results.parquet: its rows and nothing else that it may hold.

    Raises:
        ResultsError: it is damaged, larger than a run's, or no table of rows.
    """
    path = folder / PARQUET
    try:
        data = BytesIO(read_inside(folder, PARQUET))
        refuse_columns(folder, parquet.read_schema(data))
        # A text stands once in a dictionary, however many rows have it, and is looked at there.
        file = parquet.ParquetFile(data, read_dictionary=TEXTS)
        if file.metadata.num_rows > MOST_ROWS:
            raise ResultsError(f"{path}: expected at most {MOST_ROWS:,} rows, got {file.metadata.num_rows:,}")
        table = file.read(columns=[*Row._fields], use_pandas_metadata=False)
        table.validate(full=True)
        columns = {name: values_of(path, name, table.column(name)) for name in Row._fields}
    except ResultsError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ResultsError(f"{path}: damaged: {error}") from error
    return pd.DataFrame(columns)


def refuse_columns(folder: Path, schema: Any) -> None:
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


def values_of(path: Path, name: str, column: Any) -> Any:
    """Give the values of a column; texts with names that can be shown anywhere, since a codec may bear any other.

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


def unusable(row: Row) -> str:
    """Say what of a row no run writes; "" where it can be worked with."""
    if not 0 <= row.process < MOST_PROCESSES:
        return f"expected the number of a process, got {row.process!r:.60}"
    if not is_finite(row.value):
        return "expected a finite value"
    return next((f"expected a short {name}" for name in TEXTS if len(getattr(row, name)) > LONGEST_TEXT), "")


def is_finite(value: float) -> bool:
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
