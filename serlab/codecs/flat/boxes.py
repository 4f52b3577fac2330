"""Write the tables that have no message type: Prompt, Vector, TokenIds and Extra.

An array of an embedding becomes a piece of the buffer itself, so that only the last join copies its numbers.
"""

from functools import cache
from struct import Struct
from typing import Any

import numpy as np

from serlab.codecs import boxes, jsontext
from serlab.codecs.flat.forms import Form, make_form
from serlab.codecs.flat.layout import box_slots
from serlab.codecs.flat.parts import (
    ZEROS,
    Out,
    Seen,
    Write,
    pack_length,
    put_numbers,
    put_offsets,
    put_strings,
    put_table,
    put_text,
)

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
    arm, content = boxes.prompt_arm(value)
    if arm == "token_lists":
        place = pos = put_token_lists(content, out, pos, seen)
    elif arm == "tokens":
        place = pos = put_numbers("i", content, out, pos)
    elif arm == "texts":
        place = pos = put_strings(content, out, pos, seen)
    else:
        place, pos = put_text(content.encode(), out, pos, seen)
    return put_box("Prompt", {arm: place}, out, pos, seen)


def put_token_lists(lists: list[list[int]], out: Out, pos: int, seen: Seen) -> int:
    """Write lists of token ids, each in a table of its own."""
    places = []
    for ids in lists:
        pos = put_numbers("i", ids, out, pos)
        pos = put_box("TokenIds", {"ids": pos}, out, pos, seen)
        places.append(pos)
    return put_offsets(places, out, pos)


def vector_writer(write_item: Write) -> Write:
    """Give the function that writes a Vector.

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
    """Write a Vector of any arm."""
    arm, content, integral = boxes.vector_arm(value)
    places = {}
    if integral:
        places["integral"] = pos = put_numbers("I", integral, out, pos)
    if arm == "item":
        places[arm] = pos = write_item(content, out, pos, seen)
    elif arm in boxes.ARRAYS:
        places[arm] = pos = put_array(content, out, pos)
    else:
        places[arm], pos = put_text(content.encode(), out, pos, seen)
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
