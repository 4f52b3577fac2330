"""What a run measures: its options, its cells, and the names that make it possible to go on after a kill.

A cell is what one fresh worker process measures. Its key is the same in every run with the same options, and so are
the keys of its rows: a run that was killed and resumed ends with the rows that it would have had.

    parity/WORKLOAD          every body through every codec; with sizes
    memory/WORKLOAD          every codec, one tracker after another
    time/WORKLOAD/PROCESS    every codec and operation of one workload, batches in random order
    throughput/WORKLOAD/PROCESS, lag/WORKLOAD/PROCESS    the machine and an event loop under load, on request
    wire/EXPERIMENT/WORKLOAD/PROCESS    a whole call path, see `serlab.measure.wire`, on request
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from serlab import workloads
from serlab.codecs import codec_for, codec_info, codec_names
from serlab.errors import MissingPackageError, NotMeasuredError, UnknownNameError
from serlab.measure import wire
from serlab.measure.inputs import Corpus, scan
from serlab.measure.interleave import GC
from serlab.measure.options import (
    EFFORTS,
    LOAD_OPERATIONS,
    LOAD_PARTS,
    LOAD_WORKLOADS,
    OPERATIONS,
    VARIANT_KIND,
    Effort,
    Options,
    load_cost,
    memory_cost,
    parity_cost,
    time_cost,
)
from serlab.measure.wire import WIRE

BASELINE = codec_for("baseline")


class Source(NamedTuple):
    """A workload to measure: a built-in one, or the bodies of one kind in one corpus.

    Attributes:
        workload: its name in the rows.
        kind: a message type's name, or "document".
        corpus: where it comes from; None if it is built in.
    """

    workload: str
    kind: str
    corpus: Corpus | None

    def documents(self, seed: int, without: Collection[int]) -> list[Any] | None:
        """List the bodies to time and trace; None stands for all of a built-in workload.

        Args:
            seed: of a built-in workload.
            without: numbers of the bodies that are left out, from 1.
        """
        if self.corpus:
            return self.corpus.samples[self.kind].documents(without)
        if not without:
            return None
        built = workloads.documents(self.workload, seed)
        return [document for number, document in enumerate(built, 1) if number not in without]


class Cell(NamedTuple):
    """What one worker measures.

    Attributes:
        part: "parity", "memory", "time", one of `LOAD_PARTS`, or `WIRE`.
        workload: its name; for the parity of a corpus the file's, whose kinds are read in one go.
        process: the worker's number.
        experiment: on the wire its name; "" elsewhere.
    """

    part: str
    workload: str
    process: int = 0
    experiment: str = ""

    @property
    def key(self) -> str:
        """Name the cell in the journal."""
        once = f"{self.part}/{self.unit}"
        return f"{once}/{self.process}" if self.part in ("time", WIRE, *LOAD_PARTS) else once

    @property
    def unit(self) -> str:
        """Name what is measured, whichever worker does: the workload, on the wire after its experiment."""
        return f"{self.experiment}/{self.workload}" if self.experiment else self.workload


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a run.

    Attributes:
        options: what the user asked for.
        codecs: the codecs by name.
        corpora: the corpora, scanned.
        sources: the workloads by name.
    """

    options: Options
    codecs: tuple[str, ...]
    corpora: dict[str, Corpus]
    sources: dict[str, Source]

    @property
    def effort(self) -> Effort:
        """Look up how much is measured."""
        effort = EFFORTS[self.options.effort]
        batch_ns = round(self.options.batch_ms * 1e6) or effort.batch_ns
        return effort._replace(batch_ns=batch_ns, operations=self.options.operations or effort.operations)

    def cells(self) -> list[Cell]:
        """List the cells in the order in which they run."""
        return list(self.iterate())

    def iterate(self) -> Iterator[Cell]:
        """Yield parity first, which decides who is measured; then process by process, so that drift meets all alike."""
        built_in = [name for name, source in self.sources.items() if source.corpus is None]
        yield from (Cell("parity", unit) for unit in (*built_in, *self.corpora))
        if "memory" in self.options.parts:
            yield from (Cell("memory", name) for name in self.sources)
        if "time" in self.options.parts:
            yield from (Cell("time", name, i) for i in range(self.effort.processes) for name in self.sources)
        for part in (part for part in LOAD_PARTS if part in self.options.parts):
            yield from (Cell(part, name, i) for i in range(self.effort.processes) for name in self.loaded())
        if WIRE in self.options.parts:
            wired = self.wired()
            yield from (
                Cell(WIRE, name, i, experiment) for i in range(self.effort.processes) for experiment, name in wired
            )

    def loaded(self) -> list[str]:
        """List the workloads that are measured under load: a selection where the user names nothing."""
        if self.options.workloads or self.options.corpora:
            return list(self.sources)
        return [name for name in self.sources if name in LOAD_WORKLOADS]

    def wired(self) -> list[tuple[str, str]]:
        """List the experiments, each with a workload that it takes."""
        kinds = {name: source.kind for name, source in self.sources.items()}
        by_user = bool(self.options.workloads or self.options.corpora)
        names = wire.chosen(self.options.experiments)
        return [(name, workload) for name in names for workload in wire.taken(name, kinds, by_user)]

    def idle(self) -> list[str]:
        """List the experiments for which the run has no message of a kind that they take."""
        busy = {experiment for experiment, _ in self.wired()}
        return [name for name in wire.chosen(self.options.experiments) if name not in busy]

    def hints(self) -> list[str]:
        """List what the corpora look like, where that is not bodies."""
        return [hint for corpus in self.corpora.values() for hint in corpus.hints]

    def check_installed(self) -> None:
        """See that all of it can be measured here; a plan is made without.

        Raises:
            MissingPackageError: an experiment of the run needs a package that is not installed.
        """
        if WIRE in self.options.parts:
            wire.check_installed(dict.fromkeys(experiment for experiment, _ in self.wired()))

    def cost(self, cell: Cell) -> float:
        """Estimate a cell's seconds, before anything is known of this machine."""
        if cell.part == "parity":
            return parity_cost(len(self.codecs))
        if cell.part == WIRE:
            return wire.cost(cell.experiment, self.effort.arm_ns)
        codecs = len(self.codecs_for(self.sources[cell.workload].kind))
        if cell.part == "memory":
            return memory_cost(codecs)
        if cell.part in LOAD_PARTS:
            operations = len({*LOAD_OPERATIONS} & {*self.effort.operations})
            return load_cost(cell.part, codecs, operations, self.effort)
        return time_cost(self.effort, codecs)

    def codecs_for(self, kind: str, part: str = "") -> list[str]:
        """List the codecs for a kind: the variants only where they differ, unless they were asked for.

        Args:
            kind: of the messages.
            part: of the run; on the wire fewer are compared.
        """
        if self.options.codecs:
            return list(self.codecs)
        infos, with_vectors = [codec_info(name) for name in self.codecs], kind == VARIANT_KIND
        if part == WIRE:
            return [info.name for info in infos if wire.is_compared(info, with_vectors)]
        # A variant that keeps nothing writes the same bytes and is measured on request only. On chunks of a stream the
        # codec that keeps its encoder takes 0.65 (json), 0.8 to 0.9 (msgspec) and 0.94 (msgpack) of their time to
        # encode, on 90 kB as much.
        return [info.name for info in infos if info.keep and (with_vectors or not info.vectors)]

    def fingerprint(self) -> dict[str, Any]:
        """Describe the run for the journal, to be compared when it is resumed."""
        given = asdict(self.options)
        del given["corpora"]
        digests = {name: corpus.sha256 for name, corpus in self.corpora.items()}
        listed = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
        return {**listed, "codecs": list(self.codecs), "workloads": list(self.sources), "corpora": digests}


