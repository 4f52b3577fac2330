"""Connections, headers and bodies of strangers have limits, and nobody else is locked out."""

import asyncio
import os
import platform
import socket
import threading
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import h2.connection
import hpack
import httpx2
import orjson
import pytest
from starlette.requests import Request

from serlab.errors import ServiceError
from serlab.generated import llm_pb2, llm_pb2_grpc
from serlab.wire import Latency, Settings, app, running, spawned
from serlab.wire.api_errors import Stats
from serlab.wire.app import UNDERWAY, Arrivals
from serlab.wire.connections import MAX_HEADER_BYTES, Bounds, Peer, Peers, Underway, grpc_listener, listener
from tests.wire.boundhelpers import (
    SILENT,
    SLOW_BODY,
    SLOW_HEADERS,
    SLOW_HTTP2,
    all_answer,
    descriptors,
    ended,
    miser,
    port_of,
    strangers,
)
from tests.wire.helpers import CHAT, HANG_S, PATH, asking, bounded, client, leaping, resident_mb, trust, until

FEW = Bounds(connections=32)
WAYS = [SILENT, SLOW_HEADERS, SLOW_BODY, SLOW_HTTP2]


@pytest.mark.parametrize("says", WAYS)
@pytest.mark.parametrize("which", ["http", "https", "grpc", "grpcs"])
def test_full_table_of_waiting_connections_locks_nobody_out(which: str, says: bytes) -> None:
    """The oldest of them are closed: more than the port takes at once, on any port, whatever they began to say."""

    async def work() -> None:
        async with running(Settings(bounds=FEW)) as server:
            count = listener(server.peers.table) + 20
            async with strangers(port_of(getattr(server.addresses, which)), count, says) as found:
                assert await ended(found[0][0])
                # Until all have come and no more are closed, so that nobody who asks is the oldest among them.
                assert await until(lambda: len(server.peers.peers) <= server.peers.table)
                await all_answer(server.addresses)

    bounded(work())


def test_as_many_as_the_table_has_are_silent_and_all_calls_are_answered() -> None:
    """With the limits that a server has unless it is told others."""

    async def work(addresses: Any) -> None:
        count = descriptors(Bounds().connections + 64)
        async with strangers(port_of(addresses.http), count) as found:
            await all_answer(addresses)
            assert await ended(found[0][0])
            await all_answer(addresses)

    with spawned() as addresses:
        bounded(work(addresses))


@pytest.mark.parametrize("which", ["http", "https", "grpc", "grpcs"])
@pytest.mark.parametrize("says", [SILENT, SLOW_HTTP2, SLOW_HEADERS])
def test_connection_that_never_asks_is_closed(which: str, says: bytes) -> None:
    """After a while, however many there are."""

    async def work() -> None:
        settings = Settings(bounds=Bounds(first_request_s=0.2))
        async with running(settings) as server, strangers(port_of(getattr(server.addresses, which)), 1, says) as found:
            assert await ended(found[0][0])

    bounded(work())


def test_client_by_ipv4_is_known_to_a_server_on_ipv6() -> None:
    """Who has asked is the client of a connection, over HTTP and gRPC."""

    async def work() -> None:
        settings = Settings(host="::", exposed=True, latency=Latency(first_token_s=HANG_S))
        async with running(settings) as server:
            port, grpc_port = port_of(server.addresses.http), port_of(server.addresses.grpc)
            async with (
                httpx2.AsyncClient(timeout=HANG_S, trust_env=False) as http,
                grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
            ):
                stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
                calls = [
                    asyncio.ensure_future(http.post(f"http://127.0.0.1:{port}{PATH}", json=CHAT)),
                    asyncio.ensure_future(stub.Generate(llm_pb2.GenerateRequest(model="m"))),
                ]
                assert await until(lambda: server.stats.active == 2)
                served = {address for address, peer in server.peers.peers.items() if peer.served}
                assert len(served) == 2 and served <= {address for address, _ in await server.peers.connections()}
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)

    bounded(work())


