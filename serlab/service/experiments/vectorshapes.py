"""How many vectors of how many numbers a message holds, wherever its API puts them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from serlab.messages.embeddings import Embedding, EmbeddingsByType
from serlab.messages.vectors import BATCHES

DIGITS = 4 / 3 * 4
"""Characters of base64 for a float32, without padding."""


def shapes_of(message: Any) -> Iterator[tuple[int, int]]:
    """Give (vectors, numbers of one) for each group of vectors in an EmbeddingResponse; ragged ones count as the first.

    Args:
        message: an EmbeddingResponse, of any API's shape.
    """
    for group in groups_of(message):
        sizes = [size for size in map(length_of, group) if size]
        if sizes:
            yield len(sizes), sizes[0]


def groups_of(message: Any) -> Iterator[list[Any]]:
    """List the groups of vectors that a message may have."""
    yield message.data or []
    found = message.embeddings
    if isinstance(found, EmbeddingsByType):
        yield from (getattr(found, name) or [] for name in (*BATCHES, "base64"))
    elif isinstance(found, list):
        yield found
    yield [message.embedding]


def length_of(vector: Any) -> int:
    """Count the numbers of a vector: an array, a list, base64 of float32, or an `Embedding` with one; 0 for none."""
    if isinstance(vector, Embedding):
        return length_of(vector.embedding) or length_of(vector.values)
    if isinstance(vector, str):
        return int(len(vector.rstrip("=")) / DIGITS)
    return len(vector) if isinstance(vector, (list, np.ndarray)) else 0
