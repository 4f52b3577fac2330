"""The pieces of a buffer that is written from its end to its start: text, vectors, vtables, tables.

Each function appends to `out`, the piece that stands last first, and gives the new position: the distance from the
buffer's end, a multiple of 4. Written in this order, everything can point to whatever came before it, so that short
texts, nulls and vtables are written once; `seen` maps them to their positions.

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from functools import cache
from operator import sub
from struct import Struct, pack
from typing import Any

import numpy as np

from serlab.codecs import jsontext, schema
from serlab.codecs.flatbuffers.layout import OFFSETS, Form, box_slots, define, make_form, slots_of
from serlab.errors import EncodeError
from serlab.messages import UNSET, Embedding, brief

SHARED = 16
"""Bytes of the longest text that is looked for among those already written: a role, a name, a token. Longer ones, ids
among them, seldom recur, and looking costs a third of writing."""

PAD = (b"\0\0\0\0", b"\0\0\0", b"\0\0", b"\0")
"""After text of length n: its terminator and what brings it to a multiple of 4, by n & 3."""

HEADS = [n.to_bytes(4, "little") for n in range(1024)]
"""Length prefixes of most texts; looking one up takes a third of packing it."""

ZEROS = bytes(4)
pack_length = Struct("<I").pack
pack_one = Struct("<II").pack
"""A vector of one offset, the most frequent of all: its length and the offset."""

Out = list[Any]
Seen = dict[Any, int]
"""What was written → its position: short texts by their bytes, nulls by their ids, vtables as text."""

Write = Callable[[Any, Out, int, Seen], int]
"""(value, out, position, seen) → the position of what was written, which is also the new one."""


def put_text(text: bytes, out: Out, pos: int, seen: Seen) -> tuple[int, int]:
    """Write text, or point to the same text if it is short and was written.

    Args:
        text: text in UTF-8, or a vector of bytes: the two are stored alike, and the zero after text harms neither.
        out: the pieces of the buffer, the last one first.
        pos: the position so far.
        seen: what was written → its position.

    Returns:
        Where it stands and the new position.
    """
    n = len(text)
    if n <= SHARED and text in seen:
        return seen[text], pos
    out += PAD[n & 3], text, HEADS[n] if n < 1024 else pack_length(n)
    pos += n + 8 - (n & 3)
    if n <= SHARED:
        seen[text] = pos
    return pos, pos


def put_strings(texts: list[str], out: Out, pos: int, seen: Seen) -> int:
    """Write a vector of texts."""
    places = []
    for text in texts:
        place, pos = put_text(text.encode(), out, pos, seen)
        places.append(place)
    return put_offsets(places, out, pos)


def wrong_item(type_: type, item: Any) -> EncodeError:
    """Build the error for a list of structs that holds something else."""
    return EncodeError(f"a list of {type_.__name__}: expected such a struct, got {brief(item)}")


def put_offsets(places: list[int], out: Out, pos: int) -> int:
    """Write a vector of offsets to what stands at these positions."""
    count = len(places)
    if count == 1:
        out.append(pack_one(1, pos + 4 - places[0]))
        return pos + 8
    end = pos + 4 * count
    # An offset is its own position less the target's, since both count from the end.
    out.append(pack(f"<{count + 1}I", count, *map(sub, range(end, pos, -4), places)))
    return end + 4


def put_numbers(format_: str, values: list[int], out: Out, pos: int) -> int:
    """Write a vector of 4-byte integers from a list; one that does not fit is a `struct.error`."""
    count = len(values)
    # Measured on 40,000 ids: 264 µs, array.array 565, numpy 534.
    out.append(pack(f"<I{count}{format_}", count, *values))
    return pos + 4 * count + 4


def put_nulls(ids: tuple[int, ...], out: Out, pos: int, seen: Seen) -> tuple[int, int]:
    """Write the ids of the fields that are null, unless the same were written; see `put_text`."""
    if ids in seen:
        return seen[ids], pos
    padded = (*ids, 0) if len(ids) & 1 else ids
    out.append(pack(f"<I{len(padded)}H", len(ids), *padded))
    seen[ids] = pos = pos + 4 + 2 * len(padded)
    return pos, pos


def put_vtable(form: Form, out: Out, pos: int, seen: Seen) -> tuple[int, int]:
    """Write a vtable, unless it was written; see `put_text`."""
    if form.key in seen:
        return seen[form.key], pos
    out.append(form.vtable)
    seen[form.key] = pos = pos + len(form.vtable)
    return pos, pos


def put_table(form: Form, values: dict[int, Any], out: Out, pos: int, seen: Seen) -> int:
    """Write a table.

    Args:
        form: its layout.
        values: slot id → a number or the position of what it points to.
        out: the pieces of the buffer, the last one first.
        pos: the position so far.
        seen: what was written → its position.

    Returns:
        The table's position.
    """
    vtable, pos = put_vtable(form, out, pos, seen)
    pos += form.size
    if form.eight and not pos & 4:
        out.append(ZEROS)
        pos += 4
    ready = [
        pos - form.places[slot.id] - values[slot.id] if slot.kind in OFFSETS else values[slot.id] for slot in form.order
    ]
    # The soffset leads from the vtable to the table, and is negative where the vtable stands after it.
    out.append(form.pack(vtable - pos, *ready))
    return pos


# Write the tables that have no message type: Prompt, Vector, TokenIds and Extra.
#
# An array of an embedding becomes a piece of the buffer itself, so that only the last join copies its numbers.

FLOAT32 = np.dtype("<f4")
pack_head = Struct("<iII").pack
"""A Vector's table and the length of the array that follows it: soffset, offset, count."""


