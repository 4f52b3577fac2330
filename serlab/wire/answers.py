"""The answer to a conversation, whole and in chunks."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple, overload

import msgspec
import numpy as np
from xxhash import xxh3_64_intdigest

from serlab.messages import (
    UNSET,
    ChatChoice,
    ChatChunk,
    ChatDelta,
    ChatReply,
    ChatRequest,
    ChatResponse,
    ChunkChoice,
    Embedding,
    EmbeddingRequest,
    EmbeddingResponse,
    FunctionCall,
    GenerateChoice,
    GenerateRequest,
    GenerateResponse,
    TokenDetails,
    ToolCall,
    Usage,
)
from serlab.wire.api_errors import ApiError
from serlab.wire.content import FULL, Shape
from serlab.workloads import CHARACTERS_PER_TOKEN, CREATED, english, tool_call

# What a request determines: its mark, the tokens of its answer, and vectors.
#
# The same request and seed give the same answer through every codec and transport, streamed or whole. The mark is a
# hash of the whole request, since a cache that mixes up two requests must be found out; it costs one encoding by
# msgspec, the same for all codecs.

POOL_CHARACTERS = 1 << 16
"""Answers are pieces of one text of this length, so that making one costs nothing beside sending it."""

KEPT_VECTORS, KEPT_DIMENSIONS = 2048, 4096
"""Vectors that are kept, and the longest of them: 32 MiB at most. Who embeds the same texts again measures their way
over the wire, not the making of random numbers."""


class RequestDigest(NamedTuple):
    """A request in short.

    Attributes:
        number: 64 bits that stand for the request.
        prompt_tokens: its length, estimated as the workloads estimate it.
    """

    number: int
    prompt_tokens: int


def _digest_of(request: Any, seed: int) -> RequestDigest:
    """Hash a request; whether and how it is streamed is no part of it."""
    data = text_of(msgspec.structs.replace(request, stream=UNSET, stream_options=UNSET))
    return RequestDigest(xxh3_64_intdigest(data, seed % 2**64), 1 + len(data) // CHARACTERS_PER_TOKEN)


def _hash_of(value: Any, seed: int) -> int:
    """Hash a value to 64 bits."""
    return xxh3_64_intdigest(text_of(value), seed % 2**64)


def text_of(value: Any) -> bytes:
    """Write a value as text that is the same for the same value."""
    try:
        return msgspec.json.encode(value)
    except (ValueError, OverflowError, TypeError):
        # Integers beyond 64 bits, lone surrogates: rare, and only a hash is wanted.
        return repr(value).encode()
    except RecursionError as error:
        raise ApiError(400, "the message is nested too deep for this server", code="invalid_body") from error


@lru_cache(maxsize=8)
def pool(seed: int) -> list[str]:
    """Cut a seeded text into tokens: words with the white space before them."""
    return re.findall(r"\s*\S+", english(Random(f"replies/{seed}"), POOL_CHARACTERS))


class Tokens(Sequence[str]):
    """The tokens of an answer, taken from the pool when they are read: 2,048 answers are as many places in it.

    Args:
        start: where they begin in the pool.
        length: how many they are; after the pool's last comes its first.
        seed: of the pool.
    """

    __slots__ = ("length", "seed", "start")

    def __init__(self, start: int, length: int, seed: int) -> None:
        self.start, self.length, self.seed = start, length, seed

    def __len__(self) -> int:
        """Count them."""
        return self.length

    def __iter__(self) -> Iterator[str]:
        """Return all of them, one by one."""
        return iter(self[:])

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        """Return one of them, or those of a slice without a step."""
        if not isinstance(at, slice):
            at = range(self.length)[at]
            return self[at : at + 1][0]
        begin, end, _ = at.indices(self.length)
        words = pool(self.seed)
        first = (self.start + begin) % len(words)
        found = words[first : first + end - begin]
        while len(found) < end - begin:
            found += words[: end - begin - len(found)]
        if found and not begin:
            found[0] = found[0].lstrip()
        return found


def tokens_of(mark: RequestDigest, count: int, seed: int) -> Tokens:
    """Take the tokens of an answer."""
    return Tokens(mark.number % len(pool(seed)), count, seed)


def vector_of(value: Any, dimensions: int, seed: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Return the vector of a text: about length 1, the same on every machine; not to be written to."""
    number = _hash_of(value, seed)
    return (kept_vector if dimensions <= KEPT_DIMENSIONS else _new_vector)(number, dimensions)


