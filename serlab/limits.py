"""How much a decoder may take in and give out: bounds for bytes that come from strangers."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one message; what is beyond them is a `DecodeError` that names the bound.

    Attributes:
        max_bytes: length of the message. Providers accept requests of up to 50 MB.
        max_depth: levels of nested objects. The deepest type here has about 10; 64 is FlatBuffers' own default.
        max_items: objects and list elements other than packed numbers. A million is FlatBuffers' own default.
        max_materialized_bytes: what the decoded message may take, roughly: bytes that are pointed at several times
            count each time, so that a small message cannot grow without end.
    """

    max_bytes: int = 64 * MIB
    max_depth: int = 64
    max_items: int = 1_000_000
    max_materialized_bytes: int = 256 * MIB


DEFAULT_LIMITS = Limits()
UNLIMITED = Limits(2**63, 2**31, 2**63, 2**63)
"""For bytes that one's own program wrote."""
