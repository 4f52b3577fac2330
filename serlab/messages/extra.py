"""Which entries `extra` may have.

A message says one thing. So `extra` may hold what `from_document` would write there, and nothing else:

- an unknown field of an object that the message has;
- a value that its typed field does not take, while that field is absent;
- an item that a list of objects does not take, while an empty object holds its place; where a list has many of these,
  or of other entries, the whole list while its field is absent;
- under the pointer "" a body that is no object, while every field is absent.

Bytes can say more: "/model" beside a filled `model`, a pointer that is no place, one written in another way. Such a
message has no document, and is refused by each format that has `extra` on the wire.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from serlab.errors import DocumentError
from serlab.messages.base import NO_EXTRA, Message, Part
from serlab.messages.documents import (
    MANY,
    MISFIT,
    NOT_JSON,
    PIECES,
    Field,
    Left,
    converted,
    fields_of,
    keep_inside,
    kind_of,
)
from serlab.messages.pointer import apply_extra, brief, token, tokens

MOST_STEPS = 32
"""Steps of a pointer; the types are not so deep, and a split into many more takes much memory."""

MOST_DIGITS = 10
"""Digits of a position in a list; a longer one is beyond any."""

KEPT_PATHS, KEPT_LENGTH = 2048, 200
"""So many pointers are remembered, of so many characters at most: unknown fields come under the same ones each time."""


def legal(message: Any) -> Any:
    """Return a message whose `extra` is such as `from_document` writes.

    Raises:
        DocumentError: it is not; the text names the entry.
    """
    if message.extra is not NO_EXTRA:
        check_extra(message, message.extra)
    return message


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make `extra` of the entries that bytes hold.

    Raises:
        DocumentError: two have one pointer.
    """
    extra = dict(pairs)
    if len(extra) < len(pairs):
        twice = next(pointer for pointer, count in Counter(pointer for pointer, _ in pairs).items() if count > 1)
        raise DocumentError(f"extra: {brief(twice)}: expected one entry, got several")
    return extra


class _Path(NamedTuple):
    """What a pointer leads to by the types alone.

    Attributes:
        steps: what leads to the struct or the list that has the entry: an attribute or a position, the type of the
            struct that is there (None for a list), and the pointer up to it.
        last: the entry's name, or its position in the list.
        field: the entry's field, or that of the list; None for an unknown field.
        lists: the pointers of the lists around the entry.
    """

    steps: tuple[tuple[str | int, type[Part] | None, str], ...]
    last: str | int
    field: Field | None
    lists: tuple[str, ...]


TypeOf = Callable[[Any], Any]
"""Gives the type of a struct, or of the struct that a view is of; anything for any other value."""


def check_extra(
    root: Any, extra: Mapping[str, Any], type_of: TypeOf = type, load: Callable[[Any], Any] | None = None
) -> None:
    """Check that `from_document` would have written these entries beside these fields.

    Args:
        root: a message, or a view with its attribute names.
        extra: JSON Pointer → value.
        type_of: see `TypeOf`.
        load: makes a value of what stands in `extra`; None where that is the value.

    Raises:
        DocumentError: it would not; the text names the entry.
    """
    type_ = type_of(root)
    fields = fields_of(type_)
    strangers: dict[str, int] = {}
    pieces: dict[str, int] = {}
    # Pointer of a typed object → its fields and the lists around it: most entries are its further unknown fields.
    objects: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {}
    for pointer, value in extra.items():
        if pointer.rfind("/") == 0 and "~" not in pointer and pointer[1:] not in fields:
            continue  # An unknown field of the root, as most are.
        if not pointer:
            _check_body(root, type_, extra, load(value) if load else value)
            continue
        parent, _, name = pointer.rpartition("/")
        if parent in objects and "~" not in name and name not in objects[parent][0]:
            for around in objects[parent][1]:
                pieces[around] = pieces.get(around, 0) + 1
                if pieces[around] > PIECES:
                    raise _too_many(around, pieces[around])
            continue
        path = path_of(type_, pointer) if len(pointer) <= KEPT_LENGTH else _find_path(type_, pointer)
        holder = None if path is None else _holder_at(root, path, extra, type_of)
        if path is None or holder is None:
            raise _nowhere(pointer)
        if path.field is None:
            count = 1
            if len(objects) < KEPT_PATHS:
                objects[parent] = fields_of(type_of(holder)), path.lists
        elif type(path.last) is int:
            count = _check_item(holder, path, pointer, load(value) if load else value, type_of)
            around = path.lists[-1]
            strangers[around] = strangers.get(around, 0) + 1
            if strangers[around] >= MANY:
                raise _too_many(around, strangers[around])
        else:
            count = _check_field(holder, path, pointer, value, load)
        for around in path.lists:
            pieces[around] = pieces.get(around, 0) + count
            if pieces[around] > PIECES:
                raise _too_many(around, pieces[around])


def _too_many(pointer: str, count: int) -> DocumentError:
    """Make the error for a list that is left over whole where so many of its parts are."""
    return DocumentError(f"extra: {brief(pointer)}: expected the whole list, got {count} entries for its parts")


def _nowhere(pointer: str) -> DocumentError:
    """Make the error for an entry that has no place."""
    return DocumentError(f"extra: nothing in the message holds {brief(pointer)}")


