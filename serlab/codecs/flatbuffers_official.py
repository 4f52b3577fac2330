"""FlatBuffers by Google's Python package: official Builder and accessors, with schemas/llm.fbs.

- Absent and empty stay apart by themselves; `nulls` lists the ids of fields that are explicitly null.
- JSON Schemas, metadata and other values without a fixed shape travel as JSON text.
- Token ids and vectors are packed; `open` gives them as numpy arrays over the bytes. Unknown fields are in `extra`.
- Lone surrogates in text are refused: strings are UTF-8.
- The Python package has no verifier: bytes from a stranger may read as anything. `decode` notices what runs past the
  end, not more.

Source: the FlatBuffers internals page; the Python package's documentation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from struct import error as StructError
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers.builder import BuilderSizeError, OffsetArithmeticError

from serlab.codecs import jsontext, schema
from serlab.codecs.base import REFUSALS, Codec, reason
from serlab.codecs.info import CodecInfo
from serlab.codecs.scans import scan_json
from serlab.codecs.schema import (
    Misfit,
    PlanField,
    UnionCase,
    check_items,
    choose_case,
    json_reader,
    json_writer,
    plan_of,
    spare_of,
    wrong_type,
)
from serlab.errors import DecodeError
from serlab.generated import llm_fbs
from serlab.generated.llm_layout import LAYOUT
from serlab.limits import DEFAULT_LIMITS
from serlab.messages import NO_EXTRA, UNSET, Embedding, Message, Part, message_type

# Lazy views over FlatBuffers bytes, through the official accessors.
#
# A view has the message's attribute names and reads a field when it is touched: scalars, text and tables are made
# then, vectors of numbers are read-only numpy arrays over the same bytes. A view keeps its bytes alive. A touched
# field is read again at every touch.

fbs: Any = llm_fbs
Read = Callable[[Any], Any]


def _checked(read: Read, source: Any) -> Any:
    """Read from bytes that nobody has verified.

    Raises:
        DecodeError: the accessor ran past the end or met what cannot be read.
    """
    try:
        return read(source)
    except DecodeError:
        raise
    except (StructError, *REFUSALS) as error:
        raise DecodeError(
            f"flatbuffers-official: expected a whole message, got damaged bytes: {reason(error)}"
        ) from error


class View:
    """A lazy reader with the attribute names of one message type or struct.

    Args:
        table: the generated accessor object over the bytes.
    """

    __slots__ = ("_table",)
    _type: type[Part]
    _readers: dict[str, Read]

    def __init__(self, table: Any) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        """Read a field: its value, None where it is null, UNSET where it is absent.

        Raises:
            AttributeError: the message type has no such field.
            DecodeError: the bytes are damaged there.
        """
        reader = self._readers.get(name)
        if reader is None:
            raise AttributeError(f"{self._type.__name__} has no field {name!r}")
        return _checked(reader, self._table)

    def __dir__(self) -> list[str]:
        return [*self._readers, "materialize"]

    def __repr__(self) -> str:
        return f"<view of {self._type.__name__} over {len(self._table._tab.Bytes)} bytes>"

    def materialize(self) -> Any:
        """Read every field into a message of its own, which needs the bytes no more."""
        values = {name: _materialized(_checked(read, self._table)) for name, read in self._readers.items()}
        return self._type(**{name: value for name, value in values.items() if value is not UNSET})


class _ViewList(Sequence[Any]):
    """A lazy list: each item is read when it is touched.

    Args:
        length: how many items there are.
        read: position (0 to length - 1) → item.
    """

    __slots__ = ("_length", "_read")

    def __init__(self, length: int, read: Callable[[int], Any]) -> None:
        self._length = length
        self._read = read

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        """Read one item, or a list of them for a slice."""
        if isinstance(index, slice):
            return [_checked(self._read, i) for i in range(*index.indices(self._length))]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(f"index {index} of a list of {self._length}")
        return _checked(self._read, position)

    def __iter__(self) -> Iterator[Any]:
        return (_checked(self._read, i) for i in range(self._length))

    def __repr__(self) -> str:
        return f"<view of a list of {self._length}>"


def _materialized(value: Any) -> Any:
    """Copy what a view gave out of the bytes."""
    if isinstance(value, View):
        return value.materialize()
    if isinstance(value, _ViewList):
        return [_materialized(item) for item in value]
    if isinstance(value, _TokenArray):
        return value.tolist()
    return value.copy() if isinstance(value, np.ndarray) else value


class _TokenArray(np.ndarray):
    """Integers of a message's plain list (token ids, a token's bytes), over the bytes; a vector is a bare ndarray."""


@cache
def _view_class(type_: type[Part]) -> type[View]:
    """Make the view class of a struct."""
    readers = {field.name: _field_reader(type_.__name__, field) for field in plan_of(type_)}
    if issubclass(type_, Message):
        readers["extra"] = _read_extra
    return type(f"{type_.__name__}View", (View,), {"__slots__": (), "_type": type_, "_readers": readers})


def _view_type(type_: type[Part]) -> Callable[[bytes], View]:
    """Return the function that opens bytes as a message's view."""
    cls, root = _view_class(type_), getattr(fbs, type_.__name__)
    return lambda data: cls(root.GetRootAs(data, 0))


