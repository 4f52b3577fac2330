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
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from serlab.codecs import open_codec
from serlab.service.calls import GONE, Calls
from serlab.service.deadlines import DEADLINE_HEADER, Deadline, before
from serlab.service.departures import Tracked, while_connected
from serlab.service.echo import BYTES, ECHO_PATH, KIND_HEADER, returned
from serlab.service.engine import Engine
from serlab.service.faults import NO_FAULT
from serlab.service.heavy import LARGE_NUMBERS, LONG_NUMBERS, is_large, is_long, size_of
from serlab.service.negotiate import SHOWN, answer_content, content_of, whole_codec
from serlab.service.paths import CALLS_PATH, PATHS, Kinds
from serlab.service.receiving import Arrivals
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
    return Tracked(app, calls, engine.peers)


class Handlers:
    """What answers each path, and each error.

    Args:
        engine: the model.
        calls: those under way that have a name.
    """

    def __init__(self, engine: Engine, calls: Calls) -> None:
        self.engine = engine
        self.calls = calls
        self.arrivals = Arrivals(engine.settings.bounds, engine.stats)

    async def answer(self, request: Request) -> Any:
        """Answer a request in the codec that it asks for."""
        kinds = PATHS[request.scope["path"]]
        deadline, shape = Deadline.read(request.headers.get(DEADLINE_HEADER, "")), Shape.read(request.headers)
        content, accept = content_of(request.headers.get("content-type", "")), request.headers.get("accept", "")
        forced = request.headers.get("x-serlab-fault", "")[:SHOWN]
        parts = await self.arrivals.body(request)
        try:
            writes = whole_codec(accept, content, bool(kinds.piece))
            if is_large(parts, content.codec):
                message = await self.prepared(request, kinds, content.codec, writes, parts, deadline)
                fault = self.engine.admit(message, forced)
            else:
                message = await self.engine.heavy.decoded(open_codec(content.codec, kinds.request), parts)
                fault = await self.engine.heavy.by_turns(partial(self.engine.admit, message, forced), is_long(parts))
                if self.engine.size(message) > LARGE_NUMBERS:
                    message = await self.prepared(request, kinds, content.codec, writes, parts, deadline)
        finally:
            self.arrivals.forget(size_of(parts))
        streams = bool(kinds.piece) and message.stream is True
        written = answer_content(accept, content, streams)
        takes_turns = is_long(parts) or self.engine.size(message) > LONG_NUMBERS
        if streams:
            pieces = self.engine.pieces(message, fault, shape, takes_turns)
            return streamed(self.engine.stats, pieces, written, kinds.piece, deadline)
        work = partial(self.engine.answer, message, fault, takes_turns)
        found = await before(deadline, lambda: while_connected(request.receive, work()), self.engine.stats)
        if not isinstance(found, tuple):
            encode = partial(open_codec(written.codec, kinds.whole).encode, found)
            found = (await self.engine.heavy.by_turns(encode, takes_turns),)
        return whole(self.engine, found, written.header(), fault)

    async def prepared(
        self, request: Request, kinds: Kinds, codec: str, writes: str, parts: Sequence[bytes], deadline: Deadline | None
    ) -> Any:
        """Have a large request read, and a large answer made, by another process while its client is there."""
        await self.engine.heavy.place()
        answer = kinds.whole if writes else ""
        prepare = partial(self.engine.heavy.prepared, kinds.request, codec, parts, answer, writes)
        return await before(deadline, lambda: while_connected(request.receive, prepare()), self.engine.stats)

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

    async def echo(self, request: Request) -> Any:
        """Give a message back."""
        content, kind = request.headers.get("content-type", ""), request.headers.get(KIND_HEADER, "")
        header = BYTES if content == BYTES else content_of(content).header()
        parts = await self.arrivals.body(request)
        try:
            if content != BYTES and is_large(parts, content_of(content).codec):
                await self.engine.heavy.place()
                work = returned(self.engine.heavy, content, kind, parts)
                pieces = await while_connected(request.receive, work)
            else:
                pieces = await returned(self.engine.heavy, content, kind, parts)
        finally:
            self.arrivals.forget(size_of(parts))
        return whole(self.engine, pieces, header, NO_FAULT)

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
