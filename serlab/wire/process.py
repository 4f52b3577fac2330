"""A model server in a process of its own: spawned, ready when it says so, gone when its parent is.

The child reads its settings from its standard input and writes its addresses to its standard output. It stops when the
input ends, and the input ends with the parent, however that dies.
"""

import asyncio
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

import serlab
from serlab.errors import ServiceError
from serlab.scratch import sweep
from serlab.wire.connections import READY_S
from serlab.wire.settings import Addresses, Settings

STOP_S = 2.75
"""How long the child may take to stop before it is killed; it ends by itself before; see `serlab.wire.server`."""


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
            yield _addresses_from(process, complaints)
        finally:
            end(process)
            sweep()  # The certificates of a child that was killed.


def command_of(module: str) -> list[str]:
    """Return the command that runs a module's `child`; the package is found where this one was, from any folder."""
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
        process.wait()


def _addresses_from(process: "subprocess.Popen[bytes]", complaints: IO[bytes]) -> Addresses:
    """Wait for the child's addresses.

    Raises:
        ServiceError: it ended, or said nothing in time.
    """
    assert process.stdout is not None
    line = process.stdout.readline() if has_something(process.stdout, 2 * READY_S) else b""
    if line:
        return msgspec.json.decode(line, type=Addresses)
    process.kill()
    complaints.seek(0)
    complaint = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
    raise ServiceError(f"the model server did not start: {complaint or 'it said nothing'}")


def has_something(source: IO[bytes] | socket.socket, seconds: float) -> bool:
    """Wait until something can be read, or the other side has ended; False if neither happens in time.

    `select.select` does the same, but not in a process that has more than 1,024 files open.
    """
    with selectors.DefaultSelector() as waiting:
        waiting.register(source, selectors.EVENT_READ)
        return bool(waiting.select(seconds))


def child() -> int:
    """Run the server that `spawned` asks for, until the parent closes its end or dies."""
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    from serlab.wire.server import (
        run_until_signal,
    )  # Wrong settings are said before the extra's libraries are asked for.

    asyncio.run(run_until_signal(settings, _tell, sys.stdin.buffer.fileno()))
    return 0


def _tell(addresses: Addresses) -> None:
    """Tell the parent where the server listens."""
    sys.stdout.buffer.write(msgspec.json.encode(addresses) + b"\n")
    sys.stdout.buffer.flush()
