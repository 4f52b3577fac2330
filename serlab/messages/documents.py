"""Document → message, lossless; the way back is in `serlab.messages.extra`.

The types convert strictly and forbid unknown fields, so a document that converts has lost nothing: one C-speed call
is both the conversion and the check. Only a document that does not convert is walked in Python; what does not fit
goes to `extra` under its JSON Pointer, the rest converts.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from types import GenericAlias, UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from serlab.errors import DocumentError, UnknownNameError
from serlab.messages.base import SEALS, Message, Part, is_finite, set_field
from serlab.messages.chat import ChatChunk, ChatRequest, ChatResponse
from serlab.messages.embeddings import EmbeddingRequest, EmbeddingResponse, pack_vectors
from serlab.messages.generate import GenerateRequest, GenerateResponse
from serlab.messages.pointer import brief, token

MESSAGE_TYPES: dict[str, type[Message]] = {
    type_.__name__: type_
    for type_ in (
        ChatRequest,
        ChatResponse,
        ChatChunk,
        EmbeddingRequest,
        EmbeddingResponse,
        GenerateRequest,
        GenerateResponse,
    )
}
"""The seven message types by name."""

KINDS = (*MESSAGE_TYPES, "document")
"""What a body can be: a message type's name, or `document` for any other JSON."""

NOT_JSON = (bytes, bytearray, memoryview)
"""What msgspec would turn into text without notice; left as it is, a format carries it or refuses it."""

SCALARS = (str, int, type(None), *NOT_JSON)
"""What a document may hold beside floats, arrays, lists and objects."""

PLAIN = frozenset({str, int, bool, type(None), bytes})
FLOATS = (float, np.ndarray)
JSON = (dict, list, *FLOATS, *SCALARS)
"""The same as types: those that most values have and that need no look, and all."""

DEEPEST, WIDEST = 1024, 1_000_000
"""Levels, and values in one of them beside `PLAIN` ones, that a stranger's document has at most: what has more may
hold some of them several times, or itself, which no format writes."""

SHOWN = 200
"""Characters of a pointer that an error shows."""

MANY = 64
"""Elements that are no objects in a list of objects: from so many on it is left over whole. A struct, a pointer and an
entry for each would be some 600 bytes for one byte of MessagePack (CPython 3.11)."""

PIECES = 2048
"""Fields and elements of one list that are left over one by one, which takes some 10 µs each: where there are more, the
list is left over whole."""

BLOCK = 256
"""Elements that are converted at a time in a list that does not fit whole; those among which all fit cost little."""

Steps = tuple[str | int, ...]
"""Keys and positions that lead to a value. What is said not to fit is not converted once more at each level above it: a
list of a million numbers would be, six times. It is a hint: an unknown key may bear the words that msgspec says it in.
"""

STEP = re.compile(r"\.(\w+)|\[(\d{1,10})\]")

LONGEST_PLACE = 2_000
"""Characters of an error's text in which it says where; a hostile name may make it as long as a message."""

HELD = "held"
"""The field of the struct that holds a value of any type while it is converted."""

MISFIT: Any = object()
"""What stands for a value that does not convert."""

P = TypeVar("P", bound=Part)

G = TypeVar("G", dict[Any, Any], list[Any])

Level = tuple[list[dict[Any, Any]], list[list[Any]]]
"""The objects and the lists that stand equally deep in a document."""

Look = Callable[[Any, Any], Any]
"""(type, value) → the value, or `DocumentError`."""

DOES_NOT_FIT = (msgspec.ValidationError, UnicodeEncodeError)
"""What msgspec raises on a value of another type, and on an object key with a lone surrogate."""


def message_type(kind: str | type) -> type[Message]:
    """Look up a message type.

    Args:
        kind: its name or the type itself.

    Raises:
        UnknownNameError: there is no such message type.
    """
    name = kind if isinstance(kind, str) else kind.__name__
    if name not in MESSAGE_TYPES:
        raise UnknownNameError.of("message", name, KINDS)
    return MESSAGE_TYPES[name]


