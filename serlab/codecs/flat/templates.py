"""Generate the functions that read tables: with and without checks, with and without values.

One template serves all uses, so that `decode` checks exactly what the verifier checks:

| mode | checks | values | for |
|---|---|---|---|
| decode | yes | yes | `decode` |
| verify | yes | no | `open` |
| trust | no | yes | `decode` of `flatbuffers-unverified` |
| copy | no | yes | `materialize` of a view, over any buffer |
| large | yes | yes | `decode` of a long buffer, whose parts are not copied before they are read |

For each vtable that a table comes with, a function is compiled that takes all slots by one `struct` unpack. A table
that comes with ever new vtables is read by a general function, so that a stranger cannot make it compile without end.

Source: the FlatBuffers internals page; flatbuffers::Verifier.
"""

from typing import NamedTuple

from serlab.codecs import scans
from serlab.codecs.flat.layout import OFFSETS, SIZES, Slot
from serlab.codecs.flat.source import choose
from serlab.codecs.flat.tables import TableInfo
from serlab.codecs.jsonweight import WORST


class Mode(NamedTuple):
    """What the generated functions do: check, make values, take any buffer and not only bytes."""

    name: str
    check: bool
    value: bool
    any: bool


MODES = {
    "decode": Mode("decode", True, True, False),
    "verify": Mode("verify", True, False, True),
    "trust": Mode("trust", False, True, False),
    "copy": Mode("copy", False, True, True),
    "large": Mode("large", True, True, True),
}

ONE = """\
def read_{table}(buf, t, walk):
@check     walk.depth -= 1
@check     walk.items -= 1
@check     if walk.depth < 0 or walk.items < 0:
@check         walk.check()
    v = t - i32(buf, t)[0]
    read = walk.readers.get(v * {count} + {index})
    if read is None:
        read = find_{table}(walk, v)
@check     value = read(buf, t, walk)
@check     walk.depth += 1
@check     return value
@!check     return read(buf, t, walk)
"""
"""Read a table through its vtable."""

MANY = """\
def list_{table}(buf, p, walk):
    n, = u32(buf, p)
    place = p + 4
@check     if place + 4 * n > walk.end:
@check         raise bad_end("{table}", "a list", p, place + 4 * n)
@check     walk.depth -= 1
@check     walk.items -= n
@check     walk.size -= {place} * n
@check     if walk.depth < 0 or walk.items < 0 or walk.size < 0:
@check         walk.check()
    readers = walk.readers
@value     values = []
    for a in unpack_from("<%dI" % n, buf, place):
        t = place + a
@check         if a & 3 or not a:
@check             raise bad_offset("{table}", "a list", place)
        v = t - i32(buf, t)[0]
        read = readers.get(v * {count} + {index})
        if read is None:
            read = find_{table}(walk, v)
@value         values.append(read(buf, t, walk))
@!value         read(buf, t, walk)
        place += 4
@check     walk.depth += 1
@value     return values
"""
"""Read a vector of tables."""

STRINGS = """\
def read_strings(buf, p, walk):
    n, = u32(buf, p)
    place = p + 4
@check     if place + 4 * n > walk.end:
@check         raise bad_end("a list", "text", p, place + 4 * n)
@check     walk.items -= n
@check     walk.size -= 112 * n
@check     if walk.items < 0 or walk.size < 0:
@check         walk.check()
@value     values = []
    for a in unpack_from("<%dI" % n, buf, place):
        p = place + a
        n, = u32(buf, p)
        p += 4
        e = p + n
@check         if a & 3 or not a:
@check             raise bad_offset("a list", "text", place)
@check         if e >= walk.end or buf[e]:
@check             raise bad_end("a list", "text", p, e)
@check         walk.size -= 4 * n
@check         if walk.items < 0 or walk.size < 0:
@check             walk.check()
@any         s = str(buf[p:e], "utf-8")
@!any         s = buf[p:e].decode()
@value         values.append(s)
        place += 4
@value     return values
"""
"""Read a vector of strings."""


def dispatchers(info: TableInfo, count: int, mode: Mode) -> dict[str, str]:
    """Generate the functions that read one table and a vector of such tables.

    Args:
        info: the table.
        count: the number of tables in the schema.
        mode: what the functions do.

    Returns:
        Function name → source.
    """
    words = {"table": info.name, "count": str(count), "index": str(info.index), "place": str(PLACE)}
    found = {}
    for name, template in ((f"read_{info.name}", ONE), (f"list_{info.name}", MANY)):
        for word, text in words.items():
            template = template.replace(f"{{{word}}}", text)
        # The verifier gives the entries of `extra` back, which it has read, to be checked against the fields.
        found[name] = choose(template, check=mode.check, value=mode.value or info.name == "Extra")
    return found


PLACE = 48
"""Bytes that an item of a list takes beside its value: its place, and while the list is read its offset."""

TEXT, JSON, ARRAY = 100, 250, 700
"""Bytes that a text takes beside four for each of its bytes, a JSON text beside the most that it may become, and an
array beside its numbers. They take less, but these numbers bound the time as well: 0.15, 0.5 and 1.3 µs for each.
"""

SMALL_JSON = 128
"""JSON text of up to this length stays with the most that it may become."""

