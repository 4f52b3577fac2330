"""What a request determines: its mark, the tokens of its answer, and vectors.

The same request and seed give the same answer through every codec and transport, streamed or whole. The mark is a hash
of the whole request, since a cache that mixes up two requests must be found out; it costs one encoding by msgspec, the
same for all codecs.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple, overload

import msgspec
import numpy as np
from xxhash import xxh3_64_intdigest

from serlab.messages import UNSET
from serlab.workloads.text import english
from serlab.workloads.traces import CHARACTERS_PER_TOKEN

POOL_CHARACTERS = 1 << 16
"""Answers are pieces of one text of this length, so that making one costs nothing beside sending it."""

KEPT_VECTORS, KEPT_DIMENSIONS = 2048, 4096
"""Vectors that are kept, and the longest of them: 32 MiB at most. Who embeds the same texts again measures their way
over the wire, not the making of random numbers."""


class Mark(NamedTuple):
    """A request in short.

    Attributes:
        number: 64 bits that stand for the request.
        prompt_tokens: its length, estimated as the workloads estimate it.
    """

    number: int
    prompt_tokens: int


def mark_of(request: Any, seed: int) -> Mark:
    """Hash a request; whether and how it is streamed is no part of it."""
    data = text_of(msgspec.structs.replace(request, stream=UNSET, stream_options=UNSET))
    return Mark(xxh3_64_intdigest(data, seed % 2**64), 1 + len(data) // CHARACTERS_PER_TOKEN)


def hash_of(value: Any, seed: int) -> int:
    """Hash a value to 64 bits."""
    return xxh3_64_intdigest(text_of(value), seed % 2**64)


def text_of(value: Any) -> bytes:
    """Write a value as text that is the same for the same value."""
    try:
        return msgspec.json.encode(value)
    except (ValueError, OverflowError, TypeError):
        # Integers beyond 64 bits, lone surrogates: rare, and only a hash is wanted.
        return repr(value).encode()


@lru_cache(maxsize=8)
def pool(seed: int) -> list[str]:
    """Cut a seeded text into tokens: words with the white space before them."""
    return re.findall(r"\s*\S+", english(Random(f"replies/{seed}"), POOL_CHARACTERS))


class Tokens(Sequence[str]):
    """The tokens of an answer, taken from the pool when they are read: 2,048 answers are as many places in it.

    Args:
        start: where they begin in the pool.
        length: how many they are; after the pool's last comes its first.
        seed: of the pool.
    """

    __slots__ = ("length", "seed", "start")

    def __init__(self, start: int, length: int, seed: int) -> None:
        self.start, self.length, self.seed = start, length, seed

    def __len__(self) -> int:
        """Count them."""
        return self.length

    def __iter__(self) -> Iterator[str]:
        """Return all of them, one by one."""
        return iter(self[:])

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        """Return one of them, or those of a slice without a step."""
        if not isinstance(at, slice):
            at = range(self.length)[at]
            return self[at : at + 1][0]
        begin, end, _ = at.indices(self.length)
        words = pool(self.seed)
        first = (self.start + begin) % len(words)
        found = words[first : first + end - begin]
        while len(found) < end - begin:
            found += words[: end - begin - len(found)]
        if found and not begin:
            found[0] = found[0].lstrip()
        return found


def tokens_of(mark: Mark, count: int, seed: int) -> Tokens:
    """Take the tokens of an answer."""
    return Tokens(mark.number % len(pool(seed)), count, seed)


def vector_of(value: Any, dimensions: int, seed: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Give the vector of a text: about length 1, the same on every machine; not to be written to."""
    number = hash_of(value, seed)
    return (kept_vector if dimensions <= KEPT_DIMENSIONS else new_vector)(number, dimensions)


def new_vector(number: int, dimensions: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Make a vector.

    Only the bits of PCG64 are used: numpy promises that they stay, and not the distributions made of them. A uniform
    number of [-1, 1) has variance 1/3, which the scale makes 1/dimensions.
    """
    bits = np.random.PCG64(number).random_raw(dimensions)
    uniform = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    vector = uniform * np.float32((3 / dimensions) ** 0.5)
    vector.flags.writeable = False
    return vector


kept_vector = lru_cache(maxsize=KEPT_VECTORS)(new_vector)
