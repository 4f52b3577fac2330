"""The stages that the schema-less formats share: message ↔ document, vectors in the form that a format wants."""

from collections.abc import Callable
from functools import partial
from typing import Any

from serlab.codecs.base import Route, set_model
from serlab.codecs.vectors import replace_vectors, vector_document
from serlab.messages import UNSET, message_type, to_document
from serlab.messages.documents import Look, converter, fields_of, union_arms

Stage = Callable[[Any], Any]


def document_stages(
    kind: str, write: Stage, read: Stage | None, sealing: bool = False, look: Look | None = None
) -> tuple[Stage, Stage]:
    """Give a format's populate and convert.

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
    return partial(vector_document, write=write, read=read), partial(read_vectors, convert, read)


def read_vectors(convert: Stage, read: Stage | None, document: Any) -> Any:
    """Convert a response whose vectors a variant wrote in its own form."""
    if read is not None:
        replace_vectors(document, read)
        if type(document) is dict and hasattr(document.get("embedding"), "tolist"):
            # The one place whose type admits a list and no array.
            document["embedding"] = document["embedding"].tolist()
    return convert(document)


def document_reroute(
    kind: str, deserialize: Callable[[bytes], Any], serialize: Callable[[Any], bytes]
) -> Callable[[bytes, Route], bytes]:
    """Give a format's `reroute`: the document is changed as it is and never becomes a message."""
    names, flags = (types_of(kind, field) for field in ("model", "stream"))

    def reroute(data: bytes, route: Route) -> bytes:
        def typed(model: Any, stream: Any) -> str:
            return route(model if type(model) in names else UNSET, stream if type(stream) in flags else UNSET)

        document = deserialize(data)
        set_model(document, route if kind == "document" else typed)
        return serialize(document)

    return reroute


def types_of(kind: str, name: str) -> frozenset[type]:
    """List the types that a scalar field takes, none where there is no such field; other values go to `extra`."""
    field = fields_of(message_type(kind)).get(name) if kind != "document" else None
    return frozenset(union_arms(field.type)) if field is not None else frozenset()
