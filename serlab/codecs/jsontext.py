"""JSON text inside binary formats, and the check that JSON libraries leave out.

orjson and msgspec write NaN and infinities as `null`, a silent change. A scan for `null` in the output is cheap and
settles most messages; then the floats are searched at C speed in the message's MessagePack, and only a suspicion is
confirmed by walking the values.
"""

import json
import math
from typing import Any

import msgspec
import orjson

from serlab.codecs.guard import SETTLED_TEXT, check_text
from serlab.errors import EncodeError
from serlab.messages import to_document
from serlab.messages.exact import loads_exactly

PACKED_FLOAT = b"\xcb"
PACKED_MARKS = (b"\xcb\x7f", b"\xcb\xff")
"""How an infinity, a NaN or a number beyond 2^1009 begins in MessagePack; no UTF-8 text holds these bytes."""

pack = msgspec.msgpack.Encoder(enc_hook=lambda array: array.tolist()).encode


def dumps(value: Any) -> str:
    """Write a JSON value as compact text.

    Args:
        value: plain JSON values; integers of any size and lone surrogates are kept, as escapes.

    Raises:
        EncodeError: the value is not JSON (NaN, bytes, a non-string key).
    """
    return dump_bytes(value).decode()


def dump_bytes(value: Any) -> bytes:
    """Write a JSON value as compact text in UTF-8; see `dumps`."""
    try:
        data = orjson.dumps(value)
    except TypeError:
        return dumps_exotic(value).encode()
    refuse_non_finite(data, value)
    return data


def dumps_exotic(value: Any) -> str:
    """Write what orjson refuses and JSON allows: integers over 64 bits, lone surrogates, deep nesting."""
    check_keys(value)
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"a free-form value is not JSON: {error}") from error


def check_keys(value: Any) -> None:
    """Refuse keys that json.dumps would quietly turn into strings."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise EncodeError(f"an object key is {type(key).__name__} {key!r}; JSON keys are strings")
            check_keys(item)
    elif isinstance(value, list):
        for item in value:
            check_keys(item)


def loads(text: str | bytes) -> Any:
    """Read JSON text; integers stay exact at any size.

    Args:
        text: one JSON value.

    Raises:
        DecodeError: it would grow beyond the default limits, which hold here whatever the codec was opened with.
        ValueError: it is not JSON.
    """
    if len(text) > SETTLED_TEXT:
        check_text(text)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        # Escaped lone surrogates are JSON by grammar; only the standard library reads them.
        return loads_exactly(text)


def refuse_non_finite(data: bytes, message: Any) -> None:
    """Refuse a message whose NaN or infinity was written as `null`.

    Args:
        data: the JSON that was written.
        message: what it was written from: a message or plain values.

    Raises:
        EncodeError: there is such a number.
    """
    if b"null" not in data:
        return
    if may_hold_non_finite(message) and holds_non_finite(to_document(message)):
        raise EncodeError("the message holds NaN or an infinity; JSON has neither (RFC 8259, section 6)")


def may_hold_non_finite(message: Any) -> bool:
    """Look for the mark of a NaN or an infinity in the message's MessagePack."""
    try:
        image = pack(message)
    except OverflowError:
        # An integer beyond 64 bits, which JSON has and MessagePack has not.
        return True
    # One byte is found much faster than two; packed integers may look like a mark, so a suspicion is confirmed.
    return PACKED_FLOAT in image and any(mark in image for mark in PACKED_MARKS)


def holds_non_finite(value: Any) -> bool:
    """Search plain values for a NaN or an infinity."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(holds_non_finite, value.values()))
    return isinstance(value, list) and any(map(holds_non_finite, value))
