"""The faults on the wire, and what they look like in each format."""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from serlab.codecs import FLATBUFFERS, JSON, MSGPACK, PROTOBUF, codec_of, open_codec
from serlab.fidelity.cells import NOTHING_STATED
from serlab.fidelity.traps import INFINITY, NAN, levels, same_object, shallow
from serlab.messages import from_document, to_document

# Bytes that no codec here writes, but a stranger may: one row for each fault, with its bytes in each format.
#
# A document is encoded by the format's own codec and its bytes are then damaged, mostly by replacing a mark with
# something of the same length. What a faithful decoder gives is the value that the bytes state; where they state none
# (a key twice, a cut, trailing bytes), every message is a change and only a refusal is faithful.

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


def _put(old: bytes, new: bytes) -> Damage:
    """Replace a mark.

    Raises:
        ValueError: the mark is not in the bytes, so that nothing would be tried.
    """

    def damage(data: bytes) -> bytes:
        if old not in data:
            raise ValueError(f"the mark {old!r} is not in the bytes")
        return data.replace(old, new)

    return damage


def _double(value: float) -> dict[str, Damage]:
    """Replace the marked double in the binary formats."""
    little = _put(struct.pack("<d", MARK), struct.pack("<d", value))
    return {
        MSGPACK.family: _put(struct.pack(">d", MARK), struct.pack(">d", value)),
        PROTOBUF.family: little,
        FLATBUFFERS.family: little,
    }


def _json_text(old: str, new: str, *formats: str) -> dict[str, Damage]:
    """Replace JSON text, which stands in JSON and in the free-form fields of the schema formats."""
    return dict.fromkeys(
        formats or (JSON.family, PROTOBUF.family, FLATBUFFERS.family), _put(old.encode(), new.encode())
    )


def _marked_text(new: bytes, json: bytes) -> dict[str, Damage]:
    """Replace the marked text in every format; JSON may need an escape."""
    binary = _put(TEXT.encode(), new)
    return {
        JSON.family: _put(TEXT.encode(), json),
        MSGPACK.family: binary,
        PROTOBUF.family: binary,
        FLATBUFFERS.family: binary,
    }


def _everywhere(damage: Damage) -> dict[str, Damage]:
    """Do the same in every format."""
    return dict.fromkeys(CODECS, damage)


def _appended(format_: str, document: Any) -> Damage:
    """Append a message in one format."""
    return lambda data: data + encoded(CODECS[format_], document)


NUMBER = str(MARK)
DIGITS = "12345678901234567890"
"""Twenty of them, as 2^64 has."""

CONTENT = {"messages": [{"content": TEXT}]}
TWO_FIELDS = {"model": "m" * 9, "seed": 1}


def _numbers(name: str, json: str, value: float) -> list[Foreign]:
    """Write a number that JSON has not, as JSON's writers do and as a double."""
    text = _json_text(NUMBER, json.ljust(len(NUMBER)), JSON.family, PROTOBUF.family, FLATBUFFERS.family)
    binary = _double(value)
    return [
        Foreign(
            f"{name}, typed", {"temperature": MARK}, {"temperature": value}, {**binary, JSON.family: text[JSON.family]}
        ),
        Foreign(
            f"{name}, free form",
            {"metadata": {"n": MARK}},
            {"metadata": {"n": value}},
            {**text, MSGPACK.family: binary[MSGPACK.family]},
        ),
    ]


def _content(name: str, value: str, binary: bytes, json: bytes, stated: bool = True) -> Foreign:
    """Write a text in a message's content."""
    expected = {"messages": [{"content": value}]} if stated else NOTHING_STATED
    return Foreign(name, CONTENT, expected, _marked_text(binary, json))


def _nested(depth: int) -> Foreign:
    """Nest lists in the metadata."""
    text = "A" * (2 * depth - 1)
    deep = "[" * depth + "1" + "]" * depth
    packed = b"\xda" + len(text).to_bytes(2, "big") + text.encode()
    damage = _json_text(f'"{text}"', deep) | {MSGPACK.family: _put(packed, b"\x91" * depth + b"\x01")}
    return Foreign(f"{depth:,} levels", {"metadata": {"deep": text}}, depth, damage, levels, shallow)


def _message_pack(name: str, value: bytes, expected: object) -> Foreign:
    """Write what only MessagePack has in place of a text."""
    packed = _put(b"\xa6" + TEXT.encode(), value)
    return Foreign(name, {"metadata": {"v": TEXT}}, expected, {MSGPACK.family: packed})


def _cut_before_seed(margin: int) -> Damage:
    """Cut the bytes so many before the name of the second field."""
    return lambda data: data[: data.index(b"seed") - margin]


def _unknown_slot(data: bytes) -> bytes:
    """Write a table with a slot that lies beyond the schema's."""
    from serlab.fidelity import flatbuffers_wire
    from serlab.fidelity.evolution import Field

    return flatbuffers_wire.make(ids=True).write((Field("novel_field", "int32", 2_000),), {"novel_field": 1})


