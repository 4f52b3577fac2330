"""FlatBuffers in pure Python, with schemas/llm.fbs: a generated writer and readers, lazy views, a verifier.

- Absent and empty stay apart by themselves; `nulls` lists the ids of fields that are explicitly null.
- JSON Schemas, metadata and other values without a fixed shape travel as JSON text; NaN and infinities in them are
  written as Python's `json` writes them, which readers in other languages may refuse.
- Token ids and vectors are packed; `open` gives them as numpy arrays over the bytes. Unknown fields are in `extra`.
- Lone surrogates in text are refused: strings are UTF-8.
- `decode` and `open` check every offset, bound, alignment, vtable and string, and what the message would take in
  memory, against `Limits`; what does not hold is a DecodeError. `flatbuffers-unverified` leaves that out: for bytes
  that one's own program wrote. A view reads JSON text when it is touched; what is no JSON raises DecodeError then.
- It reads the buffers of every FlatBuffers library, and those of newer and older schemas: unknown slots are passed
  over, missing ones are absent.
- Short texts that recur are written once, as the format allows; a token's `bytes` share the text of the token.

Source: the FlatBuffers internals page; flatbuffers::Verifier.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from struct import error as StructError
from typing import Any

from serlab.codecs import jsontext
from serlab.codecs.base import REFUSALS, Codec, Route, reason, set_model
from serlab.codecs.flat.readers import read_root, root_of
from serlab.codecs.flat.relay import with_model
from serlab.codecs.flat.shapes import HOT
from serlab.codecs.flat.view import DAMAGE, View, view_class, view_type
from serlab.codecs.flat.walk import LARGE, Walk, wrong
from serlab.codecs.flat.writer import join, writer
from serlab.codecs.guard import length_within
from serlab.codecs.info import CodecInfo
from serlab.errors import DecodeError, EncodeError
from serlab.limits import DEFAULT_LIMITS, Limits
from serlab.messages import message_type
from serlab.messages.extra import check_extra, legal, once


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message; one that verifies does so against the limits of `within`."""
    type_ = message_type(kind)
    refusals = (*REFUSALS, StructError, BufferError)
    stages = (writer(type_), join, bytes_of, partial(decode_unverified, kind), partial(open_unverified, kind))
    codec = Codec(info.name, kind, version("serlab"), *stages, refusals=refusals, learns=HOT, check=legal)
    return with_reader(codec, codec.convert)


def within(codec: Codec, limits: Limits) -> Codec:
    """Bind the codec to limits, which it looks at while it verifies; without them it trusts its bytes."""
    verified = with_reader(codec, partial(decode_verified, codec.message, limits))
    return length_within(replace(verified, view=partial(open_verified, codec.message, limits)), limits)


def with_reader(codec: Codec, read: Callable[[bytes], Any]) -> Codec:
    """Give the codec the function that reads a message, also where it passes one on."""
    has_model = "model" in message_type(codec.message).__struct_fields__
    return replace(codec, convert=read, reroute=partial(relay, codec.message, read) if has_model else None)


def bytes_of(data: Any) -> bytes:
    """Give bytes as they are and copy any other buffer, so that nobody can change what is being read."""
    return data if type(data) is bytes else bytes(data)


def buffer_of(data: Any) -> Any:
    """Give short bytes as they are, and a read-only view of any other buffer, whose parts are then not copied."""
    return data if type(data) is bytes and len(data) < LARGE else memoryview(data).cast("B").toreadonly()


def decode_verified(kind: str, limits: Limits, data: bytes) -> Any:
    """Read a message, checking while reading."""
    check_length(data, limits)
    if len(data) < LARGE:
        return legal(read_root("decode", kind, Walk(data, limits)))
    return legal(read_root("large", kind, Walk(memoryview(data), limits)))


def decode_unverified(kind: str, data: bytes) -> Any:
    """Read a message from bytes that are known to be good."""
    return read_root("trust", kind, Walk(data, DEFAULT_LIMITS))


def open_verified(kind: str, limits: Limits, data: Any) -> View:
    """Verify bytes once and give a view, which then reads without checks."""
    buffer = buffer_of(data)
    verify(kind, buffer, limits)
    return open_unverified(kind, buffer)


def open_unverified(kind: str, data: Any) -> View:
    """Give a view over bytes that are known to be good, such as those that `verify` has passed."""
    buffer = buffer_of(data)
    return view_class(kind)(buffer, root_of(buffer, kind))


def relay(kind: str, read: Callable[[bytes], Any], data: bytes, route: Route) -> bytes:
    """Choose a message's model and write it in its place, and nothing else anew.

    Args:
        kind: the message type's name.
        read: reads a message.
        data: one message, no length prefix.
        route: chooses the model.

    Raises:
        EncodeError: the chosen model is no text that UTF-8 has.
    """
    whole = bytes_of(data)
    message = read(whole)
    set_model(message, route)
    model = message.model
    # What was read is dropped before the message is copied.
    del message
    try:
        return with_model(kind, whole, model)
    except (UnicodeEncodeError, AttributeError) as error:
        raise EncodeError(f"flatbuffers: cannot carry the model {model!r}: {reason(error)}") from error


def verify(kind: str, data: Any, limits: Limits = DEFAULT_LIMITS) -> None:
    """Check that bytes are a message, in one pass, without making it.

    Bytes that passed may then be opened by `flatbuffers-unverified` as often as one likes.

    Args:
        kind: the message type's name.
        data: one message, no length prefix: any buffer.
        limits: the bounds.

    Raises:
        DecodeError: they are not, or go beyond a limit; the text names the table, the place and what was wrong.
    """
    buffer = buffer_of(data)
    check_length(buffer, limits)
    entries = read_root("verify", kind, Walk(buffer, limits))
    if entries:
        check_entries(open_unverified(kind, buffer), entries)


def check_entries(view: View, entries: list[tuple[str, str]]) -> None:
    """Refuse `extra` that no document is written as; JSON text is read where its value decides.

    Args:
        view: the message.
        entries: JSON Pointer and JSON text.
    """
    try:
        check_extra(view, once(entries), view_type, jsontext.loads)
    except DecodeError:
        raise
    except DAMAGE as error:
        raise wrong(reason(error)) from error


def check_length(data: Any, limits: Limits) -> None:
    """Refuse a message that is longer than the limit."""
    if len(data) > limits.max_bytes:
        raise wrong(f"limit max_bytes: expected at most {limits.max_bytes:,} bytes, got {len(data):,}")
