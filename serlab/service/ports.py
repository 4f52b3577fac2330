"""Ports for a server that binds its own sockets: free ones, or those asked for, never shared by accident."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from serlab.errors import ServiceError

READY_S = 120.0
"""How long a server may take until it listens. It takes 1 s where a processor is free; one whose process has ended is
noticed at once, so that this is only for one that hangs."""


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Keep a port until the server listens on it.

    granian sets SO_REUSEPORT, with which two servers on one port would each get a part of the connections. So the port
    is first bound without it, which fails if anybody listens, and then held by a socket that shares but never listens.

    Args:
        host: an IP address of this machine.
        port: 0 for a free one.

    Yields:
        The port.

    Raises:
        ServiceError: it cannot be had.
    """
    family, address = (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)
    try:
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
        holder = socket.socket(family)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
    except OSError as error:
        raise ServiceError(f"port {port} of {host}: {error.strerror}; choose another, or 0 for a free one") from error
    with closing(holder):
        yield holder.getsockname()[1]


async def until_listening(host: str, port: int) -> None:
    """Wait until somebody listens.

    Raises:
        ServiceError: nobody does in time.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + READY_S
    while loop.time() < end:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise ServiceError(f"port {port} of {host}: nobody listens after {READY_S:g} s")
