"""The gRPC half: `LLMService` of schemas/llm.proto on grpc.aio, over the same engine.

Requests are taken as bytes and go in as those of HTTP do, so that the same limits hold and what is no message has the
same words: grpc's own deserializer would build the whole of a message before anybody can look at it, and call its
failure UNKNOWN.

A client's cancellation cancels the coroutine that answers it. A fault comes as the status that gRPC has for it:
INTERNAL, RESOURCE_EXHAUSTED (with `grpc-retry-pushback-ms`), UNAVAILABLE for a cut. `x-serlab-fault` is metadata here.

Source: gRPC's status codes; gRFC A6 for the pushback.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc

from serlab.codecs import Codec, open_codec
from serlab.wire.api_errors import Cut, api_error_for, one_line
from serlab.wire.content import GRPC, SHOWN
from serlab.wire.heavy import LARGE_NUMBERS, LONG_NUMBERS, is_large, is_long, joined
from serlab.wire.model import Engine
from serlab.wire.settings import Fault

SERVICE = "serlab.LLMService"
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}


class Service:
    """The methods of LLMService, by the names in the schema.

    Args:
        engine: what answers.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        kinds = ("ChatRequest", "ChatChunk", "GenerateRequest", "GenerateResponse")
        self.codecs: dict[str, Codec] = {kind: open_codec(GRPC, kind) for kind in kinds}

    def handler(self) -> Any:
        """Return what a gRPC server needs to answer; bytes go in and out, for no serializer is named."""
        handlers = {
            "Generate": grpc.unary_unary_rpc_method_handler(self.Generate),
            "GenerateStream": grpc.unary_stream_rpc_method_handler(self.GenerateStream),
            "Chat": grpc.stream_stream_rpc_method_handler(self.Chat),
        }
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def Generate(self, request: bytes, context: Any) -> Any:
        """Answer a prompt with one message."""
        try:
            message, fault, takes_turns = await self.admitted("GenerateRequest", "GenerateResponse", request, context)
            answer = await self.engine.answer(message, fault, takes_turns)
            if fault.kind == "cut":
                raise self.engine.cut()
            if isinstance(answer, tuple):
                return joined(answer)
            encode = partial(self.codecs["GenerateResponse"].encode, answer)
            return await self.engine.heavy.by_turns(encode, takes_turns)
        except asyncio.CancelledError:
            self.left(context)
            raise
        except Exception as error:
            await self.refuse(context, error)

    async def GenerateStream(self, request: bytes, context: Any) -> AsyncGenerator[bytes, None]:
        """Answer a prompt token by token."""
        async with aclosing(self.pieces("GenerateRequest", "GenerateResponse", request, context)) as pieces:
            async for piece in pieces:
                yield piece

    async def Chat(self, requests: AsyncIterator[bytes], context: Any) -> AsyncGenerator[bytes, None]:
        """Answer each request of a stream with its chunks, one request after another."""
        async for request in requests:
            async with aclosing(self.pieces("ChatRequest", "ChatChunk", request, context)) as pieces:
                async for piece in pieces:
                    yield piece

    async def pieces(self, asked: str, answered: str, request: bytes, context: Any) -> AsyncGenerator[bytes, None]:
        """Answer one request piece by piece; a call may have others, so its place is given up after each."""
        encode, task = self.codecs[answered].encode, asyncio.current_task()
        try:
            message, fault, takes_turns = await self.admitted(asked, "", request, context)
            async with aclosing(self.engine.pieces(message, fault, takes_turns=takes_turns)) as pieces:
                async for piece in pieces:
                    yield encode(piece)
        except (asyncio.CancelledError, GeneratorExit):
            # A call that ends while gRPC sends a piece is not thrown in here: the generator is closed.
            self.left(context)
            raise
        except Exception as error:
            await self.refuse(context, error)
        finally:
            self.engine.heavy.leave(task)

    async def admitted(self, kind: str, answer: str, data: bytes, context: Any) -> tuple[Any, Fault, bool]:
        """Decode a request and let it in; have a child do what is large.

        Args:
            kind: of the request.
            answer: the kind of a whole answer, "" for a stream.
            data: the request.
            context: of the call.

        Returns:
            The message or what a child has made of it, its fault, and whether the work on it takes turns.

        Raises:
            DecodeError: it is no message; or ApiError, if it is not let in.
        """
        heavy, parts = self.engine.heavy, (data,)
        prepare = partial(heavy.prepared, kind, GRPC, parts, answer, GRPC if answer else "")
        if is_large(parts, GRPC):
            await heavy.place(asyncio.current_task())
            message = await prepare()
            return message, self.admit(message, context), False
        message = await heavy.decoded(self.codecs[kind], parts)
        fault = await heavy.by_turns(partial(self.admit, message, context), is_long(parts))
        size = self.engine.size(message)
        if size > LARGE_NUMBERS:
            await heavy.place(asyncio.current_task())
            message = await prepare()
        return message, fault, is_long(parts) or size > LONG_NUMBERS

    def left(self, context: Any) -> None:
        """Count a call that was cancelled, by gRPC itself, because its deadline passed."""
        left_s = context.time_remaining()
        self.engine.stats.expired += left_s is not None and left_s <= 0

    def admit(self, message: Any, context: Any) -> Fault:
        """Let a request in, with the fault that its metadata ask for.

        Raises:
            ApiError: it is not let in.
            UnknownNameError: there is no such fault.
        """
        forced = dict(context.invocation_metadata() or ()).get("x-serlab-fault", "")
        return self.engine.admit(message, str(forced)[:SHOWN])

    async def refuse(self, context: Any, error: Exception) -> None:
        """End a call with the status for an error; raises gRPC's own exception."""
        if isinstance(error, Cut):
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            return
        self.engine.stats.refused += 1
        refusal = api_error_for(error)
        wait_ms = refusal.headers.get("retry-after-ms")
        trailing = (("grpc-retry-pushback-ms", wait_ms),) if wait_ms else ()
        await context.abort(CODES.get(refusal.status, grpc.StatusCode.UNKNOWN), one_line(str(refusal)), trailing)
