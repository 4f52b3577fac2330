"""JSON Pointer and strict comparison of documents.

Source: RFC 6901 (JSON Pointer).
"""

from collections.abc import Mapping
from math import copysign
from typing import Any

from serlab.errors import DocumentError


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
    for pointer, value in extra.items():
        if not pointer:
            document = value
            continue
        try:
            set_at(document, tokens(pointer), value)
        except (LookupError, ValueError, TypeError) as error:
            raise DocumentError(f"extra: nothing in the message holds {brief(pointer)}") from error
    return document


def set_at(document: Any, path: list[str], value: Any) -> None:
    """Set the value that a pointer's keys lead to, in place."""
    *parents, last = path
    here = document
    for name in parents:
        here = here[int(name)] if isinstance(here, list) else here[name]
    if isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value


def same(a: Any, b: Any) -> bool:
    """Compare two documents strictly.

    Args:
        a: plain JSON values.
        b: the other document.

    Returns:
        Whether they are the same JSON: `1` is not `1.0`, `true` is not `1`, `-0.0` is not `0.0`; the order of an
        object's keys does not count (RFC 8259, section 4), NaN equals NaN.
    """
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is dict:
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if kind is list:
        return len(a) == len(b) and all(map(same, a, b))
    if kind is float:
        return same_float(a, b)
    return bool(a == b)


def same_float(a: float, b: float) -> bool:
    """Compare two floats by value and sign; NaN equals NaN."""
    return (a == b and copysign(1.0, a) == copysign(1.0, b)) or (a != a and b != b)


def first_difference(a: Any, b: Any, pointer: str = "") -> str:
    """Name the first place where two documents differ.

    Args:
        a: the document that was expected.
        b: the document that came.
        pointer: where the two stand, for a part of a larger document.

    Returns:
        "" if they are the same, else "POINTER: expected X, got Y".
    """
    if type(a) is type(b) is dict:
        return difference_in_object(a, b, pointer)
    if type(a) is type(b) is list and len(a) == len(b):
        found = (first_difference(x, y, f"{pointer}/{i}") for i, (x, y) in enumerate(zip(a, b, strict=True)))
        return next(filter(None, found), "")
    return "" if same(a, b) else f"{pointer or '(root)'}: expected {brief(a)}, got {brief(b)}"


def difference_in_object(a: dict[str, Any], b: dict[str, Any], pointer: str) -> str:
    """Name the first key that is missing, added or different."""
    for key in a:
        here = f"{pointer}/{token(key)}"
        if key not in b:
            return f"{here}: expected {brief(a[key])}, got nothing"
        found = first_difference(a[key], b[key], here)
        if found:
            return found
    added = [key for key in b if key not in a]
    return f"{pointer}/{token(added[0])}: expected nothing, got {brief(b[added[0]])}" if added else ""


def brief(value: Any) -> str:
    """Show a value in at most 60 characters, with its type."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
