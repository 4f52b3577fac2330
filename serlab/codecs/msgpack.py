"""MessagePack by msgpack-python.

- Integers beyond 64 bits and lone surrogates are refused; NaN and infinities are kept.
- Object keys that are not strings are refused when they are read. Extension types, which JSON has not, are read as
  the library's objects; such a message has no document.
- A Packer is made for each message: `packb`, as most programs call it.
- Variant `msgpack-bin`: vectors as `bin` bytes instead of numbers.

Source: the MessagePack specification.
"""

import msgpack

from serlab.codecs import vectors
from serlab.codecs.base import REFUSALS, Codec
from serlab.codecs.documents import document_stages


def make(name: str, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    write, read = (vectors.to_bin, vectors.from_bin) if name.endswith("-bin") else (vectors.plain, None)
    populate, convert = document_stages(kind, write, read)
    version = ".".join(map(str, msgpack.version))
    refusals = (*REFUSALS, msgpack.UnpackException)
    return Codec(name, kind, version, populate, msgpack.packb, msgpack.unpackb, convert, refusals=refusals)
