"""JSON by orjson.

- NaN and infinities, which orjson writes as null, are refused.
- Integers beyond 64 bits and lone surrogates are refused; read from elsewhere, an integer beyond 64 bits becomes a
  float without notice (orjson's own behaviour).
- Values nested deeper than 254 levels are refused.
- Nothing is kept between messages: orjson has functions only.
- float32 vectors are written as the doubles they equal: orjson's shortest float32 form would read back as other
  doubles.

Source: RFC 8259; orjson's README.
"""

from typing import Any

import numpy as np
import orjson

from serlab.codecs import vectors
from serlab.codecs.base import Codec
from serlab.codecs.documents import document_reroute, document_stages
from serlab.codecs.jsontext import holds_non_finite, refuse_non_finite
from serlab.errors import EncodeError


def serialize(document: Any) -> bytes:
    """Write plain values as compact UTF-8 JSON."""
    data = orjson.dumps(document)
    refuse_non_finite(data, document)
    return data


def serialize_arrays(document: Any) -> bytes:
    """Write plain values and numpy arrays, whose numbers were checked before."""
    data = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in data and holds_non_finite(document):
        raise EncodeError("the message holds NaN or an infinity; JSON has neither (RFC 8259, section 6)")
    return data


def doubles(array: np.ndarray) -> np.ndarray:
    """Give an array in a form that orjson writes exactly."""
    vectors.refuse_non_finite_array(array)
    return array.astype(np.float64) if array.dtype == np.float32 else array


def make(name: str, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    base64 = name.endswith("-base64")
    write, read = (vectors.to_base64, vectors.from_base64) if base64 else (doubles, None)
    populate, convert = document_stages(kind, write, read)
    writer = serialize_arrays if kind == "EmbeddingResponse" else serialize
    reroute = document_reroute(orjson.loads, writer)
    return Codec(name, kind, orjson.__version__, populate, writer, orjson.loads, convert, reroute=reroute)
