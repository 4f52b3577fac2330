"""The HTTP application: OpenAI's paths, any codec by content type, streams.

    POST /v1/chat/completions   ChatRequest → ChatResponse or a stream of ChatChunk
    POST /v1/completions        GenerateRequest → GenerateResponse or a stream of them
    POST /v1/embeddings         EmbeddingRequest → EmbeddingResponse
    GET  /v1/models             the one model
    POST /echo                  any message, and the same back; see `serlab.wire.echo`
    GET  /stats                 the server's counters

A request may ask for a fault of its own with the header `x-serlab-fault`, and say with `x-serlab-deadline-ms` how long
its answer is worth anything; `serlab.wire.content` has the headers for the shape of a stream. Errors are JSON
whatever the codec, in the API's shape.
"""

import asyncio
import ctypes
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, MutableMapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from serlab.codecs import Codec, open_codec
from serlab.wire.api_errors import BAD_BODY, ApiError, ClientDisconnected, Stats, api_error_for, overloaded
from serlab.wire.connections import MAX_HEADER_BYTES, MAX_STREAMS, Bounds, Peers, Underway
from serlab.wire.content import SHOWN, STREAM_FORMS, Content, Shape, answer_content, content_of, whole_codec
from serlab.wire.echo import BYTES, ECHO_PATH, KIND_HEADER, returned
from serlab.wire.heavy import LARGE_NUMBERS, LONG_NUMBERS, PIECE, is_large, is_long, size_of
from serlab.wire.model import Engine
from serlab.wire.settings import MAX_BODY_BYTES, NO_FAULT, Fault
from serlab.wire.timeouts import DEADLINE_HEADER, Deadline, before
from serlab.wire.transport import PATHS, Kinds
from serlab.workloads import CREATED

# Work that ends when the client goes, or when the server is stopped.

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

GONE = 499
"""A status that nobody reads: the client has gone (nginx's number)."""
UNDERWAY = "serlab.underway"
"""Where a request's scope has what is noted of it."""


