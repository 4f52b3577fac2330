"""What may stand where in a binary message: the schemas as grammars, see `places`."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from serlab.generated import llm_pb2
from serlab.generated.llm_layout import LAYOUT
from serlab.messages import MESSAGE_TYPES
from tests.attack.places import DEEPEST, Free, Struct, block, listed, text
from tests.attack.recipe import Node

WIDTHS = {"ubyte": 1, "bool": 1, "ushort": 2, "int": 4, "uint": 4, "float": 4, "long": 8, "double": 8}
"""Bytes of FlatBuffers' numbers."""


def grown(name: str, entry: Callable[[Random, int], Node], random: Random, depth: int) -> Node:
    """Grow some entries of what is not too deep."""
    if depth >= DEEPEST:
        return (name,)
    return (name, *(entry(random, depth) for _ in range(random.choice((0, 1, 1, 2, 3)))))


@dataclass(frozen=True)
class Message:
    """A protobuf message."""

    name: str

    def fields(self) -> dict[int, Any]:
        """List its fields by number."""
        return {field.number: field for field in getattr(llm_pb2, self.name).DESCRIPTOR.fields}

    def grow(self, random: Random, depth: int = 0) -> Node:
        """Grow some fields, known and unknown."""
        return grown("message", self.entry, random, depth)

    def entry(self, random: Random, depth: int) -> Node:
        """Grow one field; one in eight is of no type that its number has."""
        if random.random() < 0.12:
            number = random.choice((1, 2, 4, 15, 1000, 2**29 - 1, *self.fields()))
            kinds = (("varint", 1), ("fixed", 4), ("fixed", 8), ("group",), ("claim", "text", 2**31), text(random))
            return block(random, number, random.choice(kinds))
        kinds = dict[tuple[int, bool], list[int]]()
        for number, field in self.fields().items():
            kinds.setdefault((field.type, field.is_repeated), []).append(number)
        number = random.choice(kinds[random.choice(list(kinds))])
        return block(random, number, self.inside((), number).grow(random, depth + 1))

    def inside(self, node: Node, key: Any) -> "Place":
        """Return what a field may hold."""
        field = self.fields().get(key)
        if field is None:
            return Content("unknown")
        if field.message_type is not None:
            return Message(field.message_type.name)
        if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
            return Content("text")
        width = {field.TYPE_FLOAT: 4, field.TYPE_DOUBLE: 8}.get(field.type, 1)
        return Content("numbers" if field.is_repeated else "number", width)


@dataclass(frozen=True)
class Content:
    """A scalar of a binary format."""

    kind: str
    width: int = 1

    def grow(self, random: Random, depth: int = 0) -> Node:
        """Grow numbers, text or JSON text."""
        if self.kind == "number" or (self.kind == "numbers" and random.random() < 0.3):
            number = ("varint", random.choice((0, 1, 200, 2**63)))
            return number if self.width == 1 else ("fixed", self.width)
        if self.kind == "numbers":
            return ("numbers", self.width, random.choice((0, 1, 1, 127, 200)), random.random())
        return ("json", Free().grow(random)) if random.random() < 0.6 else text(random)

    def inside(self, node: Node, key: Any) -> "Place":
        """Return what may stand in a message where none belongs."""
        return Content("unknown")


@dataclass(frozen=True)
class Table:
    """A FlatBuffers table."""

    name: str

    def grow(self, random: Random, depth: int = 0) -> Node:
        """Grow some slots, known and unknown."""
        return grown("table", self.entry, random, depth)

    def entry(self, random: Random, depth: int) -> Node:
        """Grow one slot."""
        if random.random() < 0.05:
            return (
                "block",
                1,
                random.choice((0, 1, 5, 300)),
                random.choice((("inline", 4, 1), ("claim", "text", 10**6))),
            )
        kinds = dict[str, list[int]]()
        for slot, type_ in LAYOUT[self.name].values():
            kinds.setdefault(type_ if type_[0] == "[" or type_ in WIDTHS else type_[:1], []).append(slot)
        slot = random.choice(kinds[random.choice(list(kinds))])
        return ("block", 1, slot, self.inside((), slot).grow(random, depth + 1))

    def inside(self, node: Node, key: Any) -> "Place":
        """Return what a slot may hold."""
        return of_type(next((type_ for slot, type_ in LAYOUT[self.name].values() if slot == key), "long"))


@dataclass(frozen=True)
class Slot:
    """A slot's value that is no table.

    Attributes:
        type_: as the schema spells it.
    """

    type_: str

    def grow(self, random: Random, depth: int = 0) -> Node:
        """Grow a number, numbers, a text or a vector of objects."""
        if self.type_ in WIDTHS:
            return ("inline", WIDTHS[self.type_], 1)
        if self.type_ == "string":
            return ("json", Free().grow(random)) if random.random() < 0.4 else text(random)
        if random.random() < 0.05:
            return ("claim", "list", random.choice((10**6, 2**30)))
        if (inner := self.type_[1:-1]) in WIDTHS:
            return ("numbers", WIDTHS[inner], random.choice((0, 1, 127, 200)), random.choice((1, 60, random.random())))
        grown = listed(random, lambda: of_type(inner).grow(random, depth + 1))
        return ("vector", random.random() < 0.4, *grown[1:])

    def inside(self, node: Node, key: Any) -> "Place":
        """Return what an item is."""
        return of_type(self.type_[1:-1] if self.type_[0] == "[" else "string")


def of_type(type_: str) -> "Place":
    """Return the place for a type of the FlatBuffers schema."""
    return Table(type_) if type_ in LAYOUT else Slot(type_)


Place = Free | Message | Content | Table | Slot


def root(form: str, kind: str) -> Place:
    """Return the place of a whole message.

    Args:
        form: "json", "msgpack", "protobuf" or "flatbuffers".
        kind: the message type's name, or "document".
    """
    if form == "protobuf":
        return Message(kind)
    if form == "flatbuffers":
        return Table(kind)
    return Struct(form == "msgpack", MESSAGE_TYPES[kind]) if kind in MESSAGE_TYPES else Free(form == "msgpack")