def _field_reader(table: str, field: PlanField) -> Read:
    """Build the reader of one field: the first case that is there, else null or absent."""
    cases = [_case_reader(case) for case in field.cases]
    id_ = LAYOUT[table][field.schema_name][0]

    def read(source: Any) -> Any:
        for case in cases:
            value = case(source)
            if value is not None:
                return value
        return None if _is_null(source, id_) else UNSET

    return read


def _is_null(source: Any, id_: int) -> bool:
    """Return whether a table lists a field as explicitly null."""
    return not source.NullsIsNone() and id_ in source.NullsAsNumpy()


def camel(name: str) -> str:
    """Write a schema field's name as the generated code does."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _case_reader(case: UnionCase) -> Read:
    """Build the reader of one schema field; it gives None where the field is absent."""
    name = camel(case.name)
    if case.kind in NUMBERS:
        return lambda source: _read_numbers(source, name)
    if case.kind in ("strs", "vectors", "structs"):
        return _list_reader(name, _item_reader(case))
    if case.kind in ("int", "float", "bool"):
        return lambda source: getattr(source, name)()
    return _one_reader(name, _item_reader(case))


NUMBERS = {"tokens", "bytes"}


def _read_numbers(source: Any, name: str) -> Any:
    """Read a vector of integers as an array over the bytes."""
    if getattr(source, f"{name}IsNone")():
        return None
    return _readonly(getattr(source, f"{name}AsNumpy")()).view(_TokenArray)


def _readonly(array: np.ndarray) -> np.ndarray:
    """Forbid writing through an array, whatever buffer it stands on."""
    array.flags.writeable = False
    return array


def _list_reader(name: str, item: Read) -> Read:
    """Build the reader of a vector of offsets."""

    def read(source: Any) -> Any:
        if getattr(source, f"{name}IsNone")():
            return None
        get = getattr(source, name)
        return _ViewList(getattr(source, f"{name}Length")(), lambda i: item(get(i)))

    return read


def _one_reader(name: str, item: Read) -> Read:
    """Build the reader of one string or table."""

    def read(source: Any) -> Any:
        value = getattr(source, name)()
        return None if value is None else item(value)

    return read


def _item_reader(case: UnionCase) -> Read:
    """Return what makes a value of an accessor's result."""
    if case.struct is not None:
        struct = case.struct
        return lambda table: _view_class(struct)(table)
    if case.kind == "json":
        return json_reader(case, _loads)
    return ITEMS[case.kind]


def _text(data: bytes) -> str:
    """Decode a string, strictly."""
    return data.decode()


def _read_prompt(box: Any) -> Any:
    """Read a Prompt: text, texts, token ids or lists of them."""
    if not box.TokensIsNone():
        return _read_numbers(box, "Tokens")
    if not box.TextsIsNone():
        return _ViewList(box.TextsLength(), lambda i: _text(box.Texts(i)))
    if not box.TokenListsIsNone():
        return _ViewList(box.TokenListsLength(), lambda i: _read_numbers(box.TokenLists(i), "Ids"))
    return _text(box.Text()) if box.Text() is not None else _loads(box.Json())


