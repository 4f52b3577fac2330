"""MessagePack by msgpack-python.

- Integers beyond 64 bits and lone surrogates are refused; NaN and infinities are kept.
- Object keys that are not strings are refused when they are read, and so are extension types, which JSON has not; see
  `serlab.codecs.keys`.
- Each thread keeps a Packer: a short message is written in 0.9 × the time of `packb`, which makes one for each message;
  from 60 kB on there is no difference. A Packer writes into one buffer, and msgpack does not promise that threads may
  share it; the look-up of the thread's own costs 60 ns of 800.
- Variant `msgpack-fresh`: a Packer for each message: `packb`, as most programs call it.
- Variant `msgpack-bin`: vectors as `bin` bytes instead of numbers.

Source: the MessagePack specification.
"""

import threading
from collections.abc import Callable
from typing import Any

import msgpack

from serlab.codecs import untyped
from serlab.codecs.base import REFUSALS, Codec
from serlab.codecs.info import CodecInfo
from serlab.codecs.keys import checked, text_keys
from serlab.codecs.untyped import document_reroute, document_stages


class _Kept(threading.local):
    """A thread's own Packer; `autoreset` empties its buffer after each message, also after a refused one."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer(autoreset=True).pack


def _keeping() -> Callable[[Any], bytes]:
    """Return a function that writes plain values with a Packer that each thread keeps."""
    kept = _Kept()

    def serialize(document: Any) -> bytes:
        data: bytes = kept.pack(document)
        return data

    return serialize


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    write, read = (untyped.to_bin, untyped.from_bin) if info.vectors else (untyped.plain, None)
    populate, convert = document_stages(kind, write, read, look=text_keys)
    version = ".".join(map(str, msgpack.version))
    refusals = (*REFUSALS, msgpack.UnpackException)
    write_all = _keeping() if info.keep else msgpack.packb
    reroute = document_reroute(kind, lambda data: checked(msgpack.unpackb(data)), write_all)
    stages = (populate, write_all, msgpack.unpackb, convert)
    return Codec(info.name, kind, version, *stages, refusals=refusals, reroute=reroute)
