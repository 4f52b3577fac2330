"""Any codec on any transport: the answers are the same."""

import asyncio
import gzip
import re
import subprocess
import sys
import time
from contextlib import aclosing, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded

from serlab.codecs import open_codec, verifying_codecs
from serlab.errors import ServiceError, UnknownNameError
from serlab.messages import ChatRequest, from_document
from serlab.wire import Addresses, Faults, Latency, Settings, running, transport
from serlab.wire.clients import TRANSPORTS, BrokenError, Client, RefusedError, open_transport
from serlab.wire.settings import MAX_BODY_BYTES
from serlab.wire.timeouts import retry_after
from tests.wire.clienthelpers import HTTP_ARMS, PROMPT, messages, opened
from tests.wire.helpers import HELLO, bounded, request, until

EMBED = from_document("EmbeddingRequest", {"model": "e", "input": ["a", "b"]})


@pytest.mark.parametrize("arm", HTTP_ARMS)
def test_every_codec_gets_the_same_answers_over_http(arm: str) -> None:
    """Whole and streamed, chat, prompt and vectors, compared with what orjson gets."""

    async def work() -> None:
        async with running(Settings(tokens=6, dimensions=8)) as server, opened(arm, server.addresses) as transport:
            expected: Any = None
            for codec in ("orjson", *verifying_codecs()):
                found = await everything(transport, codec)
                expected = expected or found
                assert found == expected, codec
            assert transport.opened == 1 and server.stats.refused == 0

    bounded(work(), 60)


async def everything(transport: Any, codec: str) -> list[Any]:
    """Ask for an answer of each kind, whole and streamed."""
    chat = Client(transport, "ChatRequest", codec)
    prompt = Client(transport, "GenerateRequest", codec)
    vectors = Client(transport, "EmbeddingRequest", codec)
    wholes = [await chat.call(HELLO), await prompt.call(PROMPT), await vectors.call(EMBED)]
    return [
        *(answer.message for answer in wholes),
        await messages(chat, HELLO),
        await messages(prompt, PROMPT),
    ]


@pytest.mark.parametrize("arm", ["grpc", "grpc-tls"])
def test_grpc_gets_the_answers_that_http_gets(arm: str) -> None:
    """Prompts whole and streamed, chats streamed."""

    async def work() -> None:
        async with running(Settings(tokens=6)) as server:
            async with opened("http", server.addresses) as http, opened(arm, server.addresses) as grpc:
                found = [await prompts_and_chat(transport) for transport in (http, grpc)]
            assert found[0] == found[1] and all(found[0])

    bounded(work())


async def prompts_and_chat(transport: Any) -> list[Any]:
    """Ask for what gRPC has too."""
    chat, prompt = (Client(transport, kind, "protobuf") for kind in ("ChatRequest", "GenerateRequest"))
    return [(await prompt.call(PROMPT)).message, await messages(prompt, PROMPT), await messages(chat, HELLO)]


@pytest.mark.parametrize("codec", ["orjson", "msgspec-json", "json"])
@pytest.mark.parametrize("form", ["text/event-stream", "application/x-ndjson", "application/x-serlab-frames"])
def test_json_comes_in_all_three_forms_of_a_stream(codec: str, form: str) -> None:
    """The chunks are the same."""

    async def work() -> None:
        async with running(Settings(tokens=6)) as server, opened("http", server.addresses) as transport:
            found = await messages(Client(transport, "ChatRequest", codec, form), HELLO)
            assert found == await messages(Client(transport, "ChatRequest", "protobuf"), HELLO) and len(found) == 8

    bounded(work())


@pytest.mark.parametrize("arm", TRANSPORTS)
def test_bytes_go_in_and_come_out_without_a_codec(arm: str) -> None:
    """The transport alone takes an encoded request, and gives the bytes that the codec decodes."""

    async def work() -> None:
        async with running() as server, opened(arm, server.addresses) as transport:
            client = Client(transport, "GenerateRequest", "protobuf")
            data = open_codec("protobuf", "GenerateRequest").encode(PROMPT)
            reply = await transport.call(client.payload(data))
            answer = await client.call(PROMPT)
            assert open_codec("protobuf", "GenerateResponse").decode(reply.data) == answer.message
            assert reply.began_ns <= reply.first_ns <= reply.ended_ns <= answer.began_ns <= answer.first_ns

    bounded(work())


@pytest.mark.parametrize("arm", ["http", "httpx2", "http2", "grpc"])
def test_times_are_those_of_the_model(arm: str) -> None:
    """No chunk comes before its token's time, and they come while the model makes the others, not all at the end."""

    async def work() -> None:
        settings = Settings(latency=Latency(first_token_s=0.15, token_s=0.2))
        async with running(settings) as server, opened(arm, server.addresses) as transport:
            client = Client(transport, "GenerateRequest", "protobuf")
            began = time.perf_counter_ns()
            async with aclosing(client.stream(PROMPT)) as chunks:
                found = [((chunk.time_ns - began) / 1e9, server.stats.tokens) async for chunk in chunks]
            times = [time_s for time_s, _ in found]
            assert times == sorted(times) and len(times) == 10
            assert all(time_s > 0.15 + token * 0.2 - 0.01 for token, time_s in enumerate(times[:9]))
            assert found[0][1] < found[8][1] == 9

    bounded(work())


