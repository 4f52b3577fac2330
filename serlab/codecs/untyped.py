"""The stages that the schema-less formats share: message ↔ document, vectors in the form that a format wants."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import numpy as np

from serlab.codecs.base import Route, set_model
from serlab.errors import DocumentError, EncodeError
from serlab.messages import (
    BATCHES,
    NOT_JSON,
    UNSET,
    EmbeddingResponse,
    Look,
    VectorByType,
    brief,
    converter,
    fields_of,
    message_type,
    set_field,
    to_document,
    union_cases,
    with_extra,
)

# Embedding vectors on the wire of the schema-less formats.
#
# Plain formats write numbers. The variants write float32 arrays as one string of little-endian bytes: an object
# `{"dtype": "float32", "base64": …}` in JSON, since a bare string could also be base64 that the API sent, and `bin` in
# MessagePack (an object with `dtype` and `bin` where it is not float32).

DTYPES = {"float32": "<f4", "float64": "<f8", "int64": "<i8"}

EMBEDDING = {"embedding": False, "values": False, "embeddings": True}
BY_TYPE = dict.fromkeys(BATCHES, True) | {"values": False}
VECTORS = dict.fromkeys(VectorByType.__struct_fields__, False)
"""The fields with vectors of each object that has some, and whether they hold lists of them."""

Form = Callable[[Any], Any]
"""Changes a vector, and gives anything else back as it is."""


def _vector_document(message: EmbeddingResponse, write: Form, read: Form | None) -> Any:
    """Make the document of a response with its vectors in the form that a format wants.

    Args:
        message: the response.
        write: array → what stands in the document.
        read: its inverse, where that is not a list of numbers.

    Raises:
        EncodeError: where a vector belongs stands something that would be read back as one.
    """

    def change(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return write(value)
        if read is not None and read(value) is not value:
            raise EncodeError("a vector's place holds what this variant writes for an array; send it as numbers")
        return value

    document = with_extra(message, msgspec.to_builtins(message, builtin_types=(*NOT_JSON, np.ndarray)))
    _replace_vectors(document, change)
    return document


def _replace_vectors(document: Any, change: Form) -> None:
    """Apply `change` in every place where a response may hold a vector; the response's own fields are set in place."""
    if type(document) is not dict:
        return
    if type(items := document.get("data")) is list:
        document["data"] = [_replace_fields(value, EMBEDDING, change) for value in items]
    if "embedding" in document:
        document["embedding"] = _replace_in(document["embedding"], change)
    if type(vectors := document.get("embeddings")) is list:
        document["embeddings"] = [_replace_in(value, change) for value in vectors]
    elif vectors is not None:
        document["embeddings"] = _replace_fields(vectors, BY_TYPE, change)
    if "embeddingsByType" in document:
        document["embeddingsByType"] = _replace_fields(document["embeddingsByType"], VECTORS, change)


def _replace_in(value: Any, change: Form) -> Any:
    """Change a vector, or those of an `Embedding` in its place."""
    return _replace_fields(value, EMBEDDING, change) if (changed := change(value)) is value else changed


def _replace_fields(values: Any, names: Mapping[str, bool], change: Form) -> Any:
    """Change the vectors in an object.

    Args:
        values: the object; anything else is given back as it is.
        names: its fields that hold vectors, and whether lists of them.
        change: changes one.
    """
    if type(values) is not dict:
        return values
    changed = dict(values)
    for name in names.keys() & values.keys():
        value = values[name]
        if not names[name]:
            changed[name] = change(value)
        elif type(value) is list:
            changed[name] = [change(vector) for vector in value]
    return changed


def plain(array: np.ndarray) -> list[Any]:
    """Write an array as numbers."""
    values: list[Any] = array.tolist()
    return values


def to_base64(array: np.ndarray) -> dict[str, str]:
    """Write an array as base64 of its little-endian bytes."""
    name = array.dtype.name
    return {"dtype": name, "base64": b64encode(array.astype(DTYPES[name], copy=False).tobytes()).decode()}


