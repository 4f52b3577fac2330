"""A table as people read it: an interval beside its figure, a mark at a tie, a unit in each cell.

`ratio`, `ratio_low` and `ratio_high` become one cell, `1.32× [1.30, 1.35] =`, where `=` is a tie.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from serlab.report.units import show, three_digits

TIE = "tie"
RATIOS = ("ratio", "scaling", "margin")
"""Columns, or their last words, that hold ratios."""
HEADINGS = {"times_floor": "× floor", "aa": "A/A"}


class Column(NamedTuple):
    """A column to read.

    Attributes:
        heading: its name.
        cells: its texts.
        is_number: whether it holds figures, which stand at the right.
    """

    heading: str
    cells: list[str]
    is_number: bool


def readable(table: pd.DataFrame, columns: Sequence[str] | None = None) -> list[Column]:
    """Give a table's columns as people read them.

    Args:
        table: with units in the column names.
        columns: which, in this order; a figure brings its interval and its tie along. None: all.

    Returns:
        The columns.
    """
    if columns is not None:
        return [column_of(table, name) for name in columns]
    return [column_of(table, name) for name in table.columns if not stands_elsewhere(table, name)]


def stands_elsewhere(table: pd.DataFrame, name: str) -> bool:
    """Tell whether a column is shown in another one's cells: the end of an interval, or a verdict of one of many."""
    stem, _, last = name.rpartition("_")
    if last in ("low", "high") and {f"{stem}_low", f"{stem}_high"} <= set(table.columns):
        return stem in table.columns or last == "high"
    return last == "verdict" and f"{stem}_ratio" in table.columns


def column_of(table: pd.DataFrame, name: str) -> Column:
    """Write one column."""
    stem = name.removesuffix("_low")
    if stem != name and stem not in table.columns and f"{stem}_high" in table.columns:
        pairs = zip(table[name], table[f"{stem}_high"], strict=True)
        return Column(heading(stem), [interval(low, high) for low, high in pairs], True)
    cells = [one_cell(name, value) for value in table[name].tolist()]
    if {f"{name}_low", f"{name}_high"} <= set(table.columns):
        ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
        cells = [f"{cell} {interval(*end)}" if cell != "–" else cell for cell, end in zip(cells, ends, strict=True)]
    verdict = name.removesuffix("ratio") + "verdict"
    if name.endswith("ratio") and verdict in table.columns:
        cells = [cell + " =" * (said == TIE) for cell, said in zip(cells, table[verdict], strict=True)]
    return Column(heading(name), cells, is_number(table[name]))


def one_cell(name: str, value: Any) -> str:
    """Write one value; a ratio bears a ×."""
    text = " ".join(show(name, value).split())
    is_ratio = name in RATIOS or name.rpartition("_")[2] in RATIOS
    return f"{text}×" if is_ratio and isinstance(value, float) and text != "–" else text


def interval(low: float, high: float) -> str:
    """Write the ends of an interval; nothing where there is none."""
    return "–" if low != low or high != high else f"[{three_digits(low)}, {three_digits(high)}]"


def heading(name: str) -> str:
    """Write a column's name for reading: the unit stands in the cells."""
    return HEADINGS.get(name, name.removesuffix("_ns").replace("_", " "))


def is_number(column: pd.Series) -> bool:
    """Tell whether a column holds figures."""
    return bool(pd.api.types.is_numeric_dtype(column))


def lines(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """Turn columns into rows."""
    return list(zip(*(column.cells for column in columns), strict=True))
