"""Values that readers and views make of what slots point to."""

from typing import Any

import numpy as np

from serlab.codecs import jsontext
from serlab.codecs.schema import mixed
from serlab.limits import MIB

WIDEST = 400
"""Bytes of the widest struct that stands in a list beside other things, which then is JSON text: a part of a turn."""

DTYPES: dict[str, np.dtype[Any]] = {
    "b": np.dtype("i1"),
    "B": np.dtype("u1"),
    "h": np.dtype("<i2"),
    "H": np.dtype("<u2"),
    "i": np.dtype("<i4"),
    "I": np.dtype("<u4"),
    "q": np.dtype("<i8"),
    "Q": np.dtype("<u8"),
    "f": np.dtype("<f4"),
    "d": np.dtype("<f8"),
}
"""`struct` format → dtype. numpy's own reading of "q" is another type than int64, equal to it but printed otherwise."""


def array_over(buffer: Any, start: int, count: int, format_: str) -> np.ndarray:
    """Lay a read-only array over a vector's numbers.

    Args:
        buffer: bytes or a read-only memoryview, which the array keeps alive.
        start: where the first number is.
        count: how many there are.
        format_: their `struct` format.
    """
    if not count:
        array = np.empty(0, DTYPES[format_])
        array.flags.writeable = False
        return array
    return np.frombuffer(buffer, DTYPES[format_], count, start)


def copied(buffer: Any, start: int, count: int, format_: str) -> np.ndarray:
    """Copy a vector's numbers into an array of its own."""
    return array_over(buffer, start, count, format_).copy()


def listed(buffer: Any, start: int, count: int, format_: str) -> list[Any]:
    """List a vector's numbers."""
    values: list[Any] = array_over(buffer, start, count, format_).tolist()
    return values


def box_value(values: dict[str, Any]) -> Any:
    """Make the value of a box of its filled slots: the pair of an Extra, or what a Prompt, Vector or TokenIds holds."""
    if "pointer" in values:
        return values["pointer"], values["json"]
    if "integral" in values:
        return mixed(values["float64s"], values["integral"])
    return next(iter(values.values()))


def weigh_mixed(text: Any) -> int:
    """Count what JSON text becomes whose objects are made into structs.

    Args:
        text: a part of the buffer.
    """
    data = bytes(text)
    size = jsontext.bound(data, WIDEST).size
    return size if size < MIB else jsontext.exact(data, WIDEST).size
