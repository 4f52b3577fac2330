"""HTTP/2 by h2: calls side by side on one connection, and a call that is left resets its stream.

A call is left by its task's end, a timeout or `aclose`; the server hears of it at once, and the others go on. What
comes over a connection is handed to its calls as it comes, by the event loop: a connection has no task of its own.
Nothing waits to write: what goes out at once is what the server's windows have room for, the rest of a request waits in
its call for more. So do answers: bytes that nobody has taken are not acknowledged, and beyond a window of them their
sender has to wait.

Over TLS both sides agree on HTTP/2 by ALPN, without TLS it is taken for granted (prior knowledge).

Source: RFC 9113.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from time import perf_counter_ns
from typing import Any, cast
from urllib.parse import urlsplit

from h2 import events
from h2.connection import ConnectionInputs, ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error, StreamClosedError
from h2.settings import SettingCodes, Settings

from serlab.errors import ServiceError
from serlab.wire.timeouts import BrokenError, CallTimeouts, ClientSettings, Pool, retry_after, said
from serlab.wire.transport import PATIENCE_S, Payload, Piece, Reply, complaint_of, gathered, headers_of

STREAM_WINDOW = 1 << 20
"""Bytes of an answer that may have come and not been taken; more has to wait with its sender (RFC 9113, 5.2)."""

CONNECTION_WINDOW = 1 << 28
"""The same of all answers on a connection: more than those of 200 calls, so that a slow reader stops no other."""

FIRST_WINDOW = (1 << 16) - 1
"""What a connection's window is by itself (RFC 9113, 6.9.2)."""

MOST_UNSENT = 1 << 26
"""Bytes that wait for a server that reads nothing, before nothing more is read of it: of requests, or, from one that
means harm, of our answers to its pings."""

MOST_UNHEARD = 10
"""Calls that are reset in a burst although nothing has come of their answers; the next wait for a ping to come back.
hyper 1.12 closes a connection, with all that is on it, at the 21st reset of a stream that it has not looked at yet."""

CLOSED = "a connection that the server closed"

_DRAINING = {
    (state, ConnectionInputs.RECV_GOAWAY): (None, state)
    for state in (ConnectionState.IDLE, ConnectionState.CLIENT_OPEN)
}
"""What GOAWAY does to a connection: nothing, for the calls before it are still answered (RFC 9113, 6.8). h2 by itself
takes nothing more."""


class _Call:
    """A call and its stream.

    Args:
        connection: that carries it.
        number: of the stream.
        data: the request's body.
        where: what is called.

    Attributes:
        unsent: what of the body has not gone out.
        status: of the answer, 0 until it has come.
        headers: of the answer.
        parts: of the answer, which nobody has taken.
        untaken_bytes: that these, with their padding, take of the windows.
        is_whole: whether all of the answer has come.
        broken: why no more will come; "" if more may.
        news: set when something has come.
    """

    def __init__(self, connection: "_Connection", number: int, data: bytes, where: str) -> None:
        self.connection, self.number, self.where = connection, number, where
        self.unsent = memoryview(data)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.untaken_bytes = 0
        self.is_whole, self.broken = False, ""
        self.news = asyncio.Event()

    def end(self, broken: str) -> None:
        """Note that no more will come; what comes after a whole answer does not matter to it (RFC 9113, 8.1)."""
        self.broken = self.broken or ("" if self.is_whole else broken)
        self.unsent = self.unsent[:0]
        self.news.set()

    async def head(self) -> None:
        """Wait for the answer's status and headers.

        Raises:
            BrokenError: none came.
        """
        while not self.status:
            await self._more()

    def __aiter__(self) -> "_Call":
        """Read the answer."""
        return self

    async def __anext__(self) -> bytes:
        """Take what has come of the answer, and wait for something if nothing has.

        Raises:
            BrokenError: it ended before its time.
        """
        while not self.parts:
            if self.is_whole:
                raise StopAsyncIteration
            await self._more()
        data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts.clear()
        self.connection.acknowledge(self)
        return data

    async def _more(self) -> None:
        """Wait for news."""
        if self.broken:
            raise BrokenError(self.broken, self.where, self.status > 0)
        self.news.clear()
        await self.news.wait()


