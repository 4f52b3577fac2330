"""What a reader has to know of each table: its slots by id, its fields and cases, and which vtables are legal.

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from operator import attrgetter
from struct import Struct, unpack
from typing import Any

from serlab.codecs import jsontext, scans
from serlab.codecs.flatbuffers.layout import BOXES, Slot, box_slots, slots_of
from serlab.codecs.schema import fitting, json_reader, plan_of, prompt_of, structs_of
from serlab.errors import DecodeError
from serlab.limits import FLAT, MIB, Limits
from serlab.messages import MESSAGE_TYPES, Embedding, Part, pack_vector

# What one pass over a buffer carries along: what is left of the limits, and the vtables seen.
#
# An exception's text names the table, the byte and what was wrong there.

u32 = Struct("<I").unpack_from
i32 = Struct("<i").unpack_from
two_u16 = Struct("<HH").unpack_from

NEW_VTABLE_ITEMS = 16
"""A vtable that was never seen counts as so many items: checking it takes about as long as reading them."""

NEW_VTABLE = 11_000
"""Bytes that it counts: what is kept of it while the message is read takes 3,000, and making it 30 µs."""

VTABLE_ITEM = 256
"""Bytes of a vtable that count as an item more: each place's is copied and looked up, and they may overlap."""

MAX_DEPTH = 64
"""Levels of tables where no limit is given: the default of FlatBuffers' own verifier."""

FREE_ITEMS = 4096
"""Items that any buffer may have, however short."""

LARGE = 24 * MIB
"""Buffers from here on are read without copies of their parts, and long JSON texts in them by what they copy."""

SHARED_TIMES, SHARED_BYTES = 2, 4 * MIB
"""How many times the buffer's length its JSON texts may have together, and bytes beside: fields may share one, and each
reads it anew. Texts that no two share have less than the buffer."""

JSON_COPIES = {1: 2, 2: 4, 4: 6}
"""Bytes of a character in the widest string → what a byte of one long JSON text becomes while it is read."""

SMALL_JSON = 128
"""JSON text of up to this length stays with the most that it may become, and counts as one item."""

FEW_ITEMS = 100_000
"""Limits of fewer items, and those of depth, look into the small ones as well."""

Weigh = Callable[[bytes], jsontext.Weight]

Read = Callable[[Any, int, "Walk"], Any]
"""(buffer, position of a table, walk) → its content."""


