"""The continuation of a prompt, whole and in pieces, and the vectors of texts."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from serlab.messages import UNSET, EmbeddingRequest, EmbeddingResponse, GenerateRequest, GenerateResponse
from serlab.messages.common import Usage
from serlab.messages.embeddings import Embedding
from serlab.messages.generate import GenerateChoice
from serlab.service.replies import Reply, usage_of, wanted_tokens
from serlab.service.vocabulary import Mark, hash_of, mark_of, tokens_of, vector_of
from serlab.workloads.chat import CREATED
from serlab.workloads.traces import CHARACTERS_PER_TOKEN

PROMPT_FIELDS = ("prompt", "prompt_token_ids", "input_ids", "text")
"""Where a request may have its prompts, as OpenAI, vLLM and SGLang name them; the first that is set counts."""


def continuation_of(request: GenerateRequest, seed: int, limit: int) -> Reply:
    """Think up the continuation of each prompt; a prompt has the same one in any company.

    Args:
        request: the prompts.
        seed: the server's.
        limit: tokens of an answer.
    """
    name, prompts = prompts_of(request)
    rest = mark_of(msgspec.structs.replace(request, **{name: UNSET}), seed).number
    marks = [Mark(hash_of(prompt, rest), 0) for prompt in prompts]
    wanted = wanted_tokens(request)
    first, *others = (tokens_of(mark, min(limit, wanted or limit), seed) for mark in marks)
    number = marks[0].number if not others else hash_of([mark.number for mark in marks], seed)
    model = request.model if isinstance(request.model, str) else "serlab"
    finish = "length" if wanted and wanted < limit else "stop"
    return Reply(Mark(number, count_tokens(prompts)), model, list(first), finish, None, others=others)


def piece(reply: Reply, texts: Sequence[str], finish: str | None, start: int = 0, **fields: Any) -> GenerateResponse:
    """Build an answer, or a part of one: the text of some choices, from the index `start` on."""
    choices = [
        GenerateChoice(index=i, text=text, logprobs=None, finish_reason=finish) for i, text in enumerate(texts, start)
    ]
    identity = f"cmpl-{reply.mark.number:016x}"
    shared: dict[str, Any] = {"id": identity, "object": "text_completion", "created": CREATED, "model": reply.model}
    return GenerateResponse(choices=choices, **shared, **fields)


def whole(reply: Reply) -> GenerateResponse:
    """Return all continuations as one message, one choice for each prompt."""
    texts = ["".join(tokens) for tokens in reply.answers]
    return piece(reply, texts, reply.finish, usage=usage_of(reply.mark, reply.total))


def pieces_of(reply: Reply, wants_usage: bool) -> Iterator[tuple[GenerateResponse, int]]:
    """Give the continuations piece by piece, in turns; see `serlab.service.replies.chunks_of`.

    The prompts of a request are continued together, so only the first piece of each turn has to be waited for.
    """
    make: Callable[..., GenerateResponse] = piece
    for turn in zip(*map(reply.shape.parts, reply.answers), strict=True):
        for index, (text, count) in enumerate(turn):
            yield make(reply, [text], None, index), 0 if index else count
            make = slim_piece if reply.shape.slim else piece
    for index in range(len(reply.answers)):
        is_last = index == len(reply.answers) - 1
        used = {"usage": usage_of(reply.mark, reply.total)} if wants_usage and is_last else {}
        yield make(reply, [""], reply.finish, index, **used), 0


def slim_piece(reply: Reply, texts: Sequence[str], finish: str | None, index: int, **fields: Any) -> GenerateResponse:
    """Build a part of a continuation that says nothing but itself, and which one it is where there are several."""
    said: dict[str, Any] = {"index": index} if reply.others else {}
    said |= {"finish_reason": finish} if finish else {}
    return GenerateResponse(choices=[GenerateChoice(text=text, **said) for text in texts], **fields)


def prompts_of(request: GenerateRequest) -> tuple[str, list[Any]]:
    """Return the name of the field that holds the prompts, and these; one empty text where no field does."""
    for name in PROMPT_FIELDS:
        given = getattr(request, name)
        if given is not UNSET and given is not None:
            return name, items_of(given)
    return PROMPT_FIELDS[0], [""]


def items_of(given: Any) -> list[Any]:
    """List texts or lists of token ids, of which a request gives one or several; the first item tells which."""
    is_list = isinstance(given, list) and not (given and type(given[0]) is int)
    return given if is_list else [given]


def is_ids(given: Any) -> bool:
    """Tell whether a value is a list of token ids."""
    return isinstance(given, list) and set(map(type, given)) == {int} and min(given) >= 0


def embeddings_of(request: EmbeddingRequest, seed: int, dimensions: int) -> EmbeddingResponse:
    """Embed texts; a text has the same vector in every request.

    Args:
        request: the texts, and the form of the vectors: `float`, or `base64` of little-endian float32.
        seed: the server's.
        dimensions: of a vector, unless the request says otherwise.
    """
    inputs = items_of(request.input)
    size = request.dimensions if type(request.dimensions) is int else dimensions
    vectors: list[Any] = [vector_of(item, size, seed) for item in inputs]
    if request.encoding_format == "base64":
        vectors = [b64encode(vector.astype("<f4").data).decode() for vector in vectors]
    data = [Embedding(object="embedding", index=i, embedding=vector) for i, vector in enumerate(vectors)]
    tokens = count_tokens(inputs)
    usage = Usage(prompt_tokens=tokens, total_tokens=tokens)
    return EmbeddingResponse(object="list", data=data, model=request.model, usage=usage)


def count_tokens(inputs: list[Any]) -> int:
    """Estimate the tokens of texts; of token ids, count them."""
    return sum(len(item) if isinstance(item, list) else 1 + len(str(item)) // CHARACTERS_PER_TOKEN for item in inputs)