@cache
def box_form(table: str, *names: str) -> Form:
    """Lay out a box with these slots filled."""
    return make_form(tuple(slot for slot in box_slots(table) if slot.name in names))


def put_box(table: str, places: dict[str, int], out: Out, pos: int, seen: Seen) -> int:
    """Write a box whose slots point to these positions."""
    form = box_form(table, *places)
    return put_table(form, {slot.id: places[slot.name] for slot in form.slots}, out, pos, seen)


def put_extra(extra: dict[str, Any], out: Out, pos: int, seen: Seen) -> int:
    """Write the unknown fields."""
    places = []
    for pointer, value in extra.items():
        json, pos = put_text(jsontext.dump_bytes(value), out, pos, seen)
        name, pos = put_text(pointer.encode(), out, pos, seen)
        pos = put_box("Extra", {"pointer": name, "json": json}, out, pos, seen)
        places.append(pos)
    return put_offsets(places, out, pos)


def put_prompt(value: Any, out: Out, pos: int, seen: Seen) -> int:
    """Write a Prompt: text, texts, token ids or lists of them."""
    case, content = schema.prompt_case(value)
    if case == "token_lists":
        place = pos = put_token_lists(content, out, pos, seen)
    elif case == "tokens":
        place = pos = put_numbers("i", content, out, pos)
    elif case == "texts":
        place = pos = put_strings(content, out, pos, seen)
    else:
        place, pos = put_text(content.encode(), out, pos, seen)
    return put_box("Prompt", {case: place}, out, pos, seen)


def put_token_lists(lists: list[list[int]], out: Out, pos: int, seen: Seen) -> int:
    """Write lists of token ids, each in a table of its own."""
    places = []
    for ids in lists:
        pos = put_numbers("i", ids, out, pos)
        pos = put_box("TokenIds", {"ids": pos}, out, pos, seen)
        places.append(pos)
    return put_offsets(places, out, pos)


def vector_writer(write_item: Write) -> Write:
    """Return the function that writes a Vector.

    Args:
        write_item: writes an `Embedding`, which a Vector may hold.
    """
    float32s = box_form("Vector", "float32s")
    key, vtable = float32s.key, float32s.vtable

    def put_vector(value: Any, out: Out, pos: int, seen: Seen) -> int:
        if type(value) is np.ndarray and value.dtype is FLOAT32 and value.ndim == 1:
            known = seen.get(key)
            if known is None:
                out.append(vtable)
                seen[key] = known = pos = pos + len(vtable)
            count = len(value)
            pos += 4 * count + 12
            out += value, pack_head(known - pos, 4, count)
            return pos
        return put_any_vector(value, write_item, out, pos, seen)

    return put_vector


def put_any_vector(value: Any, write_item: Write, out: Out, pos: int, seen: Seen) -> int:
    """Write a Vector of any case."""
    case, content, integral = schema.vector_case(value)
    places = {}
    if integral:
        places["integral"] = pos = put_numbers("I", integral, out, pos)
    if case == "item":
        places[case] = pos = write_item(content, out, pos, seen)
    elif case in schema.ARRAYS:
        places[case] = pos = put_array(content, out, pos)
    else:
        places[case], pos = put_text(content.encode(), out, pos, seen)
    return put_box("Vector", places, out, pos, seen)