def from_document(kind: str | type, document: Any) -> Any:
    """Make a message of a document; nothing of it is lost.

    Args:
        kind: the message type or its name; with "document" the document itself is the message.
        document: plain JSON values as a JSON parser gives them; also bytes, which MessagePack has.

    Returns:
        The message; what its type does not cover is in `extra`.

    Raises:
        DocumentError: the document is nested too deep to be walked, or holds what is no JSON value: a key that is not a
            string, a date, a tuple, or itself. Formats would refuse it, or each change it in another way.
    """
    all_finite = inspect(document)
    message = converter(kind if isinstance(kind, str) else kind.__name__)(document)
    if all_finite and isinstance(message, Message):
        set_field(message, "seal", SEALS.unbroken)
    return message


def inspect(document: Any) -> bool:
    """Return whether all numbers of a document are finite.

    A stranger may send hundreds of thousands of lists and objects. One by one each would take 1.5 µs, and 70 bytes in a
    set of those that were seen; level by level an empty list takes 0.2 µs and 17 bytes, and a number 60 ns.

    Raises:
        DocumentError: it holds what is no JSON value.
    """
    all_finite, seen, above = True, set[int](), list[Level]()
    rest = [] if type(document) in PLAIN else [document]
    while rest:
        objects = [value for value in rest if isinstance(value, dict)]
        lists = [value for value in rest if isinstance(value, list)]
        if len(objects) + len(lists) < len(rest):
            for value in [value for value in rest if not isinstance(value, JSON)]:
                got = f"expected a JSON value, got a {type(value).__name__}; convert it before"
                raise DocumentError(f"{_pointer_to(value, above)}: {got}")
            all_finite = all_finite and is_finite([value for value in rest if isinstance(value, FLOATS)])
        if not _all_text(chain.from_iterable(objects)):
            holder = next(value for value in objects if not _all_text(value))
            key = next(key for key in holder if not isinstance(key, str))
            got = f"expected keys that are strings, got {brief(key)}"
            raise DocumentError(f"{_pointer_to(holder, above)}: {got}")
        if seen or len(above) > DEEPEST or len(rest) > WIDEST:
            objects, lists = _unseen(objects, seen), _unseen(lists, seen)
        above.append((objects, lists))
        inner = chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(lists))
        rest = [value for value in inner if type(value) not in PLAIN]
    return all_finite


def _unseen(groups: list[G], seen: set[int]) -> list[G]:
    """Return the lists or objects that were not seen, each once, and note them."""
    found = {id(group): group for group in groups if id(group) not in seen}
    seen.update(found)
    return list(found.values())


def _all_text(keys: Iterable[Any]) -> bool:
    """Return whether keys are strings, most of which are no subclass of them."""
    return all(issubclass(kind, str) for kind in set(map(type, keys)))


def _pointer_to(value: Any, above: list[Level]) -> str:
    """Return the JSON Pointer of a value below these levels."""
    pointer = ""
    for objects, lists in reversed(above):
        for group in chain[dict[Any, Any] | list[Any]](objects, lists):
            named = group.items() if isinstance(group, dict) else enumerate(group)
            name = next((name for name, inner in named if inner is value), None)
            if name is not None:
                break
        pointer = f"/{token(str(name))}{pointer}"
        value = group
    return pointer if len(pointer) <= SHOWN else f"{pointer[:SHOWN]}..."


@cache
def converter(kind: str, sealing: bool = False, look: Look | None = None) -> Callable[[Any], Any]:
    """Return `from_document` for one kind, without looking anything up at each call, or for non-finite numbers.

    Args:
        kind: a message type's name, or "document".
        sealing: seal the message, since a JSON parser has read the document that refuses non-finite numbers.
        look: refuses a free-form value that is not JSON's, where the document's format has others; as msgspec's
            `dec_hook`. What it refuses in one place, or a document that does not fit, is given to it whole.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kind == "document":
        return _same_object if look is None else partial(look, Any)
    type_, strict = message_type(kind), msgspec.convert

    def convert(document: Any) -> Any:
        try:
            message = strict(document, type_) if look is None else strict(document, type_, dec_hook=look)
        except DOES_NOT_FIT as error:
            message = _fit(type_, document if look is None else look(Any, document), _steps_to(error))
        except RecursionError as error:
            raise _too_deep(kind) from error
        if sealing:
            set_field(message, "seal", SEALS.unbroken)
        return message

    if type_ is EmbeddingResponse:
        return lambda document: pack_vectors(convert(document))
    return convert


def _same_object(document: Any) -> Any:
    """Return a document: it is its own message."""
    return document


def _fit(type_: type[Message], document: Any, misfit: Steps) -> Message:
    """Convert what fits and put the rest into `extra`."""
    extra: dict[str, Any] = {}
    if type(document) is not dict:
        return type_(extra={"": document})
    try:
        message = _keep_fields(type_, document, "", Left(extra), misfit)
    except RecursionError as error:
        raise _too_deep(type_.__name__) from error
    set_field(message, "extra", extra)
    return message


def _too_deep(kind: str) -> DocumentError:
    """Build the error of a document whose levels are more than can be walked."""
    return DocumentError(f"{kind}: the document is nested too deep; expected fewer levels")


class Field(NamedTuple):
    """What a field may hold: its type, the struct inside it or inside its list, and the type of the list's items."""

    type: Any
    struct: type[Part] | None
    items: type[Part] | None
    item_type: Any


