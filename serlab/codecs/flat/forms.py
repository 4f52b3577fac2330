"""Forms: how a table is laid out when a given set of its slots is filled.

The bytes of a table are one `struct` pack: the soffset, then 8-byte, 4-byte and smaller slots.

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from struct import Struct, pack
from typing import NamedTuple

from serlab.codecs.flat.layout import Slot


class Form(NamedTuple):
    """The layout of a table with a given set of filled slots.

    Attributes:
        slots: the filled slots in the order in which their values are written.
        order: the same in the order in which they stand in the table.
        places: slot id → its distance from the table's start.
        size: bytes of the table.
        eight: whether it holds 8-byte numbers.
        key: the vtable as text, which cannot be confused with a string's bytes when both are looked up.
        vtable: its bytes, padded to 4.
        format: the table in `struct`'s language.
        pack: (soffset, a value for each slot of `order`) → the table's bytes.
    """

    slots: tuple[Slot, ...]
    order: tuple[Slot, ...]
    places: dict[int, int]
    size: int
    eight: bool
    key: str
    vtable: bytes
    format: str
    pack: Callable[..., bytes]


def make_form(slots: tuple[Slot, ...]) -> Form:
    """Lay a table out.

    Args:
        slots: the filled slots in the order in which their values will be written.
    """
    order = tuple(sorted(slots, key=lambda slot: -slot.size))
    places, end = {}, 4
    for slot in order:
        # A table with 8-byte slots starts 4 before a multiple of 8, so that they follow the soffset without a gap.
        places[slot.id] = end
        end += slot.size
    size = end + -end % 4
    entries = [places.get(id_, 0) for id_ in range(max(places, default=-1) + 1)]
    vtable = pack(f"<{2 + len(entries)}H", 4 + 2 * len(entries), size, *entries)
    format_ = "<i" + "".join(slot.format for slot in order) + f"{size - end}x"
    eight = any(slot.size == 8 for slot in order)
    return Form(
        slots,
        order,
        places,
        size,
        eight,
        vtable.decode("latin-1"),
        vtable + bytes(-len(vtable) % 4),
        format_,
        Struct(format_).pack,
    )
