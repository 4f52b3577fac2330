"""Generate the lines that write a struct of a known shape: texts, what other slots point to, the vtable, the table.

The lines for one text are those of `parts.put_text`, in place.
"""

from serlab.codecs.flat.forms import Form
from serlab.codecs.flat.layout import OFFSETS, Slot
from serlab.codecs.flat.parts import SHARED


def is_text(slot: Slot) -> bool:
    """Tell whether a slot points to text or to bytes, which are written as text is."""
    return slot.kind in ("str", "json") or (slot.kind == "numbers" and slot.element == "B")


def text_call(slot: Slot) -> str:
    """Name the function that makes the bytes of JSON or of a list of bytes."""
    return "bytes" if slot.kind == "numbers" else "dump_bytes"


def call_of(slot: Slot) -> tuple[str, list[str]]:
    """Name the function that writes the content of a slot, and the arguments that come before the value."""
    if slot.kind == "table":
        return {"Prompt": "put_prompt", "Vector": "put_vector"}.get(slot.target, f"write_{slot.target}"), []
    if slot.kind == "tables":
        special = {"Vector": ("put_vectors", []), "Embedding": ("put_embeddings", ["write_Embedding"])}
        return special.get(slot.target, (f"list_{slot.target}", []))
    return {"strs": "put_strings", "extra": "put_extra", "numbers": f"put_{slot.element}"}[slot.kind], []


def shape_lines(form: Form, nulls: tuple[int, ...], pack: str) -> list[str]:
    """Generate the lines that write one shape; the table's position is then `pos`.

    Args:
        form: the table's layout.
        nulls: the ids of the fields that are null.
        pack: the name of the form's packer.
    """
    lines: list[str] = []
    for slot in form.slots:
        lines += slot_lines(slot, f"v{slot.id}", nulls)
    table = TABLE.format(key=repr(form.key), vtable=form.vtable, length=len(form.vtable), size=form.size)
    lines += [*table.splitlines(), *(ALIGN if form.eight else ())]
    values = ", ".join(["p - pos", *(value_of(slot, form.places[slot.id]) for slot in form.order)])
    return [*lines, f"    out.append({pack}({values}))"]


def slot_lines(slot: Slot, v: str, nulls: tuple[int, ...]) -> list[str]:
    """Generate the lines that write what a slot points to."""
    value = f"m.{slot.attribute}"
    if slot.kind == "scalar":
        return []
    if slot.kind == "nulls":
        return NULLS.format(v=v, nulls=nulls).splitlines()
    if is_text(slot):
        data = f"{value}.encode()" if slot.kind == "str" else f"{text_call(slot)}({value})"
        return TEXT.format(v=v, data=data, shared=SHARED).splitlines()
    call, first = call_of(slot)
    return [f"    {v} = pos = {call}({', '.join([*first, value])}, out, pos, seen)"]


def value_of(slot: Slot, place: int) -> str:
    """Generate a slot's value: an offset is its own position less the target's, since both count from the end."""
    return f"pos - {place} - v{slot.id}" if slot.kind in OFFSETS else f"m.{slot.attribute}"


TEXT = """\
    {v} = {data}
    n = len({v})
    if n > {shared}:
        out.append(PAD[n & 3])
        out.append({v})
        out.append(HEADS[n] if n < 1024 else pack_length(n))
        {v} = pos = pos + n + 8 - (n & 3)
    else:
        p = seen.get({v})
        if p is None:
            out.append(PAD[n & 3])
            out.append({v})
            out.append(HEADS[n])
            seen[{v}] = p = pos = pos + n + 8 - (n & 3)
        {v} = p"""
"""`put_text`, in place. Three appends take 28 ns, one `+=` of a tuple 47."""

NULLS = """\
    {v} = seen.get({nulls})
    if {v} is None:
        {v}, pos = put_nulls({nulls}, out, pos, seen)"""

TABLE = """\
    p = seen.get({key})
    if p is None:
        out.append({vtable})
        seen[{key}] = p = pos = pos + {length}
    pos += {size}"""

ALIGN = ("    if not pos & 4:", "        out.append(ZEROS)", "        pos += 4")
