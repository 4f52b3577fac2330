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

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from serlab.errors import MissingPackageError, ServiceError
from serlab.scratch import Scratch

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
    """Restore the length of a file that was cut short, as a hole.

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
        """Return a value."""
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
