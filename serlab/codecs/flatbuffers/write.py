"""Write messages as FlatBuffers: for each type a generated function that finds a struct's shape.

The function asks each attribute once whether it is set, in straight-line code: with some sixty fields of which a few
are set, that beats every loop (measured: 6 to 9 ns a field; `msgspec.structs.asdict` 21). For a text field:

    def write_ToolCall(m, out, pos, seen, UNSET=UNSET):
        mask = 0
        if m.id is not UNSET:
            v = m.id
            if type(v) is str:
                mask |= 1
            elif v is None:
                mask |= 2048
            else:
                raise wrong_type(ToolCall, plan_ToolCall[1], v)
        ...
        return shapes_ToolCall[mask](m, out, pos, seen)

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from functools import partial
from struct import error as StructError
from struct import pack
from threading import Lock
from typing import Any

import msgspec

from serlab.codecs import jsontext
from serlab.codecs.flatbuffers import builder
from serlab.codecs.flatbuffers.builder import (
    SHARED,
    Out,
    Seen,
    Write,
    embeddings_writer,
    put_nulls,
    put_table,
    put_text,
)
from serlab.codecs.flatbuffers.layout import OFFSETS, Form, Slot, define, make_form, slots_of
from serlab.codecs.schema import PlanField, UnionCase, check_taken, choose_case, is_tokens, plan_of, wrong_type
from serlab.errors import EncodeError
from serlab.messages import NOT_JSON, UNSET, Embedding, Message, Part, is_sealed

# Generate the lines that write a struct of a known shape: texts, what other slots point to, the vtable, the table.
#
# The lines for one text are those of `parts.put_text`, in place.


def _is_text(slot: Slot) -> bool:
    """Return whether a slot points to text or to bytes, which are written as text is."""
    return slot.kind in ("str", "json") or (slot.kind == "numbers" and slot.element == "B")


def _text_call(slot: Slot) -> str:
    """Name the function that makes the bytes of JSON or of a list of bytes."""
    return "bytes" if slot.kind == "numbers" else "dump_bytes"


def _call_of(slot: Slot) -> tuple[str, list[str]]:
    """Name the function that writes the content of a slot, and the arguments that come before the value."""
    if slot.kind == "table":
        return {"Prompt": "put_prompt", "Vector": "put_vector"}.get(slot.target, f"write_{slot.target}"), []
    if slot.kind == "tables":
        special = {"Vector": ("put_vectors", []), "Embedding": ("put_embeddings", ["write_Embedding"])}
        return special.get(slot.target, (f"list_{slot.target}", []))
    return {"strs": "put_strings", "extra": "put_extra", "numbers": f"put_{slot.element}"}[slot.kind], []


def _shape_lines(form: Form, nulls: tuple[int, ...], pack: str) -> list[str]:
    """Generate the lines that write one shape; the table's position is then `pos`.

    Args:
        form: the table's layout.
        nulls: the ids of the fields that are null.
        pack: the name of the form's packer.
    """
    lines: list[str] = []
    for slot in form.slots:
        lines += _slot_lines(slot, f"v{slot.id}", nulls)
    table = TABLE.format(key=repr(form.key), vtable=form.vtable, length=len(form.vtable), size=form.size)
    lines += [*table.splitlines(), *(ALIGN if form.eight else ())]
    values = ", ".join(["p - pos", *(_value_of(slot, form.places[slot.id]) for slot in form.order)])
    return [*lines, f"    out.append({pack}({values}))"]


def _slot_lines(slot: Slot, v: str, nulls: tuple[int, ...]) -> list[str]:
    """Generate the lines that write what a slot points to."""
    value = f"m.{slot.attribute}"
    if slot.kind == "scalar":
        return []
    if slot.kind == "nulls":
        return NULLS.format(v=v, nulls=nulls).splitlines()
    if _is_text(slot):
        data = f"{value}.encode()" if slot.kind == "str" else f"{_text_call(slot)}({value})"
        return TEXT.format(v=v, data=data, shared=SHARED).splitlines()
    call, first = _call_of(slot)
    return [f"    {v} = pos = {call}({', '.join([*first, value])}, out, pos, seen)"]


def _value_of(slot: Slot, place: int) -> str:
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


# Shapes: what a struct of one type has filled, and the function that writes such a struct.
#
# A shape is a bit mask: which case of which field is set, which field is null, whether there is an `extra`. A shape
# that recurs is compiled to straight-line code that knows all of it beforehand: which texts to encode, the ids of the
# nulls, the vtable, the one `struct` pack (measured: half the time of a loop over slots). A rare one goes through
# `_write_slots`, so that messages of ever new shapes cost no compilation.
#
# Source: the FlatBuffers internals page.

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
                return partial(_write_slots, form, nulls, self.functions)
            pack = f"pack_{self.type_name}_{mask:x}"
            self.functions[pack] = form.pack
            return self.compile_shape(mask, _shape_lines(form, nulls, pack))

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


def _write_slots(
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
        elif _is_text(slot):
            values[slot.id], pos = put_text(_text_of(slot, value, functions), out, pos, seen)
        else:
            values[slot.id] = pos = _writer_of(slot, functions)(value, out, pos, seen)
    return put_table(form, values, out, pos, seen)


def _text_of(slot: Slot, value: Any, functions: dict[str, Any]) -> bytes:
    """Make the bytes of a text slot."""
    data: bytes = value.encode() if slot.kind == "str" else functions[_text_call(slot)](value)
    return data


def _writer_of(slot: Slot, functions: dict[str, Any]) -> Callable[..., int]:
    """Return what writes the content of a slot."""
    name, first = _call_of(slot)
    arguments = [functions[argument] for argument in first]

    def write(value: Any, out: Out, pos: int, seen: Seen) -> int:
        found: int = functions[name](*arguments, value, out, pos, seen)
        return found

    return write


class Writers:
    """The generated functions; each is compiled at its first use.

    Args:
        careful: look into every list for whether its case can hold it, and take the spare case where not. The others
            trust that it can, and fail where it cannot.
        finite: for sealed messages, whose free-form values need no look for non-finite numbers.
    """

    def __init__(self, careful: bool = False, finite: bool = False) -> None:
        self.careful = careful
        self.lock = Lock()
        # Not a subclass of dict: the interpreter looks globals up fast in a plain one only.
        self.functions: dict[str, Any] = {**vars(builder), "PURPOSE": "writer", "UNSET": UNSET}
        self.functions |= {"dump_bytes": _dump_any_finite if finite else _dump_any, "bytes": bytes}
        self.functions |= {"wrong_type": wrong_type, "taken": _taken}
        self.functions |= {f"fits_{kind}": fits for kind, fits in FITS.items()}
        self.functions |= {f"put_{format_}": partial(_put_integers, format_) for format_ in "iI"}
        self.functions["put_embeddings"] = embeddings_writer()
        put_vector = builder.vector_writer(self.late(Embedding, "write_Embedding"))
        self.functions |= {"put_vector": put_vector, "put_vectors": partial(builder.put_vectors, put_vector)}

    def late(self, type_: type[Part], name: str) -> Write:
        """Return a function that is compiled when it is first called, and then stands in its own place.

        Args:
            type_: a message type or a struct inside one.
            name: `write_TYPE` or `list_TYPE`.
        """

        def first(value: Any, out: Out, pos: int, seen: Seen) -> int:
            with self.lock:
                if self.functions[name] is first:
                    self.shapes_of(type_).compile(name)
            written: int = self.functions[name](value, out, pos, seen)
            return written

        found: Write = self.functions.setdefault(name, first)
        return found

    def shapes_of(self, type_: type[Part]) -> Shapes:
        """Return a type's shapes; at the first time prepare what its functions call."""
        name, plan, slots = type_.__name__, plan_of(type_), slots_of(type_)
        if f"shapes_{name}" not in self.functions:
            ids = {slot.name: slot.id for slot in slots}
            null_ids = tuple(ids[field.schema_name] for field in plan)
            shapes = Shapes(name, slots, null_ids, self.functions, _source_of(type_, self.careful))
            self.functions |= {name: type_, f"shapes_{name}": shapes, f"plan_{name}": plan}
            for struct in (case.struct for field in plan for case in field.cases if case.struct is not None):
                self.functions[struct.__name__] = struct
                self.late(struct, f"write_{struct.__name__}")
                self.late(struct, f"list_{struct.__name__}")
        found: Shapes = self.functions[f"shapes_{name}"]
        return found


