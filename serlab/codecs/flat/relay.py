"""Give a buffer another `model` without writing the rest again: a new root in front of the old bytes.

Offsets are relative and lead forward, so the old bytes stay as they are and the new root's slots point into them. What
the old root alone held, its own few bytes and the model's name, stays as well and is not pointed at.

Source: the FlatBuffers internals page.
"""

from functools import lru_cache
from struct import unpack_from
from typing import Any

from serlab.codecs.flat.forms import make_form
from serlab.codecs.flat.layout import OFFSETS
from serlab.codecs.flat.parts import Out, Seen, put_nulls, put_offsets, put_table, put_text
from serlab.codecs.flat.readers import root_of
from serlab.codecs.flat.tables import places_in, tables
from serlab.codecs.flat.view import KINDS
from serlab.codecs.flat.viewshapes import read_text, shape_at, vector_at
from serlab.codecs.flat.walk import Walk, i32
from serlab.codecs.flat.writer import join, with_root
from serlab.limits import UNLIMITED

form_of = lru_cache(256)(make_form)


def with_model(kind: str, data: bytes, model: str) -> bytes:
    """Give a message another model.

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
            entries = entries_without_model(data, root + places[slot.name])
            values[slot.id] = pos = put_offsets([end - place for place in entries], out, pos)
    form = form_of(tuple(slot for slot in info.slots if slot.id in values))
    return join(with_root(put_table(form, values, out, pos, seen), out))


def entries_without_model(data: bytes, slot: int) -> list[int]:
    """List where the entries of `extra` are, without that of a model that is no name."""
    start, count = vector_at(data, slot, 4)
    offsets = unpack_from(f"<{count}I", data, start)
    places = [start + 4 * i + offset for i, offset in enumerate(offsets)]
    info = tables()["Extra"]

    def pointer(place: int) -> str:
        return read_text(data, place + shape_at(info, data, place, KINDS)["pointer"][0])

    return [place for place in places if pointer(place) != "/model"]