async def _departure(receive: Receive) -> None:
    """Wait until the client has gone; the request must have been read."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do work for a client, and cancel it when the client goes.

    Args:
        receive: of the ASGI server, after the request's body.
        work: what to do.

    Raises:
        ClientDisconnected: the client went first.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_departure(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnected("the client went before its answer was whole")
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


class Tracked:
    """An ASGI application whose requests can be stopped together, and wait for slow clients only so long.

    Args:
        app: the application.
        peers: where to note who is at work.
    """

    def __init__(self, app: App, peers: Peers) -> None:
        self.app = app
        self.peers = peers
        self.tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        task = asyncio.current_task()
        assert task is not None
        (host, port), (_, here) = scope["client"], scope["server"]
        request = self.peers.begin((host, int(port), int(here)), task)
        scope[UNDERWAY] = request
        self.tasks.add(task)
        try:
            app = self.app if (refusal := self.refusal(scope)) is None else _refused_by(refusal)
            await app(scope, receive, _taken(send, request, self.peers))
        finally:
            self.tasks.discard(task)
            self.peers.end(request)

    def refusal(self, scope: MutableMapping[str, Any]) -> ApiError | None:
        """Return why a request is refused before anybody looks at it."""
        if self.peers.underway > self.peers.bounds.requests:
            return overloaded(f"the server is at {self.peers.bounds.requests} requests already")
        if "\n" in scope["path"]:  # at its end, starlette takes the path for the one without
            return ApiError(404, "Not Found")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            return ApiError(431, f"headers: expected at most {MAX_HEADER_BYTES} bytes", code="headers_too_large")
        return None

    async def stop(self, patience_s: float) -> None:
        """Cancel what is under way.

        Args:
            patience_s: how long to wait for it to end.
        """
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=patience_s)


def _taken(send: Send, request: Underway, peers: Peers) -> Send:
    """Note how long a client takes to take a part of its answer."""

    async def sends(message: Message) -> None:
        request.waits(peers.bounds.taken_s)
        try:
            await send(message)
        except asyncio.CancelledError:
            request.peer.stuck |= request.is_late
            raise
        request.works()

    return sends


def _refused_by(refusal: ApiError) -> App:
    """Answer with a refusal, and leave the body."""

    async def respond(_: MutableMapping[str, Any], __: Receive, send: Send) -> None:
        body = orjson.dumps(refusal.document())
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return respond


# Requests on their way in over HTTP.

LOG = logging.getLogger("serlab.wire")

SHORT = 4096
"""Bytes of a part that is not kept by itself."""

FREE_PARTS = 4
"""Parts of a body that are read as fast as they come; see `Arrivals.pace`. One of 1.6 MB has no more."""
SHORT_RATE, LONG_RATE = 1000, 1 << 27
"""Short parts a second, and bytes a second of others, that are read of all bodies together beyond these."""
MOST_LATE_S = 0.02
"""How long a part waits at most because the loop was held up."""
TRIM_BYTES, TRIM_S = 1 << 26, 3.0
"""After how many bytes of bodies and answers that are held no more free memory goes back to the system, and how long
after."""


class Arrivals:
    """The bodies of all requests under way: their memory is bounded together.

    Args:
        bounds: how many bytes, and how slowly a body may come.
        stats: where to count them.
    """

    def __init__(self, bounds: Bounds, stats: Stats) -> None:
        self.bounds = bounds
        self.stats = stats
        self.count = 0
        self.turn = asyncio.Lock()
        self.gone = 0

    async def body(self, request: Request) -> Sequence[bytes]:
        """Read a request's body, which counts as held until `forget`.

        It is returned in the parts that it came in: to join one of 63 MB would hold the loop up for as long as a copy
        takes, a quarter of a second on a busy machine.

        Raises:
            ApiError: it is too long, comes too slowly or not whole, or there is no room for it; or it is compressed:
                what it would become is not known beforehand.
        """
        _check_headers(request)
        parts: list[bytes | bytearray] = []
        size, number, underway = 0, 0, request.scope[UNDERWAY]
        underway.limit_s = self.bounds.body_s
        self.count += 1
        try:
            async for part in request.stream():
                _add(parts, part)
                size += len(part)
                number += 1
                self.stats.held += len(part)
                if size > MAX_BODY_BYTES:
                    raise _too_long()
                if self.stats.held > self.bounds.body_bytes and size > self.bounds.body_bytes // self.count:
                    raise overloaded("body: no room for it beside those of other requests")
                underway.limit_s = self.bounds.body_s + size / self.bounds.body_rate
                if number > FREE_PARTS:
                    await self.pace(len(part))
            underway.works()
            return [part if isinstance(part, bytes) else bytes(part) for part in parts]
        except BaseException as error:
            self.forget(size)
            if isinstance(error, asyncio.CancelledError) and underway.is_late:
                underway.task.uncancel()
                rate = f"{self.bounds.body_s:g} s and {self.bounds.body_rate} bytes a second"
                raise ApiError(408, f"body: expected it within {rate}, got {size} bytes") from error
            if isinstance(error, ClientDisconnect):
                # The server's library says the same of chunks that it cannot read, whose client waits for an answer.
                LOG.debug("a body broke off, or could not be read, after %d bytes", size)
                text = f"body: expected a whole one, got {size} bytes and then no more, or a chunk that is none"
                raise ApiError(400, text, code="incomplete_body") from error
            raise

    async def pace(self, size: int) -> None:
        """Wait before more of a body is read, so that small requests come between.

        The server's library reads a part for each body that asks for one, in threads that want the interpreter as the
        loop does: 60 bodies that came at once left it hardly any of it, and 1,000 that trickled in kept it busy with
        parts of a few bytes. So beside others a long body takes its turn for each further part, and waits as long
        again as the loop was held up meanwhile; a short part waits until more has come.

        Args:
            size: of the last part.
        """
        if size < SHORT:
            await asyncio.sleep(self.count / SHORT_RATE)
        elif self.count > 1:
            async with self.turn:
                loop = asyncio.get_running_loop()
                due = loop.time() + size / LONG_RATE
                await asyncio.sleep(size / LONG_RATE)
                await asyncio.sleep(min(MOST_LATE_S, loop.time() - due))

    def forget(self, size: int) -> None:
        """Count a body of so many bytes as held no more."""
        self.stats.held -= size
        self.count -= 1
        self.freed(size)

    def freed(self, size: int) -> None:
        """Note that so many bytes are free; give memory back when there are many."""
        self.gone += size
        if self.gone > TRIM_BYTES:
            self.gone = 0
            loop = asyncio.get_running_loop()
            loop.call_later(TRIM_S, loop.run_in_executor, None, give_back)


def give_back() -> None:
    """Give free memory back to the system.

    The C library keeps what lies between pieces that are in use: 0.4 GB stayed with a server that had refused sixty
    bodies of 60 MB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def _check_headers(request: Request) -> None:
    """Look at what a request says of its body.

    Raises:
        ApiError: that it is compressed, or too long.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        text = f"Content-Encoding: expected identity or none, got {coding[:SHOWN]!r}; send the body as it is"
        raise ApiError(415, text, headers={"accept-encoding": "identity"})
    told = request.headers.get("content-length", "")
    if told.isdecimal() and (len(told) > 18 or int(told) > MAX_BODY_BYTES):
        raise _too_long()


def _add(parts: list[bytes | bytearray], part: bytes) -> None:
    """Keep a part of a body, a short one together with those before: each by itself costs 40 bytes more."""
    if len(part) >= SHORT or (part and not parts):
        parts.append(part)
    elif parts and isinstance(parts[-1], bytearray) and len(parts[-1]) < PIECE:
        parts[-1] += part
    elif part:
        parts.append(bytearray(part))


def _too_long() -> ApiError:
    """Refuse a body."""
    return ApiError(413, f"body: expected at most {MAX_BODY_BYTES} bytes", code="request_too_large")


# Answers on their way out over HTTP: whole, or piece by piece.


TAKEN_AT_ONCE = 5
"""Parts that granian takes over HTTP/2 of an answer whose client takes nothing, however long they are: one to be sent,
and four behind it."""
PART, LAST_PART = 1 << 16, 1 << 10
"""Bytes of a part of a whole answer; and of the last `TAKEN_AT_ONCE`, which may lie there when the request has ended:
until then its client has taken all that is before them."""
UNSEEN = 4
"""The part of `Bounds.answer_bytes`, a fourth, for answers that are given away in one part: it is not seen when their
clients take them. Connections that came when there were fewer may have left more than their share: a thousand, come one
by one, seven times all of it."""


class Departures:
    """The whole answers of all requests under way: their memory is bounded together.

    Args:
        stats: where to count them.
        peers: the clients; their bounds tell how many bytes.
        freed: told how many bytes are free again.
    """

    def __init__(self, stats: Stats, peers: Peers, freed: Callable[[int], None]) -> None:
        self.bounds = peers.bounds
        self.stats = stats
        self.peers = peers
        self.freed = freed
        self.sizes: dict[asyncio.Task[Any], int] = {}

    def at_once(self, request: Request) -> int:
        """Return how many bytes of an answer may be given away in one part.

        The more connections there are, and over HTTP/2 each of them may have `MAX_STREAMS`, the less.
        """
        most = len(self.peers.peers) * (MAX_STREAMS if request.scope["http_version"] == "2" else 1)
        return min(PIECE, max(TAKEN_AT_ONCE * LAST_PART, self.bounds.answer_bytes // UNSEEN // most))

    def hold(self, size: int) -> None:
        """Count an answer and granian's copy of some parts until the task that asks, the whole request, has ended.

        Called with an estimate before the answer is made, and with its size then.

        Raises:
            ApiError: there is no room for it.
        """
        task = asyncio.current_task()
        assert task is not None
        size += min(size, TAKEN_AT_ONCE * PART)
        known = self.sizes.get(task)
        more, count = size - (known or 0), len(self.sizes) + (known is None)
        full = self.stats.untaken + more > self.bounds.answer_bytes
        if more > 0 and full and size > self.bounds.answer_bytes // count:
            raise overloaded("answer: no room for it beside those that other clients have not taken yet")
        if known is None:
            task.add_done_callback(self.forget)
        self.sizes[task] = size
        self.stats.untaken += more

    def forget(self, task: "asyncio.Task[Any]") -> None:
        """Count a request's answer as held no more."""
        size = self.sizes.pop(task)
        self.stats.untaken -= size
        self.freed(size)