def _put_integers(format_: str, values: list[int], out: Out, pos: int, seen: Seen) -> int:
    """Write a list of integers of 4 bytes."""
    return builder.put_numbers(format_, values, out, pos)


def _dump_any_finite(value: Any) -> bytes:
    """Write a JSON case of a message that holds finite numbers only."""
    try:
        return jsontext.dump_finite(value)
    except EncodeError:
        return _dump_any(value)


def _dump_any(value: Any) -> bytes:
    """Write a JSON case; structs in it, which stand in lists beside other things, become plain values first.

    Only these: msgspec would turn a set or a date into JSON that comes back as something else.
    """
    try:
        return jsontext.dump_bytes(value)
    except EncodeError:
        if type(value) is not list or not any(isinstance(item, Part) for item in value):
            raise
    return jsontext.dump_bytes([_plain(item) if isinstance(item, Part) else item for item in value])


def _plain(struct: Part) -> Any:
    """Make plain values of a struct."""
    return msgspec.to_builtins(struct, builtin_types=NOT_JSON)


def _is_bytes(values: list[Any]) -> bool:
    """Return whether a list holds bytes."""
    return all(type(value) is int and 0 <= value < 256 for value in values)


FITS: dict[str, Callable[..., bool]] = {
    "strs": lambda values: set(map(type, values)) <= {str},
    "bytes": _is_bytes,
    "tokens": is_tokens,
    "structs": lambda values, struct: set(map(type, values)) <= {struct},
}
"""Kind of list → whether its case can hold it."""


