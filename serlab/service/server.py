"""A whole model server: HTTP, HTTPS and gRPC over one engine, in the event loop of whoever starts it."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from serlab.service.bounds import raise_descriptors
from serlab.service.ending import ending
from serlab.service.engine import Engine
from serlab.service.grpclistening import start_grpc
from serlab.service.http import application
from serlab.service.httpserver import http_servers
from serlab.service.peers import Peers
from serlab.service.settings import CERTIFICATES_PREFIX, Addresses, Settings
from serlab.service.stats import Stats
from serlab.service.tls import make_certificates


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
    `serlab.service.process.spawned`.

    Args:
        settings: how it behaves; None for no latency, no faults and free ports on loopback.

    Raises:
        ServiceError: a port cannot be had.
    """
    settings = settings or Settings()
    engine = Engine(settings)
    with TemporaryDirectory(prefix=CERTIFICATES_PREFIX) as folder:
        certificates = make_certificates(Path(folder), settings.host)

        def abandon() -> None:
            engine.heavy.kill()
            rmtree(folder, ignore_errors=True)

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
    with ending(parent) as end:
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
