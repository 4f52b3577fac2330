"""Corpora as they are given on a command line: files, and what can be read only once.

A run reads a corpus several times and in several processes. So what comes through a pipe is copied to a temporary file,
which is gone when nobody holds the `Given` any more, at the latest when the program ends.
"""

import os
import shutil
import stat
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import IO

from serlab import workloads
from serlab.errors import CorpusError
from serlab.messages import KINDS
from serlab.scratch import Scratch
from serlab.visible import visible

STDIN = "stdin"
"""How standard input is named to people."""

STANDARD_INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/")
"""Open files of this process by number; another process has others there."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Given:
    """A corpus as it was given.

    Attributes:
        file: what people are told: the path as it was given, or `stdin`.
        path: a regular file that holds its bytes.
    """

    file: str
    path: str


def given(file: str) -> Given:
    """Look at a corpus, and copy it if it can be read only once.

    Args:
        file: a path, or `-` for standard input.

    Raises:
        CorpusError: it cannot be read or copied; the text holds the system's reason.
    """
    shown = STDIN if file in STANDARD_INPUT else file
    try:
        if shown == STDIN:
            return copied(shown, os.fdopen(os.dup(0), "rb"))
        mode = Path(file).stat().st_mode
        if stat.S_ISFIFO(mode) or file.startswith(DESCRIPTORS):
            return copied(shown, Path(file).open("rb"))
        with Path(file).open("rb"):
            pass
    except OSError as error:
        raise CorpusError(shown, 0, f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise CorpusError(shown, 0, "cannot be read: it is a device; expected a file or a pipe")
    return Given(shown, file)


def copied(shown: str, source: IO[bytes]) -> Given:
    """Copy a stream to a temporary file that lives as long as what this gives."""
    with source:
        if source.isatty():
            raise CorpusError(shown, 0, "cannot be read: it is a terminal; expected a file or a pipe")
        try:
            scratch = Scratch()
            copy = Given(shown, str(scratch.path / "copy"))
            weakref.finalize(copy, scratch.close)
            with Path(copy.path).open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            if error.errno != ENOSPC:
                raise
            where = tempfile.gettempdir()
            raise CorpusError(
                shown, 0, f"cannot be copied to {where}: the disk is full; make room or set TMPDIR"
            ) from error
    return copy


def named(corpora: Iterable[Given]) -> dict[str, Given]:
    """Name each corpus by its file's name, or by its path where two have the same.

    Returns:
        Name → corpus. A name has no line ends or other characters that act, and is none of a built-in
        workload or of the messages of one kind in another corpus.
    """
    listed = list(corpora)
    bases = Counter(base_of(one) for one in listed)
    found: dict[str, Given] = {}
    for one in listed:
        name = visible(base_of(one) if bases[base_of(one)] == 1 else one.file)
        if name in workloads.names() or name.rpartition(":")[2] in KINDS:
            name = f"{name} (file)"
        same = sum(visible(other.file) == visible(one.file) for other in found.values()) + 1
        found[name if name not in found else f"{name} ({same})"] = one
    return found


def base_of(corpus: Given) -> str:
    """Give the name of a corpus's file; an open file has only a number, which changes from run to run."""
    return "pipe" if corpus.file.startswith(DESCRIPTORS) else Path(corpus.file).name
