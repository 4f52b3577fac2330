"""A model server in a process of its own: spawned, ready when it says so, gone when its parent is.

The child reads its settings from its standard input and writes its addresses to its standard output. It stops when the
input ends, and the input ends with the parent, however that dies.
"""

import asyncio
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

import serlab
from serlab.errors import ServiceError
from serlab.service.ports import READY_S
from serlab.service.settings import Addresses, Settings

STOP_S = 3.0
"""How long the child may take to stop before it is killed."""


@contextmanager
def spawned(settings: Settings | None = None) -> Iterator[Addresses]:
    """Run a model server in another process until the block is left.

    Args:
        settings: how it behaves; None for no latency, no faults and free ports on loopback.

    Yields:
        Where it listens; its counters are at `/stats`.

    Raises:
        ServiceError: it did not start.
    """
    command = command_of(__name__)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # Complaints go to a file: nobody reads a pipe while the server runs, and a full one would stop it.
    with TemporaryFile() as complaints, subprocess.Popen(command, stderr=complaints, **pipes) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(msgspec.json.encode(settings or Settings()) + b"\n")
            process.stdin.flush()
            yield addresses_from(process, complaints)
        finally:
            end(process)


def command_of(module: str) -> list[str]:
    """Give the command that runs a module's `child`; the package is found where this one was, from any folder."""
    code = f"import sys; sys.path.insert(0, sys.argv[1]); from {module} import child; sys.exit(child())"
    # -P, or a json.py where the user stands would be imported in place of Python's own.
    return [sys.executable, "-P", "-c", code, str(Path(serlab.__file__).parents[1])]


def end(process: "subprocess.Popen[bytes]") -> None:
    """Let a child end, which it does when its input does; kill one that takes too long."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def addresses_from(process: "subprocess.Popen[bytes]", complaints: IO[bytes]) -> Addresses:
    """Wait for the child's addresses.

    Raises:
        ServiceError: it ended, or said nothing in time.
    """
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], 2 * READY_S)
    line = process.stdout.readline() if readable else b""
    if line:
        return msgspec.json.decode(line, type=Addresses)
    process.kill()
    complaints.seek(0)
    complaint = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
    raise ServiceError(f"the model server did not start: {complaint or 'it said nothing'}")


def child() -> int:
    """Run the server that `spawned` asks for."""
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    asyncio.run(serve_parent(settings, sys.stdin.buffer.fileno()))
    return 0


async def serve_parent(settings: Settings, parent: int) -> None:
    """Serve until the parent closes its end or dies.

    Args:
        settings: how the server behaves.
        parent: a file descriptor that becomes readable then.
    """
    from serlab.service.server import running

    gone, loop = asyncio.Event(), asyncio.get_running_loop()
    async with running(settings) as server:
        loop.add_reader(parent, noticed(loop, parent, gone))
        sys.stdout.buffer.write(msgspec.json.encode(server.addresses) + b"\n")
        sys.stdout.buffer.flush()
        await gone.wait()


def noticed(loop: asyncio.AbstractEventLoop, parent: int, gone: asyncio.Event) -> Callable[[], None]:
    """Give what is called when the parent's end is closed."""

    def notice() -> None:
        loop.remove_reader(parent)
        gone.set()

    return notice
