"""Embedding vectors on the wire of the schema-less formats.

Plain formats write numbers. The variants write float32 arrays as one string of little-endian bytes: an object
`{"dtype": "float32", "base64": …}` in JSON, since a bare string could also be base64 that the API sent, and `bin` in
MessagePack (an object with `dtype` and `bin` where it is not float32).
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from serlab.errors import EncodeError
from serlab.messages import EmbeddingResponse
from serlab.messages.documents import with_extra

DTYPES = {"float32": "<f4", "float64": "<f8", "int64": "<i8"}
PLACE = "$array"
"""Marks where an array goes while the rest of a message becomes plain values."""


def vector_document(message: EmbeddingResponse, write: Callable[[np.ndarray], Any]) -> Any:
    """Make the document of a response with its vectors in the form that a format wants.

    Args:
        message: the response.
        write: array → what stands in the document.
    """
    arrays: list[Any] = []

    def place(array: Any) -> dict[str, int]:
        if not isinstance(array, np.ndarray):
            raise TypeError(f"a vector is a {type(array).__name__}; expected a numpy array, a list or base64 text")
        arrays.append(write(array))
        return {PLACE: len(arrays) - 1}

    document = msgspec.to_builtins(message, enc_hook=place)
    replace_vectors(document, lambda value: arrays[value[PLACE]] if is_marked(value, PLACE) else value)
    return with_extra(message, document)


def is_marked(value: Any, mark: str) -> bool:
    """Tell an object that stands for an array from anything that an API sends."""
    return type(value) is dict and mark in value


def replace_vectors(document: Any, change: Callable[[Any], Any]) -> None:
    """Apply `change` in every place where a response may hold a vector, in place."""
    if type(document) is not dict:
        return
    for name in ("embedding", "embeddings"):
        if name in document:
            document[name] = replace_in(document[name], change)
    if type(document.get("data")) is list:
        document["data"] = replace_in(document["data"], change)


def replace_in(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change one vector, or those of a list, of an object with vectors, or of a batch by type."""
    changed = change(value)
    if changed is not value:
        return changed
    if type(value) is dict:
        return {
            key: replace_in(item, change) if type(item) in (dict, list, bytes) else item for key, item in value.items()
        }
    if type(value) is list and value and type(value[0]) in (dict, list, bytes):
        return [replace_in(item, change) for item in value]
    return value


def refuse_non_finite_array(array: np.ndarray) -> None:
    """Refuse NaN and infinities, which JSON cannot carry.

    Raises:
        EncodeError: the array holds one.
    """
    if not np.isfinite(array).all():
        raise EncodeError("a vector holds NaN or an infinity; JSON has neither (RFC 8259, section 6)")


def numbers(array: np.ndarray) -> list[Any]:
    """Write an array as JSON numbers."""
    refuse_non_finite_array(array)
    values: list[Any] = array.tolist()
    return values


def to_base64(array: np.ndarray) -> dict[str, str]:
    """Write an array as base64 of its little-endian bytes."""
    name = array.dtype.name
    return {"dtype": name, "base64": b64encode(array.astype(DTYPES[name], copy=False).tobytes()).decode()}


def from_base64(value: Any) -> Any:
    """Read what `to_base64` wrote; anything else is given back."""
    if is_marked(value, "base64") and "dtype" in value:
        return np.frombuffer(b64decode(value["base64"], validate=True), DTYPES[value["dtype"]])
    return value


def to_bin(array: np.ndarray) -> Any:
    """Write an array as its little-endian bytes; only float32 goes without its name."""
    name = array.dtype.name
    data = array.astype(DTYPES[name], copy=False).tobytes()
    return data if name == "float32" else {"dtype": name, "bin": data}


def from_bin(value: Any) -> Any:
    """Read what `to_bin` wrote, without a copy; anything else is given back."""
    if type(value) is bytes:
        return np.frombuffer(value, "<f4")
    if is_marked(value, "bin") and "dtype" in value:
        return np.frombuffer(value["bin"], DTYPES[value["dtype"]])
    return value
