"""What the model server does not do, it refuses before any work."""

from typing import Any

from serlab.messages import UNSET, ChatRequest, EmbeddingRequest, GenerateRequest
from serlab.service.completions import is_ids, items_of, prompts_of
from serlab.service.refusals import Refusal

MOST_INPUTS, MOST_DIMENSIONS = 2048, 65_536
"""The OpenAI API's limit of texts in a request; and one that keeps a small request from making a huge answer."""

TEXTS = "a text, a list of texts, a list of token ids (0 or more) or a list of such lists"
"""What the OpenAI API takes as prompts and as what is to be embedded."""


def check(request: Any) -> None:
    """Look at what an answer is made of.

    Raises:
        Refusal: something is missing, wrong or not done here.
    """
    if isinstance(request, EmbeddingRequest):
        check_embedding(request)
        return
    if isinstance(request, ChatRequest):
        require(isinstance(request.model, str), "model", "a name", request.model)
        filled = isinstance(request.messages, list) and bool(request.messages)
        require(filled, "messages", "a list that is not empty", "")
    if isinstance(request, GenerateRequest):
        name, prompts = prompts_of(request)
        check_texts(name, prompts)
    require(request.n in (UNSET, None, 1), "n", "1, as one answer is made to each prompt", request.n)
    for name in ("max_completion_tokens", "max_tokens"):
        value = getattr(request, name, UNSET)
        require(value in (UNSET, None) or (type(value) is int and value > 0), name, "1 or more", value)


def check_embedding(request: EmbeddingRequest) -> None:
    """Look at a request for vectors."""
    inputs: Any = request.input
    size = request.dimensions
    require(isinstance(request.model, str), "model", "a name", request.model)
    require(bool(inputs), "input", TEXTS, inputs)
    check_texts("input", items_of(inputs))
    fits = size in (UNSET, None) or (type(size) is int and 0 < size <= MOST_DIMENSIONS)
    require(fits, "dimensions", f"1 to {MOST_DIMENSIONS}", size)
    known = request.encoding_format in (UNSET, None, "float", "base64")
    require(known, "encoding_format", "float or base64", request.encoding_format)


def check_texts(name: str, items: list[Any]) -> None:
    """Look at prompts, or at what is to be embedded.

    Raises:
        Refusal: they are not all texts or all lists of token ids, or too many.
    """
    texts = all(isinstance(item, str) for item in items)
    require(bool(items) and (texts or all(map(is_ids, items))), name, TEXTS, items[0] if len(items) == 1 else items)
    require(len(items) <= MOST_INPUTS, name, f"at most {MOST_INPUTS} texts or lists of token ids", len(items))


def require(holds: bool, name: str, expected: str, got: Any) -> None:
    """Refuse a parameter that does not hold.

    Raises:
        Refusal: it does not.
    """
    if not holds:
        shown = "nothing" if got is UNSET or got == "" else repr(got)[:80]
        raise Refusal(400, f"{name}: expected {expected}, got {shown}", param=name, code="invalid_value")
