"""Lazy views over FlatBuffers bytes, through the official accessors.

A view has the message's attribute names and reads a field when it is touched: scalars, text and tables are made then,
vectors of numbers are read-only numpy arrays over the same bytes. A view keeps its bytes alive. A touched field is
read again at every touch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from struct import error as StructError
from typing import Any

import numpy as np

from serlab.codecs import boxes, jsontext
from serlab.codecs.base import REFUSALS, reason
from serlab.codecs.plan import Arm, PlanField, json_reader, plan_of
from serlab.errors import DecodeError
from serlab.generated import llm_fbs
from serlab.generated.llm_layout import LAYOUT
from serlab.messages import UNSET, Message
from serlab.messages.base import NO_EXTRA, Part
from serlab.messages.embeddings import Embedding

fbs: Any = llm_fbs
Read = Callable[[Any], Any]


def checked(read: Read, source: Any) -> Any:
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
        return checked(reader, self._table)

    def __dir__(self) -> list[str]:
        return [*self._readers, "materialize"]

    def __repr__(self) -> str:
        return f"<view of {self._type.__name__} over {len(self._table._tab.Bytes)} bytes>"

    def materialize(self) -> Any:
        """Read every field into a message of its own, which needs the bytes no more."""
        values = {name: materialized(checked(read, self._table)) for name, read in self._readers.items()}
        return self._type(**{name: value for name, value in values.items() if value is not UNSET})


class ViewList(Sequence[Any]):
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
            return [checked(self._read, i) for i in range(*index.indices(self._length))]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(f"index {index} of a list of {self._length}")
        return checked(self._read, position)

    def __iter__(self) -> Iterator[Any]:
        return (checked(self._read, i) for i in range(self._length))

    def __repr__(self) -> str:
        return f"<view of a list of {self._length}>"


def materialized(value: Any) -> Any:
    """Copy what a view gave out of the bytes."""
    if isinstance(value, View):
        return value.materialize()
    if isinstance(value, ViewList):
        return [materialized(item) for item in value]
    if isinstance(value, TokenArray):
        return value.tolist()
    return value.copy() if isinstance(value, np.ndarray) else value


class TokenArray(np.ndarray):
    """Integers of a message's plain list (token ids, a token's bytes), over the bytes; a vector is a bare ndarray."""


@cache
def view_class(type_: type[Part]) -> type[View]:
    """Make the view class of a struct."""
    readers = {field.name: field_reader(type_.__name__, field) for field in plan_of(type_)}
    if issubclass(type_, Message):
        readers["extra"] = read_extra
    return type(f"{type_.__name__}View", (View,), {"__slots__": (), "_type": type_, "_readers": readers})


def view_type(type_: type[Part]) -> Callable[[bytes], View]:
    """Give the function that opens bytes as a message's view."""
    cls, root = view_class(type_), getattr(fbs, type_.__name__)
    return lambda data: cls(root.GetRootAs(data, 0))


def field_reader(table: str, field: PlanField) -> Read:
    """Build the reader of one field: the first arm that is there, else null or absent."""
    arms = [arm_reader(arm) for arm in field.arms]
    id_ = LAYOUT[table][field.schema_name][0]

    def read(source: Any) -> Any:
        for arm in arms:
            value = arm(source)
            if value is not None:
                return value
        return None if is_null(source, id_) else UNSET

    return read


def is_null(source: Any, id_: int) -> bool:
    """Tell whether a table lists a field as explicitly null."""
    return not source.NullsIsNone() and id_ in source.NullsAsNumpy()


def camel(name: str) -> str:
    """Write a schema field's name as the generated code does."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def arm_reader(arm: Arm) -> Read:
    """Build the reader of one schema field; it gives None where the field is absent."""
    name = camel(arm.name)
    if arm.kind in NUMBERS:
        return lambda source: read_numbers(source, name)
    if arm.kind in ("strs", "vectors", "structs"):
        return list_reader(name, item_reader(arm))
    if arm.kind in ("int", "float", "bool"):
        return lambda source: getattr(source, name)()
    return one_reader(name, item_reader(arm))


NUMBERS = {"tokens", "bytes"}


def read_numbers(source: Any, name: str) -> Any:
    """Read a vector of integers as an array over the bytes."""
    if getattr(source, f"{name}IsNone")():
        return None
    return readonly(getattr(source, f"{name}AsNumpy")()).view(TokenArray)


def readonly(array: np.ndarray) -> np.ndarray:
    """Forbid writing through an array, whatever buffer it stands on."""
    array.flags.writeable = False
    return array


def list_reader(name: str, item: Read) -> Read:
    """Build the reader of a vector of offsets."""

    def read(source: Any) -> Any:
        if getattr(source, f"{name}IsNone")():
            return None
        get = getattr(source, name)
        return ViewList(getattr(source, f"{name}Length")(), lambda i: item(get(i)))

    return read


def one_reader(name: str, item: Read) -> Read:
    """Build the reader of one string or table."""

    def read(source: Any) -> Any:
        value = getattr(source, name)()
        return None if value is None else item(value)

    return read


def item_reader(arm: Arm) -> Read:
    """Give what makes a value of an accessor's result."""
    if arm.struct is not None:
        struct = arm.struct
        return lambda table: view_class(struct)(table)
    if arm.kind == "json":
        return json_reader(arm)
    return ITEMS[arm.kind]


def text(data: bytes) -> str:
    """Decode a string, strictly."""
    return data.decode()


def read_prompt(box: Any) -> Any:
    """Read a Prompt: text, texts, token ids or lists of them."""
    if not box.TokensIsNone():
        return read_numbers(box, "Tokens")
    if not box.TextsIsNone():
        return ViewList(box.TextsLength(), lambda i: text(box.Texts(i)))
    if not box.TokenListsIsNone():
        return ViewList(box.TokenListsLength(), lambda i: read_numbers(box.TokenLists(i), "Ids"))
    return text(box.Text()) if box.Text() is not None else jsontext.loads(box.Json())


def read_vector(box: Any) -> Any:
    """Read a Vector; packed numbers are an array over the bytes."""
    for arm in boxes.ARRAYS:
        if not getattr(box, f"{camel(arm)}IsNone")():
            array = readonly(getattr(box, f"{camel(arm)}AsNumpy")())
            return array if box.IntegralIsNone() else boxes.vector_of(arm, array, box.IntegralAsNumpy())
    if box.Item() is not None:
        return view_class(Embedding)(box.Item())
    return text(box.Base64()) if box.Base64() is not None else jsontext.loads(box.Json())


def read_extra(source: Any) -> Mapping[str, Any]:
    """Read the unknown fields."""
    if source.ExtraIsNone():
        return NO_EXTRA
    items = (source.Extra(i) for i in range(source.ExtraLength()))
    return {text(item.Pointer()): jsontext.loads(item.Json()) for item in items}


ITEMS: dict[str, Read] = {
    "str": text,
    "strs": text,
    "prompt": read_prompt,
    "vector": read_vector,
    "vectors": read_vector,
}
