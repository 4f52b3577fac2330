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
from contextlib import aclosing
from typing import Any, NamedTuple

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from serlab.codecs import open_codec
from serlab.errors import DecodeError, EncodeError, UnknownNameError
from serlab.service.departures import App, Receive, Send, Tracked, while_connected
from serlab.service.engine import Engine
from serlab.service.faults import Fault
from serlab.service.negotiate import Content, answer_content, content_of
from serlab.service.refusals import Cut, Departed, Refusal
from serlab.service.settings import MAX_BODY_BYTES
from serlab.service.stream import STREAM_FORMS

LOG = logging.getLogger("serlab.service")
GONE = 499
"""A status that nobody reads: the client has gone (nginx's number)."""


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

    async def answer(request: Request) -> Any:
        kinds = PATHS[request.url.path]
        content = content_of(request.headers.get("content-type", ""))
        message = open_codec(content.codec, kinds.request).decode(await body_of(request))
        streams = bool(kinds.piece) and message.stream is True
        written = answer_content(request.headers.get("accept", ""), content, streams)
        fault = engine.admit(message, request.headers.get("x-serlab-fault", ""))
        if streams:
            return streamed(engine, message, fault, written, kinds.piece)
        found = await while_connected(request.receive, engine.answer(message, fault))
        return whole(open_codec(written.codec, kinds.whole).encode(found), written, fault)

    async def stats(_: Request) -> Response:
        return Response(orjson.dumps(engine.stats.to_dict()), media_type="application/json")

    async def models(_: Request) -> Response:
        return Response(orjson.dumps({"object": "list", "data": [MODEL]}), media_type="application/json")

    async def refused(_: Request, error: Exception) -> Response:
        engine.stats.refused += 1
        refusal = refusal_for(error)
        body = orjson.dumps(refusal.document())
        return Response(body, refusal.status, refusal.headers, media_type="application/json")

    async def departed(_: Request, __: Exception) -> Response:
        return Response(status_code=GONE)

    routes = [Route(path, answer, methods=["POST"]) for path in PATHS]
    routes += [Route("/stats", stats), Route("/v1/models", models)]
    refusals = dict.fromkeys((Refusal, DecodeError, EncodeError, UnknownNameError, HTTPException, Exception), refused)
    gone = {Departed: departed, ClientDisconnect: departed}
    return Tracked(Starlette(routes=routes, exception_handlers={**refusals, **gone}))


MODEL = {"id": "serlab", "object": "model", "created": 1_754_432_626, "owned_by": "serlab"}


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


def whole(data: bytes, content: Content, fault: Fault) -> Any:
    """Send an answer in one piece; a cut sends the first part of what it announces."""
    headers = {"content-type": content.header()}
    if fault.kind != "cut":
        return Response(data, headers=headers)

    async def respond(_: Any, __: Receive, send: Send) -> None:
        await send(start({**headers, "content-length": str(len(data))}))
        await send({"type": "http.response.body", "body": data[: int(len(data) * fault.at)], "more_body": True})
        raise Cut("an injected fault ends this answer")

    return respond


def start(headers: dict[str, str]) -> dict[str, Any]:
    """Begin a response."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": pairs}


def streamed(engine: Engine, message: Any, fault: Fault, content: Content, kind: str) -> App:
    """Send an answer piece by piece, as fast as the model makes it and the reader takes it."""
    codec, form = open_codec(content.codec, kind), STREAM_FORMS[content.media]

    async def pump(send: Send) -> None:
        count = 0
        await send(start({"content-type": content.header(), "cache-control": "no-store"}))
        async with aclosing(engine.pieces(message, fault)) as pieces:
            async for piece in pieces:
                # The server waits here while the reader is behind, and so does the model.
                data = form.wrap(codec.encode(piece), count)
                await send({"type": "http.response.body", "body": data, "more_body": True})
                count += 1
        await send({"type": "http.response.body", "body": form.end(count)})

    async def respond(_: Any, receive: Receive, send: Send) -> None:
        try:
            await while_connected(receive, pump(send))
        except Departed:
            LOG.debug("a client left its stream")

    return respond


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