class _Connection(asyncio.Protocol):
    """One connection, and the calls on it.

    Args:
        pool: how long it is kept.
        freed: set when a call may have found a place, here or on another connection.

    Attributes:
        calls: by their streams' numbers.
        takes: whether it takes calls.
        agreed: whether the server has said how many streams it takes at once.
        reason: why it ended.
        unheard: resets of streams that the server may not have looked at.
        unsaid: streams whose reset waits for that.
        transport: what goes to the server.
        lost: done when nothing is left of it.
    """

    transport: asyncio.Transport

    def __init__(self, pool: Pool, freed: asyncio.Event) -> None:
        self.pool, self.freed, self.loop = pool, freed, asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self.calls: dict[int, _Call] = {}
        self.takes, self.agreed, self.reason = True, False, CLOSED
        self.unheard, self.unsaid = 0, list[int]()
        self.state = H2Connection()
        machine = self.state.state_machine
        machine._transitions = {**machine._transitions, **_DRAINING}
        ours = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: H2Connection.DEFAULT_MAX_HEADER_LIST_SIZE,
        }
        self.state.local_settings = Settings(client=True, initial_values=ours)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(MOST_UNSENT)
        self.state.initiate_connection()
        self.state.increment_flow_control_window(CONNECTION_WINDOW - FIRST_WINDOW)
        self._flush()
        self.idle = self.loop.call_later(self.pool.idle_s, self.close)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        try:
            for event in self.state.receive_data(data):
                self._take(event)
        except (H2Error, ValueError) as error:
            self.reason = said(error)
            self.close()
        self._flush()
        self.freed.set()

    def pause_writing(self) -> None:
        """Read no more until the server does."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is left."""
        self.reason = said(exc) if exc else self.reason
        self.close()
        self.freed.set()
        self.lost.set_result(None)

    def has_room(self) -> bool:
        """Return whether a call can begin: the server says how many streams it takes, and until then it is one."""
        most = self.state.remote_settings.max_concurrent_streams if self.agreed else 1
        return self.takes and self.state.open_outbound_streams < most

    def begin(self, headers: list[tuple[str, str]], data: bytes, where: str) -> _Call:
        """Begin a call, for which there must be room.

        Raises:
            BrokenError: a header that HTTP/2 does not have; the connection ends, for half of it may be compressed.
        """
        self.idle.cancel()
        number = self.state.get_next_available_stream_id()
        try:
            self.state.send_headers(number, headers, end_stream=not data)
        except H2Error as error:
            self.reason = said(error)
            self.close()
            raise BrokenError(said(error), where) from error
        self.takes = self.pool.keep_alive and number < H2Connection.HIGHEST_ALLOWED_STREAM_ID
        call = self.calls[number] = _Call(self, number, data, where)
        self._send(call)
        self._flush()
        return call

    def leave(self, call: _Call, resets: bool) -> None:
        """End a call, whether its answer is whole or not.

        Args:
            call: to be left.
            resets: whether the server is told if it is not whole.
        """
        del self.calls[call.number]
        if resets and not call.broken and not (call.is_whole and not call.unsent):
            self._reset(call.number, call.status > 0)
        self.acknowledge(call)
        self._flush()
        self.freed.set()
        if not self.calls and self.takes:
            self.idle = self.loop.call_later(self.pool.idle_s, self.close)
        elif not self.calls:
            self.close()

    def acknowledge(self, call: _Call) -> None:
        """Make room for as much as has been taken of an answer."""
        if call.untaken_bytes:
            self.state.acknowledge_received_data(call.untaken_bytes, call.number)
            call.untaken_bytes = 0
            self._flush()

    def close(self) -> None:
        """Say goodbye and close; a server that does not read that in time is not waited for."""
        self.takes = False
        self.idle.cancel()
        for call in self.calls.values():
            call.end(self.reason)
        if not self.transport.is_closing():
            self.state.close_connection()
            self._flush()
            self.transport.close()
            late = self.loop.call_later(PATIENCE_S, self.transport.abort)
            self.lost.add_done_callback(lambda _: late.cancel())

    def _take(self, event: events.Event) -> None:
        """Do what an event asks for; pings and settings have been answered by h2."""
        call = self.calls.get(getattr(event, "stream_id", 0))
        if isinstance(event, events.DataReceived):
            self._add(call, event)
        elif isinstance(event, (events.WindowUpdated, events.RemoteSettingsChanged)):
            self.agreed = self.agreed or isinstance(event, events.RemoteSettingsChanged)
            for one in [call] if call else self.calls.values():
                self._send(one)
        elif isinstance(event, events.ConnectionTerminated):
            self._drain(event)
        elif isinstance(event, events.PingAckReceived):
            waiting, self.unheard, self.unsaid = self.unsaid, 0, []
            for number in waiting:
                self._reset(number, False)
        elif call is not None and isinstance(event, events.ResponseReceived):
            call.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            call.status = int(call.headers.get(":status", ""))
            call.news.set()
        elif call is not None and isinstance(event, events.StreamEnded):
            call.is_whole = True
            call.news.set()
        elif call is not None and isinstance(event, events.StreamReset):
            call.end(f"a reset of its stream ({_name_of(event.error_code)})")

    def _add(self, call: _Call | None, event: events.DataReceived) -> None:
        """Keep a part of an answer; what comes for nobody makes room at once."""
        if call is not None and event.data:
            call.parts.append(event.data)
            call.untaken_bytes += event.flow_controlled_length
            call.news.set()
        else:
            self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _drain(self, event: events.ConnectionTerminated) -> None:
        """Take no more calls; the server tells up to which it has those that stand (RFC 9113, 6.8)."""
        self.takes, name = False, _name_of(event.error_code)
        self.reason = f"{CLOSED} ({name})"
        for call in self.calls.values():
            if call.number > (event.last_stream_id or 0):
                call.end(f"GOAWAY ({name}): the server has not begun it; ask again, which is another connection")
        if not self.calls:
            self.close()

    def _reset(self, number: int, is_heard: bool) -> None:
        """Say that a call was left, or note that this is to be said; one whose answer ended meanwhile is no matter."""
        self.unheard += not is_heard
        if not is_heard and self.unheard == 1:
            self.state.ping(bytes(8))
        if is_heard or self.unheard <= MOST_UNHEARD:
            with suppress(StreamClosedError):
                self.state.reset_stream(number, ErrorCodes.CANCEL)
        else:
            self.unsaid.append(number)

    def _send(self, call: _Call) -> None:
        """Send as much of a request as there is room for (RFC 9113, 6.9)."""
        while call.unsent:
            room = min(self.state.local_flow_control_window(call.number), self.state.max_outbound_frame_size)
            if room <= 0:
                return
            part, call.unsent = call.unsent[:room], call.unsent[room:]
            self.state.send_data(call.number, part, end_stream=not call.unsent)

    def _flush(self) -> None:
        """Write what h2 wants to say."""
        data = self.state.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)


