"""JSON and MessagePack by msgspec, straight between bytes and the typed messages.

- The library object is the message itself, so populate and convert cost nothing but vectors and `extra`.
- A body with fields that the types do not know is read a second time as plain values, to fill `extra`.
- JSON: NaN and infinities, which msgspec writes as null, are refused as `orjson` refuses them; so are lone surrogates.
  Integers of any size are exact.
- JSON: bytes become base64 text, and in a message made by hand object keys that are not strings become strings, without
  notice.
- An Encoder and a Decoder are kept. `encode_into` a kept buffer is no faster, since the bytes are then copied out.
- Variants `msgspec-json-fresh` and `msgspec-msgpack-fresh`: the module's functions, which keep nothing.
- MessagePack: integers beyond 64 bits and lone surrogates are refused, and so are object keys that are not strings and
  extension types, see `serlab.codecs.keys`; NaN, infinities and bytes are kept.

Source: msgspec's documentation.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from serlab.codecs import untyped as vectors
from serlab.codecs.base import Codec
from serlab.codecs.info import JSON, CodecInfo
from serlab.codecs.jsontext import check_of
from serlab.codecs.keys import checked, text_keys
from serlab.codecs.untyped import document_stages
from serlab.messages import NO_EXTRA, SEALS, converter, message_type, pack_vectors, set_field, to_document


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    json = info.format.family == JSON.family
    protocol: Any = msgspec.json if json else msgspec.msgpack
    check = check_of(kind, bool(info.vectors)) if json else None
    if info.vectors and kind == "EmbeddingResponse":
        return _make_variant(info.name, kind, protocol, check)
    encode, decode = _tools(info.keep, kind, protocol)
    if kind == "document":
        convert = _same_object if json else checked
        return Codec(info.name, kind, msgspec.__version__, _same_object, encode, decode, convert, check=check)
    convert = pack_vectors if kind == "EmbeddingResponse" else _same_object
    # msgspec's JSON refuses numbers beyond the range of a double, so that what it has read may be sealed.
    convert_untyped = converter(kind, sealing=json, look=None if json else text_keys)
    read = partial(_read_sealed if json else _read_typed, convert_untyped, decode, protocol.decode)
    return Codec(info.name, kind, msgspec.__version__, _without_extra, encode, read, convert, check=check)


def _tools(keep: bool, kind: str, protocol: Any) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """Return encode and decode to the kind's type, of objects that are kept or, for the variant, of the module."""
    type_ = Any if kind == "document" else message_type(kind)
    look: dict[str, Any] = {"dec_hook": text_keys} if protocol is msgspec.msgpack else {}
    if not keep:
        return partial(protocol.encode, enc_hook=vectors.plain), partial(protocol.decode, type=type_, **look)
    return protocol.Encoder(enc_hook=vectors.plain).encode, protocol.Decoder(type_, **look).decode


def _make_variant(name: str, kind: str, protocol: Any, check: Callable[[Any], None] | None) -> Codec:
    """Bind a variant with vectors in another form: through the document."""
    base64 = protocol is msgspec.json
    forms = (vectors.to_base64, vectors.from_base64) if base64 else (vectors.to_bin, vectors.from_bin)
    populate, convert = document_stages(kind, forms[0], forms[1], look=None if base64 else text_keys)
    return Codec(name, kind, msgspec.__version__, populate, protocol.encode, protocol.decode, convert, check=check)


def _same_object(message: Any) -> Any:
    """Return the message: it is the library's own object."""
    return message


def _without_extra(message: Any) -> Any:
    """Return the message, or the document it stands for if it carries unknown fields."""
    return message if message.extra is NO_EXTRA else to_document(message)


def _read_typed(
    convert: Callable[[Any], Any], typed: Callable[[bytes], Any], untyped: Callable[[bytes], Any], data: bytes
) -> Any:
    """Decode to the type, or through the document where the type does not cover it."""
    try:
        return typed(data)
    except msgspec.ValidationError:
        return convert(untyped(data))


def _read_sealed(
    convert: Callable[[Any], Any], typed: Callable[[bytes], Any], untyped: Callable[[bytes], Any], data: bytes
) -> Any:
    """Decode as `_read_typed` does, and seal the message."""
    try:
        message = typed(data)
    except msgspec.ValidationError:
        return convert(untyped(data))
    set_field(message, "seal", SEALS.unbroken)
    return message