@cache
def fields_of(struct: type[Part]) -> dict[str, Field]:
    """Read a struct's fields off its annotations."""
    hints = get_type_hints(struct, include_extras=True)
    return {name: _field_of(hint) for name, hint in hints.items() if name != "extra"}


def _field_of(hint: Any) -> Field:
    """Find the struct or the list of structs among the cases of a union."""
    cases = union_cases(hint)
    lists = [get_args(case)[0] for case in cases if get_origin(case) is list]
    item_type = lists[0] if lists else None
    return Field(hint, struct_among(cases), struct_among(union_cases(item_type)), item_type)


def struct_among(cases: tuple[Any, ...]) -> type[Part] | None:
    """Find the struct among the cases of a union; there is at most one."""
    return next((case for case in cases if isinstance(case, type) and issubclass(case, Part)), None)


def union_cases(hint: Any) -> tuple[Any, ...]:
    """Return the cases of a union, or the one type that is none."""
    if get_origin(hint) in (Union, UnionType):
        return get_args(hint)
    return (hint,)


@dataclass(slots=True)
class Left:
    """What is left over, and how many pieces were looked at one by one for it."""

    extra: dict[str, Any]
    pieces: int = 0


def _keep_fields(struct: type[P], document: dict[str, Any], pointer: str, left: Left, misfit: Steps) -> P:
    """Make a struct of the fields that fit; put the others into `extra`."""
    kept: dict[str, Any] = {}
    fields, extra, prefix = fields_of(struct), left.extra, f"{pointer}/"
    known = list(filter(fields.__contains__, document))
    if len(known) < len(document):
        left.pieces += _leave_unknown(document, fields, prefix, extra)
    for name in known:
        value, field = document[name], fields[name]
        fitting, inside = MISFIT, misfit[1:]
        if not misfit or misfit[0] != name or not _has_parts(field, value):
            fitting, inside = _converted_or_where(field.type, value)
        if fitting is MISFIT:
            fitting = keep_inside(field, value, prefix + token(name), left, inside)
        if fitting is not MISFIT:
            kept[name] = fitting
        else:
            extra[prefix + token(name)] = value
            left.pieces += 1
    # Each value was converted to its field's type, so that the struct need not be.
    return struct(**kept)


def _leave_unknown(document: dict[str, Any], fields: dict[str, Field], prefix: str, extra: dict[str, Any]) -> int:
    """Put the fields that a struct does not know into `extra`, all at once, and count them.

    A stranger may send hundreds of thousands of them, so that names are looked at for what is escaped all at once.
    """
    names = [name for name in document if name not in fields]
    together = "".join(names)
    if "~" in together or "/" in together:
        extra |= {prefix + token(name): document[name] for name in names}
    elif len(names) == len(document):
        extra |= {prefix + name: value for name, value in document.items()}
    else:
        extra |= {prefix + name: document[name] for name in names}
    return len(names)


def _has_parts(field: Field, value: Any) -> bool:
    """Return whether `keep_inside` makes of a value that fits what converting it makes."""
    return bool(field.struct and type(value) is dict) or bool(field.items and type(value) is list)


