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
from functools import lru_cache, partial
from importlib.metadata import version
from struct import error as StructError
from struct import unpack_from
from typing import Any

from serlab.codecs import jsontext
from serlab.codecs.base import REFUSALS, Codec, Route, reason, set_model
from serlab.codecs.flatbuffers.builder import Out, Seen, put_nulls, put_offsets, put_table, put_text
from serlab.codecs.flatbuffers.layout import OFFSETS, make_form
from serlab.codecs.flatbuffers.read import read_root, root_of
from serlab.codecs.flatbuffers.tables import LARGE, Walk, i32, places_in, tables, wrong
from serlab.codecs.flatbuffers.view import DAMAGE, KINDS, View, read_text, shape_at, vector_at, view_class, view_type
from serlab.codecs.flatbuffers.write import HOT, join, with_root, writer
from serlab.codecs.info import CodecInfo
from serlab.codecs.limits import length_within
from serlab.errors import DecodeError, EncodeError
from serlab.limits import DEFAULT_LIMITS, UNLIMITED, Limits
from serlab.messages import check_extra, legal, message_type, once

# FlatBuffers in pure Python: what the codec `flatbuffers` is made of.
#
# | to write | to read | both |
# |---|---|---|
# | `writer` finds a struct's shape | `readers` compiles and keeps readers | `layout` rows of the schema |
# | `shapes`, `shapelines` write one, `forms` lays it out | `templates`, `assemble` their source | `source` compiles |
# | `parts`, `boxes`, `embeddings` | `tables` what is legal, `walk` what is left of the limits | |
# | | `values`; `view`, `viewshapes` lazily | |


# Give a buffer another `model` without writing the rest again: a new root in front of the old bytes.
#
# Offsets are relative and lead forward, so the old bytes stay as they are and the new root's slots point into them.
# What the old root alone held, its own few bytes and the model's name, stays as well and is not pointed at.
#
# Source: the FlatBuffers internals page.

form_of = lru_cache(256)(make_form)

VIEWED = 256
"""Entries of `extra` that are checked against a view. More are checked against the message: a view of a stranger's is
slow to read where hundreds of vtables take turns, or where its tables list thousands of nulls."""


def _with_model(kind: str, data: bytes, model: str) -> bytes:
    """Return a message with another model.

    Args:
        kind: the message type's name, of one that has a model.
        data: one message that was decoded without an error.
        model: the new model; it also takes the place of a null, and of a value in `extra` that is no name.

    Returns:
        The message; slots of a newer schema are left out, as decoding and encoding leaves them.
    """
    info, root = tables()[kind], root_of(data, kind)
    places = places_in(info, Walk(data, UNLIMITED).vtable_at(root - i32(data, root)[0], kind))
    end = len(data) + -len(data) % 8
    out: Out = [data + bytes(end - len(data))]
    seen: Seen = {}
    values: dict[int, Any] = {}
    text, pos = put_text(model.encode(), out, end, seen)
    for slot in info.slots:
        if slot.attribute == "model":
            if slot.kind == "str":
                values[slot.id], model_id = text, slot.id
        elif slot.name in places:
            place = root + places[slot.name]
            (value,) = unpack_from(f"<{slot.format}", data, place)
            # Positions count from the end, as the writer counts them.
            values[slot.id] = end - place - value if slot.kind in OFFSETS else value
    for slot in info.slots:
        if slot.kind == "nulls" and slot.id in values:
            start, count = vector_at(data, root + places[slot.name], 2)
            ids = tuple(id_ for id_ in unpack_from(f"<{count}H", data, start) if id_ != model_id)
            values[slot.id], pos = put_nulls(ids, out, pos, seen)
        if slot.kind == "extra" and slot.id in values:
            entries = _entries_without_model(data, root + places[slot.name])
            values[slot.id] = pos = put_offsets([end - place for place in entries], out, pos)
    form = form_of(tuple(slot for slot in info.slots if slot.id in values))
    return join(with_root(put_table(form, values, out, pos, seen), out))


