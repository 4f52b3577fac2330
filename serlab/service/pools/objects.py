"""Pools of what encoders write into.

- Buffers: `msgspec`'s `encode_into` writes straight into a `bytearray`. orjson has no such call: it always makes bytes.
- Packers of msgpack: each has a buffer of 256 kB from the start, which grows with a message and never shrinks, and
  whose size it does not tell. So a pool of them is as large as its longest messages.
- Builders of FlatBuffers' own package; `Clear` keeps the buffer.
"""

import sys
from collections.abc import Callable
from typing import Any

import flatbuffers
import msgpack

from serlab.errors import ServiceError
from serlab.service.pools.pool import Pool

MOST_BYTES = 1 << 20
"""A buffer that grew beyond this is let go: one long message would stay in memory for ever."""
FIRST_BYTES = 1024
"""What a Builder begins with, as `serlab.codecs.flatofficial` has it."""

Kind = type[Pool[Any]]
"""`Pool`, `LockedPool` or `QueuePool`."""


def buffers(most_bytes: int = MOST_BYTES, kind: Kind = Pool) -> Pool[bytearray]:
    """Make a pool of buffers.

    Args:
        most_bytes: the largest that is kept.
        kind: of the pool.

    Returns:
        The pool; a buffer that comes back with a view on it is refused with a ServiceError.
    """
    return kind(bytearray, buffer_cleaner(most_bytes))


def buffer_cleaner(most_bytes: int) -> Callable[[bytearray], bool]:
    """Give what looks at a buffer that comes back; its bytes stay, since the next owner writes over them."""

    def clean(buffer: bytearray) -> bool:
        try:
            # A bytearray that somebody has a view of refuses to change its length.
            buffer.append(0)
        except BufferError as error:
            text = "pool: expected a buffer that nobody uses, got one with a view on it"
            raise ServiceError(f"{text}; release the view first, copy, or hand the lease on") from error
        buffer.pop()
        return sys.getsizeof(buffer) <= most_bytes

    return clean


def packers(kind: Kind = Pool) -> Pool[Any]:
    """Make a pool of Packers; `autoreset` empties one after each message, also after a refused one."""
    return kind(lambda: msgpack.Packer(autoreset=True))


def builders(most_bytes: int = MOST_BYTES, kind: Kind = Pool) -> Pool[Any]:
    """Make a pool of Builders.

    Args:
        most_bytes: the largest that is kept.
        kind: of the pool.
    """

    def clean(builder: Any) -> bool:
        builder.Clear()
        return len(builder.Bytes) <= most_bytes

    return kind(lambda: flatbuffers.Builder(FIRST_BYTES), clean)
