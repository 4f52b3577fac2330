"""HTTP/2, frame by frame: windows, resets, GOAWAY, settings, and what a server may do that is no answer."""

import asyncio
import socket
import ssl
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from h2.errors import ErrorCodes
from h2.events import (
    Event,
    PingAckReceived,
    PingReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.settings import SettingCodes
from hyperframe.frame import PingFrame, SettingsFrame

from serlab.errors import ServiceError
from serlab.messages import from_document
from serlab.wire import Latency, Settings, http2, running
from serlab.wire.clients import (
    BrokenError,
    CallTimeoutError,
    Client,
    ClientSettings,
    Http2Transport,
    Pool,
    RefusedError,
    Timeouts,
)
from serlab.wire.echo import BYTES, ECHO_PATH
from serlab.wire.transport import Payload
from tests.wire.clienthelpers import opened
from tests.wire.helpers import bounded, until
from tests.wire.http2helpers import Served, asking, by_hand, calling

SEVERAL_MB = bytes(range(256)) * (5 << 12)
LONG = from_document("GenerateRequest", {"model": "m", "prompt": "once"})
ONE_AT_ONCE = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}


def contexts(folder: Path) -> tuple[ssl.SSLContext, ClientSettings]:
    """Make what a server speaks TLS with, and what its client trusts."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return context, ClientSettings(ca_file=str(folder / "ca.pem"))


async def read(transport: Http2Transport, **fields: Any) -> bytes:
    """Stream an answer to its end."""
    async with aclosing(transport.stream(asking(**fields))) as pieces:
        return b"".join([piece.data async for piece in pieces])


async def asked(served: list[Served], count: int = 1) -> None:
    """Wait until so many requests have come over the first connection."""
    assert await until(lambda: served and len(served[0].of(StreamEnded)) >= count)


async def left(task: "asyncio.Task[Any]") -> None:
    """Cancel a call, and see it end."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("secure", [False, True])
def test_call_that_is_left_is_a_reset_for_the_server(secure: bool, tmp_path: Path) -> None:
    """Whole and streamed, before and after the answer has begun; the connection stays and carries the next."""

    async def work() -> None:
        context, trusting = contexts(tmp_path) if secure else (None, None)
        async with by_hand(context=context) as (url, served), calling(url, trusting) as transport:
            begun = [False, True, False, True]
            for number, begins in enumerate(begun):
                stream = 2 * number + 1
                call = transport.call(asking()) if number < 2 else read(transport)
                task = asyncio.create_task(call)
                await asked(served, number + 1)
                if begins:
                    served[0].begin(stream, b"some")
                    assert await until(lambda: transport_call(transport).status == 200)
                await left(task)
                await pinged(served[0])
                assert served[0].resets()[number:] == [(stream, "CANCEL")]
            async with aclosing(transport.stream(asking())) as pieces:
                first = asyncio.create_task(anext(pieces))
                await asked(served, 5)
                served[0].begin(9, b"some")
                assert (await first).data == b"some"
            assert await until(lambda: len(served[0].resets()) == 5)
            assert served[0].resets() == [(stream, "CANCEL") for stream in (1, 3, 5, 7, 9)]
            last = asyncio.create_task(transport.call(asking()))
            await asked(served, 6)
            served[0].answer(11)
            assert (await last).data == b"a" and transport.opened == len(served) == 1 and not served[0].ended.is_set()

    bounded(work())


def transport_call(transport: Http2Transport) -> Any:
    """Return the one call that is under way."""
    (call,) = [call for connection in transport.connections for call in connection.calls.values()]
    return call


