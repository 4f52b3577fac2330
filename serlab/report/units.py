"""Figures as people read them: three significant digits and a unit."""

import math
from typing import Any

TIME = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
SIZE = ((1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    """Write a figure in the largest unit that keeps it at 1 or more."""
    if math.isnan(value):
        return "–"
    factor, unit = unit_of(value, steps)
    return f"{three_digits(value / factor)} {unit}"


def unit_of(value: float, steps: tuple[tuple[float, str], ...]) -> tuple[float, str]:
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
