"""The two tables that hold one of several packed forms: Prompt and Vector."""

from typing import Any

import numpy as np

from serlab.codecs import jsontext
from serlab.messages.embeddings import Embedding
from serlab.messages.pointer import brief
from serlab.messages.vectors import pack_vector

ARRAYS: dict[str, np.dtype[Any]] = {
    "float32s": np.dtype("<f4"),
    "float64s": np.dtype("<f8"),
    "integers": np.dtype("<i8"),
}
"""Vector arm → the dtype of its packed numbers."""

ARM_OF_DTYPE = {dtype: arm for arm, dtype in ARRAYS.items()}
TOKEN = range(-(2**31), 2**31)
EXACT = 2**53
"""Up to here every integer is a double."""


def prompt_arm(value: Any) -> tuple[str, Any]:
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
    """Give back what a Prompt holds as JSON.

    Raises:
        ValueError: it is no prompt.
    """
    if value is not None and type(value) not in (str, list, dict):
        raise ValueError(f"a prompt: expected text, a list or an object, got {brief(value)}")
    return value


def is_tokens(value: list[Any]) -> bool:
    """Tell whether a list holds token ids that fit 32 bits."""
    return set(map(type, value)) <= {int} and (not value or (min(value) in TOKEN and max(value) in TOKEN))


def vector_arm(value: Any) -> tuple[str, Any, list[int]]:
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
    if type(value) is list and value and is_mixed(value):
        integral = [i for i, number in enumerate(value) if type(number) is int]
        return "float64s", np.array(value, dtype=np.float64), integral
    return "json", jsontext.dumps(value), []


def is_mixed(value: list[Any]) -> bool:
    """Tell whether a list holds floats and integers that are all doubles."""
    kinds = set(map(type, value))
    return kinds <= {int, float} and all(type(number) is float or abs(number) <= EXACT for number in value)


def vector_of(arm: str, content: Any, integral: Any) -> Any:
    """Make the vector of its schema field's content.

    Args:
        arm: the field of Vector.
        content: its numbers, text or bytes.
        integral: the positions of integers.
    """
    if arm == "base64":
        return content
    if arm == "json":
        return pack_vector(jsontext.loads(content))
    array = np.array(content, dtype=ARRAYS[arm])
    if not len(integral):
        return array
    values: list[Any] = array.tolist()
    for position in integral:
        values[position] = int(values[position])
    return values