def _read_vector(box: Any) -> Any:
    """Read a Vector; packed numbers are an array over the bytes."""
    for case in schema.ARRAYS:
        if not getattr(box, f"{camel(case)}IsNone")():
            array = _readonly(getattr(box, f"{camel(case)}AsNumpy")())
            return array if box.IntegralIsNone() else schema.vector_of(case, array, box.IntegralAsNumpy())
    if box.Item() is not None:
        return _view_class(Embedding)(box.Item())
    return _text(box.Base64()) if box.Base64() is not None else _loads(box.Json())


def _read_extra(source: Any) -> Mapping[str, Any]:
    """Read the unknown fields."""
    if source.ExtraIsNone():
        return NO_EXTRA
    items = (source.Extra(i) for i in range(source.ExtraLength()))
    return {_text(item.Pointer()): _loads(item.Json()) for item in items}


def _loads(text: Any) -> Any:
    """Read JSON text, held to the default limits: nothing has looked at it before.

    Raises:
        DecodeError: it would grow beyond one.
    """
    if len(text) > DEFAULT_LIMITS.max_items and (passed := scan_json(bytes(text), DEFAULT_LIMITS)):
        most = getattr(DEFAULT_LIMITS, passed)
        raise DecodeError(f"JSON text in a message: limit {passed}: expected at most {most:,}, got more")
    return jsontext.loads(text)


ITEMS: dict[str, Read] = {
    "str": _text,
    "strs": _text,
    "prompt": _read_prompt,
    "vector": _read_vector,
    "vectors": _read_vector,
}


Build = Callable[[Any, Any], Any]


def make(info: CodecInfo, kind: str) -> Codec:
    """Bind the codec to a kind of message."""
    type_ = message_type(kind)
    view = _view_type(type_)
    refusals = (*REFUSALS, StructError, BuilderSizeError, OffsetArithmeticError)
    stages = (partial(_populate, writer(type_)), _serialize, view, _materialize, view)
    return Codec(info.name, kind, flatbuffers.__version__, *stages, refusals=refusals)


def _populate(write: Build, message: Any) -> Any:
    """Build the buffer; a Builder writes as it is filled, so most of encode is here."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(write(builder, message))
    return builder


def _serialize(builder: Any) -> bytes:
    """Copy the finished bytes out of the Builder."""
    return bytes(builder.Output())


def _materialize(view: View) -> Any:
    """Read everything behind a view into a message."""
    return view.materialize()


@cache
def writer(type_: type[Part]) -> Build:
    """Build the function that writes a struct as a table and gives its offset."""
    name = type_.__name__
    steps = [(field.name, LAYOUT[name][field.schema_name][0], *_builds(name, field), field) for field in plan_of(type_)]
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
                spare = _entry_of(name, spare_of(field))
                slots.append((spare[1], spare[0](builder, value)))
        if nulls:
            slots.append((add_nulls, builder.CreateNumpyVector(np.array(nulls, np.uint16))))
        if root and message.extra:
            slots.append((getattr(fbs, f"{name}AddExtra"), _write_extra(builder, message.extra)))
        start(builder)
        for add, value in slots:
            add(builder, value)
        offset: int = end(builder)
        return offset

    return write


Entry = tuple[Build, Build]


def _builds(table: str, field: PlanField) -> tuple[dict[type, Entry], Entry | None]:
    """Give, for each Python type of a field's value, how to write it and how to add it to the table."""
    by_type, rest = choose_case(field)
    return {kind: _entry_of(table, case) for kind, case in by_type.items()}, _entry_of(table, rest) if rest else None


def _entry_of(table: str, case: UnionCase) -> Entry:
    """Pair a case's content writer with the generated function that adds its slot."""
    return _content_writer(case), getattr(fbs, f"{table}Add{camel(case.name)}")


