"""The gRPC half: `LLMService` of schemas/llm.proto on grpc.aio, over the same engine.

A client's cancellation cancels the coroutine that answers it. A fault comes as the status that gRPC has for it:
INTERNAL, RESOURCE_EXHAUSTED (with `grpc-retry-pushback-ms`), UNAVAILABLE for a cut. `x-serlab-fault` is metadata here.

Source: gRPC's status codes; gRFC A6 for the pushback.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from serlab.codecs import Codec, open_codec
from serlab.errors import DecodeError, EncodeError, ServiceError, UnknownNameError
from serlab.service.engine import Engine
from serlab.service.faults import Fault
from serlab.service.refusals import Refusal

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
}


class Service:
    """The methods of LLMService, by the names in the schema.

    Args:
        engine: what answers.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        kinds = ("ChatRequest", "ChatChunk", "GenerateRequest", "GenerateResponse")
        self.codecs: dict[str, Codec] = {kind: open_codec("protobuf", kind) for kind in kinds}

    async def Generate(self, request: Any, context: Any) -> Any:
        """Answer a prompt with one message."""
        try:
            message = self.read("GenerateRequest", request)
            fault = self.admit(message, context)
            answer = await self.engine.answer(message, fault)
            if fault.kind == "cut":
                raise self.engine.cut()
            return self.codecs["GenerateResponse"].populate(answer)
        except ServiceError as error:
            await self.refuse(context, error)
        except asyncio.CancelledError:
            self.left(context)
            raise

    async def GenerateStream(self, request: Any, context: Any) -> AsyncGenerator[Any, None]:
        """Answer a prompt token by token."""
        async with aclosing(self.pieces("GenerateRequest", "GenerateResponse", request, context)) as pieces:
            async for piece in pieces:
                yield piece

    async def Chat(self, requests: AsyncIterator[Any], context: Any) -> AsyncGenerator[Any, None]:
        """Answer each request of a stream with its chunks, one request after another."""
        async for request in requests:
            async with aclosing(self.pieces("ChatRequest", "ChatChunk", request, context)) as pieces:
                async for piece in pieces:
                    yield piece

    async def pieces(self, asked: str, answered: str, request: Any, context: Any) -> AsyncGenerator[Any, None]:
        """Answer one request piece by piece."""
        populate = self.codecs[answered].populate
        try:
            message = self.read(asked, request)
            fault = self.admit(message, context)
            async with aclosing(self.engine.pieces(message, fault)) as pieces:
                async for piece in pieces:
                    yield populate(piece)
        except ServiceError as error:
            await self.refuse(context, error)
        except asyncio.CancelledError:
            self.left(context)
            raise

    def left(self, context: Any) -> None:
        """Count a call that was cancelled, by gRPC itself, because its deadline passed."""
        left_s = context.time_remaining()
        self.engine.stats.expired += left_s is not None and left_s <= 0

    def read(self, kind: str, request: Any) -> Any:
        """Turn the stub's object into a message.

        Raises:
            Refusal: it is none.
        """
        codec = self.codecs[kind]
        refusals: tuple[type[Exception], ...] = (DecodeError, EncodeError, *codec.refused_by())
        try:
            return codec.convert(request)
        except refusals as error:
            raise Refusal(400, f"expected a {kind}: {error}") from error

    def admit(self, message: Any, context: Any) -> Fault:
        """Let a request in, with the fault that its metadata ask for.

        Raises:
            Refusal: it is not let in.
        """
        forced = dict(context.invocation_metadata() or ()).get("x-serlab-fault", "")
        try:
            return self.engine.admit(message, str(forced))
        except UnknownNameError as error:
            raise Refusal(400, str(error)) from error

    async def refuse(self, context: Any, error: ServiceError) -> None:
        """End a call with the status for an error; raises gRPC's own exception."""
        if not isinstance(error, Refusal):
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            return
        self.engine.stats.refused += 1
        wait_ms = error.headers.get("retry-after-ms")
        trailing = (("grpc-retry-pushback-ms", wait_ms),) if wait_ms else ()
        await context.abort(CODES.get(error.status, grpc.StatusCode.UNKNOWN), str(error), trailing)
