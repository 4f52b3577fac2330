"""The paths of the API and the kinds of message that go there."""

from typing import NamedTuple


class Kinds(NamedTuple):
    """The message types of a path; no `piece` where there is no stream."""

    request: str
    whole: str
    piece: str


PATHS: dict[str, Kinds] = {
    "/v1/chat/completions": Kinds("ChatRequest", "ChatResponse", "ChatChunk"),
    "/v1/completions": Kinds("GenerateRequest", "GenerateResponse", "GenerateResponse"),
    "/v1/embeddings": Kinds("EmbeddingRequest", "EmbeddingResponse", ""),
}
CALLS_PATH = "/v1/calls/"
"""Before the name of a call: DELETE there says that the client has left it."""

CALL_HEADER = "x-serlab-call"
"""How a client names a call, so that it can say later that it has left it."""