ASKS = {
    "http": (PATH, "application/json", orjson.dumps(CHAT)),
    "grpc": ("/serlab.LLMService/Generate", "application/grpc", bytes(5)),
}


@pytest.mark.parametrize(
    ("silent", "busy"), [("https", "http"), ("http", "https"), ("http", "grpc"), ("http", "grpcs")]
)
def test_connection_that_never_asks_is_closed_beside_one_of_the_same_address(silent: str, busy: str) -> None:
    """One port of a client may lead to several of the server's; another that is at work stands."""

    async def work() -> None:
        settings = Settings(bounds=Bounds(first_request_s=0.2), latency=Latency(first_token_s=HANG_S))
        async with running(settings) as server, AsyncExitStack() as stack:
            first = tied(port_of(getattr(server.addresses, silent)))
            second = tied(port_of(getattr(server.addresses, busy)), first.getsockname())
            context = trust(server.addresses)
            context.set_alpn_protocols(["h2"])
            tls: dict[str, Any] = {"ssl": context, "server_hostname": "localhost"} if busy.endswith("s") else {}
            reader, writer = await asyncio.open_connection(sock=first)
            stack.callback(writer.close)
            _, writer = await asyncio.open_connection(sock=second, **tls)
            stack.callback(writer.transport.abort)
            writer.write(asked(*ASKS[busy.removesuffix("s")]))
            assert await until(lambda: server.stats.active == 1)
            async with strangers(port_of(server.addresses.http), 1) as found:
                assert await ended(found[0][0])  # who came before has had more time
            assert await until(reader.at_eof) and server.stats.active == 1

    bounded(work())


