"""A whole model server: HTTP, HTTPS and gRPC over one engine, in the event loop of whoever starts it."""

import asyncio
import os
import select
import signal
import socket
import sys
import threading
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from serlab.scratch import Scratch
from serlab.wire.api_errors import Stats
from serlab.wire.app import application
from serlab.wire.connections import Peers, raise_descriptors
from serlab.wire.listening import http_servers, make_certificates, start_grpc
from serlab.wire.model import Engine
from serlab.wire.settings import Addresses, Settings

# How a server's process ends in time, whatever it is at.
#
# A signal's handler in Python, and a callback of the event loop, run only when the loop is free. So a thread waits for
# the word to end: Python's own handler, in C, writes a byte to a socket as soon as a signal comes. The loop is told
# and has `END_S` seconds to end all in order; then the process ends without it.

END_S = 1.5
"""How long an end in order may take. With what goes on around it, the process has ended within three seconds."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Ending:
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
def _ending(parent: int | None = None) -> Iterator[_Ending]:
    """Hear of SIGINT and SIGTERM, and of a parent's end, while the block lasts; in the main thread.

    Args:
        parent: a file descriptor that becomes readable when the process is to end.
    """
    found = _Ending()
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


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A server that runs.

    Attributes:
        settings: what it was started with.
        addresses: where it listens.
        stats: its counters, which go on counting.
        peers: its connections.
        children: lists the processes that do heavy work for it now.
        abandon: ends what would outlive this process, for one that is about to end at once; from any thread.
    """

    settings: Settings
    addresses: Addresses
    stats: Stats
    peers: Peers
    children: Callable[[], list[Process]]
    abandon: Callable[[], None]


@asynccontextmanager
async def running(settings: Settings | None = None) -> AsyncIterator[ModelServer]:
    """Run a model server in this event loop until the block is left.

        async with running(Settings(seed=1, latency=Latency(token_s=0.01))) as server:
            client = AsyncOpenAI(base_url=f"{server.addresses.http}/v1", api_key="none")

    It shares the loop's time with whoever else runs there; to measure, give it a process of its own:
    `serlab.wire.process.spawned`.

    Args:
        settings: how it behaves; None for no latency, no faults and free ports on loopback.

    Raises:
        ServiceError: a port cannot be had.
    """
    settings = settings or Settings()
    engine = Engine(settings)
    scratch = Scratch()
    with scratch as folder:
        certificates = make_certificates(folder, settings.host)

        def abandon() -> None:
            engine.heavy.kill()
            scratch.close()

        async with http_servers(application(engine), settings, certificates) as (plain, secure):
            grpc_server, grpc_address, grpcs_address = await start_grpc(engine, settings, certificates)
            watching = asyncio.create_task(engine.peers.watch())
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            urls = f"http://{host}:{plain}", f"https://{host}:{secure}"
            addresses = Addresses(*urls, grpc_address, grpcs_address, str(certificates.authority), os.getpid())
            try:
                yield ModelServer(settings, addresses, engine.stats, engine.peers, engine.heavy.children, abandon)
            finally:
                watching.cancel()
                await grpc_server.stop(None)
                await engine.close()


async def run_until_signal(settings: Settings, ready: Callable[[Addresses], None], parent: int | None = None) -> None:
    """Run a model server until SIGINT or SIGTERM, and end the process within three seconds then.

    Args:
        settings: how it behaves.
        ready: called when it listens.
        parent: a file descriptor; the server ends as well when it becomes readable.

    Raises:
        ServiceError: a port cannot be had.
    """
    raise_descriptors()
    with _ending(parent) as end:
        async with running(settings) as server:
            end.last.append(server.abandon)
            ready(server.addresses)
            await end.told.wait()
        # All is closed, and nobody needs what the loop, the interpreter and the libraries would still tidy up. A server
        # that was at four large answers had not ended after 20 seconds; what held it was not found.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # Whoever read it may have closed it.
                stream.flush()
        os._exit(0)