def _find_path(type_: type[Part], pointer: str) -> _Path | None:
    """Follow a pointer through the types.

    Args:
        type_: the message's.
        pointer: an entry's.

    Returns:
        The path; None where it leads nowhere, or is written in another way than `from_document` writes it.
    """
    if pointer[0] != "/" or pointer.count("/") > MOST_STEPS:
        return None
    *parents, last = pointer.split("/")[1:]
    steps: list[tuple[str | int, type[Part] | None, str]] = []
    lists: list[str] = []
    struct: type[Part] = type_
    listed: Field | None = None
    end = 0
    for part in parents:
        end += len(part) + 1
        key = _unescaped(part) if listed is None else _position(part)
        field = fields_of(struct).get(key) if isinstance(key, str) else listed
        inner = None if field is None else field.struct if field is not listed else field.items
        here = pointer[:end]
        if field is None or key is None:
            return None
        if isinstance(key, str) and field.items is not None:
            steps.append((key, None, here))
            lists.append(here)
            listed = field
        elif inner is not None:
            steps.append((key, inner, here))
            struct, listed = inner, None
        else:
            return None
    key = _unescaped(last) if listed is None else _position(last)
    if key is None:
        return None
    return _Path(tuple(steps), key, listed or fields_of(struct).get(str(key)), tuple(lists))


path_of = lru_cache(KEPT_PATHS)(_find_path)


def _unescaped(part: str) -> str | None:
    """Return the key that a pointer's part stands for; None where `token` writes it in another way."""
    if "~" not in part:
        return part
    name = tokens(f"/{part}")[0]
    return name if token(name) == part else None


def _position(part: str) -> int | None:
    """Return the position that a pointer's part stands for; None where it is none, or written in another way."""
    if not (part.isascii() and part.isdecimal() and len(part) <= MOST_DIGITS) or (part[0] == "0" and part != "0"):
        return None
    return int(part)


def _holder_at(root: Any, path: _Path, extra: Mapping[str, Any], type_of: TypeOf) -> Any:
    """Find the struct or the list that has an entry; None where there is none, or an entry stands in its place."""
    here = root
    for key, struct, pointer in path.steps:
        if type(key) is int:
            if key >= len(here) or pointer in extra:
                return None
            here = here[key]
        else:
            here = getattr(here, str(key))
        if struct is None:
            if type(here) is not list and (not isinstance(here, Sequence) or isinstance(here, str)):
                return None
        elif type_of(here) is not struct:
            return None
    return here


def _check_body(root: Any, type_: type[Part], extra: Mapping[str, Any], value: Any) -> None:
    """Check the entry that is the whole body."""
    if len(extra) > 1 or not _is_empty(root, type_):
        raise DocumentError('extra: "" is the whole body; expected no field and no other entry beside it')
    if type(value) is dict:
        raise DocumentError(f'extra: "" is a body that is no object; expected its fields, got {brief(value)}')


def _check_field(holder: Any, path: _Path, pointer: str, value: Any, load: Callable[[Any], Any] | None) -> int:
    """Check an entry for a field that is absent since its type does not take the value.

    Returns:
        The pieces that `from_document` counts for it in the lists around it.
    """
    assert path.field is not None
    if getattr(holder, str(path.last)) is not UNSET:
        raise DocumentError(f"extra: {brief(pointer)}: expected one value, got one in the field and another here")
    made, left = load(value) if load else value, Left({})
    if converted(path.field.type, made) is not MISFIT or keep_inside(path.field, made, "", left) is not MISFIT:
        raise _fits(pointer, made)
    return 1 + left.pieces


def _check_item(holder: Any, path: _Path, pointer: str, value: Any, type_of: TypeOf) -> int:
    """Check an entry for an item of a list of structs: an empty struct holds its place.

    Returns:
        The pieces that `from_document` counts for it.
    """
    assert path.field is not None
    at, struct = int(path.last), path.field.items
    item = holder[at] if at < len(holder) else None
    if struct is None or type_of(item) is not struct:
        raise _nowhere(pointer)
    if not _is_empty(item, struct):
        raise DocumentError(f"extra: {brief(pointer)}: expected one value, got a filled item and another one here")
    if type(value) is dict or converted(path.field.item_type, value) is not MISFIT:
        raise _fits(pointer, value)
    return 1


def _fits(pointer: str, value: Any) -> DocumentError:
    """Make the error for an entry whose value the field takes."""
    got = f"got {brief(value)}; put it into the field"
    return DocumentError(f"extra: {brief(pointer)}: expected a value that the field does not take, {got}")


def _is_empty(struct: Any, type_: type[Part]) -> bool:
    """Return whether every field of a struct, or of a view of it, is absent."""
    return all(getattr(struct, name) is UNSET for name in fields_of(type_))


# Message → document: the typed fields, and what `extra` holds in its place.


def to_document(message: Any) -> Any:
    """Make the document that a message stands for.

    Args:
        message: a message, or plain JSON values, which are their own document.

    Returns:
        Plain JSON values in the API's wire shape; vectors as lists of numbers.

    Raises:
        DocumentError: the message holds what JSON has not or is nested too deep, or its `extra` belongs to another.
    """
    if not isinstance(message, Message):
        return message
    try:
        return with_extra(message, msgspec.to_builtins(message, builtin_types=NOT_JSON, enc_hook=plain))
    except RecursionError as error:
        raise DocumentError(f"{kind_of(message)}: nested too deep; expected fewer levels") from error


def with_extra(message: Message, document: dict[str, Any]) -> Any:
    """Put `extra` back where it came from, in place.

    Raises:
        DocumentError: an entry is none that `from_document` writes.
    """
    if message.extra is NO_EXTRA:
        return document
    check_extra(message, message.extra)
    document.pop("$extra", None)
    return apply_extra(document, message.extra)


def plain(value: Any) -> Any:
    """Return an array as a list; msgspec asks for this where it meets an unknown type."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise DocumentError(f"a message holds a {type(value).__name__}; expected JSON values or a numpy array")
