"""Bytes that no codec here writes, but a stranger may: one row for each fault, with its bytes in each format.

A document is encoded by the format's own codec and its bytes are then damaged, mostly by replacing a mark with
something of the same length. What a faithful decoder gives is the value that the bytes state; where they state none
(a key twice, a cut, trailing bytes), every message is a change and only a refusal is faithful.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from serlab.codecs import FLATBUFFERS, JSON, MSGPACK, PROTOBUF, codec_of, open_codec
from serlab.fidelity.traps import same_object
from serlab.messages import from_document, to_document

KIND = "ChatRequest"
CODECS = {wire_format.family: codec_of(wire_format) for wire_format in (JSON, MSGPACK, PROTOBUF, FLATBUFFERS)}
"""Format → the codec that writes it for all."""

PROBE = {"model": "probe", "temperature": 0.5, "messages": [{"role": "user", "content": "a"}]}
MARK = 1234.5678
TEXT = "MARKED"
"""What the damage replaces: in bytes of eight and of six."""

Damage = Callable[[bytes], bytes]


class Foreign(NamedTuple):
    """A fault on the wire.

    Attributes:
        name: what is wrong.
        document: what is encoded before the damage.
        expected: the document that the damaged bytes state, or `NOTHING_STATED`.
        damage: format → what is done to the bytes; a format that is not there has no such fault.
        look: document → what is compared, where that is not the whole of it.
        walk: message → document.
    """

    name: str
    document: Any
    expected: Any
    damage: dict[str, Damage]
    look: Callable[[Any], Any] = same_object
    walk: Callable[[Any], Any] = to_document


def bytes_of(fault: Foreign, format_: str) -> bytes:
    """Write a fault's bytes.

    Args:
        fault: one that the format has.
        format_: one of `CODECS`.
    """
    return fault.damage[format_](encoded(CODECS[format_], fault.document))


def encoded(codec: str, document: Any) -> bytes:
    """Write a document by a codec."""
    return open_codec(codec, KIND).encode(from_document(KIND, document))


def put(old: bytes, new: bytes) -> Damage:
    """Replace a mark.

    Raises:
        ValueError: the mark is not in the bytes, so that nothing would be tried.
    """

    def damage(data: bytes) -> bytes:
        if old not in data:
            raise ValueError(f"the mark {old!r} is not in the bytes")
        return data.replace(old, new)

    return damage


def double(value: float) -> dict[str, Damage]:
    """Replace the marked double in the binary formats."""
    little = put(struct.pack("<d", MARK), struct.pack("<d", value))
    return {
        MSGPACK.family: put(struct.pack(">d", MARK), struct.pack(">d", value)),
        PROTOBUF.family: little,
        FLATBUFFERS.family: little,
    }


def json_text(old: str, new: str, *formats: str) -> dict[str, Damage]:
    """Replace JSON text, which stands in JSON and in the free-form fields of the schema formats."""
    return dict.fromkeys(formats or (JSON.family, PROTOBUF.family, FLATBUFFERS.family), put(old.encode(), new.encode()))


def marked_text(new: bytes, json: bytes) -> dict[str, Damage]:
    """Replace the marked text in every format; JSON may need an escape."""
    binary = put(TEXT.encode(), new)
    return {
        JSON.family: put(TEXT.encode(), json),
        MSGPACK.family: binary,
        PROTOBUF.family: binary,
        FLATBUFFERS.family: binary,
    }


def everywhere(damage: Damage) -> dict[str, Damage]:
    """Do the same in every format."""
    return dict.fromkeys(CODECS, damage)


def appended(format_: str, document: Any) -> Damage:
    """Append a message in one format."""
    return lambda data: data + encoded(CODECS[format_], document)
