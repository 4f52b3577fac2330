"""Prompt and Vector in Protocol Buffers.

The numbers of a vector go in and out as one block. A packed field on the wire is its tag, its length and the
little-endian numbers, so a Vector is made by parsing these bytes; numpy reads a packed field without Python numbers in
between. Handing 1,536 float32 over as a list took 32 times as long (CPython 3.11, one run).

Source: the protobuf encoding guide, "Packed Repeated Fields".
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from serlab.codecs import boxes, jsontext
from serlab.generated import llm_pb2
from serlab.messages.embeddings import Embedding
from serlab.messages.vectors import item

pb: Any = llm_pb2
Change = Callable[[Any], Any]
LENGTH_DELIMITED = 2
FIXED_WIDTH = {
    arm: bytes([pb.Vector.DESCRIPTOR.fields_by_name[arm].number << 3 | LENGTH_DELIMITED])
    for arm in ("float32s", "float64s")
}
"""Vector arm → the tag of its packed field, where numbers have one width on the wire; `integers` are varints."""


def write_prompt(value: Any) -> dict[str, Any]:
    """Give a Prompt's arguments: text, texts, token ids or lists of them."""
    arm, content = boxes.prompt_arm(value)
    return {arm: [{"ids": ids} for ids in content] if arm == "token_lists" else content}


def read_prompt(box: Any) -> Any:
    """Read a Prompt back.

    Raises:
        ValueError: there is nothing in it.
    """
    for descriptor, content in box.ListFields():
        if descriptor.name == "token_lists":
            return [list(one.ids) for one in content]
        if descriptor.name == "json":
            return boxes.prompt_of(jsontext.loads(content))
        return content if descriptor.name == "text" else list(content)
    raise ValueError("a Prompt with nothing in it")


def write_vector(value: Any, shaper: Callable[[type], Change]) -> Any:
    """Give a Vector or its arguments: packed numbers, base64 text, an object with a vector, or JSON.

    Args:
        value: what stands in a vector's place.
        shaper: gives what writes a struct.
    """
    if type(value) is dict:
        return write_object(value, shaper)
    arm, content, integral = boxes.vector_arm(value)
    if arm not in FIXED_WIDTH:
        return {arm: content.tolist() if arm == "integers" else content}
    numbers = content.astype(boxes.ARRAYS[arm], copy=False)
    vector = pb.Vector.FromString(b"".join((FIXED_WIDTH[arm], varint(numbers.nbytes), numbers.data)))
    vector.integral.extend(integral)
    return vector


def write_object(value: dict[str, Any], shaper: Callable[[type], Change]) -> dict[str, Any]:
    """Give the arguments of a Vector that holds an object: an `Embedding` where it is one, else JSON."""
    embedding = item(value, lambda vector: vector)
    if isinstance(embedding, Embedding):
        return {"item": shaper(Embedding)(msgspec.to_builtins(embedding, builtin_types=(np.ndarray,)))}
    return {"json": jsontext.dumps(value)}


def read_vector(box: Any, reader: Callable[[type], Change]) -> Any:
    """Read a Vector back.

    Args:
        box: the Vector.
        reader: gives what reads a struct.

    Raises:
        ValueError: there is nothing in it.
    """
    for descriptor, content in box.ListFields():
        if descriptor.name == "item":
            return reader(Embedding)(content)
        return boxes.vector_of(descriptor.name, content, box.integral)
    raise ValueError("a Vector with nothing in it")


def varint(number: int) -> bytes:
    """Write a length as protobuf does: seven bits a byte, low ones first, the top bit set where more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
