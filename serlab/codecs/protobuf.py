"""Protocol Buffers by protobuf's upb runtime, with schemas/llm.proto.

- Absent, null and empty stay apart: presence, `nulls` and `empties` (field numbers).
- JSON Schemas, metadata and other values without a fixed shape travel as JSON text.
- Token ids and vectors are packed. Unknown fields of the document are in `extra`.
- Lone surrogates in text are refused (protobuf strings are UTF-8); so is a message truncated inside a field, but not
  one truncated between two: the format has no end mark. Put a frame around it where that can happen.

Source: the protobuf encoding guide; the Python generated-code guide.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import google.protobuf
from google.protobuf.message import DecodeError as LibraryDecodeError
from google.protobuf.message import EncodeError as LibraryEncodeError

from serlab.codecs import boxes, jsontext
from serlab.codecs.base import REFUSALS, Codec
from serlab.codecs.plan import (
    LISTS,
    Arm,
    Misfit,
    PlanField,
    check_items,
    choose_arm,
    json_reader,
    json_writer,
    plan_of,
    spare_of,
    wrong_type,
)
from serlab.generated import llm_pb2
from serlab.messages import UNSET, Message, message_type
from serlab.messages.base import Part
from serlab.messages.embeddings import Embedding

pb: Any = llm_pb2
Setter = Callable[[Any, Any], None]
Getter = Callable[[Any], Any]


def make(name: str, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    type_ = message_type(kind)
    refusals = (*REFUSALS, LibraryDecodeError, LibraryEncodeError)
    parse = getattr(pb, kind).FromString
    version = google.protobuf.__version__
    return Codec(name, kind, version, writer(type_), serialize, parse, reader(type_), refusals=refusals)


def serialize(object_: Any) -> bytes:
    """Write a populated object."""
    data: bytes = object_.SerializeToString()
    return data


@cache
def writer(type_: type[Part]) -> Getter:
    """Build the function that makes a protobuf object of a struct."""
    cls = getattr(pb, type_.__name__)
    numbers = {name: field.number for name, field in cls.DESCRIPTOR.fields_by_name.items()}
    fields = [(field, numbers[field.schema_name], *setters(field)) for field in plan_of(type_)]
    steps = [(field.name, number, by_type, rest, field) for field, number, by_type, rest in fields]
    root = issubclass(type_, Message)

    def write(message: Any) -> Any:
        target = cls()
        for name, number, by_type, rest, field in steps:
            value = getattr(message, name)
            if value is UNSET:
                continue
            if value is None:
                target.nulls.append(number)
                continue
            setter = by_type.get(type(value), rest)
            if setter is None:
                raise wrong_type(type_, field, value)
            try:
                setter(target, value)
            except Misfit:
                setter_of(spare_of(field))(target, value)
        if root and message.extra:
            write_extra(target, message.extra)
        return target

    return write


def write_extra(target: Any, extra: dict[str, Any]) -> None:
    """Write the unknown fields."""
    for pointer, value in extra.items():
        target.extra.add(pointer=pointer, json=jsontext.dumps(value))


def setters(field: PlanField) -> tuple[dict[type, Setter], Setter | None]:
    """Give the setter for each Python type of a field's value, and the one for the rest."""
    by_type, rest = choose_arm(field)
    return {kind: setter_of(arm) for kind, arm in by_type.items()}, setter_of(rest) if rest else None


def setter_of(arm: Arm) -> Setter:
    """Build the function that puts a value into its schema field."""
    if arm.kind in LISTS or arm.kind == "vectors":
        return list_setter(arm)
    name = arm.name
    if arm.kind == "struct" and arm.struct is not None:
        write = lazily(writer, arm.struct)
        return lambda target, value: getattr(target, name).CopyFrom(write(value))
    if arm.kind == "json":
        dumps = json_writer(arm)
        return lambda target, value: setattr(target, name, dumps(value))
    if arm.kind in BOXES:
        fill = BOXES[arm.kind]
        return lambda target, value: fill(getattr(target, name), value)
    return lambda target, value: setattr(target, name, value)


def list_setter(arm: Arm) -> Setter:
    """Build the setter of a list; an empty one is only a number in `empties`, or empty bytes."""
    name = arm.name
    if arm.kind == "bytes":
        return lambda target, value: set_bytes(target, name, value)
    append = appender(arm)

    def set_list(target: Any, value: list[Any]) -> None:
        if value:
            check_items(arm, value)
            append(getattr(target, name), value)
        else:
            target.empties.append(target.DESCRIPTOR.fields_by_name[name].number)

    return set_list