def _source_of(type_: type[Part], careful: bool) -> list[str]:
    """Generate the lines that find a struct's shape.

    Args:
        type_: a message type or a struct inside one.
        careful: see `Writers`.
    """
    name, slots = type_.__name__, slots_of(type_)
    bits = {slot.name: 1 << i for i, slot in enumerate(slots)}
    lines = ["    mask = 0"]
    for j, field in enumerate(plan_of(type_)):
        lines += _field_lines(name, j, field, bits, 1 << len(slots) + j, careful)
    if issubclass(type_, Message):
        lines += ["    if m.extra:", f"        mask |= {bits['extra']}"]
    return lines


def _field_lines(table: str, index: int, field: PlanField, bits: dict[str, int], null: int, careful: bool) -> list[str]:
    """Generate the lines that look at one field: a branch for each case, one for null, one for what is wrong."""
    by_type, rest = choose_case(field)
    lines = [f"    if m.{field.name} is not UNSET:", f"        v = m.{field.name}"]
    word = "if"
    for kind, case in by_type.items():
        bit = _spared(table, index, case, field, bits) if careful else _bit_of(table, index, case, field, bits)
        lines += [f"        {word} type(v) is {kind.__name__}:", f"            mask |= {bit}"]
        word = "elif"
    lines += [f"        {word} v is None:", f"            mask |= {null}", "        else:"]
    if rest is not None:
        return [*lines, f"            mask |= {_bit_of(table, index, rest, field, bits)}"]
    return [*lines, f"            raise wrong_type({table}, plan_{table}[{index}], v)"]


def _taken(bit: int, case: UnionCase, value: Any) -> int:
    """Return the bit of a case whose field takes the value."""
    check_taken(case, value)
    return bit


def _bit_of(table: str, index: int, case: UnionCase, field: PlanField, bits: dict[str, int]) -> str:
    """Generate the bit of a case, after a look at the value where that may be none that the field takes."""
    bit = str(bits[case.name])
    return bit if case.hint is None else f"taken({bit}, plan_{table}[{index}].cases[{field.cases.index(case)}], v)"


def _spared(table: str, index: int, case: UnionCase, field: PlanField, bits: dict[str, int]) -> str:
    """Generate the bit of a list's case, or that of its spare case where it does not fit."""
    bit = _bit_of(table, index, case, field, bits)
    if field.spare is None or case.kind not in FITS:
        return bit
    struct = f", {case.struct.__name__}" if case.struct is not None else ""
    return f"{bit} if fits_{case.kind}(v{struct}) else {_bit_of(table, index, field.spare, field, bits)}"


def join(pieces: list[Any]) -> bytes:
    """Copy the pieces of a buffer together; the one copy of an array's numbers.

    Args:
        pieces: bytes and arrays, in their order.
    """
    try:
        return b"".join(pieces)
    except TypeError:
        # A strided array refuses to be read as bytes, which is cheaper to hear from it than to ask each array.
        return b"".join([piece if type(piece) is bytes else piece.tobytes() for piece in pieces])


TRUSTING, SEALED, CAREFUL = Writers(), Writers(finite=True), Writers(careful=True)
MISFIT = (StructError, EncodeError, TypeError, ValueError, AttributeError, OverflowError)
"""What a list that its case cannot hold raises; also what nothing will save, which then raises once more."""


def writer(type_: type[Message]) -> Callable[[Any], list[Any]]:
    """Return the function that writes a message as pieces of a buffer.

    Args:
        type_: the message's type.

    Returns:
        message → the pieces in their order: bytes and, for embeddings, the arrays themselves.
    """
    name = f"write_{type_.__name__}"
    trusting, sealed, careful = TRUSTING.functions, SEALED.functions, CAREFUL.functions
    for writers in (TRUSTING, SEALED, CAREFUL):
        writers.late(type_, name)

    def pieces(message: Any) -> list[Any]:
        out: Out = []
        try:
            pos = (sealed if is_sealed(message) else trusting)[name](message, out, 0, {})
        except MISFIT:
            out = []
            pos = careful[name](message, out, 0, {})
        return with_root(pos, out)

    return pieces


def with_root(pos: int, out: Out) -> list[Any]:
    """Put the root's offset before the pieces, and them in the order of the buffer.

    Args:
        pos: the root's position.
        out: the pieces, the last one first.
    """
    # Also what brings the whole to a multiple of 8, so that positions from the end are aligned.
    total = pos + 4 + (pos + 4 & 4)
    out.append(pack(f"<I{total - pos - 4}x", total - pos))
    out.reverse()
    return out
