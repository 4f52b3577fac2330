"""How a message type maps onto a schema: one plan, read off the types, for every schema codec.

A field with one arm keeps its name. In a union each arm has a schema field of its own: text and doubles keep the
name, the others add a suffix (`stop: str | list[str]` is `stop` and `stop_list`; `1` and `1.0` are `temperature_int`
and `temperature`). A null is written as the field's number in `nulls`.
"""

import re
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import UnsetType

from serlab.errors import EncodeError
from serlab.messages.base import Part
from serlab.messages.documents import union_arms
from serlab.messages.pointer import brief

SUFFIXES = {"str": "", "float": "", "int": "_int", "bool": "_bool", "struct": "_object", "json": "_json"}
"""Schema field suffix by kind, where a union has several arms; lists add `_list`."""

RENAMED = {"float": "floats", "int8": "int8s", "uint8": "uint8s"}
"""Names that are types in the FlatBuffers schema language."""

SCALARS: dict[Any, str] = {str: "str", bool: "bool", int: "int", float: "float"}


class Arm(NamedTuple):
    """One way to fill a field.

    `kind` is one of str, bool, int, float, json, strs, bytes, tokens, prompt, vector, vectors, struct, structs;
    `name` the schema field; `struct` the type of a struct or of a list's items.
    """

    kind: str
    name: str
    struct: type[Part] | None


class PlanField(NamedTuple):
    """A message's field, its name in the schema (for `nulls`) and its arms."""

    name: str
    schema_name: str
    arms: tuple[Arm, ...]


@cache
def plan_of(type_: type[Part]) -> tuple[PlanField, ...]:
    """Plan a struct: its fields in the order of the type, without `extra`.

    Args:
        type_: a message type or a struct inside one.
    """
    hints = get_type_hints(type_, include_extras=True)
    return tuple(plan_field(name, hints[name]) for name in type_.__struct_fields__ if name != "extra")


def plan_field(name: str, hint: Any) -> PlanField:
    """Plan one field."""
    arms = [arm for arm in union_arms(hint) if arm is not type(None) and arm is not UnsetType]
    kinds = [kind_of_arm(arm) for arm in arms]
    schema_name = RENAMED.get(name, snake(name))
    planned = [Arm(kind, schema_name + suffix(kind, [other for other, _ in kinds]), struct) for kind, struct in kinds]
    return PlanField(name, planned[0].name, tuple(planned))


def suffix(kind: str, kinds: list[str]) -> str:
    """Tell the arms of a union apart; a sole arm needs nothing."""
    if len(kinds) == 1:
        return ""
    if kind == "str" and "float" in kinds:
        return "_text"
    if kind in ("vector", "vectors"):
        return ""
    return SUFFIXES.get(kind, "_list")


def kind_of_arm(hint: Any) -> tuple[str, type[Part] | None]:
    """Name the kind of one arm, and the struct in it."""
    if get_origin(hint) is Annotated:
        marks = [mark for mark in hint.__metadata__ if isinstance(mark, str)]
        return (marks[0], None) if marks else kind_of_arm(get_args(hint)[0])
    if get_origin(hint) is list:
        return kind_of_list(get_args(hint)[0])
    if get_origin(hint) is dict:
        return "json", None
    if hint in SCALARS:
        return SCALARS[hint], None
    if issubclass(hint, Part):
        return "struct", hint
    raise TypeError(f"no schema kind for {hint!r}")


def kind_of_list(item: Any) -> tuple[str, type[Part] | None]:
    """Name the kind of a list by its items."""
    if item is str:
        return "strs", None
    return "structs", item


def snake(name: str) -> str:
    """Write a camelCase name in snake_case, as both schema languages want it."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[0].lower(), name)


def structs_of(types: list[type[Part]]) -> list[type[Part]]:
    """List all structs that these types reach, parts before what holds them."""
    found: dict[type[Part], None] = {}

    def visit(type_: type[Part]) -> None:
        for field in plan_of(type_):
            for arm in field.arms:
                if arm.struct is not None and arm.struct not in found:
                    visit(arm.struct)
        found[type_] = None

    for type_ in types:
        visit(type_)
    return list(found)


LISTS = {"strs", "bytes", "tokens", "structs"}


def choose_arm(field: PlanField) -> tuple[dict[type, Arm], Arm | None]:
    """Tell which arm holds a value of which Python type.

    Args:
        field: a planned field.

    Returns:
        Python type → arm, and the arm for everything else; None where nothing else is legal, so that a bool in an
        integer field is refused and not written as 1.
    """
    by_type: dict[type, Arm] = {}
    rest = None
    for arm in field.arms:
        if arm.kind == "struct" and arm.struct is not None:
            by_type[arm.struct] = arm
        elif arm.kind in LISTS:
            by_type[list] = arm
        elif arm.kind in ("prompt", "vector", "vectors") or (arm.kind == "json" and len(field.arms) == 1):
            rest = arm
        else:
            by_type[{"str": str, "bool": bool, "int": int, "float": float, "json": dict}[arm.kind]] = arm
    return by_type, rest


def wrong_type(type_: type[Part], field: PlanField, value: Any) -> EncodeError:
    """Build the error for a value that no arm of its field holds."""
    expected = " or ".join(arm.kind for arm in field.arms)
    return EncodeError(f"{type_.__name__}.{field.name}: expected {expected}, got {brief(value)}")
