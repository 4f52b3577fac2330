"""LLMService over gRPC: the stub calls the server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from serlab.codecs import open_codec
from serlab.generated import llm_pb2, llm_pb2_grpc
from serlab.messages import from_document
from serlab.wire import Faults, Latency, ModelServer, Settings, running
from tests.wire.helpers import PATH, asking, bounded, client, request, until

PROMPT: Any = llm_pb2.GenerateRequest(model="m", prompt=llm_pb2.Prompt(text="once"), max_tokens=12)
FORCED = "x-serlab-fault"


def channel(server: ModelServer) -> Any:
    """Open a channel without TLS."""
    return grpc.aio.insecure_channel(server.addresses.grpc)


def message(kind: str, found: Any) -> Any:
    """Read what a stub gave."""
    return open_codec("protobuf", kind).convert(found)


async def conversations(*requests: Any) -> AsyncIterator[Any]:
    """Yield chat requests as protobuf objects."""
    for one in requests:
        yield open_codec("protobuf", "ChatRequest").populate(one)


def test_generate_gives_the_continuation_that_its_stream_gives() -> None:
    """Unary, and server streaming."""

    async def work() -> None:
        async with running() as server, channel(server) as open_channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
            whole = message("GenerateResponse", await stub.Generate(PROMPT)).choices[0]
            pieces = [message("GenerateResponse", piece) async for piece in stub.GenerateStream(PROMPT)]
            assert whole.text == "".join(piece.choices[0].text for piece in pieces)
            assert len(pieces) == 13 and pieces[-1].choices[0].finish_reason == whole.finish_reason == "length"

    bounded(work())


PAIR = llm_pb2.Prompt(token_lists=[llm_pb2.TokenIds(ids=[1, 2]), llm_pb2.TokenIds(ids=[3])])


@pytest.mark.parametrize(
    ("prompt", "tokens", "choices"),
    [(llm_pb2.Prompt(tokens=[1, 2]), 2, 1), (llm_pb2.Prompt(texts=["x", "y"]), 2, 2), (PAIR, 3, 2)],
)
def test_each_prompt_has_its_choice_and_its_tokens_are_counted(prompt: Any, tokens: int, choices: int) -> None:
    """As over HTTP, whole and streamed."""

    async def work() -> None:
        async with running() as server, channel(server) as open_channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
            asked = llm_pb2.GenerateRequest(model="m", prompt=prompt, max_tokens=3)
            whole = message("GenerateResponse", await stub.Generate(asked))
            assert whole.usage.prompt_tokens == tokens and whole.usage.completion_tokens == 3 * choices
            texts = [""] * choices
            async for piece in stub.GenerateStream(asked):
                choice = message("GenerateResponse", piece).choices[0]
                texts[choice.index] += choice.text
            assert texts == [choice.text for choice in whole.choices]

    bounded(work())


def test_chat_answers_each_request_of_a_stream_as_http_does() -> None:
    """Bidirectional; the chunks are those of HTTP."""

    async def work() -> None:
        async with running(Settings(tokens=6)) as server, channel(server) as open_channel, client(server) as http:
            stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
            requests = [request(user=user) for user in ("a", "b")]
            found = [message("ChatChunk", chunk) async for chunk in stub.Chat(conversations(*requests))]
            expected = []
            for user in ("a", "b"):
                headers = {"accept": "application/x-ndjson"}
                lines = await http.post(PATH, json=asking(user=user, stream=True), headers=headers)
                expected += [open_codec("orjson", "ChatChunk").decode(line) for line in lines.content.splitlines()]
            assert found == expected and len(found) == 16

    bounded(work())


def test_chat_can_be_a_conversation() -> None:
    """The second request is sent when the first answer has come."""

    async def work() -> None:
        async with running(Settings(tokens=4)) as server, channel(server) as open_channel:
            call: Any = llm_pb2_grpc.LLMServiceStub(open_channel).Chat()
            for turn in range(3):
                await call.write(await anext(conversations(request(user=str(turn)))))
                texts = [message("ChatChunk", await call.read()) for _ in range(6)]
                assert texts[-1].choices[0].finish_reason == "stop"
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF and server.stats.completed == 3

    bounded(work())


def test_grpc_over_tls() -> None:
    """With the server's own authority."""

    async def work() -> None:
        async with running() as server:
            credentials = grpc.ssl_channel_credentials(Path(server.addresses.ca_file).read_bytes())
            async with grpc.aio.secure_channel(server.addresses.grpcs, credentials) as open_channel:
                stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
                assert (await stub.Generate(PROMPT)).choices[0].text

    bounded(work())


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("error", grpc.StatusCode.INTERNAL),
        ("rate-limit", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("cut", grpc.StatusCode.UNAVAILABLE),
        ("flood", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
def test_fault_is_a_status(fault: str, code: grpc.StatusCode, streams: bool) -> None:
    """A rate limit says when to come again, as gRPC does."""

    async def work() -> None:
        async with running(Settings(faults=Faults(retry_after_s=2))) as server, channel(server) as open_channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
            metadata = ((FORCED, fault),)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                if streams:
                    _ = [piece async for piece in stub.GenerateStream(PROMPT, metadata=metadata)]
                else:
                    await stub.Generate(PROMPT, metadata=metadata)
            assert caught.value.code() == code
            pushback = dict(caught.value.trailing_metadata()).get("grpc-retry-pushback-ms")
            assert pushback == ("2000" if fault == "rate-limit" else None)
            assert server.stats.active == 0 and server.stats.cut == (fault == "cut")

    bounded(work())


def test_wrong_request_is_an_invalid_argument() -> None:
    """As it is a 400 over HTTP."""

    async def work() -> None:
        async with running() as server, channel(server) as open_channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Generate(llm_pb2.GenerateRequest(n=3))
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            empty = from_document("ChatRequest", {"model": "m", "messages": []})
            with pytest.raises(grpc.aio.AioRpcError, match="messages"):
                _ = [chunk async for chunk in stub.Chat(conversations(empty))]

    bounded(work())


def test_slow_reader_holds_the_model_back() -> None:
    """No more tokens are made than the windows of HTTP/2 hold."""

    async def work() -> None:
        async with running(Settings(tokens=1_000_000)) as server, channel(server) as open_channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
            call = stub.GenerateStream(llm_pb2.GenerateRequest(model="m"))
            await call.read()
            made = [-1, 0]
            while made[-1] != made[-2]:
                await asyncio.sleep(0.3)
                made.append(server.stats.tokens)
            assert 0 < made[-1] < 200_000
            for _ in range(made[-1] + 100):
                await call.read()
            assert server.stats.tokens > made[-1]
            call.cancel()

    bounded(work())


@pytest.mark.parametrize("streams", [False, True])
def test_cancelled_call_stops_the_work(streams: bool) -> None:
    """The counters come back to zero."""

    async def work() -> None:
        settings = Settings(tokens=100_000, latency=Latency(token_s=0.005))
        async with running(settings) as server, channel(server) as open_channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(open_channel)
            prompt = llm_pb2.GenerateRequest(model="m")
            call = stub.GenerateStream(prompt) if streams else stub.Generate(prompt)
            waiting = asyncio.ensure_future(call.read()) if streams else asyncio.ensure_future(call)
            assert await until(lambda: server.stats.active == 1)
            call.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert await until(lambda: server.stats.active == 0) and server.stats.cancelled == 1

    bounded(work())
