"""Which clients of gRPC have a call under way; see `serlab.service.peers`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any
from urllib.parse import unquote

import grpc

from serlab.service.peers import Address, Peers, Underway


class Watched(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handlers that note their calls.

    Args:
        handlers: what answers.
        peers: where to note.
    """

    def __init__(self, handlers: Any, peers: Peers) -> None:
        self.handlers = handlers
        self.peers = peers
        self.known: dict[str, Any] = {}

    def service(self, details: Any) -> Any:
        """Give what answers a method, None if nothing does."""
        handler = self.known.get(details.method)
        if handler is None and (plain := self.handlers.service(details)) is not None:
            handler = self.known[details.method] = self.watched(plain)
        return handler

    def watched(self, handler: Any) -> Any:
        """Give a handler that does the same."""
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(self.both(handler.stream_stream))
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self.stream(handler.unary_stream))
        return grpc.unary_unary_rpc_method_handler(self.unary(handler.unary_unary))

    @contextmanager
    def call(self, context: Any) -> Iterator[Underway]:
        """Note a call whose request has come."""
        found = self.peers.begin(address_of(context.peer()), asyncio.current_task())
        found.works()
        try:
            yield found
        finally:
            self.peers.end(found)

    def unary(self, answer: Any) -> Any:
        """Watch a method of one answer."""

        async def watched(request: bytes, context: Any) -> Any:
            with self.call(context):
                return await answer(request, context)

        return watched

    def stream(self, answer: Any) -> Any:
        """Watch a method that answers with a stream."""

        async def watched(request: bytes, context: Any) -> AsyncGenerator[bytes, None]:
            with self.call(context) as call:
                async with aclosing(answer(request, context)) as pieces:
                    async for piece in pieces:
                        call.waits(self.peers.bounds.taken_s)
                        yield piece
                        call.works()

        return watched

    def both(self, answer: Any) -> Any:
        """Watch a method of two streams."""

        async def watched(requests: AsyncIterator[bytes], context: Any) -> AsyncGenerator[bytes, None]:
            with self.call(context) as call:
                async with aclosing(answer(self.asked(requests, call), context)) as pieces:
                    async for piece in pieces:
                        call.waits(self.peers.bounds.taken_s)
                        yield piece
                        call.works()

        return watched

    async def asked(self, requests: AsyncIterator[bytes], call: Underway) -> AsyncGenerator[bytes, None]:
        """Note that a call waits for its client's next request, as a connection does."""
        call.waits(self.peers.bounds.idle_s)
        async for request in requests:
            call.works()
            yield request
            call.waits(self.peers.bounds.idle_s)


def address_of(peer: str) -> Address:
    """Read a peer as gRPC writes it: ipv4:127.0.0.1:4000, ipv6:%5B::1%5D:4000."""
    host, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0