def keep_inside(field: Field, value: Any, pointer: str, left: Left, misfit: Steps = ()) -> Any:
    """Keep what fits inside of an object, or of a list of them, that does not fit whole; `MISFIT` if it is neither.

    Args:
        field: the value's.
        value: what does not fit.
        pointer: where it stands.
        left: what is left over.
        misfit: where in it something is said not to fit.
    """
    if field.struct and type(value) is dict:
        return _keep_fields(field.struct, value, pointer, left, misfit)
    if not field.items or type(value) is not list:
        return MISFIT
    own = Left({})
    kept = _keep_items(field, field.items, value, pointer, own, misfit)
    left.pieces += own.pieces
    if kept is not MISFIT:
        left.extra |= own.extra
    return kept


def _keep_items(field: Field, struct: type[Part], values: list[Any], pointer: str, left: Left, misfit: Steps) -> Any:
    """Keep the elements of a list of structs that fit.

    Args:
        field: the list's field.
        struct: the struct in it.
        values: the list; it does not fit whole.
        pointer: where it stands.
        left: what is left over of this list alone.
        misfit: where in it something is said not to fit.

    Returns:
        The list, an empty struct in the place of each element that is left over; `MISFIT` where these are `MANY`, or
        more than `PIECES` were looked at: then the list is left over whole, whatever else the document holds.
    """
    kept: list[Any] = []
    strangers = 0
    several = GenericAlias(list, (field.item_type,))
    ahead = [(start, min(start + BLOCK, len(values))) for start in range(0, len(values), BLOCK)][::-1]
    while ahead:
        start, stop = ahead.pop()
        if stop - start > 1:
            if not (misfit and type(misfit[0]) is int and start <= misfit[0] < stop):
                fitting, inside = _converted_or_where(several, values[start:stop])
                if fitting is not MISFIT:
                    kept += fitting
                    continue
                at = inside[0] if inside else None
                misfit = (start + at, *inside[1:]) if type(at) is int and start + at < stop else ()
            # What stands before it fits, and what stands after it may: both are converted at once again.
            place = int(misfit[0]) if misfit else (start + stop) // 2
            ahead += [(place + 1, stop), (place, place + 1), (start, place)]
        elif stop > start:
            value, item, within = values[start], MISFIT, misfit[1:]
            if not misfit or misfit[0] != start or type(value) is not dict:
                item, within = _converted_or_where(field.item_type, value)
            if item is MISFIT and type(value) is dict:
                item = _keep_fields(struct, value, f"{pointer}/{start}", left, within)
            elif item is MISFIT:
                left.extra[f"{pointer}/{start}"] = value
                left.pieces += 1
                strangers += 1
                item = struct()
            if strangers == MANY or left.pieces > PIECES:
                return MISFIT
            kept.append(item)
    return kept


def converted(hint: Any, value: Any) -> Any:
    """Convert a value to a field's type; `MISFIT` if it is of another."""
    return _converted_or_where(hint, value)[0]


def _converted_or_where(hint: Any, value: Any) -> tuple[Any, Steps]:
    """Convert a value to a field's type; `MISFIT` and the place in it if it is of another."""
    try:
        return convert_to(hint, value), ()
    except DOES_NOT_FIT as error:
        return MISFIT, _steps_to(error)[1:]


@cache
def _holder_of(hint: Any) -> Any:
    """Make a struct of one field: msgspec keeps what it makes of a struct's types, and of no other."""
    return msgspec.defstruct("Holder", [(HELD, hint)])


def convert_to(hint: Any, value: Any) -> Any:
    """Convert a value to any type; for a union or a list ten times as fast as `msgspec.convert`.

    Raises:
        ValidationError: it does not fit; its place begins with that of `HELD`.
    """
    return msgspec.convert({HELD: value}, _holder_of(hint)).held


def _steps_to(error: Exception) -> Steps:
    """Return where msgspec found what does not fit; nothing where it does not say, or says it at length."""
    _, found, place = str(error)[-LONGEST_PLACE:].rpartition(" - at `$")
    return tuple(int(number) if number else name for name, number in STEP.findall(place)) if found else ()


def kind_of(message: Any) -> str:
    """Name the kind of a message: its type's name, or "document" for plain JSON values."""
    return type(message).__name__ if isinstance(message, Message) else "document"
