"""Which known fault a find shows, read off its recipe."""

from collections.abc import Callable

from serlab.messages import MESSAGE_TYPES
from tests.attack.documents import KEYS
from tests.attack.finds import Find
from tests.attack.places import FLOATS, INTEGERS, fields_by_kind
from tests.attack.recipe import walk

NUMBERS = frozenset((*INTEGERS, *FLOATS))


def keys(find: Find) -> bool:
    """Tell whether there are many keys that are no text."""
    found = [node[2] for _, node in walk(find.node) if node[0] == "block" and node[1] != 1]
    return find.cost.memory <= find.cost.length * 40 and any(
        isinstance(key, tuple) or (key in KEYS and key != "text") for key in found
    )


def numbers_for_objects(find: Find) -> bool:
    """Tell whether a field of a message that holds objects holds a number many times."""
    if find.kind not in MESSAGE_TYPES or find.node[0] != "dict":
        return False
    names = fields_by_kind(MESSAGE_TYPES[find.kind]).get("structs", [])
    values = [part[3] for part in find.node[1:] if part[2] in names]
    return any(node[0] == "list" and is_many_numbers(node) for value in values for _, node in walk(value))


def is_many_numbers(node: tuple[object, ...]) -> bool:
    """Tell whether a list holds a number many times."""
    return any(
        isinstance(part, tuple) and part[1] != 1 and part[3][0] == "atom" and part[3][1] in NUMBERS for part in node[1:]
    )


def scalars(find: Find) -> bool:
    """Tell whether memory goes into numbers and nothing else."""
    names = {node[0] for _, node in walk(find.node)} - {"block"}
    lists = [node for _, node in walk(find.node) if node[0] == "list"]
    return names <= {"list", "atom", "dict"} and any(is_many_numbers(node) for node in lists) and find.cost.memory > 0


def json_texts(find: Find) -> bool:
    """Tell whether JSON texts inside a message are dear together."""
    return any(node[0] == "json" for _, node in walk(find.node))


TELLS: dict[str, Callable[[Find], bool]] = {
    "keys": keys,
    "numbers for objects": numbers_for_objects,
    "scalars": scalars,
    "JSON texts": json_texts,
}