def put_array(array: Any, out: Out, pos: int) -> int:
    """Write an array's numbers, 8-byte ones at a multiple of 8.

    Raises:
        ValueError: the array is no vector.
    """
    if array.ndim != 1:
        raise ValueError(f"a vector has {array.ndim} dimensions; expected one")
    if array.itemsize == 8 and pos & 4:
        out.append(ZEROS)
        pos += 4
    out += np.ascontiguousarray(array), pack_length(len(array))
    return pos + int(array.nbytes) + 4


def put_vectors(put_vector: Write, values: list[Any], out: Out, pos: int, seen: Seen) -> int:
    """Write a list of vectors."""
    places = []
    for value in values:
        pos = put_vector(value, out, pos, seen)
        places.append(pos)
    return put_offsets(places, out, pos)


# Write lists of embeddings: the one place where a table and the vector in it become one piece.
#
# Almost every embedding response is a list of the same three fields, so the item, its Vector and the length of its
# array are packed at once and its array follows (measured: half the time of two tables and a vector). Anything else
# goes the general way.

FIELDS = ("object", "index", "embedding")
"""What an item of the common form holds: text, an integer, a float32 array."""

SOURCE = """\
def put_embeddings(write, items, out, pos, seen, ndarray=ndarray, FLOAT32=FLOAT32, UNSET=UNSET):
    places = []
    item_vtable = vector_vtable = 0
    text = NOTHING
    for m in items:
        if type(m) is not Embedding:
            raise TypeError(f"a list of Embedding holds a {type(m).__name__}")
        o = m.object
        v = m.embedding
        same = o == text
        if (
            type(v) is ndarray and v.dtype is FLOAT32 and v.ndim == 1
            and (same or type(o) is str) and type(m.index) is int and OTHERS is UNSET
        ):
            if not item_vtable:
                item_vtable, pos = put_vtable(ITEM, out, pos, seen)
                vector_vtable, pos = put_vtable(VECTOR, out, pos, seen)
            if not same:
                place, pos = put_text(o.encode(), out, pos, seen)
                text = o
            n = len(v)
            pos += SIZE + 4 * n
            if not pos & 4:
                out.append(ZEROS)
                pos += 4
            out.append(v)
            out.append(pack(item_vtable - pos, VALUES, vector_vtable - pos + START, 4, n))
        else:
            pos = write(m, out, pos, seen)
        places.append(pos)
    return put_offsets(places, out, pos)
"""


def embeddings_writer() -> Write:
    """Generate the function that writes a list of `Embedding`: (write_Embedding, items, out, pos, seen) → position."""
    item = make_form(tuple(slot for slot in slots_of(Embedding) if slot.name in FIELDS))
    vector = box_form("Vector", "float32s")
    names = {"object": f"pos - {item.places[item_id('object')]} - place", "index": "m.index"}
    # The Vector follows the item's table.
    names["embedding"] = str(item.size - item.places[item_id("embedding")])
    others = " is ".join(f"m.{name}" for name in Embedding.__struct_fields__ if name not in FIELDS)
    source = SOURCE.replace("OTHERS", others).replace("VALUES", ", ".join(names[slot.name] for slot in item.order))
    source = source.replace("START", str(item.size)).replace("SIZE", str(item.size + vector.size + 4))
    pack = Struct(item.format + vector.format.lstrip("<") + "I").pack
    namespace: dict[str, Any] = {"PURPOSE": "writer", "Embedding": Embedding, "ndarray": np.ndarray, "UNSET": UNSET}
    namespace |= {"FLOAT32": FLOAT32, "ITEM": item, "VECTOR": vector, "ZEROS": ZEROS, "pack": pack}
    # Equal to no value, an absent or a null one included.
    namespace["NOTHING"] = object()
    namespace |= {"put_vtable": put_vtable, "put_text": put_text, "put_offsets": put_offsets}
    function: Write = define("put_embeddings", source, namespace)
    return function


def item_id(name: str) -> int:
    """Look up a slot's id in the table of an `Embedding`."""
    return next(slot.id for slot in slots_of(Embedding) if slot.name == name)