def test_burst_of_left_calls_harms_no_other_on_the_connection() -> None:
    """More than the server bears at once of those that it has not looked at; all are stopped."""

    async def work() -> None:
        settings = Settings(tokens=100_000, latency=Latency(first_token_s=0.01, token_s=0.001))
        async with running(settings) as server, opened("http2", server.addresses) as transport:
            client = Client(transport, "GenerateRequest", "protobuf")
            other = asyncio.create_task(client.call(LONG))
            assert await until(lambda: server.stats.active == 1)
            (connection,) = transport.connections
            for _ in range(5):
                calls = [asyncio.create_task(client.call(LONG)) for _ in range(100)]
                while len(connection.calls) < 101:
                    await asyncio.sleep(0)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
                assert await until(lambda: connection.state.open_outbound_streams == 1)
            assert await until(lambda: server.stats.active == 1)
            assert not other.done() and transport.opened == 1 and connection.unsaid == []
            await left(other)

    bounded(work())


def test_calls_that_are_left_unheard_are_reset_ten_to_a_ping() -> None:
    """So that the server has looked at ten before it hears of the next ten."""

    async def work() -> None:
        async with by_hand() as (url, served), calling(url) as transport:
            calls = [asyncio.create_task(transport.call(asking())) for _ in range(25)]
            await asked(served, 25)
            for call in calls:
                call.cancel()
            assert await until(lambda: len(served[0].resets()) == 25)
            found = [event for event in served[0].events if isinstance(event, (PingReceived, StreamReset))]
            pings = [place for place, event in enumerate(found) if isinstance(event, PingReceived)]
            assert pings == [0, 11, 22] and len(found) == 28

    bounded(work())


@pytest.mark.parametrize("phase", ["first byte", "between tokens", "total"])
def test_call_whose_time_is_up_is_a_reset(phase: str) -> None:
    """Whichever limit it was."""
    limits = {"first byte": "first_byte_s", "between tokens": "between_tokens_s", "total": "total_s"}

    def act(one: Served, event: Event) -> None:
        if isinstance(event, StreamEnded) and phase != "first byte":
            one.begin(event.stream_id, b"some")

    async def work() -> None:
        settings = ClientSettings(timeouts=Timeouts(**{limits[phase]: 0.2}))
        async with by_hand(act) as (url, served), calling(url, settings) as transport:
            with pytest.raises(CallTimeoutError) as caught:
                await read(transport)
            assert caught.value.phase == phase
            assert await until(lambda: served[0].resets() == [(1, "CANCEL")])

    bounded(work())


def test_call_that_is_left_untold_is_read_on_for_nobody() -> None:
    """No reset; all that the server sends is taken, many windows of it, and the connection carries other calls."""

    def act(one: Served, event: Event) -> None:
        if isinstance(event, WindowUpdated) and event.stream_id:
            one.fill(1)

    async def work() -> None:
        async with by_hand(act) as (url, served), calling(url, resets=False) as transport:
            task = asyncio.create_task(transport.call(asking()))
            await asked(served)
            served[0].begin(1)
            sent = served[0].fill(1)
            assert sent == http2.STREAM_WINDOW
            await left(task)
            before = len(served[0].of(WindowUpdated))
            assert await until(lambda: len(served[0].of(WindowUpdated)) > before + 8)
            assert served[0].resets() == [] and transport.opened == 1

    bounded(work())


@pytest.mark.parametrize("arm", ["http2", "http2-tls"])
def test_body_of_several_megabytes_goes_there_and_back(arm: str) -> None:
    """Both windows are less than that; several at once do not mix."""

    async def work() -> None:
        async with running() as server, opened(arm, server.addresses) as transport:
            bodies = [bytes([number]) + SEVERAL_MB for number in range(3)]
            replies = [transport.call(Payload(ECHO_PATH, body, BYTES, BYTES)) for body in bodies]
            assert [reply.data for reply in await asyncio.gather(*replies)] == bodies and transport.opened == 1

    bounded(work())


