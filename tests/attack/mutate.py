"""Recipes → other recipes."""

from collections.abc import Callable, Iterator
from random import Random

from tests.attack.documents import ATOMS, UNITS
from tests.attack.places import Free, Struct
from tests.attack.recipe import COUNT_AT, MOST_NODES, Node, Path, Render, at, counts, grows, put, walk, without
from tests.attack.schemas import Message, Place, Table

Spot = tuple[Path, Node, Place]
HOLDERS = ("dict", "list", "message", "group", "table", "vector")
TRIES = 8


def spots(node: Node, place: Place, path: Path = ()) -> Iterator[Spot]:
    """Yield every node but the blocks, with what may stand there."""
    yield path, node, place
    for i, part in enumerate(node):
        if isinstance(part, tuple) and part and part[0] == "block":
            yield from spots(part[3], place.inside(node, part[2]), (*path, i, 3))
        elif node[0] in ("nest", "json") and isinstance(part, tuple):
            yield from spots(part, Free() if node[0] == "json" else place.inside(node, None), (*path, i))


Mutation = Callable[[Random, Node, list[Spot], list[Spot]], Node]
"""(random, recipe, its spots, another recipe's spots) → a recipe."""


def regrow(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Grow a part anew."""
    path, _, place = random.choice(own)
    return put(node, path, place.grow(random, len(path) // 2))


def recount(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Change a count, or make it a share."""
    places = counts(node)
    if not places:
        return node
    path = random.choice(places)
    old = at(node, path[:-1])[path[-1]]
    new = random.choice((1, 2, 8, 17, 65, 300, 5000, 1.0, random.random() ** 3, old * 2, old * 10, max(1, old // 2)))
    return put(node, path, new)


def add(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Add a part that is grown or stands in another recipe."""
    path, holder, place = random.choice([spot for spot in own if spot[1][0] in HOLDERS] or own)
    grown = random.choice([place.grow(random, 2), random.choice(other)[1]])
    parts = [part for part in grown if isinstance(part, tuple) and part[:1] == ("block",)]
    return put(node, path, (*holder, *parts)) if grown[0] == holder[0] else node


def drop(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Leave a block out."""
    blocks = [path for path, found in walk(node) if found[0] == "block"]
    return without(node, random.choice(blocks)) if blocks else node


def double(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Repeat a block beside itself."""
    blocks = [path for path, found in walk(node) if found[0] == "block"]
    if not blocks:
        return node
    path = random.choice(blocks)
    holder, found = at(node, path[:-1]), at(node, path)
    return put(node, path[:-1], (*holder, *[found] * random.choice((1, 1, 3, 9))))


def multiply(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Have several of what grows: each may keep within a limit that all of them pass together."""
    blocks = [path for path, found in walk(node) if found[0] == "block" and grows(found[3])]
    if not blocks:
        return node
    return put(node, (*random.choice(blocks), COUNT_AT["block"]), random.choice((8, 17, 65, 300)))


def wrap(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Put a value into a list, an object, or many levels."""
    path, found, place = random.choice([spot for spot in own if isinstance(spot[2], Free)] or own)
    if not isinstance(place, Free):
        return node
    ways = (
        ("list", ("block", random.choice((1, 8, random.random())), None, found)),
        ("dict", ("block", random.choice((1, random.random())), place.key(random), found)),
        ("nest", random.choice(("list", "dict")), random.choice((2, 60, 900, random.random())), found),
    )
    return put(node, path, random.choice(ways))


def rekey(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Return entries another key, or a field another number."""
    path, holder, place = random.choice([spot for spot in own if spot[1][0] in ("dict", "message", "table")] or own)
    blocks = [i for i, part in enumerate(holder) if isinstance(part, tuple) and part[:1] == ("block",)]
    if not blocks:
        return node
    if isinstance(place, Struct | Message | Table):
        key = place.entry(random, 5)[2]
    elif isinstance(place, Free):
        key = place.key(random)
    else:
        return node
    return put(node, (*path, random.choice(blocks), 2), key)


def retouch(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Exchange an atom or a unit of text, turn an alias round."""
    leaves = [(path, found) for path, found in walk(node) if found[0] in ("atom", "text", "vector", "numbers")]
    if not leaves:
        return node
    path, found = random.choice(leaves)
    if found[0] == "atom":
        return put(node, path, ("atom", random.choice(list(ATOMS))))
    if found[0] == "text":
        return put(node, (*path, random.choice((1, 3))), random.choice(list(UNITS)))
    return put(node, (*path, 1), not found[1]) if found[0] == "vector" else put(node, (*path, 2), random.randrange(256))


def splice(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Take a part over from another recipe."""
    path, _, place = random.choice(own)
    donors = [found for _, found, there in other if type(there) is type(place)]
    return put(node, path, random.choice(donors)) if donors else node


def recur(random: Random, node: Node, own: list[Spot], other: list[Spot]) -> Node:
    """Put a part into itself, where something of its own type stands: twice as deep each time."""
    pairs = [
        (inner, outer)
        for inner, _, place in own
        for outer, _, above in own
        if len(outer) < len(inner) and inner[: len(outer)] == outer and place == above
    ]
    if not pairs:
        return node
    inner, outer = random.choice(pairs)
    return put(node, inner, at(node, outer))


MUTATIONS: tuple[Mutation, ...] = (
    regrow, regrow, recount, recount, recount, add, add, drop, double, multiply, wrap, rekey, retouch, splice, recur,
)  # fmt: skip


def shortened(random: Random, node: Node, render: Render, most: int) -> Node:
    """Make counts of a recipe smaller until its shortest message is short enough."""
    while render(node, 1.0).length > most:
        fixed = [path for path in counts(node) if at(node, path[:-1])[path[-1]] > 1]
        if not fixed:
            return node
        node = put(node, random.choice(fixed), random.choice((1, random.random())))
    return node


def mutated(random: Random, node: Node, other: Node, place: Place) -> Node:
    """Change a recipe in one to four ways.

    Args:
        random: what decides.
        node: the recipe.
        other: one that parts may be taken from.
        place: what a whole message of this kind is.
    """
    for _ in range(random.choice((1, 1, 2, 4))):
        for _ in range(TRIES):
            new = random.choice(MUTATIONS)(random, node, list(spots(node, place)), list(spots(other, place)))
            # A binary message is one message or table, whatever stands in it.
            whole = isinstance(place, Free) or new[0] == node[0]
            if whole and new != node and sum(1 for _ in walk(new)) <= MOST_NODES:
                node = new
                break
    return node
