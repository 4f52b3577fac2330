"""The tidy table: one row is one figure; results.parquet, which holds them.

A table may come from another version, or from somebody else: what is no table of rows is refused with its place, and
what else the file holds is not looked at.
"""

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from serlab.cases import ROLES, Case, Conditions, Place, case_of, conditions_from, facts_of, place_of
from serlab.errors import ResultsError
from serlab.folders import read_inside, write_inside
from serlab.records import misfit, read_json
from serlab.visible import visible

PARQUET = "results.parquet"
FORMAT = 2
"""Version of the folder's format, as `format` in the environment; a folder without one is of the first. It goes up
when an older serlab could no longer read what a newer one writes."""
FORMATS = (1, FORMAT)
"""Those that are read. In the first, a row had the names of its case and its place in place of their facts."""
MOST_ROWS = 5_000_000
"""Rows of a table that is read; all workloads, codecs and parts together give some ten thousand for each process."""
LONGEST_TEXT = 4096
"""Bytes of a name in a row: repeated, a few bytes of a file would fill the memory with a longer one."""
MOST_UNPACKED = 1 << 28
"""Bytes of all columns of a table that is read."""
MOST_PROCESSES = 1_000
"""Of a run: an interval over n of them takes 2,000 n numbers, for each n that occurs."""
MOST_CONDITIONS = 10_000
"""Whose shown texts are kept; a run has some hundred."""
TYPED, DROPPED = "typed", "dropped"


class Row(NamedTuple):
    """One figure.

    Attributes:
        run: the run's id.
        codec: the codec's name; of what is no codec its own, such as "copy" or "kept".
        version: of the codec's library; "" for what is no codec.
        role: what the figure is to the others of its group, one of `serlab.cases.ROLES`.
        form: what the program holds: messages of serlab's types, "typed".
        lifetime: what becomes of a decoded message: it is "dropped".
        workload: a built-in workload or a corpus file.
        message: the kind of message.
        operation: encode, decode, open, read-one, a step of the access curve, relay, stream, a stage, one of
            `COMPRESSION`, size or parity; "wire" for what was measured on a whole call.
        experiment: of a whole call; `serlab.measure.wire.METRICS` has its metrics. "" for the others.
        conditions: under which it was measured; in results.parquet a JSON object.
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
    version: str
    role: str
    form: str
    lifetime: str
    workload: str
    message: str
    operation: str
    experiment: str
    conditions: Conditions
    metric: str
    unit: str
    process: int
    value: float


class _OldRow(NamedTuple):
    """A row of the first format: `codec` is the name of a case, `operation` that of a place."""

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


NAMES = ("case", "place")
"""Columns that are made of the others: the names under which tables show whose figure it is, and what was measured."""
ORDER = ("run", "case", "version", "workload", "message", "place", "metric", "unit", "process")


def make_row(
    run: str,
    case: Case,
    version: str,
    workload: str,
    message: str,
    place: Place,
    metric: str,
    unit: str,
    process: int,
    value: float,
) -> Row:
    """Make a row of a typed message that is dropped."""
    whose = (run, case.codec, version, case.role, TYPED, DROPPED)
    return Row(*whose, workload, message, *place, metric, unit, process, value)


def _renewed(row: _OldRow) -> Row:
    """Read the names of an older row."""
    whose = (row.run, case_of(row.codec), row.codec_version, row.workload, row.message)
    return make_row(*whose, place_of(row.operation), row.metric, row.unit, row.process, row.value)


TEXTS = [name for name, kind in Row.__annotations__.items() if kind is str]
TYPES = {**dict.fromkeys(TEXTS, "str"), "process": "int64", "value": "float64"}
WORDS = {*TEXTS, *_OldRow.__annotations__, "conditions"} - {"process", "value"}
"""Columns of a file that hold texts."""


def read_table(folder: Path) -> pd.DataFrame:
    """Read results.parquet: its rows and nothing else that it may hold.

    Raises:
        ResultsError: it is damaged, larger than a run's, or no table of rows.
    """
    path = folder / PARQUET
    try:
        data = BytesIO(read_inside(folder, PARQUET))
        names = _columns_of(folder, parquet.read_schema(data))
        # A text stands once in a dictionary, however many rows have it, and is looked at there.
        file = parquet.ParquetFile(data, read_dictionary=[name for name in names if name in WORDS])
        _refuse_size(path, file.metadata)
        table = file.read(columns=[*names], use_pandas_metadata=False)
        table.validate(full=True)
        columns = {name: _values_of(path, name, table.column(name)) for name in names}
        found = pd.DataFrame(columns)
        return _named(_typed(path, found) if names == Row._fields else _parted(found))
    except ResultsError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ResultsError(f"{path}: damaged: {error}") from error


def _typed(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Read the conditions of a table, and look at its roles.

    Raises:
        ResultsError: one is none.
    """
    if wrong := next((role for role in table["role"].unique() if role not in ROLES), None):
        raise ResultsError(f"{path}: expected a role of {', '.join(ROLES)} in each row, got {wrong:.60}")
    found = {}
    for text in table["conditions"].unique():
        try:
            found[text] = _shown(conditions_from(read_json(text)))
        except ValueError as error:
            raise ResultsError(f"{path}: expected conditions in each row, got {text:.60}: {error!s:.200}") from error
    return table.assign(conditions=_told(table["conditions"], found))


