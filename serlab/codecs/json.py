"""JSON by the standard library.

- Text is UTF-8, not escaped; a message with a lone surrogate is written with escapes instead, and so kept.
- NaN and infinities are refused both ways (RFC 8259, section 6); a number beyond the range of a double reads as an
  infinity, as Python reads it.
- An object key that is not a string, which no document has, becomes one without notice.
- Integers of any size are exact; of a duplicate key the last value wins.
- An encoder and a decoder are kept; they hold options only, and the module's own functions share theirs among threads.
- Variant `json-fresh`: `dumps` and `loads`, which make one for each message as soon as an option is given.

Source: RFC 8259.
"""

import json
import platform
import re
from typing import Any, NoReturn

from serlab.codecs import untyped
from serlab.codecs.base import Codec
from serlab.codecs.info import CodecInfo
from serlab.codecs.untyped import document_reroute, document_stages


def _refuse(literal: str) -> NoReturn:
    """Refuse the literals that Python reads and JSON does not have."""
    raise ValueError(f"{literal} is not JSON")


COMPACT: Any = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
ESCAPED: Any = {**COMPACT, "ensure_ascii": True}
encode, encode_escaped = json.JSONEncoder(**COMPACT).encode, json.JSONEncoder(**ESCAPED).encode
LONG = 2**23
"""Bytes from which on it matters how wide the text is that JSON is read from."""

PIECE, WIDE = 2**20, re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
decode = json.JSONDecoder(parse_constant=_refuse).decode


def _serialize(document: Any) -> bytes:
    """Write plain values as compact UTF-8 JSON."""
    text = encode(document)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return encode_escaped(document).encode()


def _serialize_fresh(document: Any) -> bytes:
    """Write plain values with an encoder of their own."""
    text = json.dumps(document, **COMPACT)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(document, **ESCAPED).encode()


def _deserialize(data: bytes) -> Any:
    """Read JSON in any of the encodings that `json.loads` tells apart."""
    if len(data) > LONG:
        data = _narrow(data)
    return decode(data.decode(json.detect_encoding(data), "surrogatepass"))


def _deserialize_fresh(data: bytes) -> Any:
    """Read JSON with a decoder of its own."""
    return json.loads(data if len(data) <= LONG else _narrow(data), parse_constant=_refuse)


def _narrow(data: bytes) -> bytes:
    """Escape characters beyond 16 bits where they are few: one makes each character of the whole text take 4 bytes.

    Piece by piece, since `sub` keeps a list of what it has found.
    """
    wide = sum(data.count(lead) for lead in range(0xF0, 0xF5))
    if not 0 < wide < len(data) // 12 or json.detect_encoding(data) != "utf-8":
        return data
    parts, start = [], 0
    while start < len(data):
        end = start + PIECE
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end += 1
        parts.append(WIDE.sub(_escaped, data[start:end]))
        start = end
    return b"".join(parts)


def _escaped(match: re.Match[bytes]) -> bytes:
    """Write one character as JSON's two escapes."""
    code = ord(match[0].decode())
    return b"\\u%04x\\u%04x" % (0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF))


def plain_dumps(value: Any) -> bytes:
    """Write as the library does by itself."""
    return json.dumps(value).encode()


plain_loads = json.loads


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    write, read = (untyped.to_base64, untyped.from_base64) if info.vectors else (untyped.plain, None)
    populate, convert = document_stages(kind, write, read)
    writer, reader = (_serialize, _deserialize) if info.keep else (_serialize_fresh, _deserialize_fresh)
    reroute = document_reroute(kind, reader, writer)
    return Codec(info.name, kind, platform.python_version(), populate, writer, reader, convert, reroute=reroute)
