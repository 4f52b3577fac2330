"""The variants of each pair of `serlab.service.pools.pairs`: what is called, and with what.

A pair is (message → what its calls take, name → call). All calls of a pair write the same bytes, or read the same
message.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import flatbuffers
import msgpack
import msgspec
import orjson

from serlab.codecs import codec_for, codec_on, flatofficial, open_codec, vectors
from serlab.codecs.protobuf import KEPT
from serlab.codecs.protowriter import shaper
from serlab.generated import llm_pb2
from serlab.messages import message_type
from serlab.service.pools.objects import FIRST_BYTES, buffers, builders, packers

Call = Callable[[Any], Any]
Variants = tuple[Call, dict[str, Call]]

RENEWED = 64
"""Uses of a protobuf message before it is renewed: it grows by its own size and more with each."""


def buffer_variants(protocol: ModuleType, kind: str) -> Variants:
    """`encode` to new bytes against `encode_into` a buffer, in one of msgspec's protocols."""
    encoder = protocol.Encoder(enc_hook=vectors.plain)
    write, own, pool = encoder.encode_into, bytearray(), buffers()

    def pooled(item: Any) -> None:
        with pool.lease() as buffer:
            write(item, buffer)

    def copied(item: Any) -> bytes:
        with pool.lease() as buffer:
            write(item, buffer)
            return bytes(buffer)

    calls: dict[str, Call] = {
        "fresh": encoder.encode,
        "kept": lambda item: write(item, own),
        "pooled": pooled,
        "copied": copied,
    }
    return open_codec(codec_on(protocol), kind).populate, calls


def orjson_variants(kind: str) -> Variants:
    """A new buffer of orjson's bytes against a kept one: reuse saves the buffer and not the bytes."""
    arrays = kind == "EmbeddingResponse"
    dumps = partial(orjson.dumps, option=orjson.OPT_SERIALIZE_NUMPY) if arrays else orjson.dumps
    pool, own = buffers(), bytearray()

    def kept(item: Any) -> None:
        own[:] = dumps(item)

    def pooled(item: Any) -> None:
        with pool.lease() as buffer:
            buffer[:] = dumps(item)

    def fresh(item: Any) -> bytearray:
        return bytearray(dumps(item))

    return open_codec(codec_on(orjson), kind).populate, {"fresh": fresh, "kept": kept, "pooled": pooled, "bytes": dumps}


def packer_variants(kind: str) -> Variants:
    """`packb`, which makes a Packer for each message, against a kept one."""
    pool, own = packers(), msgpack.Packer(autoreset=True).pack

    def pooled(item: Any) -> Any:
        with pool.lease() as packer:
            return packer.pack(item)

    return open_codec(codec_on(msgpack), kind).populate, {"fresh": msgpack.packb, "kept": own, "pooled": pooled}


def builder_variants(kind: str) -> Variants:
    """A new Builder for each message against one that is cleared."""
    write, pool, own = flatofficial.writer(message_type(kind)), builders(), flatbuffers.Builder(FIRST_BYTES)

    def build(builder: Any, message: Any) -> bytes:
        builder.Finish(write(builder, message))
        return bytes(builder.Output())

    def kept(message: Any) -> bytes:
        own.Clear()
        return build(own, message)

    def pooled(message: Any) -> bytes:
        with pool.lease() as builder:
            return build(builder, message)

    def fresh(message: Any) -> bytes:
        return build(flatbuffers.Builder(FIRST_BYTES), message)

    return lambda message: message, {"fresh": fresh, "kept": kept, "pooled": pooled}


class Renewed:
    """A protobuf message that is used again, and replaced every so many uses."""

    def __init__(self, cls: Any, uses: int = RENEWED) -> None:
        self.cls, self.uses, self.left = cls, uses, 0
        self.message: Any = None

    def __call__(self) -> Any:
        """Give it."""
        if not self.left:
            self.message, self.left = self.cls(), self.uses
        self.left -= 1
        return self.message


def message_encode_variants(kind: str) -> Variants:
    """A new message against one that is cleared and filled again, both serialized."""
    cls, shape = getattr(llm_pb2, kind), shaper(message_type(kind))
    renewed = Renewed(cls)

    def kept(fields: dict[str, Any]) -> Any:
        message = renewed()
        message.Clear()
        message.__init__(**fields)
        return message.SerializeToString()

    def prepare(message: Any) -> Any:
        return shape(msgspec.to_builtins(message, builtin_types=KEPT))

    return prepare, {"fresh": lambda fields: cls(**fields).SerializeToString(), "kept": kept}


def message_decode_variants(kind: str) -> Variants:
    """A new message against one that is parsed into again; `ParseFromString` clears it first."""
    cls = getattr(llm_pb2, kind)
    renewed = Renewed(cls)

    def kept(data: bytes) -> Any:
        message = renewed()
        message.ParseFromString(data)
        return message

    return open_codec(codec_for("grpc"), kind).encode, {"fresh": cls.FromString, "kept": kept}
