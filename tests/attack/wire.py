"""Recipes → protobuf: fields by number, whatever the schema says of them."""

from tests.attack.documents import json, text
from tests.attack.recipe import Node, times
from tests.attack.rope import Rope, cat, leaf, rep, varint

WIRES = {"varint": 0, "fixed": 1, "group": 3}


def protobuf(node: Node, scale: float) -> Rope:
    """Write a message or a group of fields."""
    return cat(leaf(b""), *(field(block, scale) for block in node[1:]))


def field(block: Node, scale: float) -> Rope:
    """Write a field as often as its block says."""
    _, count, number, node = block
    name = node[0]
    wire = 5 if node == ("fixed", 4) else WIRES.get(name, 2)
    tag = leaf(varint(number << 3 | wire))
    return rep(cat(tag, value(number, node, scale)), times(count, scale))


def value(number: int, node: Node, scale: float) -> Rope:
    """Write what stands behind a tag."""
    name = node[0]
    if name == "varint":
        return leaf(varint(node[1]))
    if name == "fixed":
        return leaf(b"\x01" * node[1])
    if name == "group":
        return cat(protobuf(node, scale), leaf(varint(number << 3 | 4)))
    if name == "claim":
        return leaf(varint(times(node[2], scale)))
    if name == "numbers":
        content = rep(leaf(bytes([node[2]])), times(node[3], scale) * node[1])
    elif name == "text":
        content = text(node, scale, 1)
    elif name == "json":
        content = json(node[1], scale)
    else:
        content = protobuf(node, scale)
    return cat(leaf(varint(content.length)), content)
