"""Only text is a key, and only JSON's values and bytes are values: what MessagePack has beyond that is refused.

Keys of other types would not survive JSON: `{7: "A", "7": "B"}` becomes one entry there. They also cost: arrays of
equal hashes, which anybody can compute, make a dict slow: 0.3 s for 70 kB, growing with the square (CPython 3.11).

The typed fields of a message are safe: no other key is theirs. A free-form value is looked at when it has been read, by
orjson, which refuses other keys at C speed; what it refuses for another reason is walked in Python. msgspec takes any
key there, so its longer messages are looked at before they are read as well: where they hold many arrays,
msgpack-python reads them first, which refuses a key before it hashes it.

Source: the MessagePack specification.
"""

from typing import Any

import numpy as np
import orjson

from serlab.errors import DocumentError
from serlab.messages import inspect

dumps, ONLY_JSON = orjson.dumps, orjson.OPT_PASSTHROUGH_DATETIME

PLAIN = frozenset({str, int, float, bool, type(None), np.ndarray})
"""Types of values that hold no keys; bytes are looked at as part of what they stand in, see `text_keys`."""


def text_keys(type_: Any, value: Any) -> Any:
    """Return a free-form value; msgspec calls this for each, as its `dec_hook`.

    Args:
        type_: what msgspec expects.
        value: plain values as a MessagePack library gives them.

    Raises:
        DocumentError: it holds a key that is no string, or what is no JSON value; also for bytes themselves, since an
            extension type, a tuple of msgpack-python's, is read as a list. The caller then looks at the whole.
    """
    kind = type(value)
    if kind is dict:
        try:
            # Most are JSON Schemas; a call of `checked` would cost a fifth more.
            dumps(value, None, ONLY_JSON)
        except TypeError:
            inspect(value)
        return value
    if kind in PLAIN or (kind is list and _is_numbers(value)):
        return value
    if kind is bytes:
        raise DocumentError("bytes in a free-form place")
    return checked(value)


def _is_numbers(values: list[Any]) -> bool:
    """Return whether a list holds numbers only, in half the time that a look at their types would take."""
    try:
        sum(values)
    except (TypeError, OverflowError):
        return False
    return True


def checked(document: Any) -> Any:
    """Return plain values in which all keys are strings.

    Raises:
        DocumentError: they are not, or something is no JSON value; the text names the place.
    """
    try:
        dumps(document, None, ONLY_JSON)
    except TypeError:
        # Also for bytes and for more than 254 levels.
        inspect(document)
    return document


def check_array_keys(data: bytes) -> None:
    """Refuse MessagePack with arrays as keys, before msgspec reads it.

    Raises:
        DocumentError: there are such keys, or another fault: msgspec could meet such keys before it finds that.
    """
    try:
        import msgpack
    except ImportError as error:
        raise DocumentError(
            "many arrays, of which only msgpack can tell in time if they are keys: install it"
        ) from error
    try:
        # Keys that are bytes pass here, but have random hashes.
        msgpack.unpackb(data)
    except ValueError as error:
        raise DocumentError(f"expected MessagePack with keys that are strings: {error}") from error
