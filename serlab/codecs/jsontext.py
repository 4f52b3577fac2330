"""JSON text inside binary formats, and the check that JSON libraries leave out.

orjson and msgspec write NaN and infinities as `null`, a silent change; the check looks for such numbers beforehand, see
`serlab.messages.base`. JSON text inside a binary format, which only serlab reads, has Python's literals for them.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import orjson

from serlab.errors import EncodeError
from serlab.messages import SEALS, is_finite, is_sealed, loads_exactly

# What JSON text inside a binary message would become, counted on its bytes before it is read.
#
# Two counts, both at C speed: one of all marks, which also counts those inside of strings, and one of the marks that
# are left when the strings are taken out. The second is exact in its items and costs five times as much, so it is made
# only where the first leaves it open.
#
# Source: RFC 8259; sizes measured in CPython 3.11 with msgspec.

LIST, DICT, STRING, NUMBER = 96, 120, 56, 48
"""Bytes that one value takes. A list that `msgspec` fills has room for four items from the first one on; an object that
is not empty takes 64 more, which its first key brings; a number is counted with its place in a list, by the comma
before it."""

WORST = 64
"""Bytes that one byte of JSON text is counted as at most. Lists in lists become 48, empty lists and objects 25."""

TEXT_GROWTH = 4
"""Bytes that one byte becomes at most as text: one wide character widens a whole string."""

JSONWEIGHT_LONG = 2**20
"""Text from here on is looked through for how wide its characters are, where its copies could fill the memory."""

STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""JSON's strings. One without an end reaches to the end: looking on inside would be quadratic."""


ESCAPE, SURROGATE = re.compile(rb"\\u"), re.compile(rb"\\u[dD]")
"""What stands for a character that is no ASCII, and for half of one beyond 16 bits."""

MOST_EXACT = 2**24
"""Bytes of the longest text that is counted exactly: taking strings out needs up to six times its length."""


class Weight(NamedTuple):
    """Arrays, objects and strings, and the bytes that all values take."""

    items: int
    size: int


def bound(text: bytes, widest: int = 0) -> Weight:
    """Bound what JSON text becomes, marks inside of strings included.

    Args:
        text: one JSON value in UTF-8.
        widest: bytes of the widest struct that an object in it is made into, 0 where objects stay dicts.
    """
    return _weight(text, len(text), (text.count(b'"') + 1) // 2, widest)


def exact(text: bytes, widest: int = 0) -> Weight:
    """Count what JSON text becomes; see `bound`."""
    if len(text) > MOST_EXACT:
        return bound(text, widest)
    marks = STRINGS.sub(b'"', text)
    return _weight(marks, len(text), marks.count(b'"'), widest)


def _weight(marks: bytes, length: int, strings: int, widest: int) -> Weight:
    """Add up what brackets, commas and strings take."""
    lists, dicts = marks.count(b"["), marks.count(b"{")
    size = LIST * lists + (DICT + widest) * dicts + STRING * strings + NUMBER * (marks.count(b",") + 1)
    return Weight(lists + dicts + strings, size + TEXT_GROWTH * length)


def width(text: bytes | memoryview, escapes: bool = False) -> int:
    """Return the bytes of a character in the widest string that text can become: 1, 2 or 4.

    Args:
        text: UTF-8.
        escapes: whether it is JSON, where escapes stand for characters as well.
    """
    highest = int(np.frombuffer(text, np.uint8).max(initial=0))
    if highest >= 0xF0 or (escapes and SURROGATE.search(text)):
        return 4
    return 1 if highest < 0x80 and not (escapes and ESCAPE.search(text)) else 2


LONG = 2**18
"""JSON text from here on is looked through before it is read, for what only the standard library reads."""

LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]", re.DOTALL)
"""An escape of half a character."""

NON_FINITE = "the message holds NaN or an infinity; JSON has neither (RFC 8259, section 6)"


