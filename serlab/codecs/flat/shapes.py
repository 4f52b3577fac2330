"""Shapes: what a struct of one type has filled, and the function that writes such a struct.

A shape is a bit mask: which arm of which field is set, which field is null, whether there is an `extra`. A shape that
recurs is compiled to straight-line code that knows all of it beforehand: which texts to encode, the ids of the nulls,
the vtable, the one `struct` pack (measured: half the time of a loop over slots). A rare one goes through `write_slots`,
so that messages of ever new shapes cost no compilation.

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

from serlab.codecs.flat.forms import Form, make_form
from serlab.codecs.flat.layout import Slot
from serlab.codecs.flat.parts import Out, Seen, Write, put_nulls, put_table, put_text
from serlab.codecs.flat.shapelines import call_of, is_text, shape_lines, text_call
from serlab.codecs.flat.source import define

MAX_COUNTED = 512
"""Rare shapes whose uses are counted for a type; beyond them counting starts anew."""

MAX_COMPILED = 64
"""Shapes that are compiled for a type, so that odd messages cannot fill the memory. A program uses a dozen."""

INLINE = 6
"""Shapes that are written in the type's own function: each costs the others a comparison and saves itself a call."""

HOT = 16
"""Uses after which a shape is compiled: by then it has cost about as much as its compilation will."""


ONE = """\
def write_{type}(m, out, pos, seen, UNSET=UNSET):
{body}
    return pos
"""

LIST = """\
def list_{type}(items, out, pos, seen, UNSET=UNSET):
    places = []
    for m in items:
        if type(m) is not {type}:
            raise wrong_item({type}, m)
{body}
        places.append(pos)
    return put_offsets(places, out, pos)
"""


class Shapes(dict[int, Write]):
    """The writing functions of one type by shape; a missing one is made.

    Args:
        type_name: the type's name.
        slots: the type's slots, the last ones `nulls` and, for a message, `extra`; bit i stands for slot i.
        null_ids: the id of each field, for `nulls`; the bit of field j is len(slots) + j.
        functions: the globals of the generated functions.
        source: the body of the type's function that finds the shape.
    """

    def __init__(
        self,
        type_name: str,
        slots: tuple[Slot, ...],
        null_ids: tuple[int, ...],
        functions: dict[str, Any],
        source: list[str],
    ) -> None:
        super().__init__()
        self.type_name, self.slots, self.null_ids, self.functions = type_name, slots, null_ids, functions
        self.source = source
        self.lock = Lock()
        self.uses: dict[int, int] = {}
        self.inline: dict[int, list[str]] = {}
        self.compiled: set[str] = set()

    def __missing__(self, mask: int) -> Write:
        nulls = tuple(id_ for j, id_ in enumerate(self.null_ids) if mask >> len(self.slots) + j & 1)
        filled = (slot for i, slot in enumerate(self.slots) if mask >> i & 1 or (slot.kind == "nulls" and nulls))
        form = make_form(tuple(filled))
        with self.lock:
            if not self.is_hot(mask):
                return partial(write_slots, form, nulls, self.functions)
            pack = f"pack_{self.type_name}_{mask:x}"
            self.functions[pack] = form.pack
            return self.compile_shape(mask, shape_lines(form, nulls, pack))

    def is_hot(self, mask: int) -> bool:
        """Count a use, and tell whether to compile the shape."""
        if len(self.uses) >= MAX_COUNTED:
            self.uses.clear()
        self.uses[mask] = self.uses.get(mask, 0) + 1
        return self.uses[mask] >= HOT and len(self) + len(self.inline) < MAX_COMPILED

    def compile_shape(self, mask: int, lines: list[str]) -> Write:
        """Compile a shape's lines: all for themselves, the first few also into the type's own functions."""
        name = f"write_{self.type_name}_{mask:x}"
        source = [f"def {name}(m, out, pos, seen):", *lines, "    return pos", ""]
        self[mask] = define(name, "\n".join(source), self.functions)
        if len(self.inline) < INLINE:
            self.inline[mask] = lines
            for name in self.compiled:
                self.compile(name)
        return self[mask]

    def compile(self, name: str) -> None:
        """Compile one of the type's own functions, anew if need be, with the shapes that are written in place.

        Args:
            name: `write_TYPE` for the one that writes a struct, `list_TYPE` for the one that writes a list of them.
        """
        lines, word = list(self.source), "if"
        for mask, shape in self.inline.items():
            lines += [f"    {word} mask == {mask}:", *("    " + line for line in shape)]
            word = "elif"
        rest = f"pos = shapes_{self.type_name}[mask](m, out, pos, seen)"
        lines += ["    else:", f"        {rest}"] if self.inline else [f"    {rest}"]
        template = LIST if name.startswith("list") else ONE
        body = "\n".join("    " + line if template is LIST else line for line in lines)
        self.compiled.add(name)
        define(name, template.format(type=self.type_name, body=body), self.functions)


def write_slots(
    form: Form, nulls: tuple[int, ...], functions: dict[str, Any], m: Any, out: Out, pos: int, seen: Seen
) -> int:
    """Write a struct of any shape, slot by slot; what `compile_shape` does in one piece.

    Args:
        form: the table's layout.
        nulls: the ids of the fields that are null.
        functions: the globals of the generated functions, which write what slots point to.
        m: the struct.
        out: the pieces of the buffer, the last one first.
        pos: the position so far.
        seen: what was written → its position.

    Returns:
        The table's position.
    """
    values: dict[int, Any] = {}
    for slot in form.slots:
        value = nulls if slot.kind == "nulls" else getattr(m, slot.attribute)
        if slot.kind == "scalar":
            values[slot.id] = value
        elif slot.kind == "nulls":
            values[slot.id], pos = put_nulls(nulls, out, pos, seen)
        elif is_text(slot):
            values[slot.id], pos = put_text(text_of(slot, value, functions), out, pos, seen)
        else:
            values[slot.id] = pos = writer_of(slot, functions)(value, out, pos, seen)
    return put_table(form, values, out, pos, seen)


def text_of(slot: Slot, value: Any, functions: dict[str, Any]) -> bytes:
    """Make the bytes of a text slot."""
    data: bytes = value.encode() if slot.kind == "str" else functions[text_call(slot)](value)
    return data


def writer_of(slot: Slot, functions: dict[str, Any]) -> Callable[..., int]:
    """Give what writes the content of a slot."""
    name, first = call_of(slot)
    arguments = [functions[argument] for argument in first]

    def write(value: Any, out: Out, pos: int, seen: Seen) -> int:
        found: int = functions[name](*arguments, value, out, pos, seen)
        return found

    return write
