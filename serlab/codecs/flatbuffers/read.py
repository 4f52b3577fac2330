"""Compile readers when a table first comes with a given vtable, and keep them.

Readers are kept by (mode, table, vtable bytes): the same vtable may belong to tables of several types.
"""

from collections.abc import Callable
from functools import cache, partial
from struct import Struct, unpack_from
from struct import error as StructError
from threading import Lock
from typing import Any

from serlab.codecs import jsontext
from serlab.codecs.base import reason
from serlab.codecs.flatbuffers import values
from serlab.codecs.flatbuffers.codegen import MODES, STRINGS, Mode, dispatchers, source_for_any, source_for_vtable
from serlab.codecs.flatbuffers.layout import choose, define
from serlab.codecs.flatbuffers.tables import (
    NEW_VTABLE,
    NEW_VTABLE_ITEMS,
    Nulls,
    Read,
    TableInfo,
    Walk,
    bad,
    bad_end,
    bad_offset,
    i32,
    places_in,
    tables,
    two_u16,
    u32,
)
from serlab.errors import DecodeError
from serlab.messages import once

MAX_VTABLES = 32
"""Readers compiled for a table. A program that writes with one schema and one library uses few vtables of each."""

MAX_COMPILED = 400
"""Slots of the readers that are compiled for one message, at 0.1 ms each; a request with tools has a hundred."""

OTHER = (StructError, LookupError, ValueError, TypeError, OverflowError)
"""What reading damaged bytes may raise, to which the table is added; recursion and memory are not a table's fault."""


class Readers:
    """The generated functions of one mode.

    Args:
        mode: what they do.
    """

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.lock = Lock()
        self.found: dict[str, dict[bytes, Read]] = {name: {} for name in tables()}
        self.general: dict[str, Callable[..., Any]] = {}
        helpers: dict[str, Any] = {
            "bad": bad,
            "bad_end": bad_end,
            "bad_offset": bad_offset,
            "i32": i32,
            "u32": u32,
            "reason": reason,
        }
        helpers |= {"unpack_from": unpack_from, "once": once, "KNOWN": DecodeError, "OTHER": OTHER}
        helpers["loads"] = jsontext.loads
        self.functions: dict[str, Any] = {**vars(values), **helpers, "PURPOSE": mode.name}
        source = choose(STRINGS, check=mode.check, value=mode.value, any=mode.any)
        define("read_strings", source, self.functions)
        for info in tables().values():
            self.functions[f"find_{info.name}"] = partial(self.find, info)
            if info.type is not None:
                self.functions[info.name] = info.type
            self.functions |= {f"loads_{info.name}_{name}": read for name, read in info.mixed.items()}
            self.functions |= {f"fit_{info.name}_{name}": fit for name, fit in info.fits.items()}
            for name, source in dispatchers(info, len(tables()), mode).items():
                self.late(name, source)

    def late(self, name: str, source: str) -> None:
        """Put off compiling a function until it is called."""

        def first(buffer: Any, place: int, walk: Walk) -> Any:
            with self.lock:
                if self.functions[name] is first:
                    define(name, source, self.functions)
            return self.functions[name](buffer, place, walk)

        self.functions[name] = first

    def find(self, info: TableInfo, walk: Walk, place: int) -> Read:
        """Return the reader for the vtable at a place, and keep it in the walk.

        Raises:
            DecodeError: there is no vtable, or none that is legal for this table.
        """
        # What stands beyond the schema's ids is not looked at: a stranger may send ever new ones of 65 kB.
        vtable = walk.vtable_at(place, info.name)[: info.longest]
        read = self.found[info.name].get(vtable)
        if read is None:
            walk.items -= NEW_VTABLE_ITEMS
            walk.size -= NEW_VTABLE
            walk.check()
            with self.lock:
                read = self.make(info, vtable, walk)
        walk.readers[place * len(tables()) + info.index] = read
        return read

    def make(self, info: TableInfo, vtable: bytes, walk: Walk) -> Read:
        """Compile the reader for a vtable, or bind the general one if there are many, of this table or in all."""
        known = self.found[info.name]
        if vtable in known:
            return known[vtable]
        places, size = places_in(info, vtable), two_u16(vtable)[1]
        nulls = Nulls(info, frozenset(places))
        walk.compiled += len(places)
        if len(known) >= MAX_VTABLES or walk.compiled > MAX_COMPILED:
            return self.bind_general(info, places, nulls, size)
        name = f"read_{info.name}_{len(known)}"
        # The general reader is compiled under the same lock, so that the names stay apart.
        source, format_ = source_for_vtable(name, info, places, size, self.mode)
        self.functions |= {f"unpack_{name}": Struct(format_).unpack_from, f"nulls_{name}": nulls}
        known[vtable] = define(name, source, self.functions)
        return known[vtable]

    def bind_general(self, info: TableInfo, places: dict[str, int], nulls: Nulls, size: int) -> Read:
        """Bind the reader that looks slots up to one vtable."""
        if info.name not in self.general:
            name = f"read_any_{info.name}"
            self.general[info.name] = define(name, source_for_any(name, info, self.mode), self.functions)
        return partial(self.general[info.name], [places.get(slot.name, 0) for slot in info.slots], nulls, size)


@cache
def readers(mode: str) -> Readers:
    """Return the readers of a mode: decode, verify, trust, copy or large."""
    return Readers(MODES[mode])


def read_root(mode: str, table: str, walk: Walk) -> Any:
    """Read a message from its root offset.

    Args:
        mode: decode, verify, trust, copy or large.
        table: the root's table.
        walk: the state of the pass, with the buffer in it.

    Returns:
        The message; in the mode `verify` nothing.

    Raises:
        DecodeError: the bytes are not such a message.
    """
    root = root_of(walk.buffer, table)
    message = readers(mode).functions[f"read_{table}"](walk.buffer, root, walk)
    walk.finish()
    return message


def root_of(buffer: Any, table: str) -> int:
    """Read the root's offset.

    Raises:
        DecodeError: the buffer is too short, or the offset leads outside.
    """
    if len(buffer) < 8:
        raise bad(table, 0, f"expected at least 8 bytes, got {len(buffer)}")
    (root,) = u32(buffer, 0)
    if root & 3 or not 4 <= root <= len(buffer) - 4:
        raise bad_offset(table, "the root", 0)
    return int(root)