def dumps(value: Any) -> str:
    """Write a JSON value as compact text.

    Args:
        value: plain JSON values; integers of any size are kept, lone surrogates as escapes, NaN and infinities as
            Python's `json` writes them.

    Raises:
        EncodeError: the value is not JSON (bytes, a non-string key).
    """
    return dump_bytes(value).decode()


def dump_bytes(value: Any) -> bytes:
    """Write a JSON value as compact text in UTF-8; see `dumps`."""
    return dump_finite(value) if is_finite(value) else _dumps_exotic(value).encode()


def dump_finite(value: Any) -> bytes:
    """Write a JSON value that is known to hold finite numbers only, such as one of a sealed message."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _dumps_exotic(value).encode()


def _dumps_exotic(value: Any) -> str:
    """Write what orjson refuses or changes: integers over 64 bits, lone surrogates, deep nesting, NaN, infinities."""
    _check_keys(value)
    try:
        return json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"a free-form value is not JSON: {error}") from error


def _check_keys(value: Any) -> None:
    """Refuse keys that json.dumps would quietly turn into strings."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise EncodeError(f"an object key is {type(key).__name__} {key!r}; JSON keys are strings")
            _check_keys(item)
    elif isinstance(value, list):
        for item in value:
            _check_keys(item)


def loads(text: str | bytes | memoryview) -> Any:
    """Read JSON text of a message, whose texts the codec has counted together; integers stay exact at any size.

    Args:
        text: one JSON value, or one with NaN and infinities as `dumps` writes them; bytes are UTF-8.

    Raises:
        ValueError: it is not JSON.
    """
    if len(text) > LONG:
        return _loads_long(text)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return _loads_exotic(text)


def _loads_long(text: str | bytes | memoryview) -> Any:
    """Read long JSON text, and never twice: what fails at its end would take the time of both."""
    return _loads_exotic(text) if _is_exotic(text) else msgspec.json.decode(text)


def _loads_exotic(text: str | bytes | memoryview) -> Any:
    """Read escaped lone surrogates and NaN, as only the standard library does."""
    return loads_exactly(text if isinstance(text, str) else str(text, "utf-8"), non_finite=True)


def _is_exotic(text: str | bytes | memoryview) -> bool:
    """Tell whether JSON text may hold what only the standard library reads; such words in strings count."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    if b"NaN" in data or b"Infinity" in data:
        return True
    # The pattern takes 9 to 12 times as long as these four looks.
    return (b"\\ud" in data or b"\\uD" in data) and LONE_SURROGATE.search(data) is not None


def _refuse_non_finite(message: Any) -> None:
    """Refuse NaN and infinities, which the fast JSON libraries would write as null.

    Args:
        message: a message, looked at only if it bears no seal, or plain values.

    Raises:
        EncodeError: it holds such a number.
    """
    try:
        if message.seal is SEALS.unbroken:
            return
    except AttributeError:  # No seal, or plain values.
        pass
    if not is_finite(message):
        raise EncodeError(NON_FINITE)


def _refuse_non_finite_anywhere(message: Any) -> None:
    """Refuse them in a response with vectors, whose arrays may be changed in place: a seal says nothing of those."""
    if not is_finite(message):
        raise EncodeError(NON_FINITE)


def _refuse_non_finite_beside_arrays(message: Any) -> None:
    """Refuse them in a response whose arrays are written as their bits."""
    if not is_sealed(message) and not is_finite(message, arrays=False):
        raise EncodeError(NON_FINITE)


def check_of(kind: str, base64: bool) -> Callable[[Any], None]:
    """Choose the check of a JSON codec.

    Args:
        kind: a message type's name, or "document".
        base64: whether vectors are written as their bits.
    """
    if kind != "EmbeddingResponse":
        return _refuse_non_finite
    return _refuse_non_finite_beside_arrays if base64 else _refuse_non_finite_anywhere
