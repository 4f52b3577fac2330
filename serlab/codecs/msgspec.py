"""JSON and MessagePack by msgspec, straight between bytes and the typed messages.

- The library object is the message itself, so populate and convert cost nothing but vectors and `extra`.
- A body with fields that the types do not know is read a second time as plain values, to fill `extra`.
- JSON: NaN and infinities, which msgspec writes as null, are refused, as are lone surrogates. Integers of any
  size are exact.
- JSON: bytes become base64 text and object keys that are not strings become strings without notice; no document has
  either.
- An Encoder and a Decoder are kept. `encode_into` a kept buffer is no faster, since the bytes are then copied out.
- Variants `msgspec-json-fresh` and `msgspec-msgpack-fresh`: the module's functions, which keep nothing.
- MessagePack: integers beyond 64 bits and lone surrogates are refused; NaN, infinities and bytes are kept.

Source: msgspec's documentation.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from serlab.codecs import vectors
from serlab.codecs.base import Codec
from serlab.codecs.documents import document_stages
from serlab.codecs.jsontext import refuse_non_finite
from serlab.messages import from_document, message_type, to_document
from serlab.messages.base import NO_EXTRA
from serlab.messages.vectors import pack_vectors


def make(name: str, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    protocol: Any = msgspec.json if name.startswith("msgspec-json") else msgspec.msgpack
    if name.endswith(("-base64", "-bin")) and kind == "EmbeddingResponse":
        return make_variant(name, kind, protocol)
    json = protocol is msgspec.json
    encode, decode = tools(name, kind, protocol)
    if kind == "document":
        return Codec(name, kind, msgspec.__version__, same_object, partial(write, encode, json), decode, same_object)
    convert = pack_vectors if kind == "EmbeddingResponse" else same_object
    deserialize = partial(read, kind, decode, protocol.decode)
    return Codec(name, kind, msgspec.__version__, without_extra, partial(write, encode, json), deserialize, convert)


def tools(name: str, kind: str, protocol: Any) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """Give encode and decode to the kind's type, of objects that are kept or, for the variant, of the module."""
    hook = vectors.numbers if protocol is msgspec.json else vectors.plain
    type_ = Any if kind == "document" else message_type(kind)
    if name.endswith("-fresh"):
        return partial(protocol.encode, enc_hook=hook), partial(protocol.decode, type=type_)
    return protocol.Encoder(enc_hook=hook).encode, protocol.Decoder(type_).decode


def make_variant(name: str, kind: str, protocol: Any) -> Codec:
    """Bind a variant with vectors in another form: through the document."""
    base64 = protocol is msgspec.json
    forms = (vectors.to_base64, vectors.from_base64) if base64 else (vectors.to_bin, vectors.from_bin)
    populate, convert = document_stages(kind, *forms)
    return Codec(name, kind, msgspec.__version__, populate, protocol.encode, protocol.decode, convert)


def same_object(message: Any) -> Any:
    """Give the message back: it is the library's own object."""
    return message


def without_extra(message: Any) -> Any:
    """Give the message, or the document it stands for if it carries unknown fields."""
    return message if message.extra is NO_EXTRA else to_document(message)


def write(encode: Callable[[Any], bytes], json: bool, message: Any) -> bytes:
    """Encode, and refuse what JSON cannot say."""
    data = encode(message)
    if json:
        refuse_non_finite(data, message)
    return data


def read(kind: str, typed: Callable[[bytes], Any], untyped: Callable[[bytes], Any], data: bytes) -> Any:
    """Decode to the type, or through the document where the type does not cover it."""
    try:
        return typed(data)
    except msgspec.ValidationError:
        return from_document(kind, untyped(data))