def _always(data: bytes) -> Damage:
    """Return the same bytes whatever came."""
    return lambda _: data


def _json_as(change: Callable[[str], bytes]) -> dict[str, Damage]:
    """Write JSON text in another way."""
    return {JSON.family: lambda data: change(data.decode())}


DUPLICATES = (
    Foreign(
        "key or field twice, typed",
        {"seed": 1, "n": 2},
        NOTHING_STATED,
        {
            JSON.family: _put(b'"n"', b'"seed"'),
            MSGPACK.family: _put(b"\xa1n", b"\xa4seed"),
            PROTOBUF.family: _appended(PROTOBUF.family, {"seed": 2}),
        },
    ),
    Foreign(
        "key twice, free form",
        {"metadata": {"a": 1, "b": 2}},
        NOTHING_STATED,
        _json_text('"b":2', '"a":2') | {MSGPACK.family: _put(b"\xa1b\x02", b"\xa1a\x02")},
    ),
)

NUMBERS = (
    *_numbers("NaN", "NaN", NAN),
    *_numbers("infinity", "Infinity", INFINITY),
    Foreign("1e400, typed", {"temperature": MARK}, NOTHING_STATED, _json_text(NUMBER, "1e400", JSON.family)),
    Foreign("1e400, free form", {"metadata": {"n": MARK}}, NOTHING_STATED, _json_text(NUMBER, "1e400".ljust(9))),
    Foreign(
        "2^63, typed",
        {"seed": 1},
        {"seed": 2**63},
        {
            JSON.family: _put(b'"seed":1', b'"seed":9223372036854775808'),
            MSGPACK.family: _put(b"\xa4seed\x01", b"\xa4seed\xcf\x80" + bytes(7)),
        },
    ),
    Foreign(
        "2^64, free form", {"metadata": {"n": int(DIGITS)}}, {"metadata": {"n": 2**64}}, _json_text(DIGITS, str(2**64))
    ),
    Foreign(
        "integer of 401 digits",
        {"metadata": {"n": MARK}},
        {"metadata": {"n": 10**400}},
        _json_text(NUMBER, str(10**400), JSON.family),
    ),
)

TEXTS = (
    _content("invalid UTF-8", "", b"\xff\xfeRKED", b"\xff\xfeRKED", stated=False),
    _content("lone surrogate", "\ud800KED", b"\xed\xa0\x80KED", b"\\ud800KED"),
    _content("NUL", "\0ARKED", b"\0ARKED", b"\\u0000ARKED"),
    Foreign("byte order mark", {"model": "m"}, {"model": "m"}, _json_as(lambda text: text.encode("utf-8-sig"))),
    Foreign("UTF-16", {"model": "m"}, {"model": "m"}, _json_as(lambda text: text.encode("utf-16"))),
)

SHAPES = (
    Foreign("a byte behind the message", TWO_FIELDS, NOTHING_STATED, _everywhere(lambda data: data + b"x")),
    Foreign(
        "a second message behind",
        TWO_FIELDS,
        NOTHING_STATED,
        {name: _appended(name, {"model": "n"}) for name in CODECS},
    ),
    Foreign("cut in half", TWO_FIELDS, NOTHING_STATED, _everywhere(lambda data: data[: len(data) // 2])),
    Foreign(
        "cut between two fields",
        TWO_FIELDS,
        NOTHING_STATED,
        {
            JSON.family: _cut_before_seed(2),
            MSGPACK.family: _cut_before_seed(1),
            PROTOBUF.family: lambda data: data[: len(encoded(CODECS[PROTOBUF.family], {"model": "m" * 9}))],
        },
    ),
    Foreign("no bytes", {}, NOTHING_STATED, _everywhere(_always(b""))),
    Foreign("64 zero bytes", {}, NOTHING_STATED, _everywhere(_always(bytes(64)))),
    Foreign(
        "field that the type has not",
        {"seed": 1},
        {"novel_field": 1},
        {
            JSON.family: _put(b'"seed"', b'"novel_field"'),
            MSGPACK.family: _put(b"\xa4seed", b"\xabnovel_field"),
            PROTOBUF.family: _always(b"\xf8\xff\x03\x01"),
            FLATBUFFERS.family: _unknown_slot,
        },
    ),
    _nested(200),
    _nested(2_000),
)

PACKED = (
    _message_pack("key that is not a string", b"\x81\x07\x01", {"metadata": {"v": {7: 1}}}),
    _message_pack("bytes", b"\xc4\x06" + TEXT.encode(), {"metadata": {"v": TEXT.encode()}}),
    _message_pack("extension type", b"\xc7\x06\x05" + TEXT.encode(), NOTHING_STATED),
    _message_pack("timestamp", b"\xd6\xff" + bytes(4), NOTHING_STATED),
)

FAULTS: tuple[Foreign, ...] = (*DUPLICATES, *NUMBERS, *TEXTS, *SHAPES, *PACKED)
"""All faults, in the order of the matrix."""