@lru_cache(MOST_CONDITIONS)
def _shown(conditions: Conditions) -> Conditions:
    """Return conditions whose texts can be shown anywhere."""
    facts = facts_of(conditions)
    return conditions_from({name: visible(fact) if isinstance(fact, str) else fact for name, fact in facts.items()})


def _parted(table: pd.DataFrame) -> pd.DataFrame:
    """Part the names of an older table into their facts."""
    cases = {name: case_of(name) for name in table["codec"].unique()}
    places = {name: place_of(name) for name in table["operation"].unique()}
    parts: dict[str, Any] = {"version": table["codec_version"], "form": TYPED, "lifetime": DROPPED}
    for fact in ("codec", "role"):
        parts[fact] = _told(table["codec"], {name: getattr(case, fact) for name, case in cases.items()})
    for fact in Place._fields:
        parts[fact] = _told(table["operation"], {name: getattr(place, fact) for name, place in places.items()})
    return table.assign(**parts)[[*Row._fields]]


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Add the names of each row's case and place."""
    cases = table[["codec", "role"]].drop_duplicates().itertuples(index=False, name=None)
    places = table[[*Place._fields]].drop_duplicates().itertuples(index=False, name=None)
    case, place = {pair: str(Case(*pair)) for pair in cases}, {parts: Place(*parts).name for parts in places}
    names = {
        "case": [case[pair] for pair in zip(table["codec"], table["role"], strict=True)],
        "place": [place[parts] for parts in zip(*(table[name] for name in Place._fields), strict=True)],
    }
    return table.assign(**{name: pd.Series(texts, table.index, dtype="str") for name, texts in names.items()})


def _told(names: "pd.Series[Any]", found: Mapping[str, Any]) -> "pd.Series[Any]":
    """Return what is known by name, a text or another object for each row."""
    told = [found[name] for name in names]
    is_text = all(isinstance(one, str) for one in found.values())
    return pd.Series(told, names.index, dtype="str" if is_text else "object")


def _refuse_size(path: Path, footer: Any) -> None:
    """Refuse a table that would be larger in memory than a run's; its parts say how large, and not the whole alone.

    What each column of a part says is not asked: pyarrow 26 ends the process where its statistics do not fit its pages.

    Raises:
        ResultsError: it has too many rows, or too many bytes once they are unpacked.
    """
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    rows, size = max(footer.num_rows, sum(one.num_rows for one in groups)), sum(one.total_byte_size for one in groups)
    if rows > MOST_ROWS:
        raise ResultsError(f"{path}: expected at most {MOST_ROWS:,} rows, got {rows:,}")
    if size > MOST_UNPACKED:
        raise ResultsError(f"{path}: expected at most {MOST_UNPACKED:,} bytes of columns, got {size:,}")