NUMBER, BYTE = scans.NUMBER + scans.PLACE, scans.PLACE
"""Bytes of a number and of a byte in a list. One in an array takes less, but counts as in JSON, so that formats refuse
the same messages.
"""

NULL = 48
"""Bytes that a null takes while its table is read."""

SCALAR = 32
"""Bytes of an integer or a double."""


class Emitted(NamedTuple):
    """The lines of one slot: where its content is, what it will take, and its value."""

    locate: str
    size: str
    value: str


POINTER = """\
p_{i} = t + {o} + a_{i}
@check if a_{i} & 3 or not a_{i}:
@check     raise bad_offset("{table}", "{i}", t + {o})
"""

VECTOR = """\
n_{i}, = u32(buf, p_{i})
p_{i} += 4
e_{i} = p_{i} + {times}n_{i}
"""

TEXT_END = """\
@check if e_{i} >= walk.end or buf[e_{i}]:
@check     raise bad_end("{table}", "{i}", p_{i}, e_{i})
"""

VECTOR_END = """\
@check if e_{i} > walk.end{aligned}:
@check     raise bad_end("{table}", "{i}", p_{i}, e_{i})
"""

EIGHT = """\
@check if (t + {o}) & 7:
@check     raise bad("{table}", t, "{i}: expected a number at a multiple of 8")
"""


def emit(info: TableInfo, slot: Slot, o: str, mode: Mode) -> Emitted:
    """Generate the lines for one slot.

    Args:
        info: the table.
        slot: the slot.
        o: its distance from the table's start: a number or a variable.
        mode: what the function does.
    """
    width, i = SIZES.get(slot.element, 1), slot.name

    def lines(*templates: str) -> str:
        text = choose("".join(templates), check=mode.check)
        aligned = f" or p_{i} & 7" if width == 8 else ""
        times = f"{width} * " if width > 1 else ""
        return text.format(i=i, o=o, table=info.name, aligned=aligned, times=times)

    if slot.kind == "scalar":
        return Emitted(lines(EIGHT) if slot.size == 8 else "", str(SCALAR) if slot.size > 1 else "", f"x_{i}")
    if slot.kind in ("str", "json"):
        return emit_text(info, slot, lines(POINTER, VECTOR, TEXT_END), mode)
    if slot.kind in ("numbers", "nulls"):
        return emit_numbers(info, slot, lines(POINTER, VECTOR, VECTOR_END), mode)
    call = "read_strings" if slot.kind == "strs" else f"list_{slot.target}"
    call = {"table": f"read_{slot.target}", "extra": "list_Extra"}.get(slot.kind, call)
    value = f"{call}(buf, p_{i}, walk)"
    if slot.kind == "extra" and mode.value:
        value = f"{'once' if mode.check else 'dict'}({value})"
    return Emitted(lines(POINTER), "56", fitted(info, slot, value) if mode.value else value)


def fitted(info: TableInfo, slot: Slot, value: str) -> str:
    """Generate the check of a value that its field need not take."""
    return f"fit_{info.name}_{slot.name}({value})" if slot.name in info.fits else value


def emit_text(info: TableInfo, slot: Slot, locate: str, mode: Mode) -> Emitted:
    """Generate the lines for text, and for JSON, which is taken for the worst until the walk needs to know better."""
    i = slot.name
    content = f"buf[p_{i}:e_{i}]"
    text = f'str({content}, "utf-8")' if mode.any else f"{content}.decode()"
    if slot.kind == "str":
        return Emitted(locate, f"4 * n_{i} + {TEXT}", text)
    mixed = i in info.mixed
    if mode.check and not mixed:
        locate += f"if n_{i} > {SMALL_JSON}:\n    walk.texts.append(p_{i})\n"
    size = f"weigh_mixed({content})" if mixed else f"{WORST} * n_{i} + {JSON}"
    loads = f"loads_{info.name}_{i}" if mixed else "loads"
    return Emitted(locate, size, fitted(info, slot, f"{loads}({content})") if mode.value else text)


def emit_numbers(info: TableInfo, slot: Slot, locate: str, mode: Mode) -> Emitted:
    """Generate the lines for a vector of numbers: an array in a Vector, a list elsewhere, names for `nulls`."""
    i = slot.name
    if slot.kind == "nulls":
        return Emitted(locate, f"{NULL} * n_{i}", f"nulls[bytes(buf[p_{i}:e_{i}])]")
    size = f"{NUMBER} * n_{i} + 112"
    if info.name == "Vector" and slot.name != "integral":
        size = f"{NUMBER} * n_{i} + {ARRAY}"
        value = f"copied(buf, p_{i}, n_{i}, {slot.element!r})"
    elif slot.element == "B":
        size = f"{BYTE} * n_{i} + 112"
        value = f"list(buf[p_{i}:e_{i}])"
    else:
        value = f"listed(buf, p_{i}, n_{i}, {slot.element!r})"
    if slot.name == "integral" and not mode.value:
        return Emitted(locate, size, f"mixed(copied(buf, p_float64s, n_float64s, 'd'), {value})")
    return Emitted(locate, size, value if mode.value else "")


def is_offset(slot: Slot) -> bool:
    """Tell whether a slot holds an offset."""
    return slot.kind in OFFSETS
