"""Protocol Buffers by protobuf's upb runtime, with schemas/llm.proto.

- Absent, null and empty stay apart: presence, `nulls` and `empties` (field numbers).
- JSON Schemas, metadata and other values without a fixed shape travel as JSON text; NaN and infinities in them are
  written as Python's `json` writes them, which readers in other languages may refuse.
- Token ids and vectors are packed; ids that are wide or nested travel as JSON text. Unknown fields are in `extra`.
- Lone surrogates in text are refused (protobuf strings are UTF-8); so is a message truncated inside a field, but not
  one truncated between two: the format has no end mark. Put a frame around it (`serlab.frames`) where that can happen.

The route there and back is the fastest that was found. A message becomes plain values in one call of msgspec, these the
keyword arguments of one nested constructor call, which upb runs in C; on the way back only fields that are there are
visited.

Source: the protobuf encoding guide; the Python generated-code guide.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import google.protobuf
import msgspec
import numpy as np
from google.protobuf.message import DecodeError as LibraryDecodeError
from google.protobuf.message import EncodeError as LibraryEncodeError

from serlab.codecs.base import REFUSALS, Codec, Route, reason, set_model
from serlab.codecs.info import CodecInfo
from serlab.codecs.protoreader import reader
from serlab.codecs.protowriter import Care, shaper
from serlab.errors import EncodeError
from serlab.generated import llm_pb2
from serlab.messages import Message, message_type
from serlab.messages.documents import NOT_JSON
from serlab.messages.extra import legal
from serlab.messages.finite import is_sealed

KEPT = (*NOT_JSON, np.ndarray)
"""What msgspec hands on as it is."""


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    type_, cls = message_type(kind), getattr(llm_pb2, kind)
    stages = (populator(type_, cls), cls.SerializeToString, cls.FromString, reader(type_))
    refusals = (*REFUSALS, LibraryDecodeError, LibraryEncodeError)
    reroute = partial(relay, cls, stages[3]) if "model" in type_.__struct_fields__ else None
    return Codec(info.name, kind, google.protobuf.__version__, *stages, refusals=refusals, reroute=reroute, check=legal)


def relay(cls: Any, convert: Callable[[Any], Any], data: bytes, route: Route) -> bytes:
    """Choose a message's model and write it into the library's object, so that nothing else is made anew.

    Args:
        cls: the library's class.
        convert: makes a message of its object, or refuses what is none.
        data: one message, no length prefix.
        route: chooses the model.

    Raises:
        EncodeError: the chosen model is no text that UTF-8 has.
    """
    box = cls.FromString(data)
    message = convert(box)
    set_model(message, route)
    model = message.model
    # What was read is dropped before the bytes are written.
    del message
    try:
        box.model = model
    except (TypeError, ValueError) as error:
        raise EncodeError(f"protobuf: cannot carry the model {model!r}: {reason(error)}") from error
    number = cls.DESCRIPTOR.fields_by_name["model"].number
    if number in box.nulls:
        box.nulls[:] = [null for null in box.nulls if null != number]
    if any(entry.pointer == "/model" for entry in box.extra):
        kept = [entry for entry in box.extra if entry.pointer != "/model"]
        del box.extra[:]
        box.extra.extend(kept)
    written: bytes = box.SerializeToString()
    return written


def populator(type_: type[Message], cls: Any) -> Callable[[Any], Any]:
    """Build the function that makes a protobuf object of a message."""
    trusting, sealed, careful = shaper(type_), shaper(type_, Care(numbers=False)), shaper(type_, Care(tokens=True))
    to_builtins = msgspec.to_builtins

    def populate(message: Any) -> Any:
        try:
            shape = sealed if is_sealed(message) else trusting
            return cls(**shape(to_builtins(message, builtin_types=KEPT)))
        except (TypeError, ValueError):
            # Token ids that do not pack, which upb finds out by itself, or a message that no second look will save.
            return cls(**careful(to_builtins(message, builtin_types=KEPT)))

    return populate
