"""Corpora for measuring: which kinds a file holds, and a bounded sample of each.

Parity and size stream every body. Timing and memory need the same messages in hand in every process, so they take a
seeded reservoir sample: each body of the file is equally likely to be in it, and it never grows with the file.

Source: Vitter, Random Sampling with a Reservoir (1985), algorithm R.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from serlab.corpus import read
from serlab.errors import CorpusError
from serlab.limits import MAX_BODY_MB, longest_line
from serlab.measure.given import Given, given, named

CHUNK = 1 << 20


class Reservoir:
    """Keeps a random sample of a stream of unknown length."""

    def __init__(self, size: int, random: Random) -> None:
        self.size = size
        self.random = random
        self.seen = 0
        self.kept: list[tuple[int, str]] = []

    def add(self, document: Any) -> None:
        """Offer one document."""
        self.seen += 1
        if len(self.kept) < self.size:
            self.kept.append((self.seen, compact(document)))
            return
        place = self.random.randrange(self.seen)
        if place < self.size:
            self.kept[place] = (self.seen, compact(document))

    def take(self, limit: int) -> "Sample":
        """Give what was kept, in random order."""
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
        """Give what fits into the limit, at least one document, in the order of the file.

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


def compact(document: Any) -> str:
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
        bodies: documents to keep per file and kind.
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
    return {name: scan_one(name, corpus, bodies, size, seed, strict, max_body_mb) for name, corpus in corpora.items()}


def scan_one(name: str, corpus: Given, bodies: int, size: int, seed: int, strict: bool, max_body_mb: int) -> Corpus:
    """Count a corpus by kind and sample it."""
    reservoirs: dict[str, Reservoir] = {}
    errors: list[CorpusError] = []
    hints: list[str] = []
    place: dict[str, Any] = {"name": corpus.file, "longest": longest_line(max_body_mb)}
    try:
        for body in read(corpus.path, strict=strict, on_error=errors.append, on_hint=hints.append, **place):
            if body.kind not in reservoirs:
                reservoirs[body.kind] = Reservoir(bodies, Random(f"{name}/{body.kind}/{seed}"))
            reservoirs[body.kind].add(body.document)
    except CorpusError:
        # A file that breaks off is measured as far as it can be read; the parity cell reports where it ends.
        if strict or not reservoirs:
            raise
    if not reservoirs:
        why = f"the first reason: line {errors[0].line:,}: {errors[0].reason}" if errors else "it is empty"
        raise CorpusError(corpus.file, 0, f"holds no body that can be read; {why}")
    kinds = Counter({kind: reservoir.seen for kind, reservoir in reservoirs.items()})
    samples = {kind: reservoir.take(size) for kind, reservoir in reservoirs.items()}
    return Corpus(name, corpus, digest(corpus.path), kinds, samples, tuple(hints))


def digest(file: str) -> str:
    """Hash a file's bytes, to notice that it changed before a run is resumed."""
    sha256 = hashlib.sha256()
    with Path(file).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()
