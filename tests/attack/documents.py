"""Recipes → JSON and MessagePack.

What only MessagePack has (keys that are no text, heads that promise too much, bytes, extensions) stands in JSON as the
nearest that JSON has.
"""

from tests.attack.recipe import Node, times
from tests.attack.rope import Digits, Rope, cat, leaf, places_for, rep, rows

ATOMS: dict[str, tuple[bytes, bytes]] = {
    "0": (b"0", b"\x00"), "1": (b"1", b"\x01"), "7": (b"7", b"\x07"), "-1": (b"-1", b"\xff"), "-2": (b"-2", b"\xfe"),
    "-32": (b"-32", b"\xe0"), "127": (b"127", b"\x7f"), "200": (b"200", b"\xcc\xc8"), "-100": (b"-100", b"\xd0\x9c"),
    "12336": (b"12336", b"\xcd\x30\x30"), "70000": (b"70000", b"\xce\0\x01\x11\x70"),
    "-3000000000": (b"-3000000000", b"\xd3\xff\xff\xff\xff\x4d\x2f\xa2\0"),
    "2305843009213693951": (b"2305843009213693951", b"\xcf\x1f" + b"\xff" * 7),
    "18446744073709551615": (b"18446744073709551615", b"\xcf" + b"\xff" * 8),
    "1.5": (b"1.5", b"\xca\x3f\xc0\0\0"), "0.1": (b"0.1", b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
    "1e5": (b"1e5", b"\xcb\x40\xf8\x6a\0\0\0\0\0"), "null": (b"null", b"\xc0"), "true": (b"true", b"\xc3"),
    "false": (b"false", b"\xc2"), "text": (b'""', b"\xa0"), "letter": (b'"a"', b"\xa1a"),
    "wide": ('"é"'.encode(), b"\xa2\xc3\xa9"), "list": (b"[]", b"\x90"), "dict": (b"{}", b"\x80"),
}  # fmt: skip
"""Name → JSON, MessagePack."""

UNITS: dict[str, tuple[bytes, bytes]] = {
    "a": (b"a", b"a"), "digit": (b"1", b"1"), "é": ("é".encode(), "é".encode()), "€": ("€".encode(), "€".encode()),
    "😀": ("😀".encode(), "😀".encode()), "escape": (b"\\u0041", b"A"), "newline": (b"\\n", b"\n"), "": (b"", b""),
    "surrogate": (b"\\ud800", b"\xed\xa0\x80"), "quote": (b'\\"', b'"'), "bracket": (b"[", b"["),
}  # fmt: skip
"""Name → what a unit of text is in JSON and in MessagePack."""

LETTERS = tuple(bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
BYTES = tuple(bytes([value]) for value in range(256))
KEYS = ("text", "ints", "bytes", "floats", "arrays", "maps", "extensions")
"""Kinds of keys that are all different; a key ("bits", a, b) is an array of two atoms in all their orders."""

CLAIMS = {"list": b"\xdd", "dict": b"\xdf", "text": b"\xdb", "bytes": b"\xc6", "extension": b"\xc9"}
"""What promises a number of values or bytes in four bytes."""


def json(node: Node, scale: float) -> Rope:
    """Write a recipe as JSON."""
    name = node[0]
    if name == "atom":
        return leaf(ATOMS[node[1]][0])
    if name == "text":
        return cat(leaf(b'"'), text(node, scale, 0), leaf(b'"'))
    if name == "list":
        parts = [(times(count, scale), json(inner, scale)) for _, count, _, inner in node[1:]]
        return cat(leaf(b"["), joined([rep_comma(part, count) for count, part in parts]), leaf(b"]"))
    if name == "dict":
        return cat(leaf(b"{"), joined([json_entry(block, scale) for block in node[1:]]), leaf(b"}"))
    if name == "nest":
        levels = times(node[2], scale)
        start, end = (b"[", b"]") if node[1] == "list" else (b'{"a":', b"}")
        return cat(rep(leaf(start), levels), json(node[3], scale), rep(leaf(end), levels))
    if name == "claim":
        return leaf(b"[" if node[1] == "list" else b'"')
    return cat(leaf(b'"'), rep(leaf(b"x"), times(node[-1], scale)), leaf(b'"'))


def text(node: Node, scale: float, form: int) -> Rope:
    """Write the content of a text: 0 for JSON, 1 for anything that has lengths."""
    return cat(rep(leaf(UNITS[node[1]][form]), times(node[2], scale)), leaf(UNITS[node[3]][form]))


def rep_comma(part: Rope, count: int) -> Rope:
    """Repeat something with a comma behind each."""
    return rep(cat(part, leaf(b",")), count)


def joined(parts: list[Rope]) -> Rope:
    """Join what ends with a comma, and drop the last of them."""
    if not parts:
        return leaf(b"")
    whole = cat(*parts)
    return Rope(whole.length - 1, lambda: whole.make()[:-1])


def json_entry(block: Node, scale: float) -> Rope:
    """Write entries of an object, each with a comma behind it."""
    _, count, key, inner = block
    many, value = times(count, scale), cat(leaf(b":"), json(inner, scale), leaf(b","))
    if isinstance(key, str) and key not in KEYS:
        return rep(cat(leaf(b'"' + key.encode() + b'"'), value), many)
    places = places_for(many, len(LETTERS))
    return rows(cat(leaf(b'"' + b"a" * places + b'"'), value), many, [Digits(1, places, LETTERS)])


def msgpack(node: Node, scale: float) -> Rope:
    """Write a recipe as MessagePack."""
    name = node[0]
    if name == "atom":
        return leaf(ATOMS[node[1]][1])
    if name == "text":
        content = text(node, scale, 1)
        return cat(leaf(text_head(content.length)), content)
    if name == "list":
        parts = [(times(count, scale), msgpack(inner, scale)) for _, count, _, inner in node[1:]]
        head = group_head(sum(count for count, _ in parts), 0x90, 0xDC)
        return cat(leaf(head), *(rep(part, count) for count, part in parts))
    if name == "dict":
        head = group_head(sum(times(block[1], scale) for block in node[1:]), 0x80, 0xDE)
        return cat(leaf(head), *(msgpack_entry(block, scale) for block in node[1:]))
    if name == "nest":
        start = b"\x91" if node[1] == "list" else b"\x81\xa1a"
        return cat(rep(leaf(start), times(node[2], scale)), msgpack(node[3], scale))
    if name == "claim":
        return leaf(CLAIMS[node[1]] + times(node[2], scale).to_bytes(8)[-4:])
    many = times(node[2], scale)
    head = b"\xc6" + many.to_bytes(4) if node[1] is None else b"\xc9" + many.to_bytes(4) + bytes([node[1]])
    return cat(leaf(head), rep(leaf(b"x"), many))


def text_head(length: int) -> bytes:
    """Write the head of a text."""
    if length < 32:
        return bytes([0xA0 | length])
    return b"\xda" + length.to_bytes(2) if length < 2**16 else b"\xdb" + length.to_bytes(8)[-4:]


def group_head(count: int, short: int, long: int) -> bytes:
    """Write the head of an array or a map."""
    if count < 16:
        return bytes([short | count])
    return bytes([long]) + count.to_bytes(2) if count < 2**16 else bytes([long + 1]) + count.to_bytes(8)[-4:]


def msgpack_entry(block: Node, scale: float) -> Rope:
    """Write entries of a map."""
    _, count, key, inner = block
    many, value = times(count, scale), msgpack(inner, scale)
    if isinstance(key, str) and key not in KEYS:
        name = key.encode()
        return rep(cat(leaf(text_head(len(name)) + name), value), many)
    if isinstance(key, tuple):
        digits = (ATOMS[key[1]][1], ATOMS[key[2]][1])
        places = places_for(many, 2)
        head = group_head(places, 0x90, 0xDC)
    else:
        digits = LETTERS if key == "text" else BYTES
        places = max(places_for(many, len(digits)), {"ints": 8, "floats": 8}.get(key, 1))
        head = KEY_HEADS[key](places)
    whole = cat(leaf(head), rep(leaf(digits[0]), places), value)
    return rows(whole, many, [Digits(len(head), places, digits)])


KEY_HEADS = {
    "text": text_head,
    "ints": lambda places: b"\xd3",
    "floats": lambda places: b"\xcb",
    "bytes": lambda places: bytes([0xC4, places]),
    "arrays": lambda places: b"\x91" + bytes([0xC4, places]),
    "maps": lambda places: b"\x81\xa1a" + bytes([0xC4, places]),
    "extensions": lambda places: bytes([0xC7, places, 5]),
}
"""What stands before the digits of a key."""
