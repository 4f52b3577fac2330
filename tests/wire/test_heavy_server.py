"""What one request may make of the server: bounded, beside the loop, and no longer than its client is there."""

import asyncio
import os
import signal
import time
from base64 import b64decode
from itertools import pairwise
from typing import Any

import grpc
import orjson
import pytest

from serlab.codecs import open_codec
from serlab.generated import llm_pb2, llm_pb2_grpc
from serlab.messages import from_document
from serlab.wire import Engine, Latency, ModelServer, Settings, grpc_server, heavy, running
from serlab.wire import app as http_application
from serlab.wire.answers import MOST_NUMBERS, MOST_TOKENS
from serlab.wire.client import content_for
from serlab.wire.echo import KIND_HEADER
from tests.wire.helpers import CHAT, PATH, asking, bounded, client, request, until

EMBED = "/v1/embeddings"
DEAREST = {"model": "m", "input": ["t"] * 2048, "dimensions": MOST_NUMBERS // 2048}
COMPLETE = "/v1/completions"
DENSE: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}] * 20_000,
}
PROMPTS = {"model": "m", "prompt": ["once", "upon", "a time"], "max_tokens": 4}


@pytest.fixture(autouse=True)
def children_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that has nothing to do stays, however slow the machine is."""
    monkeypatch.setattr(heavy, "SPARE_S", 3600.0)


def small(patch: pytest.MonkeyPatch) -> None:
    """Let a child do everything."""
    patch.setattr(heavy, "LARGE_BYTES", 1)


def children(server: ModelServer) -> list[int]:
    """List the children that a server has."""
    return [process.pid for process in server.children()]


@pytest.mark.parametrize("codec", ["orjson", "msgpack", "protobuf", "flatbuffers", "json"])
@pytest.mark.parametrize(
    ("path", "document", "kind"),
    [
        (PATH, asking(max_tokens=5), "ChatRequest"),
        (PATH, asking(stream=True, stream_options={"include_usage": True}), "ChatRequest"),
        (COMPLETE, PROMPTS, "GenerateRequest"),
        (COMPLETE, {**PROMPTS, "stream": True}, "GenerateRequest"),
        (EMBED, {"model": "m", "input": ["a", "b"], "dimensions": 7}, "EmbeddingRequest"),
        ("/echo", CHAT, "ChatRequest"),
    ],
)
def test_child_answers_as_the_server_itself_does(codec: str, path: str, document: Any, kind: str) -> None:
    """The same bytes, whole and streamed, by each codec; the counters agree."""

    async def work() -> None:
        data = open_codec(codec, kind).encode(from_document(kind, document))
        headers = {"content-type": content_for(codec).header(), KIND_HEADER: kind}
        found = []
        for by_child in (False, True):
            with pytest.MonkeyPatch.context() as patch:
                if by_child:
                    small(patch)
                async with running(Settings(seed=3)) as server, client(server) as http:
                    answer = await http.post(path, content=data, headers=headers)
                    assert answer.status_code == 200 and bool(children(server)) == by_child
                    stats = {**server.stats.to_dict(), "held": 0}
                    found.append((answer.content, answer.headers["content-type"], stats))
        assert found[0] == found[1]

    bounded(work())


def test_child_answers_grpc_as_the_server_itself_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole answer, a stream, and an error with the same words."""

    async def work() -> list[Any]:
        async with running() as server, grpc.aio.insecure_channel(server.addresses.grpc) as channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
            prompt = llm_pb2.GenerateRequest(model="m", prompt=llm_pb2.Prompt(text="once"), max_tokens=3)
            found = [await stub.Generate(prompt), [piece async for piece in stub.GenerateStream(prompt)]]
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stub.Generate(llm_pb2.GenerateRequest(prompt=llm_pb2.Prompt(text="once"), max_tokens=3, n=2))
            return [*found, error.value.code(), error.value.details()]

    found = bounded(work())
    small(monkeypatch)
    assert bounded(work()) == found