def _name_of(code: ErrorCodes | int | None) -> str:
    """Name an error of HTTP/2; those that it does not have keep their number."""
    return code.name if isinstance(code, ErrorCodes) else str(code)


class Http2Transport:
    """Calls over HTTP/2, side by side on one connection; to be made in a running event loop.

    Args:
        base_url: of the server.
        settings: None for the defaults.
        resets: whether the server is told of a call that is left; if not, it works on, for nobody.

    Attributes:
        opened: connections opened so far.

    Raises:
        ServiceError: a setting that it does not have.
    """

    messages = False

    def __init__(self, base_url: str, settings: ClientSettings | None = None, *, resets: bool = True) -> None:
        self.settings, self.base_url, self.resets = settings or ClientSettings(), base_url, resets
        if per_host := self.settings.pool.per_host:
            raise ServiceError(f"pool: per_host: expected 0, got {per_host}: HTTP/2 has no such limit; use size")
        self.parts = urlsplit(base_url)
        self.tls: dict[str, Any] = {}
        if self.parts.scheme == "https":
            context = self.settings.context()
            context.set_alpn_protocols(["h2"])
            self.tls = {"ssl": context, "ssl_shutdown_timeout": PATIENCE_S}
        self.opened, self.is_closed = 0, False
        self.connections: set[_Connection] = set()
        self.turn, self.freed = asyncio.Lock(), asyncio.Event()

    async def call(self, payload: Payload) -> Reply:
        """Get a whole answer; see `serlab.wire.transport.Transport`."""
        return await gathered(self.stream(payload), self._where(payload))

    async def stream(self, payload: Payload) -> AsyncGenerator[Piece, None]:
        """Get an answer as it comes; see `serlab.wire.transport.Transport`."""
        patience = CallTimeouts(self.settings.timeouts, payload.deadline, self._where(payload))
        connection = await patience.first(patience.connected(self._connection(patience.where)))
        call = connection.begin(self._headers(payload), payload.data, patience.where)
        try:
            await patience.first(call.head())
            if call.status != 200:
                text = (await patience.rest(complaint_of(call))).decode(errors="replace")
                raise patience.refused(call.status, text, retry_after(call.headers))
            wait = patience.first
            while data := await wait(anext(call, b"")):
                yield Piece(data, perf_counter_ns())
                wait = patience.next
        finally:
            connection.leave(call, self.resets)

    async def close(self) -> None:
        """Close all connections; calls that are under way are broken."""
        self.is_closed = True
        standing = list(self.connections)
        for connection in standing:
            connection.reason = "the end of its client"
            connection.close()
        if standing:
            await asyncio.wait([connection.lost for connection in standing])

    def _where(self, payload: Payload) -> str:
        """Name what is called."""
        return f"{self.base_url}{payload.path}"

    def _headers(self, payload: Payload) -> list[tuple[str, str]]:
        """Write a request's headers (RFC 9113, 8.3.1)."""
        scheme, host, length = self.parts.scheme, self.parts.netloc, str(len(payload.data))
        target = {":method": "POST", ":scheme": scheme, ":authority": host, ":path": payload.path}
        return [*target.items(), ("content-length", length), *headers_of(payload).items()]

    async def _connection(self, where: str) -> _Connection:
        """Wait for a connection that has room for a call; those that wait get it in the order in which they came.

        Raises:
            BrokenError: there is none.
        """
        async with self.turn:
            while not self.is_closed:
                for connection in self.connections:
                    if connection.has_room():
                        return connection
                is_full = len(self.connections) >= self.settings.pool.size
                if is_full or any(connection.takes for connection in self.connections):
                    self.freed.clear()
                    await self.freed.wait()
                else:
                    await self._open(where)
        raise BrokenError("a client that was closed", where)

    async def _open(self, where: str) -> None:
        """Open a connection.

        Raises:
            BrokenError: there is none, or the server does not speak HTTP/2.
        """
        host, port = self.parts.hostname or "", self.parts.port or {"http": 80, "https": 443}[self.parts.scheme]
        connection = _Connection(self.settings.pool, self.freed)
        try:
            await connection.loop.create_connection(lambda: connection, host, port, **self.tls)
        except OSError as error:
            raise BrokenError(said(error), where) from error
        self.opened += 1
        self.connections.add(connection)
        connection.lost.add_done_callback(lambda _: self._forget(connection))
        secure = connection.transport.get_extra_info("ssl_object")
        if self.is_closed or (secure is not None and secure.selected_alpn_protocol() != "h2"):
            connection.close()
            raise BrokenError("a server without HTTP/2, or the end of its client", where)

    def _forget(self, connection: _Connection) -> None:
        """Make room for another connection."""
        self.connections.discard(connection)
        self.freed.set()
