"""Named, seeded messages of one kind, and the field that `read-one` reads.

The same name and seed give the same messages on every machine: only `random.Random.random` is used, whose values are
fixed by the Python documentation, and of arithmetic only what IEEE 754 rounds correctly. `**` on floats asks the C
library, and `sum` of floats adds otherwise since Python 3.12. The text is synthetic; see `serlab.workloads.text` for
what that means for compressed sizes.
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from serlab.errors import UnknownNameError
from serlab.messages import from_document
from serlab.workloads import chat, vectors

Reader = Callable[[Any], Any]


class Workload(NamedTuple):
    """A row of the table: the kind of message, what it stands for, and what builds its documents."""

    kind: str
    description: str
    build: Callable[[Random], list[Any]]


WORKLOADS: dict[str, Workload] = {
    "chat-turn": Workload("ChatRequest", "a short conversation, about 2 kB", chat.chat_turn),
    "agent-request": Workload("ChatRequest", "20 tools and a long history, about 100 kB", chat.agent_request),
    "rag-request": Workload("ChatRequest", "one long context, English and Chinese, about 40 kB", chat.rag_request),
    "image-request": Workload("ChatRequest", "one image as 1 MB of base64", chat.image_request),
    "tool-call-response": Workload("ChatResponse", "an answer with two tool calls", chat.tool_call_response),
    "chat-response": Workload("ChatResponse", "an answer of about 2 kB", chat.chat_response),
    "logprobs-response": Workload("ChatResponse", "500 tokens × 5 log probabilities", chat.logprobs_response),
    "stream": Workload("ChatChunk", "500 chunks of one streamed answer", chat.stream),
    "embeddings": Workload("EmbeddingResponse", "32 vectors of 1,536 float32", vectors.embeddings),
    "token-ids": Workload("GenerateRequest", "a prompt of 40,000 token ids", vectors.token_ids),
    "azure-conv": Workload(
        "ChatRequest", "16 requests, lengths as in Azure's 2023 conversation trace", chat.mix("azure-conv")
    ),
    "azure-code": Workload("ChatRequest", "16 requests, lengths as in Azure's 2023 code trace", chat.mix("azure-code")),
    "mooncake-conv": Workload(
        "ChatRequest", "16 requests, lengths as in Mooncake's conversation trace", chat.mix("mooncake-conv")
    ),
}

READERS: dict[str, tuple[str, Reader]] = {
    "ChatRequest": ("messages[-1].content", lambda message: message.messages[-1].content),
    "ChatResponse": ("choices[0].message.content", lambda message: message.choices[0].message.content),
    "ChatChunk": ("model", lambda message: message.model),
    "EmbeddingRequest": ("model", lambda message: message.model),
    "EmbeddingResponse": ("data[0].embedding", lambda message: message.data[0].embedding),
    "GenerateRequest": ("prompt_token_ids", lambda message: message.prompt_token_ids),
    "GenerateResponse": ("finish_reason", lambda message: message.finish_reason),
}
"""Kind → the field that `read-one` reads, by name and as a function of a message or a view."""


def names() -> list[str]:
    """List the workloads."""
    return list(WORKLOADS)


def find(name: str) -> Workload:
    """Look a workload up.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in WORKLOADS:
        raise UnknownNameError.of("workload", name, names())
    return WORKLOADS[name]


def kind(name: str) -> str:
    """Name the message type of a workload."""
    return find(name).kind


def describe(name: str) -> str:
    """Describe a workload in a line."""
    return find(name).description


def documents(name: str, seed: int = 0) -> list[Any]:
    """Build a workload's documents.

    Args:
        name: one of `names()`.
        seed: another seed gives other text and numbers of the same shape.
    """
    return find(name).build(Random(f"{name}/{seed}"))


def build(name: str, seed: int = 0) -> list[Any]:
    """Build a workload's messages, all of one kind.

    Args:
        name: one of `names()`.
        seed: another seed gives other text and numbers of the same shape.

    Returns:
        The messages, equal for equal arguments.

    Raises:
        UnknownNameError: there is no such workload.
    """
    return [from_document(kind(name), document) for document in documents(name, seed)]


def read_one(kind_: str) -> Reader | None:
    """Give the function that reads the named field of a message or a view; None for kinds without one."""
    return READERS[kind_][1] if kind_ in READERS else None
