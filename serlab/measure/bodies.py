"""Every body of a workload or a corpus through every codec: parity and sizes in one pass, streamed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from serlab import workloads
from serlab.corpus import read
from serlab.errors import CorpusError, SerlabError
from serlab.hints import OnHint
from serlab.limits import DEFAULT_LIMITS, MAX_BODY_MB, Limits, longest_line
from serlab.measure.load import Emit, finding, limits_of, row
from serlab.measure.parity import OUTCOMES, Outcome, check, require_known
from serlab.measure.size import MeanSizes, sizes
from serlab.messages import from_document
from serlab.outcomes import COMMON, why_unmeasured

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


def built_in(name: str, seed: int) -> Iterator[Item]:
    """Give a built-in workload's bodies."""
    for line, document in enumerate(workloads.documents(name, seed), 1):
        yield item(name, line, workloads.kind(name), document)


def recorded(
    file: str,
    strict: bool,
    on_error: Any,
    on_hint: OnHint | None = None,
    name: str = "",
    max_body_mb: int = MAX_BODY_MB,
) -> Iterator[Item]:
    """Give a corpus's bodies; a file that breaks off is reported like a line that cannot be read.

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
            yield item(body.file, body.line, body.kind, body.document)
    except CorpusError as error:
        if strict:
            raise
        on_error(error)


def item(file: str, line: int, kind: str, document: Any) -> Item:
    """Make a body's message; a document that cannot become one is refused by every codec."""
    try:
        return Item(file, line, kind, document, from_document(kind, document), "")
    except SerlabError as error:
        return Item(file, line, kind, document, None, str(error))


def check_item(codec: str, body: Item, limits: Limits = DEFAULT_LIMITS) -> Outcome:
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
        outcome = check_item(codec, body, limits)
        if outcome.outcome == "equal":
            place = {"file": body.file, "line": body.line, "kind": body.kind, "codec": codec}
            yield {**place, **sizes(outcome.data)}, ""
        elif outcome.outcome != "no_schema":
            yield None, f"{body.file}:{body.line}: {outcome.outcome}: {outcome.reason}"


class Group:
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
        self.groups: dict[frozenset[str], Group] = {}

    def add(self, body: Item, outcomes: Mapping[str, Outcome], size: bool) -> None:
        """Count a body in."""
        self.bodies += 1
        for codec, outcome in outcomes.items():
            self.outcomes.setdefault(codec, Counter())[outcome.outcome] += 1
            if outcome.outcome != "equal":
                self.first.setdefault((codec, outcome.outcome), f"{body.file}:{body.line}: {outcome.reason}")
        failing = frozenset(name for name, one in outcomes.items() if one.outcome in ("refused", "changed"))
        group = self.groups.setdefault(failing, Group())
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


def run(job: dict[str, Any], emit: Emit) -> None:
    """Check and weigh every body of one workload or corpus.

    Args:
        job: file and name (None for a built-in workload), workloads (kind → name), seed, codecs (kind → names), size.
        emit: receives rows, findings and which bodies are left out.
    """
    tallies: dict[str, Tally] = {}
    # A kind that came into the file after the run was planned has no name.
    for body in (body for body in items_of(job, emit) if body.kind in job["workloads"]):
        outcomes = {}
        for codec in job["codecs"][body.kind]:
            emit({"at": codec})
            outcomes[codec] = require_known(check_item(codec, body, limits_of(job)))
        tallies.setdefault(body.kind, Tally()).add(body, outcomes, job["size"])
    for kind, tally in tallies.items():
        emit_tally({"workload": job["workloads"][kind], "kind": kind}, tally, emit)


def items_of(job: dict[str, Any], emit: Emit) -> Iterator[Item]:
    """Give a job's bodies; lines that cannot be read become findings."""
    if job["file"] is None:
        return built_in(job["unit"], job["seed"])
    return recorded(
        job["file"],
        False,
        partial(report_line, emit, job["unit"], Counter()),
        name=job["name"],
        max_body_mb=job["max_body_mb"],
    )


def report_line(emit: Emit, unit: str, seen: Counter[str], error: CorpusError) -> None:
    """Turn an unreadable line into a finding, up to a number of lines."""
    seen[unit] += 1
    if seen[unit] <= MOST_LINES:
        emit(finding({"workload": unit}, "", "unreadable", str(error)))
    elif seen[unit] == MOST_LINES + 1:
        emit(finding({"workload": unit}, "", "unreadable", "more lines; `serlab check` counts them"))


def emit_tally(job: dict[str, Any], tally: Tally, emit: Emit) -> None:
    """Send how the bodies fared in each codec, and the sizes of those that all measured codecs carry."""
    left_out = tally.left_out
    if left_out:
        emit({"left_out": {"workload": job["workload"], "bodies": left_out}})
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


def tell(job: dict[str, Any], codec: str, tally: Tally, emit: Emit) -> None:
    """Send what a codec did not bring back equal; of several outcomes the one that costs it its figures."""
    counts = tally.outcomes[codec]
    bad = why_unmeasured(counts) or "refused"
    text = f"{counts[bad]} of {tally.bodies} bodies {bad.replace('_', ' ')}"
    emit(finding(job, codec, bad, f"{text}, first {tally.first[codec, bad]}"))