def _whole(engine: Engine, pieces: Sequence[bytes], content: str, fault: Fault, at_once: int) -> Any:
    """Send an answer that is whole; a cut sends the first part of what it announces.

    Args:
        engine: what counts a cut.
        pieces: the encoded answer.
        content: its media type, as it is sent.
        fault: of the answer.
        at_once: how many bytes may be given away in one part.
    """
    headers, size = {"content-type": content}, size_of(pieces)
    if fault.kind != "cut" and size <= at_once:
        return Response(b"".join(pieces), headers=headers)

    async def respond(_: Any, __: Receive, send: Send) -> None:
        left = int(size * fault.at) if fault.kind == "cut" else size
        await send(_start({**headers, "content-length": str(size)}))
        for part in _parts(pieces):
            # The server waits here while the reader is behind, so that granian holds a few parts and not all of it.
            await send({"type": "http.response.body", "body": part[:left], "more_body": True})
            left -= min(left, len(part))
            if not left:
                break
        if fault.kind == "cut":
            raise engine.cut()
        await send({"type": "http.response.body", "body": b""})

    return respond


def _parts(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """Cut an answer into the parts that are sent."""
    first, last = list(pieces), b""
    while first and len(last) < TAKEN_AT_ONCE * LAST_PART:
        last = first.pop() + last
    end = max(0, len(last) - TAKEN_AT_ONCE * LAST_PART)
    for piece in first:
        yield from (piece[start : start + PART] for start in range(0, len(piece), PART))
    yield from (last[start : min(start + PART, end)] for start in range(0, end, PART))
    yield from (last[start : start + LAST_PART] for start in range(end, len(last), LAST_PART))


def _start(headers: dict[str, str]) -> dict[str, Any]:
    """Begin a response."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": pairs}


def _streamed(
    stats: Stats, pieces: AsyncGenerator[Any, None], content: Content, kind: str, deadline: Deadline | None
) -> App:
    """Send an answer piece by piece, as fast as the model makes it and the reader takes it.

    When the deadline passes in the middle, the connection ends: a stream has no other word for it in all three forms.
    """
    codec, form = open_codec(content.codec, kind), STREAM_FORMS[content.media]

    async def pump(send: Send) -> None:
        count = 0
        async with aclosing(pieces):
            async for piece in pieces:
                # The server waits here while the reader is behind, and so does the model.
                data = form.wrap(codec.encode(piece), count)
                if not count:
                    # What the codec cannot carry is in the first piece already, and may still be refused.
                    await send(_start({"content-type": content.header(), "cache-control": "no-store"}))
                await send({"type": "http.response.body", "body": data, "more_body": True})
                count += 1
        await send({"type": "http.response.body", "body": form.end(count)})

    async def respond(_: Any, receive: Receive, send: Send) -> None:
        try:
            await before(deadline, lambda: _while_connected(receive, pump(send)), stats)
        except ClientDisconnected:
            LOG.debug("a client left its stream")

    return respond


REFUSALS = (ApiError, *BAD_BODY, HTTPException, Exception)


def application(engine: Engine) -> Tracked:
    """Build the ASGI application.

    Args:
        engine: what answers.
    """
    handlers = _Handlers(engine)
    routes = [Route(path, handlers.answer, methods=["POST"]) for path in PATHS]
    routes += [Route("/stats", handlers.stats), Route("/v1/models", handlers.models)]
    routes.append(Route(ECHO_PATH, handlers.echo, methods=["POST"]))
    refusals = dict.fromkeys(REFUSALS, handlers.refused)
    app = Starlette(routes=routes, exception_handlers={**refusals, ClientDisconnected: handlers.departed})
    # A redirect to a path with or without a slash would be built of the request's Host, whatever that holds.
    app.router.redirect_slashes = False
    return Tracked(app, engine.peers)


class _Handlers:
    """What answers each path, and each error.

    Args:
        engine: the model.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.arrivals = Arrivals(engine.settings.bounds, engine.stats)
        self.departures = Departures(engine.stats, engine.peers, self.arrivals.freed)

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
                admitted = partial(self.admitted, open_codec(content.codec, kinds.request), parts, forced)
                message, fault = await self.in_turn(request, parts, admitted)
                if self.engine.size(message) > LARGE_NUMBERS:
                    message = await self.prepared(request, kinds, content.codec, writes, parts, deadline)
        finally:
            self.arrivals.forget(size_of(parts))
        streams = bool(kinds.piece) and message.stream is True
        written = answer_content(accept, content, streams)
        takes_turns = is_long(parts) or self.engine.size(message) > LONG_NUMBERS
        if streams:
            pieces = self.engine.pieces(message, fault, shape, takes_turns)
            return _streamed(self.engine.stats, pieces, written, kinds.piece, deadline)
        self.departures.hold(self.engine.bytes(message))
        work = partial(self.engine.answer, message, fault, takes_turns)
        found = await before(deadline, lambda: _while_connected(request.receive, work()), self.engine.stats)
        if not isinstance(found, tuple):
            encode = partial(open_codec(written.codec, kinds.whole).encode, found)
            found = (await self.engine.heavy.by_turns(encode, takes_turns),)
        self.departures.hold(size_of(found))
        return _whole(self.engine, found, written.header(), fault, self.departures.at_once(request))

    async def prepared(
        self, request: Request, kinds: Kinds, codec: str, writes: str, parts: Sequence[bytes], deadline: Deadline | None
    ) -> Any:
        """Have a large request read, and a large answer made, by another process while its client is there."""
        answer = kinds.whole if writes else ""
        prepare = partial(self.engine.heavy.prepared, kinds.request, codec, parts, answer, writes)
        return await before(deadline, lambda: self.in_place(request, prepare), self.engine.stats)

    async def admitted(self, codec: Codec, parts: Sequence[bytes], forced: str) -> tuple[Any, Fault]:
        """Decode a request that is not large, and let it in."""
        message = await self.engine.heavy.decoded(codec, parts)
        admit = partial(self.engine.admit, message, forced)
        return message, await self.engine.heavy.by_turns(admit, is_long(parts))

    async def in_turn(self, request: Request, parts: Sequence[bytes], work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do work on a message that is not large; where it has to wait for its turn, while its client is there."""
        waits = is_long(parts) and self.engine.heavy.turn.locked()
        return await (self.run_until_disconnect(request, work()) if waits else work())

    async def in_place(self, request: Request, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for a place and do work while the client is there; the place is the request's until that has ended."""

        async def placed() -> T:
            await self.engine.heavy.place(request.scope[UNDERWAY].task)
            return await work()

        return await self.run_until_disconnect(request, placed())

    async def run_until_disconnect(self, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """Do work that is no answer of the engine's while its client is there, and count a client that goes."""
        try:
            return await _while_connected(request.receive, work)
        except ClientDisconnected:
            self.engine.stats.cancelled += 1
            raise

    async def stats(self, _: Request) -> Response:
        """Return the counters, and how many tasks the event loop has, this one among them."""
        found = {**self.engine.stats.to_dict(), "tasks": len(asyncio.all_tasks())}
        return Response(orjson.dumps(found), media_type="application/json")

    async def echo(self, request: Request) -> Any:
        """Return a message."""
        content, kind = request.headers.get("content-type", ""), request.headers.get(KIND_HEADER, "")
        header = BYTES if content == BYTES else content_of(content).header()
        parts = await self.arrivals.body(request)
        try:
            self.departures.hold(size_of(parts))
            work = partial(returned, self.engine.heavy, content, kind, parts)
            if content != BYTES and is_large(parts, content_of(content).codec):
                pieces = await self.in_place(request, work)
            else:
                pieces = await self.in_turn(request, parts, work)
        finally:
            self.arrivals.forget(size_of(parts))
        self.departures.hold(size_of(pieces))
        return _whole(self.engine, pieces, header, NO_FAULT, self.departures.at_once(request))

    async def models(self, _: Request) -> Response:
        """List the one model."""
        model = {"id": "serlab", "object": "model", "created": CREATED, "owned_by": "serlab"}
        return Response(orjson.dumps({"object": "list", "data": [model]}), media_type="application/json")

    async def refused(self, _: Request, error: Exception) -> Response:
        """Answer with an error."""
        self.engine.stats.refused += 1
        refusal = _said(error) if isinstance(error, HTTPException) else api_error_for(error)
        body = orjson.dumps(refusal.document())
        return Response(body, refusal.status, refusal.headers, media_type="application/json")

    async def departed(self, _: Request, __: Exception) -> Response:
        """Answer nobody; who has left is counted."""
        return Response(status_code=GONE)


def _said(error: HTTPException) -> ApiError:
    """Return what starlette says (no such path, no such method) in the API's shape."""
    return ApiError(error.status_code, error.detail, headers=error.headers or {})
