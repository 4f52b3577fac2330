"""An entry: an encoded answer and when it expires, in a frame that is bound to its key.

    frame (16 bytes, see `serlab.frames`)   u64 expiry in milliseconds of Unix time, 0 for never   the encoded answer

The frame's sequence number is made of the key. So the check fails for an entry that is damaged, and for a whole one
under a wrong key too: what a client gets that read the answer to another command.
"""

from struct import Struct
from typing import NamedTuple

from serlab.errors import DecodeError
from serlab.frames import decode_frame, encode_frame

EXPIRY = Struct("<Q")
NEVER = 0


class Entry(NamedTuple):
    """What an entry holds.

    Attributes:
        data: the encoded answer.
        expires_ms: Unix time, `NEVER` for never.
    """

    data: bytes
    expires_ms: int


def seal(key: bytes, entry: Entry) -> bytes:
    """Write an entry.

    Args:
        key: of `serlab.service.cache.keys`.
        entry: what to write.

    Raises:
        EncodeError: it is beyond what a frame holds.
    """
    return encode_frame(EXPIRY.pack(entry.expires_ms) + entry.data, binding(key))


def unseal(key: bytes, sealed: bytes) -> Entry:
    """Read an entry.

    Raises:
        DecodeError: it is damaged, or another key's.
    """
    payload = decode_frame(sealed, binding(key))
    if len(payload) < EXPIRY.size:
        raise DecodeError(f"cache: expected an entry of {EXPIRY.size} bytes or more, got {len(payload)}; write it anew")
    return Entry(payload[EXPIRY.size :], EXPIRY.unpack_from(payload)[0])


def binding(key: bytes) -> int:
    """Make the sequence number of a key's frame."""
    return int.from_bytes(key[:8], "little")
