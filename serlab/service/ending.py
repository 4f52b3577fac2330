"""How a server's process ends in time, whatever it is at.

A signal's handler in Python, and a callback of the event loop, run only when the loop is free. So a thread waits for
the word to end: Python's own handler, in C, writes a byte to a socket as soon as a signal comes. The loop is told and
has `END_S` seconds to end all in order; then the process ends without it.
"""

import asyncio
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

END_S = 1.5
"""How long an end in order may take. With what goes on around it, the process has ended within three seconds."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """The word to end, and what to do when it is not followed in time.

    Attributes:
        told: set when the process is to end.
        last: done before the process ends out of order, in another thread than the loop's.
    """

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.last: list[Callable[[], None]] = []
        self.over = threading.Event()

    def watch(self, sources: list[int], loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the word, and for what becomes of it."""
        waiting = select.poll()
        for source in sources:
            waiting.register(source, select.POLLIN)
        waiting.poll()
        if self.over.is_set():
            return
        loop.call_soon_threadsafe(self.told.set)
        if not self.over.wait(END_S):
            try:
                for step in self.last:
                    step()
            finally:
                os._exit(0)


@contextmanager
def ending(parent: int | None = None) -> Iterator[Ending]:
    """Hear of SIGINT and SIGTERM, and of a parent's end, while the block lasts; in the main thread.

    Args:
        parent: a file descriptor that becomes readable when the process is to end.
    """
    found = Ending()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    before = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    sources = [theirs.fileno()] + ([] if parent is None else [parent])
    thread = threading.Thread(target=found.watch, args=(sources, asyncio.get_running_loop()), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.over.set()
        ours.send(b"\0")
        thread.join()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        ours.close()
        theirs.close()
