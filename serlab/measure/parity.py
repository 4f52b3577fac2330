"""Does what went in come out equal?"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from serlab import workloads
from serlab.codecs import applicable_limits, open_codec, reason
from serlab.corpus import read
from serlab.errors import CorpusError, NoSchemaError, SerlabError
from serlab.hints import OnHint
from serlab.limits import DEFAULT_LIMITS, MAX_BODY_MB, Limits, limits_for, longest_line
from serlab.measure.inputs import given, row
from serlab.measure.job import At, Emit, Finding, Job, LeftOut
from serlab.measure.operations import MeanSizes, sizes
from serlab.measure.process import PassingError, is_passing
from serlab.messages import Message, first_difference, from_document, same, to_document
from serlab.records import COMMON, why_unmeasured

OUTCOMES = ("equal", "refused", "changed", "no_schema")


class Outcome(NamedTuple):
    """What became of one body in one codec.

    Attributes:
        outcome: one of `OUTCOMES`.
        reason: why.
        data: the bytes that were written.
        passing: whether a refusal is the machine's, for want of memory, and not the codec's.
    """

    outcome: str
    reason: str
    data: bytes
    passing: bool = False


def check(codec: str, kind: str, message: Any, document: Any, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Take a message through a codec and compare strictly with the document that it was made of.

    Args:
        codec: the codec's name.
        kind: the message's kind.
        message: the message.
        document: plain JSON values.
        limits: of what is decoded.

    Returns:
        The outcome; an error of whatever type is a refusal, since a codec may come from elsewhere.
    """
    try:
        bound = open_codec(codec, kind, applicable_limits(codec, limits))
        data = bound.encode(message)
        back = to_document(bound.decode(data))
    except NoSchemaError:
        return Outcome("no_schema", f"{codec}: no schema for a {kind}", b"")
    except SerlabError as error:
        return Outcome("refused", str(error), b"", is_passing(error))
    except Exception as error:
        text = f"{codec}: raised what the contract does not allow: {reason(error)}"
        return Outcome("refused", text, b"", is_passing(error))
    if same(document, back):
        return Outcome("equal", "", data)
    return Outcome("changed", f"{codec}: {first_difference(document, back)}", data)


