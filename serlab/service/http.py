"""The HTTP application: OpenAI's paths, any codec by content type, streams.

    POST /v1/chat/completions   ChatRequest → ChatResponse or a stream of ChatChunk
    POST /v1/completions        GenerateRequest → GenerateResponse or a stream of them
    POST /v1/embeddings         EmbeddingRequest → EmbeddingResponse
    GET  /v1/models             the one model
    GET  /stats                 the server's counters

A request may ask for a fault of its own with the header `x-serlab-fault`. Errors are JSON whatever the codec, in the
API's shape.
"""

import logging
from typing import Any, NamedTuple

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from serlab.codecs import open_codec
from serlab.errors import DecodeError, EncodeError, UnknownNameError
from serlab.service.departures import Tracked, while_connected
from serlab.service.engine import Engine
from serlab.service.negotiate import answer_content, content_of
from serlab.service.refusals import Departed, Refusal
from serlab.service.sending import streamed, whole
from serlab.service.settings import MAX_BODY_BYTES
from serlab.workloads.chat import CREATED

LOG = logging.getLogger("serlab.service")
GONE = 499
"""A status that nobody reads: the client has gone (nginx's number)."""


REFUSALS = (Refusal, DecodeError, EncodeError, UnknownNameError, HTTPException, Exception)


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


def application(engine: Engine) -> Tracked:
    """Build the ASGI application.

    Args:
        engine: what answers.
    """
    handlers = Handlers(engine)
    routes = [Route(path, handlers.answer, methods=["POST"]) for path in PATHS]
    routes += [Route("/stats", handlers.stats), Route("/v1/models", handlers.models)]
    refusals = dict.fromkeys(REFUSALS, handlers.refused)
    gone = dict.fromkeys((Departed, ClientDisconnect), handlers.departed)
    return Tracked(Starlette(routes=routes, exception_handlers={**refusals, **gone}))


class Handlers:
    """What answers each path, and each error.

    Args:
        engine: the model.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def answer(self, request: Request) -> Any:
        """Answer a request in the codec that it asks for."""
        kinds = PATHS[request.scope["path"]]
        content = content_of(request.headers.get("content-type", ""))
        message = open_codec(content.codec, kinds.request).decode(await body_of(request))
        streams = bool(kinds.piece) and message.stream is True
        written = answer_content(request.headers.get("accept", ""), content, streams)
        fault = self.engine.admit(message, request.headers.get("x-serlab-fault", ""))
        if streams:
            return streamed(self.engine, message, fault, written, kinds.piece)
        found = await while_connected(request.receive, self.engine.answer(message, fault))
        return whole(self.engine, open_codec(written.codec, kinds.whole).encode(found), written, fault)

    async def stats(self, _: Request) -> Response:
        """Give the counters."""
        return Response(orjson.dumps(self.engine.stats.to_dict()), media_type="application/json")

    async def models(self, _: Request) -> Response:
        """List the one model."""
        model = {"id": "serlab", "object": "model", "created": CREATED, "owned_by": "serlab"}
        return Response(orjson.dumps({"object": "list", "data": [model]}), media_type="application/json")

    async def refused(self, _: Request, error: Exception) -> Response:
        """Answer with an error."""
        self.engine.stats.refused += 1
        refusal = refusal_for(error)
        body = orjson.dumps(refusal.document())
        return Response(body, refusal.status, refusal.headers, media_type="application/json")

    async def departed(self, _: Request, __: Exception) -> Response:
        """Answer nobody."""
        return Response(status_code=GONE)


async def body_of(request: Request) -> bytes:
    """Read a request's body.

    Raises:
        Refusal: it is too long.
    """
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise Refusal(413, f"body: expected at most {MAX_BODY_BYTES} bytes", code="request_too_large")
    return b"".join(parts)


def refusal_for(error: Exception) -> Refusal:
    """Turn any error into what the client is told."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, error.detail, headers=error.headers or {})
    if isinstance(error, (DecodeError, EncodeError, UnknownNameError)):
        return Refusal(400, str(error), code="invalid_body")
    LOG.error("a request failed", exc_info=error)
    return Refusal(500, "the server made a mistake; see its log", "server_error", "internal_error")
