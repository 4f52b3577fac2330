"""Both matrices: every codec with every trap and every fault, every format with every change."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from serlab.codecs import FLATBUFFERS, PROTOBUF, WireFormat, codec_info, codec_names, open_codec, reason
from serlab.errors import DocumentError, UnknownNameError
from serlab.fidelity.cells import (
    FAILED,
    FOREIGN,
    LIBRARY,
    LIBRARY_FOREIGN,
    MISSING,
    NO_CASE,
    ROUND_TRIP,
    Cell,
    brief_text,
    judged,
)
from serlab.fidelity.evolution import Field, Wire, wire
from serlab.fidelity.faults import CODECS, FAULTS, KIND, PROBE, Foreign, bytes_of, encoded
from serlab.fidelity.traps import FREE, TRAPS, TYPED, VECTOR, Trap

# The libraries by themselves, with their defaults: what happens to a value without serlab.
#
# The schema-less ones take the document as it is. protobuf and FlatBuffers take a typed value in a field of its own
# type (int64, double, float32 vector, string), and a free-form one in what each has for that: `google.protobuf.Struct`
# and FlexBuffers.
#
# Source: each library's documentation; RFC 8259; the MessagePack specification; the FlexBuffers page.

Both = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]
TYPES = {"seed": "int64", "temperature": "double", "model": "string", "messages": "string"}
"""Field of ChatRequest → the type that its value has in a schema; of messages the first content."""


def _struct_() -> Both:
    """Take protobuf's own JSON object."""
    from google.protobuf import json_format, struct_pb2

    def write(value: Any) -> bytes:
        data: bytes = json_format.ParseDict(value, struct_pb2.Struct()).SerializeToString()
        return data

    return write, lambda data: json_format.MessageToDict(struct_pb2.Struct.FromString(data))


def _flexbuffers_() -> Both:
    """Take FlatBuffers' schema-less sibling."""
    from flatbuffers import flexbuffers

    return lambda value: bytes(flexbuffers.Dumps(value)), flexbuffers.Loads


SCHEMA: dict[WireFormat, tuple[Callable[[], Wire], Callable[[], Both]]] = {
    PROTOBUF: (wire("protobuf_wire", "make"), _struct_),
    FLATBUFFERS: (wire("flatbuffers_wire", "make"), _flexbuffers_),
}
"""Format with a schema → what makes its wire, and its writer and reader of free-form values."""


def _is_plain(codec: str) -> bool:
    """Return whether a codec's library writes and reads plain values by itself."""
    return bool(codec_info(codec).plain)


def has_library(codec: str) -> bool:
    """Return whether a codec's library can be tried by itself, beside what serlab makes of it."""
    info = codec_info(codec)
    return not info.variant_of and (_is_plain(codec) or info.format in SCHEMA)


def _through_library(name: str, trap: Trap) -> tuple[Any, Any] | None:
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
    type_, value = _typed_value(trap)
    if value is None:
        return None
    schema, found = (Field("value", type_, 1),), make()
    return value, found.read(schema, found.write(schema, {"value": value})).get("value")


def _typed_value(trap: Trap) -> tuple[str, Any]:
    """Return the one value of a trap and its type in a schema; None where it has none."""
    if trap.place == VECTOR:
        return "floats", trap.document["data"][0]["embedding"]
    if trap.place != TYPED:
        return "", None
    name, value = next(iter(trap.document.items()))
    if type(value) is list:
        return TYPES[name], value[0]["content"] if value else None
    return TYPES[name], value


Attempt = Callable[[], tuple[Any, Any]]
WITHOUT_DOCUMENT = "a message that has no document"


def chosen(names: Sequence[str]) -> list[str]:
    """Resolve the codecs: those that were named, or all, installed or not.

    Raises:
        UnknownNameError: there is no codec of that name.
    """
    known = codec_names()
    for name in names:
        if name not in known:
            raise UnknownNameError.of("codec", name, known)
    return list(dict.fromkeys(names)) or known


def fidelity_cells(codecs: Sequence[str]) -> list[Cell]:
    """Send every trap through every codec, and through its library where that can be tried by itself.

    Args:
        codecs: names of the registry; a codec whose package is missing has cells that say so.

    Returns:
        The cells in the order of directions, traps and codecs.
    """
    libraries = [name for name in codecs if has_library(name)]
    plain = [name for name in libraries if _is_plain(name)]
    return [
        *(_trap_cell(codec, trap) for trap in TRAPS for codec in codecs),
        *(_fault_cell(codec, fault) for fault in FAULTS for codec in codecs),
        *(_library_cell(codec, trap) for trap in TRAPS for codec in libraries),
        *(_library_fault_cell(codec, fault) for fault in FAULTS for codec in plain),
    ]


def _trap_cell(codec: str, trap: Trap) -> Cell:
    """Send a trap through a codec and back."""

    def attempt() -> tuple[Any, Any]:
        bound = open_codec(codec, trap.kind)
        back = bound.decode(bound.encode(trap.build()))
        return trap.look(trap.document), _seen(trap, back)

    return Cell(codec, trap.name, ROUND_TRIP, *judged(attempt))


def _fault_cell(codec: str, fault: Foreign) -> Cell:
    """Have a codec decode bytes with a fault."""
    outcome, format_ = _find_format(codec)
    if outcome:
        return Cell(codec, fault.name, FOREIGN, outcome, format_)
    if format_ not in fault.damage:
        return Cell(codec, fault.name, FOREIGN, NO_CASE, "")
    attempt = _decoding(fault, format_, lambda data: _seen(fault, open_codec(codec, KIND).decode(data)))
    return Cell(codec, fault.name, FOREIGN, *judged(attempt))


@cache
def _find_format(codec: str) -> tuple[str, str]:
    """Return no outcome and the format, or the outcome for all faults and its reason."""
    try:
        encoded(codec, PROBE)
    except ImportError as error:
        return MISSING, brief_text(str(error))
    except Exception as error:
        return FAILED, brief_text(f"cannot write the plainest message: {reason(error)}")
    family = codec_info(codec).format.family
    return ("", family) if family in CODECS else (NO_CASE, "a format of its own")


def _decoding(fault: Foreign, format_: str, decode: Callable[[bytes], Any]) -> Attempt:
    """Prepare the bytes of a fault and their decoding."""
    return lambda: (fault.expected, decode(bytes_of(fault, format_)))


def _seen(source: Trap | Foreign, message: Any) -> Any:
    """Return what is compared of a message that came back."""
    try:
        return source.look(source.walk(message))
    except DocumentError:
        return WITHOUT_DOCUMENT


def _library_cell(codec: str, trap: Trap) -> Cell:
    """Send a trap through a library by itself; whatever it raises is its refusal."""
    found: tuple[Any, Any] | None = (None, None)

    def attempt() -> tuple[Any, Any]:
        nonlocal found
        found = _through_library(codec, trap)
        return found or (None, None)

    outcome, detail = judged(attempt, Exception)
    return Cell(codec, trap.name, LIBRARY, *((outcome, detail) if found else (NO_CASE, "")))


def _library_fault_cell(codec: str, fault: Foreign) -> Cell:
    """Have a library by itself decode bytes with a fault."""
    info = codec_info(codec)
    format_ = info.format.family
    if format_ not in fault.damage:
        return Cell(codec, fault.name, LIBRARY_FOREIGN, NO_CASE, "")
    attempt = _decoding(fault, format_, lambda data: fault.look(info.plain_functions()[1](data)))
    return Cell(codec, fault.name, LIBRARY_FOREIGN, *judged(attempt, Exception))
