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
        if mask == 7:
            (a frequent shape, written in place; see `shapes`)
        else:
            pos = shapes_ToolCall[mask](m, out, pos, seen)
        return pos

A list that does not pack (a token id of 64 bits, texts with a null among them) makes the first try fail; the message is
then written by a second set of functions, which look into each list and send such ones to their JSON arm.

Source: the FlatBuffers internals page.
"""

from collections.abc import Callable
from functools import partial
from struct import error as StructError
from struct import pack
from threading import Lock
from typing import Any

from serlab.codecs import jsontext
from serlab.codecs.flat import boxes, parts
from serlab.codecs.flat.embeddings import embeddings_writer
from serlab.codecs.flat.layout import Slot, slots_of
from serlab.codecs.flat.parts import Out, Seen, Write
from serlab.codecs.flat.shapes import Shapes
from serlab.codecs.plan import PlanField, choose_arm, json_writer, plan_of, wrong_type
from serlab.messages import UNSET, Message
from serlab.messages.base import Part
from serlab.messages.embeddings import Embedding


class Writers:
    """The generated functions; each is compiled at its first use.

    Args:
        careful: look into every list whether it packs, and write it as JSON text where it does not.
    """

    def __init__(self, careful: bool) -> None:
        self.careful = careful
        self.lock = Lock()
        # Not a subclass of dict: the interpreter looks globals up fast in a plain one only.
        self.functions: dict[str, Any] = {**vars(parts), **vars(boxes), "PURPOSE": "writer", "UNSET": UNSET}
        self.functions |= {"dump_json": jsontext.dump_bytes, "wrong_type": wrong_type, "bytes": bytes, "fits": fits}
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
            self.functions |= {f"dump_{slot.words}": dumper(slot) for slot in slots if slot.words != "json"}
            self.functions |= {name: type_, f"shapes_{name}": shapes, f"plan_{name}": plan, f"slots_{name}": slots}
            for struct in (arm.struct for field in plan for arm in field.arms if arm.struct is not None):
                self.functions[struct.__name__] = struct
                self.late(struct, f"write_{struct.__name__}")
                self.late(struct, f"list_{struct.__name__}")
        found: Shapes = self.functions[f"shapes_{name}"]
        return found


def put_integers(format_: str, values: list[int], out: Out, pos: int, seen: Seen) -> int:
    """Write a list of integers of 4 bytes."""
    return parts.put_numbers(format_, values, out, pos)


def dumper(slot: Slot) -> Callable[[Any], bytes]:
    """Give what writes the JSON of a list that holds structs beside other things."""
    dumps = json_writer(slot.arm) if slot.arm else jsontext.dumps
    return lambda value: dumps(value).encode()


def fits(slot: Slot, values: list[Any]) -> bool:
    """Tell whether a list packs: texts, bytes, 32-bit integers or structs, and nothing else."""
    kinds = set(map(type, values))
    if slot.kind == "strs":
        return kinds <= {str}
    if slot.kind == "numbers":
        least, most = INTEGERS[slot.element]
        return kinds <= {int} and (not values or (least <= min(values) and max(values) <= most))
    return slot.arm is None or kinds <= {slot.arm.struct}


INTEGERS = {"B": (0, 2**8 - 1), "i": (-(2**31), 2**31 - 1)}


def source_of(type_: type[Part], careful: bool) -> list[str]:
    """Generate the lines that find a struct's shape.

    Args:
        type_: a message type or a struct inside one.
        careful: look into lists.
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
        bit = str(bits[arm.name])
        if careful and kind is list and field.spare not in (None, arm):
            bit = f"{bit} if fits(slots_{table}[{bits[arm.name].bit_length() - 1}], v) else {bits[field.spare.name]}"
        lines += [f"        {word} type(v) is {kind.__name__}:", f"            mask |= {bit}"]
        word = "elif"
    lines += [f"        {word} v is None:", f"            mask |= {null}", "        else:"]
    if rest is not None:
        return [*lines, f"            mask |= {bits[rest.name]}"]
    return [*lines, f"            raise wrong_type({table}, plan_{table}[{index}], v)"]


WRITERS = {careful: Writers(careful) for careful in (False, True)}
REFUSED = (TypeError, ValueError, AttributeError, OverflowError, StructError)
"""What a list raises that does not pack."""


def writer(type_: type[Message]) -> Callable[[Any], list[Any]]:
    """Give the function that writes a message as pieces of a buffer.

    Args:
        type_: the message's type.

    Returns:
        message → the pieces in their order: bytes and, for embeddings, the arrays themselves.
    """
    name = f"write_{type_.__name__}"
    for writers in WRITERS.values():
        writers.late(type_, name)
    trusting, careful = WRITERS[False].functions, WRITERS[True].functions

    def pieces(message: Any) -> list[Any]:
        out: Out = []
        try:
            pos = trusting[name](message, out, 0, {})
        except REFUSED:
            # Some list does not pack, which is rare and tells by itself, or nothing will help.
            out = []
            pos = careful[name](message, out, 0, {})
        # The root's offset, and what brings the whole to a multiple of 8, so that positions from the end are aligned.
        total = pos + 4 + (pos + 4 & 4)
        out.append(pack(f"<I{total - pos - 4}x", total - pos))
        out.reverse()
        return out

    return pieces
