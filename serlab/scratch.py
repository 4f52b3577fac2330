"""Folders for a while: what a killed process left of its own is removed by the next one that makes one.

A folder holds a file that its owner keeps locked; the system gives the lock up when the owner dies, however that
happens. Whoever makes a folder looks for those whose lock is free, and removes them. Only folders of this user that
bear the name and hold the lock, or hold nothing, are touched.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from weakref import finalize

PREFIX = "serlab-scratch-"
OWNER = ".owner"
"""The file that is locked."""


class Scratch:
    """A folder that goes when it is closed, when nobody holds this object, or after its process was killed.

    A context manager that gives the path.

    Attributes:
        path: the folder.

    Raises:
        OSError: none can be made, since the disk is full or the folder for temporary files cannot be written.
    """

    def __init__(self) -> None:
        sweep()
        self.path, lock = _make()
        self.closing = finalize(self, _give_up, self.path, lock)

    def close(self) -> None:
        """Remove the folder; again does nothing."""
        self.closing()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make() -> tuple[Path, int]:
    """Make a folder and lock it; another one where a sweep took the first before it was locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = os.open(path / OWNER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (path / OWNER).exists():
            return path, lock
        os.close(lock)


def _give_up(path: Path, lock: int) -> None:
    """Remove a folder of one's own."""
    _empty(path)
    os.close(lock)


def sweep() -> None:
    """Remove the folders of this user whose owners are dead."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and _is_own(entry):
                _remove_if_left(Path(entry.path))


def _is_own(entry: "os.DirEntry[str]") -> bool:
    """Return whether a folder, and no link to one, is this user's."""
    with suppress(OSError):
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid()
    return False


def _remove_if_left(path: Path) -> None:
    """Remove a folder unless its owner lives."""
    try:
        lock = os.open(path / OWNER, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        # Killed before it was locked: then it is empty. Another one holds what is nobody's to remove.
        with suppress(OSError):
            path.rmdir()
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _empty(path)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def _empty(path: Path) -> None:
    """Remove a folder, its lock last: what a kill leaves of it in between is still known for what it is."""
    with suppress(OSError):
        for entry in list(path.iterdir()):
            if entry.name != OWNER:
                _remove(entry)
        if [entry.name for entry in path.iterdir()] == [OWNER]:
            (path / OWNER).unlink()
            path.rmdir()


def _remove(entry: Path) -> None:
    """Remove a file, a link or a folder; what somebody still writes stays for the next sweep."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        with suppress(OSError):
            entry.unlink()


# Processes that do not outlive their parent, even where a library holds the interpreter and nothing else can run.

PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it is gone; nothing where it cannot, as on macOS.

    A process that has children calls it in those too: they would not hear of its death otherwise.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