@pytest.mark.parametrize("arm", ["http", "httpx2", "http2", "grpc"])
@pytest.mark.parametrize("streams", [False, True])
def test_faults_are_errors_of_one_kind_each(arm: str, streams: bool) -> None:
    """A refusal has its status and when to come again; a cut is a broken call."""

    async def work() -> None:
        faults = Faults(retry_after_s=2)
        async with running(Settings(faults=faults)) as server, opened(arm, server.addresses) as transport:
            for fault, status, retry in (("error", 500, None), ("rate-limit", 429, 2.0)):
                with pytest.raises(RefusedError) as refused:
                    await asked(transport, fault, streams)
                assert (refused.value.status, refused.value.retry_after_s) == (status, retry)
            with pytest.raises(BrokenError) as broken:
                await asked(transport, "cut", streams)
            # The first seeded cut of a stream comes after some tokens; a whole answer over gRPC has no first part.
            assert broken.value.began == (streams or arm != "grpc")
            assert (await Client(transport, "GenerateRequest", "protobuf").call(PROMPT)).message.choices
            assert server.stats.active == 0

    bounded(work())


async def asked(transport: Any, fault: str, streams: bool) -> None:
    """Ask for a fault."""
    client = Client(transport, "GenerateRequest", "protobuf", headers={"x-serlab-fault": fault})
    await (messages(client, PROMPT) if streams else client.call(PROMPT))


@pytest.mark.parametrize("arm", ["http", "httpx2", "http2", "grpc"])
def test_nobody_listening_is_a_broken_call(arm: str) -> None:
    """Whose answer had not begun."""

    async def work() -> None:
        async with running() as server:
            addresses = server.addresses
        with pytest.raises(BrokenError) as caught:
            transport = open_transport(arm, addresses)
            try:
                await Client(transport, "GenerateRequest", "protobuf").call(PROMPT)
            finally:
                await transport.close()
        assert not caught.value.began

    bounded(work())


def test_call_and_stream_set_what_they_need_and_leave_the_request() -> None:
    """A request that asks for a stream can be called, and the other way round."""

    async def work() -> None:
        async with running(Settings(tokens=3)) as server, opened("http", server.addresses) as transport:
            client = Client(transport, "ChatRequest")
            streaming: ChatRequest = request(stream=True)
            assert (await client.call(streaming)).message.choices and streaming.stream is True
            assert len(await messages(client, HELLO)) == 5 and HELLO.stream is not True

    bounded(work())


def test_what_a_client_cannot_do_is_refused_when_it_is_made() -> None:
    """Other codecs over gRPC, unknown kinds, codecs, forms and arms; a whole chat over gRPC when it is asked for."""

    async def work() -> None:
        async with (
            running() as server,
            opened("grpc", server.addresses) as grpc,
            opened("http", server.addresses) as http,
        ):
            for transport, kind, codec, form in (
                (grpc, "ChatRequest", "orjson", ""),
                (http, "ChatChunk", "orjson", ""),
                (http, "ChatRequest", "protobuf", "text/event-stream"),
                (http, "ChatRequest", "orjson", "text/plain"),
            ):
                with pytest.raises(ServiceError):
                    Client(transport, kind, codec, form)
            with pytest.raises(UnknownNameError):
                Client(http, "ChatRequest", "orjsn")
            with pytest.raises(UnknownNameError, match="verifies"):
                Client(http, "ChatRequest", "flatbuffers-unverified")
            with pytest.raises(UnknownNameError, match="http2"):
                open_transport("htp2", server.addresses)
            with pytest.raises(ServiceError, match="completions"):
                await Client(grpc, "ChatRequest", "protobuf").call(HELLO)
            with pytest.raises(ServiceError, match="none"):
                await messages(Client(http, "EmbeddingRequest"), EMBED)

    bounded(work())


@pytest.mark.parametrize("arm", ["http", "httpx2", "http2"])
@pytest.mark.parametrize("most", [1000, 3_000_000])
def test_answer_without_end_is_held_to_a_bound(monkeypatch: pytest.MonkeyPatch, arm: str, most: int) -> None:
    """The call ends as broken; the connection is left, whatever the server would still send."""
    monkeypatch.setattr(transport, "MOST_ANSWER", most)

    async def work() -> None:
        async with running(Settings(tokens=1_000_000)) as server, opened(arm, server.addresses) as way:
            client = Client(way, "GenerateRequest", "orjson")
            asked = from_document("GenerateRequest", {"model": "m", "prompt": "once", "stream": True})
            # What is asked for is a stream that takes hours, and it is read as one answer.
            with pytest.raises(BrokenError, match=f"more than {most:,} bytes"):
                await way.call(client.payload(client.request.encode(asked)))
            assert await until(lambda: server.stats.active == 0)

    bounded(work())


