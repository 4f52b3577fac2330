"""How much a decoder may take in and give out: bounds for bytes that come from strangers."""

from dataclasses import dataclass, replace

MIB = 2**20

FLAT = 32 * MIB
"""Bytes that a message may become whatever its length, so that short ones of an odd make are not refused."""


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
        max_amplification: bytes that each byte of the message may become, beside a flat `FLAT`. Honest messages stay
            far below: text becomes 1 to 4 bytes a byte, a token id in MessagePack up to 13, a short object 10 to 30;
            what becomes more is built of empty objects, or of values that stand where they do not belong, and costs
            whoever reads it much more than whoever sent it. A format whose objects are shorter than JSON's is allowed a
            multiple, see `allowance`.
    """

    max_bytes: int = 64 * MIB
    max_depth: int | None = None
    max_items: int = 1_000_000
    max_materialized_bytes: int = 256 * MIB
    max_amplification: int = 40

    def allowance(self, length: int, factor: int = 1) -> int:
        """Return the bytes that a message may become.

        Args:
            length: of the message, in bytes.
            factor: how many times as much as JSON the format may grow; 3 for protobuf, whose messages may be 2 bytes.
        """
        return min(self.max_amplification * factor * length + FLAT, self.max_materialized_bytes)

    def settled_length(self, item_bytes: int, growth: int, factor: int = 1, own: int = 0) -> int:
        """Return the length up to which a message cannot go beyond a limit.

        Args:
            item_bytes: what an item takes at least.
            growth: bytes in memory per byte, at most.
            factor: as in `allowance`.
            own: bytes that a message takes whatever its length.
        """
        settled = min(item_bytes * self.max_items, self.max_materialized_bytes // growth)
        if (excess := growth - factor * self.max_amplification) > 0:
            settled = min(settled, (self.allowance(0) - own) // excess)
        return settled if self.max_depth is None else min(settled, self.max_depth)

    def of_length(self) -> "Limits":
        """Return the same bound of the length, and no other."""
        return replace(UNLIMITED, max_bytes=self.max_bytes)


DEFAULT_LIMITS = Limits()
MAX_BODY_MB = DEFAULT_LIMITS.max_bytes // MIB


def limits_for(max_body_mb: int) -> Limits:
    """Return limits for larger messages.

    Args:
        max_body_mb: length of a message in MiB; from 64 on the other bounds grow alike.
    """
    grown = max(max_body_mb / MAX_BODY_MB, 1.0)
    default = DEFAULT_LIMITS
    items, size = round(default.max_items * grown), round(default.max_materialized_bytes * grown)
    return Limits(max_body_mb * MIB, default.max_depth, items, size, default.max_amplification)


def longest_line(max_body_mb: int) -> int:
    """Return the bytes that a line of a corpus may have: text is longer than what it stands for."""
    return 4 * max(max_body_mb, MAX_BODY_MB) * MIB


UNLIMITED = Limits(2**63, None, 2**63, 2**63, 2**63)
"""For bytes that one's own program wrote."""
