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
from serlab.codecs.flatbuffers.layout import OFFSETS, SIZES, Slot, choose
from serlab.codecs.flatbuffers.tables import TableInfo
from serlab.codecs.jsontext import WORST


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

NUMBER, BYTE = scans.NUMBER + scans.PLACE, scans.PLACE
"""Bytes of a number and of a byte in a list. One in an array takes less, but counts as in JSON, so that formats refuse
the same messages.
"""

NULL = 48
"""Bytes that a null takes while its table is read."""

SCALAR = 32
"""Bytes of an integer or a double."""


class _Emitted(NamedTuple):
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


def _emit(info: TableInfo, slot: Slot, o: str, mode: Mode) -> _Emitted:
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
        return _Emitted(lines(EIGHT) if slot.size == 8 else "", str(SCALAR) if slot.size > 1 else "", f"x_{i}")
    if slot.kind in ("str", "json"):
        return _emit_text(info, slot, lines(POINTER, VECTOR, TEXT_END), mode)
    if slot.kind in ("numbers", "nulls"):
        return _emit_numbers(info, slot, lines(POINTER, VECTOR, VECTOR_END), mode)
    call = "read_strings" if slot.kind == "strs" else f"list_{slot.target}"
    call = {"table": f"read_{slot.target}", "extra": "list_Extra"}.get(slot.kind, call)
    value = f"{call}(buf, p_{i}, walk)"
    if slot.kind == "extra" and mode.value:
        value = f"{'once' if mode.check else 'dict'}({value})"
    return _Emitted(lines(POINTER), "56", _fitted(info, slot, value) if mode.value else value)


def _fitted(info: TableInfo, slot: Slot, value: str) -> str:
    """Generate the check of a value that its field need not take."""
    return f"fit_{info.name}_{slot.name}({value})" if slot.name in info.fits else value


def _emit_text(info: TableInfo, slot: Slot, locate: str, mode: Mode) -> _Emitted:
    """Generate the lines for text, and for JSON, which is taken for the worst until the walk needs to know better."""
    i = slot.name
    content = f"buf[p_{i}:e_{i}]"
    text = f'str({content}, "utf-8")' if mode.any else f"{content}.decode()"
    if slot.kind == "str":
        return _Emitted(locate, f"4 * n_{i} + {TEXT}", text)
    mixed = i in info.mixed
    if mode.check and not mixed:
        locate += f"if n_{i} > walk.small:\n    walk.texts.append(p_{i})\n"
    elif mode.check:
        locate += f"if walk.small < 0:\n    walk.count_text(p_{i})\n"
    size = f"weigh_mixed({content})" if mixed else f"{WORST} * n_{i} + {JSON}"
    loads = f"loads_{info.name}_{i}" if mixed else "loads"
    return _Emitted(locate, size, _fitted(info, slot, f"{loads}({content})") if mode.value else text)


def _emit_numbers(info: TableInfo, slot: Slot, locate: str, mode: Mode) -> _Emitted:
    """Generate the lines for a vector of numbers: an array in a Vector, a list elsewhere, names for `nulls`."""
    i = slot.name
    if slot.kind == "nulls":
        return _Emitted(locate, f"{NULL} * n_{i}", f"nulls[bytes(buf[p_{i}:e_{i}])]")
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
        return _Emitted(locate, size, f"mixed(copied(buf, p_float64s, n_float64s, 'd'), {value})")
    return _Emitted(locate, size, value if mode.value else "")


def _is_offset(slot: Slot) -> bool:
    """Return whether a slot holds an offset."""
    return slot.kind in OFFSETS


# Put the lines of a table's slots together to the function that reads it: for one vtable, or for any.

GUARD = """\
    except KNOWN:
        raise
    except OTHER as error:
        raise bad({table!r}, t, reason(error)) from error
"""
"""Say where a library's exception came from; what serlab itself raises says so already."""


def source_for_vtable(name: str, info: TableInfo, places: dict[str, int], size: int, mode: Mode) -> tuple[str, str]:
    """Generate the reader of a table with a given vtable.

    Args:
        name: the function's name.
        info: the table.
        places: slot name → its distance from the table's start.
        size: bytes of the table.
        mode: what the function does.

    Returns:
        Its source, and the `struct` format that unpacks the table.
    """
    slots = sorted((slot for slot in info.slots if slot.name in places), key=lambda slot: places[slot.name])
    variables = [_variable(slot) for slot in slots]
    emitted = [_emit(info, slot, str(places[slot.name]), mode) for slot in slots]
    body = [f"{', '.join(variables)}, = unpack(buf, t)" if variables else "unpack(buf, t)"]
    seen_checks: set[str] = set()
    for slot, lines in zip(slots, emitted, strict=True):
        # Slots of 8 bytes whose places agree modulo 8 need one check.
        check = f"{places[slot.name] % 8}" if slot.kind == "scalar" else slot.name
        if check not in seen_checks:
            body += lines.locate.splitlines()
        seen_checks.add(check)
    body += _budget(info, emitted, mode)
    arguments = f"buf, t, walk, unpack=unpack_{name}, nulls=nulls_{name}"
    return _function(name, arguments, info, [*body, *_result(info, slots, emitted, mode)]), _format_of(
        slots, places, size
    )


