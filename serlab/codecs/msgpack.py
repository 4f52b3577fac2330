"""MessagePack by msgpack-python.

- Integers beyond 64 bits and lone surrogates are refused; NaN and infinities are kept.
- A Packer is made for each message: `packb`, as most programs call it.
- Variant `msgpack-bin`: vectors as `bin` bytes instead of numbers.

Source: the MessagePack specification.
"""

from typing import Any

import msgpack

from serlab.codecs import vectors
from serlab.codecs.base import REFUSALS, Codec
from serlab.codecs.documents import document_stages


def make(name: str, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    write, read = (vectors.to_bin, vectors.from_bin) if name.endswith("-bin") else (plain, None)
    populate, convert = document_stages(kind, write, read)
    version = ".".join(map(str, msgpack.version))
    refusals = (*REFUSALS, msgpack.UnpackException)
    return Codec(name, kind, version, populate, msgpack.packb, msgpack.unpackb, convert, refusals=refusals)


def plain(array: Any) -> list[Any]:
    """Write an array as numbers; MessagePack has NaN."""
    values: list[Any] = array.tolist()
    return values
