"""Values that one format or another cannot carry, each in a message or a document."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from serlab.messages import ChatRequest, Embedding, EmbeddingResponse, from_document, to_document

NAN, INFINITY = float("nan"), float("inf")
FREE, VECTOR, TYPED = "free form", "vector", "typed"
KEYS = "zyxwvutsrqponmlk"
"""Keys of one letter, so many that a map without an order, as protobuf's is, does not give them in order by chance."""


def same_object(value: Any) -> Any:
    """Return a value as it is."""
    return value


class Trap(NamedTuple):
    """A value in its place.

    Attributes:
        name: what it is and where it stands.
        kind: the kind of message.
        place: `TYPED` (one field of the type), `FREE` (in metadata), `VECTOR`, or "" for something else.
        document: what the message stands for; the numbers and keys may be such as JSON has not.
        message: builds the message where `from_document` does not, which has only JSON's values.
        look: document → what is compared, where that is not the whole of it by value.
        walk: message → document.
    """

    name: str
    kind: str
    place: str
    document: Any
    message: Callable[[], Any] | None = None
    look: Callable[[Any], Any] = same_object
    walk: Callable[[Any], Any] = to_document

    def build(self) -> Any:
        """Build the message."""
        return self.message() if self.message else from_document(self.kind, self.document)


def _typed(name: str, field: str, value: Any, direct: bool = False) -> Trap:
    """Put a value into a field of ChatRequest; `direct` if no document has it."""
    message = (lambda: ChatRequest(**{field: value})) if direct else None
    return Trap(f"{name}, typed", "ChatRequest", TYPED, {field: value}, message)


def _free(name: str, value: Any) -> Trap:
    """Put an object into the free-form metadata."""
    return Trap(f"{name}, free form", "ChatRequest", FREE, {"metadata": value})


def _text(name: str, value: str) -> list[Trap]:
    """Put a text into a message's content and into the free-form metadata."""
    document = {"messages": [{"role": "user", "content": value}]}
    return [Trap(f"{name}, content", "ChatRequest", TYPED, document), _free(name, {"text": value})]


def _vector(name: str, values: list[Any], dtype: str = "") -> Trap:
    """Put numbers into an embedding; with a dtype as an array of that, for what no document has."""
    document = {"data": [{"embedding": values}]}
    return Trap(name, "EmbeddingResponse", VECTOR, document, _array_of(values, dtype) if dtype else None)


def _array_of(values: list[Any], dtype: str) -> Callable[[], Any]:
    """Build a response with one array."""
    return lambda: EmbeddingResponse(data=[Embedding(embedding=np.array(values, dtype))])


def _nested(depth: int) -> Trap:
    """Nest lists in the metadata; the depth is compared, since values so deep cannot all be walked."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    name = f"{depth:,} levels, free form"
    return Trap(name, "ChatRequest", FREE, {"metadata": {"deep": value}}, None, levels, shallow)


def levels(document: Any) -> int:
    """Count the levels of lists in the metadata, without recursion."""
    value, found = document["metadata"]["deep"], 0
    while type(value) is list and value:
        value, found = value[0], found + 1
    return found


def shallow(message: Any) -> Any:
    """Return a document of the metadata alone, without walking it."""
    return {"metadata": message.metadata}


def _metadata_keys(document: Any) -> list[Any]:
    """List the keys of the metadata in their order."""
    return list(document["metadata"])


def _order_of_keys(document: Any) -> str:
    """Say whether the keys of the metadata are in their order; which other order it is, may be another in each run."""
    return "the order given" if "".join(document["metadata"]) == KEYS else "another order"


def _not_finite(name: str, value: float) -> list[Trap]:
    """Put a number that JSON has not into each kind of place."""
    return [
        _typed(name, "temperature", value, direct=True),
        _free(name, {"n": value}),
        _vector(f"{name}, vector", [1.0, value], "float32"),
    ]


NUMBERS = (
    _typed("2^53 + 1", "seed", 2**53 + 1),
    _free("2^53 + 1", {"n": 2**53 + 1}),
    _typed("2^63 - 1", "seed", 2**63 - 1),
    _typed("2^63", "seed", 2**63),
    _free("2^63", {"n": 2**63}),
    _free("-2^63 - 1", {"n": -(2**63) - 1}),
    _typed("2^64", "seed", 2**64),
    _free("2^64", {"n": 2**64}),
    *_not_finite("NaN", NAN),
    *_not_finite("infinity", INFINITY),
    *_not_finite("-infinity", -INFINITY),
    _typed("-0.0", "temperature", -0.0),
    _free("-0.0", {"n": -0.0}),
    _vector("-0.0, vector", [-0.0, 0.0]),
    _vector("1e300 in a vector", [1e300, 1.0]),
    _vector("0.1 in a vector, not a float32", [0.1, 0.2]),
    _typed("subnormal 5e-324", "temperature", 5e-324),
    _free("subnormal 5e-324", {"n": 5e-324}),
    _vector("subnormal float32 in a vector", [1.401298464324817e-45, 1.0]),
    _typed("1, where 1.0 may stand", "temperature", 1),
    _typed("1.0, where 1 may stand", "temperature", 1.0),
    _free("1 beside 1.0", {"a": 1, "b": 1.0}),
    _vector("1 beside 1.0 in a vector", [1, 1.0]),
    _vector("whole numbers in a vector, 1.0", [1.0, 2.0]),
)

PRESENCE = (
    _typed("null", "temperature", None),
    _typed("absent", "model", "m"),
    _typed("empty string", "model", ""),
    _typed("empty list", "messages", []),
    _free("null, empty string, list, object", {"a": None, "b": "", "c": [], "d": {}}),
    Trap("empty object, free form", "ChatRequest", FREE, {"metadata": {}}),
    _vector("empty vector", []),
    Trap("empty message", "ChatRequest", "", {}),
    Trap("field that the type has not", "ChatRequest", "", {"model": "m", "novel_field": {"a": [1, None]}}),
)

TEXT = (
    *_text("lone surrogate", "a\ud800b"),
    _free("lone surrogate in a key", {"a\udc00b": "c"}),
    *_text("astral character", "a\U0001f600b"),
    *_text("NUL", "a\0b"),
    _free("NUL in a key", {"a\0b": "c"}),
)

STRUCTURE = (
    Trap("key order, free form", "ChatRequest", FREE, {"metadata": dict.fromkeys(KEYS, 1)}, look=_order_of_keys),
    Trap("key order, typed", "ChatRequest", "", {"temperature": 0.5, "model": "m"}, look=list),
    Trap("key that is not a string, free form", "ChatRequest", FREE, {"metadata": {1: "a"}}, look=_metadata_keys),
    _free("bytes", {"b": b"\0\xff"}),
    _nested(200),
    _nested(500),
    _nested(2_000),
)

TRAPS: tuple[Trap, ...] = (*NUMBERS, *PRESENCE, *TEXT, *STRUCTURE)
"""All traps, in the order of the matrix."""