def _content_writer(case: UnionCase) -> Build:
    """Build the function that writes what a slot points to, or gives the scalar itself."""
    if case.struct is not None:
        struct = case.struct
        if case.kind == "struct":
            return lambda builder, value: writer(struct)(builder, value)
        return lambda builder, items: _write_structs(case, struct, builder, items)
    if case.kind == "json":
        dumps = json_writer(case)
        return lambda builder, value: builder.CreateString(dumps(value))
    return CONTENT.get(case.kind, _scalar)


def _write_structs(case: UnionCase, struct: type[Part], builder: Any, items: list[Any]) -> Any:
    """Write a vector of tables."""
    if items:
        check_items(case, items)
    return _write_offsets(builder, [writer(struct)(builder, item) for item in items])


def _scalar(builder: Any, value: Any) -> Any:
    """Return a number or bool as it is; it stands in the table itself."""
    return value


def _write_string(builder: Any, value: str) -> Any:
    """Write text as UTF-8; a lone surrogate is an error."""
    return builder.CreateString(value)


def _write_json(builder: Any, value: Any) -> Any:
    """Write a free-form value as JSON text."""
    return builder.CreateString(jsontext.dumps(value))


def _write_offsets(builder: Any, offsets: list[int]) -> Any:
    """Write a vector of offsets."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _write_strings(builder: Any, values: list[str]) -> Any:
    """Write a vector of texts; a list with something else in it goes to the spare case."""
    if values and set(map(type, values)) != {str}:
        raise Misfit
    return _write_offsets(builder, [builder.CreateString(value) for value in values])


def _write_numbers(dtype: Any, builder: Any, values: Any) -> Any:
    """Write a vector of numbers in one copy; a value that does not fit is an OverflowError."""
    return builder.CreateNumpyVector(np.array(values, dtype))


def _write_packed(dtype: Any, builder: Any, values: list[Any]) -> Any:
    """Write a vector of integers; what is none of that width goes to the spare case."""
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


def _write_prompt(builder: Any, value: Any) -> Any:
    """Write a Prompt: text, texts, token ids or lists of them."""
    case, content = schema.prompt_case(value)
    if case == "token_lists":
        ids = [write_table(builder, "TokenIds", "ids", _write_numbers(np.int32, builder, ids)) for ids in content]
        written = _write_offsets(builder, ids)
    elif case == "tokens":
        written = _write_numbers(np.int32, builder, content)
    else:
        written = _write_strings(builder, content) if case == "texts" else builder.CreateString(content)
    return write_table(builder, "Prompt", case, written)


def _write_vector(builder: Any, value: Any) -> Any:
    """Write a Vector: packed numbers, base64 text, an object with a vector, or JSON."""
    case, content, integral = schema.vector_case(value)
    if integral:
        numbers, positions = builder.CreateNumpyVector(content), _write_numbers(np.uint32, builder, integral)
        fbs.VectorStart(builder)
        fbs.VectorAddIntegral(builder, positions)
        fbs.VectorAddFloat64s(builder, numbers)
        return fbs.VectorEnd(builder)
    if case == "item":
        written = writer(Embedding)(builder, content)
    else:
        written = builder.CreateNumpyVector(content) if case in schema.ARRAYS else builder.CreateString(content)
    return write_table(builder, "Vector", case, written)


def _write_vectors(builder: Any, values: list[Any]) -> Any:
    """Write a list of vectors."""
    return _write_offsets(builder, [_write_vector(builder, value) for value in values])


def _write_extra(builder: Any, extra: dict[str, Any]) -> Any:
    """Write the unknown fields."""
    offsets = []
    for pointer, value in extra.items():
        written = builder.CreateString(pointer), _write_json(builder, value)
        fbs.ExtraStart(builder)
        fbs.ExtraAddPointer(builder, written[0])
        fbs.ExtraAddJson(builder, written[1])
        offsets.append(fbs.ExtraEnd(builder))
    return _write_offsets(builder, offsets)


CONTENT: dict[str, Build] = {
    "str": _write_string,
    "strs": _write_strings,
    "bytes": partial(_write_packed, np.uint8),
    "tokens": partial(_write_packed, np.int32),
    "prompt": _write_prompt,
    "vector": _write_vector,
    "vectors": _write_vectors,
}
