"""One end of a relayed connection: it holds what comes in, and hands it to the other end when it is due."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import cast

HELD_BYTES = 1 << 22
"""What a direction holds before its source has to wait; 4 MiB."""

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: close with a reset."""


class Event(Enum):
    """What else than bytes comes in: nothing more from there, or the connection is gone."""

    END = "end"
    RESET = "reset"


class End(asyncio.Protocol):
    """One end.

    Args:
        delay_s: how long what comes in is held, in seconds.
        count: called with the number of bytes that came in.
        opened: called when the end is connected.
        closed: called when it is not any more.

    Attributes:
        peer: the other end; to be set before anything comes in.
        open_s: the loop's time from which on what comes in counts as sent.
        held: bytes that are held.
    """

    def __init__(
        self,
        delay_s: float,
        count: Callable[[int], None],
        opened: Callable[["End"], None],
        closed: Callable[["End"], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.delay_s, self.count, self.opened, self.closed = delay_s, count, opened, closed
        self.peer = self
        self.transport: asyncio.Transport | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.inbox: deque[tuple[float, bytes | Event]] = deque()
        self.open_s, self.held = 0.0, 0
        self.full = self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; asyncio has set TCP_NODELAY."""
        self.transport = cast(asyncio.Transport, transport)
        self.opened(self)

    def data_received(self, data: bytes) -> None:
        """Hold bytes, and read no more if they are many."""
        self.count(len(data))
        self.held += len(data)
        self.hold(data)
        if self.held >= HELD_BYTES and self.transport:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Hold the end of this direction; the other one stays open."""
        self.hold(Event.END)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Hold the news, unless it was closed from here."""
        self.closed(self)
        if exc is not None:
            self.hold(Event.RESET)

    def pause_writing(self) -> None:
        """Take nothing more from the other end."""
        self.full = True

    def resume_writing(self) -> None:
        """Go on."""
        self.full = False
        self.peer.deliver()

    def hold(self, item: bytes | Event) -> None:
        """Keep something until it is due."""
        self.inbox.append((max(self.loop.time(), self.open_s) + self.delay_s, item))
        if self.timer is None:
            self.deliver()

    def deliver(self) -> None:
        """Hand over what is due, and come back for the rest."""
        if self.timer:
            self.timer.cancel()
        self.timer = None
        while self.inbox and self.peer.transport and not self.peer.full:
            due, item = self.inbox[0]
            if due > self.loop.time():
                self.timer = self.loop.call_at(due, self.deliver)
                break
            self.inbox.popleft()
            self.hand_over(item, self.peer.transport)
        if self.held <= HELD_BYTES // 2 and self.transport:
            self.transport.resume_reading()

    def hand_over(self, item: bytes | Event, transport: asyncio.Transport) -> None:
        """Give one thing to the other end's connection."""
        if isinstance(item, bytes):
            self.held -= len(item)
            # A connection that is gone takes nothing, and its sender hears of it in its turn.
            if not transport.is_closing():
                transport.write(item)
        elif item is Event.RESET:
            self.peer.reset()
        else:
            self.ended = True
            self.end_peer(transport)

    def end_peer(self, transport: asyncio.Transport) -> None:
        """Tell the other end that nothing more comes, and close both when neither has more to say."""
        try:
            transport.write_eof()
        except OSError:
            # It was reset after its own end, where asyncio does not look any more.
            self.peer.reset()
            self.peer.hold(Event.RESET)
        if self.peer.ended:
            self.close()
            self.peer.close()

    def close(self) -> None:
        """Close the connection when all is written."""
        if self.transport:
            self.transport.close()

    def reset(self) -> None:
        """Drop the connection; what had come from it still arrives."""
        if self.transport and not self.transport.is_closing():
            connection: socket.socket = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.transport.abort()
