"""Message → document: the typed fields, and what `extra` holds in its place."""

from typing import Any

import msgspec
import numpy as np

from serlab.errors import DocumentError
from serlab.messages.base import NO_EXTRA, Message
from serlab.messages.documents import NOT_JSON, kind_of
from serlab.messages.extra import check_extra
from serlab.messages.pointer import apply_extra


def to_document(message: Any) -> Any:
    """Make the document that a message stands for.

    Args:
        message: a message, or plain JSON values, which are their own document.

    Returns:
        Plain JSON values in the API's wire shape; vectors as lists of numbers.

    Raises:
        DocumentError: the message holds what JSON has not or is nested too deep, or its `extra` belongs to another.
    """
    if not isinstance(message, Message):
        return message
    try:
        return with_extra(message, msgspec.to_builtins(message, builtin_types=NOT_JSON, enc_hook=plain))
    except RecursionError as error:
        raise DocumentError(f"{kind_of(message)}: nested too deep; expected fewer levels") from error


def with_extra(message: Message, document: dict[str, Any]) -> Any:
    """Put `extra` back where it came from, in place.

    Raises:
        DocumentError: an entry is none that `from_document` writes.
    """
    if message.extra is NO_EXTRA:
        return document
    check_extra(message, message.extra)
    document.pop("$extra", None)
    return apply_extra(document, message.extra)


def plain(value: Any) -> Any:
    """Give an array as a list; msgspec asks for this where it meets an unknown type."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise DocumentError(f"a message holds a {type(value).__name__}; expected JSON values or a numpy array")