def _format_of(slots: list[Slot], places: dict[str, int], size: int) -> str:
    """Write a table in `struct`'s language, with what lies between its slots."""
    parts, end = ["<4x"], 4
    for slot in slots:
        parts.append(f"{places[slot.name] - end}x{slot.format}")
        end = places[slot.name] + slot.size
    return "".join([*parts, f"{size - end}x"])


def _budget(info: TableInfo, emitted: list[_Emitted], mode: Mode) -> list[str]:
    """Generate the lines that take what the table will need off the walk's budget, before anything is made."""
    if not mode.check:
        return []
    sizes = [lines.size for lines in emitted if lines.size]
    return [f"walk.size -= {' + '.join([str(_base_size(info)), *sizes])}", "if walk.size < 0:", "    walk.check()"]


def _base_size(info: TableInfo) -> int:
    """Return what a struct takes by itself, or more where it is small."""
    if info.type is None:
        return EXTRA if info.name == "Extra" else LEAST_TABLE
    return max(LEAST_TABLE, info.type.__basicsize__ + 32)


LEAST_TABLE, EXTRA = 352, 900
"""Bytes that a table counts at least: reading the smallest takes 0.5 µs, an entry of `extra` 2."""


def _result(info: TableInfo, slots: list[Slot], emitted: list[_Emitted], mode: Mode) -> list[str]:
    """Generate the lines that make and return the table's value."""
    values = {slot.name: lines.value for slot, lines in zip(slots, emitted, strict=True)}
    if not mode.value and info.name != "Extra":
        extra = values.pop("extra", "")
        read = [values[slot.name] for slot in slots if slot.kind != "scalar" and values.get(slot.name)]
        return [*read, f"return {extra}"] if extra else read
    if info.type is not None:
        named = [
            f"**{values[slot.name]}" if slot.kind == "nulls" else f"{slot.attribute}={values[slot.name]}"
            for slot in slots
        ]
        return [f"return {info.name}({', '.join(named)})"]
    if info.name == "Extra":
        return [f"return {values['pointer']}, {values['json']}"]
    if "integral" in values:
        return [f"return mixed({values['float64s']}, {values['integral']})"]
    return [f"return {next(iter(values.values()))}"]


def source_for_any(name: str, info: TableInfo, mode: Mode) -> str:
    """Generate the reader of a table with whatever vtable: (places, nulls, size, buffer, position, walk).

    Args:
        name: the function's name.
        info: the table.
        mode: what the function does.
    """
    parts = [(slot, _emit(info, slot, f"o_{slot.name}", mode)) for slot in info.slots]
    body = [f"{', '.join(f'o_{slot.name}' for slot, _ in parts)}, = places", "if t + size > walk.end:"]
    body += ["    raise bad_end(TABLE, 'a table', t, t + size)", f"need = {_base_size(info)}", "values = {}"]
    for slot, lines in parts:
        place = f"o_{slot.name}"
        body += [f"if {place}:", f"    {_variable(slot)}, = unpack_from('<{slot.format}', buf, t + {place})"]
        body += _indented(lines.locate.splitlines())
        body += [f"    need += {lines.size}"] if lines.size else []
    if mode.check:
        body += ["walk.size -= need", "if walk.size < 0:", "    walk.check()"]
    for slot, lines in parts:
        body += [f"if o_{slot.name}:", f"    {_assignment(info, slot, lines.value)}"] if lines.value else []
    if mode.value or info.name == "Extra":
        body.append(f"return {info.name}(**values)" if info.type is not None else "return box_value(values)")
    else:
        body.append("return values.get('extra')")
    return _function(name, "places, nulls, size, buf, t, walk", info, body).replace("TABLE", repr(info.name))


def _variable(slot: Slot) -> str:
    """Name the variable of what stands in a slot: an offset or a number."""
    return f"{'a' if _is_offset(slot) else 'x'}_{slot.name}"


def _assignment(info: TableInfo, slot: Slot, value: str) -> str:
    """Generate the line that keeps a slot's value."""
    if slot.kind == "nulls":
        return f"values |= {value}"
    return f"values[{slot.name if info.type is None else slot.attribute!r}] = {value}".replace(
        f"[{slot.name}]", f"[{slot.name!r}]"
    )


def _function(name: str, arguments: str, info: TableInfo, body: list[str]) -> str:
    """Put a function's lines into the guard that names the table."""
    lines = [f"def {name}({arguments}):", "    try:", *_indented(_indented(body))]
    return "\n".join(lines) + "\n" + GUARD.format(table=info.name)


def _indented(lines: list[str]) -> list[str]:
    """Move lines one level in."""
    return ["    " + line for line in lines]
