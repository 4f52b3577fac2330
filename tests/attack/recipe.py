"""A message as a small program, and how long it becomes.

A recipe is a tuple: its name, then what belongs to it. Blocks say how often something stands in what holds it.

    ("list", block…)  ("dict", block…)          JSON and MessagePack
    ("message", block…)  ("group", block…)      protobuf
    ("table", block…)  ("vector", alias, block…)   FlatBuffers; with `alias` all places point at one object
    ("block", count, key, node)                 the key is a name, a field's number, a slot, or None
    ("nest", shape, count, node)                so many levels of a list or an object around it
    ("text", unit, count, tail)                 a unit so often, then another one once
    ("atom", name)                              a number, null, true…
    ("numbers", width, byte, count)             packed numbers: bytes that are all alike
    ("claim", head, count)                      a head that promises what does not follow
    ("blob", code, count)                       MessagePack's bytes and extensions
    ("varint", value)  ("fixed", width)         protobuf's numbers
    ("inline", width, value)                    FlatBuffers' numbers
    ("json", node)                              JSON text in a binary message

A count that is a float is a share of the scale, and the scale is chosen so that the message has the length that is
wanted; so one recipe stands for messages of all lengths.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tests.attack.rope import Rope

Node = tuple[Any, ...]
Path = tuple[int, ...]
Render = Callable[[Node, float], Rope]
"""(recipe, scale) → the message."""

COUNT_AT = {"block": 1, "nest": 2, "text": 2, "numbers": 3, "claim": 2, "blob": 2}
"""Where a node has its count."""

MOST_SCALE = 2.0**40
MOST_NODES = 400


def times(count: float, scale: float) -> int:
    """Return a count for a scale, at least one."""
    return max(1, int(count * scale)) if isinstance(count, float) else count


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Yield every node with its place, the whole recipe first."""
    yield path, node
    for i, part in enumerate(node):
        if isinstance(part, tuple) and part and isinstance(part[0], str):
            yield from walk(part, (*path, i))


def at(node: Node, path: Path) -> Node:
    """Return the node at a place."""
    for i in path:
        node = node[i]
    return node


def put(node: Node, path: Path, new: Any) -> Node:
    """Return the recipe with another node, or count, at a place."""
    if not path:
        return new
    return (*node[: path[0]], put(node[path[0]], path[1:], new), *node[path[0] + 1 :])


def without(node: Node, path: Path) -> Node:
    """Return the recipe without the node at a place."""
    above = at(node, path[:-1])
    return put(node, path[:-1], (*above[: path[-1]], *above[path[-1] + 1 :]))


def counts(node: Node) -> list[Path]:
    """List the places of all counts."""
    return [(*path, COUNT_AT[found[0]]) for path, found in walk(node) if found[0] in COUNT_AT]


def grows(node: Node) -> bool:
    """Return whether a recipe becomes longer with the scale."""
    return any(isinstance(at(node, path), float) for path in counts(node))


def scaled(node: Node, render: Render, wanted: int) -> Rope:
    """Make the longest message of a recipe that is no longer than wanted; one that cannot be so short is the shortest.

    Args:
        node: the recipe.
        render: what writes it.
        wanted: bytes.
    """
    low, high, best = 1.0, 2.0, render(node, 1.0)
    if not grows(node) or best.length > wanted:
        return best
    while high < MOST_SCALE and (rope := render(node, high)).length <= wanted:
        low, high, best = high, high * 2, rope
    while high - low > max(1.0, low * 0.01):
        middle = (low + high) / 2
        rope = render(node, middle)
        if rope.length <= wanted:
            low, best = middle, rope
        else:
            high = middle
    return best


def plain(value: Any) -> Any:
    """Turn a recipe that came out of a JSON file back into tuples."""
    return tuple(map(plain, value)) if isinstance(value, list) else value


def shape(node: Node) -> str:
    """Write a recipe without its counts, and equal parts once: two that differ in nothing else are one find."""
    parts = []
    for i, part in enumerate(node):
        if isinstance(part, tuple):
            parts.append(shape(part))
        elif i != COUNT_AT.get(node[0]):
            parts.append(str(part))
    return f"{parts[0]}({','.join(dict.fromkeys(parts[1:]))})" if parts else "()"