def appender(arm: Arm) -> Setter:
    """Build the function that fills a repeated field."""
    if arm.kind == "vectors":
        return append_vectors
    if arm.kind == "structs" and arm.struct is not None:
        write = lazily(writer, arm.struct)
        return lambda repeated, items: repeated.extend([write(item) for item in items])
    return append_tokens if arm.kind == "tokens" else lambda repeated, items: repeated.extend(items)


def set_bytes(target: Any, name: str, values: list[Any]) -> None:
    """Set a list of bytes; what is no byte goes to the spare arm."""
    try:
        setattr(target, name, bytes(values))
    except (TypeError, ValueError) as error:
        raise Misfit from error


def append_tokens(repeated: Any, ids: list[Any]) -> None:
    """Fill a list of token ids; wide or nested ones go to the spare arm."""
    try:
        repeated.extend(ids)
    except (TypeError, ValueError) as error:
        del repeated[:]
        raise Misfit from error


def append_vectors(repeated: Any, vectors: list[Any]) -> None:
    """Fill a list of vectors."""
    for vector in vectors:
        fill_vector(repeated.add(), vector)


def lazily(build: Callable[[type[Part]], Getter], type_: type[Part]) -> Getter:
    """Put off building a struct's function until it is used, since structs may hold themselves."""
    return lambda value: build(type_)(value)


def fill_prompt(box: Any, value: Any) -> None:
    """Fill a Prompt: text, texts, token ids or lists of them."""
    arm, content = boxes.prompt_arm(value)
    if arm == "token_lists":
        for ids in content:
            box.token_lists.add(ids=ids)
    elif arm in ("tokens", "texts"):
        getattr(box, arm).extend(content)
    else:
        setattr(box, arm, content)


def fill_vector(box: Any, value: Any) -> None:
    """Fill a Vector: packed numbers, base64 text, an object with a vector, or JSON."""
    arm, content, integral = boxes.vector_arm(value)
    if arm == "item":
        box.item.CopyFrom(writer(Embedding)(content))
    elif arm in boxes.ARRAYS:
        # A list of Python numbers is taken twice as fast as an array of numpy scalars.
        getattr(box, arm).extend(content.tolist())
        box.integral.extend(integral)
    else:
        setattr(box, arm, content)


BOXES: dict[str, Setter] = {"prompt": fill_prompt, "vector": fill_vector}


@cache
def reader(type_: type[Part]) -> Getter:
    """Build the function that makes a struct of a protobuf object."""
    plan = plan_of(type_)
    fields_by_name = getattr(pb, type_.__name__).DESCRIPTOR.fields_by_name
    getters = {arm.name: (field.name, getter_of(arm)) for field in plan for arm in field.arms}
    nulls = {fields_by_name[field.schema_name].number: field.name for field in plan}
    empties = {fields_by_name[arm.name].number: field.name for field in plan for arm in field.arms}
    root = issubclass(type_, Message)

    def read(source: Any) -> Any:
        values: dict[str, Any] = {}
        for descriptor, content in source.ListFields():
            entry = getters.get(descriptor.name)
            if entry is not None:
                values[entry[0]] = entry[1](content)
        for number in source.nulls:
            values[nulls[number]] = None
        for number in source.empties:
            values[empties[number]] = []
        if root and source.extra:
            values["extra"] = {item.pointer: jsontext.loads(item.json) for item in source.extra}
        return type_(**values)

    return read


def getter_of(arm: Arm) -> Getter:
    """Build the function that reads a schema field's content."""
    if arm.struct is not None:
        read = lazily(reader, arm.struct)
        return read if arm.kind == "struct" else lambda items: [read(item) for item in items]
    if arm.kind == "json":
        return json_reader(arm)
    return READERS.get(arm.kind, same_object)


def same_object(value: Any) -> Any:
    """Give a scalar back as it is."""
    return value


def read_prompt(box: Any) -> Any:
    """Read a Prompt back."""
    for descriptor, content in box.ListFields():
        if descriptor.name == "token_lists":
            return [list(item.ids) for item in content]
        if descriptor.name == "json":
            return jsontext.loads(content)
        return content if descriptor.name == "text" else list(content)
    raise ValueError("a Prompt with nothing in it")


def read_vector(box: Any) -> Any:
    """Read a Vector back."""
    for descriptor, content in box.ListFields():
        if descriptor.name == "item":
            return reader(Embedding)(content)
        return boxes.vector_of(descriptor.name, content, box.integral)
    raise ValueError("a Vector with nothing in it")


READERS: dict[str, Getter] = {
    "strs": list,
    "tokens": list,
    "bytes": list,
    "prompt": read_prompt,
    "vector": read_vector,
    "vectors": lambda items: [read_vector(item) for item in items],
}