def _new_vector(number: int, dimensions: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Make a vector.

    Only the bits of PCG64 are used: numpy promises that they stay, and not the distributions made of them. A uniform
    number of [-1, 1) has variance 1/3, which the scale makes 1/dimensions.
    """
    bits = np.random.PCG64(number).random_raw(dimensions)
    uniform = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    vector = uniform * np.float32((3 / dimensions) ** 0.5)
    vector.flags.writeable = False
    return vector


kept_vector = lru_cache(maxsize=KEPT_VECTORS)(_new_vector)


PIECE = 12
"""Characters of a call's arguments in one token."""


class Reply(NamedTuple):
    """An answer before it has a form.

    Attributes:
        mark: of the request.
        model: as the request names it.
        tokens: the text, or a call's arguments, piece by piece.
        finish: why it ends.
        call: the tool that it calls, if any.
        shape: of a stream of it.
        others: the tokens of further answers, as many in each, where a request has several prompts.
    """

    mark: RequestDigest
    model: str
    tokens: Sequence[str]
    finish: str
    call: ToolCall | None
    shape: Shape = FULL
    others: Sequence[Sequence[str]] = ()

    @property
    def answers(self) -> list[Sequence[str]]:
        """List the tokens of all answers."""
        return [self.tokens, *self.others]

    @property
    def choices(self) -> int:
        """Count the answers."""
        return 1 + len(self.others)

    @property
    def total(self) -> int:
        """Count the tokens of all answers."""
        return self.choices * len(self.tokens)


def _reply_to(request: ChatRequest, seed: int, limit: int) -> Reply:
    """Think up the answer: text, or a call of one of the request's tools.

    Args:
        request: the conversation.
        seed: the server's.
        limit: tokens of an answer.
    """
    mark, model = _digest_of(request, seed), str(request.model)
    call = _chosen_call(request, mark)
    if call is not None:
        text = str(call.function.arguments) if isinstance(call.function, FunctionCall) else ""
        return Reply(mark, model, [text[i : i + PIECE] for i in range(0, len(text), PIECE)], "tool_calls", call)
    wanted = _wanted_tokens(request)
    tokens = list(tokens_of(mark, min(limit, wanted or limit), seed))
    return Reply(mark, model, tokens, "length" if wanted and wanted < limit else "stop", None)


def _wanted_tokens(request: Any) -> int:
    """Read how many tokens a request wants at most; 0 if it does not say."""
    values = (getattr(request, name, UNSET) for name in ("max_completion_tokens", "max_tokens"))
    return next((value for value in values if type(value) is int and value > 0), 0)


def _chosen_call(request: ChatRequest, mark: RequestDigest) -> ToolCall | None:
    """Call a tool if the request has any: always where it must, every second time where it may.

    The arguments are synthetic; they do not follow the tool's schema.
    """
    functions = [tool.function for tool in request.tools or () if tool.function]
    names = [function.name for function in functions if isinstance(function.name, str)]
    forced = request.tool_choice not in (UNSET, None, "auto", "none")
    if not names or request.tool_choice == "none" or not (forced or mark.number & 1):
        return None
    named = getattr(getattr(request.tool_choice, "function", None), "name", UNSET)
    call = tool_call(Random(mark.number), named if named in names else names[mark.number // 2 % len(names)])
    return ToolCall(id=call["id"], type="function", function=FunctionCall(**call["function"]))


def _usage_of(mark: RequestDigest, completion: int) -> Usage:
    """Report the tokens."""
    return Usage(
        prompt_tokens=mark.prompt_tokens,
        completion_tokens=completion,
        total_tokens=mark.prompt_tokens + completion,
        prompt_tokens_details=TokenDetails(cached_tokens=0, audio_tokens=0),
        completion_tokens_details=TokenDetails(reasoning_tokens=0, audio_tokens=0),
    )


def _response_of(reply: Reply) -> ChatResponse:
    """Return the answer as one message."""
    content, calls = (None, [reply.call]) if reply.call else ("".join(reply.tokens), UNSET)
    message = ChatReply(role="assistant", content=content, tool_calls=calls, refusal=None, annotations=[])
    choice = ChatChoice(index=0, message=message, logprobs=None, finish_reason=reply.finish)
    usage = _usage_of(reply.mark, len(reply.tokens))
    return ChatResponse(object="chat.completion", choices=[choice], usage=usage, **_head(reply))


def _head(reply: Reply) -> dict[str, Any]:
    """Return what an answer and its chunks share; the time is fixed, so that equal requests get equal bytes."""
    identity = f"chatcmpl-{reply.mark.number:016x}"
    return {"id": identity, "created": CREATED, "model": reply.model, "system_fingerprint": "fp_serlab"}


def _chunks_of(reply: Reply, wants_usage: bool) -> Iterator[tuple[ChatChunk, int]]:
    """Yield the answer in chunks.

    Args:
        reply: the answer.
        wants_usage: whether a last chunk reports the tokens.

    Yields:
        A chunk, and how many tokens of it have to be waited for.
    """
    shared = _head(reply) | {"object": "chat.completion.chunk"}
    common: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": None}
    yield ChatChunk(choices=[ChunkChoice(delta=_first_delta(reply), **common)], **shared), 0
    if reply.shape.slim:
        shared, common = {}, {}
    for text, count in reply.shape.parts(reply.tokens):
        yield ChatChunk(choices=[ChunkChoice(delta=_delta_of(reply, text), **common)], **shared), count
    end = ChunkChoice(delta=ChatDelta(), **(common | {"finish_reason": reply.finish}))
    yield ChatChunk(choices=[end], **shared), 0
    if wants_usage:
        yield ChatChunk(choices=[], usage=_usage_of(reply.mark, len(reply.tokens)), **shared), 0


def _first_delta(reply: Reply) -> ChatDelta:
    """Open the message: its role and, of a call, its name."""
    if reply.call is None or not isinstance(reply.call.function, FunctionCall):
        return ChatDelta(role="assistant", content="", refusal=None)
    function = FunctionCall(name=reply.call.function.name, arguments="")
    call = ToolCall(index=0, id=reply.call.id, type="function", function=function)
    return ChatDelta(role="assistant", content=None, tool_calls=[call], refusal=None)


def _delta_of(reply: Reply, token: str) -> ChatDelta:
    """Add a token to the text, or to a call's arguments."""
    if reply.call is None:
        return ChatDelta(content=token)
    return ChatDelta(tool_calls=[ToolCall(index=0, function=FunctionCall(arguments=token))])


# The continuation of a prompt, whole and in pieces, and the vectors of texts.

PROMPT_FIELDS = ("prompt", "prompt_token_ids", "input_ids", "text")
"""Where a request may have its prompts, as OpenAI, vLLM and SGLang name them; the first that is set counts."""


def _continuation_of(request: GenerateRequest, seed: int, limit: int) -> Reply:
    """Think up the continuation of each prompt; a prompt has the same one in any company.

    Args:
        request: the prompts.
        seed: the server's.
        limit: tokens of an answer.
    """
    name, prompts = prompts_of(request)
    rest = _digest_of(msgspec.structs.replace(request, **{name: UNSET}), seed).number
    marks = [RequestDigest(_hash_of(prompt, rest), 0) for prompt in prompts]
    wanted = _wanted_tokens(request)
    first, *others = (tokens_of(mark, min(limit, wanted or limit), seed) for mark in marks)
    number = marks[0].number if not others else _hash_of([mark.number for mark in marks], seed)
    model = request.model if isinstance(request.model, str) else "serlab"
    finish = "length" if wanted and wanted < limit else "stop"
    return Reply(RequestDigest(number, _count_tokens(prompts)), model, list(first), finish, None, others=others)


def _piece(reply: Reply, texts: Sequence[str], finish: str | None, start: int = 0, **fields: Any) -> GenerateResponse:
    """Build an answer, or a part of one: the text of some choices, from the index `start` on."""
    choices = [
        GenerateChoice(index=i, text=text, logprobs=None, finish_reason=finish) for i, text in enumerate(texts, start)
    ]
    identity = f"cmpl-{reply.mark.number:016x}"
    shared: dict[str, Any] = {"id": identity, "object": "text_completion", "created": CREATED, "model": reply.model}
    return GenerateResponse(choices=choices, **shared, **fields)


def _whole(reply: Reply) -> GenerateResponse:
    """Return all continuations as one message, one choice for each prompt."""
    texts = ["".join(tokens) for tokens in reply.answers]
    return _piece(reply, texts, reply.finish, usage=_usage_of(reply.mark, reply.total))


def _pieces_of(reply: Reply, wants_usage: bool) -> Iterator[tuple[GenerateResponse, int]]:
    """Yield the continuations piece by piece, in turns; see `serlab.wire.answers._chunks_of`.

    The prompts of a request are continued together, so only the first piece of each turn has to be waited for.
    """
    make: Callable[..., GenerateResponse] = _piece
    for turn in zip(*map(reply.shape.parts, reply.answers), strict=True):
        for index, (text, count) in enumerate(turn):
            yield make(reply, [text], None, index), 0 if index else count
            make = _slim_piece if reply.shape.slim else _piece
    for index in range(len(reply.answers)):
        is_last = index == len(reply.answers) - 1
        used = {"usage": _usage_of(reply.mark, reply.total)} if wants_usage and is_last else {}
        yield make(reply, [""], reply.finish, index, **used), 0


def _slim_piece(reply: Reply, texts: Sequence[str], finish: str | None, index: int, **fields: Any) -> GenerateResponse:
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


def _is_ids(given: Any) -> bool:
    """Return whether a value is a list of token ids."""
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
    tokens = _count_tokens(inputs)
    usage = Usage(prompt_tokens=tokens, total_tokens=tokens)
    return EmbeddingResponse(object="list", data=data, model=request.model, usage=usage)


def _count_tokens(inputs: list[Any]) -> int:
    """Estimate the tokens of texts; of token ids, count them."""
    return sum(len(item) if isinstance(item, list) else 1 + len(str(item)) // CHARACTERS_PER_TOKEN for item in inputs)


# How each kind of request is answered with tokens.


class Form(NamedTuple):
    """How one kind of request is answered: what thinks the answer up, and its two forms."""

    reply: Callable[[Any, int, int], Reply]
    whole: Callable[[Reply], Any]
    pieces: Callable[[Reply, bool], Iterator[tuple[Any, int]]]


FORMS: dict[type, Form] = {
    ChatRequest: Form(_reply_to, _response_of, _chunks_of),
    GenerateRequest: Form(_continuation_of, _whole, _pieces_of),
}


def wants_usage(request: Any) -> bool:
    """Return whether a stream should end with the count of its tokens."""
    return getattr(request.stream_options, "include_usage", None) is True


# What the model server does not do, it refuses before any work.

MOST_INPUTS, MOST_DIMENSIONS = 2048, 65_536
"""The OpenAI API's limit of texts in a request; and one of a vector's length."""

MOST_NUMBERS, MOST_TOKENS = 1 << 22, 1 << 20
"""Of all vectors and all texts of an answer together: 2,048 vectors of 2,048 numbers, which are 90 MB of JSON; one
answer of a million tokens, or 2,048 of 512. They keep a small request from making a huge answer."""

MOST_CHARACTERS = 256
"""Of a model's name, which each piece of a stream repeats."""

TEXTS = "a text, a list of texts, a list of token ids (0 or more) or a list of such lists"
"""What the OpenAI API takes as prompts and as what is to be embedded."""


def check(request: Any, tokens: int, dimensions: int) -> None:
    """Look at what an answer is made of.

    Args:
        request: of any kind that is answered.
        tokens: the server's length of an answer; the request may want a shorter one.
        dimensions: the server's length of a vector; the request may want another.

    Raises:
        ApiError: something is missing, wrong or not done here.
    """
    named = not isinstance(request.model, str) or len(request.model) <= MOST_CHARACTERS
    _require(named, "model", f"a name of at most {MOST_CHARACTERS} characters", request.model)
    if isinstance(request, EmbeddingRequest):
        _check_embedding(request, dimensions)
        return
    if isinstance(request, ChatRequest):
        _require(isinstance(request.model, str), "model", "a name", request.model)
        filled = isinstance(request.messages, list) and bool(request.messages)
        _require(filled, "messages", "a list that is not empty", "")
    if isinstance(request, GenerateRequest):
        name_of_prompts, prompts = prompts_of(request)
        _check_texts(name_of_prompts, prompts)
    _require(request.n in (UNSET, None, 1), "n", "1, as one answer is made to each prompt", request.n)
    for name in ("max_completion_tokens", "max_tokens"):
        value = getattr(request, name, UNSET)
        _require(value in (UNSET, None) or (type(value) is int and value > 0), name, "1 or more", value)
    if isinstance(request, GenerateRequest):
        each = tokens_each(request, tokens)
        text = f"at most {MOST_TOKENS} tokens of all answers together; send fewer prompts or ask for fewer tokens"
        _require(len(prompts) * each <= MOST_TOKENS, name_of_prompts, text, len(prompts) * each)


def _check_embedding(request: EmbeddingRequest, dimensions: int) -> None:
    """Look at a request for vectors."""
    inputs: Any = request.input
    size = request.dimensions
    _require(isinstance(request.model, str), "model", "a name", request.model)
    _require(bool(inputs), "input", TEXTS, inputs)
    _check_texts("input", items_of(inputs))
    fits = size in (UNSET, None) or (type(size) is int and 0 < size <= MOST_DIMENSIONS)
    _require(fits, "dimensions", f"1 to {MOST_DIMENSIONS}", size)
    numbers = numbers_of(request, dimensions)
    text = f"at most {MOST_NUMBERS} numbers in all vectors together; send fewer texts or ask for fewer dimensions"
    _require(numbers <= MOST_NUMBERS, "input", text, numbers)
    known = request.encoding_format in (UNSET, None, "float", "base64")
    _require(known, "encoding_format", "float or base64", request.encoding_format)


def numbers_of(request: EmbeddingRequest, dimensions: int) -> int:
    """Count the numbers of all vectors of an answer, where the server's are of so many dimensions."""
    return len(items_of(request.input)) * (request.dimensions if type(request.dimensions) is int else dimensions)


def tokens_each(request: GenerateRequest | ChatRequest, tokens: int) -> int:
    """Count the tokens of the answer to each prompt, where the server's answers have so many."""
    return min(tokens, _wanted_tokens(request) or tokens)


def _check_texts(name: str, items: list[Any]) -> None:
    """Look at prompts, or at what is to be embedded.

    Raises:
        ApiError: they are not all texts or all lists of token ids, or too many.
    """
    texts = all(isinstance(item, str) for item in items)
    _require(bool(items) and (texts or all(map(_is_ids, items))), name, TEXTS, items[0] if len(items) == 1 else items)
    _require(len(items) <= MOST_INPUTS, name, f"at most {MOST_INPUTS} texts or lists of token ids", len(items))


def _require(holds: bool, name: str, expected: str, got: Any) -> None:
    """Refuse a parameter that does not hold.

    Raises:
        ApiError: it does not.
    """
    if not holds:
        shown = "nothing" if got is UNSET or got == "" else repr(got)[:80]
        raise ApiError(400, f"{name}: expected {expected}, got {shown}", param=name, code="invalid_value")
