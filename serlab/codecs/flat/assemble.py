"""Put the lines of a table's slots together to the function that reads it: for one vtable, or for any."""

from serlab.codecs.flat.layout import Slot
from serlab.codecs.flat.tables import TableInfo
from serlab.codecs.flat.templates import Emitted, Mode, emit, is_offset

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
    variables = [variable(slot) for slot in slots]
    emitted = [emit(info, slot, str(places[slot.name]), mode) for slot in slots]
    body = [f"{', '.join(variables)}, = unpack(buf, t)" if variables else "unpack(buf, t)"]
    seen_checks: set[str] = set()
    for slot, lines in zip(slots, emitted, strict=True):
        # Slots of 8 bytes whose places agree modulo 8 need one check.
        check = f"{places[slot.name] % 8}" if slot.kind == "scalar" else slot.name
        if check not in seen_checks:
            body += lines.locate.splitlines()
        seen_checks.add(check)
    body += budget(info, emitted, mode)
    arguments = f"buf, t, walk, unpack=unpack_{name}, nulls=nulls_{name}"
    return function(name, arguments, info, [*body, *result(info, slots, emitted, mode)]), format_of(slots, places, size)


def format_of(slots: list[Slot], places: dict[str, int], size: int) -> str:
    """Write a table in `struct`'s language, with what lies between its slots."""
    parts, end = ["<4x"], 4
    for slot in slots:
        parts.append(f"{places[slot.name] - end}x{slot.format}")
        end = places[slot.name] + slot.size
    return "".join([*parts, f"{size - end}x"])


def budget(info: TableInfo, emitted: list[Emitted], mode: Mode) -> list[str]:
    """Generate the lines that take what the table will need off the walk's budget, before anything is made."""
    if not mode.check:
        return []
    sizes = [lines.size for lines in emitted if lines.size]
    return [f"walk.size -= {' + '.join([str(base_size(info)), *sizes])}", "if walk.size < 0:", "    walk.check()"]


def base_size(info: TableInfo) -> int:
    """Give what a struct takes by itself, or more where it is small."""
    if info.type is None:
        return EXTRA if info.name == "Extra" else LEAST_TABLE
    return max(LEAST_TABLE, info.type.__basicsize__ + 32)


LEAST_TABLE, EXTRA = 352, 900
"""Bytes that a table counts at least: reading the smallest takes 0.5 µs, an entry of `extra` 2."""


def result(info: TableInfo, slots: list[Slot], emitted: list[Emitted], mode: Mode) -> list[str]:
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
    parts = [(slot, emit(info, slot, f"o_{slot.name}", mode)) for slot in info.slots]
    body = [f"{', '.join(f'o_{slot.name}' for slot, _ in parts)}, = places", "if t + size > walk.end:"]
    body += ["    raise bad_end(TABLE, 'a table', t, t + size)", f"need = {base_size(info)}", "values = {}"]
    for slot, lines in parts:
        place = f"o_{slot.name}"
        body += [f"if {place}:", f"    {variable(slot)}, = unpack_from('<{slot.format}', buf, t + {place})"]
        body += indented(lines.locate.splitlines())
        body += [f"    need += {lines.size}"] if lines.size else []
    if mode.check:
        body += ["walk.size -= need", "if walk.size < 0:", "    walk.check()"]
    for slot, lines in parts:
        body += [f"if o_{slot.name}:", f"    {assignment(info, slot, lines.value)}"] if lines.value else []
    if mode.value or info.name == "Extra":
        body.append(f"return {info.name}(**values)" if info.type is not None else "return box_value(values)")
    else:
        body.append("return values.get('extra')")
    return function(name, "places, nulls, size, buf, t, walk", info, body).replace("TABLE", repr(info.name))


def variable(slot: Slot) -> str:
    """Name the variable of what stands in a slot: an offset or a number."""
    return f"{'a' if is_offset(slot) else 'x'}_{slot.name}"


def assignment(info: TableInfo, slot: Slot, value: str) -> str:
    """Generate the line that keeps a slot's value."""
    if slot.kind == "nulls":
        return f"values |= {value}"
    return f"values[{slot.name if info.type is None else slot.attribute!r}] = {value}".replace(
        f"[{slot.name}]", f"[{slot.name!r}]"
    )


def function(name: str, arguments: str, info: TableInfo, body: list[str]) -> str:
    """Put a function's lines into the guard that names the table."""
    lines = [f"def {name}({arguments}):", "    try:", *indented(indented(body))]
    return "\n".join(lines) + "\n" + GUARD.format(table=info.name)


def indented(lines: list[str]) -> list[str]:
    """Move lines one level in."""
    return ["    " + line for line in lines]
