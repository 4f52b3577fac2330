"""The leaf fields of a message, and programs that read a share of them: the access curve.

A leaf is what a program reads in one step and uses whole: text, a number, a bool, null, a vector or a list of token
ids, a JSON value without a fixed shape. Structs and lists of them are ways to a leaf; so are the lists and objects of
a `document`. Fields that are absent are no leaves.

The chosen leaves are read as a program would: each object on the way is asked for once, its leaves by one
`operator.attrgetter`. The paths come from the messages, so they are the same for every codec.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
from random import Random
from typing import Any, NamedTuple

import numpy as np

from serlab.messages import UNSET, Message
from serlab.messages.base import NO_EXTRA, Part

Path = tuple[str | int, ...]
"""Attribute names and list positions (in a `document` also keys), from the message to a leaf."""

STEPS: dict[str, float] = {"read-0%": 0.0, "read-1": 0.0, "read-1%": 0.01, "read-10%": 0.1, "read-50%": 0.5}
STEPS |= {"read-100%": 1.0}
"""Operation → the share of leaves that it reads; `read-0%` only opens, `read-1` reads one leaf."""


class Visit(NamedTuple):
    """What to read of one object.

    Attributes:
        leaves: reads all chosen leaves that stand in it; None for none.
        below: how to get each object under it, and what to read of that.
    """

    leaves: Callable[[Any], Any] | None
    below: list[tuple[Callable[[Any], Any], "Visit"]]


def leaf_paths(message: Any) -> list[Path]:
    """List the paths of a message's leaves, in the order of the message."""
    plain = not isinstance(message, Message)
    return list(walk(message, (), plain))


def walk(value: Any, path: Path, plain: bool) -> Iterator[Path]:
    """List the leaves under a value; `plain` values have keys where messages have attributes."""
    for step, inner in steps_of(value, plain):
        if steps_of(inner, plain):
            yield from walk(inner, (*path, step), plain)
        elif not isinstance(inner, Part):
            yield (*path, step)


def steps_of(value: Any, plain: bool) -> list[tuple[str | int, Any]]:
    """List what stands in a value, with its name or position; nothing for a leaf."""
    if isinstance(value, Part):
        fields = [(name, getattr(value, name)) for name in value.__struct_fields__]
        return [(name, inner) for name, inner in fields if inner is not UNSET and inner is not NO_EXTRA]
    if isinstance(value, list) and any(isinstance(item, str | Part | np.ndarray | dict) for item in value):
        return list(enumerate(value)) if plain or not any(isinstance(item, dict) for item in value) else []
    return list(value.items()) if plain and isinstance(value, dict) else []


def choose(paths: Sequence[Path], operation: str, seed: str) -> list[Path]:
    """Choose the leaves that an operation reads.

    Args:
        paths: all leaves of a message.
        operation: a key of `STEPS`.
        seed: of the order; with one seed a larger share holds the smaller ones.

    Returns:
        The share of the leaves, rounded up, so at least one for any share but that of `read-0%`.
    """
    if operation == "read-0%":
        return []
    count = -int(-STEPS[operation] * len(paths) // 1)
    return Random(seed).sample(paths, len(paths))[: max(1, count)]


def visit_of(message: Any, paths: Iterable[Path]) -> Visit:
    """Build the program that reads some leaves of a message."""
    groups: dict[str | int, list[Path]] = {}
    for path in paths:
        groups.setdefault(path[0], []).append(path[1:])
    by_name = isinstance(message, Part)
    leaves = [step for step, rest in groups.items() if rest == [()]]
    getter = (attrgetter if by_name else itemgetter)(*leaves) if leaves else None  # type: ignore[arg-type]
    below = []
    for step, rest in groups.items():
        if rest != [()]:
            get: Callable[[Any], Any] = attrgetter(str(step)) if by_name else itemgetter(step)
            below.append((get, visit_of(get(message), rest)))
    return Visit(getter, below)


def touch(value: Any, visit: Visit) -> None:
    """Read what a visit asks for."""
    leaves, below = visit
    if leaves is not None:
        leaves(value)
    for get, inner in below:
        touch(get(value), inner)


def follow(value: Any, path: Path) -> Any:
    """Read one leaf."""
    for step in path:
        value = getattr(value, step) if isinstance(step, str) and not isinstance(value, dict) else value[step]
    return value


def first_misread(opened: Any, message: Any, paths: Iterable[Path]) -> str:
    """Compare leaves that a view gives with the message's own.

    Returns:
        What differs first, "" if nothing does; numbers packed in an array count as the list that they stand for.
    """
    for path in paths:
        expected, got = follow(message, path), follow(opened, path)
        if repr(listed(expected)) != repr(listed(got)):
            return f"{'.'.join(map(str, path))}: expected {expected!r:.60}, got {got!r:.60}"
    return ""


def listed(value: Any) -> Any:
    """Give arrays and lazy lists as plain lists."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(map(listed, value))
    return value


def strings(value: Any) -> Iterator[str]:
    """List the texts in a value: a message, a struct, or JSON values; not their field names."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Part):
        for name in value.__struct_fields__:
            yield from strings(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif hasattr(value, "values"):
        for item in value.values():
            yield from strings(item)
