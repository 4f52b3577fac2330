"""Every body of a workload or a corpus through every codec: parity and sizes in one pass, streamed."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from serlab import workloads
from serlab.corpus import read
from serlab.errors import CorpusError, SerlabError
from serlab.hints import OnHint
from serlab.limits import DEFAULT_LIMITS, MAX_BODY_MB, Limits, longest_line
from serlab.measure.load import Emit, finding, limits_of, row
from serlab.measure.parity import OUTCOMES, Outcome, check
from serlab.measure.size import MeanSizes, sizes
from serlab.messages import from_document

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


class Tally:
    """What became of one workload's bodies in one codec."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.sizes = MeanSizes()
        self.first = ""

    def add(self, body: Item, outcome: Outcome) -> None:
        """Count a body in; remember the first that did not come back equal."""
        self.outcomes[outcome.outcome] += 1
        if outcome.outcome != "equal":
            self.first = self.first or f"{body.file}:{body.line}: {outcome.reason}"


def run(job: dict[str, Any], emit: Emit) -> None:
    """Check and weigh every body of one workload or corpus.

    Args:
        job: file and name (None for a built-in workload), workloads (kind → name), seed, codecs (kind → names), size.
        emit: receives rows and findings.
    """
    tallies: dict[tuple[str, str], Tally] = {}
    for body in items_of(job, emit):
        for codec in job["codecs"].get(body.kind, ()):
            emit({"at": codec})
            outcome = check_item(codec, body, limits_of(job))
            tally = tallies.setdefault((body.kind, codec), Tally())
            tally.add(body, outcome)
            if job["size"] and outcome.outcome == "equal":
                tally.sizes.add(sizes(outcome.data))
    for (kind, codec), tally in tallies.items():
        emit_tally({"workload": job["workloads"][kind], "kind": kind}, codec, tally, emit)


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


def emit_tally(job: dict[str, Any], codec: str, tally: Tally, emit: Emit) -> None:
    """Send a codec's rows: how many bodies fared how, and its sizes if all came back equal."""
    for outcome in OUTCOMES:
        emit(row(job, codec, "parity", outcome, "bodies", tally.outcomes[outcome]))
    bad = next((outcome for outcome in OUTCOMES[1:] if tally.outcomes[outcome]), None)
    if bad:
        text = f"{tally.outcomes[bad]} of {sum(tally.outcomes.values())} bodies {bad.replace('_', ' ')}"
        emit(finding(job, codec, bad, f"{text}, first {tally.first}"))
    elif tally.sizes.count:
        for metric, value in tally.sizes.means().items():
            emit(row(job, codec, "size", metric, "bytes", value))
