"""The HTTP application: OpenAI's paths, any codec by content type, streams.

    POST /v1/chat/completions   ChatRequest → ChatResponse or a stream of ChatChunk
    POST /v1/completions        GenerateRequest → GenerateResponse or a stream of them
    POST /v1/embeddings         EmbeddingRequest → EmbeddingResponse
    GET  /v1/models             the one model
    DELETE /v1/calls/NAME       stop a call that was named with `x-serlab-call`
    POST /echo                  any message, and the same back; see `serlab.service.echo`
    GET  /stats                 the server's counters

A request may ask for a fault of its own with the header `x-serlab-fault`, and say with `x-serlab-deadline-ms` how long
its answer is worth anything; `serlab.service.shaping` has the headers for the shape of a stream. Errors are JSON
whatever the codec, in the API's shape.
"""

import asyncio
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from serlab import codecs
from serlab.codecs import open_codec
from serlab.service.calls import GONE, Calls
from serlab.service.deadlines import DEADLINE_HEADER, Deadline, before
from serlab.service.departures import Tracked, while_connected
from serlab.service.echo import BYTES, ECHO_PATH, KIND_HEADER, returned
from serlab.service.engine import Engine
from serlab.service.faults import Fault
from serlab.service.negotiate import SHOWN, answer_content, content_of
from serlab.service.paths import CALLS_PATH, PATHS
from serlab.service.receiving import body_of
from serlab.service.refusals import BAD_BODY, Departed, Refusal, refusal_for
from serlab.service.sending import streamed, whole
from serlab.service.shaping import Shape
from serlab.workloads.chat import CREATED

REFUSALS = (Refusal, *BAD_BODY, HTTPException, Exception)


def application(engine: Engine) -> Tracked:
    """Build the ASGI application.

    Args:
        engine: what answers.
    """
    calls = Calls()
    handlers = Handlers(engine, calls)
    routes = [Route(path, handlers.answer, methods=["POST"]) for path in PATHS]
    routes += [Route("/stats", handlers.stats), Route("/v1/models", handlers.models)]
    routes.append(Route(ECHO_PATH, handlers.echo, methods=["POST"]))
    refusals = dict.fromkeys(REFUSALS, handlers.refused)
    routes.append(Route(f"{CALLS_PATH}{{name}}", handlers.cancel, methods=["DELETE"]))
    gone = dict.fromkeys((Departed, ClientDisconnect), handlers.departed)
    app = Starlette(routes=routes, exception_handlers={**refusals, **gone})
    # A redirect to a path with or without a slash would be built of the request's Host, whatever that holds.
    app.router.redirect_slashes = False
    return Tracked(app, calls)


class Handlers:
    """What answers each path, and each error.

    Args:
        engine: the model.
        calls: those under way that have a name.
    """

    def __init__(self, engine: Engine, calls: Calls) -> None:
        self.engine = engine
        self.calls = calls

    async def answer(self, request: Request) -> Any:
        """Answer a request in the codec that it asks for."""
        kinds = PATHS[request.scope["path"]]
        deadline, shape = Deadline.read(request.headers.get(DEADLINE_HEADER, "")), Shape.read(request.headers)
        content = content_of(request.headers.get("content-type", ""))
        message = codecs.decode_untrusted(open_codec(content.codec, kinds.request), await body_of(request))
        streams = bool(kinds.piece) and message.stream is True
        written = answer_content(request.headers.get("accept", ""), content, streams)
        fault = self.engine.admit(message, request.headers.get("x-serlab-fault", "")[:SHOWN])
        if streams:
            return streamed(self.engine, message, fault, written, kinds.piece, deadline, shape)
        work = partial(self.work, request, message, fault)
        found = await before(deadline, work, self.engine.stats)
        return whole(self.engine, open_codec(written.codec, kinds.whole).encode(found), written, fault)

    async def work(self, request: Request, message: Any, fault: Fault) -> Any:
        """Make a whole answer while its client is there."""
        return await while_connected(request.receive, self.engine.answer(message, fault))

    async def stats(self, _: Request) -> Response:
        """Give the counters, and how many tasks the event loop has, this one among them."""
        found = {**self.engine.stats.to_dict(), "tasks": len(asyncio.all_tasks())}
        return Response(orjson.dumps(found), media_type="application/json")

    async def cancel(self, request: Request) -> Response:
        """Stop a call for a client whose protocol or library cannot say that it has left."""
        name = request.path_params["name"]
        if not self.calls.cancel(name):
            raise Refusal(404, f"no call named {name[:SHOWN]!r} is under way; it has ended, or has not come yet")
        return Response(status_code=204)

    async def echo(self, request: Request) -> Response:
        """Give a message back."""
        content = request.headers.get("content-type", "")
        data = returned(content, request.headers.get(KIND_HEADER, ""), await body_of(request))
        return Response(data, headers={"content-type": BYTES if content == BYTES else content_of(content).header()})

    async def models(self, _: Request) -> Response:
        """List the one model."""
        model = {"id": "serlab", "object": "model", "created": CREATED, "owned_by": "serlab"}
        return Response(orjson.dumps({"object": "list", "data": [model]}), media_type="application/json")

    async def refused(self, _: Request, error: Exception) -> Response:
        """Answer with an error."""
        self.engine.stats.refused += 1
        refusal = said(error) if isinstance(error, HTTPException) else refusal_for(error)
        body = orjson.dumps(refusal.document())
        return Response(body, refusal.status, refusal.headers, media_type="application/json")

    async def departed(self, _: Request, __: Exception) -> Response:
        """Answer nobody."""
        return Response(status_code=GONE)


def said(error: HTTPException) -> Refusal:
    """Give what starlette says (no such path, no such method) in the API's shape."""
    return Refusal(error.status_code, error.detail, headers=error.headers or {})