@pytest.mark.parametrize("data", [b"{", b'{"model": "m"}', b'{"model":"m","messages":[]}'])
def test_child_refuses_as_the_server_itself_does(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """With the same words."""

    async def work() -> Any:
        async with running() as server, client(server) as http:
            answer = await http.post(PATH, content=data)
            return answer.status_code, answer.json()

    found = bounded(work())
    small(monkeypatch)
    assert bounded(work()) == found and found[0] == 400


@pytest.mark.parametrize(
    ("path", "document", "limit"),
    [
        (EMBED, {**DEAREST, "dimensions": 65_536}, MOST_NUMBERS),
        (EMBED, {"model": "m", "input": ["t"] * 2048}, MOST_NUMBERS),
        (COMPLETE, {"model": "m", "prompt": ["t"] * 2048}, MOST_TOKENS),
        (COMPLETE, {"model": "m", "prompt": [[1]] * 1025, "max_tokens": 1024}, MOST_TOKENS),
    ],
)
def test_small_request_for_a_huge_answer_is_refused(path: str, document: Any, limit: int) -> None:
    """Before any work, with the limit's number and what to do; what the server's own settings add counts too."""

    async def work() -> None:
        settings = Settings(tokens=100_000, dimensions=4096)
        async with running(settings) as server, client(server) as http:
            error = (await http.post(path, json=document)).json()["error"]
            assert str(limit) in error["message"] and "send fewer" in error["message"] and error["param"]
            assert not children(server)

    bounded(work())


def test_prompts_over_grpc_have_the_same_limit() -> None:
    """The status that gRPC has for it."""

    async def work() -> None:
        settings = Settings(tokens=100_000)
        async with running(settings) as server, grpc.aio.insecure_channel(server.addresses.grpc) as channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
            prompt = llm_pb2.Prompt(texts=["t"] * 2048)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stub.Generate(llm_pb2.GenerateRequest(model="m", prompt=prompt))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert str(MOST_TOKENS) in str(error.value.details())

    bounded(work())


def test_dearest_answer_leaves_the_loop_to_others() -> None:
    """Its numbers come whole; while it is made, the loop is not held up for as long as it takes."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            (await http.post(EMBED, json={"model": "m", "input": ["t"] * 64, "dimensions": 4096})).raise_for_status()
            dear = asyncio.ensure_future(http.post(EMBED, json={**DEAREST, "encoding_format": "base64"}))
            answered = 0
            while not dear.done():
                assert (await http.get("/v1/models")).status_code == 200
                answered += 1
            vectors = orjson.loads((await dear).content)["data"]
            assert len(vectors) == 2048 and {len(b64decode(one["embedding"])) for one in vectors} == {4 * 2048}
            assert answered > 3

    bounded(work())


def test_dense_messages_are_for_a_child() -> None:
    """A message of small objects, which takes a codec far longer than a long text; a picture stays with the loop."""
    picture = b'{"image":"' + b"A" * (1 << 20) + b'"}'
    objects = b'{"messages":[' + b"[]," * (1 << 18) + b"[]]}"
    assert heavy.is_large((objects,), "orjson") and not heavy.is_large((picture,), "orjson")
    assert heavy.is_large((objects,), "protobuf") and not heavy.is_large((picture[: heavy.DENSE_BYTES],), "protobuf")
    assert heavy.is_large((bytes(heavy.LARGE_BYTES), b"x"), "orjson")

    async def work() -> None:
        data = open_codec("protobuf", "ChatRequest").encode(from_document("ChatRequest", DENSE))
        assert heavy.DENSE_BYTES < len(data) < heavy.LARGE_BYTES
        async with running() as server, client(server) as http:
            answer = await http.post(PATH, content=data, headers={"content-type": "application/x-protobuf"})
            assert answer.status_code == 200 and len(children(server)) == 1

    bounded(work())


MANY: dict[str, Any] = {"model": "m", "prompt": [f"prompt {number}" for number in range(2048)], "max_tokens": 9}


@pytest.mark.parametrize("streams", [False, True])
def test_answer_to_many_prompts_is_made_by_a_child(monkeypatch: pytest.MonkeyPatch, streams: bool) -> None:
    """Over HTTP; it is what the server itself would say, and counts as much."""

    async def work() -> Any:
        async with running() as server, client(server) as http:
            answer = await http.post(COMPLETE, json={**MANY, "stream": streams})
            assert answer.status_code == 200 and server.stats.tokens == 2048 * 9
            return len(children(server)), answer.content

    count, content = bounded(work())
    monkeypatch.setattr(http_application, "LARGE_NUMBERS", 1 << 30)
    assert count == 1 and bounded(work()) == (0, content)


def test_answer_to_many_prompts_over_grpc_is_made_by_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole and as a stream, and the same as the server's own."""

    async def work() -> Any:
        async with running() as server, grpc.aio.insecure_channel(server.addresses.grpc) as channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
            texts = llm_pb2.Prompt(texts=MANY["prompt"])
            prompts = llm_pb2.GenerateRequest(model="m", prompt=texts, max_tokens=1)
            found = [await stub.Generate(prompts), [piece async for piece in stub.GenerateStream(prompts)]]
            assert len(found[0].choices) == 2048 and server.stats.tokens == 2 * 2048
            return len(children(server)), found

    count, found = bounded(work())
    monkeypatch.setattr(grpc_server, "LARGE_NUMBERS", 1 << 30)
    assert count == 1 and bounded(work()) == (0, found)


def test_conversation_over_grpc_gives_up_its_place_after_each_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call may have more large requests than there are places, and keeps none while it asks for nothing."""
    small(monkeypatch)

    async def work() -> None:
        async with (
            running() as server,
            grpc.aio.insecure_channel(server.addresses.grpc) as channel,
            client(server) as http,
        ):
            stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
            call = stub.Chat()
            for _ in range(heavy.PLACES + 1):
                await call.write(open_codec("protobuf", "ChatRequest").populate(request(max_tokens=1)))
                pieces = [await call.read() for _ in range(3)]
                assert pieces[-1].choices[0].finish_reason
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF

    bounded(work())


def test_client_that_leaves_ends_the_child() -> None:
    """The process that computes for it is killed, the place is free, and the client is counted."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            for count in range(1, heavy.PLACES + 2):
                dear = asyncio.ensure_future(http.post(EMBED, json=DEAREST))
                assert await until(lambda: bool(children(server)))
                dear.cancel()
                await asyncio.gather(dear, return_exceptions=True)
                assert await until(lambda: not children(server))
                assert await until(lambda: server.stats.cancelled == count)  # noqa: B023
            answer = await http.post(EMBED, json={"model": "m", "input": ["t"] * 64, "dimensions": 4096})
            assert answer.status_code == 200

    bounded(work())


@pytest.mark.parametrize("path", [PATH, "/echo"])
@pytest.mark.parametrize("large", [False, True])
def test_client_that_leaves_while_it_waits_for_its_turn_or_a_place_is_forgotten(path: str, large: bool) -> None:
    """At once, although the others go on: its body is not held, and nobody decodes it."""
    body = orjson.dumps(asking(user="x" * (heavy.LARGE_BYTES if large else heavy.LONG_BYTES)))
    headers = [(b"content-type", b"application/json"), (KIND_HEADER.encode(), b"ChatRequest")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "http_version": "1.1"}
    statuses, left = [], asyncio.Event()
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async def work() -> None:
        engine = Engine(Settings())
        app = http_application.application(engine)
        await engine.heavy.turn.acquire()
        for _ in range(heavy.PLACES):
            await engine.heavy.places.acquire()
        call = asyncio.ensure_future(app({**scope, "client": ("a", 1), "server": ("b", 2)}, receive, send))
        assert await until(lambda: engine.stats.held == len(body))
        left.set()
        assert await until(call.done)
        assert statuses[0] == http_application.GONE and engine.stats.held == 0 and engine.stats.cancelled == 1

    bounded(work())


@pytest.mark.parametrize("streams", [False, True])
def test_client_that_leaves_later_stops_the_work_as_well(monkeypatch: pytest.MonkeyPatch, streams: bool) -> None:
    """When a child has read its request and the model is at its answer."""
    small(monkeypatch)

    async def work() -> None:
        async with running(Settings(latency=Latency(first_token_s=3600))) as server, client(server) as http:
            call = asyncio.ensure_future(http.post(PATH, json=asking(stream=streams)))
            assert await until(lambda: server.stats.active == 1)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert await until(lambda: not server.peers.underway) and server.stats.cancelled == 1

    bounded(work())


def test_child_that_dies_costs_its_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by want of memory: a 500, and the next request gets another child."""
    small(monkeypatch)
    exchange, given = heavy._exchange, []

    async def noted(*told: Any) -> Any:
        given.append(told)
        return await exchange(*told)

    monkeypatch.setattr(heavy, "_exchange", noted)

    async def work() -> None:
        async with running() as server, client(server) as http:
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            (pid,) = children(server)
            os.kill(pid, signal.SIGSTOP)
            call = asyncio.ensure_future(http.post(PATH, json=CHAT))
            # One that dies before it is asked is passed over, and costs nobody anything.
            assert await until(lambda: len(given) == 2)
            os.kill(pid, signal.SIGKILL)
            answer = await call
            assert answer.status_code == 500 and "died" in answer.json()["error"]["message"]
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            assert children(server) != [pid]

    bounded(work())


def test_child_without_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory goes back; and no child outlives the server."""
    small(monkeypatch)

    async def work() -> int:
        monkeypatch.setattr(heavy, "SPARE_S", 0.1)
        async with running() as server, client(server) as http:
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            assert await until(lambda: not children(server))
            monkeypatch.setattr(heavy, "SPARE_S", 1000.0)
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            return children(server)[0]

    with pytest.raises(ProcessLookupError):
        os.kill(bounded(work()), 0)


def test_deadline_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 504, and nobody computes on."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            answer = await http.post(EMBED, json=DEAREST, headers={"x-serlab-deadline-ms": "50"})
            assert answer.status_code == 504 and server.stats.expired == 1
            assert await until(lambda: not children(server))

    bounded(work())


def test_long_work_takes_turns() -> None:
    """After each piece the loop is free for as long as it took, however many wait; an error passes the turn on."""

    async def work() -> None:
        turns, ran, seen = heavy.Heavy(0, 1, 1), [], []

        def burn() -> None:
            ran.append(time.perf_counter())
            end = time.perf_counter() + 0.03
            while time.perf_counter() < end:
                continue
            if len(ran) == 2:
                raise ValueError("planted")

        async def look() -> None:
            while True:
                seen.append(time.perf_counter())
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        results = await asyncio.gather(*(turns.by_turns(burn) for _ in range(4)), return_exceptions=True)
        looking.cancel()
        assert sum(isinstance(result, ValueError) for result in results) == 1
        for first, second in pairwise(ran):
            assert second - first >= 0.06 and sum(first < moment < second for moment in seen) > 1

    bounded(work())


def test_dense_messages_take_turns_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """50 kB of small objects take a codec as long as a MB of text."""
    turns, taken = heavy.Heavy(0, 1, 1), []
    by_turns = turns.by_turns

    async def noted(work: Any, takes_turns: bool) -> Any:
        taken.append(takes_turns)
        return await by_turns(work, takes_turns)

    monkeypatch.setattr(turns, "by_turns", noted)
    codec = open_codec("protobuf", "ChatRequest")
    for count in (1, 1500):
        data = codec.encode(from_document("ChatRequest", {**DENSE, "messages": DENSE["messages"][:count]}))
        bounded(turns.decoded(codec, (data,)))
        assert len(data) < 1 << 16
    assert taken == [False, True]


def test_latency_is_spent_for_what_a_child_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches, items and tokens are counted as ever."""
    small(monkeypatch)

    async def work() -> None:
        async with running(Settings(tokens=3, latency=Latency(batch_item_s=0.01))) as server, client(server) as http:
            assert (await http.post(EMBED, json={"model": "m", "input": ["a", "b"]})).status_code == 200
            assert (await http.post(COMPLETE, json=PROMPTS)).status_code == 200
            assert server.stats.items == 5 and server.stats.batches == 2 and server.stats.tokens == 9

    bounded(work())