def _entries_without_model(data: bytes, slot: int) -> list[int]:
    """List where the entries of `extra` are, without that of a model that is no name."""
    start, count = vector_at(data, slot, 4)
    offsets = unpack_from(f"<{count}I", data, start)
    places = [start + 4 * i + offset for i, offset in enumerate(offsets)]
    info = tables()["Extra"]

    def pointer(place: int) -> str:
        return read_text(data, place + shape_at(info, data, place, KINDS)["pointer"][0])

    return [place for place in places if pointer(place) != "/model"]


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message; one that verifies does so against the limits of `within`."""
    type_ = message_type(kind)
    refusals = (*REFUSALS, StructError, BufferError)
    stages = (writer(type_), join, _bytes_of, partial(_decode_unverified, kind), partial(_open_unverified, kind))
    codec = Codec(info.name, kind, version("serlab"), *stages, refusals=refusals, learns=HOT, check=legal)
    return _with_reader(codec, codec.convert)


def within(codec: Codec, limits: Limits) -> Codec:
    """Bind the codec to limits, which it looks at while it verifies; without them it trusts its bytes."""
    verified = _with_reader(codec, partial(_decode_verified, codec.message, limits))
    return length_within(replace(verified, view=partial(_open_verified, codec.message, limits)), limits)


def _with_reader(codec: Codec, read: Callable[[bytes], Any]) -> Codec:
    """Return the codec with the function that reads a message, also where it passes one on."""
    has_model = "model" in message_type(codec.message).__struct_fields__
    return replace(codec, convert=read, reroute=partial(_relay, codec.message, read) if has_model else None)


def _bytes_of(data: Any) -> bytes:
    """Return bytes as they are and copy any other buffer, so that nobody can change what is being read."""
    return data if type(data) is bytes else bytes(data)


def _buffer_of(data: Any) -> Any:
    """Return short bytes as they are, and a read-only view of any other buffer, whose parts are then not copied."""
    return data if type(data) is bytes and len(data) < LARGE else memoryview(data).cast("B").toreadonly()


def _decode_verified(kind: str, limits: Limits, data: bytes) -> Any:
    """Read a message, checking while reading."""
    _check_length(data, limits)
    if len(data) < LARGE:
        return legal(read_root("decode", kind, Walk(data, limits)))
    return legal(read_root("large", kind, Walk(memoryview(data), limits)))


def _decode_unverified(kind: str, data: bytes) -> Any:
    """Read a message from bytes that are known to be good."""
    return read_root("trust", kind, Walk(data, DEFAULT_LIMITS))


def _open_verified(kind: str, limits: Limits, data: Any) -> View:
    """Verify bytes once and give a view, which then reads without checks."""
    buffer = _buffer_of(data)
    verify(kind, buffer, limits)
    return _open_unverified(kind, buffer)


def _open_unverified(kind: str, data: Any) -> View:
    """Return a view over bytes that are known to be good, such as those that `verify` has passed."""
    buffer = _buffer_of(data)
    return view_class(kind)(buffer, root_of(buffer, kind))


def _relay(kind: str, read: Callable[[bytes], Any], data: bytes, route: Route) -> bytes:
    """Choose a message's model and write it in its place, and nothing else anew.

    Args:
        kind: the message type's name.
        read: reads a message.
        data: one message, no length prefix.
        route: chooses the model.

    Raises:
        EncodeError: the chosen model is no text that UTF-8 has.
    """
    whole = _bytes_of(data)
    message = read(whole)
    set_model(message, route)
    model = message.model
    # What was read is dropped before the message is copied.
    del message
    try:
        return _with_model(kind, whole, model)
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
    buffer = _buffer_of(data)
    _check_length(buffer, limits)
    entries = read_root("verify", kind, Walk(buffer, limits))
    if entries:
        _check_entries(kind, buffer, entries, limits)


def _check_entries(kind: str, buffer: Any, entries: list[tuple[str, str]], limits: Limits) -> None:
    """Refuse `extra` that no document is written as; JSON text is read where its value decides.

    Args:
        kind: the message type's name.
        buffer: the message, verified but for `extra`.
        entries: JSON Pointer and JSON text.
        limits: the bounds.
    """
    try:
        if len(entries) > VIEWED:
            legal(read_root("decode" if type(buffer) is bytes else "large", kind, Walk(buffer, limits)))
        else:
            check_extra(_open_unverified(kind, buffer), once(entries), view_type, jsontext.loads)
    except DecodeError:
        raise
    except DAMAGE as error:
        raise wrong(reason(error)) from error


def _check_length(data: Any, limits: Limits) -> None:
    """Refuse a message that is longer than the limit."""
    if len(data) > limits.max_bytes:
        raise wrong(f"limit max_bytes: expected at most {limits.max_bytes:,} bytes, got {len(data):,}")
