"""The continuation of a prompt, whole and in pieces, and the vectors of texts."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

from serlab.messages import EmbeddingRequest, EmbeddingResponse, GenerateRequest, GenerateResponse
from serlab.messages.common import Usage
from serlab.messages.embeddings import Embedding
from serlab.messages.generate import GenerateChoice
from serlab.service.replies import Reply, usage_of, wanted_tokens
from serlab.service.vocabulary import mark_of, tokens_of, vector_of
from serlab.workloads.chat import CREATED


def continuation_of(request: GenerateRequest, seed: int, limit: int) -> Reply:
    """Think up the continuation.

    Args:
        request: the prompt.
        seed: the server's.
        limit: tokens of an answer.
    """
    mark, wanted = mark_of(request, seed), wanted_tokens(request)
    tokens = tokens_of(mark, min(limit, wanted or limit), seed)
    model = request.model if isinstance(request.model, str) else "serlab"
    return Reply(mark, model, tokens, "length" if wanted and wanted < limit else "stop", None)


def piece(reply: Reply, text: str, finish: str | None, **fields: Any) -> GenerateResponse:
    """Build a continuation or a part of one."""
    choice = GenerateChoice(index=0, text=text, logprobs=None, finish_reason=finish)
    identity = f"cmpl-{reply.mark.number:016x}"
    shared: dict[str, Any] = {"id": identity, "object": "text_completion", "created": CREATED, "model": reply.model}
    return GenerateResponse(choices=[choice], **shared, **fields)


def whole(reply: Reply) -> GenerateResponse:
    """Give the continuation as one message."""
    return piece(reply, "".join(reply.tokens), reply.finish, usage=usage_of(reply.mark, len(reply.tokens)))


def pieces_of(reply: Reply, wants_usage: bool) -> Iterator[tuple[GenerateResponse, int]]:
    """Give the continuation piece by piece; see `serlab.service.replies.chunks_of`."""
    make: Callable[..., GenerateResponse] = piece
    for text, count in reply.shape.parts(reply.tokens):
        yield make(reply, text, None), count
        make = slim_piece if reply.shape.slim else piece
    used = {"usage": usage_of(reply.mark, len(reply.tokens))} if wants_usage else {}
    yield make(reply, "", reply.finish, **used), 0


def slim_piece(_: Reply, text: str, finish: str | None, **fields: Any) -> GenerateResponse:
    """Build a part of a continuation that says nothing but itself."""
    said: dict[str, Any] = {"finish_reason": finish} if finish else {}
    return GenerateResponse(choices=[GenerateChoice(text=text, **said)], **fields)


def inputs_of(request: EmbeddingRequest) -> list[Any]:
    """List what is to be embedded: texts or lists of token ids."""
    given = request.input
    if isinstance(given, list):
        return [given] if given and all(type(item) is int for item in given) else given
    return [given]


def embeddings_of(request: EmbeddingRequest, seed: int, dimensions: int) -> EmbeddingResponse:
    """Embed texts; a text has the same vector in every request.

    Args:
        request: the texts, and the form of the vectors: `float`, or `base64` of little-endian float32.
        seed: the server's.
        dimensions: of a vector, unless the request says otherwise.
    """
    inputs = inputs_of(request)
    size = request.dimensions if type(request.dimensions) is int else dimensions
    vectors: list[Any] = [vector_of(item, size, seed) for item in inputs]
    if request.encoding_format == "base64":
        vectors = [b64encode(vector.astype("<f4").data).decode() for vector in vectors]
    data = [Embedding(object="embedding", index=i, embedding=vector) for i, vector in enumerate(vectors)]
    tokens = mark_of_size(inputs)
    usage = Usage(prompt_tokens=tokens, total_tokens=tokens)
    return EmbeddingResponse(object="list", data=data, model=request.model, usage=usage)


def mark_of_size(inputs: list[Any]) -> int:
    """Estimate the tokens of texts; of token ids, count them."""
    return sum(len(item) if isinstance(item, list) else 1 + len(str(item)) // 4 for item in inputs)
