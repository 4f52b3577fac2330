"""How much a decoder may take in and give out: bounds for bytes that come from strangers."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one message; what is beyond them is a `DecodeError` that names the bound.

    Attributes:
        max_bytes: length of the message. Providers accept requests of up to 50 MB.
        max_depth: levels of arrays, objects and tables. None leaves it to the format's library, each of which has a
            bound of its own: FlatBuffers 64 and protobuf 100 levels, orjson and msgpack 1,024, json and msgspec
            Python's recursion limit. Counting the levels of JSON and MessagePack beforehand would cost a fifth of
            decoding a large request, so that is done only where a number is given.
        max_items: arrays, objects, tables and texts; numbers are none. A million is FlatBuffers' own default.
        max_materialized_bytes: what the decoded message may take, roughly: bytes that are pointed at several times
            count each time, so that a small message cannot grow without end.
    """

    max_bytes: int = 64 * MIB
    max_depth: int | None = None
    max_items: int = 1_000_000
    max_materialized_bytes: int = 256 * MIB


DEFAULT_LIMITS = Limits()
UNLIMITED = Limits(2**63, None, 2**63, 2**63)
"""For bytes that one's own program wrote."""
