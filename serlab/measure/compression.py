"""Compression of a codec's bytes: what it costs to send fewer of them.

    gzip, gunzip     level 6, as web servers do by default
    zstd, unzstd     level 3, with a compressor and a decompressor that are kept between messages

Each message is compressed by itself. The bytes decide what this costs, not the codec: codecs that write the same bytes
share the measurement.
"""

import gzip
from collections.abc import Callable, Iterable
from functools import partial

import zstandard

from serlab.measure.arms import Arm
from serlab.measure.load import Bound
from serlab.measure.size import GZIP_LEVEL, ZSTD_LEVEL

Change = Callable[[bytes], bytes]


def compressor(operation: str) -> tuple[Change, Change]:
    """Give what compresses and what decompresses.

    Args:
        operation: one of `serlab.outcomes.COMPRESSION`.
    """
    if operation in ("gzip", "gunzip"):
        return partial(gzip.compress, compresslevel=GZIP_LEVEL, mtime=0), gzip.decompress
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress, zstandard.ZstdDecompressor().decompress


def compression_arm(operation: str, bound: Bound) -> Arm:
    """Give a codec's arm in an operation of compression, not calibrated yet."""
    compress, decompress = compressor(operation)
    count = len(bound.encoded)
    if operation in ("gzip", "zstd"):
        return Arm(bound.name, compress, bound.encoded, count)
    return Arm(bound.name, decompress, list(map(compress, bound.encoded)), count)


def not_restored(operation: str, bound: Bound) -> str:
    """Check that what was compressed comes back.

    Returns:
        Which message did not, "" if all did.
    """
    compress, decompress = compressor(operation)
    wrong = (number for number, data in enumerate(bound.encoded) if decompress(compress(data)) != data)
    return next((f"message {number} did not come back" for number in wrong), "")


def twins(codecs: Iterable[Bound]) -> dict[str, list[str]]:
    """Group codecs that write the same bytes: the first one's name → the others'."""
    first: dict[tuple[bytes, ...], str] = {}
    found: dict[str, list[str]] = {}
    for bound in codecs:
        name = first.setdefault(tuple(bound.encoded), bound.name)
        found.setdefault(name, []).extend([] if name == bound.name else [bound.name])
    return found
