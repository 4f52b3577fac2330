"""Protocol Buffers by protobuf's upb runtime, with schemas/llm.proto.

- Absent, null and empty stay apart: presence, `nulls` and `empties` (field numbers).
- JSON Schemas, metadata and other values without a fixed shape travel as JSON text; NaN and infinities in them are
  written as Python's `json` writes them, which readers in other languages may refuse.
- Token ids and vectors are packed; ids that are wide or nested travel as JSON text. Unknown fields are in `extra`.
- Lone surrogates in text are refused (protobuf strings are UTF-8); so is a message truncated inside a field, but not
  one truncated between two: the format has no end mark. Put a frame around it (`serlab.frames`) where that can happen.

The route there and back is the fastest that was found. A message becomes plain values in one call of msgspec, these the
keyword arguments of one nested constructor call, which upb runs in C; on the way back only fields that are there are
visited.

Source: the protobuf encoding guide; the Python generated-code guide.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, NamedTuple

import google.protobuf
import msgspec
import numpy as np
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.message import DecodeError as LibraryDecodeError
from google.protobuf.message import EncodeError as LibraryEncodeError

from serlab.codecs import jsontext, schema
from serlab.codecs.base import REFUSALS, Codec, Route, reason, set_model
from serlab.codecs.info import CodecInfo
from serlab.codecs.schema import (
    LISTS,
    Misfit,
    PlanField,
    UnionCase,
    check_taken,
    choose_case,
    fitting,
    json_reader,
    plan_of,
    spare_of,
    wrong_type,
)
from serlab.errors import EncodeError
from serlab.generated import llm_pb2
from serlab.messages import NOT_JSON, Embedding, Message, Part, is_sealed, item, legal, message_type, once

# Prompt and Vector in Protocol Buffers.
#
# The numbers of a vector go in and out as one block. A packed field on the wire is its tag, its length and the
# little-endian numbers, so a Vector is made by parsing these bytes; numpy reads a packed field without Python numbers
# in between. Handing 1,536 float32 over as a list took 32 times as long (CPython 3.11, one run).
#
# Source: the protobuf encoding guide, "Packed Repeated Fields".

pb: Any = llm_pb2
Change = Callable[[Any], Any]
LENGTH_DELIMITED = 2
FIXED_WIDTH = {
    case: bytes([pb.Vector.DESCRIPTOR.fields_by_name[case].number << 3 | LENGTH_DELIMITED])
    for case in ("float32s", "float64s")
}
"""Vector case → the tag of its packed field, where numbers have one width on the wire; `integers` are varints."""


def _write_prompt(value: Any) -> dict[str, Any]:
    """Return a Prompt's arguments: text, texts, token ids or lists of them."""
    case, content = schema.prompt_case(value)
    return {case: [{"ids": ids} for ids in content] if case == "token_lists" else content}


def _read_prompt(box: Any) -> Any:
    """Read a Prompt back.

    Raises:
        ValueError: there is nothing in it.
    """
    for descriptor, content in box.ListFields():
        if descriptor.name == "token_lists":
            return [list(one.ids) for one in content]
        if descriptor.name == "json":
            return schema.prompt_of(jsontext.loads(content))
        return content if descriptor.name == "text" else list(content)
    raise ValueError("a Prompt with nothing in it")


def _write_vector(value: Any) -> Any:
    """Return a Vector or its arguments: packed numbers, base64 text, an object with a vector, or JSON."""
    if type(value) is dict:
        return _write_object(value)
    case, content, integral = schema.vector_case(value)
    if case not in FIXED_WIDTH:
        return {case: content.tolist() if case == "integers" else content}
    numbers = content.astype(schema.ARRAYS[case], copy=False)
    vector = pb.Vector.FromString(b"".join((FIXED_WIDTH[case], _varint(numbers.nbytes), numbers.data)))
    vector.integral.extend(integral)
    return vector


