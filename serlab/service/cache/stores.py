"""Entries in LMDB: a memory-mapped B+ tree in a file, without a server.

How it is used, and why:

- One process: a lock on the folder keeps others out, since the bound is counted in memory. Several processes share a
  Redis. LMDB's handle must not live through a fork.
- Threads: every call is one transaction that begins and ends in it, in one thread, which LMDB allows. A get makes no
  system call where the page is in memory, a put writes pages without waiting for the disk, so both are short enough for
  an event loop; `lmdb.aio`, which sends each call to a thread, costs more than it saves here.
- `sync` is off: a cache need not survive the machine. A process that dies loses nothing; after a power cut the file may
  be damaged beyond what checks find: delete it. Without a path, it is a folder of its own that goes when it is closed.
- A page holds 4 kB, an entry above 2 kB takes whole pages, and what is freed is used again two transactions later. The
  map is therefore larger than the capacity; the file grows only to what was needed at once.

Source: LMDB's own documentation (lmdb.h, caveats); py-lmdb's documentation.
"""

import asyncio
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from serlab.errors import MissingPackageError, ServiceError
from serlab.scratch import Scratch
from serlab.service.cache.cache import BackendStats
from serlab.service.connections import READY_S

try:
    import lmdb
except ModuleNotFoundError as error:
    raise MissingPackageError("the cache's default store needs lmdb: pip install 'serlab[service]'") from error

MAP_FACTOR, MAP_SPARE = 3, 16 << 20
"""The map is so many times the capacity, and these bytes more: 2 for pages that are half full, 1 for those that wait to
be used again."""


DATA = "data.mdb"
META = struct.Struct("<16xII16xI92xQQ")
"""A meta page: its header, magic number, version, address and size of the map, size of a page as the first database's
padding, the rest of two databases, the last page in use, the number of the transaction."""
MAGIC = 0xBEEFC0DE
LISTING = """
import lmdb, sys
with lmdb.open(sys.argv[1], subdir=False, readonly=True, lock=False).begin() as transaction:
    for key, value in transaction.cursor():
        pass
"""


def _fill_up(file: Path) -> None:
    """Give a file that was cut short its length back, as a hole.

    A page that is mapped and lies beyond the end of the file kills the process by SIGBUS. A hole reads as zeros, in
    which LMDB finds damage, or ends the process on an assertion; so another process looks first whether all can be
    listed. A file may be shorter than its meta page says without harm, too, so it cannot be refused for that. Whoever
    cuts it while it is open still kills the process: LMDB trusts its files.

    Raises:
        lmdb.CorruptedError: what was cut off is missed.

    Source: LMDB's mdb.c, MDB_meta, P_LOOSE and mdb_env_copyfd0.
    """
    if not file.is_file() or (length := file.stat().st_size) < META.size:
        return
    with file.open("rb") as read:
        metas = [META.unpack(read.read(META.size))]
        size = metas[0][2]
        read.seek(size)
        second = read.read(META.size)
    metas += [META.unpack(second)] if len(second) == META.size else []
    used = [(one[4], one[3]) for one in metas if one[0] == MAGIC]
    if used and length < (whole := (max(used)[1] + 1) * size) < 1 << 48:
        os.truncate(file, whole)
        if subprocess.run([sys.executable, "-P", "-c", LISTING, str(file)], capture_output=True).returncode:
            raise lmdb.CorruptedError(f"{file} was cut short")


