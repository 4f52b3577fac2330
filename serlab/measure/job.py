"""What a run tells a worker, and what a worker sends back.

Both cross the border between two processes as lines of JSON: `written` makes one, `read_job` and `read_record` check
that it is what it should be. The standard library reads and writes the text, since documents may hold what JSON in
UTF-8 cannot: integers of any size, lone surrogates, NaN.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from serlab.cases import Case, Conditions, Place, facts_of
from serlab.limits import MAX_BODY_MB
from serlab.measure.options import EFFORTS, Effort

Metadata = dict[str, str | int | float]
"""What pyperf knows of a process and records with its times, by names of its own."""


class Kind(NamedTuple):
    """The bodies of one kind whose parity is checked: their workload, and the codecs that they go through."""

    workload: str
    codecs: list[str]


class Job(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What one worker measures; a part has fields that others do not use.

    Attributes:
        part: a key of `serlab.measure.worker.PARTS`.
        workload: its name in the rows; for the parity of a corpus the file's.
        kind: of the messages; not for parity.
        documents: the messages as JSON values; None stands for all of a built-in workload.
        codecs: names; not for parity.
        baseline: the codec that is measured twice; "" is none.
        operations: what is timed or loaded.
        experiment: on the wire, its name.
        kinds: for parity, kind → its workload and codecs; bodies of another kind are passed over.
        file: for parity, the path of the corpus; "" is a built-in workload.
        name: for parity, what people are told in place of the path.
        size: for parity, whether the bodies are weighed too.
        seed: of the workload and of the order of the batches.
        process: the worker's number, from 0.
        effort: how much is measured; times in nanoseconds.
        gc: the collector while timing, see `serlab.measure.interleave.GC`.
        pin: keep the worker on one processor.
        flamegraph: for memory, whether flame graphs are written.
        folder: the results folder that they go into.
        max_body_mb: length of a body in MiB that codecs take.
        memory_bytes: address space of the worker; 0 is the machine's memory.
        mark: a file descriptor, see `serlab.measure.process.open_heartbeat`; None where no run listens.
        turns: the descriptor of a socket, see `serlab.measure.paired`.
    """

    part: str
    workload: str
    kind: str = ""
    documents: list[Any] | None = None
    codecs: list[str] = []
    baseline: str = ""
    operations: tuple[str, ...] = ()
    experiment: str = ""
    kinds: dict[str, Kind] = {}
    file: str = ""
    name: str = ""
    size: bool = False
    seed: int = 0
    process: int = 0
    effort: Effort = EFFORTS["default"]
    gc: str = "frozen"
    pin: bool = False
    flamegraph: bool = False
    folder: str = ""
    max_body_mb: int = MAX_BODY_MB
    memory_bytes: int = 0
    mark: int | None = None
    turns: int | None = None


class At(msgspec.Struct, frozen=True, tag=True):
    """The worker begins, or goes to another codec.

    Attributes:
        codec: its name; "" is none.
    """

    codec: str


class Figure(msgspec.Struct, frozen=True, tag=True):
    """One figure, a row of the results without what the run knows of it.

    Attributes:
        workload, message, codec, role, operation, experiment, conditions, metric, unit, value: as in
            `serlab.rows.Row`.
        codec_version: "" for an arm that is no codec; None is what is installed in the run's environment.
    """

    workload: str
    message: str
    codec: str
    role: str
    operation: str
    experiment: str
    conditions: Conditions
    metric: str
    unit: str
    # A whole number stays one in the journal.
    value: int | float
    codec_version: str | None = None

    @property
    def case(self) -> Case:
        """Return whose figure it is."""
        return Case(self.codec, self.role)

    @property
    def place(self) -> Place:
        """Return what was measured."""
        return Place(self.operation, self.experiment, self.conditions)


class Finding(msgspec.Struct, frozen=True, tag=True):
    """Something amiss.

    Attributes:
        workload: where.
        codec: whose; "" is no codec's.
        outcome: what became of it, as `refused`.
        reason: why.
    """

    workload: str
    codec: str
    outcome: str
    reason: str


class LeftOut(msgspec.Struct, frozen=True, tag=True):
    """Bodies that are not measured.

    Attributes:
        workload: whose.
        bodies: their numbers, from 1 among those of the kind.
    """

    workload: str
    bodies: list[int]


class Batches(msgspec.Struct, frozen=True, tag=True):
    """The raw times of a codec and an operation.

    Attributes:
        metadata: what pyperf is told of the process.
        codec, role: as in `serlab.rows.Row`.
        operation: what was timed.
        loops: passes in a batch, and messages in a pass.
        values: of each batch, in nanoseconds a message.
    """

    metadata: Metadata
    codec: str
    role: str
    operation: str
    loops: tuple[int, int]
    values: list[float]


class Done(msgspec.Struct, frozen=True, tag=True):
    """All was measured; the last word."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Not all was measured; the last word.

    Attributes:
        reason: why.
        passing: whether that says nothing of a codec, see `serlab.measure.process`.
    """

    reason: str
    passing: bool


Record = At | Figure | Finding | LeftOut | Batches | Done | Failed
Emit = Callable[[Record], None]
"""Takes one record: in a worker it sends it to the run."""


def written(what: Job | Record) -> bytes:
    """Write a job or a record as a line of JSON, in ASCII."""
    return json.dumps({"type": type(what).__name__, **msgspec.structs.asdict(what)}, default=facts_of).encode() + b"\n"


def read_job(line: bytes) -> Job:
    """Read a job.

    Raises:
        ValueError: it is none.
    """
    return msgspec.convert(json.loads(line), Job)


def read_record(line: bytes) -> Record:
    """Read a record.

    Raises:
        ValueError: it is none.
    """
    found: Record = msgspec.convert(json.loads(line), Record)
    return found