def _write_object(value: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a Vector that holds an object: an `Embedding` where it is one, else JSON."""
    embedding = item(value, lambda vector: vector)
    if isinstance(embedding, Embedding):
        return {"item": shaper(Embedding)(msgspec.to_builtins(embedding, builtin_types=(np.ndarray,)))}
    return {"json": jsontext.dumps(value)}


def _read_vector(box: Any) -> Any:
    """Read a Vector back; an object with a vector in it is an `Embedding`.

    Raises:
        ValueError: there is nothing in it.
    """
    for descriptor, content in box.ListFields():
        if descriptor.name == "item":
            return _reader(Embedding)(content)
        return schema.vector_of(descriptor.name, content, box.integral)
    raise ValueError("a Vector with nothing in it")


def _varint(number: int) -> bytes:
    """Write a length as protobuf does: seven bits a byte, low ones first, the top bit set where more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# A protobuf object → the message; only fields that are there are visited.


@cache
def _reader(type_: type[Part]) -> Change:
    """Build the function that makes a struct of a protobuf object.

    A number in `nulls` or `empties` that the schema does not have, or in `empties` one of a field that is no list, is a
    KeyError there: the bytes are of another schema. One that is reserved is passed over, as its field's value would be.
    A field that is written in two ways is a ValueError, since readers would differ in which of them they see.
    """
    descriptor, message = getattr(llm_pb2, type_.__name__).DESCRIPTOR, DescriptorProto()
    descriptor.CopyToProto(message)
    fields, gone = descriptor.fields_by_name, dict.fromkeys(reserved_numbers(message), "")
    plan = plan_of(type_)
    # upb keeps one descriptor object for each field, so it can be a key.
    entries = {fields[case.name]: (field.name, _change_of(case)) for field in plan for case in field.cases}
    entries |= {fields[name]: (name, None) for name in ("nulls", "empties") if name in fields}
    nulls = gone | {fields[field.schema_name].number: field.name for field in plan}
    empties = gone | {fields[case.name].number: field.name for field in plan for case in field.cases if _is_list(case)}
    if issubclass(type_, Message):
        entries[fields["extra"]] = ("extra", _read_extra)

    def read(source: Any) -> Any:
        values: dict[str, Any] = {}
        listed = source.ListFields()
        for descriptor, content in listed:
            name, change = entries[descriptor]
            values[name] = content if change is None else change(content)
        if len(values) < len(listed):
            raise _written_twice(entries[descriptor][0] for descriptor, _ in listed)
        if "nulls" in values or "empties" in values:
            marked = [name for number in values.pop("nulls", ()) if (name := nulls[number])]
            empty = [name for number in values.pop("empties", ()) if (name := empties[number])]
            if len({*values, *marked, *empty}) < len(values) + len(marked) + len(empty):
                raise _written_twice([*values, *marked, *empty])
            values |= dict.fromkeys(marked)
            values |= {name: [] for name in empty}
        return type_(**values)

    return (lambda source: legal(read(source))) if issubclass(type_, Message) else read


def _written_twice(names: Iterable[str]) -> ValueError:
    """Make the error for a field with two values, or with one and a mark."""
    twice = next(name for name, count in Counter(names).items() if count > 1)
    return ValueError(f"{twice}: expected one value, got two, or one and a mark for null or empty")


def reserved_numbers(message: DescriptorProto) -> set[int]:
    """Return the numbers of a message's removed fields."""
    return {number for span in message.reserved_range for number in range(span.start, span.end)}


def _change_of(case: UnionCase) -> Change | None:
    """Build what makes a value of a schema field's content; None for scalars, which come as they are."""
    if case.struct is not None:
        struct = case.struct
        if case.kind == "struct":
            return lambda value: _reader(struct)(value)
        return lambda items: list(map(_reader(struct), items))
    if case.kind == "json":
        return json_reader(case)
    change = READS.get(case.kind)
    return change if case.hint is None or change is None else lambda content: fitting(case, change(content))


def _read_extra(items: Any) -> dict[str, Any]:
    """Read the unknown fields."""
    return once([(item.pointer, jsontext.loads(item.json)) for item in items])


READS: dict[str, Change] = {
    "strs": list,
    "tokens": list,
    "bytes": list,
    "prompt": _read_prompt,
    "vector": _read_vector,
    "vectors": lambda items: list(map(_read_vector, items)),
}


# Plain values of a message → the keyword arguments of its protobuf class.
#
# Only what a message holds is visited, not the hundred fields that it could hold: that is most of the difference to
# setting field by field. Populating `chat-turn` took 17.7 µs field by field and takes 6.0 so (CPython 3.11, one run).

Shape = Callable[[dict[str, Any]], dict[str, Any]]


class Care(NamedTuple):
    """What is looked at while a message is shaped.

    Attributes:
        tokens: every token id, for whether it packs; otherwise upb will raise where one does not.
        numbers: those in free-form values, for whether they are finite; a sealed message needs no such look.
    """

    tokens: bool = False
    numbers: bool = True


TRUSTING = Care()


class _Slot(NamedTuple):
    """Where a value goes.

    Attributes:
        name: the schema field.
        change: what changes the value on its way; None where upb takes it as it is.
        empty: the number that marks an empty list; 0 for fields that are no list.
    """

    name: str
    change: Change | None
    empty: int


class _Slots(NamedTuple):
    """What a field's value may become: a slot by its type, one for all other types, and what marks a null."""

    by_type: dict[type, _Slot]
    rest: _Slot | None
    null: int
    field: PlanField


@cache
def shaper(type_: type[Part], care: Care = TRUSTING) -> Shape:
    """Build the function that turns a struct's plain values into the arguments of its protobuf class.

    Args:
        type_: the struct.
        care: what is looked at.
    """
    fields_by_name = getattr(llm_pb2, type_.__name__).DESCRIPTOR.fields_by_name
    numbers = {name: field.number for name, field in fields_by_name.items()}
    slots_of_field = {field.name: _slots_of(field, numbers, care) for field in plan_of(type_)}

    def shape(document: dict[str, Any]) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        nulls: list[int] = []
        empties: list[int] = []
        if "$extra" in document:
            arguments["extra"] = _write_extra(document.pop("$extra"))
        for name, value in document.items():
            slots = slots_of_field[name]
            if value is None:
                nulls.append(slots.null)
                continue
            slot = slots.by_type.get(type(value), slots.rest)
            if slot is None:
                raise wrong_type(type_, slots.field, value)
            if slot.empty and not value:
                empties.append(slot.empty)
            elif slot.change is None:
                arguments[slot.name] = value
            else:
                _fill(arguments, slot, slots.field, value)
        if nulls:
            arguments["nulls"] = nulls
        if empties:
            arguments["empties"] = empties
        return arguments

    return shape


def _fill(arguments: dict[str, Any], slot: _Slot, field: PlanField, value: Any) -> None:
    """Change a value and put it into its slot, or into the spare one where it does not pack."""
    assert slot.change is not None
    try:
        arguments[slot.name] = slot.change(value)
    except Misfit:
        spare = spare_of(field)
        check_taken(spare, value)
        arguments[spare.name] = jsontext.dumps(value)


def _write_extra(extra: dict[str, Any]) -> list[dict[str, str]]:
    """Write the unknown fields."""
    return [{"pointer": pointer, "json": jsontext.dumps(value)} for pointer, value in extra.items()]


def _slots_of(field: PlanField, numbers: dict[str, int], care: Care) -> _Slots:
    """Plan a field; among plain values a struct is a dict."""
    by_type, rest = choose_case(field)
    slots = {kind: _slot_of(case, numbers, care) for kind, case in by_type.items()}
    plain = {dict if issubclass(kind, Part) else kind: slot for kind, slot in slots.items()}
    return _Slots(plain, _slot_of(rest, numbers, care) if rest else None, numbers[field.schema_name], field)


def _slot_of(case: UnionCase, numbers: dict[str, int], care: Care) -> _Slot:
    """Return a case's slot; empty bytes have a presence of their own, an empty list needs a mark."""
    return _Slot(case.name, _writer_of(case, care), numbers[case.name] if _is_list(case) else 0)


def _is_list(case: UnionCase) -> bool:
    """Return whether a case holds a list that may be empty."""
    return case.kind in LISTS | {"vectors"} and case.kind != "bytes"


def _writer_of(case: UnionCase, care: Care) -> Change | None:
    """Build what changes a value on its way into a schema field."""
    if case.struct is None:
        change = _dump_finite if case.kind == "json" and not care.numbers else WRITES.get(case.kind)
        if case.hint is not None and change is not None:
            return partial(_change_taken, case, change)
        return _token_ids if care.tokens and case.kind == "tokens" else change
    struct = case.struct
    # Built when it is first used, since structs may hold themselves.
    if case.kind == "struct":
        return lambda value: shaper(struct, care)(value)
    return lambda items: _structs(shaper(struct, care), items)


def _change_taken(case: UnionCase, change: Change, value: Any) -> Any:
    """Change a value that its field takes."""
    check_taken(case, value)
    return change(value)


def _structs(shape: Shape, items: list[Any]) -> list[dict[str, Any]]:
    """Shape a list of structs.

    Raises:
        Misfit: it holds something else beside them.
    """
    if set(map(type, items)) != {dict}:
        raise Misfit
    return list(map(shape, items))


def _texts(values: list[Any]) -> list[Any]:
    """Return a list of texts as it is.

    Raises:
        Misfit: it holds something else.
    """
    if set(map(type, values)) != {str}:
        raise Misfit
    return values


def _small_bytes(values: list[Any]) -> bytes:
    """Pack a token's bytes.

    Raises:
        Misfit: one is no byte.
    """
    try:
        return bytes(values)
    except (TypeError, ValueError) as error:
        raise Misfit from error


def _dump_finite(value: Any) -> str:
    """Write a free-form value of a sealed message."""
    return jsontext.dump_finite(value).decode()


def _token_ids(values: list[Any]) -> list[Any]:
    """Return token ids as they are, if they fit 32 bits; `array` tells in one pass.

    Raises:
        Misfit: one is wide, or no integer.
    """
    try:
        array("i", values)
    except (TypeError, OverflowError) as error:
        raise Misfit from error
    return values


WRITES: dict[str, Change] = {
    "json": jsontext.dumps,
    "strs": _texts,
    "bytes": _small_bytes,
    "prompt": _write_prompt,
    "vector": _write_vector,
    "vectors": lambda values: list(map(_write_vector, values)),
}
"""Kinds that upb does not take as they are."""


KEPT = (*NOT_JSON, np.ndarray)
"""What msgspec hands on as it is."""


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    type_, cls = message_type(kind), getattr(llm_pb2, kind)
    stages = (_populator(type_, cls), cls.SerializeToString, cls.FromString, _reader(type_))
    refusals = (*REFUSALS, LibraryDecodeError, LibraryEncodeError)
    reroute = partial(_relay, cls, stages[3]) if "model" in type_.__struct_fields__ else None
    return Codec(info.name, kind, google.protobuf.__version__, *stages, refusals=refusals, reroute=reroute, check=legal)


def _relay(cls: Any, convert: Callable[[Any], Any], data: bytes, route: Route) -> bytes:
    """Choose a message's model and write it into the library's object, so that nothing else is made anew.

    Args:
        cls: the library's class.
        convert: makes a message of its object, or refuses what is none.
        data: one message, no length prefix.
        route: chooses the model.

    Raises:
        EncodeError: the chosen model is no text that UTF-8 has.
    """
    box = cls.FromString(data)
    message = convert(box)
    set_model(message, route)
    model = message.model
    # What was read is dropped before the bytes are written.
    del message
    try:
        box.model = model
    except (TypeError, ValueError) as error:
        raise EncodeError(f"protobuf: cannot carry the model {model!r}: {reason(error)}") from error
    number = cls.DESCRIPTOR.fields_by_name["model"].number
    if number in box.nulls:
        box.nulls[:] = [null for null in box.nulls if null != number]
    if any(entry.pointer == "/model" for entry in box.extra):
        kept = [entry for entry in box.extra if entry.pointer != "/model"]
        del box.extra[:]
        box.extra.extend(kept)
    written: bytes = box.SerializeToString()
    return written


def _populator(type_: type[Message], cls: Any) -> Callable[[Any], Any]:
    """Build the function that makes a protobuf object of a message."""
    trusting, sealed, careful = shaper(type_), shaper(type_, Care(numbers=False)), shaper(type_, Care(tokens=True))
    to_builtins = msgspec.to_builtins

    def populate(message: Any) -> Any:
        try:
            shape = sealed if is_sealed(message) else trusting
            return cls(**shape(to_builtins(message, builtin_types=KEPT)))
        except (TypeError, ValueError):
            # Token ids that do not pack, which upb finds out by itself, or a message that no second look will save.
            return cls(**careful(to_builtins(message, builtin_types=KEPT)))

    return populate
