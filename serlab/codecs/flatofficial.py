"""FlatBuffers by Google's Python package: official Builder and accessors, with schemas/llm.fbs.

- Absent and empty stay apart by themselves; `nulls` lists the ids of fields that are explicitly null.
- JSON Schemas, metadata and other values without a fixed shape travel as JSON text.
- Token ids and vectors are packed; `open` gives them as numpy arrays over the bytes. Unknown fields are in `extra`.
- Lone surrogates in text are refused: strings are UTF-8.
- The Python package has no verifier: bytes from a stranger may read as anything. `decode` notices what runs past the
  end, not more.

Source: the FlatBuffers internals page; the Python package's documentation.
"""

from collections.abc import Callable
from functools import cache, partial
from struct import error as StructError
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers.builder import BuilderSizeError, OffsetArithmeticError

from serlab.codecs import boxes, jsontext
from serlab.codecs.base import REFUSALS, Codec
from serlab.codecs.flatofficialviews import View, camel, view_type
from serlab.codecs.info import CodecInfo
from serlab.codecs.plan import (
    Arm,
    Misfit,
    PlanField,
    check_items,
    choose_arm,
    json_writer,
    plan_of,
    spare_of,
    wrong_type,
)
from serlab.generated import llm_fbs
from serlab.generated.llm_layout import LAYOUT
from serlab.messages import UNSET, Message, message_type
from serlab.messages.base import Part
from serlab.messages.embeddings import Embedding

fbs: Any = llm_fbs
Build = Callable[[Any, Any], Any]


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    type_ = message_type(kind)
    view = view_type(type_)
    refusals = (*REFUSALS, StructError, BuilderSizeError, OffsetArithmeticError)
    stages = (partial(populate, writer(type_)), serialize, view, materialize, view)
    return Codec(info.name, kind, flatbuffers.__version__, *stages, refusals=refusals)


def populate(write: Build, message: Any) -> Any:
    """Build the buffer; a Builder writes as it is filled, so most of encode is here."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(write(builder, message))
    return builder


def serialize(builder: Any) -> bytes:
    """Copy the finished bytes out of the Builder."""
    return bytes(builder.Output())


def materialize(view: View) -> Any:
    """Read everything behind a view into a message."""
    return view.materialize()


@cache
def writer(type_: type[Part]) -> Build:
    """Build the function that writes a struct as a table and gives its offset."""
    name = type_.__name__
    steps = [(field.name, LAYOUT[name][field.schema_name][0], *builds(name, field), field) for field in plan_of(type_)]
    add_nulls = getattr(fbs, f"{name}AddNulls")
    start, end = getattr(fbs, f"{name}Start"), getattr(fbs, f"{name}End")
    root = issubclass(type_, Message)

    def write(builder: Any, message: Any) -> int:
        slots: list[tuple[Build, Any]] = []
        nulls: list[int] = []
        for attribute, id_, by_type, rest, field in steps:
            value = getattr(message, attribute)
            if value is UNSET:
                continue
            if value is None:
                nulls.append(id_)
                continue
            entry = by_type.get(type(value), rest)
            if entry is None:
                raise wrong_type(type_, field, value)
            try:
                slots.append((entry[1], entry[0](builder, value)))
            except Misfit:
                spare = entry_of(name, spare_of(field))
                slots.append((spare[1], spare[0](builder, value)))
        if nulls:
            slots.append((add_nulls, builder.CreateNumpyVector(np.array(nulls, np.uint16))))
        if root and message.extra:
            slots.append((getattr(fbs, f"{name}AddExtra"), write_extra(builder, message.extra)))
        start(builder)
        for add, value in slots:
            add(builder, value)
        offset: int = end(builder)
        return offset

    return write


Entry = tuple[Build, Build]


def builds(table: str, field: PlanField) -> tuple[dict[type, Entry], Entry | None]:
    """Give, for each Python type of a field's value, how to write it and how to add it to the table."""
    by_type, rest = choose_arm(field)
    return {kind: entry_of(table, arm) for kind, arm in by_type.items()}, entry_of(table, rest) if rest else None


def entry_of(table: str, arm: Arm) -> Entry:
    """Pair an arm's content writer with the generated function that adds its slot."""
    return content_writer(arm), getattr(fbs, f"{table}Add{camel(arm.name)}")


