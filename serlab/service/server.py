"""A whole model server: HTTP, HTTPS and gRPC over one engine, in the event loop of whoever starts it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from serlab.service.engine import Engine
from serlab.service.grpclistening import start_grpc
from serlab.service.http import application
from serlab.service.httpserver import http_servers
from serlab.service.settings import Addresses, Settings
from serlab.service.stats import Stats
from serlab.service.tls import make_certificates


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A server that runs.

    Attributes:
        settings: what it was started with.
        addresses: where it listens.
        stats: its counters, which go on counting.
    """

    settings: Settings
    addresses: Addresses
    stats: Stats


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
    with TemporaryDirectory(prefix="serlab-tls-") as folder:
        certificates = make_certificates(Path(folder), settings.host)
        async with http_servers(application(engine), settings, certificates) as (plain, secure):
            grpc_server, grpc_address, grpcs_address = await start_grpc(engine, settings, certificates)
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            urls = f"http://{host}:{plain}", f"https://{host}:{secure}"
            addresses = Addresses(*urls, grpc_address, grpcs_address, str(certificates.authority), os.getpid())
            try:
                yield ModelServer(settings, addresses, engine.stats)
            finally:
                await grpc_server.stop(None)
                await engine.close()


async def run_until_signal(settings: Settings, ready: Callable[[Addresses], None]) -> None:
    """Run a model server until SIGINT or SIGTERM.

    Args:
        settings: how it behaves.
        ready: called when it listens.

    Raises:
        ServiceError: a port cannot be had.
    """
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running(settings) as server:
        ready(server.addresses)
        await stopped.wait()
