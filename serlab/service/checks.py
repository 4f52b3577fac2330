"""What the model server does not do, it refuses before any work."""

from typing import Any

from serlab.messages import UNSET, ChatRequest, EmbeddingRequest, GenerateRequest
from serlab.service.completions import is_ids, items_of, prompts_of
from serlab.service.refusals import Refusal
from serlab.service.replies import wanted_tokens

MOST_INPUTS, MOST_DIMENSIONS = 2048, 65_536
"""The OpenAI API's limit of texts in a request; and one of a vector's length."""

MOST_NUMBERS, MOST_TOKENS = 1 << 22, 1 << 20
"""Of all vectors and all texts of an answer together: 2,048 vectors of 2,048 numbers, which are 90 MB of JSON; one
answer of a million tokens, or 2,048 of 512. They keep a small request from making a huge answer."""

TEXTS = "a text, a list of texts, a list of token ids (0 or more) or a list of such lists"
"""What the OpenAI API takes as prompts and as what is to be embedded."""


def check(request: Any, tokens: int, dimensions: int) -> None:
    """Look at what an answer is made of.

    Args:
        request: of any kind that is answered.
        tokens: the server's length of an answer; the request may want a shorter one.
        dimensions: the server's length of a vector; the request may want another.

    Raises:
        Refusal: something is missing, wrong or not done here.
    """
    if isinstance(request, EmbeddingRequest):
        check_embedding(request, dimensions)
        return
    if isinstance(request, ChatRequest):
        require(isinstance(request.model, str), "model", "a name", request.model)
        filled = isinstance(request.messages, list) and bool(request.messages)
        require(filled, "messages", "a list that is not empty", "")
    if isinstance(request, GenerateRequest):
        name_of_prompts, prompts = prompts_of(request)
        check_texts(name_of_prompts, prompts)
    require(request.n in (UNSET, None, 1), "n", "1, as one answer is made to each prompt", request.n)
    for name in ("max_completion_tokens", "max_tokens"):
        value = getattr(request, name, UNSET)
        require(value in (UNSET, None) or (type(value) is int and value > 0), name, "1 or more", value)
    if isinstance(request, GenerateRequest):
        each = tokens_each(request, tokens)
        text = f"at most {MOST_TOKENS} tokens of all answers together; send fewer prompts or ask for fewer tokens"
        require(len(prompts) * each <= MOST_TOKENS, name_of_prompts, text, len(prompts) * each)


def check_embedding(request: EmbeddingRequest, dimensions: int) -> None:
    """Look at a request for vectors."""
    inputs: Any = request.input
    size = request.dimensions
    require(isinstance(request.model, str), "model", "a name", request.model)
    require(bool(inputs), "input", TEXTS, inputs)
    check_texts("input", items_of(inputs))
    fits = size in (UNSET, None) or (type(size) is int and 0 < size <= MOST_DIMENSIONS)
    require(fits, "dimensions", f"1 to {MOST_DIMENSIONS}", size)
    numbers = numbers_of(request, dimensions)
    text = f"at most {MOST_NUMBERS} numbers in all vectors together; send fewer texts or ask for fewer dimensions"
    require(numbers <= MOST_NUMBERS, "input", text, numbers)
    known = request.encoding_format in (UNSET, None, "float", "base64")
    require(known, "encoding_format", "float or base64", request.encoding_format)


def numbers_of(request: EmbeddingRequest, dimensions: int) -> int:
    """Count the numbers of all vectors of an answer, where the server's are of so many dimensions."""
    return len(items_of(request.input)) * (request.dimensions if type(request.dimensions) is int else dimensions)


def tokens_each(request: GenerateRequest, tokens: int) -> int:
    """Count the tokens of the answer to each prompt, where the server's answers have so many."""
    return min(tokens, wanted_tokens(request) or tokens)


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
