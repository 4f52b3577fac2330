"""The pieces of a buffer that is written from its end to its start: text, vectors, vtables, tables.

Each function appends to `out`, the piece that stands last first, and gives the new position: the distance from the
buffer's end, a multiple of 4. Written in this order, everything can point to whatever came before it, so that short
texts, nulls and vtables are written once; `seen` maps them to their positions.

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from operator import sub
from struct import Struct, pack
from typing import Any

from serlab.codecs.flat.forms import Form
from serlab.codecs.flat.layout import OFFSETS
from serlab.errors import EncodeError
from serlab.messages.pointer import brief

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
