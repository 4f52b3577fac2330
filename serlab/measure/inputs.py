"""The messages of a workload, as a worker needs them."""

import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from errno import ENOSPC
from functools import partial
from pathlib import Path
from random import Random
from typing import IO, Any, NamedTuple

from serlab import workloads
from serlab.cases import Case, Place
from serlab.codecs import Codec, applicable_limits, codec_info, open_codec
from serlab.corpus import read
from serlab.errors import CorpusError
from serlab.limits import MAX_BODY_MB, limits_for, longest_line
from serlab.measure.job import Figure, Job
from serlab.messages import KINDS, from_document
from serlab.scratch import Scratch
from serlab.visible import visible
from serlab.workloads import read_one

ABSENT = (LookupError, AttributeError, TypeError)
"""What a reader raises where something on the way to its field is absent."""


class Bound(NamedTuple):
    """A codec with the encoded messages of a workload."""

    name: str
    codec: Codec
    encoded: list[bytes]


def load_messages(job: Job) -> list[Any]:
    """Build a job's messages: a built-in workload, or the sample that came with the job."""
    if job.documents is None:
        return workloads.build(job.workload, job.seed)
    return [from_document(job.kind, document) for document in job.documents]


def named_reader(kind: str, messages: list[Any]) -> Callable[[Any], Any] | None:
    """Return the kind's field reader, if a message has the field; where some lack it, one that finds out."""
    reader = read_one(kind)
    there = [_has_field(reader, message) for message in messages] if reader else []
    if not reader or not any(there):
        return None
    return reader if all(there) else partial(_read_if_there, reader)


def _has_field(reader: Callable[[Any], Any], message: Any) -> bool:
    """Return whether a message has the named field."""
    try:
        reader(message)
    except ABSENT:
        return False
    return True


def _read_if_there(reader: Callable[[Any], Any], message: Any) -> Any:
    """Read a field as a program does whose messages may lack it; None then."""
    try:
        return reader(message)
    except ABSENT:
        return None


def row(job: Job, codec: str, place: str | Place, metric: str, unit: str, value: float) -> Figure:
    """Make the record of one figure.

    Args:
        job: of the worker.
        codec: its name, or a case.
        place: an operation, or a place with conditions.
        metric: of the figure.
        unit: of the value.
        value: the figure.
    """
    case = codec if isinstance(codec, Case) else Case(codec)
    where = place if isinstance(place, Place) else Place(place)
    return Figure(job.workload, job.kind, case.codec, case.role, *where, metric, unit, value)


def bind(job: Job, name: str, messages: list[Any]) -> Bound:
    """Open a codec and encode a workload."""
    codec = open_codec(name, job.kind, applicable_limits(name, limits_for(job.max_body_mb)))
    warm_up(codec, messages)
    return Bound(name, codec, [codec.encode(message) for message in messages])


def warm_up(codec: Codec, messages: Sequence[Any]) -> None:
    """Let a codec that learns meet each message as often as it takes, so that what follows is its full speed."""
    for _ in range(codec.learns):
        for message in messages:
            codec.encode(message)


def version_of(case: Case) -> str:
    """Tell the version of a case's library; a floor is Python's own."""
    return platform.python_version() if case.is_bound else codec_info(case.codec).version


def read_field(opened: Callable[[bytes], Any], reader: Any, data: bytes) -> Any:
    """Open a message and read its named field."""
    return reader(opened(data))


