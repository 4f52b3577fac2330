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
from serlab.codecs.boxes import is_tokens
from serlab.codecs.flat import boxes, parts
from serlab.codecs.flat.embeddings import embeddings_writer
from serlab.codecs.flat.layout import slots_of
from serlab.codecs.flat.parts import Out, Seen, Write
from serlab.codecs.flat.shapes import Shapes
from serlab.codecs.plan import Arm, PlanField, check_taken, choose_arm, plan_of, wrong_type
from serlab.errors import EncodeError
from serlab.messages import UNSET, Message
from serlab.messages.base import Part
from serlab.messages.documents import NOT_JSON
from serlab.messages.embeddings import Embedding
from serlab.messages.finite import is_sealed


class Writers:
    """The generated functions; each is compiled at its first use.

    Args:
        careful: look into every list for whether its arm can hold it, and take the spare arm where not. The others
            trust that it can, and fail where it cannot.
        finite: for sealed messages, whose free-form values need no look for non-finite numbers.
    """

    def __init__(self, careful: bool = False, finite: bool = False) -> None:
        self.careful = careful
        self.lock = Lock()
        # Not a subclass of dict: the interpreter looks globals up fast in a plain one only.
        self.functions: dict[str, Any] = {**vars(parts), **vars(boxes), "PURPOSE": "writer", "UNSET": UNSET}
        self.functions |= {"dump_bytes": dump_any_finite if finite else dump_any, "bytes": bytes}
        self.functions |= {"wrong_type": wrong_type, "taken": taken}
        self.functions |= {f"fits_{kind}": fits for kind, fits in FITS.items()}
        self.functions |= {f"put_{format_}": partial(put_integers, format_) for format_ in "iI"}
        self.functions["put_embeddings"] = embeddings_writer()
        put_vector = boxes.vector_writer(self.late(Embedding, "write_Embedding"))
        self.functions |= {"put_vector": put_vector, "put_vectors": partial(boxes.put_vectors, put_vector)}

    def late(self, type_: type[Part], name: str) -> Write:
        """Give a function that is compiled when it is first called, and then stands in its own place.

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
        """Give a type's shapes; at the first time prepare what its functions call."""
        name, plan, slots = type_.__name__, plan_of(type_), slots_of(type_)
        if f"shapes_{name}" not in self.functions:
            ids = {slot.name: slot.id for slot in slots}
            null_ids = tuple(ids[field.schema_name] for field in plan)
            shapes = Shapes(name, slots, null_ids, self.functions, source_of(type_, self.careful))
            self.functions |= {name: type_, f"shapes_{name}": shapes, f"plan_{name}": plan}
            for struct in (arm.struct for field in plan for arm in field.arms if arm.struct is not None):
                self.functions[struct.__name__] = struct
                self.late(struct, f"write_{struct.__name__}")
                self.late(struct, f"list_{struct.__name__}")
        found: Shapes = self.functions[f"shapes_{name}"]
        return found


def put_integers(format_: str, values: list[int], out: Out, pos: int, seen: Seen) -> int:
    """Write a list of integers of 4 bytes."""
    return parts.put_numbers(format_, values, out, pos)


def dump_any_finite(value: Any) -> bytes:
    """Write a JSON arm of a message that holds finite numbers only."""
    try:
        return jsontext.dump_finite(value)
    except EncodeError:
        return dump_any(value)


def dump_any(value: Any) -> bytes:
    """Write a JSON arm; structs in it, which stand in lists beside other things, become plain values first.

    Only these: msgspec would turn a set or a date into JSON that comes back as something else.
    """
    try:
        return jsontext.dump_bytes(value)
    except EncodeError:
        if type(value) is not list or not any(isinstance(item, Part) for item in value):
            raise
    return jsontext.dump_bytes([plain(item) if isinstance(item, Part) else item for item in value])


def plain(struct: Part) -> Any:
    """Make plain values of a struct."""
    return msgspec.to_builtins(struct, builtin_types=NOT_JSON)


def is_bytes(values: list[Any]) -> bool:
    """Tell whether a list holds bytes."""
    return all(type(value) is int and 0 <= value < 256 for value in values)


FITS: dict[str, Callable[..., bool]] = {
    "strs": lambda values: set(map(type, values)) <= {str},
    "bytes": is_bytes,
    "tokens": is_tokens,
    "structs": lambda values, struct: set(map(type, values)) <= {struct},
}
"""Kind of list → whether its arm can hold it."""


def source_of(type_: type[Part], careful: bool) -> list[str]:
    """Generate the lines that find a struct's shape.

    Args:
        type_: a message type or a struct inside one.
        careful: see `Writers`.
    """
    name, slots = type_.__name__, slots_of(type_)
    bits = {slot.name: 1 << i for i, slot in enumerate(slots)}
    lines = ["    mask = 0"]
    for j, field in enumerate(plan_of(type_)):
        lines += field_lines(name, j, field, bits, 1 << len(slots) + j, careful)
    if issubclass(type_, Message):
        lines += ["    if m.extra:", f"        mask |= {bits['extra']}"]
    return lines


def field_lines(table: str, index: int, field: PlanField, bits: dict[str, int], null: int, careful: bool) -> list[str]:
    """Generate the lines that look at one field: a branch for each arm, one for null, one for what is wrong."""
    by_type, rest = choose_arm(field)
    lines = [f"    if m.{field.name} is not UNSET:", f"        v = m.{field.name}"]
    word = "if"
    for kind, arm in by_type.items():
        bit = spared(table, index, arm, field, bits) if careful else bit_of(table, index, arm, field, bits)
        lines += [f"        {word} type(v) is {kind.__name__}:", f"            mask |= {bit}"]
        word = "elif"
    lines += [f"        {word} v is None:", f"            mask |= {null}", "        else:"]
    if rest is not None:
        return [*lines, f"            mask |= {bit_of(table, index, rest, field, bits)}"]
    return [*lines, f"            raise wrong_type({table}, plan_{table}[{index}], v)"]


def taken(bit: int, arm: Arm, value: Any) -> int:
    """Give the bit of an arm whose field takes the value."""
    check_taken(arm, value)
    return bit


def bit_of(table: str, index: int, arm: Arm, field: PlanField, bits: dict[str, int]) -> str:
    """Generate the bit of an arm, after a look at the value where that may be none that the field takes."""
    bit = str(bits[arm.name])
    return bit if arm.hint is None else f"taken({bit}, plan_{table}[{index}].arms[{field.arms.index(arm)}], v)"


def spared(table: str, index: int, arm: Arm, field: PlanField, bits: dict[str, int]) -> str:
    """Generate the bit of a list's arm, or that of its spare arm where it does not fit."""
    bit = bit_of(table, index, arm, field, bits)
    if field.spare is None or arm.kind not in FITS:
        return bit
    struct = f", {arm.struct.__name__}" if arm.struct is not None else ""
    return f"{bit} if fits_{arm.kind}(v{struct}) else {bit_of(table, index, field.spare, field, bits)}"


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
"""What a list that its arm cannot hold raises; also what nothing will save, which then raises once more."""


def writer(type_: type[Message]) -> Callable[[Any], list[Any]]:
    """Give the function that writes a message as pieces of a buffer.

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
