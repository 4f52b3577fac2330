"""Non-finite numbers (NaN, infinities) in messages: JSON has none, and its fast libraries write them as null.

To look at every number of a message costs about as much as to encode it. So a message whose numbers are known to be
finite is *sealed*: `from_document` has looked at them, or a JSON parser has read them, which refuses others. What is
set by attribute later is looked at when it is set; a number that is not finite breaks all seals. A message without a
seal, made by hand, copied or decoded from another format, is looked at whole each time.

A list or an object that is changed in place (`metadata["a"] = …`, `messages.append(…)`) enters nothing: set the field
again (`message.metadata = message.metadata`), and it is looked at.

For each type of struct a function is generated that looks at the fields that may hold a float, and at no other.

Source: RFC 8259, section 6.
"""

from collections.abc import Callable, Iterable
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

NO_FLOAT = frozenset({str, int, bool, type(None), UnsetType, bytes})
"""Types of values that need no look, and of fields."""


COLLECTIONS = (list, tuple, set, frozenset)

Look = Callable[[Any], bool]


class Looks(dict[type, Look]):
    """Type → function that tells whether all numbers in a value of that type are finite; made when first needed.

    Args:
        arrays: look into arrays of numbers.
    """

    def __init__(self, arrays: bool) -> None:
        super().__init__({float: isfinite, list: self.all_in_list, dict: self.all_in_dict})
        if arrays:
            self[np.ndarray] = all_in_array

    def __missing__(self, type_: type) -> Look:
        self[type_] = self.generated(type_) if issubclass(type_, msgspec.Struct) else self.of_kind(type_)
        return self[type_]

    def of_kind(self, type_: type) -> Look:
        """Choose the look of a type that is not JSON's own: libraries write subclasses, tuples and numpy's numbers."""
        if issubclass(type_, (float, np.floating)):
            return isfinite
        if issubclass(type_, COLLECTIONS):
            return self.all_in_list
        return self.all_in_dict if issubclass(type_, dict) else nothing_inside

    def all_in_list(self, values: Iterable[Any]) -> bool:
        """Look at the items of a list, a tuple or a set."""
        for value in values:
            type_ = type(value)
            if type_ not in NO_FLOAT and not self[type_](value):
                return False
        return True

    def all_in_dict(self, values: dict[Any, Any]) -> bool:
        """Look at the values of an object."""
        for value in values.values():
            type_ = type(value)
            if type_ not in NO_FLOAT and not self[type_](value):
                return False
        return True

    def generated(self, type_: type[msgspec.Struct]) -> Look:
        """Generate the function for a struct: straight-line code, which beats a loop over sixty fields of a type."""
        hints = get_type_hints(type_, include_extras=True)
        lines = ["def look(m):"]
        for name in type_.__struct_fields__:
            if may_hold_float(hints[name]):
                lines += [f"    v = m.{name}", "    if v is not UNSET and type(v) not in NO_FLOAT:"]
                lines += ["        if not LOOKS[type(v)](v):", "            return False"]
        namespace: dict[str, Any] = {"UNSET": UNSET, "NO_FLOAT": NO_FLOAT, "LOOKS": self}
        exec("\n".join([*lines, "    return True"]), namespace)
        look: Look = namespace["look"]
        return look


def nothing_inside(value: Any) -> bool:
    """Let pass what holds no number."""
    return True


def all_in_array(array: np.ndarray) -> bool:
    """Look at the numbers of an array; counting takes half the time of `all` (1,536 float32)."""
    if array.dtype.kind not in "fiub":
        return is_finite(array.tolist())
    return bool(np.count_nonzero(np.isfinite(array)) == array.size)


LOOKS, BESIDE_ARRAYS = Looks(arrays=True), Looks(arrays=False)


def is_finite(value: Any, arrays: bool = True) -> bool:
    """Tell whether a value holds no NaN and no infinity.

    Args:
        value: a message, a struct, plain JSON values or an array.
        arrays: look into arrays as well.
    """
    type_ = type(value)
    try:
        return type_ in NO_FLOAT or (LOOKS if arrays else BESIDE_ARRAYS)[type_](value)
    except RecursionError:
        return is_finite_at_any_depth(value, arrays)


def is_finite_at_any_depth(value: Any, arrays: bool) -> bool:
    """Look as `is_finite` does, with a list in place of the interpreter's stack; at what holds itself only once."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if not isinstance(value, (*COLLECTIONS, dict, msgspec.Struct)):
            if not is_finite(value, arrays):
                return False
        elif id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, msgspec.Struct):
                waiting += [getattr(value, name) for name in value.__struct_fields__]
            else:
                waiting += value.values() if isinstance(value, dict) else value
    return True


class Sealed:
    """The place of a message's seal, which is no field: it is not compared, encoded or copied."""

    # Not annotated: it would be taken for a field.
    __slots__ = ("seal",)


set_field = msgspec.structs.force_setattr
"""Set a field or the seal past what looks at values; 25 ns, half of what the slot's own descriptor takes."""

unbroken = object()
"""The seal that holds now; a message that bears it is known to hold finite numbers only."""


def break_seals() -> None:
    """Let no seal hold that was set until now; a struct does not know in which messages it stands."""
    global unbroken
    unbroken = object()


def is_sealed(message: Any) -> bool:
    """Tell whether all numbers in a message are known to be finite."""
    try:
        return bool(message.seal is unbroken)
    except AttributeError:
        return False


def may_hold_float(hint: Any) -> bool:
    """Tell whether a field of a type may hold a float, itself or somewhere inside."""
    if get_origin(hint) is Annotated:
        return may_hold_float(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return any(map(may_hold_float, get_args(hint)))
    if get_origin(hint) is list:
        return may_hold_float(get_args(hint)[0])
    return hint not in NO_FLOAT