class LmdbStore:
    """A map of bytes in a file.

    Args:
        capacity_bytes: what it will hold at most.
        folder: where; None for a folder that goes when the store is closed.
        map_bytes: the largest size of the file; 0 for one that fits the capacity.

    Raises:
        ServiceError: the folder is in use, or cannot be used.
    """

    failures: tuple[type[Exception], ...] = (lmdb.Error,)

    def __init__(self, capacity_bytes: int, folder: Path | None = None, map_bytes: int = 0) -> None:
        self.temporary = Scratch() if folder is None else None
        self.folder = self.temporary.path if self.temporary else Path(folder or ".")
        size = map_bytes or MAP_FACTOR * capacity_bytes + MAP_SPARE
        with ExitStack() as stack:
            if self.temporary:
                stack.callback(self.temporary.close)
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self.guard = stack.enter_context((self.folder / "owner").open("wb"))
                fcntl.flock(self.guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _fill_up(self.folder / DATA)
                self.environment = lmdb.open(str(self.folder), map_size=size, sync=False, metasync=False)
            except BlockingIOError as error:
                raise ServiceError(f"cache: {self.folder} is in use; share a Redis, or use another folder") from error
            except (OSError, lmdb.Error) as error:
                text = f"cache: expected a folder for LMDB, got {self.folder}: {error}; delete it, or use another"
                raise ServiceError(text) from error
            stack.callback(self.environment.close)
            self.closing = stack.pop_all()

    def get(self, key: bytes) -> bytes | None:
        """Give a value."""
        with self.environment.begin() as transaction:
            value: bytes | None = transaction.get(key)
        return value

    def put(self, key: bytes, value: bytes, victims: Iterable[bytes]) -> None:
        """Remove some values and keep one, both or neither."""
        with self.environment.begin(write=True) as transaction:
            for victim in victims:
                transaction.delete(victim)
            transaction.put(key, value)

    def remove(self, keys: Iterable[bytes]) -> None:
        """Remove values."""
        with self.environment.begin(write=True) as transaction:
            for key in keys:
                transaction.delete(key)

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """List keys, each with the bytes of its value."""
        with self.environment.begin(buffers=True) as transaction, transaction.cursor() as cursor:
            yield from [(bytes(key), len(value)) for key, value in cursor]

    def close(self) -> None:
        """Close the file; delete it where it was to go. Again does nothing."""
        self.closing.close()


# A Redis server on loopback for as long as a block lasts: a real one, of the package `redis-server`.
#
# It keeps nothing on disk, holds at most the bytes that it is given, and evicts the key that was used longest ago
# (Redis looks at five and takes the oldest of them).

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
    """Tell whether this very process answers: another's server may have the port."""
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


# Entries in Redis, for caches that several processes or machines share.
#
# A cache must not make a service worse than none. What fails is a miss, and after a failure Redis is left alone for
# `rest_s`, so that a dead or hanging one costs most requests nothing. A connection that died while it was idle is no
# failure: the command is sent again, at once, over a new one.
#
# At most `CONNECTIONS` commands are under way, the others wait here. redis-py's own pool refuses what is beyond its
# bound (100): a burst of 1,000 requests would be 900 failures of a Redis that is well.
#
# The bound is the server's: `maxmemory` with the policy `allkeys-lru` (see `serlab.service.cache.stores`). A server
# that is full and evicts nothing refuses entries, which is counted.
#
# Source: Redis's documentation (SET, key eviction); redis-py's documentation (retries).

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import RedisError, ResponseError
except ModuleNotFoundError as error:
    raise MissingPackageError("a cache in Redis needs redis: pip install 'serlab[service]'") from error

TIMEOUT_S = 0.5
"""Short against a model's answer, long against what an event loop stalls: the time runs then too."""
REST_S = 2.0
"""Long against the timeout, so that while Redis hangs most requests do not wait for it."""
CONNECTIONS = 16
"""One process fills no more: a command takes Redis microseconds and Python a hundred."""


class RedisBackend:
    """A backend: a Redis server, for one event loop.

    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` with TLS, or `unix://PATH`.
        timeout_s: how long each may take, a connection and an answer.
        rest_s: how long Redis is left alone after a failure.
        prefix: of the keys.
        clock: gives seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        rest_s: float = REST_S,
        prefix: bytes = b"serlab:",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        self.client: Any = Redis.from_url(url, retry=retry, max_connections=CONNECTIONS, **options)
        self.turns = asyncio.Semaphore(CONNECTIONS)
        self.rest_s, self.prefix, self.clock = rest_s, prefix, clock
        self.rests_until = 0.0
        self.stats = BackendStats()

    async def get(self, key: bytes) -> bytes | None:
        """Give an entry; None where there is none or Redis does not answer."""
        found = await self.ask("GET", self.prefix + key)
        return found if isinstance(found, bytes) else None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float = 0) -> None:
        """Keep an entry; Redis itself forgets it when its time is over."""
        time_to_live = ("PX", max(1, round(ttl_s * 1000))) if ttl_s else ()
        await self.ask("SET", self.prefix + key, sealed, *time_to_live)

    async def delete(self, key: bytes) -> None:
        """Forget an entry."""
        await self.ask("UNLINK", self.prefix + key)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def ask(self, *command: Any) -> Any:
        """Send a command; None where it fails, which is counted."""
        async with self.turns:
            if self.clock() >= self.rests_until:
                return await self.send(*command)
        self.stats.failed += 1
        return None

    async def send(self, *command: Any) -> Any:
        """Send a command now; None where it fails."""
        try:
            return await self.client.execute_command(*command)
        except ResponseError:
            # It answers, but not as wished: it is full (OOM), or still loading.
            self.stats.refused += 1
        except (RedisError, OSError, TimeoutError):
            self.stats.failed += 1
            self.rests_until = self.clock() + self.rest_s
        return None

    async def read_evictions(self) -> int:
        """Ask the server how many keys, anybody's, it has evicted since it started, and note that in the counters."""
        found = await self.ask("INFO", "stats")
        self.stats.evicted = int(found.get("evicted_keys", 0)) if isinstance(found, dict) else self.stats.evicted
        return self.stats.evicted