def content_writer(arm: Arm) -> Build:
    """Build the function that writes what a slot points to, or gives the scalar itself."""
    if arm.struct is not None:
        struct = arm.struct
        if arm.kind == "struct":
            return lambda builder, value: writer(struct)(builder, value)
        return lambda builder, items: write_structs(arm, struct, builder, items)
    if arm.kind == "json":
        dumps = json_writer(arm)
        return lambda builder, value: builder.CreateString(dumps(value))
    return CONTENT.get(arm.kind, scalar)


def write_structs(arm: Arm, struct: type[Part], builder: Any, items: list[Any]) -> Any:
    """Write a vector of tables."""
    if items:
        check_items(arm, items)
    return write_offsets(builder, [writer(struct)(builder, item) for item in items])


def scalar(builder: Any, value: Any) -> Any:
    """Give a number or bool as it is; it stands in the table itself."""
    return value


def write_string(builder: Any, value: str) -> Any:
    """Write text as UTF-8; a lone surrogate is an error."""
    return builder.CreateString(value)


def write_json(builder: Any, value: Any) -> Any:
    """Write a free-form value as JSON text."""
    return builder.CreateString(jsontext.dumps(value))


def write_offsets(builder: Any, offsets: list[int]) -> Any:
    """Write a vector of offsets."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def write_strings(builder: Any, values: list[str]) -> Any:
    """Write a vector of texts; a list with something else in it goes to the spare arm."""
    if values and set(map(type, values)) != {str}:
        raise Misfit
    return write_offsets(builder, [builder.CreateString(value) for value in values])


def write_numbers(dtype: Any, builder: Any, values: Any) -> Any:
    """Write a vector of numbers in one copy; a value that does not fit is an OverflowError."""
    return builder.CreateNumpyVector(np.array(values, dtype))


def write_packed(dtype: Any, builder: Any, values: list[Any]) -> Any:
    """Write a vector of integers; what is none of that width goes to the spare arm."""
    try:
        array = np.array(values, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise Misfit from error
    if array.ndim != 1:
        raise Misfit
    return builder.CreateNumpyVector(array)


def write_table(builder: Any, table: str, field: str, content: Any) -> Any:
    """Write a table with one slot."""
    getattr(fbs, f"{table}Start")(builder)
    getattr(fbs, f"{table}Add{camel(field)}")(builder, content)
    return getattr(fbs, f"{table}End")(builder)


def write_prompt(builder: Any, value: Any) -> Any:
    """Write a Prompt: text, texts, token ids or lists of them."""
    arm, content = boxes.prompt_arm(value)
    if arm == "token_lists":
        ids = [write_table(builder, "TokenIds", "ids", write_numbers(np.int32, builder, ids)) for ids in content]
        written = write_offsets(builder, ids)
    elif arm == "tokens":
        written = write_numbers(np.int32, builder, content)
    else:
        written = write_strings(builder, content) if arm == "texts" else builder.CreateString(content)
    return write_table(builder, "Prompt", arm, written)


def write_vector(builder: Any, value: Any) -> Any:
    """Write a Vector: packed numbers, base64 text, an object with a vector, or JSON."""
    arm, content, integral = boxes.vector_arm(value)
    if integral:
        numbers, positions = builder.CreateNumpyVector(content), write_numbers(np.uint32, builder, integral)
        fbs.VectorStart(builder)
        fbs.VectorAddIntegral(builder, positions)
        fbs.VectorAddFloat64s(builder, numbers)
        return fbs.VectorEnd(builder)
    if arm == "item":
        written = writer(Embedding)(builder, content)
    else:
        written = builder.CreateNumpyVector(content) if arm in boxes.ARRAYS else builder.CreateString(content)
    return write_table(builder, "Vector", arm, written)


def write_vectors(builder: Any, values: list[Any]) -> Any:
    """Write a list of vectors."""
    return write_offsets(builder, [write_vector(builder, value) for value in values])


def write_extra(builder: Any, extra: dict[str, Any]) -> Any:
    """Write the unknown fields."""
    offsets = []
    for pointer, value in extra.items():
        written = builder.CreateString(pointer), write_json(builder, value)
        fbs.ExtraStart(builder)
        fbs.ExtraAddPointer(builder, written[0])
        fbs.ExtraAddJson(builder, written[1])
        offsets.append(fbs.ExtraEnd(builder))
    return write_offsets(builder, offsets)


CONTENT: dict[str, Build] = {
    "str": write_string,
    "strs": write_strings,
    "bytes": partial(write_packed, np.uint8),
    "tokens": partial(write_packed, np.int32),
    "prompt": write_prompt,
    "vector": write_vector,
    "vectors": write_vectors,
}
