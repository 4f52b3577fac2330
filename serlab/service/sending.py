"""Answers on their way out over HTTP: whole, or piece by piece."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from starlette.responses import Response

from serlab.codecs import open_codec
from serlab.service.calls import App, Receive, Send
from serlab.service.deadlines import Deadline, before
from serlab.service.departures import while_connected
from serlab.service.engine import Engine
from serlab.service.faults import Fault
from serlab.service.negotiate import Content
from serlab.service.refusals import Departed
from serlab.service.stats import Stats
from serlab.service.stream import STREAM_FORMS

LOG = logging.getLogger("serlab.service")


def whole(engine: Engine, pieces: Sequence[bytes], content: str, fault: Fault) -> Any:
    """Send an answer that is whole; a cut sends the first part of what it announces.

    Args:
        engine: what counts a cut.
        pieces: the encoded answer.
        content: its media type, as it is sent.
        fault: of the answer.
    """
    headers = {"content-type": content}
    if fault.kind != "cut" and len(pieces) == 1:
        return Response(pieces[0], headers=headers)
    size = sum(map(len, pieces))

    async def respond(_: Any, __: Receive, send: Send) -> None:
        left = int(size * fault.at) if fault.kind == "cut" else size
        await send(start({**headers, "content-length": str(size)}))
        for piece in pieces:
            # The server waits here while the reader is behind, so that it need not hold a copy of all that is left.
            await send({"type": "http.response.body", "body": piece[:left], "more_body": True})
            left -= min(left, len(piece))
        if fault.kind == "cut":
            raise engine.cut()
        await send({"type": "http.response.body", "body": b""})

    return respond


def start(headers: dict[str, str]) -> dict[str, Any]:
    """Begin a response."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": pairs}


def streamed(
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
                    await send(start({"content-type": content.header(), "cache-control": "no-store"}))
                await send({"type": "http.response.body", "body": data, "more_body": True})
                count += 1
        await send({"type": "http.response.body", "body": form.end(count)})

    async def respond(_: Any, receive: Receive, send: Send) -> None:
        try:
            await before(deadline, lambda: while_connected(receive, pump(send)), stats)
        except Departed:
            LOG.debug("a client left its stream")

    return respond