def from_base64(value: Any) -> Any:
    """Read what `to_base64` wrote; anything else is given back."""
    if type(value) is dict and value.keys() == {"dtype", "base64"}:
        return np.frombuffer(b64decode(value["base64"], validate=True), _dtype(value["dtype"]))
    return value


def _dtype(name: Any) -> str:
    """Return the numpy type of that name.

    Raises:
        ValueError: there is none.
    """
    if type(name) is not str or name not in DTYPES:
        raise ValueError(f"dtype: expected one of {', '.join(DTYPES)}, got {brief(name)}")
    return DTYPES[name]


def to_bin(array: np.ndarray) -> Any:
    """Write an array as its little-endian bytes; only float32 goes without its name."""
    name = array.dtype.name
    data = array.astype(DTYPES[name], copy=False).tobytes()
    return data if name == "float32" else {"dtype": name, "bin": data}


def from_bin(value: Any) -> Any:
    """Read what `to_bin` wrote, without a copy; anything else is given back."""
    if type(value) is bytes:
        return np.frombuffer(value, "<f4")
    if type(value) is dict and value.keys() == {"dtype", "bin"}:
        return np.frombuffer(value["bin"], _dtype(value["dtype"]))
    return value


Stage = Callable[[Any], Any]


def document_stages(
    kind: str, write: Stage, read: Stage | None, sealing: bool = False, look: Look | None = None
) -> tuple[Stage, Stage]:
    """Return a format's populate and convert.

    Args:
        kind: a message type's name, or "document".
        write: array → what stands in the document.
        read: its inverse, where that is not a list of numbers.
        sealing: see `serlab.messages.documents.converter`.
        look: likewise.

    Returns:
        populate (message → document) and convert (document → message).
    """
    if kind != "EmbeddingResponse":
        return to_document, converter(kind, sealing, look)
    convert = converter("EmbeddingResponse", look=look)
    return partial(_vector_document, write=write, read=read), partial(_read_vectors, convert, read)


def _read_vectors(convert: Stage, read: Stage | None, document: Any) -> Any:
    """Convert a response whose vectors a variant wrote in its own form."""
    if read is None:
        return convert(document)
    _replace_vectors(document, read)
    # The one place whose type admits a list and no array.
    lone = document.pop("embedding") if type(document) is dict and _is_array(document.get("embedding")) else None
    message = convert(document)
    if lone is not None:
        set_field(message, "embedding", lone)
    _check_places(message)
    return message


def _is_array(value: Any) -> bool:
    """Return whether a value is an array."""
    return isinstance(value, np.ndarray)


def _check_places(message: EmbeddingResponse) -> None:
    """Refuse arrays in values that the message keeps as they are: nothing else would write them so.

    Raises:
        DocumentError: there is one.
    """
    kept = list(message.extra.values())
    if type(message.embeddings) is list:
        kept += [value for value in message.embeddings if type(value) is dict]
    while kept:
        value = kept.pop()
        if type(value) is dict:
            kept += value.values()
        elif type(value) is list:
            kept += value
        elif _is_array(value):
            raise DocumentError("a vector in this variant's form stands in an object that is none with vectors")


def document_reroute(
    kind: str, deserialize: Callable[[bytes], Any], serialize: Callable[[Any], bytes]
) -> Callable[[bytes, Route], bytes]:
    """Return a format's `reroute`: the document is changed as it is and never becomes a message."""
    names, flags = (_types_of(kind, field) for field in ("model", "stream"))

    def reroute(data: bytes, route: Route) -> bytes:
        def typed(model: Any, stream: Any) -> str:
            return route(model if type(model) in names else UNSET, stream if type(stream) in flags else UNSET)

        document = deserialize(data)
        set_model(document, route if kind == "document" else typed)
        return serialize(document)

    return reroute


def _types_of(kind: str, name: str) -> frozenset[type]:
    """List the types that a scalar field takes, none where there is no such field; other values go to `extra`."""
    field = fields_of(message_type(kind)).get(name) if kind != "document" else None
    return frozenset(union_cases(field.type)) if field is not None else frozenset()
