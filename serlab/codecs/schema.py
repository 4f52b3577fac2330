"""How a message type maps onto a schema: one plan, read off the types, for every schema codec.

A field with one case keeps its name. In a union each case has a schema field of its own: text and doubles keep the
name, the others add a suffix (`stop: str | list[str]` is `stop` and `stop_list`; `1` and `1.0` are `temperature_int`
and `temperature`). Other JSON types that a field puts up with share one case, `_json`, and leave the others' names
alone. A packed list has such a case as a spare, for values that do not pack. A null is written as the field's number
in `nulls`. A name once given stays: where a type was widened later, `RENAMED` says what the rule no longer does.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from msgspec import UnsetType

from serlab.codecs import jsontext
from serlab.errors import EncodeError
from serlab.generated.llm_layout import NAMES
from serlab.messages import (
    NOT_JSON,
    Embedding,
    Json,
    OneVector,
    Part,
    brief,
    convert_to,
    may_hold_float,
    pack_vector,
    struct_among,
    union_cases,
)

SUFFIXES = {"str": "", "float": "", "int": "_int", "bool": "_bool", "struct": "_object", "json": "_json"}
"""Schema field suffix by kind, where a union has several cases; lists add `_list`."""

RENAMED = {"float": "floats", "int8": "int8s", "uint8": "uint8s"}
"""Names that are types in the FlatBuffers schema language."""

RENAMED |= {"inlineData": "inline_data_camel", "fileData": "file_data_camel"}
"""Names that Gemini's API spells in two ways, both of which are fields."""

Names = Mapping[tuple[str, str], str]
"""(field of a type, kind of its case in the schemas) → the schema field, where a name is given already; the kind `null`
has the one that stands for the field in `nulls`, since `Opt[str | Int]` and `Opt[Int | str]` are one type to `typing`.
"""

SCALARS: dict[Any, str] = {str: "str", bool: "bool", int: "int", float: "float"}


class UnionCase(NamedTuple):
    """One way to fill a field.

    `kind` is one of str, bool, int, float, json, strs, bytes, tokens, prompt, vector, vectors, struct, structs;
    `name` the schema field; `struct` the type of a struct or of a list's items; `types` the Python types that go to a
    JSON case beside others; `items` the type of the items of a list that may hold more than structs; `hint` the type of
    the field, where a stranger's JSON text or box could hold what it does not take.
    """

    kind: str
    name: str
    struct: type[Part] | None
    types: tuple[type, ...] = ()
    items: Any = None
    hint: Any = None

    @property
    def schema_kind(self) -> str:
        """What the schemas call the kind: a struct by its type's name, a list of structs by `[name]`."""
        return _schema_kind(self.kind, self.struct)


def _schema_kind(kind: str, struct: type[Part] | None) -> str:
    """Return what the schemas call a kind."""
    if struct is None:
        return kind
    return f"[{struct.__name__}]" if kind == "structs" else struct.__name__


class PlanField(NamedTuple):
    """A message's field, its name in the schema (for `nulls`), its cases, and the case for lists that do not pack."""

    name: str
    schema_name: str
    cases: tuple[UnionCase, ...]
    spare: UnionCase | None = None


class Misfit(Exception):
    """A list that its packed case cannot hold: its field's spare case takes it."""


@cache
def plan_of(type_: type[Part]) -> tuple[PlanField, ...]:
    """Plan a struct: its fields in the order of the type, without `extra`.

    Args:
        type_: a message type or a struct inside one.
    """
    return plan_with(type_, NAMES.get(type_.__name__, {}))


def plan_with(type_: type[Part], given: Names) -> tuple[PlanField, ...]:
    """Plan a struct under names that are given; the others follow the rule.

    Args:
        type_: a message type or a struct inside one.
        given: the names.
    """
    hints = get_type_hints(type_, include_extras=True)
    return tuple(_plan_field(name, hints[name], given) for name in type_.__struct_fields__ if name != "extra")


def _plan_field(name: str, hint: Any, given: Names) -> PlanField:
    """Plan one field."""
    cases = [case for case in union_cases(hint) if case is not type(None) and case is not UnsetType]
    kinds = [_kind_of_case(case) for case in cases]
    schema_name = RENAMED.get(name, _snake(name))
    names = [
        given.get((name, _schema_kind(kind, struct)), schema_name + _suffix(kind, [other for other, _ in kinds]))
        for kind, struct in kinds
    ]
    items = next(filter(None, map(_mixed_items, cases)), None)
    planned = [
        UnionCase(
            kind,
            name_,
            struct,
            _types_of(case) if len(cases) > 1 else (),
            items if kind in ("structs", "json") else None,
            hint if (kind == "json" and case != Json) or case == OneVector else None,
        )
        for (kind, struct), name_, case in zip(kinds, names, cases, strict=True)
    ]
    null_name = given.get((name, "null"), planned[0].name)
    if not items and not {"strs", "bytes", "tokens"} & {kind for kind, _ in kinds}:
        return PlanField(name, null_name, tuple(planned))
    made = UnionCase("json", given.get((name, "json"), f"{schema_name}_json"), None, (), items, hint)
    spare = next((case for case in planned if case.kind == "json"), made)
    arms_ = planned if spare in planned else [*planned, spare]
    return PlanField(name, null_name, tuple(arms_), spare)


