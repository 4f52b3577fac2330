"""JSON Pointer and strict comparison of documents.

Source: RFC 6901 (JSON Pointer).
"""

import json
import math
from collections.abc import Mapping
from itertools import islice
from math import copysign
from typing import Any, NoReturn

from serlab.errors import DocumentError

ABSENT = object()
"""Stands for a value that one of two documents does not have."""


def token(name: object) -> str:
    """Escape one object key for a JSON Pointer: `~` is `~0`, `/` is `~1`."""
    text = str(name)
    return text.replace("~", "~0").replace("/", "~1") if "~" in text or "/" in text else text


def tokens(pointer: str) -> list[str]:
    """Split a JSON Pointer into its unescaped keys."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def apply_extra(document: Any, extra: Mapping[str, Any]) -> Any:
    """Set each pointer's value in a document, in place.

    Args:
        document: the document; every pointer's parent must exist in it.
        extra: JSON Pointer → value; the empty pointer is the whole document.

    Returns:
        The document with the values in it.

    Raises:
        DocumentError: a pointer's parent is not there, as in a message that came from a stranger.
    """
    # The parent of the entry before, and what stands there: entries of one object come one after the other.
    parent = ""
    holder: Any = None
    for pointer, value in extra.items():
        cut = pointer.rfind("/")
        if cut == 0 and "~" not in pointer and type(document) is dict:
            document[pointer[1:]] = value  # An unknown field of the root, as most are: 0.3 µs instead of 4.
            holder = None
        elif type(holder) is dict and pointer[:cut] == parent and "~" not in pointer:
            holder[pointer[cut + 1 :]] = value
        elif not pointer:
            document, holder = value, None
        else:
            try:
                parent, holder = pointer[:cut], _set_at(document, tokens(pointer), value)
            except (LookupError, ValueError, TypeError) as error:
                raise DocumentError(f"extra: nothing in the message holds {brief(pointer)}") from error
    return document


def _set_at(document: Any, path: list[str], value: Any) -> Any:
    """Set the value that a pointer's keys lead to, in place; return what holds it."""
    *parents, last = path
    here = document
    for name in parents:
        here = here[int(name)] if isinstance(here, list) else here[name]
    if isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value
    return here


def same(a: Any, b: Any) -> bool:
    """Compare two documents strictly; they may be nested as deep as they like.

    Args:
        a: plain JSON values.
        b: the other document.

    Returns:
        Whether they are the same JSON: `1` is not `1.0`, `true` is not `1`, `-0.0` is not `0.0`; the order of an
        object's keys does not count (RFC 8259, section 4), NaN equals NaN.
    """
    pairs = [(a, b)]
    while pairs:
        one, other = pairs.pop()
        kind = type(one)
        if kind is not type(other):
            return False
        if kind is dict:
            if one.keys() != other.keys():
                return False
            pairs += [(value, other[key]) for key, value in one.items()]
        elif kind is list:
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif not (_same_float(one, other) if kind is float else one == other):
            return False
    return True


def _same_float(a: float, b: float) -> bool:
    """Compare two floats by value and sign; NaN equals NaN."""
    return (a == b and copysign(1.0, a) == copysign(1.0, b)) or (a != a and b != b)


def first_difference(a: Any, b: Any, pointer: str = "") -> str:
    """Name the first place where two documents differ; they may be nested as deep as they like.

    Args:
        a: the document that was expected.
        b: the document that came.
        pointer: where the two stand, for a part of a larger document.

    Returns:
        "" if they are the same, else "POINTER: expected X, got Y".
    """
    # The next place is on top; what stands in it goes there in reverse, so that the first difference is found first.
    places: list[tuple[str, Any, Any]] = [(pointer, a, b)]
    while places:
        here, one, other = places.pop()
        if type(one) is type(other) is dict:
            added = [key for key in other if key not in one]
            keys = [*one, *added[:1]]
            places += [(f"{here}/{token(key)}", one.get(key, ABSENT), other.get(key, ABSENT)) for key in keys[::-1]]
        elif type(one) is type(other) is list and len(one) == len(other):
            places += [(f"{here}/{i}", one[i], other[i]) for i in range(len(one) - 1, -1, -1)]
        elif not same(one, other):
            return f"{here or '(root)'}: expected {brief(one)}, got {brief(other)}"
    return ""


def brief(value: Any) -> str:
    """Show a value in at most 60 characters, with its type."""
    if value is ABSENT:
        return "nothing"
    try:
        text = repr(_beginning(value))
    except RecursionError:
        return f"{type(value).__name__} that is nested too deep to be shown"
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _beginning(value: Any) -> Any:
    """Return as much of a value as may be shown: the whole of it can take as much memory again, several times."""
    if isinstance(value, str | bytes | bytearray):
        return value[:61]
    if type(value) in (list, tuple):
        return type(value)(_beginning(item) for item in value[:21])
    if type(value) is dict:
        return {_beginning(key): _beginning(item) for key, item in islice(value.items(), 11)}
    return value


# JSON read exactly by the standard library: any integer, lone surrogates, and nothing that JSON does not have.
#
# For the rarities that a faster parser refuses.
#
# Source: RFC 8259, section 6: no NaN, no infinity.


def loads_exactly(text: str | bytes, non_finite: bool = False) -> Any:
    """Read one JSON value.

    Args:
        text: one JSON value.
        non_finite: read NaN, Infinity and -Infinity as well.

    Raises:
        ValueError: it is not JSON, or holds a number beyond the range of a double.
        RecursionError: it is nested too deep.
    """
    decoder = _NON_FINITE if non_finite else _EXACT
    return decoder.decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass"))


def _refuse_constant(literal: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{literal} is not a JSON number")


def _finite(text: str) -> float:
    """Read a float and refuse one that a double cannot hold."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is beyond the range of a double")
    return value


_EXACT = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_NON_FINITE = json.JSONDecoder(parse_constant=float, parse_float=_finite)
"""Kept, since `json.loads` makes one at each call that takes 5 µs."""