def known_outcome(codec: str, kind: str, message: Any, document: Any, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Do as `check`, in a worker, which can be started again.

    Raises:
        PassingError: the outcome is not known, for want of memory.
    """
    return _require_known(check(codec, kind, message, document, limits))


def carries(job: Job, codec: str, messages: Iterable[Any], emit: Emit) -> bool:
    """Check parity before a codec is measured; what it does not carry becomes a finding."""
    emit(At(codec))
    for message in messages:
        found = known_outcome(codec, job.kind, message, to_document(message), limits_for(job.max_body_mb))
        if found.outcome != "equal":
            emit(Finding(job.workload, codec, found.outcome, found.reason))
            return False
    return True


def _require_known(outcome: Outcome) -> Outcome:
    """Return an outcome.

    Raises:
        PassingError: it says nothing of the codec.
    """
    if outcome.passing:
        raise PassingError(outcome.reason)
    return outcome


# Every body of a workload or a corpus through every codec: parity and sizes in one pass, streamed.

MOST_LINES = 100
"""Lines of one corpus that are reported one by one."""


class Item(NamedTuple):
    """One body on its way through the codecs.

    Attributes:
        file: the corpus, or the workload's name.
        line: 1-based line of the corpus, or place in the workload.
        kind: a message type's name, or "document".
        document: plain JSON values.
        message: the typed message; None if there is none.
        reason: why there is no message.
    """

    file: str
    line: int
    kind: str
    document: Any
    message: Any
    reason: str


def _built_in(name: str, seed: int) -> Iterator[Item]:
    """Yield a built-in workload's bodies."""
    for line, document in enumerate(workloads.documents(name, seed), 1):
        yield _item(name, line, workloads.kind(name), document)


def recorded(
    file: str,
    strict: bool,
    on_error: Any,
    on_hint: OnHint | None = None,
    name: str = "",
    max_body_mb: int = MAX_BODY_MB,
) -> Iterator[Item]:
    """Yield a corpus's bodies; a file that breaks off is reported like a line that cannot be read.

    Args:
        file: its path.
        strict: raise at the first line that cannot be read.
        on_error: called with each such line otherwise.
        on_hint: called with what the file looks like, where that is not bodies.
        name: of the file in reports; its path if it is empty.
        max_body_mb: length of a body in MiB; a line may have four times as much.

    Raises:
        CorpusError: with `strict`, a line cannot be read.
    """
    try:
        longest = longest_line(max_body_mb)
        for body in read(file, strict=strict, on_error=on_error, on_hint=on_hint, name=name, longest=longest):
            yield _item(body.file, body.line, body.kind, body.document)
    except CorpusError as error:
        if strict:
            raise
        on_error(error)


def _item(file: str, line: int, kind: str, document: Any) -> Item:
    """Make a body's message; a document that cannot become one is refused by every codec."""
    try:
        return Item(file, line, kind, document, from_document(kind, document), "")
    except SerlabError as error:
        return Item(file, line, kind, document, None, str(error))


def _check_item(codec: str, body: Item, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Send a body through a codec."""
    if body.reason:
        return Outcome("refused", body.reason, b"")
    return check(codec, body.kind, body.message, body.document, limits)


def weigh(
    body: Item, codecs: Iterable[str], limits: Limits = DEFAULT_LIMITS
) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """Weigh one body in several codecs.

    Args:
        body: the body.
        codecs: names; one that has no schema for the body's kind is passed over.
        limits: of what is decoded.

    Yields:
        The sizes with file, line, kind and codec; or None and why there are none.
    """
    for codec in codecs:
        outcome = _check_item(codec, body, limits)
        if outcome.outcome == "equal":
            place = {"file": body.file, "line": body.line, "kind": body.kind, "codec": codec}
            yield {**place, **sizes(outcome.data)}, ""
        elif outcome.outcome != "no_schema":
            yield None, f"{body.file}:{body.line}: {outcome.outcome}: {outcome.reason}"


class _Group:
    """Bodies that the same codecs refused or changed.

    Attributes:
        numbers: which they are among the bodies of their kind, from 1; not kept where no codec did.
        sizes: codec → mean size of those that it brought back equal.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.sizes: dict[str, MeanSizes] = {}


class Tally:
    """What became of the bodies of one kind in all codecs.

    Which bodies are measured is known only when all were seen, so sizes are summed up by the codecs that a body failed
    in: there are few such groups, however many bodies there are.

    Attributes:
        outcomes: codec → outcome → bodies.
        first: codec and outcome → the first body that did not come back equal, and why.
        bodies: how many there are.
        groups: the codecs that refused or changed a body → what became of such bodies.
    """

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = {}
        self.first: dict[tuple[str, str], str] = {}
        self.bodies = 0
        self.groups: dict[frozenset[str], _Group] = {}

    def add(self, body: Item, outcomes: Mapping[str, Outcome], size: bool) -> None:
        """Count a body in."""
        self.bodies += 1
        for codec, outcome in outcomes.items():
            self.outcomes.setdefault(codec, Counter())[outcome.outcome] += 1
            if outcome.outcome != "equal":
                self.first.setdefault((codec, outcome.outcome), f"{body.file}:{body.line}: {outcome.reason}")
        failing = frozenset(name for name, one in outcomes.items() if one.outcome in ("refused", "changed"))
        group = self.groups.setdefault(failing, _Group())
        if failing:
            group.numbers.append(self.bodies)
        for codec, outcome in outcomes.items():
            if size and outcome.outcome == "equal":
                group.sizes.setdefault(codec, MeanSizes()).add(sizes(outcome.data))

    @property
    def measured(self) -> list[str]:
        """Name the codecs that get figures."""
        return [codec for codec, counts in self.outcomes.items() if not why_unmeasured(counts)]

    @property
    def left_out(self) -> list[int]:
        """Number the bodies that a measured codec refused."""
        measured = set(self.measured)
        return sorted(
            number for failing, group in self.groups.items() if failing & measured for number in group.numbers
        )

    def sizes_of(self, codec: str) -> MeanSizes:
        """Sum up the sizes of the bodies that all measured codecs carry."""
        found, measured = MeanSizes(), set(self.measured)
        for failing, group in self.groups.items():
            if codec in group.sizes and not failing & measured:
                found.join(group.sizes[codec])
        return found


def run(job: Job, emit: Emit) -> None:
    """Check and weigh every body of one workload or corpus.

    Args:
        job: what to check.
        emit: receives rows, findings and which bodies are left out.
    """
    tallies: dict[str, Tally] = {}
    # A kind that came into the file after the run was planned has no name.
    for body in (body for body in _items_of(job, emit) if body.kind in job.kinds):
        outcomes = {}
        for codec in job.kinds[body.kind].codecs:
            emit(At(codec))
            outcomes[codec] = _require_known(_check_item(codec, body, limits_for(job.max_body_mb)))
        tallies.setdefault(body.kind, Tally()).add(body, outcomes, job.size)
    for kind, tally in tallies.items():
        _emit_tally(replace(job, workload=job.kinds[kind].workload, kind=kind), tally, emit)


def _items_of(job: Job, emit: Emit) -> Iterator[Item]:
    """Return a job's bodies; lines that cannot be read become findings."""
    if not job.file:
        return _built_in(job.workload, job.seed)
    report = partial(_report_line, job, emit, Counter())
    return recorded(job.file, False, report, name=job.name, max_body_mb=job.max_body_mb)


def _report_line(job: Job, emit: Emit, seen: Counter[str], error: CorpusError) -> None:
    """Turn an unreadable line into a finding, up to a number of lines."""
    seen[job.file] += 1
    if seen[job.file] <= MOST_LINES:
        emit(Finding(job.workload, "", "unreadable", str(error)))
    elif seen[job.file] == MOST_LINES + 1:
        emit(Finding(job.workload, "", "unreadable", "more lines; `serlab check` counts them"))


def _emit_tally(job: Job, tally: Tally, emit: Emit) -> None:
    """Send how the bodies fared in each codec, and the sizes of those that all measured codecs carry."""
    left_out = tally.left_out
    if left_out:
        emit(LeftOut(job.workload, left_out))
    for codec, counts in tally.outcomes.items():
        for outcome in OUTCOMES:
            emit(row(job, codec, "parity", outcome, "bodies", counts[outcome]))
        if counts["equal"] != tally.bodies:
            tell(job, codec, tally, emit)
        if why_unmeasured(counts):
            continue
        if left_out:
            emit(row(job, codec, "parity", COMMON, "bodies", tally.bodies - len(left_out)))
        weighed = tally.sizes_of(codec)
        for metric, value in weighed.means().items() if weighed.count else ():
            emit(row(job, codec, "size", metric, "bytes", value))


def tell(job: Job, codec: str, tally: Tally, emit: Emit) -> None:
    """Send what a codec did not bring back equal; of several outcomes the one that costs it its figures."""
    counts = tally.outcomes[codec]
    bad = why_unmeasured(counts) or "refused"
    text = f"{counts[bad]} of {tally.bodies} bodies {bad.replace('_', ' ')}"
    emit(Finding(job.workload, codec, bad, f"{text}, first {tally.first[codec, bad]}"))


# Parity of every body of recorded traffic through every codec, and what the types do not know of it.

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
            outcome = _check_item(codec, body, self.limits)
            counts[outcome.outcome] += 1
            if outcome.outcome in ("refused", "changed") and counts[outcome.outcome] <= MOST_FINDINGS:
                place = {"codec": codec, "outcome": outcome.outcome, "file": body.file, "line": body.line}
                self.findings.append({**place, "kind": body.kind, "reason": outcome.reason})

    def cannot_read(self, error: CorpusError) -> None:
        """Count a line that cannot be read; only the first ones are kept, since a whole file may be of another kind."""
        self.unreadable_lines += 1
        if self.unreadable_lines <= MOST_UNREADABLE:
            # Made anew: what was raised holds the line, once more with each error that it came of.
            self.unreadable.append(CorpusError(error.file, error.line, error.reason))

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
        """Return whether every line was read and each body came back equal from each codec that has a schema for it."""
        return not self.unreadable and not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, the unknown fields by frequency."""
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
        return _walked_size(value)


def _walked_size(value: Any) -> int:
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
    """Yield the bodies of built-in workloads, then of corpora; lines that cannot be read go to the report.

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
        yield from _built_in(name, seed)
    for corpus in corpora:
        before, empty = report.unreadable_lines, True
        told = (report.cannot_read, report.hints.append)
        for body in recorded(corpus.path, strict, *told, corpus.file, report.max_body_mb):
            empty = False
            yield body
        if empty and report.unreadable_lines == before:
            raise CorpusError(corpus.file, 0, "holds no bodies; expected one on each line, see the README")
