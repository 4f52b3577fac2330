"""Reads the streams of one way, and notes when the first token was there."""

from contextlib import aclosing
from time import perf_counter_ns
from typing import Any

from serlab.service.clients import Client, Payload, Transport
from serlab.service.experiments.streamways import FORMS, Way


class Reader:
    """Reads streams of one way.

    Args:
        transport: what carries them.
        way: which.

    Attributes:
        firsts: nanoseconds from the begin of each call to its first token, decoded.
    """

    def __init__(self, transport: Transport, way: Way) -> None:
        self.client = Client(transport, "ChatRequest", way.codec, FORMS[way.form], way.shape.headers())
        self.way = way
        self.firsts: list[int] = []

    def payload(self, request: Any) -> Payload:
        """Encode a request once, for who wants only the bytes of its answer."""
        return self.client.payload(self.client.request.encode(request), streams=True)

    async def read(self, request: Any) -> None:
        """Read a stream to its end."""
        began, first = perf_counter_ns(), 0
        async with aclosing(self.client.stream(request)) as chunks:
            async for chunk in chunks:
                if not first and text_of(chunk.message):
                    first = perf_counter_ns() - began
        self.firsts.append(first)

    async def texts(self, request: Any) -> list[str]:
        """Read the pieces of an answer's text."""
        async with aclosing(self.client.stream(request)) as chunks:
            return [text for text in [text_of(chunk.message) async for chunk in chunks] if text]

    async def drop(self, payload: Payload) -> int:
        """Read the bytes of a stream and drop them; tell how many there were."""
        size = 0
        async with aclosing(self.client.transport.stream(payload)) as pieces:
            async for data, _ in pieces:
                size += len(data)
        return size


def text_of(chunk: Any) -> str:
    """Give the text that a piece adds; the first and the last add none."""
    return "".join(choice.delta.content or "" for choice in chunk.choices or ())
