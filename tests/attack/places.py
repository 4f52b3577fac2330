"""What may stand where in a document: the types as grammars that recipes are grown from and changed by.

A place knows what fits it and what does not; both are grown. Fields are chosen by their kind first, so that the one
list of objects among 200 settings comes up as often as the settings do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import msgpack

from serlab.codecs.schema import UnionCase, plan_of
from tests.attack.documents import ATOMS, CLAIMS, KEYS, UNITS
from tests.attack.recipe import Node

DEEPEST = 5
INTEGERS = [name for name in ATOMS if name.lstrip("-").isdigit()]
FLOATS = ["1.5", "0.1", "1e5"]


def block(random: Random, key: Any, node: Node) -> Node:
    """Say how often: mostly once, else some fixed number or a share of the scale."""
    share = random.random() ** 2
    return ("block", random.choice((1, 1, 1, 2, 8, 40, 65, 1000, share, share, 1.0)), key, node)


def text(random: Random) -> Node:
    """Grow a text: empty, one letter, or long; some widen at the end."""
    tail = random.choice(("", "", "", "😀", "€", "surrogate"))
    return ("text", random.choice(list(UNITS)), random.choice((1, 1, 2, 8, 60, random.random())), tail)


def atom(random: Random, names: list[str] | None = None) -> Node:
    """Grow a single value."""
    return ("atom", random.choice(names or list(ATOMS)))


def listed(random: Random, grow: Callable[[], Node], kind: str = "list") -> Node:
    """Grow a list of one or two kinds of items."""
    return (kind, *(block(random, None, grow()) for _ in range(random.choice((0, 1, 1, 1, 2)))))


BITS = [name for name in ATOMS if len(ATOMS[name][1]) == 1]
"""Atoms of one byte, of which arrays of one length are made."""

SCALARS = {name: value for name in BITS if isinstance(value := msgpack.unpackb(ATOMS[name][1]), int)}
ALIKE = [(a, b) for a, one in SCALARS.items() for b, two in SCALARS.items() if one != two and hash(one) == hash(two)]
"""Pairs of them that Python's hash does not tell apart."""


@dataclass(frozen=True)
class Free:
    """Any JSON value.

    Attributes:
        binary: whether it is MessagePack, which has more.
    """

    binary: bool = False

    def grow(self, random: Random, depth: int = 0) -> Node:
        """Grow something that fits here, or does not."""
        deep = depth >= DEEPEST
        kind = random.choice(("atom", "atom", "text", *(() if deep else ("list", "list", "dict", "dict", "nest"))))
        if self.binary and random.random() < 0.1:
            kind = random.choice(("claim", "blob"))
        if kind == "atom":
            return atom(random)
        if kind == "text":
            return text(random)
        if kind == "list":
            return listed(random, lambda: self.grow(random, depth + 1))
        if kind == "dict":
            entries = range(random.choice((0, 1, 1, 2)))
            return ("dict", *(block(random, self.key(random), self.grow(random, depth + 1)) for _ in entries))
        if kind == "nest":
            levels = random.choice((8, 60, 500, 1000, random.random()))
            return ("nest", random.choice(("list", "dict")), levels, self.grow(random, depth + 1))
        count = random.choice((10, 1000, 10**6, 10**7, 2**32 - 1))
        if kind == "claim":
            return ("claim", random.choice(list(CLAIMS)), count)
        return ("blob", random.choice((None, 5, 255)), random.choice((1, 4, 12, random.random())))

    def key(self, random: Random) -> Any:
        """Choose a key."""
        if not self.binary or random.random() < 0.5:
            return random.choice(("a", "abc", "text", "text"))
        return random.choice((*KEYS, ("bits", *random.sample(BITS, 2)), ("bits", *random.choice(ALIKE))))

    def inside(self, node: Node, key: Any) -> "Free":
        """Return what may stand in a part of it."""
        return self


@dataclass(frozen=True)
class Struct(Free):
    """An object that has a type."""

    type_: Any = None

    def grow(self, random: Random, depth: int = 0) -> Node:
        """Grow an object with some of its fields, or something else."""
        if random.random() < 0.1 or depth >= DEEPEST:
            return Free(self.binary).grow(random, depth)
        return ("dict", *(self.entry(random, depth) for _ in range(random.choice((0, 1, 1, 1, 2, 3)))))

    def entry(self, random: Random, depth: int) -> Node:
        """Grow a field."""
        if random.random() < 0.1:
            return block(random, self.key(random), Free(self.binary).grow(random, depth + 1))
        kinds = fields_by_kind(self.type_)
        name = random.choice(kinds[random.choice(list(kinds))])
        return ("block", 1, name, self.inside((), name).grow(random, depth + 1))

    def inside(self, node: Node, key: Any) -> "Free":
        """Return what a field may hold."""
        found = [field for field in plan_of(self.type_) if field.name == key]
        return Field(self.binary, found[0].cases) if found else Free(self.binary)


@cache
def fields_by_kind(type_: Any) -> dict[str, list[str]]:
    """Sort a type's fields by what they hold."""
    kinds = dict[str, list[str]]()
    for field in plan_of(type_):
        for case in field.cases:
            kinds.setdefault(case.kind, []).append(field.name)
    return kinds


@dataclass(frozen=True)
class Field(Free):
    """A field's value: one of its cases."""

    cases: tuple[UnionCase, ...] = ()

    def grow(self, random: Random, depth: int = 0) -> Node:
        """Grow a value of one of the cases, or one that fits none."""
        if random.random() < 0.25:
            return Free(self.binary).grow(random, depth)
        case = random.choice(self.cases)
        if case.struct is not None:
            inner = Struct(self.binary, case.struct)
            if case.kind == "struct":
                return inner.grow(random, depth)
            return listed(random, lambda: inner.grow(random, depth + 1))
        return self.plain(random, case.kind, depth)

    def plain(self, random: Random, kind: str, depth: int) -> Node:
        """Grow a value without a struct in it."""
        if kind == "json":
            return Free(self.binary).grow(random, depth)
        if kind == "vectors" and random.random() < 0.8:
            return listed(random, lambda: self.plain(random, "vector", depth))
        kind = random.choice(("str", "strs", "tokens")) if kind == "prompt" else kind
        if kind in ("str", "int", "float", "bool"):
            pool = {"int": INTEGERS, "float": FLOATS, "bool": ["true", "false"]}
            return text(random) if kind == "str" else atom(random, pool[kind])
        if kind == "strs":
            return listed(random, lambda: text(random))
        return listed(random, lambda: atom(random, FLOATS if kind.startswith("vector") else INTEGERS))

    def inside(self, node: Node, key: Any) -> "Free":
        """Return what may stand in an object or a list here."""
        kind = "struct" if node[0] == "dict" else "structs"
        struct = next((case.struct for case in self.cases if case.kind == kind), None)
        if struct is None:
            return Free(self.binary)
        inner = Struct(self.binary, struct)
        return inner if node[0] == "list" else inner.inside(node, key)