def test_body_waits_for_the_servers_window() -> None:
    """No more goes out than there is room for, until the server makes more, for one stream or for all."""
    data = bytes(300_000)

    async def work() -> None:
        settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1000}
        async with by_hand(settings=settings) as (url, served), calling(url) as transport:
            small = asyncio.create_task(transport.call(asking()))
            await asked(served)
            one = served[0]
            one.answer(1)
            await small
            task = asyncio.create_task(transport.call(asking(data)))
            assert await until(lambda: len(one.body(3)) == 1000)
            await pinged(one)
            assert len(one.body(3)) == 1000
            one.state.increment_flow_control_window(500, 3)
            one.flush()
            assert await until(lambda: len(one.body(3)) == 1500)
            one.state.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
            one.flush()
            assert await until(lambda: len(one.body(3)) == http2.FIRST_WINDOW - 1)
            one.state.increment_flow_control_window(1 << 20)
            one.flush()
            assert await until(lambda: len(one.of(StreamEnded)) == 2) and one.body(3) == data
            one.answer(3)
            assert (await task).data == b"a"

    bounded(work())


async def pinged(one: Served) -> None:
    """Wait until the client has taken all that was sent, and all that it said then has come."""
    before = len(one.of(PingAckReceived))
    one.state.ping(b"whatever")
    one.flush()
    assert await until(lambda: len(one.of(PingAckReceived)) > before)


def test_reader_that_stops_holds_its_server_back_and_no_other_call() -> None:
    """What is held of its answer is a window and no more; then it reads, and the server goes on."""

    async def work() -> None:
        async with (
            by_hand() as (url, served),
            calling(url) as transport,
            aclosing(transport.stream(asking())) as pieces,
        ):
            first = asyncio.create_task(anext(pieces))
            await asked(served)
            one = served[0]
            one.begin(1, b"x")
            taken = len((await first).data)
            sent = 1 + one.fill(1)
            await pinged(one)
            assert sent == http2.STREAM_WINDOW == transport_call(transport).untaken_bytes + taken
            assert one.fill(1) == 0
            other = asyncio.create_task(transport.call(asking()))
            assert await until(lambda: len(one.of(StreamEnded)) == 2)
            one.answer(3, b"y" * 10_000)
            assert len((await other).data) == 10_000 and one.fill(1) == 0
            taken += len((await anext(pieces)).data)
            assert taken == sent and await until(lambda: one.state.local_flow_control_window(1) > 0)
            assert one.fill(1) > 0

    bounded(work())


