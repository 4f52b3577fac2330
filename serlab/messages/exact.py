"""JSON read exactly by the standard library: any integer, lone surrogates, and nothing that JSON does not have.

For the rarities that a faster parser refuses.

Source: RFC 8259, section 6: no NaN, no infinity.
"""

import json
import math
from typing import Any, NoReturn


def loads_exactly(text: str | bytes, non_finite: bool = False) -> Any:
    """Read one JSON value.

    Args:
        text: one JSON value.
        non_finite: read NaN, Infinity and -Infinity as well.

    Raises:
        ValueError: it is not JSON, or holds a number beyond the range of a double.
        RecursionError: it is nested too deep.
    """
    return json.loads(text, parse_constant=float if non_finite else refuse_constant, parse_float=finite)


def refuse_constant(literal: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{literal} is not a JSON number")


def finite(text: str) -> float:
    """Read a float and refuse one that a double cannot hold."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is beyond the range of a double")
    return value
