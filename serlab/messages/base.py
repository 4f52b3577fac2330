"""What all message types share: the base struct and the field kinds.

A field may be absent (`UNSET`), null (`None`) or hold a value; the three stay different through every codec. The
types are chosen so that msgspec's strict conversion never coerces: what converts at all converts without loss. So a
number that may come as `1` or `1.0` is an `int | float`, integers are bounded to 64 bits, and unknown fields are an
error that `from_document` turns into an entry of `extra`. Where servers are known to be sloppy, or where text would be
left over, a field also takes the other JSON types: `Text`, `Label`, `Count`, `Texts`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType

from serlab.messages.finite import NO_FLOAT, Sealed, break_seals, is_finite, set_field

T = TypeVar("T")

Opt = Union[T, None, UnsetType]
"""A field that may be absent (`UNSET`) or null (`None`)."""

Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A signed 64-bit integer, the widest that every format here carries."""

Float = Annotated[float, Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)]
"""A finite IEEE 754 double: JSON has no NaN and no infinity (RFC 8259, section 6)."""

Number = Int | Float
"""A JSON number; `1` and `1.0` stay different."""

if TYPE_CHECKING:
    Free: TypeAlias = Any
    Item: TypeAlias = Any
else:
    Free = object
    Inner = str | int | float | bool | list[Free] | dict[str, Free] | None
    Item = str | int | float | bool | list[Inner] | dict[str, Free] | None
"""Any JSON value, and any in a list. For `object` msgspec asks the `dec_hook` that a format may have, for `Any` it does
not; numbers and text in a list, of which there may be many, need not be looked at one by one.
"""

Json = Annotated[Free, "json"]
"""Any JSON value: a JSON Schema, metadata, provider settings. Schema codecs carry it as JSON text."""

Text = str | Annotated[int | float | bool | list[Item] | dict[str, Free], "json"]
"""Text, or whatever a server sends in its place. Schema codecs carry what is no string as JSON text."""

Label = str | Annotated[Int | Float | bool | dict[str, Free], "json"]
"""An id or a name, which some servers send as a number or an object."""

Count = Int | Annotated[Float | str, "json"]
"""An integer, which some servers send as `12.0` or `"12"`."""

Bare = str | int | float | bool | list[Item] | None
"""What may stand in a list of objects beside them."""

Texts = Annotated[list[Item], "strs"]
"""A list of strings; where something else is in it, schema codecs carry it as JSON text."""

Bytes = Annotated[list[Int | None], "bytes"]
"""A token's UTF-8 bytes, as the API lists them: integers 0 to 255; schema codecs carry others as JSON text."""

Tokens = Annotated[list[Int | list[Item] | None], "tokens"]
"""Token ids; packed 32-bit integers in the binary formats, JSON text where they are wider or nested."""

Prompt = Annotated[str | list[Item] | dict[str, Free], "prompt"]
"""A string, a list of strings, token ids, or a list of token-id lists; packed as such in the binary formats."""

Vector = Annotated[Free, "vector"]
"""An embedding: numpy float32 where every value is exactly float32, float64 or int64 where not; a list where integers
and floats are mixed; a string where the API sent base64."""

Vectors = Annotated[list[Free], "vectors"]
"""A list of `Vector`."""

OneVector = Annotated[str | list[Item], "vector"]
"""A `Vector` in a field that may hold an object instead."""

Never = Annotated[Mapping[str, Any], Meta(min_length=1, max_length=0)]


class Nothing(Mapping[str, Any]):
    """An empty mapping that nobody can fill; what is pickled or copied comes back as the one object `NO_EXTRA`."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __reduce__(self) -> str:
        return "NO_EXTRA"


NO_EXTRA: Mapping[str, Any] = Nothing()
"""The `extra` of a message that its type covers: one object for all, which nobody can fill by accident."""


class Part(
    msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, repr_omit_defaults=True, kw_only=True, gc=False
):
    """A struct inside a message. Fields that a document did not have are `UNSET`."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a number in it that is not finite breaks the seals, see `serlab.messages.finite`."""
        set_field(self, name, value)
        if type(value) not in NO_FLOAT and not is_finite(value):
            break_seals()


class Message(Part, Sealed, kw_only=True):
    """A whole request, response or chunk.

    `extra` holds what the types do not cover: JSON Pointer (RFC 6901) → value, from the root of the document. No
    document can set it by name, since no value satisfies its wire type.
    """

    extra: Never = msgspec.field(default=NO_EXTRA, name="$extra")


__all__ = [
    "UNSET",
    "Bare",
    "Bytes",
    "Count",
    "Float",
    "Free",
    "Int",
    "Item",
    "Json",
    "Label",
    "Message",
    "Number",
    "OneVector",
    "Opt",
    "Part",
    "Prompt",
    "Text",
    "Texts",
    "Tokens",
    "Vector",
    "Vectors",
]