# Corpora as they are given on a command line: files, and what can be read only once.
#
# A run reads a corpus several times and in several processes. So what comes through a pipe is copied to a temporary
# file, which is gone when nobody holds the `Given` any more, at the latest when the program ends.

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
            return _copied(shown, os.fdopen(os.dup(0), "rb"))
        mode = Path(file).stat().st_mode
        if stat.S_ISFIFO(mode) or file.startswith(DESCRIPTORS):
            return _copied(shown, Path(file).open("rb"))
        with Path(file).open("rb"):
            pass
    except OSError as error:
        raise CorpusError(shown, 0, f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise CorpusError(shown, 0, "cannot be read: it is a device; expected a file or a pipe")
    return Given(shown, file)


def _copied(shown: str, source: IO[bytes]) -> Given:
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
    bases = Counter(_base_of(one) for one in listed)
    found: dict[str, Given] = {}
    for one in listed:
        name = visible(_base_of(one) if bases[_base_of(one)] == 1 else one.file)
        if name in workloads.names() or name.rpartition(":")[2] in KINDS:
            name = f"{name} (file)"
        same = sum(visible(other.file) == visible(one.file) for other in found.values()) + 1
        found[name if name not in found else f"{name} ({same})"] = one
    return found


def _base_of(corpus: Given) -> str:
    """Return the name of a corpus's file; an open file has only a number, which changes from run to run."""
    return "pipe" if corpus.file.startswith(DESCRIPTORS) else Path(corpus.file).name


# Corpora for measuring: which kinds a file holds, and a bounded sample of each.
#
# Parity and size stream every body. Timing and memory need the same messages in hand in every process, so they take a
# seeded reservoir sample: each body of the file is equally likely to be in it, and it never grows with the file. Where
# bodies are so long that the samples pass `MOST_KEPT` bytes, fewer are kept.
#
# Source: Vitter, Random Sampling with a Reservoir (1985), algorithm R.

CHUNK = 1 << 20
MOST_KEPT = 64 << 20
"""Bytes of a file's samples together: 16 times what is measured of a kind, since bodies may be left out of it."""


class Reservoir:
    """Keeps a random sample of a stream of unknown length.

    Attributes:
        size: documents that are kept at most.
        seen: how many there were.
        kept: number and text of each that is kept.
        bytes: of the texts.
    """

    def __init__(self, size: int, random: Random) -> None:
        self.size = size
        self.random = random
        self.seen = 0
        self.kept: list[tuple[int, str]] = []
        self.bytes = 0

    def add(self, document: Any) -> None:
        """Offer one document."""
        self.seen += 1
        place = len(self.kept) if len(self.kept) < self.size else self.random.randrange(self.seen)
        if place >= self.size:
            return
        text = _compact(document)
        self.bytes += len(text) - sum(len(old) for _, old in self.kept[place : place + 1])
        self.kept[place : place + 1] = [(self.seen, text)]

    def shrink(self) -> None:
        """Drop one document, each as likely, and keep one less from now on."""
        _, text = self.kept.pop(self.random.randrange(len(self.kept)))
        self.bytes -= len(text)
        self.size = len(self.kept)

    def take(self, limit: int) -> "Sample":
        """Return what was kept, in random order."""
        self.random.shuffle(self.kept)
        return Sample(self.kept, limit)


class Sample(NamedTuple):
    """Bodies of one kind to time and trace.

    Attributes:
        kept: number of a body, from 1 among those of its kind in the order of the file, and its text; in random order.
        limit: bytes that are measured at most.
    """

    kept: list[tuple[int, str]]
    limit: int

    def documents(self, without: Collection[int] = ()) -> list[Any]:
        """Return what fits into the limit, at least one document, in the order of the file.

        Args:
            without: numbers of the bodies that are not to be measured.
        """
        taken: list[tuple[int, str]] = []
        size = 0
        for number, text in self.kept:
            if number in without:
                continue
            size += len(text)
            if taken and size > self.limit:
                break
            taken.append((number, text))
        return [json.loads(text) for _, text in sorted(taken)]


def _bound(reservoirs: Collection[Reservoir]) -> None:
    """Make the samples of a file smaller until they fit: the longest first, one document at a time, never the last."""
    while sum(one.bytes for one in reservoirs) > MOST_KEPT:
        many = [one for one in reservoirs if len(one.kept) > 1]
        if not many:
            return
        max(many, key=lambda one: one.bytes).shrink()


def _compact(document: Any) -> str:
    """Write a document as ASCII JSON, which keeps big integers and lone surrogates."""
    return json.dumps(document, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Corpus:
    """A scanned corpus.

    Attributes:
        name: the file's base name, made unique among the run's workloads.
        given: the file.
        sha256: of the file's bytes.
        kinds: how many bodies of each kind.
        samples: kind → what to time and trace.
        hints: what the file looks like, where that is not bodies; see `serlab.hints`.
    """

    name: str
    given: Given
    sha256: str
    kinds: Counter[str]
    samples: dict[str, Sample] = field(repr=False)
    hints: tuple[str, ...] = ()

    def workloads(self) -> dict[str, str]:
        """Name the workload of each kind: the file, and the kind if there are several."""
        if len(self.kinds) == 1:
            return dict.fromkeys(self.kinds, self.name)
        return {kind: f"{self.name}:{kind}" for kind in self.kinds}


def scan(
    files: tuple[str, ...], bodies: int, size: int, seed: int, strict: bool, max_body_mb: int = MAX_BODY_MB
) -> dict[str, Corpus]:
    """Read corpora once.

    Args:
        files: paths, or `-` for standard input.
        bodies: documents to keep per file and kind; fewer where the file's samples would pass `MOST_KEPT` bytes.
        size: bytes of compact JSON to keep per file and kind.
        seed: of the sample.
        strict: raise at the first line that cannot be read.
        max_body_mb: length of a body in MiB; a line may have four times as much.

    Returns:
        Name → corpus.

    Raises:
        CorpusError: a file cannot be read or holds no body.
    """
    corpora = named(map(given, dict.fromkeys(files)))
    return {name: _scan_one(name, corpus, bodies, size, seed, strict, max_body_mb) for name, corpus in corpora.items()}


def _scan_one(name: str, corpus: Given, bodies: int, size: int, seed: int, strict: bool, max_body_mb: int) -> Corpus:
    """Count a corpus by kind and sample it."""
    reservoirs: dict[str, Reservoir] = {}
    reasons: list[str] = []
    hints: list[str] = []
    lines = partial(read, corpus.path, name=corpus.file, longest=longest_line(max_body_mb))

    def note_first(error: CorpusError) -> None:
        # Its words alone: an error holds its line, and a file may be of such lines.
        if not reasons:
            reasons.append(f"line {error.line:,}: {error.reason}")

    try:
        for body in lines(strict=strict, on_error=note_first, on_hint=hints.append):
            if body.kind not in reservoirs:
                reservoirs[body.kind] = Reservoir(bodies, Random(f"{name}/{body.kind}/{seed}"))
            reservoirs[body.kind].add(body.document)
            _bound(reservoirs.values())
    except CorpusError:
        # A file that breaks off is measured as far as it can be read; the parity cell reports where it ends.
        if strict or not reservoirs:
            raise
    if not reservoirs:
        why = f"the first reason: {reasons[0]}" if reasons else "it is empty"
        raise CorpusError(corpus.file, 0, f"holds no body that can be read; {why}")
    kinds = Counter({kind: reservoir.seen for kind, reservoir in reservoirs.items()})
    samples = {kind: reservoir.take(size) for kind, reservoir in reservoirs.items()}
    return Corpus(name, corpus, _digest(corpus.path), kinds, samples, tuple(hints))


def _digest(file: str) -> str:
    """Hash a file's bytes, to notice that it changed before a run is resumed."""
    sha256 = hashlib.sha256()
    with Path(file).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()
