"""One flipped bit: does a codec notice, and does a frame?

    flips(open_codec("orjson", "ChatRequest"), message, trials=500)
    flips(..., framed=True)

A bit may flip in a faulty memory or disk, or in a proxy; TCP's checksum of 16 bits lets some through.
"""

from collections import Counter
from random import Random
from typing import Any

from serlab.codecs import Codec
from serlab.errors import SerlabError
from serlab.frames import decode_frame, encode_frame
from serlab.messages import same, to_document

REFUSED, UNNOTICED, HARMLESS = "refused", "changed without an error", "no effect"
OUTCOMES = (REFUSED, UNNOTICED, HARMLESS)


def flips(codec: Codec, message: Any, trials: int, seed: int = 0, *, framed: bool = False) -> dict[str, int]:
    """Flip one bit of an encoded message, decode it, and compare; again and again.

    Args:
        codec: bound to the message's type.
        message: what is encoded.
        trials: how often, each time another bit by chance.
        seed: of the chance.
        framed: whether the message travels in a frame, whose bits are flipped as well.

    Returns:
        Outcome → how often, for each of `OUTCOMES`; bits that mean nothing, such as padding, have no effect.
    """
    random = Random(seed)
    data = codec.encode(message)
    sent = encode_frame(data) if framed else data
    expected = to_document(message)
    found = Counter(outcome(codec, flipped(sent, random), expected, framed) for _ in range(trials))
    return {name: found[name] for name in OUTCOMES}


def flipped(data: bytes, random: Random) -> bytes:
    """Flip one bit by chance."""
    place = int(random.random() * len(data) * 8)
    copy = bytearray(data)
    copy[place // 8] ^= 1 << place % 8
    return bytes(copy)


def outcome(codec: Codec, sent: bytes, expected: Any, framed: bool) -> str:
    """Tell what becomes of damaged bytes."""
    try:
        got = to_document(codec.decode(decode_frame(sent) if framed else sent))
    except SerlabError:
        return REFUSED
    return HARMLESS if same(expected, got) else UNNOTICED