def _mixed_items(hint: Any) -> Any:
    """Return the type of a list's items where it is a union of a struct and other types."""
    item = get_args(hint)[0] if get_origin(hint) is list else None
    return item if len(union_cases(item)) > 1 else None


def _types_of(hint: Any) -> tuple[type, ...]:
    """List the Python types of a JSON case."""
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    plain = [get_args(case)[0] if get_origin(case) is Annotated else case for case in union_cases(inner)]
    return tuple(get_origin(case) or case for case in plain)


def _suffix(kind: str, kinds: list[str]) -> str:
    """Tell the cases of a union apart; a sole case needs nothing."""
    others = [other for other in kinds if other != "json"]
    if len(kinds) == 1 or others == [kind]:
        return ""
    if kind == "str" and "float" in kinds:
        return "_text"
    if kind in ("vector", "vectors"):
        return ""
    return SUFFIXES.get(kind, "_list")


def _kind_of_case(hint: Any) -> tuple[str, type[Part] | None]:
    """Name the kind of one case, and the struct in it."""
    if get_origin(hint) is Annotated:
        marks = [mark for mark in hint.__metadata__ if isinstance(mark, str)]
        return (marks[0], None) if marks else _kind_of_case(get_args(hint)[0])
    if get_origin(hint) is list:
        return _kind_of_list(get_args(hint)[0])
    if get_origin(hint) is dict:
        return "json", None
    if hint in SCALARS:
        return SCALARS[hint], None
    if issubclass(hint, Part):
        return "struct", hint
    raise TypeError(f"no schema kind for {hint!r}")


def _kind_of_list(item: Any) -> tuple[str, type[Part] | None]:
    """Name the kind of a list by its items."""
    return "structs", struct_among(union_cases(item))


