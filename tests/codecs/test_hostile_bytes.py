"""Bytes from a stranger: `decode` raises DecodeError or gives a message, and nothing else.

FlatBuffers in Python has no verifier, so for it this says only that no other exception comes out; what it reads from
damaged bytes may be anything. protobuf accepts a message that ends between two fields.
"""

from random import Random
from typing import Any

import pytest

from serlab.codecs import Codec, codec_info, codec_names, open_codec
from serlab.errors import DecodeError, EncodeError, SerlabError
from serlab.messages import MESSAGE_TYPES, from_document, to_document
from tests.support.documents import DOCUMENTS
from tests.support.loops import every

SELF_DELIMITING = [name for name in codec_names() if not codec_info(name).schema]
HOSTILE = {
    "empty": b"",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "json-nan": b'{"temperature":NaN}',
    "json-deep": b"[" * 100_000,
    "json-deep-object": b'{"metadata":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "json-trailing": b"{} {}",
    "json-latin-1": '{"model":"é"}'.encode("latin-1"),
    "json-huge-digits": b'{"seed":' + b"1" * 5000 + b"}",
    "msgpack-deep": b"\x91" * 100_000 + b"\xc0",
    "msgpack-4-giga-elements": b"\xdd\xff\xff\xff\xff",
    "msgpack-4-giga-keys": b"\xdf\xff\xff\xff\xff",
    "msgpack-extension": b"\x81\xa8metadata\xd4\x01x",
    "msgpack-timestamp": b"\x81\xa8metadata\xd6\xff\x00\x00\x00\x00",
    "msgpack-integer-key": b"\x81\x01\x02",
    "msgpack-list-key": b"\x81\x91\x01\x02",
    "msgpack-trailing": b"\x80\x80",
    "protobuf-unknown-field": b"\xfa\xff\x03\x00",
    "protobuf-null-of-no-field": b"\x0a\x02\xff\x7f",
}


def decode_or_refuse(bound: Codec, data: bytes) -> Any:
    """Decode and read everything; give the message, or None if it was refused."""
    try:
        message = bound.decode(data)
    except DecodeError:
        return None
    assert bound.message in ("document", type(message).__name__)
    for use in (to_document, bound.encode):
        try:
            use(message)
        except (SerlabError, EncodeError):
            continue
    return message


@every("codec", codec_names())
@every("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_raise_nothing_but_decode_error(codec: str, data: bytes) -> None:
    """Deep nesting, claimed sizes, foreign types and other formats' bytes."""
    bound = open_codec(codec, "ChatRequest")
    decode_or_refuse(bound, data)
    try:
        bound.open(data)
    except DecodeError as error:
        assert codec in str(error)


@every("codec", codec_names())
@every("kind", MESSAGE_TYPES)
def test_damaged_bytes_raise_nothing_but_decode_error(codec: str, kind: str) -> None:
    """Flipped, inserted and deleted bytes, from a fixed seed."""
    random, bound = Random(f"{codec}/{kind}"), open_codec(codec, kind)
    whole = bound.encode(from_document(kind, DOCUMENTS[kind]))
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(1 + int(random.random() * 3)):
            place = int(random.random() * len(data))
            data[place : place + int(random.random() * 3)] = random.randbytes(int(random.random() * 3))
        refused += decode_or_refuse(bound, bytes(data)) is None
    assert refused


@every("codec", SELF_DELIMITING)
@every("kind", MESSAGE_TYPES)
def test_truncated_bytes_raise_decode_error(codec: str, kind: str) -> None:
    """No proper beginning of a message is one."""
    bound = open_codec(codec, kind)
    whole = bound.encode(from_document(kind, DOCUMENTS[kind]))
    for length in range(0, len(whole), 1 + len(whole) // 97):
        with pytest.raises(DecodeError):
            bound.decode(whole[:length])


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_truncated_protobuf_is_refused_inside_a_field(kind: str) -> None:
    """Between two fields the format has no way to tell, which its codec documents."""
    bound = open_codec("protobuf", kind)
    whole = bound.encode(from_document(kind, DOCUMENTS[kind]))
    refused = [decode_or_refuse(bound, whole[:length]) is None for length in range(len(whole))]
    assert any(refused)
    assert not all(refused), "the empty message is a message"


@pytest.mark.parametrize("codec", ["json", "orjson", "msgpack", "msgspec-json", "msgspec-msgpack", "protobuf"])
def test_decode_error_says_what_was_expected_and_what_came(codec: str) -> None:
    """The text names the codec, the kind and the number of bytes, and the library's complaint is the cause."""
    with pytest.raises(DecodeError, match=rf"{codec}: expected one whole ChatRequest, got 3 bytes") as caught:
        open_codec(codec, "ChatRequest").decode(b"\xff\xff\xff")
    assert caught.value.__cause__ is not None