def make_plan(options: Options) -> Plan:
    """Check the options and work out the cells.

    Args:
        options: what the user asked for.

    Raises:
        UnknownNameError: there is no codec, workload or operation of that name.
        MissingPackageError: a codec that was asked for is not installed.
        CorpusError: a corpus cannot be read; with `strict`, a line of it.
    """
    check_names("operation", options.operations, OPERATIONS)
    check_names("gc", (options.gc,), GC)
    check_names("effort", (options.effort,), EFFORTS)
    check_names("workload", options.workloads, workloads.names())
    wire.chosen(options.experiments)
    codecs = chosen_codecs(options.codecs)
    effort = EFFORTS[options.effort]
    named = () if options.corpora and not options.workloads else options.workloads or _default_workloads(options)
    sources = {name: Source(name, workloads.kind(name), None) for name in dict.fromkeys(named)}
    corpora = scan(
        options.corpora, effort.sample_bodies, effort.sample_bytes, options.seed, options.strict, options.max_body_mb
    )
    for corpus in corpora.values():
        sources |= {name: Source(name, kind, corpus) for kind, name in corpus.workloads().items()}
    plan = Plan(options, codecs, corpora, sources)
    _check_taken(plan)
    return plan


def _check_taken(plan: Plan) -> None:
    """Refuse an experiment that was asked for where no message of the run is of a kind that it takes.

    Raises:
        NotMeasuredError: there is none; where all experiments are asked for, the others are run.
    """
    names = plan.options.experiments if WIRE in plan.options.parts else ()
    for name in plan.idle():
        if name in names:
            there = ", ".join(dict.fromkeys(source.kind for source in plan.sources.values())) or "nothing"
            kinds = " or ".join(wire.EXPERIMENTS[name].kinds)
            raise NotMeasuredError(
                f"experiment {name}: expected messages of {kinds}, got {there}; name its own "
                f"workload: --workload {wire.EXPERIMENTS[name].workloads[0]}"
            )


def _default_workloads(options: Options) -> Iterable[str]:
    """Return what is measured where nothing is named: all workloads, a selection for load or the wire alone."""
    if WIRE in options.parts and {*options.parts} <= {WIRE, "size"}:
        return wire.defaults(options.experiments)
    return LOAD_WORKLOADS if {*options.parts} <= {*LOAD_PARTS} else workloads.names()


def check_names(what: str, names: tuple[str, ...], known: Any) -> None:
    """Refuse a name that does not exist."""
    for name in names:
        if name not in known:
            raise UnknownNameError.of(what, name, known)


def chosen_codecs(names: tuple[str, ...]) -> tuple[str, ...]:
    """Resolve the codecs: all installed ones, or exactly those that were asked for."""
    if not names:
        return tuple(name for name in codec_names() if codec_info(name).version)
    for name in dict.fromkeys(names):
        info = codec_info(name)
        if not info.version:
            raise MissingPackageError(f"codec {name!r} needs {info.package}: {info.install}")
    return tuple(dict.fromkeys(names))