def _snake(name: str) -> str:
    """Write a camelCase name in snake_case, as both schema languages want it."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[0].lower(), name)


def structs_of(types: list[type[Part]]) -> list[type[Part]]:
    """List all structs that these types reach, parts before what holds them."""
    found: dict[type[Part], None] = {}

    def visit(type_: type[Part]) -> None:
        for field in plan_of(type_):
            for case in field.cases:
                if case.struct is not None and case.struct not in found:
                    visit(case.struct)
        found[type_] = None

    for type_ in types:
        visit(type_)
    return list(found)


LISTS = {"strs", "bytes", "tokens", "structs"}


def choose_case(field: PlanField) -> tuple[dict[type, UnionCase], UnionCase | None]:
    """Return which case holds a value of which Python type.

    Args:
        field: a planned field.

    Returns:
        Python type → case, and the case for everything else; None where nothing else is legal, so that a bool in an
        integer field is refused and not written as 1.
    """
    by_type: dict[type, UnionCase] = {}
    rest = None
    for case in field.cases:
        if case.kind == "struct" and case.struct is not None:
            by_type[case.struct] = case
        elif case.kind in LISTS:
            by_type[list] = case
        elif case.kind in ("prompt", "vector", "vectors") or (case.kind == "json" and len(field.cases) == 1):
            rest = case
        elif case.kind == "json":
            by_type |= dict.fromkeys(case.types, case)
        else:
            by_type[{"str": str, "bool": bool, "int": int, "float": float}[case.kind]] = case
    return by_type, rest


def spare_of(field: PlanField) -> UnionCase:
    """Return the case that takes what the field's packed list cannot hold.

    Raises:
        Misfit: it has none.
    """
    if field.spare is None:
        raise Misfit
    return field.spare


def check_items(case: UnionCase, values: list[Any]) -> None:
    """Send a list elsewhere that holds more than its case's strings or structs.

    Raises:
        Misfit: it does.
    """
    if case.kind == "strs" and set(map(type, values)) != {str}:
        raise Misfit
    if case.kind == "structs" and case.items is not None and set(map(type, values)) != {case.struct}:
        raise Misfit


def json_reader(case: UnionCase, loads: Callable[[Any], Any] = jsontext.loads) -> Callable[[Any], Any]:
    """Return what reads a JSON case: plain values, or the structs of a list that holds other things beside them.

    Args:
        case: a JSON case.
        loads: reads the text.
    """
    if case.hint is None:
        return loads
    return lambda text: fitting(case, loads(text))


def fitting(case: UnionCase, value: Any) -> Any:
    """Return a value in the form that its field has it in.

    Raises:
        ValueError: the field does not take it; its place is in `extra`.
    """
    if case.kind != "json":
        if type(value) in (int, float, bool, dict):
            raise ValueError(f"{case.name}: expected a vector, got {brief(value)}")
        return value
    try:
        return convert_to(case.hint, value)
    except msgspec.ValidationError as error:
        if type(value) is float and not isfinite(value) and may_hold_float(case.hint):
            return value  # JSON has none, but this format carries it wherever a float may stand.
        reason, _, place = str(error).partition(" - at `$.held")
        raise ValueError(f"{case.name}: {reason:.200}{place and f' in {place[:-1]:.200}'}") from error


def check_taken(case: UnionCase, value: Any) -> None:
    """Check that a case's field takes a value; another has its place in `extra`, and would not be read back.

    Raises:
        EncodeError: it does not.
    """
    try:
        fitting(case, value)
    except ValueError as error:
        raise EncodeError(str(error)) from error


def json_writer(case: UnionCase) -> Callable[[Any], str]:
    """Return what writes a JSON case, structs in it included."""
    if case.items is None:
        return jsontext.dumps
    return lambda value: jsontext.dumps(msgspec.to_builtins(value, builtin_types=NOT_JSON))


def wrong_type(type_: type[Part], field: PlanField, value: Any) -> EncodeError:
    """Build the error for a value that no case of its field holds."""
    expected = " or ".join(case.kind for case in field.cases)
    return EncodeError(f"{type_.__name__}.{field.name}: expected {expected}, got {brief(value)}")


# The two tables that hold one of several packed forms: Prompt and Vector.

ARRAYS: dict[str, np.dtype[Any]] = {
    "float32s": np.dtype("<f4"),
    "float64s": np.dtype("<f8"),
    "integers": np.dtype("<i8"),
}
"""Vector case → the dtype of its packed numbers."""

ARM_OF_DTYPE = {dtype: case for case, dtype in ARRAYS.items()}
TOKEN = range(-(2**31), 2**31)
EXACT = 2**53
"""Up to here every integer is a double."""


def prompt_case(value: Any) -> tuple[str, Any]:
    """Choose the schema field for a prompt.

    Args:
        value: text, or a list of texts, token ids, token-id lists or anything else.

    Returns:
        The field of Prompt and its content.
    """
    if type(value) is str:
        return "text", value
    if type(value) is list and value:
        kinds = set(map(type, value))
        if kinds == {str}:
            return "texts", value
        if is_tokens(value):
            return "tokens", value
        if kinds == {list} and all(map(is_tokens, value)):
            return "token_lists", value
    return "json", jsontext.dumps(value)


def prompt_of(value: Any) -> Any:
    """Return what a Prompt holds as JSON.

    Raises:
        ValueError: it is no prompt.
    """
    if value is not None and type(value) not in (str, list, dict):
        raise ValueError(f"a prompt: expected text, a list or an object, got {brief(value)}")
    return value


def is_tokens(value: list[Any]) -> bool:
    """Return whether a list holds token ids that fit 32 bits."""
    return set(map(type, value)) <= {int} and (not value or (min(value) in TOKEN and max(value) in TOKEN))


def vector_case(value: Any) -> tuple[str, Any, list[int]]:
    """Choose the schema field for a vector.

    Args:
        value: an array, base64 text, an `Embedding`, a list of mixed numbers or any other JSON.

    Returns:
        The field of Vector, its content, and the positions of integers in a mixed list.
    """
    if isinstance(value, np.ndarray):
        return ARM_OF_DTYPE[value.dtype], value, []
    if type(value) is str:
        return "base64", value, []
    if isinstance(value, Embedding):
        return "item", value, []
    if type(value) is list and value and _is_mixed(value):
        integral = [i for i, number in enumerate(value) if type(number) is int]
        return "float64s", np.array(value, dtype=np.float64), integral
    return "json", jsontext.dumps(value), []


def _is_mixed(value: list[Any]) -> bool:
    """Return whether a list holds floats and integers that are all doubles."""
    kinds = set(map(type, value))
    return kinds <= {int, float} and all(type(number) is float or abs(number) <= EXACT for number in value)


def mixed(values: Any, integral: Any) -> list[Any]:
    """Make the list of floats and integers that a Vector with `integral` stands for.

    Args:
        values: the numbers, an array.
        integral: the positions whose JSON was an integer.

    Raises:
        IndexError: a position is outside.
        ValueError: a number there is no integer that a list of both may hold, or the position comes twice.
    """
    found: list[Any] = values.tolist()
    for position in integral:
        number = found[position]
        if type(number) is not float or not number.is_integer() or abs(number) > EXACT:
            raise ValueError(f"integral: expected an integer at {position}, got {number!r}")
        found[position] = int(number)
    return found


def vector_of(case: str, content: Any, integral: Any) -> Any:
    """Make the vector of its schema field's content.

    Args:
        case: the field of Vector.
        content: its numbers, text or bytes.
        integral: the positions of integers.

    Raises:
        ValueError, IndexError: as `mixed` does.
    """
    if case == "base64":
        return content
    if case == "json":
        return pack_vector(jsontext.loads(content))
    array = np.array(content, dtype=ARRAYS[case])
    if not len(integral):
        return array
    return mixed(array, integral)
