"""Files of a results folder, read and written so that the folder may come from somebody else.

A folder that was sent holds what its sender put there: links that lead out of it, pipes on which a reader waits for
ever, names of files that belong elsewhere. So a file is read and written only where it lies in the folder itself, what
is written goes to a new file beside the old one and takes its place, and a name from data becomes a file's name only
after everything else was taken out of it.

Source: path_resolution(7); open(2), O_EXCL and O_NOFOLLOW.
"""

import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from serlab.errors import ResultsError, SerlabError

REMEDY = "make room or choose another folder"
MOST_BYTES = 1 << 30
"""Bytes of a file that is read whole; a run of all workloads and parts leaves some ten MB."""
LONGEST_NAME = 120
"""Bytes of a file's name that come from data; systems take 255 with an ending."""
PLAIN = re.compile(r"[^\w.-]+")


def inside(folder: str | Path, name: str) -> Path:
    """Return the place of a file or folder inside of a results folder.

    Args:
        folder: the results folder; it may be a link itself.
        name: relative to it, of serlab's own.

    Raises:
        ResultsError: a link leads out of the folder, or what is there is no regular file or folder.
    """
    path, home = Path(folder) / name, os.path.realpath(folder)
    real = os.path.realpath(path)
    if os.path.commonpath((home, real)) != home:
        raise ResultsError(
            f"{path}: a link that leads out of the results folder; expected a file in the folder; remove the link, or "
            "put the file itself there"
        )
    with suppress(OSError):
        mode = os.lstat(real).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ResultsError(f"{path}: expected a regular file, got a pipe, a device or a broken link; remove it")
    return path


def read_inside(folder: str | Path, name: str, most: int = MOST_BYTES) -> bytes:
    """Read a file of a results folder.

    Args:
        folder: the results folder.
        name: of the file.
        most: bytes that it may have.

    Raises:
        ResultsError: it lies elsewhere, is no regular file, or is larger.
        OSError: it is not there, or cannot be read.
    """
    with inside(folder, name).open("rb") as file:
        # Python sets aside as many bytes as are asked for, however short the file is.
        data = file.read(min(os.fstat(file.fileno()).st_size, most) + 1)
    if len(data) > most:
        raise ResultsError(f"{Path(folder) / name}: expected at most {most:,} bytes, got more; is it of serlab?")
    return data


def write_inside(folder: str | Path, name: str, data: bytes) -> Path:
    """Write a file of a results folder so that it is there whole or, after a failure, as it was.

    Args:
        folder: the results folder.
        name: relative to it; folders on the way are made.
        data: what it is to hold.

    Returns:
        Its path.

    Raises:
        ResultsError: a link leads out of the folder, the disk is full or the folder cannot be written.
    """
    path = inside(folder, name)
    try:
        _replace(path, data)
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


@contextmanager
def appending(folder: str | Path, name: str) -> Iterator[IO[bytes]]:
    """Open a file of a results folder to read it, cut it or write at its end; it is made if it is missing.

    Raises:
        ResultsError: it lies elsewhere, is no regular file, or has a second name, which may be elsewhere.
        OSError: it cannot be opened.
    """
    path = inside(folder, name)
    descriptor = os.open(os.path.realpath(path), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "r+b") as file:
        if os.fstat(descriptor).st_nlink > 1:
            raise ResultsError(
                f"{path}: a hard link, whose other names may be outside of the results folder; put a copy in its place"
            )
        yield file


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that the user named so that it is there whole or, after a failure, as it was.

    A link stays one, and what is no regular file (a pipe, a device) is written to, not replaced.

    Raises:
        ResultsError: the disk is full or the folder cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)
            return
        _replace(target, data)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _replace(path: Path, data: bytes) -> None:
    """Write a new file beside another and put it in its place.

    Raises:
        OSError: something went wrong; the other file is as it was.
    """
    target = Path(os.path.realpath(path))
    # Not `with_name`: the current folder has none, and would be no OSError.
    temporary = target.parent / f".{target.name}.part"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # What is left of a write that was killed goes, and so does a link of that name; never is it written through.
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666), "wb") as file:
            file.write(data)
        temporary.replace(target)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _cannot_write(path: Path, error: OSError) -> ResultsError:
    """Say that a file cannot be written."""
    return ResultsError(f"{path}: cannot be written: {error.strerror}; {REMEDY}")


@contextmanager
def agreeing(*folders: object) -> Iterator[None]:
    """Turn what rows that contradict each other lead to into one error: each is right by itself, some lack the others.

    Args:
        folders: whose rows are worked with.

    Raises:
        ResultsError: in place of an error of Python's own, which stays its cause.
    """
    try:
        yield
    except SerlabError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        named = " and ".join(map(str, folders))
        what = f"{type(error).__name__}: {error}"
        raise ResultsError(
            f"{named}: rows that no run writes together ({what:.200}); measure again with `serlab compare -o DIR`, or "
            "if serlab wrote them, report it"
        ) from error


def file_name(name: str, taken: Collection[str] = ()) -> str:
    """Make a file's name of one from data: a workload's, which may be a corpus, or another package's codec's.

    Args:
        name: any text.
        taken: names that are not to be given again, such as those of the other workloads.

    Returns:
        Letters, digits, dots, lines and hyphens, not beginning with a dot; the second of a name gets a 2.
    """
    plain = PLAIN.sub("-", name.encode("utf-8", "replace").decode()).strip("-.")
    plain = plain.encode()[:LONGEST_NAME].decode("utf-8", "ignore") or "unnamed"
    number = next(n for n in range(1, len(taken) + 2) if _numbered(plain, n) not in taken)
    return _numbered(plain, number)


def _numbered(name: str, number: int) -> str:
    """Add a number from the second on."""
    return name if number == 1 else f"{name}-{number}"
