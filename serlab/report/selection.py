"""One table of a run, cut to some rows and columns, as a text."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from serlab.errors import NotMeasuredError, UnknownNameError
from serlab.report.export import FORMATS, TITLES, titled
from serlab.report.latex import standalone
from serlab.report.tables import build_tables, without_figures
from serlab.results import MACHINE, load_environment, load_results


class Exported(NamedTuple):
    """A table as a text.

    Attributes:
        text: in the format that was asked for.
        caption: what stands above it, and with CSV has to stand elsewhere.
    """

    text: str
    caption: str


def export_table(
    directory: str | Path,
    name: str,
    format_: str = "md",
    selections: Sequence[str] = (),
    columns: Sequence[str] = (),
    whole: bool = False,
) -> Exported:
    """Write one table of a run.

    Args:
        directory: a results folder.
        name: of the table: size, time, memory, summary, paired, throughput, lag.
        format_: md, csv, tex, html or json.
        selections: `COLUMN=VALUE,VALUE`; a row stays if every selection holds it.
        columns: which, in this order; none: all. For reading, a figure brings its interval along.
        whole: a LaTeX document in place of a fragment.

    Returns:
        The text and the caption.

    Raises:
        ResultsError: the folder holds no results.
        NotMeasuredError: the run has no such table, or no row is left.
        UnknownNameError: there is no such table, format, column or value.
    """
    if format_ not in FORMATS:
        raise UnknownNameError.of("format", format_, FORMATS)
    table = select(table_of(directory, name), selections)
    for column in columns:
        check("column", column, table.columns)
    caption = titled(name, load_environment(directory, MACHINE))
    text = FORMATS[format_](table, caption, list(columns) or None)
    return Exported(standalone(text) if whole and format_ == "tex" else text, caption)


def table_of(directory: str | Path, name: str) -> pd.DataFrame:
    """Build a table that has rows.

    Raises:
        UnknownNameError: there is no such table.
        NotMeasuredError: the run has no rows for it.
    """
    check("table", name, TITLES)
    rows = load_results(directory)
    tables = build_tables(rows)
    table = tables.get(name, pd.DataFrame())
    if table.empty and (reason := without_figures(rows)):
        raise NotMeasuredError(f"the table {name}: {reason}; `serlab check` lists the bodies")
    if table.empty:
        raise NotMeasuredError.of(
            f"the table {name}", "its rows", held_by(tables), f"serlab {COMMANDS.get(name, 'compare')}"
        )
    return table


def held_by(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Name the tables that have rows."""
    return [name for name, table in tables.items() if not table.empty]


COMMANDS = {
    "size": "size",
    "time": "time",
    "memory": "memory",
    "paired": "time --base VENV",
    "throughput": "throughput",
    "lag": "throughput",
    "wire": "wire all",
}
"""Table → the subcommand that measures its rows, `compare` aside."""


def select(table: pd.DataFrame, selections: Iterable[str]) -> pd.DataFrame:
    """Keep the rows that every selection holds.

    Args:
        table: with a column for each selection.
        selections: `COLUMN=VALUE,VALUE`.

    Raises:
        UnknownNameError: no such column or value, or a selection of another form.
        NotMeasuredError: each value is there, but not all together.
    """
    kept = table
    for selection in selections:
        column, sign, text = selection.partition("=")
        if not sign:
            raise UnknownNameError(f"selection {selection!r}: expected COLUMN=VALUE[,VALUE]; "
                                   f"columns are {', '.join(table.columns)}")  # fmt: skip
        check("column", column, table.columns)
        known = table[column].astype(str)
        values = values_of(text, set(known))
        for value in values:
            check(f"{column} in this table", value, known.unique())
        kept = kept[kept[column].astype(str).isin(values)]
    if kept.empty:
        raise NotMeasuredError(f"the selection {' '.join(selections)}: expected rows that hold all of it, got none; "
                               f"leave one out")  # fmt: skip
    return kept.reset_index(drop=True)


def values_of(text: str, known: set[str]) -> list[str]:
    """Split values at commas, unless the whole is one: a corpus may have a comma in its name."""
    return [text] if text in known else [value.strip() for value in text.split(",")]


def check(what: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not there.

    Raises:
        UnknownNameError: with what is there.
    """
    names = [str(one) for one in known]
    if name not in names:
        raise UnknownNameError.of(what, name, names)
