"""Damaged FlatBuffers: what must hold of any bytes at all.

`python -m tests.fuzz.damage` tries every value of every byte and every truncation of one small buffer per message
type, by both writers; the tests take a part of them.
"""

import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import verify
from serlab.errors import DecodeError
from serlab.messages import MESSAGE_TYPES, from_document
from tests.support.documents import DOCUMENTS

WRITERS = ("flatbuffers", "flatbuffers-official")


def whole(writer: str, kind: str) -> bytes:
    """Encode the hand-made document of a kind."""
    return open_codec(writer, kind).encode(from_document(kind, DOCUMENTS[kind]))


def damaged(data: bytes, values: range = range(256), step: int = 1) -> Iterator[bytes]:
    """Yield one-byte corruptions and truncations of a buffer."""
    for place in range(0, len(data), step):
        yield data[:place]
        for value in values:
            if value != data[place]:
                yield data[:place] + bytes([value]) + data[place + 1 :]


def touch(value: Any) -> None:
    """Read everything through a view."""
    if isinstance(value, str | bytes | bool | int | float | np.ndarray | dict | None):
        return
    if hasattr(value, "materialize"):
        for name in dir(value):
            if not name.startswith("_") and name != "materialize":
                try:
                    touch(getattr(value, name))
                except DecodeError:
                    continue
    elif hasattr(value, "__len__"):
        for item in value:
            touch(item)


def outcome(call: Any, *arguments: Any) -> Any:
    """Call and give the result, or the DecodeError; anything else comes out."""
    try:
        return call(*arguments)
    except DecodeError as error:
        return error


def check(kind: str, data: bytes) -> bool:
    """Check what must hold of any bytes, and tell whether they were decoded.

    Only DecodeError is raised; what the verifier passes is decoded, unless JSON text in it is none; a view of it gives
    the same message; without the verifier too nothing but DecodeError comes out.
    """
    codec, trusting = open_codec("flatbuffers", kind), open_codec("flatbuffers-unverified", kind)
    message = outcome(codec.decode, data)
    verified = outcome(verify, kind, data)
    refused = isinstance(message, DecodeError)
    if verified is None:
        view = codec.open(data)
        touch(view)
        copy = outcome(view.materialize)
        assert isinstance(copy, DecodeError) == refused
        assert refused or repr(copy) == repr(message)
        assert not refused or "JSON" in str(message), message
    else:
        assert refused
        assert isinstance(outcome(codec.open, data), DecodeError)
    outcome(trusting.decode, data)
    view = outcome(trusting.open, data)
    if not isinstance(view, DecodeError):
        outcome(touch, view)
    return not refused


def main() -> None:
    """Run everything."""
    for kind in MESSAGE_TYPES:
        for writer in WRITERS:
            start, slowest, count, passed = time.perf_counter(), 0.0, 0, 0
            for data in damaged(whole(writer, kind)):
                began = time.perf_counter()
                passed += check(kind, data)
                slowest, count = max(slowest, time.perf_counter() - began), count + 1
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            spent = time.perf_counter() - start
            print(f"{kind} by {writer}: {count:,} buffers, {passed:,} decoded, {spent:.0f} s, {memory} MB", end="")
            print(f", slowest {slowest * 1000:.1f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(main())
