"""The libraries by themselves, with their defaults: what happens to a value without serlab.

The schema-less ones take the document as it is. protobuf and FlatBuffers take a typed value in a field of its own type
(int64, double, float32 vector, string), and a free-form one in what each has for that: `google.protobuf.Struct` and
FlexBuffers.

Source: each library's documentation; RFC 8259; the MessagePack specification; the FlexBuffers page.
"""

from collections.abc import Callable
from typing import Any

from serlab.codecs import FLATBUFFERS, PROTOBUF, WireFormat, codec_info
from serlab.fidelity.schemas import Field, Wire, wire
from serlab.fidelity.traps import FREE, TYPED, VECTOR, Trap

Both = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]
TYPES = {"seed": "int64", "temperature": "double", "model": "string", "messages": "string"}
"""Field of ChatRequest → the type that its value has in a schema; of messages the first content."""


def struct_() -> Both:
    """Take protobuf's own JSON object."""
    from google.protobuf import json_format, struct_pb2

    def write(value: Any) -> bytes:
        data: bytes = json_format.ParseDict(value, struct_pb2.Struct()).SerializeToString()
        return data

    return write, lambda data: json_format.MessageToDict(struct_pb2.Struct.FromString(data))


def flexbuffers_() -> Both:
    """Take FlatBuffers' schema-less sibling."""
    from flatbuffers import flexbuffers

    return lambda value: bytes(flexbuffers.Dumps(value)), flexbuffers.Loads


SCHEMA: dict[WireFormat, tuple[Callable[[], Wire], Callable[[], Both]]] = {
    PROTOBUF: (wire("protobuf_wire", "make"), struct_),
    FLATBUFFERS: (wire("flatbuffers_wire", "make"), flexbuffers_),
}
"""Format with a schema → what makes its wire, and its writer and reader of free-form values."""


def is_plain(codec: str) -> bool:
    """Tell whether a codec's library writes and reads plain values by itself."""
    return bool(codec_info(codec).plain)


def has_library(codec: str) -> bool:
    """Tell whether a codec's library can be tried by itself, beside what serlab makes of it."""
    info = codec_info(codec)
    return not info.variant_of and (is_plain(codec) or info.format in SCHEMA)


def through_library(name: str, trap: Trap) -> tuple[Any, Any] | None:
    """Send a trap through a library alone.

    Args:
        name: of a codec for which `has_library`.
        trap: what is sent.

    Returns:
        What was expected and what came; None where the library has no place for it.

    Raises:
        Exception: whatever the library refuses with.
    """
    info = codec_info(name)
    if info.plain:
        write, read = info.plain_functions()
        return trap.look(trap.document), trap.look(read(write(trap.document)))
    make, free_form = SCHEMA[info.format]
    if trap.place == FREE:
        write, read = free_form()
        return trap.look(trap.document), trap.look({"metadata": read(write(trap.document["metadata"]))})
    type_, value = typed_value(trap)
    if value is None:
        return None
    schema, found = (Field("value", type_, 1),), make()
    return value, found.read(schema, found.write(schema, {"value": value})).get("value")


def typed_value(trap: Trap) -> tuple[str, Any]:
    """Give the one value of a trap and its type in a schema; None where it has none."""
    if trap.place == VECTOR:
        return "floats", trap.document["data"][0]["embedding"]
    if trap.place != TYPED:
        return "", None
    name, value = next(iter(trap.document.items()))
    if type(value) is list:
        return TYPES[name], value[0]["content"] if value else None
    return TYPES[name], value