def _columns_of(folder: Path, schema: Any) -> tuple[str, ...]:
    """Return the columns of the format that a table has.

    Raises:
        ResultsError: one of the newest format is missing, or holds what it cannot.
    """
    is_old = "codec_version" in schema.names and "role" not in schema.names
    names, version = (_OldRow._fields, FORMATS[0]) if is_old else (Row._fields, FORMAT)
    if missing := [name for name in names if schema.get_field_index(name) < 0]:
        raise other_format(
            folder, f"{PARQUET} with the columns of format {version}", f"one without {', '.join(missing)}"
        )
    for name in names:
        kind = schema.field(name).type
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        if name in WORDS:
            fits, what = pa.types.is_string(value) or pa.types.is_large_string(value), "texts"
        else:
            is_float = pa.types.is_floating(kind) and name == "value"
            fits, what = pa.types.is_integer(kind) or is_float, "whole numbers" if name == "process" else "numbers"
        if not fits:
            raise other_format(folder, f"{PARQUET} with {what} in the column {name}", str(kind))
    return names


def _values_of(path: Path, name: str, column: Any) -> Any:
    """Return the values of a column; texts with names that can be shown anywhere, since a codec may bear any other.

    Raises:
        ResultsError: a value is missing, or is none that a run writes.
    """
    if name in WORDS:
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
    if not _is_finite(row.value):
        return "expected a finite value"
    if row.role not in ROLES:
        return f"expected a role of {', '.join(ROLES)}, got {row.role:.60}"
    texts = {name: getattr(row, name) for name in TEXTS} | {"condition": "".join(row.conditions.texts)}
    return next((f"expected a short {name}" for name, text in texts.items() if len(text) > LONGEST_TEXT), "")


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


def read_row(values: list[Any]) -> Row:
    """Read a row of a journal.

    Raises:
        ValueError: it is none; the text names the place.
    """
    kind: Any = _OldRow if len(values) == len(_OldRow._fields) else Row
    if wrong := misfit(values, kind):
        raise ValueError(f"rows: {wrong}")
    if kind is _OldRow:
        return _renewed(_OldRow(*values))
    row = Row(*values)
    return row._replace(conditions=conditions_from(cast(Any, row.conditions)))


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Make the tidy table of rows, in an order that does not depend on when each was measured."""
    # A column of texts takes no lone surrogate, so names are made visible before there is one.
    safe = [
        [visible(one) if isinstance(one, str) else one for one in row._replace(conditions=_shown(row.conditions))]
        for row in rows
    ]
    table = pd.DataFrame(safe, columns=list(Row._fields))
    # Without rows a column has no type of its own, and a file of it could not be read.
    table = _named(table.astype(TYPES) if table.empty else table)
    return table.sort_values([*ORDER], kind="stable", ignore_index=True)


def by_case(group: pd.DataFrame) -> dict[Case, dict[int, float]]:
    """Sort the figures of one group by case and process.

    Args:
        group: rows of one workload, place and metric.
    """
    found = {}
    for _, rows in group.groupby("case", sort=False):
        case = Case(rows["codec"].iloc[0], rows["role"].iloc[0])
        found[case] = dict(zip(rows["process"].tolist(), rows["value"].tolist(), strict=True))
    return found


def write_table(directory: Path, table: pd.DataFrame) -> None:
    """Write a tidy table as results.parquet, conditions as JSON.

    Raises:
        ResultsError: the disk is full or the folder cannot be written.
    """
    texts = {one: json.dumps(facts_of(one)) for one in table["conditions"].unique()}
    kept = table.assign(conditions=_told(table["conditions"], texts))[[*Row._fields]]
    write_inside(directory, PARQUET, kept.to_parquet(index=False))
