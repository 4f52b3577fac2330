"""Parity of every body of recorded traffic through every codec, and what the types do not know of it."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from serlab.errors import CorpusError
from serlab.limits import MAX_BODY_MB, limits_for
from serlab.measure.bodies import Item, built_in, check_item, recorded
from serlab.measure.given import given
from serlab.measure.parity import OUTCOMES
from serlab.messages import Message

MOST_FIELDS, LONGEST_FIELD = 10_000, 200
"""Unknown fields that are counted by name, and characters of a name."""
OTHER_FIELDS = "(other names)"
MOST_FINDINGS = 3
"""Bodies that are named for each codec and outcome; the counts tell of the rest."""

MOST_UNREADABLE = 100

INDEX = re.compile(r"/\d+(?=/|$)")


class Report:
    """What a check found; grows as bodies are added.

    Args:
        codecs: names.
        max_body_mb: length of a body in MiB that codecs take.

    Attributes:
        bodies: how many were checked.
        kinds: kind → how many.
        codecs: codec → outcome → how many.
        unknown_fields: JSON Pointer with `*` for list positions → how often a body had a field there that its type
            does not cover; from `MOST_FIELDS` names on the others count together, as `OTHER_FIELDS`.
        findings: the first bodies of each codec and outcome that did not come back equal, with the reason.
        unreadable: the first lines that could not be read, with the reason.
        unreadable_lines: how many there were.
        hints: what a file looks like, where that is not bodies; no finding.
    """

    def __init__(self, codecs: Iterable[str], max_body_mb: int = MAX_BODY_MB) -> None:
        self.max_body_mb = max_body_mb
        self.limits = limits_for(max_body_mb)
        self.bodies = 0
        self.kinds: Counter[str] = Counter()
        self.codecs = {name: dict.fromkeys(OUTCOMES, 0) for name in codecs}
        self.unknown_fields: Counter[str] = Counter()
        self.findings: list[dict[str, Any]] = []
        self.unreadable: list[CorpusError] = []
        self.unreadable_lines = 0
        self.hints: list[str] = []
        self.bytes: Counter[str] = Counter()
        self.extra_bytes: Counter[str] = Counter()

    def add(self, body: Item) -> None:
        """Check one body through every codec."""
        self.bodies += 1
        self.kinds[body.kind] += 1
        if isinstance(body.message, Message):
            self.weigh_extra(body)
        for codec, counts in self.codecs.items():
            outcome = check_item(codec, body, self.limits)
            counts[outcome.outcome] += 1
            if outcome.outcome in ("refused", "changed") and counts[outcome.outcome] <= MOST_FINDINGS:
                place = {"codec": codec, "outcome": outcome.outcome, "file": body.file, "line": body.line}
                self.findings.append({**place, "kind": body.kind, "reason": outcome.reason})

    def cannot_read(self, error: CorpusError) -> None:
        """Count a line that cannot be read; only the first ones are kept, since a whole file may be of another kind."""
        self.unreadable_lines += 1
        if self.unreadable_lines <= MOST_UNREADABLE:
            self.unreadable.append(error)

    def weigh_extra(self, body: Item) -> None:
        """Count the bytes of a body as compact JSON, and those of the fields that its type does not cover."""
        self.bytes[body.kind] += json_size(body.document)
        for pointer, value in body.message.extra.items():
            self.unknown_fields[self.known_name(INDEX.sub("/*", pointer))] += 1
            self.extra_bytes[body.kind] += json_size(value) + json_size(pointer.rpartition("/")[2])

    def known_name(self, pointer: str) -> str:
        """Name a field to count it by, so that a corpus of names that are all different, or long, fills no memory."""
        name = pointer if len(pointer) <= LONGEST_FIELD else f"{pointer[:LONGEST_FIELD]}…"
        return name if name in self.unknown_fields or len(self.unknown_fields) < MOST_FIELDS else OTHER_FIELDS

    @property
    def extra_share(self) -> dict[str, float]:
        """Give, for each kind with a type, the share of its bytes that travels in `extra`."""
        return {kind: self.extra_bytes[kind] / size for kind, size in self.bytes.items()}

    @property
    def is_clean(self) -> bool:
        """Tell whether every line was read and every body came back equal from every codec that has a schema for it."""
        return not self.unreadable and not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Give the report as JSON values, the unknown fields by frequency."""
        return {
            "bodies": self.bodies,
            "kinds": dict(self.kinds),
            "codecs": self.codecs,
            "unknown_fields": dict(self.unknown_fields.most_common()),
            "extra_share": self.extra_share,
            "findings": self.findings,
            "unreadable_lines": self.unreadable_lines,
            "unreadable": [vars(error) for error in self.unreadable],
            "hints": self.hints,
        }


def json_size(value: Any) -> int:
    """Count the bytes of a value as compact JSON; what msgspec refuses (a lone surrogate) counts as escaped text."""
    try:
        return len(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return walked_size(value)


def walked_size(value: Any) -> int:
    """Count the bytes of a value as compact ASCII JSON, level by level, however deep it is nested."""
    size, open_ = 0, [value]
    while open_:
        one = open_.pop()
        if isinstance(one, dict | list):
            size += len("[]") + max(0, len(one) - 1)
            open_ += one.values() if isinstance(one, dict) else one
            size += sum(len(json.dumps(key)) + len(":") for key in one) if isinstance(one, dict) else 0
        else:
            size += len(json.dumps(one))
    return size


def bodies_of(
    files: Collection[str], workloads: Iterable[str], seed: int, strict: bool, report: Report
) -> Iterator[Item]:
    """Give the bodies of built-in workloads, then of corpora; lines that cannot be read go to the report.

    Args:
        files: corpora, each of which must be there.
        workloads: names of built-in workloads.
        seed: of the built-in workloads.
        strict: raise at the first line that cannot be read.
        report: receives what cannot be read.

    Raises:
        CorpusError: a file cannot be opened or is empty; with `strict`, also a line that cannot be read.
        UnknownNameError: there is no such workload.
    """
    corpora = [given(file) for file in dict.fromkeys(files)]
    for name in workloads:
        yield from built_in(name, seed)
    for corpus in corpora:
        before, empty = report.unreadable_lines, True
        told = (report.cannot_read, report.hints.append)
        for body in recorded(corpus.path, strict, *told, corpus.file, report.max_body_mb):
            empty = False
            yield body
        if empty and report.unreadable_lines == before:
            raise CorpusError(corpus.file, 0, "holds no bodies; expected one on each line, see the README")