def tied(port: int, here: tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
    """Connect from an address that may have other connections."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(here)
    found.connect(("127.0.0.1", port))
    return found


def asked(path: str, media: str, body: bytes) -> bytes:
    """Write a request as the first of a connection of HTTP/2."""
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    fields = {":method": "POST", ":path": path, ":scheme": "http", ":authority": "x"}
    connection.send_headers(1, [*fields.items(), ("content-type", media), ("te", "trailers")])
    connection.send_data(1, body, end_stream=True)
    return connection.data_to_send()


@pytest.mark.parametrize("http2", [False, True])
def test_connection_that_has_asked_may_stand_longer_but_not_for_ever(http2: bool) -> None:
    """As long as one that is idle may; a request that is at work does not count as idle."""

    async def work() -> None:
        bounds = Bounds(first_request_s=0.1, idle_s=1.5)
        settings = Settings(bounds=bounds, latency=Latency(first_token_s=2.0))
        async with running(settings) as server, client(server, http1=not http2, http2=http2) as http:
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            assert any(peer.served for peer in server.peers.peers.values())
            assert await until(lambda: not any(peer.served for peer in server.peers.peers.values()))

    bounded(work())


def test_table_that_is_full_leaves_those_alone_that_are_at_work() -> None:
    """An answer that takes its time comes, over HTTP and gRPC, while others are closed."""

    async def work() -> None:
        settings = Settings(bounds=FEW, latency=Latency(first_token_s=2.0))
        async with (
            running(settings) as server,
            client(server) as http,
            grpc.aio.insecure_channel(server.addresses.grpc) as channel,
        ):
            stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
            prompt = llm_pb2.GenerateRequest(model="m", prompt=llm_pb2.Prompt(text="once"), max_tokens=2)
            calls = [asyncio.ensure_future(http.post(PATH, json=CHAT)), stub.Generate(prompt)]
            assert await until(lambda: server.stats.active == 2)
            async with strangers(port_of(server.addresses.http), 60, SLOW_BODY):
                assert await until(lambda: server.peers.closed > 0)
                assert (await calls[0]).status_code == 200 and (await calls[1]).choices

    bounded(work())


def test_body_that_does_not_come_is_refused() -> None:
    """With a word of what was expected; the time for it grows with what has come."""

    async def work() -> None:
        bounds = Bounds(body_s=0.3, body_rate=1000)
        async with running(Settings(bounds=bounds)) as server, client(server) as http:
            async with strangers(port_of(server.addresses.http), 1, SLOW_BODY) as found:
                assert (await found[0][0].readline()).startswith(b"HTTP/1.1 408")
                assert b"0.3 s" in await found[0][0].readuntil(b"}}")

            async def brisk() -> Any:
                yield b" " * 5000
                await asyncio.sleep(0.6)
                yield orjson.dumps(CHAT)

            headers = {"content-type": "application/json"}
            assert (await http.post(PATH, content=brisk(), headers=headers)).status_code == 200

    bounded(work())


def test_bodies_have_room_together_and_small_ones_go_on() -> None:
    """Who has more than its share of what there is, is told to come again."""

    async def work() -> None:
        bounds = Bounds(body_bytes=1 << 20)
        async with running(Settings(bounds=bounds)) as server, client(server) as http:

            async def half() -> Any:
                yield b" " * 1_000_000
                await asyncio.Event().wait()

            slow = asyncio.ensure_future(http.post(PATH, content=half()))
            assert await until(lambda: server.stats.held == 1_000_000)
            answer = await http.post(PATH, content=b" " * 900_000)
            assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            assert await until(lambda: not server.stats.held)
            assert (await http.post(PATH, content=b" " * 900_000)).status_code == 400

    bounded(work())


EMBED = "/v1/embeddings"
LARGE = {"model": "m", "input": ["x"], "dimensions": 1 << 14}
"""A request for some 350 kB."""


@pytest.mark.parametrize("tls", [False, True])
def test_answers_that_nobody_takes_have_room_together_and_small_ones_go_on(tls: bool) -> None:
    """Beyond that none is made; who gives room gets a whole one, which makes room for another."""

    async def work() -> None:
        settings = Settings(bounds=Bounds(answer_bytes=1 << 21))
        async with running(settings) as server, client(server) as http, miser(server.addresses, tls) as (foe, _):
            for _ in range(20):
                await foe.ask(EMBED, LARGE)
            assert await until(lambda: len(foe.statuses) == 20)
            good = [stream for stream, status in foe.statuses.items() if status == "200"]
            assert {*foe.statuses.values()} == {"200", "503"} and len(good) == server.stats.completed == 3
            assert 1 << 20 < server.stats.untaken <= 1 << 21
            assert (await http.post(EMBED, json=LARGE)).status_code == 503
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            await foe.give(good[0], 1 << 20)
            assert await until(lambda: good[0] in foe.ended)
            assert len(orjson.loads(foe.taken[good[0]])["data"][0]["embedding"]) == LARGE["dimensions"]
            assert (await http.post(EMBED, json=LARGE)).status_code == 200

    bounded(work())


def test_connection_that_takes_nothing_of_whole_answers_is_closed() -> None:
    """With it goes what the server's library still holds of them."""

    async def work() -> None:
        bounds = Bounds(answer_bytes=1 << 21, taken_s=0.5)
        async with running(Settings(bounds=bounds)) as server, miser(server.addresses) as (foe, closed):
            for _ in range(3):
                await foe.ask(EMBED, LARGE)
            await closed
            assert await until(lambda: not server.stats.untaken and not server.peers.underway)
            assert server.stats.completed == 3 and not foe.ended

    bounded(work())


def test_memory_of_answers_that_nobody_takes_is_bounded() -> None:
    """However many are asked for: without the bound 200 of them took 300 MB."""

    async def work(addresses: Any) -> None:
        before = resident_mb(addresses.pid)
        async with miser(addresses) as (foe, _):
            for _ in range(200):
                await foe.ask(EMBED, {**LARGE, "dimensions": 1 << 16})
            refused = 0
            async with httpx2.AsyncClient(base_url=addresses.http, timeout=HANG_S, trust_env=False) as http:
                while refused < 170:
                    refused = (await http.get("/stats")).json()["refused"]
                    await asyncio.sleep(0.1)
            assert resident_mb(addresses.pid) - before < 150

    with spawned(Settings(bounds=Bounds(answer_bytes=1 << 25))) as addresses:
        bounded(work(addresses))


def test_answer_ends_in_short_parts() -> None:
    """What granian may hold when the request has ended is little."""
    most = app.TAKEN_AT_ONCE * app.LAST_PART
    for sizes in ((1 << 20,), (app.PART, 1), (most,), (most + 1,), (1, 2, 3), (1 << 20, 1, 1 << 17, most - 1)):
        pieces = [bytes((number,)) * size for number, size in enumerate(sizes)]
        parts = [*app._parts(pieces)]
        assert b"".join(parts) == b"".join(pieces) and max(map(len, parts)) <= app.PART
        assert max(map(len, parts[-app.TAKEN_AT_ONCE :])) <= app.LAST_PART


def test_the_more_connections_there_are_the_less_is_given_away_at_once() -> None:
    """Over HTTP/2 each may have many answers that it does not take."""
    peers = Peers(Bounds())
    departures = app.Departures(Stats(), peers, lambda _: None)
    found = []
    for _ in range(2000):
        peers.begin(("a", len(peers.peers), 80), None)
        requests = [Request({"type": "http", "headers": [], "http_version": version}) for version in ("1.1", "2")]
        found.append([departures.at_once(request) for request in requests])
    assert found[0] == [1 << 20, (1 << 29) // 4 // 200] and found[-1] == [(1 << 29) // 4 // 2000, 5 << 10]


def test_body_whose_length_is_told_is_refused_before_it_comes() -> None:
    """Nothing of it is waited for."""

    async def work() -> None:
        head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        for size in (1 << 40, 10**19):
            async with running() as server, strangers(port_of(server.addresses.http), 1, head % size) as found:
                assert b"41" in await found[0][0].readline() or size > 1 << 60

    bounded(work())


@pytest.mark.parametrize("http2", [False, True])
def test_headers_have_a_limit(http2: bool) -> None:
    """Of bytes together, over both protocols; a connection of its own is the price at most."""

    async def work() -> None:
        async with running() as server, client(server, http1=not http2, http2=http2) as http:
            headers = {f"x-{number}": "y" * 8000 for number in range(MAX_HEADER_BYTES // 8000 + 1)}
            try:
                assert (await http.post(PATH, json=CHAT, headers=headers)).status_code == 431
            except httpx2.RemoteProtocolError:
                assert http2  # the library below ends the stream
            assert (await http.post(PATH, json=CHAT, headers={"x-1": "y" * 8000})).status_code == 200

    bounded(work())


def test_metadata_of_grpc_have_a_limit() -> None:
    """The call fails, the connection serves on."""

    async def work() -> None:
        async with running() as server, grpc.aio.insecure_channel(server.addresses.grpc) as channel:
            stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
            prompt = llm_pb2.GenerateRequest(model="m", prompt=llm_pb2.Prompt(text="once"), max_tokens=2)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stub.Generate(prompt, metadata=[("x-long", "y" * (MAX_HEADER_BYTES + 1))])
            assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert (await stub.Generate(prompt)).choices

    bounded(work())


def test_calls_of_grpc_that_are_begun_and_reset_cost_others_none() -> None:
    """Some connections do nothing else; a good client's calls are all answered."""

    def resets(port: int, over: threading.Event) -> None:
        encoder, number = hpack.Encoder(), 1
        headers = [(":method", "POST"), (":scheme", "http"), (":path", "/serlab.LLMService/Generate")]
        headers += [(":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")]
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), HANG_S) as connection:
            connection.sendall(SLOW_HTTP2)
            while not over.is_set():
                data = b""
                for _ in range(50):
                    block, stream = encoder.encode(headers), number.to_bytes(4)
                    data += (
                        len(block).to_bytes(3) + b"\1\4" + stream + block + b"\0\0\4\3\0" + stream + bytes((0, 0, 0, 8))
                    )
                    number += 2
                connection.sendall(data)

    async def work() -> None:
        over = threading.Event()
        async with running() as server, grpc.aio.insecure_channel(server.addresses.grpc) as channel:
            port = port_of(server.addresses.grpc)
            foes = [asyncio.create_task(asyncio.to_thread(resets, port, over)) for _ in range(4)]
            try:
                stub: Any = llm_pb2_grpc.LLMServiceStub(channel)
                prompt = llm_pb2.GenerateRequest(model="m", prompt=llm_pb2.Prompt(text="once"), max_tokens=3)
                for _ in range(100):
                    assert (await stub.Generate(prompt)).choices
            finally:
                over.set()
        await asyncio.gather(*foes)

    bounded(work())


def test_requests_under_way_have_a_limit() -> None:
    """The next is told to come again, and is welcome when one has ended."""

    async def work() -> None:
        settings = Settings(bounds=Bounds(requests=2), latency=Latency(first_token_s=3600))
        async with running(settings) as server, client(server) as http:
            held = [asyncio.ensure_future(http.post(PATH, json=CHAT)) for _ in range(2)]
            assert await until(lambda: server.stats.active == 2)
            answer = await http.get("/v1/models")
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "overloaded"
            for call in held:
                call.cancel()
            await asyncio.gather(*held, return_exceptions=True)
            assert await until(lambda: not server.peers.underway)
            assert (await http.get("/v1/models")).status_code == 200

    bounded(work())


@pytest.mark.parametrize("http2", [False, True])
def test_answer_that_nobody_takes_is_ended(http2: bool) -> None:
    """After a while; the model's work on it stops."""

    async def work() -> None:
        settings = Settings(tokens=1_000_000, bounds=Bounds(taken_s=0.5))
        async with (
            running(settings) as server,
            client(server, http1=not http2, http2=http2) as http,
            http.stream("POST", PATH, json=asking(stream=True)) as answer,
        ):
            await anext(answer.aiter_raw())
            assert await until(lambda: server.stats.active == 0)
            assert server.stats.cancelled == 1

    bounded(work())


def test_chat_call_of_grpc_that_asks_nothing_is_ended() -> None:
    """It stands as long as an idle connection may."""

    async def work() -> None:
        settings = Settings(bounds=Bounds(idle_s=0.3))
        async with running(settings) as server, grpc.aio.insecure_channel(server.addresses.grpc) as channel:
            call = llm_pb2_grpc.LLMServiceStub(channel).Chat()
            assert await until(lambda: server.peers.underway == 1)
            with pytest.raises(grpc.aio.AioRpcError):
                await call.read()
            assert await until(lambda: server.peers.underway == 0)

    bounded(work())


def test_table_fits_the_descriptors_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """All four ports at their most stay below the limit; where there is none, the setting holds."""
    for limit in (1024, 4096, 20_000, 1 << 20, -1):
        monkeypatch.setattr("serlab.wire.connections.resource.getrlimit", lambda _, limit=limit: (limit, limit))
        table = Bounds().table()
        assert 16 <= table <= 4096 and (limit == -1 or 2 * (listener(table) + grpc_listener(table)) < limit)


def test_connection_whose_descriptor_is_another_is_left_alone() -> None:
    """A number that was looked up may be another file's by the time that it is closed."""

    async def work() -> None:
        async with running() as server, strangers(port_of(server.addresses.http), 1) as found:
            peers = Peers(Bounds())
            peers.ports = server.peers.ports
            while not (standing := await peers.connections()):  # the server may not have accepted it yet
                continue
            descriptor = standing[0][1]
            peers.sockets[descriptor] = peers.sockets[descriptor]._replace(inode=Path(__file__).stat().st_ino)
            peers.close(descriptor)
            found[0][1].write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
            assert peers.closed == 0 and (await found[0][0].readline()).startswith(b"HTTP/1.1 200")

    bounded(work())


@pytest.mark.parametrize("name", ["connections", "requests", "idle_s", "body_rate", "taken_s", "body_bytes"])
def test_bound_of_nothing_is_refused(name: str) -> None:
    """One clear line."""
    with pytest.raises(ServiceError, match=name):
        Bounds(**{name: 0})


def test_long_bodies_take_turns_beside_others() -> None:
    """Part by part, at a rate for all together; one body alone comes as fast as it can."""

    async def work() -> None:
        arrivals, loop = Arrivals(Bounds(), Stats()), asyncio.get_running_loop()
        arrivals.count = 1
        await asyncio.gather(*(arrivals.pace(app.LONG_RATE) for _ in range(3)))
        assert loop.time() == 0
        arrivals.count = 3
        ends = await asyncio.gather(*(timed(arrivals.pace(app.LONG_RATE)) for _ in range(3)))
        assert ends == pytest.approx([1, 2, 3])

    leaping(work())


def test_long_body_waits_for_as_long_as_the_loop_was_held_up() -> None:
    """But not for long: a machine that is busy with other things slows it down only so much."""

    async def work() -> None:
        arrivals, loop = Arrivals(Bounds(), Stats()), asyncio.get_running_loop()
        arrivals.count = 2
        for held_s, waits_s in ((0.01, 0.01), (5.0, app.MOST_LATE_S)):
            began = loop.time()
            loop.call_at(began + 1, leap, loop, held_s)
            await arrivals.pace(app.LONG_RATE)
            assert loop.time() - began == pytest.approx(1 + held_s + waits_s)

    leaping(work())


def test_bodies_that_trickle_in_are_read_the_less_often_the_more_there_are() -> None:
    """All of them together bring so many short parts a second."""

    async def work() -> None:
        arrivals, loop = Arrivals(Bounds(), Stats()), asyncio.get_running_loop()
        for count in (1, 5000):
            arrivals.count, began = count, loop.time()
            await asyncio.gather(*(arrivals.pace(16) for _ in range(count)))
            assert loop.time() - began == pytest.approx(count / app.SHORT_RATE)

    leaping(work())


def test_body_stays_in_the_parts_that_it_came_in() -> None:
    """None of them is copied but short ones, which are put together."""
    parts = [bytes(app.SHORT), b"a", b"b", bytes(app.SHORT + 1), b""]
    messages = [{"type": "http.request", "body": part, "more_body": bool(part)} for part in parts]
    underway = Underway(Peer(0.0), 0.0, None)

    async def receive() -> Any:
        return messages.pop(0)

    async def work() -> None:
        stats = Stats()
        arrivals = Arrivals(Bounds(), stats)
        request = Request({"type": "http", "headers": [], UNDERWAY: underway}, receive)
        found = await arrivals.body(request)
        assert found[0] is parts[0] and found[1] == b"ab" and found[2] is parts[3] and len(found) == 3
        assert stats.held == sum(map(len, parts))

    leaping(work())


def test_memory_of_large_bodies_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some time after many bytes of them were held last; what small ones took is not worth it."""
    given = threading.Event()
    monkeypatch.setattr(app, "give_back", given.set)

    async def work() -> None:
        arrivals, loop = Arrivals(Bounds(), Stats()), asyncio.get_running_loop()
        for size, expected in ((app.TRIM_BYTES, False), (1, True)):
            arrivals.forget(size)
            await asyncio.sleep(app.TRIM_S + 1)
            await loop.run_in_executor(None, lambda: None)
            assert given.wait(HANG_S if expected else 0) == expected

    leaping(work())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps free memory and can give it back")
def test_free_memory_between_pieces_in_use_goes_back() -> None:
    """Without a word the C library keeps it."""
    block = 4000
    pieces = [bytes(block) for _ in range(50_000)]
    kept = pieces[::100]
    del pieces
    before = resident_mb(os.getpid())
    app.give_back()
    assert before - resident_mb(os.getpid()) > 100 and len(kept) == 500


async def timed(work: Any) -> float:
    """Wait for something; return when it ended."""
    await work
    return asyncio.get_running_loop().time()


def leap(loop: Any, seconds: float) -> None:
    """Hold a loop up whose clock leaps."""
    loop.selector.now_s += seconds
