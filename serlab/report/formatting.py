"""Figures as people read them: three significant digits and a unit."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from serlab.stats import TIE
from serlab.visible import visible

TIME = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
SIZE = ((1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    """Write a figure in the largest unit that keeps it at 1 or more."""
    if math.isnan(value):
        return "–"
    factor, unit = _unit_of(value, steps)
    return f"{three_digits(value / factor)} {unit}"


def _unit_of(value: float, steps: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    """Choose the largest unit that keeps a figure at 1 or more, or the smallest there is."""
    return next((step for step in steps if abs(value) >= step[0]), steps[-1])


def three_digits(value: float) -> str:
    """Write a number with three significant digits at least and no exponent."""
    if value == 0 or math.isnan(value):
        return "0" if value == 0 else "–"
    # The exponent of the rounded value, so that 0.9999 is 1.00 and not 1.000; whole digits are all kept.
    exponent = int(f"{value:.2e}".partition("e")[2])
    return f"{value:,.{max(0, 2 - exponent)}f}"


def in_unit(value: float, unit: str) -> str:
    """Write a figure whose unit stands beside it."""
    if math.isnan(value):
        return "–"
    if unit == "ns":
        return scaled(value, TIME)
    what, _, by = unit.partition("/")
    if what == "bytes":
        return scaled(value, SIZE) + (f"/{by}" if by else "")
    if unit == "share":
        return f"{100 * value:.3g} %"
    number = f"{value:,.0f}" if value == int(value) else three_digits(value)
    return number if unit == "1" else f"{number} {unit}"


def show(column: str, value: Any) -> str:
    """Write a table cell by the unit in its column's name."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if not isinstance(value, int | float):
        return str(value)
    if "_share" in column:
        return f"{100 * value:.3g} %"
    if column.endswith("_ns"):
        return scaled(value, TIME)
    if column.endswith(("_bytes", "bytes_per_op")):
        return scaled(value, SIZE)
    return three_digits(value) if isinstance(value, float) else str(value)


# A table as people read it: an interval beside its figure, a mark at a tie, a unit in each cell.
#
# `ratio`, `ratio_low` and `ratio_high` become one cell, `1.32× [1.30, 1.35] =`, where `=` is a tie.

VALUE, UNIT = "value", "unit"
RATIOS = ("ratio", "scaling", "margin")
"""Columns, or their last words, that hold ratios."""
HEADINGS = {"times_floor": "× floor", "aa": "A/A", "codec_share": "codec's share", "client_cpu_share": "client's core"}


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
    """Return a table's columns as people read them.

    Args:
        table: with units in the column names.
        columns: which, in this order; a figure brings its interval and its tie along. None: all.

    Returns:
        The columns.
    """
    names = [name for name in table.columns if not stands_elsewhere(table, name)] if columns is None else columns
    return [_safe(_column_of(table, name)) for name in names]


def _safe(column: Column) -> Column:
    """Make visible what would act: a heading may be a codec's name, a cell a file's or an error's text."""
    return column._replace(heading=visible(column.heading), cells=[*map(visible, column.cells)])


def stands_elsewhere(table: pd.DataFrame, name: str) -> bool:
    """Return whether a column is shown in another one's cells: the end of an interval, or a verdict of one of many."""
    stem, _, last = name.rpartition("_")
    if name == UNIT:
        return VALUE in table.columns
    if last in ("low", "high") and {f"{stem}_low", f"{stem}_high"} <= set(table.columns):
        return stem in table.columns or last == "high"
    return last == "verdict" and bool({stem, f"{stem}_ratio"} & set(table.columns))


def _column_of(table: pd.DataFrame, name: str) -> Column:
    """Write one column."""
    stem = name.removesuffix("_low")
    if stem != name and stem not in table.columns and f"{stem}_high" in table.columns:
        pairs = zip(table[name], table[f"{stem}_high"], strict=True)
        return Column(heading(stem), [interval(low, high) for low, high in pairs], True)
    cells = (
        _measured(table) if _is_measured(table, name) else [_one_cell(name, value) for value in table[name].tolist()]
    )
    if _is_measured(table, name):
        return Column(heading(name), cells, True)
    if {f"{name}_low", f"{name}_high"} <= set(table.columns):
        ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
        shown = percent if "_share" in name else interval
        texts = [shown(*end) for end in (_scaled_ends(table[name], ends) if name.endswith("_ns") else ends)]
        cells = [f"{cell} {text}" if cell != "–" else cell for cell, text in zip(cells, texts, strict=True)]
    verdict = name.removesuffix("ratio") + "verdict" if name.endswith("ratio") else f"{name}_verdict"
    if verdict in table.columns:
        cells = [cell + " =" * (said == TIE) for cell, said in zip(cells, table[verdict], strict=True)]
    return Column(heading(name), cells, is_number(table[name]))


def _is_measured(table: pd.DataFrame, name: str) -> bool:
    """Return whether a column's figures have their units in a column of their own."""
    return name == VALUE and UNIT in table.columns


def _measured(table: pd.DataFrame) -> list[str]:
    """Write figures in their units, each with its interval."""
    names = [name for name in (VALUE, f"{VALUE}_low", f"{VALUE}_high") if name in table.columns]
    cells = []
    for unit, *values in table[[UNIT, *names]].itertuples(index=False):
        value, *ends = (in_unit(one, unit) for one in values)
        cells.append(f"{value} [{', '.join(ends)}]" if ends and len({value, *ends}) > 1 else value)
    return cells


def _one_cell(name: str, value: Any) -> str:
    """Write one value; a ratio bears a ×."""
    text = " ".join(show(name, value).split())
    is_ratio = name in RATIOS or name.rpartition("_")[2] in RATIOS
    return f"{text}×" if is_ratio and isinstance(value, float) and text != "–" else text


def interval(low: float, high: float) -> str:
    """Write the ends of an interval; nothing where there is none."""
    return "–" if low != low or high != high else f"[{three_digits(low)}, {three_digits(high)}]"


def _scaled_ends(values: Iterable[float], ends: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the ends of intervals of times in the units in which their figures are written."""
    factors = [_unit_of(value, TIME)[0] for value in values]
    return [(low / factor, high / factor) for factor, (low, high) in zip(factors, ends, strict=True)]


def percent(low: float, high: float) -> str:
    """Write the ends of an interval of shares."""
    return "–" if low != low or high != high else f"[{100 * low:.3g}, {100 * high:.3g}]"


def heading(name: str) -> str:
    """Write a column's name for reading: the unit stands in the cells."""
    return HEADINGS.get(name, name.removesuffix("_ns").replace("_", " "))


def is_number(column: pd.Series) -> bool:
    """Return whether a column holds figures."""
    return bool(pd.api.types.is_numeric_dtype(column))


def lines(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """Turn columns into rows."""
    return list(zip(*(column.cells for column in columns), strict=True))