class Walk:
    """The state of one pass.

    Args:
        buffer: the whole message.
        limits: the bounds of this pass.

    Attributes:
        end: its length.
        depth: levels left.
        items: tables and list elements left, of those allowed.
        allowed: what `items` started from.
        size: bytes left that the message may take, of those `granted`.
        granted: what `size` started from.
        small: the length up to which a JSON text is not looked into; -1 where each is.
        texts: where JSON texts begin that are taken off `size` by their length, for the worst that they may become.
        counted: those of them that were counted since.
        compiled: slots of the readers that were compiled for this message.
        readers: (position of a vtable × number of tables + number of the table) → reader.
    """

    __slots__ = (
        "allowed",
        "buffer",
        "compiled",
        "counted",
        "depth",
        "end",
        "granted",
        "items",
        "limits",
        "readers",
        "size",
        "small",
        "texts",
    )

    def __init__(self, buffer: Any, limits: Limits) -> None:
        self.buffer, self.limits = buffer, limits
        self.end = len(buffer)
        self.depth = _levels(limits)
        # Each item is pointed at by 4 bytes of its own, unless what holds it is itself pointed at several times. So
        # the length bounds the items, and offsets that share whole trees to make a small buffer vast are noticed soon.
        self.items = self.allowed = min(limits.max_items, self.end // 4 + FREE_ITEMS)
        # `limits.allowance`, in place: the call would cost 1 % of a short message.
        size, most = limits.max_amplification * self.end + FLAT, limits.max_materialized_bytes
        self.size = self.granted = size if size < most else most
        looking = limits.max_depth is not None or limits.max_items < FEW_ITEMS
        self.small = -1 if looking else SMALL_JSON
        self.texts: list[int] = _Looked(self) if looking else []
        self.compiled = 0
        self.counted: Counted | None = None
        self.readers: dict[int, Read] = {}

    def vtable_at(self, place: int, table: str) -> bytes:
        """Copy a vtable out of the buffer.

        Args:
            place: where it should be.
            table: the table that it belongs to, for the error.

        Raises:
            DecodeError: there cannot be one.
        """
        if place < 0 or place & 1 or place + 4 > self.end:
            raise bad(table, place, f"expected a vtable at an even place before byte {self.end}")
        length, size = two_u16(self.buffer, place)
        if length < 4 or length & 1 or place + length > self.end or size < 4:
            raise bad(table, place, f"expected a vtable, got one of {length} bytes for a table of {size}")
        self.items -= 1 + length // VTABLE_ITEM
        self.check()
        return bytes(self.buffer[place : place + length])

    def check(self) -> None:
        """Refuse to go on when a limit is used up."""
        if self.items < 0:
            raise wrong(f"limit max_items: expected at most {self.allowed:,} in {self.end:,} bytes, got more")
        if self.depth < 0:
            raise wrong(f"limit max_depth: expected at most {_levels(self.limits):,}, got more")
        if self.size < 0:
            self.settle()

    def finish(self) -> None:
        """Count the items of JSON texts that were never counted for their size, where there may be too many."""
        left = self.left_for_texts()
        if self.small >= 0 and (not self.texts or self.granted // (2 * jsontext.WORST) <= left):
            return
        counted = 0 if self.counted is None else self.counted.items
        if counted + sum(u32(self.buffer, place - 4)[0] for place in self.texts) // 2 > left:
            self.settle()

    def left_for_texts(self) -> int:
        """Return how many items the JSON texts may have together, two bytes being one at most."""
        return self.limits.max_items - (self.allowed - self.items)

    def check_levels(self, place: int) -> bytes:
        """Refuse a JSON text with more levels than are left, and return it."""
        (length,) = u32(self.buffer, place - 4)
        text = bytes(self.buffer[place : place + length])
        if self.limits.max_depth is not None and scans.deeper_json(text, self.depth):
            self.depth = -1
            self.check()
        return text

    def count_text(self, place: int) -> None:
        """Count the levels and the items of a JSON text whose size is counted elsewhere."""
        self.counted = self.counted or Counted()
        self.counted.items += jsontext.exact(self.check_levels(place)).items

    def settle(self) -> None:
        """Count the JSON texts that were taken for the worst, and refuse to go on if that does not give enough back."""
        limits = self.limits
        counted = self.counted = self.counted or Counted()
        counted.rough += [self.recount(counted, jsontext.bound, place, None, 0) for place in self.texts]
        self.texts.clear()
        if counted.length > SHARED_TIMES * self.end + SHARED_BYTES:
            raise wrong(self.too_large())
        left = self.left_for_texts()
        if self.size < 0 or counted.items > left:
            for text in counted.rough:
                self.recount(counted, jsontext.exact, *text)
            counted.rough = []
        if counted.items > left:
            raise wrong(f"limit max_items: expected at most {limits.max_items:,}, got more in its JSON texts")
        if self.size < 0:
            raise wrong(self.too_large())

    def recount(
        self, counted: "Counted", weigh: Weigh, place: int, taken: int | None, items: int
    ) -> tuple[int, int, int]:
        """Take off `size` what a JSON text becomes, and give back what was taken.

        Args:
            counted: where its items are counted.
            weigh: counts it.
            place: where it begins.
            taken: bytes that were taken off for it; None for what its length says.
            items: its items, as far as they were counted.

        Returns:
            The last three arguments of the next count.
        """
        (length,) = u32(self.buffer, place - 4)
        text = bytes(self.buffer[place : place + length])
        found, worst = weigh(text), jsontext.WORST * length
        size = min(found.size, worst)
        if length > jsontext.JSONWEIGHT_LONG and self.end > LARGE:
            size += (JSON_COPIES[jsontext.width(text, escapes=True)] - jsontext.TEXT_GROWTH) * length
        self.size += (worst if taken is None else taken) - size
        counted.length += length if taken is None else 0
        counted.items += found.items - items
        return place, size, found.items

    def too_large(self) -> str:
        """Name the limit that `size` came from."""
        limits, granted = self.limits, self.limits.allowance(self.end)
        if granted == limits.max_materialized_bytes:
            return f"limit max_materialized_bytes: expected at most {granted:,}, got more"
        most = f"{limits.max_amplification} bytes a byte, {granted:,} for {self.end:,}"
        return f"limit max_amplification: expected at most {most}, got more"


class _Looked(list[int]):
    """The places of JSON texts, each of which is looked into at once.

    Args:
        walk: the pass.
    """

    def __init__(self, walk: Walk) -> None:
        super().__init__()
        self.walk = walk

    def append(self, place: int) -> None:
        """Check a text's levels and note it."""
        self.walk.check_levels(place)
        super().append(place)


class Counted:
    """The JSON texts of a message that were counted.

    Attributes:
        items: arrays, objects and strings in them.
        length: bytes of them, of one that several fields share each time.
        rough: of each that was counted with the marks inside of its strings, what `Walk.recount` gave.
    """

    __slots__ = ("items", "length", "rough")

    def __init__(self) -> None:
        self.items = self.length = 0
        self.rough: list[tuple[int, int, int]] = []


def _levels(limits: Limits) -> int:
    """Return the levels of tables that are read."""
    return MAX_DEPTH if limits.max_depth is None else limits.max_depth


def bad(table: str, place: int, what: str) -> DecodeError:
    """Make the error that names a table and a place."""
    return wrong(f"{table} at byte {place}: {what}")


def wrong(what: str) -> DecodeError:
    """Make an error that names the format."""
    return DecodeError(f"flatbuffers: {what}")


def bad_offset(table: str, field: str, place: int) -> DecodeError:
    """Make the error for an offset that leads nowhere legal."""
    return bad(table, place, f"{field}: expected an offset to a multiple of 4 inside the buffer")


def bad_end(table: str, field: str, place: int, end: int) -> DecodeError:
    """Make the error for text or a vector that does not end where it should."""
    return bad(table, place, f"{field}: expected its end, and after text a zero, at byte {end}")


UNION_CASES: dict[str, tuple[str, ...]] = {
    "Prompt": ("text", "texts", "tokens", "token_lists", "json"),
    "Vector": ("float32s", "float64s", "integers", "base64", "json", "item"),
}
BOX_FITS: dict[str, Callable[[Any], Any]] = {"Prompt": prompt_of, "Vector": pack_vector}
"""What gives the JSON of a box back as a message has it."""

REQUIRED = {"Extra": ("pointer", "json"), "TokenIds": ("ids",)}


SLOT_ID = attrgetter("id")

MAX_NULLS = 64
"""Contents of `nulls` that are remembered for a vtable; a stranger may send ever new ones."""


MOST_NULLS = 2 * 2048
"""Bytes of the longest content of `nulls`: each field once, of a schema several times as large as today's."""


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
        by_id: the slots by their ids.
        mixed: slot name → what reads its JSON text, for lists that may hold structs beside other things.
        fits: slot name → what gives its value back, or refuses what the field does not take.
    """

    name: str
    index: int
    type: type[Part] | None
    slots: tuple[Slot, ...]
    fields: dict[str, tuple[str, ...]]
    nulls: dict[int, str]
    by_id: dict[int, Slot]
    mixed: dict[str, Callable[[str | bytes], Any]]
    fits: dict[str, Callable[[Any], Any]]

    @cached_property
    def longest(self) -> int:
        """Bytes of a vtable that say something to this schema; what a newer writer has stands behind them."""
        return 2 * (max(self.by_id, default=-1) + 3)


@cache
def tables() -> dict[str, TableInfo]:
    """List all tables by name."""
    found: dict[str, TableInfo] = {}
    for type_ in structs_of([*MESSAGE_TYPES.values(), Embedding]):
        plan, slots = plan_of(type_), slots_of(type_)
        ids = {slot.name: slot.id for slot in slots}
        fields = {field.name: tuple(case.name for case in field.cases) for field in plan}
        nulls = {ids[field.schema_name]: field.name for field in plan}
        mixed = {case.name: json_reader(case) for field in plan for case in field.cases if case.items is not None}
        mixed = {name: read for name, read in mixed.items() if any(s.name == name and s.kind == "json" for s in slots)}
        cases = [case for field in plan for case in field.cases if case.hint is not None and case.name not in mixed]
        fits: dict[str, Callable[[Any], Any]] = {case.name: partial(fitting, case) for case in cases}
        named = type_.__name__
        found[named] = TableInfo(named, len(found), type_, slots, fields, nulls, _by_id(slots), mixed, fits)
    for table in BOXES:
        fits = {"json": BOX_FITS[table]} if table in BOX_FITS else {}
        found[table] = TableInfo(table, len(found), None, box_slots(table), {}, {}, _by_id(box_slots(table)), {}, fits)
    return found


def _by_id(slots: tuple[Slot, ...]) -> dict[int, Slot]:
    """Sort slots by their ids."""
    return {slot.id: slot for slot in slots}


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
    # Only slots that are filled are looked at: a stranger may send ever new vtables.
    known = info.by_id
    filled = sorted((offset, known[id_]) for id_, offset in enumerate(offsets) if offset and id_ in known)
    end = 4
    for place, slot in filled:
        # A table starts at a multiple of 4, so up to there the place decides; 8 depends on the table as well.
        if place < end or place + slot.size > size or place % min(slot.size, 4):
            raise wrong(f"{info.name}.{slot.name}: expected a slot between {end} and {size}, got {place}")
        end = place + slot.size
    _check_cases(info, [slot for _, slot in filled])
    return {slot.name: place for place, slot in filled}


def _check_cases(info: TableInfo, filled: list[Slot]) -> None:
    """Check that each field has at most one case, and a box what it must have."""
    names = [slot.name for slot in filled]
    if info.type is None:
        return _check_box(info.name, names)
    slot_of_field: dict[str, str] = {}
    for slot in sorted(filled, key=SLOT_ID):
        if slot.attribute in slot_of_field:
            cases = f"{slot_of_field[slot.attribute]} and {slot.name}"
            raise wrong(f"{info.name}.{slot.attribute}: expected one value, got {cases}")
        slot_of_field[slot.attribute] = slot.name
    return None


def _check_box(table: str, names: list[str]) -> None:
    """Check that a box has what it must have."""
    filled = [case for case in UNION_CASES.get(table, ()) if case in names]
    if table in UNION_CASES and len(filled) != 1:
        raise wrong(f"{table}: expected exactly one of {', '.join(UNION_CASES[table])}, got {filled}")
    if "integral" in names and "float64s" not in names:
        raise wrong(f"{table}.integral: expected float64s beside it, got {filled}")
    missing = [name for name in REQUIRED.get(table, ()) if name not in names]
    if missing:
        raise wrong(f"{table}: expected {' and '.join(REQUIRED[table])}, got no {missing[0]}")


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
        if len(ids) > MOST_NULLS:
            raise wrong(f"{self.info.name}.nulls: expected at most {MOST_NULLS // 2} ids, got {len(ids) // 2}")
        found = null_fields(self.info, self.places, ids)
        if len(self) < MAX_NULLS:
            self[ids] = found
        return found


def null_fields(info: TableInfo, places: Any, ids: bytes) -> dict[str, None]:
    """Return which fields are null.

    Args:
        info: the table.
        places: the names of its filled slots.
        ids: the content of `nulls`.

    Returns:
        Attribute → None; ids beyond the schema's, which a newer writer may have, are passed over.

    Raises:
        DecodeError: an id is not that of a field, or the field has a value.
    """
    nulls, fields = info.nulls, info.fields
    found: dict[str, None] = {}
    # A stranger may send ever new ones, so this is kept fast: 0.1 µs for each.
    for id_ in unpack(f"<{len(ids) // 2}H", ids):
        if id_ in nulls:
            attribute = nulls[id_]
            for case in fields[attribute]:
                if case in places:
                    raise wrong(f"{info.name}.{attribute}: expected a value or null, got both")
            found[attribute] = None
        elif id_ in info.by_id:
            raise wrong(f"{info.name}.nulls: expected ids of fields, got {id_}, that of {info.by_id[id_].name}")
    return found
