"""Typed, lossless LLM messages: the chat-completions, embeddings and generation wire shapes.

A field is absent (`UNSET`), null (`None`) or holds a value. What the types do not cover is kept in `extra`, JSON
Pointer → value, so that `to_document(from_document(kind, document))` is the document. The order of the keys of a typed
object is not kept, that of free-form objects (JSON Schemas, metadata) is.
"""

from serlab.messages.base import UNSET, Message
from serlab.messages.chat import ChatChunk, ChatRequest, ChatResponse
from serlab.messages.documents import KINDS, MESSAGE_TYPES, from_document, kind_of, message_type
from serlab.messages.embeddings import EmbeddingRequest, EmbeddingResponse
from serlab.messages.extra import to_document
from serlab.messages.generate import GenerateRequest, GenerateResponse
from serlab.messages.pointer import apply_extra, first_difference, same

__all__ = [
    "KINDS",
    "MESSAGE_TYPES",
    "UNSET",
    "ChatChunk",
    "ChatRequest",
    "ChatResponse",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "GenerateRequest",
    "GenerateResponse",
    "Message",
    "apply_extra",
    "first_difference",
    "from_document",
    "kind_of",
    "message_type",
    "same",
    "to_document",
]
