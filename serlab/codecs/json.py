"""JSON by the standard library.

- Text is UTF-8, not escaped; a message with a lone surrogate is written with escapes instead, and so kept.
- NaN and infinities are refused both ways (RFC 8259, section 6); a number beyond the range of a double reads as an
  infinity, as Python reads it.
- An object key that is not a string, which no document has, becomes one without notice.
- Integers of any size are exact; of a duplicate key the last value wins.

Source: RFC 8259.
"""

import json
import platform
from functools import partial
from typing import Any, NoReturn

from serlab.codecs import vectors
from serlab.codecs.base import Codec
from serlab.codecs.documents import document_stages


def serialize(document: Any) -> bytes:
    """Write plain values as compact UTF-8 JSON."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def refuse(literal: str) -> NoReturn:
    """Refuse the literals that Python reads and JSON does not have."""
    raise ValueError(f"{literal} is not JSON")


deserialize = partial(json.loads, parse_constant=refuse)


def make(name: str, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    write, read = (vectors.to_base64, vectors.from_base64) if name.endswith("-base64") else (vectors.numbers, None)
    populate, convert = document_stages(kind, write, read)
    return Codec(name, kind, platform.python_version(), populate, serialize, deserialize, convert)
