"""Recipes → FlatBuffers: tables, vectors and text, each object behind what points at it; an alias is pointed at again.

Tables of one vector share their vtable. Every object is a multiple of four bytes long, or of eight where there are
numbers of eight bytes, so that whatever stands behind it is aligned.
"""

import struct
from dataclasses import dataclass

from tests.attack.documents import json, text
from tests.attack.recipe import Node, times, walk
from tests.attack.rope import Rope, Steps, cat, leaf, rep, rows

FORMATS = {1: "<B", 2: "<H", 4: "<I", 8: "<q"}
MOST = 2**32 - 1

Placed = tuple[Rope, int]
"""An object, and the place in it that is pointed at."""


def flatbuffers(node: Node, scale: float) -> Rope:
    """Write a buffer whose root is a table."""
    wide = any(found[0] in ("inline", "numbers") and found[1] == 8 for _, found in walk(node))
    vtable, rope, target = Writer(scale, 8 if wide else 4).table(node)
    return cat(leaf(struct.pack("<II", 8 + vtable.length + target, 0)), vtable, rope)


def width(node: Node) -> int:
    """Return the bytes that a value takes in its table."""
    return int(node[1]) if node[0] == "inline" else 4


@dataclass
class Writer:
    """Writes at one scale.

    Attributes:
        scale: see `recipe`.
        unit: what the length of every object is a multiple of.
    """

    scale: float
    unit: int

    def padded(self, rope: Rope) -> Rope:
        """Fill up."""
        return cat(rope, leaf(bytes(-rope.length % self.unit)))

    def placed(self, node: Node) -> Placed:
        """Write any object."""
        if node[0] == "table":
            vtable, rope, target = self.table(node)
            return cat(vtable, rope), vtable.length + target
        if node[0] == "vector":
            return self.vector(node), 0
        if node[0] == "numbers":
            count = times(node[3], self.scale)
            lead = bytes(4) if node[1] == 8 else b""
            head = leaf(lead + struct.pack("<I", min(count, MOST)))
            return self.padded(cat(head, rep(leaf(bytes([node[2]])), node[1] * count))), len(lead)
        if node[0] == "claim":
            return leaf(struct.pack("<II", min(times(node[2], self.scale), MOST), 0)), 0
        if node[0] == "inline":
            return leaf(bytes(8)), 0
        content = json(node[1], self.scale) if node[0] == "json" else text(node, self.scale, 1)
        return self.padded(cat(leaf(struct.pack("<I", min(content.length, MOST))), content, leaf(b"\0"))), 0

    def table(self, node: Node) -> tuple[Rope, Rope, int]:
        """Write a table: its vtable, the table with what it points at, and where in that it begins."""
        slots = {block[2]: block[3] for block in node[1:]}
        places, size = dict[int, int](), 4
        for slot, inner in sorted(slots.items(), key=lambda item: width(item[1])):
            size += -size % width(inner)
            places[slot] = size
            size += width(inner)
        entries = [places.get(slot, 0) for slot in range(max(slots, default=-1) + 1)]
        # Longs need a table at a multiple of eight: the vtable is 4 over, and the lead is 4.
        per = self.unit // 2
        entries += [0] * (-len(entries) % per)
        vtable = struct.pack(f"<HH{len(entries)}H", 4 + 2 * len(entries), size, *entries)
        lead = self.unit - 4
        body = bytearray(size + -(size + lead) % self.unit)
        children, end = list[Rope](), len(body)
        struct.pack_into("<i", body, 0, len(vtable) + lead)
        for slot, inner in slots.items():
            if inner[0] == "inline":
                struct.pack_into(FORMATS[inner[1]], body, places[slot], inner[2])
                continue
            rope, target = self.placed(inner)
            struct.pack_into("<I", body, places[slot], min(end + target - places[slot], MOST))
            children.append(rope)
            end += rope.length
        return leaf(vtable), cat(leaf(bytes(lead) + bytes(body)), *children), lead

    def vector(self, node: Node) -> Rope:
        """Write a vector of offsets, and the objects that they point at."""
        alias, blocks = node[1], node[2:]
        many = [times(block[1], self.scale) for block in blocks]
        head = 4 + 4 * sum(many)
        offsets, objects = [leaf(struct.pack("<I", min(sum(many), MOST)))], list[Rope]()
        place, end = 4, head + -head % self.unit
        for block, count in zip(blocks, many, strict=True):
            here = 1 if alias else count
            if block[3][0] == "table" and here > 1:
                vtable, one, target = self.table(block[3])
                first = vtable.length + target
                whole = cat(vtable, rows(one, here, [Steps(target, first, one.length)]))
            else:
                one, first = self.placed(block[3])
                whole = rep(one, here)
            step = (0 if alias else one.length) - 4
            offsets.append(rows(leaf(bytes(4)), count, [Steps(0, end + first - place, step)]))
            objects.append(whole)
            place += 4 * count
            end += whole.length
        return cat(self.padded(cat(*offsets)), *objects)
