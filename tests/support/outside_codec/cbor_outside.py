"""CBOR by cbor2: a codec that another package brings to serlab.

- Vectors are arrays of numbers; NaN and infinities are kept, as are integers of any size.
- Tags other than those of big integers are refused: JSON has no such values, and some of them share parts of a message.
- Object keys that are not text are refused; of a duplicate key the last value wins.
- Nothing is kept between messages. The scan, in Python, takes much longer than cbor2 itself; it also finds what stands
  behind a message, which `cbor2.loads` passes over.

Source: RFC 8949; cbor2's documentation.
"""

import struct
from importlib import metadata

import cbor2

from serlab.codecs import Codec, CodecInfo, WireFormat, within
from serlab.codecs.base import REFUSALS
from serlab.codecs.keys import checked, text_keys
from serlab.codecs.untyped import document_reroute, document_stages, plain

BYTES, TEXT, ARRAY, MAP, TAG = 2, 3, 4, 5, 6
BIG_INTEGERS = (2, 3)
INDEFINITE = 31
WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
VALUE, STRING, CONTAINER = 32, 64, 120
"""Bytes in memory of a number, and of an empty text and an empty array or map, at most."""


def argument(data, place):
    """Read a head: major type, argument (None for an indefinite length), and where what follows begins."""
    major, low = data[place] >> 5, data[place] & 31
    if low < 24 or low == INDEFINITE:
        return major, None if low == INDEFINITE else low, place + 1
    end = place + 1 + WIDTHS[low]
    return major, int.from_bytes(data[place + 1 : end], "big"), end


def settle(data, limits):
    """Name the limit that a message passes, by its heads; "" for none.

    Raises:
        ValueError: it has a tag that JSON has no value for, or claims more than it has.
    """
    place, items, size, length = 0, 0, 0, len(data)
    open_ends: list[int] = []  # how many values are still to come at each level; -1 until a break
    allowed = limits.allowance(length)
    while place < length:
        major, value, place = argument(data, place)
        is_break = major == 7 and value is None
        if is_break or (open_ends and open_ends[-1] > 0 and major != TAG):
            open_ends[-1] = 0 if is_break and open_ends else open_ends[-1] - 1
        if BYTES <= major <= MAP and value is not None and value > length - place:
            raise ValueError(f"{value} bytes or values in {length - place} bytes")
        if major in (BYTES, TEXT):
            items, size, place = items + 1, size + STRING + 4 * (value or 0), place + (value or 0)
        elif major in (ARRAY, MAP):
            items, size = items + 1, size + CONTAINER
        elif major == TAG and value not in BIG_INTEGERS:
            raise ValueError(f"tag {value}, for which JSON has no value")
        if major in (ARRAY, MAP) or (BYTES <= major <= MAP and value is None):
            open_ends.append(-1 if value is None else value * (major - 3))
        size += VALUE
        if limits.max_depth is not None and len(open_ends) > limits.max_depth:
            return "max_depth"
        while open_ends and open_ends[-1] == 0:
            open_ends.pop()
        if not open_ends and major != TAG and place < length:
            # `cbor2.loads` would pass over them.
            raise ValueError(f"{length - place} bytes behind the message")
        if items > limits.max_items:
            return "max_items"
        if size > allowed:
            return "max_materialized_bytes" if allowed == limits.max_materialized_bytes else "max_amplification"
    return ""


def bounded(codec, limits):
    """Bind the codec to limits."""
    return within(codec, limits, settle)


def make(info, kind):
    """Bind the codec to a kind of message."""
    populate, convert = document_stages(kind, plain, None, look=text_keys)
    reroute = document_reroute(kind, lambda data: checked(cbor2.loads(data)), cbor2.dumps)
    refusals = (*REFUSALS, cbor2.CBORError, struct.error)
    stages = (populate, cbor2.dumps, cbor2.loads, convert)
    return Codec(info.name, kind, metadata.version("cbor2"), *stages, refusals=refusals, reroute=reroute)


CBOR = CodecInfo(
    name="cbor-outside",
    description="CBOR by cbor2",
    format=WireFormat("CBOR", "application/cbor", (), False, False, True, True),
    package="cbor2",
    make=make,
    limits=bounded,
    verifies=True,
    library="cbor2",
    plain=("dumps", "loads"),
    colour="#56B4E9",
)
