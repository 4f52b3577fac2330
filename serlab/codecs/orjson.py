"""JSON by orjson.

- NaN and infinities, which orjson writes as null, are refused; one that is put into a list or an object of a sealed
  message in place is not seen until the field is set again, see `serlab.messages.base`.
- Integers beyond 64 bits and lone surrogates are refused; read from elsewhere, an integer beyond 64 bits becomes a
  float without notice (orjson's own behaviour).
- Values nested deeper than 254 levels are refused.
- Nothing is kept between messages: orjson has functions only.
- float32 vectors are written as the doubles they equal: orjson's shortest float32 form would read back as other
  doubles.

Source: RFC 8259; orjson's README.
"""

from functools import partial

import numpy as np
import orjson

from serlab.codecs import untyped
from serlab.codecs.base import Codec
from serlab.codecs.info import CodecInfo
from serlab.codecs.jsontext import check_of
from serlab.codecs.untyped import document_reroute, document_stages


def _doubles(array: np.ndarray) -> np.ndarray:
    """Return an array in a form that orjson writes exactly."""
    return array.astype(np.float64) if array.dtype == np.float32 else array


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    base64 = info.vectors == "base64"
    write, read = (untyped.to_base64, untyped.from_base64) if base64 else (_doubles, None)
    # orjson refuses numbers beyond the range of a double, so that what it has read may be sealed.
    populate, convert = document_stages(kind, write, read, sealing=True)
    numpy = kind == "EmbeddingResponse" and not base64
    serialize = partial(orjson.dumps, option=orjson.OPT_SERIALIZE_NUMPY) if numpy else orjson.dumps
    stages = (populate, serialize, orjson.loads, convert)
    reroute = document_reroute(kind, orjson.loads, orjson.dumps)
    return Codec(info.name, kind, orjson.__version__, *stages, check=check_of(kind, base64), reroute=reroute)
