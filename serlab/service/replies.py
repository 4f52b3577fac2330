"""The answer to a conversation, whole and in chunks."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from serlab.messages import UNSET, ChatChunk, ChatRequest, ChatResponse
from serlab.messages.chat import ChatChoice, ChunkChoice
from serlab.messages.common import TokenDetails, Usage
from serlab.messages.content import FunctionCall, ToolCall
from serlab.messages.turns import ChatDelta, ChatReply
from serlab.service.shaping import FULL, Shape
from serlab.service.vocabulary import Mark, mark_of, tokens_of
from serlab.workloads.chat import CREATED, tool_call

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

    mark: Mark
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


def reply_to(request: ChatRequest, seed: int, limit: int) -> Reply:
    """Think up the answer: text, or a call of one of the request's tools.

    Args:
        request: the conversation.
        seed: the server's.
        limit: tokens of an answer.
    """
    mark, model = mark_of(request, seed), str(request.model)
    call = chosen_call(request, mark)
    if call is not None:
        text = str(call.function.arguments) if isinstance(call.function, FunctionCall) else ""
        return Reply(mark, model, [text[i : i + PIECE] for i in range(0, len(text), PIECE)], "tool_calls", call)
    wanted = wanted_tokens(request)
    tokens = list(tokens_of(mark, min(limit, wanted or limit), seed))
    return Reply(mark, model, tokens, "length" if wanted and wanted < limit else "stop", None)


def wanted_tokens(request: Any) -> int:
    """Read how many tokens a request wants at most; 0 if it does not say."""
    values = (getattr(request, name, UNSET) for name in ("max_completion_tokens", "max_tokens"))
    return next((value for value in values if type(value) is int and value > 0), 0)


def chosen_call(request: ChatRequest, mark: Mark) -> ToolCall | None:
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


def usage_of(mark: Mark, completion: int) -> Usage:
    """Report the tokens."""
    return Usage(
        prompt_tokens=mark.prompt_tokens,
        completion_tokens=completion,
        total_tokens=mark.prompt_tokens + completion,
        prompt_tokens_details=TokenDetails(cached_tokens=0, audio_tokens=0),
        completion_tokens_details=TokenDetails(reasoning_tokens=0, audio_tokens=0),
    )


def response_of(reply: Reply) -> ChatResponse:
    """Give the answer as one message."""
    content, calls = (None, [reply.call]) if reply.call else ("".join(reply.tokens), UNSET)
    message = ChatReply(role="assistant", content=content, tool_calls=calls, refusal=None, annotations=[])
    choice = ChatChoice(index=0, message=message, logprobs=None, finish_reason=reply.finish)
    usage = usage_of(reply.mark, len(reply.tokens))
    return ChatResponse(object="chat.completion", choices=[choice], usage=usage, **head(reply))


def head(reply: Reply) -> dict[str, Any]:
    """Give what an answer and its chunks share; the time is fixed, so that equal requests get equal bytes."""
    identity = f"chatcmpl-{reply.mark.number:016x}"
    return {"id": identity, "created": CREATED, "model": reply.model, "system_fingerprint": "fp_serlab"}


def chunks_of(reply: Reply, wants_usage: bool) -> Iterator[tuple[ChatChunk, int]]:
    """Give the answer in chunks.

    Args:
        reply: the answer.
        wants_usage: whether a last chunk reports the tokens.

    Yields:
        A chunk, and how many tokens of it have to be waited for.
    """
    shared = head(reply) | {"object": "chat.completion.chunk"}
    common: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": None}
    yield ChatChunk(choices=[ChunkChoice(delta=first_delta(reply), **common)], **shared), 0
    if reply.shape.slim:
        shared, common = {}, {}
    for text, count in reply.shape.parts(reply.tokens):
        yield ChatChunk(choices=[ChunkChoice(delta=delta_of(reply, text), **common)], **shared), count
    end = ChunkChoice(delta=ChatDelta(), **(common | {"finish_reason": reply.finish}))
    yield ChatChunk(choices=[end], **shared), 0
    if wants_usage:
        yield ChatChunk(choices=[], usage=usage_of(reply.mark, len(reply.tokens)), **shared), 0


def first_delta(reply: Reply) -> ChatDelta:
    """Open the message: its role and, of a call, its name."""
    if reply.call is None or not isinstance(reply.call.function, FunctionCall):
        return ChatDelta(role="assistant", content="", refusal=None)
    function = FunctionCall(name=reply.call.function.name, arguments="")
    call = ToolCall(index=0, id=reply.call.id, type="function", function=function)
    return ChatDelta(role="assistant", content=None, tool_calls=[call], refusal=None)


def delta_of(reply: Reply, token: str) -> ChatDelta:
    """Add a token to the text, or to a call's arguments."""
    if reply.call is None:
        return ChatDelta(content=token)
    return ChatDelta(tool_calls=[ToolCall(index=0, function=FunctionCall(arguments=token))])