@pytest.mark.parametrize("resets", [True, False])
def test_what_nobody_took_of_a_left_call_makes_room_for_others(resets: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty calls leave a full window each, ten times what the connection has room for."""
    monkeypatch.setattr(http2, "STREAM_WINDOW", 1 << 16)
    monkeypatch.setattr(http2, "CONNECTION_WINDOW", 1 << 17)

    async def work() -> None:
        async with by_hand() as (url, served), calling(url, resets=resets) as transport:
            for number in range(20):
                pieces = transport.stream(asking())
                first = asyncio.create_task(anext(pieces))
                await asked(served, number + 1)
                served[0].begin(2 * number + 1, b"x")
                await first
                await pinged(served[0])
                assert served[0].fill(2 * number + 1) == (1 << 16) - 1
                await pinged(served[0])
                await pieces.aclose()
            assert transport.opened == 1

    bounded(work())


def answering(one: Served, event: Event) -> None:
    """Answer each request when all of it is there."""
    if isinstance(event, StreamEnded):
        one.answer(event.stream_id)


def test_goaway_ends_an_idle_connection() -> None:
    """The next call has a new one."""

    async def work() -> None:
        async with by_hand(answering) as (url, served), calling(url) as transport:
            assert await read(transport) == b"a"
            served[0].go_away(1)
            await served[0].ended.wait()
            assert await read(transport) == b"a" and transport.opened == len(served) == 2

    bounded(work())


def test_goaway_in_the_middle_of_calls() -> None:
    """Those that the server has are answered, the others told to ask again; a new one has another connection."""

    async def work() -> None:
        async with by_hand() as (url, served), calling(url) as transport:
            first = asyncio.create_task(read(transport))
            await asked(served)
            one = served[0]
            one.begin(1, b"begin")
            second = asyncio.create_task(read(transport))
            assert await until(lambda: len(one.of(StreamEnded)) == 2)
            # In one piece with what goes on, which h2 by itself would refuse.
            one.go_away(1)
            one.state.send_data(1, b" on")
            one.flush()
            with pytest.raises(BrokenError, match=r"GOAWAY \(NO_ERROR\).*ask again") as caught:
                await second
            assert not caught.value.began and caught.value.passing
            third = asyncio.create_task(read(transport))
            assert await until(lambda: len(served) == 2 and served[1].of(StreamEnded))
            served[1].answer(1)
            assert await third == b"a" and not first.done() and not one.ended.is_set()
            one.end(1, b" end")
            assert await first == b"begin on end" and one.resets() == []
            await one.ended.wait()
            assert not served[1].ended.is_set() and transport.opened == 2

    bounded(work())


def test_call_is_left_after_goaway() -> None:
    """The server hears of it still, and the connection ends with its last call."""

    async def work() -> None:
        async with by_hand() as (url, served), calling(url) as transport:
            task = asyncio.create_task(read(transport))
            await asked(served)
            served[0].go_away(1)
            await pinged(served[0])
            await left(task)
            await served[0].ended.wait()
            assert served[0].resets() == [(1, "CANCEL")]

    bounded(work())


@pytest.mark.parametrize("begins", [False, True])
def test_reset_by_the_server_is_a_broken_call(begins: bool) -> None:
    """It says why; what had come is given first, and the connection goes on."""

    def act(one: Served, event: Event) -> None:
        if isinstance(event, StreamEnded) and event.stream_id == 1:
            if begins:
                one.begin(1, b"some")
            one.state.reset_stream(1, ErrorCodes.INTERNAL_ERROR)
        elif isinstance(event, StreamEnded):
            one.answer(event.stream_id)

    async def work() -> None:
        async with by_hand(act) as (url, served), calling(url) as transport:
            found: list[bytes] = []
            with pytest.raises(BrokenError, match="INTERNAL_ERROR") as caught:
                async with aclosing(transport.stream(asking())) as pieces:
                    async for piece in pieces:
                        found.append(piece.data)  # noqa: PERF401, it raises
            assert caught.value.began == begins and found == [b"some"] * begins
            assert await read(transport) == b"a" and transport.opened == 1 and served[0].resets() == []

    bounded(work())


@pytest.mark.parametrize("refuses", [False, True])
def test_answer_that_comes_before_the_request_is_out_counts(refuses: bool) -> None:
    """As a server does that has read enough; a reset after it says only to send no more (RFC 9113, 8.1)."""

    def act(one: Served, event: Event) -> None:
        if isinstance(event, RequestReceived):
            status = "413" if refuses else "200"
            one.state.send_headers(1, [(":status", status), ("retry-after", "3")])
            one.state.send_data(1, b"enough", end_stream=True)
            one.state.reset_stream(1, ErrorCodes.NO_ERROR)

    async def work() -> None:
        async with by_hand(act) as (url, served), calling(url) as transport:
            if refuses:
                with pytest.raises(RefusedError, match="enough") as caught:
                    await transport.call(asking(SEVERAL_MB))
                assert (caught.value.status, caught.value.retry_after_s) == (413, 3.0)
            else:
                assert (await transport.call(asking(SEVERAL_MB))).data == b"enough"
            await pinged(served[0])
            assert not served[0].of(StreamEnded) and len(served[0].body(1)) < len(SEVERAL_MB)

    bounded(work())


def test_complaint_without_end_is_read_no_further_than_anybody_would() -> None:
    """And its stream is reset."""

    def act(one: Served, event: Event) -> None:
        if isinstance(event, RequestReceived):
            one.state.send_headers(1, [(":status", "500")])
        elif isinstance(event, (StreamEnded, WindowUpdated)) and event.stream_id and not one.resets():
            one.fill(1)

    async def work() -> None:
        async with by_hand(act) as (url, served), calling(url) as transport:
            with pytest.raises(RefusedError) as caught:
                await read(transport)
            assert caught.value.status == 500
            assert await until(lambda: served[0].resets() == [(1, "CANCEL")])

    bounded(work())


def test_calls_wait_for_a_place_among_the_servers_streams() -> None:
    """Where it takes one at a time, three have their turn as they came; one that waits may leave, or its time be up."""

    async def work() -> None:
        settings = ClientSettings(timeouts=Timeouts(connect_s=0.3))
        async with by_hand(settings=ONE_AT_ONCE) as (url, served), calling(url) as transport:
            calls = [asyncio.create_task(read(transport, data=bytes([number]))) for number in range(4)]
            await asked(served)
            one = served[0]
            await pinged(one)
            await left(calls.pop(1))
            for number, (call, sent) in enumerate(zip(calls, (0, 2, 3), strict=True)):
                stream = 2 * number + 1
                await asked(served, number + 1)
                await pinged(one)
                assert len(one.of(RequestReceived)) == number + 1 and one.body(stream) == bytes([sent])
                one.answer(stream, bytes([sent]))
                assert await call == bytes([sent])
            assert transport.opened == 1
        async with by_hand(settings=ONE_AT_ONCE) as (url, served), calling(url, settings) as transport:
            first = asyncio.create_task(read(transport))
            await asked(served)
            with pytest.raises(CallTimeoutError) as caught:
                await read(transport)
            assert caught.value.phase == "connect" and transport.opened == 1
            waiting = asyncio.create_task(read(transport))
            served[0].state.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 2})
            served[0].flush()
            await asked(served, 2)
            await left(first)
            served[0].answer(3)
            assert await waiting == b"a"

    bounded(work())


@pytest.mark.parametrize("begins", [False, True])
def test_connection_that_ends_in_the_middle_is_a_broken_call(begins: bool) -> None:
    """For all calls on it; the next has a new one."""

    async def work() -> None:
        async with by_hand() as (url, served), calling(url) as transport:
            calls = [asyncio.create_task(read(transport)) for _ in range(2)]
            await asked(served, 2)
            for stream in (1, 3):
                if begins:
                    served[0].begin(stream, b"some")
            served[0].writer.close()
            for call in calls:
                with pytest.raises(BrokenError, match="connection that the server closed") as caught:
                    await call
                assert caught.value.began == begins
            again = asyncio.create_task(read(transport))
            assert await until(lambda: len(served) == 2 and served[1].of(StreamEnded))
            served[1].answer(1)
            assert await again == b"a"

    bounded(work())


def test_bytes_that_are_no_http2_break_the_call() -> None:
    """With h2's words."""

    async def work() -> None:
        async with by_hand() as (url, served), calling(url) as transport:
            task = asyncio.create_task(read(transport))
            await asked(served)
            served[0].writer.write(bytes(9))  # data of no stream
            with pytest.raises(BrokenError, match="ProtocolError: "):
                await task

    bounded(work())


def test_what_comes_beside_an_answer_is_accepted() -> None:
    """Informational headers, trailers, padding, empty frames, a ping, a frame of nobody's kind."""

    def act(one: Served, event: Event) -> None:
        if isinstance(event, StreamEnded):
            one.state.send_headers(1, [(":status", "103"), ("link", "</a>")])
            one.state.ping(b"in midst")
            one.begin(1)
            one.state.send_data(1, b"", pad_length=200)
            one.state.send_data(1, b"so", pad_length=100)
            one.state.send_data(1, b"me")
            one.flush()
            one.writer.write(b"\0\0\1\xfa\0\0\0\0\1x")
            one.state.send_headers(1, [("grpc-status", "0")], end_stream=True)

    async def work() -> None:
        async with by_hand(act) as (url, served), calling(url) as transport:
            assert await read(transport) == b"some"
            assert await until(lambda: [one.ping_data for one in served[0].of(PingAckReceived)] == [b"in midst"])

    bounded(work())


def test_server_that_asks_without_end_and_reads_nothing_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of its pings is read than what is to be said to them may take."""
    monkeypatch.setattr(http2, "MOST_UNSENT", 1 << 16)

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SettingsFrame(0).serialize())
        with suppress(OSError):
            while True:
                writer.write(PingFrame(0, bytes(8)).serialize() * 1000)
                await writer.drain()

    async def work() -> None:
        # Small buffers in the kernel, so that they are soon full.
        small = socket.create_server(("127.0.0.1", 0))
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with await asyncio.start_server(flood, sock=small, limit=1024) as server:
            port = server.sockets[0].getsockname()[1]
            async with calling(f"http://127.0.0.1:{port}") as transport:
                task = asyncio.create_task(transport.call(asking()))
                assert await until(lambda: transport.connections)
                (connection,) = transport.connections
                kernel = connection.transport.get_extra_info("socket")
                kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                assert await until(lambda: not connection.transport.is_reading())
                assert connection.transport.get_write_buffer_size() < 1 << 20 and not task.done()
                await left(task)

    bounded(work())


def test_header_that_http2_does_not_have_harms_no_later_call() -> None:
    """The call is refused before it is sent."""

    async def work() -> None:
        async with by_hand(answering) as (url, _), calling(url) as transport:
            with pytest.raises(BrokenError, match="TE header"):
                await transport.call(asking(headers={"te": "gzip"}))
            assert await read(transport, headers={"X-A": "b", "x-b": "c"}) == b"a"

    bounded(work())


def test_server_without_http2_is_told_from_one_with_it(tmp_path: Path) -> None:
    """Over TLS, where both sides agree on it beforehand."""

    async def work() -> None:
        context, trusting = contexts(tmp_path)
        context.set_alpn_protocols(["http/1.1"])
        async with by_hand(context=context) as (url, _), calling(url, trusting) as transport:
            with pytest.raises(BrokenError, match=r"HTTP/2|ALPN|alert") as caught:
                await transport.call(asking())
            assert not caught.value.began

    bounded(work())


def test_transport_that_is_closed_breaks_its_calls_and_takes_no_more() -> None:
    """Those under way, those that wait for a place, and later ones."""

    async def work() -> None:
        async with by_hand(settings=ONE_AT_ONCE) as (url, served), calling(url) as transport:
            calls = [asyncio.create_task(read(transport)) for _ in range(3)]
            await asked(served)
            await transport.close()
            for call in calls:
                with pytest.raises(BrokenError, match=r"end of its client|client that was closed"):
                    await call
            with pytest.raises(BrokenError, match="client that was closed"):
                await transport.call(asking())
            await served[0].ended.wait()
            assert len(served) == 1

    bounded(work())


def test_each_call_has_its_own_connection_where_none_is_kept() -> None:
    """At most as many at once as the pool has."""

    async def work() -> None:
        async with by_hand() as (url, served), calling(url, ClientSettings(Pool(2, keep_alive=False))) as transport:
            calls = [asyncio.create_task(read(transport)) for _ in range(3)]
            assert await until(lambda: len(served) == 2 and all(one.of(StreamEnded) for one in served))
            for number in range(3):
                await asked(served[number:])
                served[number].answer(1)
                await served[number].ended.wait()
                assert await until(lambda: len(served) == 3)
            assert await asyncio.gather(*calls) == [b"a"] * 3 and transport.opened == 3

    bounded(work())


def test_setting_that_http2_does_not_have_is_refused() -> None:
    """A limit for each host."""

    async def work() -> None:
        with pytest.raises(ServiceError, match="per_host"):
            Http2Transport("http://127.0.0.1:1", ClientSettings(Pool(per_host=1)))

    bounded(work())
