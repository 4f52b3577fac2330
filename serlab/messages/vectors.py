"""Embedding vectors: JSON numbers ↔ numpy arrays, without changing a value."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from serlab.messages.embeddings import Embedding, EmbeddingResponse, EmbeddingsByType, VectorByType
from serlab.messages.finite import set_field

BATCHES = ("float", "int8", "uint8", "binary", "ubinary")
"""The fields of `EmbeddingsByType` that hold lists of vectors."""

INT64 = range(-(2**63), 2**63)


def pack_vector(values: Any) -> Any:
    """Turn a list of JSON numbers into the narrowest array that holds each value exactly.

    Args:
        values: a list of numbers; anything else (base64 text, null, an array) is given back as it is.

    Returns:
        float32 where every value is exactly float32, else float64; int64 where all are integers; the list itself
        where integers and floats are mixed, since `1` and `1.0` are different JSON.
    """
    if type(values) is not list:
        return values
    kinds = set(map(type, values))
    if kinds == {float}:
        return narrow(np.array(values, dtype=np.float64))
    if kinds == {int} and all(value in INT64 for value in (min(values), max(values))):
        return np.array(values, dtype=np.int64)
    return values


def narrow(doubles: np.ndarray) -> np.ndarray:
    """Give back float32 if it holds every value exactly, else the float64 array as it came."""
    with np.errstate(over="ignore"):
        singles = doubles.astype(np.float32)
    return singles if np.array_equal(singles.astype(np.float64), doubles) else doubles


def unpack_vector(values: Any) -> Any:
    """Turn an array back into the list of JSON numbers that it stands for; anything else is given back."""
    if isinstance(values, np.ndarray):
        return values.tolist()
    return values


def pack_vectors(message: EmbeddingResponse) -> EmbeddingResponse:
    """Replace the lists of numbers in a converted response by arrays of the same numbers, in place.

    Args:
        message: a response whose vectors are still lists.

    Returns:
        The same message.
    """
    map_vectors(message, pack_vector)
    if type(message.embeddings) is list:
        set_field(message, "embeddings", [item(value, pack_vector) for value in message.embeddings])
    if type(message.embedding) is list:
        set_field(message, "embedding", pack_vector(message.embedding))
    return message


def item(value: Any, change: Callable[[Any], Any]) -> Any:
    """Pack one element of `embeddings`: an object becomes an `Embedding` where it fits, a list a vector."""
    if type(value) is not dict:
        return change(value)
    try:
        embedding = msgspec.convert(value, Embedding)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return value
    return map_embedding(embedding, change)


def map_vectors(message: EmbeddingResponse, change: Callable[[Any], Any]) -> None:
    """Apply `change` to every vector that stands in a struct of the message, in place."""
    for embedding in message.data or ():
        map_embedding(embedding, change)
    if isinstance(message.embeddings, EmbeddingsByType):
        map_by_type(message.embeddings, change)
    if isinstance(message.embeddingsByType, VectorByType):
        for name in VectorByType.__struct_fields__:
            set_field(message.embeddingsByType, name, change(getattr(message.embeddingsByType, name)))
    if isinstance(message.embedding, Embedding):
        map_embedding(message.embedding, change)


def map_embedding(embedding: Embedding, change: Callable[[Any], Any]) -> Embedding:
    """Apply `change` to the vectors of one `Embedding`, in place."""
    set_field(embedding, "embedding", change(embedding.embedding))
    set_field(embedding, "values", change(embedding.values))
    if type(embedding.embeddings) is list:
        set_field(embedding, "embeddings", list(map(change, embedding.embeddings)))
    return embedding


def map_by_type(vectors: EmbeddingsByType, change: Callable[[Any], Any]) -> None:
    """Apply `change` to every vector of a batch by type, in place."""
    set_field(vectors, "values", change(vectors.values))
    for name in BATCHES:
        batch = getattr(vectors, name)
        if type(batch) is list:
            set_field(vectors, name, [change(vector) for vector in batch])
