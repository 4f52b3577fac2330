"""A Redis server on loopback for as long as a block lasts: a real one, of the package `redis-server`.

It keeps nothing on disk, holds at most the bytes that it is given, and evicts the key that was used longest ago
(Redis looks at five and takes the oldest of them).
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serlab.errors import MissingPackageError, ServiceError
from serlab.scratch import Scratch
from serlab.wire.connections import READY_S

HOST = "127.0.0.1"
STOP_S = 3.0


def find_redis_server() -> str:
    """Find the program.

    Raises:
        MissingPackageError: it is not installed.
    """
    found = shutil.which("redis-server")
    if not found:
        raise MissingPackageError("a cache in Redis needs the program redis-server: apt-get install redis-server")
    return found


@contextmanager
def redis_server(capacity_bytes: int = 0, port: int = 0) -> Iterator[str]:
    """Run a server until the block is left, or this process dies.

    Args:
        capacity_bytes: what it may hold, its own needs (about 1 MB) included; 0 for no bound.
        port: on loopback; 0 for a free one.

    Yields:
        Its URL.

    Raises:
        MissingPackageError: the program is not installed.
        ServiceError: it did not start.
    """
    program, port = find_redis_server(), port or free_port()
    with Scratch() as folder:
        process = _start([program, *_settings(str(folder), port, capacity_bytes)])
        try:
            _wait_until_ready(process, port, folder / "log")
            yield f"redis://{HOST}:{port}/0"
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _settings(folder: str, port: int, capacity_bytes: int) -> list[str]:
    """Write the options: loopback only, nothing on disk, a bound with eviction."""
    options = {"bind": HOST, "port": port, "dir": folder, "logfile": f"{folder}/log", "save": "", "appendonly": "no"}
    options |= {"maxmemory": capacity_bytes, "maxmemory-policy": "allkeys-lru", "daemonize": "no"}
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    """Start a process that ends when this one dies, where util-linux can arrange that."""
    setpriv = shutil.which("setpriv")
    dying = [setpriv, "--pdeathsig", "SIGTERM"] if setpriv else []
    null = subprocess.DEVNULL
    return subprocess.Popen([*dying, *command], stdin=null, stdout=null, stderr=null)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Ask until the server answers.

    Raises:
        ServiceError: it ended, or did not answer in time.
    """
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        if _answers(process.pid, port):
            return
        time.sleep(0.01)
    told = log.read_text(errors="replace").strip().rpartition("\n")[2] if log.exists() else "it said nothing"
    raise ServiceError(f"redis-server on port {port} did not start: {told}")


def _answers(pid: int, port: int) -> bool:
    """Return whether this very process answers: another's server may have the port."""
    try:
        with socket.create_connection((HOST, port), 0.5) as connection:
            connection.sendall(b"INFO server\r\n")
            return f"process_id:{pid}\r".encode() in connection.recv(1 << 16)
    except OSError:
        return False


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