@pytest.mark.parametrize("arm", ["http", "httpx2"])
@pytest.mark.parametrize("packed", [False, True])
def test_complaint_without_end_is_read_no_further_than_anybody_would(arm: str, packed: bool) -> None:
    """Nor is it unpacked."""
    coding = "Content-Encoding: gzip\r\n" if packed else ""
    head, left = f"HTTP/1.1 500 Oh\r\n{coding}Transfer-Encoding: chunked\r\n\r\n".encode(), asyncio.Event()

    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        with closing(writer), suppress(OSError):
            while not writer.is_closing():
                writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
                await writer.drain()
        left.set()

    async def work() -> None:
        async with await asyncio.start_server(complain, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with opened(arm, Addresses(url, url, "", "", "", 0)) as way:
                with pytest.raises(RefusedError, match="x" * 100) as caught:
                    await Client(way, "GenerateRequest", "orjson").call(PROMPT)
                assert caught.value.status == 500
            await left.wait()

    bounded(work())


@pytest.mark.parametrize("streams", [False, True])
def test_message_that_is_too_large_for_grpc_is_no_rate_limit(streams: bool) -> None:
    """As over HTTP, the status says that coming again is no use."""
    asked = from_document("GenerateRequest", {"model": "m", "prompt": "x" * MAX_BODY_BYTES})

    async def work() -> None:
        async with running() as server, opened("grpc", server.addresses) as way:
            client = Client(way, "GenerateRequest", "protobuf")
            with pytest.raises(RefusedError, match="larger than max") as caught:
                await (messages(client, asked) if streams else client.call(asked))
            assert caught.value.status == 413

    bounded(work())


def test_complaint_of_a_server_is_shown_without_what_a_terminal_would_obey() -> None:
    """Escape sequences, line ends, text that runs backwards."""
    shown = str(RefusedError(500, "a\x1b]0;b\x07\r\nc\u202ed\ud800" + "e" * 5000, None, "here"))
    assert shown.isprintable() and len(shown) < 500 and "a\ufffd]0;b\ufffd c\ufffdd\ufffde" in shown


@pytest.mark.parametrize(
    ("value", "expected"), [("1.5", 1.5), ("9" * 400, None), ("inf", None), ("-1", None), ("²", None)]
)
def test_time_to_come_again_is_a_time(value: str, expected: float | None) -> None:
    """An endless one would be waited for without end."""
    assert retry_after({"retry-after": value}) == expected


def test_grpc_answer_that_is_packed_is_not_unpacked() -> None:
    """A server that packs its answers unasked, which grpc's own would not, is refused before anything is unpacked."""
    body, left = gzip.compress(bytes(1_000_000)), asyncio.Event()

    async def pack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        with closing(writer), suppress(OSError):
            while data := await reader.read(1 << 16):
                for event in connection.receive_data(data):
                    if isinstance(event, StreamEnded):
                        head = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")]
                        connection.send_headers(event.stream_id, head)
                        connection.send_data(event.stream_id, b"\1" + len(body).to_bytes(4, "big") + body)
                        connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
                writer.write(connection.data_to_send())
        left.set()

    async def work() -> None:
        async with await asyncio.start_server(pack, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with opened("grpc", Addresses("", "", f"127.0.0.1:{port}", "", "", 0)) as way:
                with pytest.raises(RefusedError, match=r"ompression algorithm .*gzip"):
                    await Client(way, "GenerateRequest", "protobuf").call(PROMPT)
            await left.wait()

    bounded(work())


@pytest.mark.parametrize("arm", ["http", "http2", "grpc"])
def test_calls_at_once_do_not_mix_up_their_answers(arm: str) -> None:
    """Sixty of them, whole and streamed."""

    async def work() -> None:
        async with running(Settings(tokens=4)) as server, opened(arm, server.addresses) as transport:
            client = Client(transport, "GenerateRequest", "protobuf")
            prompts = [from_document("GenerateRequest", {"model": "m", "prompt": str(i)}) for i in range(30)]
            wholes = await asyncio.gather(*(client.call(prompt) for prompt in prompts))
            streams = await asyncio.gather(*(messages(client, prompt) for prompt in prompts))
            for whole, pieces in zip(wholes, streams, strict=True):
                assert {piece.id for piece in pieces} == {whole.message.id}
            assert len({whole.message.id for whole in wholes}) == 30

    bounded(work())


def test_example_of_the_page_for_clients_runs() -> None:
    """As it stands."""
    page = (Path(__file__).parents[2] / "docs" / "service.md").read_text()
    example = re.findall(r"```python\n(from contextlib.*?)```", page, re.DOTALL)[0]
    code = f"{example}\nimport asyncio\nasyncio.run(ask())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    whole, streamed = done.stdout.split(" ms\n")
    assert streamed and whole.startswith(streamed)
