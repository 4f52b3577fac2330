"""How each kind of request is answered with tokens."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from serlab.messages import ChatRequest, GenerateRequest
from serlab.service import completions, replies


class Form(NamedTuple):
    """How one kind of request is answered: what thinks the answer up, and its two forms."""

    reply: Callable[[Any, int, int], replies.Reply]
    whole: Callable[[replies.Reply], Any]
    pieces: Callable[[replies.Reply, bool], Iterator[tuple[Any, int]]]


FORMS: dict[type, Form] = {
    ChatRequest: Form(replies.reply_to, replies.response_of, replies.chunks_of),
    GenerateRequest: Form(completions.continuation_of, completions.whole, completions.pieces_of),
}


def wants_usage(request: Any) -> bool:
    """Tell whether a stream should end with the count of its tokens."""
    return getattr(request.stream_options, "include_usage", None) is True
