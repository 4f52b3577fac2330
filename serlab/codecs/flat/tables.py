"""What a reader has to know of each table: its slots by id, its fields and arms, and which vtables are legal.

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from struct import unpack
from typing import Any

from serlab.codecs.boxes import prompt_of
from serlab.codecs.flat.layout import BOXES, Slot, box_slots, slots_of
from serlab.codecs.flat.walk import wrong
from serlab.codecs.plan import fitting, json_reader, plan_of, structs_of
from serlab.messages import MESSAGE_TYPES
from serlab.messages.base import Part
from serlab.messages.embeddings import Embedding
from serlab.messages.vectors import pack_vector

ARMS: dict[str, tuple[str, ...]] = {
    "Prompt": ("text", "texts", "tokens", "token_lists", "json"),
    "Vector": ("float32s", "float64s", "integers", "base64", "json", "item"),
}
BOX_FITS: dict[str, Callable[[Any], Any]] = {"Prompt": prompt_of, "Vector": pack_vector}
"""What gives the JSON of a box back as a message has it."""

REQUIRED = {"Extra": ("pointer", "json"), "TokenIds": ("ids",)}


MAX_NULLS = 64
"""Contents of `nulls` that are remembered for a vtable; a stranger may send ever new ones."""


@dataclass(frozen=True)
class TableInfo:
    """One table of the schema.

    Attributes:
        name: its name.
        index: its number among all tables.
        type: the message type, None for a box.
        slots: the slots that are read.
        fields: attribute → its slots, of which at most one may be filled.
        nulls: slot id → the attribute that a null with this id means.
        mixed: slot name → what reads its JSON text, for lists that may hold structs beside other things.
        fits: slot name → what gives its value back, or refuses what the field does not take.
    """

    name: str
    index: int
    type: type[Part] | None
    slots: tuple[Slot, ...]
    fields: dict[str, tuple[str, ...]]
    nulls: dict[int, str]
    mixed: dict[str, Callable[[str | bytes], Any]]
    fits: dict[str, Callable[[Any], Any]]


@cache
def tables() -> dict[str, TableInfo]:
    """List all tables by name."""
    found: dict[str, TableInfo] = {}
    for type_ in structs_of([*MESSAGE_TYPES.values(), Embedding]):
        plan, slots = plan_of(type_), slots_of(type_)
        ids = {slot.name: slot.id for slot in slots}
        fields = {field.name: tuple(arm.name for arm in field.arms) for field in plan}
        nulls = {ids[field.schema_name]: field.name for field in plan}
        mixed = {arm.name: json_reader(arm) for field in plan for arm in field.arms if arm.items is not None}
        mixed = {name: read for name, read in mixed.items() if any(s.name == name and s.kind == "json" for s in slots)}
        arms = [arm for field in plan for arm in field.arms if arm.hint is not None and arm.name not in mixed]
        fits: dict[str, Callable[[Any], Any]] = {arm.name: partial(fitting, arm) for arm in arms}
        found[type_.__name__] = TableInfo(type_.__name__, len(found), type_, slots, fields, nulls, mixed, fits)
    for table in BOXES:
        fits = {"json": BOX_FITS[table]} if table in BOX_FITS else {}
        found[table] = TableInfo(table, len(found), None, box_slots(table), {}, {}, {}, fits)
    return found


def places_in(info: TableInfo, vtable: bytes) -> dict[str, int]:
    """Check a vtable and tell where its table's slots are.

    Args:
        info: the table that it is read as.
        vtable: its bytes; ids beyond those of the schema, which a newer writer may have, are passed over.

    Returns:
        Slot name → distance from the table's start.

    Raises:
        DecodeError: a slot is outside the table or misaligned, two overlap, or a field is filled twice.
    """
    entries = unpack(f"<{len(vtable) // 2}H", vtable)
    size, offsets = entries[1], entries[2:]
    places = {slot.name: offsets[slot.id] for slot in info.slots if slot.id < len(offsets) and offsets[slot.id]}
    end = 4
    for slot in sorted((slot for slot in info.slots if slot.name in places), key=lambda slot: places[slot.name]):
        place = places[slot.name]
        # A table starts at a multiple of 4, so up to there the place decides; 8 depends on the table as well.
        if place < end or place + slot.size > size or place % min(slot.size, 4):
            raise wrong(f"{info.name}.{slot.name}: expected a slot between {end} and {size}, got {place}")
        end = place + slot.size
    check_arms(info, places)
    return places


def check_arms(info: TableInfo, places: dict[str, int]) -> None:
    """Check that each field has at most one arm, and a box what it must have."""
    for attribute, arms in info.fields.items():
        filled = [arm for arm in arms if arm in places]
        if len(filled) > 1:
            raise wrong(f"{info.name}.{attribute}: expected one value, got {' and '.join(filled)}")
    filled = [arm for arm in ARMS.get(info.name, ()) if arm in places]
    if info.name in ARMS and len(filled) != 1:
        raise wrong(f"{info.name}: expected exactly one of {', '.join(ARMS[info.name])}, got {filled}")
    if "integral" in places and "float64s" not in places:
        raise wrong(f"{info.name}.integral: expected float64s beside it, got {filled}")
    missing = [name for name in REQUIRED.get(info.name, ()) if name not in places]
    if missing:
        raise wrong(f"{info.name}: expected {' and '.join(REQUIRED[info.name])}, got no {missing[0]}")


class Nulls(dict[bytes, dict[str, None]]):
    """What the contents of `nulls` mean for a table with a given vtable: bytes → attribute → None.

    Args:
        info: the table.
        places: the names of its filled slots.
    """

    def __init__(self, info: TableInfo, places: Any) -> None:
        super().__init__()
        self.info, self.places = info, places

    def __missing__(self, ids: bytes) -> dict[str, None]:
        found = null_fields(self.info, self.places, ids)
        if len(self) < MAX_NULLS:
            self[ids] = found
        return found


def null_fields(info: TableInfo, places: Any, ids: bytes) -> dict[str, None]:
    """Tell which fields are null.

    Args:
        info: the table.
        places: the names of its filled slots.
        ids: the content of `nulls`.

    Returns:
        Attribute → None; ids beyond the schema's, which a newer writer may have, are passed over.

    Raises:
        DecodeError: an id is not that of a field, or the field has a value.
    """
    known = {slot.id: slot.name for slot in info.slots}
    found: dict[str, None] = {}
    for id_ in unpack(f"<{len(ids) // 2}H", ids):
        if id_ in info.nulls:
            attribute = info.nulls[id_]
            if any(arm in places for arm in info.fields[attribute]):
                raise wrong(f"{info.name}.{attribute}: expected a value or null, got both")
            found[attribute] = None
        elif id_ in known:
            raise wrong(f"{info.name}.nulls: expected ids of fields, got {id_}, that of {known[id_]}")
    return found
