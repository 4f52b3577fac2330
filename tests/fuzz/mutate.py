"""Whole messages → damaged ones."""

from collections.abc import Callable
from functools import cache
from random import Random

from serlab import workloads
from serlab.codecs import codec_info, codec_names, open_codec
from serlab.messages import KINDS, from_document
from tests.support.documents import DOCUMENTS

INTERESTING = (0, 1, 2, 4, 0x7F, 0x80, 0x90, 0xC0, 0xC1, 0xDC, 0xDD, 0xDF, 0xFF, *b'"\\[]{},:')
WORDS = (0, 1, 3, 4, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
SNIPPETS = (
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xd4\x01x", b"\xd6\xff\0\0\0\0",
    b"[" * 3000, b'{"a":' * 2000, b"\x91" * 3000, b"\x81\xa1a" * 2000, b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 16,
    b"NaN", b"1e999", b"-0.0", b"9" * 400, b'"\\ud800"', b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\0" * 64,
    b"null", b"true", b'"a":1,"a":2,', b"\x08" * 40,
)  # fmt: skip
SMALL_BYTES = 6000
"""Longer messages make cases slow and hit the interesting bytes less often."""

LEFT_OUT = ("flatbuffers-official",)
"""Fuzzed only when named. Google's accessors verify nothing: a count of four thousand million is believed, and shared
offsets are followed without end, so that one case in some ten thousand takes minutes. Nothing in front of them but a
verifier would help, which is what `flatbuffers` has; this codec is the baseline, for bytes of one's own.
"""

Mutation = Callable[[bytearray, Random], None]


def cases(codecs: list[str]) -> list[tuple[str, str]]:
    """List what there is to fuzz, codec and kind: of the codecs that are named, or of all but `LEFT_OUT`."""
    chosen = codecs or [name for name in codec_names() if name not in LEFT_OUT]
    return [(codec, kind) for codec in chosen for kind in KINDS if kind != "document" or not codec_info(codec).schema]


@cache
def seeds(codec: str, kind: str) -> tuple[bytes, ...]:
    """Encode whole messages of a kind: the hand-made one and small ones of the workloads."""
    bound = open_codec(codec, kind)
    built = [workloads.build(name)[0] for name in workloads.names() if workloads.kind(name) == kind]
    found = [bound.encode(message) for message in (from_document(kind, DOCUMENTS[kind]), *built)]
    return (found[0], *(data for data in found[1:] if len(data) <= SMALL_BYTES))


def mutated(codec: str, kind: str, random: Random) -> bytes:
    """Damage a message in one to six ways."""
    data = bytearray(random.choice(seeds(codec, kind)))
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        random.choice(MUTATIONS)(data, random)
    return bytes(data)


def place(data: bytearray, random: Random) -> int:
    """Choose a place; one behind the end counts."""
    return random.randrange(len(data) + 1)


def flip_bit(data: bytearray, random: Random) -> None:
    """Flip one bit."""
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def set_byte(data: bytearray, random: Random) -> None:
    """Set a byte to one that means something."""
    if data:
        data[random.randrange(len(data))] = random.choice(INTERESTING)


def set_word(data: bytearray, random: Random) -> None:
    """Overwrite 1, 2, 4 or 8 bytes as an offset, a length or a count would stand there, in either byte order."""
    width = random.choice((1, 2, 4, 8))
    value = random.choice((*WORDS, len(data), len(data) - random.randrange(9), -random.randrange(1, 64)))
    start = place(data, random)
    if width > 1 and random.random() < 0.7:
        start -= start % width
    data[start : start + width] = (value % 256**width).to_bytes(width, random.choice(("little", "big")))


def add_to_word(data: bytearray, random: Random) -> None:
    """Move an offset or a length a little."""
    start = 4 * random.randrange(len(data) // 4 + 1)
    value = int.from_bytes(data[start : start + 4], "little") + random.randrange(-16, 17)
    data[start : start + 4] = (value % 2**32).to_bytes(4, "little")


def truncate(data: bytearray, random: Random) -> None:
    """Cut the end off."""
    del data[place(data, random) :]


def delete(data: bytearray, random: Random) -> None:
    """Cut a piece out."""
    start = place(data, random)
    del data[start : start + random.randrange(1, 40)]


def duplicate(data: bytearray, random: Random) -> None:
    """Double a piece."""
    start = place(data, random)
    data[start:start] = data[start : start + random.randrange(1, 200)] * random.choice((1, 2, 50))


def insert(data: bytearray, random: Random) -> None:
    """Put something hostile in."""
    start = place(data, random)
    data[start:start] = random.choice(SNIPPETS)


def overwrite(data: bytearray, random: Random) -> None:
    """Put something hostile over what is there."""
    start, snippet = place(data, random), random.choice(SNIPPETS)
    data[start : start + len(snippet)] = snippet


def noise(data: bytearray, random: Random) -> None:
    """Overwrite a piece with noise."""
    start = place(data, random)
    data[start : start + 8] = random.randbytes(random.randrange(9))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bit, set_byte, set_word, set_word, add_to_word, truncate, delete, duplicate, insert, overwrite, noise,
)  # fmt: skip
