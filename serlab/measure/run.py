"""A whole run: cell after cell, each in a fresh process, each kept as soon as it is finished.

What a kill leaves is a journal of finished cells. A resumed run measures the others, and those in which something
stayed unmeasured, so that it ends with the rows that an undisturbed run has.
"""

import fcntl
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyperf
from msgspec.structs import asdict, replace

from serlab.cases import ELSEWHERE, Case, Place, case_of
from serlab.errors import ResultsError
from serlab.folders import appending, file_name, write_inside
from serlab.measure.environment import differences, environment
from serlab.measure.inputs import version_of
from serlab.measure.job import Batches, Figure, Finding, Job, Kind, LeftOut, Record
from serlab.measure.paired import base_of, run_paired
from serlab.measure.plan import BASELINE, Cell, Plan, Source
from serlab.measure.process import WorkerDied, run_worker
from serlab.measure.wire import WIRE
from serlab.records import FAILED, UNMEASURED, Texts, why_unmeasured
from serlab.results import ENVIRONMENT, Finished, Journal, load_environment, write_results
from serlab.rows import PARQUET, Row, make_row

# One cell, however often it takes: what a death of its worker means, and what is still to be measured of it.
#
# A death that says nothing of the codec (see `serlab.measure.process`) starts the cell again, `TRIES` times in all at
# one place; then the codec that it was at is left out as unmeasured and the rest is measured without it. A death that
# is the codec's own counts when it comes again: the codec has failed then, on that workload, for good. One that came
# while no codec was at work is nobody's failure.
#
# Whoever is unmeasured is left out, and noted, in the cells that stand on that cell (all of a workload on its parity)
# and in those of the same kind that come after it. A resumed run measures all of them again, each whole, since the
# codecs of a cell are measured side by side.

TRIES = 3
"""How often a worker may die at one codec by what passes; a signal from outside does not hit it again and again."""
OWN_TRIES = 2
"""How often in a way that is the codec's own."""

WHOLE_OPERATIONS = ("time", WIRE)
"""Parts whose workers send all rows of an operation before those of the next, so that those are complete."""


def _finish(plan: Plan, cell: Cell, run: str, journal: Journal) -> Finished:
    """Measure one cell; again after a death, and without a codec that goes on dying."""
    waiting = _blocked(plan, cell, journal)
    lost = [Finished(cell.key, [], [_held(cell, source, name) for name in sorted(waiting)
                                    for source in _sources_of(plan, cell)], [])]  # fmt: skip
    without, deaths, own = set(waiting), Counter[str](), Counter[str]()
    while True:
        collector = Collector(cell, run)
        job = job_of(plan, cell, journal, without)
        if "" in waiting or not (job.codecs or job.kinds):
            return _merge(cell, lost)
        try:
            if plan.options.base and cell.part == "time":
                run_paired(base_of(plan.options.base), job, collector.record, plan.options.time_limit_s)
            else:
                run_worker(job, collector.record, plan.options.time_limit_s)
        except WorkerDied as error:
            codec = error.at.codec
            deaths[codec] += 1
            own[codec] += not error.passing
            if own[codec] < OWN_TRIES and deaths[codec] < TRIES:
                continue
            outcome = FAILED if codec and own[codec] >= OWN_TRIES else UNMEASURED
            lost.append(_loss(plan, cell, run, error, outcome, deaths[codec]))
            if codec and codec not in without:
                without.add(codec)
                continue
            collector.keep_finished()
        return _merge(cell, [*lost, collector.finished()])


def _is_open(plan: Plan, cell: Cell, journal: Journal) -> bool:
    """Return whether a cell is still to be measured: it is not there, or lacks what can be measured now."""
    before = journal.cells.get(cell.key)
    return before is None or bool(_unmeasured(before) - _blocked(plan, cell, journal))


def _unmeasured(cell: Finished) -> set[str]:
    """Name the codecs that trouble kept from being measured in a cell; "" for none of them in particular."""
    lost = (one for one in cell.findings if one.get("outcome") == UNMEASURED)
    return {case_of(str(one.get("codec", ""))).ran for one in lost}


def _blocked(plan: Plan, cell: Cell, journal: Journal) -> set[str]:
    """Name the codecs that a cell has to do without, since they stayed unmeasured where it builds upon."""
    sources = {source.workload for source in _sources_of(plan, cell)}
    found: set[str] = set()
    for other in plan.iterate():
        if other == cell:
            break
        before = journal.cells.get(other.key)
        if before is None or not (here := _unmeasured(before)):
            continue
        if other.part == "parity" and cell.part != "parity":
            found |= here if sources & {source.workload for source in _sources_of(plan, other)} else set()
        elif (other.part, other.unit) == (cell.part, cell.unit):
            found |= here - {""}
    return found


def _merge(cell: Cell, parts: list[Finished]) -> Finished:
    """Put together what the attempts at a cell brought."""
    rows = [row for part in parts for row in part.rows]
    findings = [finding for part in parts for finding in part.findings]
    left_out = {workload: bodies for part in parts for workload, bodies in part.left_out.items()}
    return Finished(cell.key, rows, findings, [batches for part in parts for batches in part.pyperf], left_out)


class Collector:
    """Gathers a worker's records into a finished cell."""

    def __init__(self, cell: Cell, run: str) -> None:
        self.cell = cell
        self.run = run
        self.rows: list[Row] = []
        self.findings: list[Texts] = []
        self.batches: list[Batches] = []
        self.left_out: dict[str, list[int]] = {}

    def record(self, sent: Record) -> None:
        """Take one record in."""
        match sent:
            case Figure():
                self.rows.append(_row_of(self.run, self.cell.process, sent))
            case Finding():
                self.findings.append({"part": self.cell.part, **asdict(sent)})
            case LeftOut():
                self.left_out[sent.workload] = sent.bodies
            case Batches():
                self.batches.append(sent)

    def keep_finished(self) -> None:
        """After a death that was no codec's, keep what stands by itself: the operations before the last one."""
        last = _place_in(self.rows[-1]) if self.rows and self.cell.part in WHOLE_OPERATIONS else None
        self.rows = [row for row in self.rows if last and _place_in(row) != last]
        kept = {row.operation for row in self.rows}
        self.batches = [batches for batches in self.batches if batches.operation in kept]

    def finished(self) -> Finished:
        """Return the cell."""
        named = [{**asdict(one), "name": f"{self.cell.unit}/{one.operation}"} for one in self.batches]
        return Finished(self.cell.key, self.rows, self.findings, named, self.left_out)


def _row_of(run: str, process: int, figure: Figure) -> Row:
    """Complete a worker's row with what the worker does not know."""
    version = version_of(figure.case) if figure.codec_version is None else figure.codec_version
    where = (figure.workload, figure.message, figure.place, figure.metric, figure.unit)
    return make_row(run, figure.case, version, *where, process, figure.value)


def _place_in(row: Row) -> Place:
    """Return what a row is of."""
    return Place(row.operation, row.experiment, row.conditions)


def _loss(plan: Plan, cell: Cell, run: str, error: WorkerDied, outcome: str, deaths: int) -> Finished:
    """Record whom the deaths of a worker cost its figures, on each workload of the cell; "" stands for all codecs."""
    sources = _sources_of(plan, cell)
    reason = f"{cell.key}: {error}" + (f" ({deaths} times)" if deaths > 1 else "")
    found = {"codec": str(error.at), "outcome": outcome, "reason": reason}
    findings = [{"part": cell.part, "workload": source.workload, **found} for source in sources]
    version = version_of(error.at) if error.at else ""
    rows = [
        make_row(
            run, error.at, version, source.workload, source.kind, Place("parity"), outcome, "bodies", cell.process, 1
        )
        for source in sources
        if error.at
    ]
    return Finished(cell.key, rows, findings, [])


def _held(cell: Cell, source: Source, codec: str) -> Texts:
    """Record that a codec is not measured, since it stayed unmeasured before."""
    reason = f"{codec or 'all codecs'}: left out, since unmeasured in an earlier part"
    return {"part": cell.part, "workload": source.workload, "codec": codec, "outcome": UNMEASURED, "reason": reason}


def _sources_of(plan: Plan, cell: Cell) -> list[Source]:
    """List the workloads of a cell: one, or for the parity of a corpus one for each kind in it."""
    if cell.part == "parity" and cell.workload in plan.corpora:
        return [source for source in plan.sources.values() if source.corpus is plan.corpora[cell.workload]]
    return [plan.sources[cell.workload]]


def job_of(plan: Plan, cell: Cell, journal: Journal, without: set[str]) -> Job:
    """Tell a worker what to do."""
    options, effort = plan.options, plan.effort
    job = Job(
        part=cell.part,
        workload=cell.workload,
        operations=effort.operations,
        experiment=cell.experiment,
        size="size" in options.parts,
        seed=options.seed,
        process=cell.process,
        effort=effort,
        gc=options.gc,
        pin=options.pin,
        flamegraph=options.flamegraph,
        folder=str(journal.directory),
        max_body_mb=options.max_body_mb,
        memory_bytes=options.memory_limit_mb * 10**6,
    )
    sources = _sources_of(plan, cell)
    chosen = {source.kind: _keep(plan.codecs_for(source.kind, cell.part), without) for source in sources}
    source, corpus = sources[0], sources[0].corpus
    if cell.part == "parity":
        kinds = {source.kind: Kind(source.workload, chosen[source.kind]) for source in sources}
        return replace(job, kinds=kinds, **{"file": corpus.given.path, "name": corpus.given.file} if corpus else {})
    able = _keep(chosen[source.kind], without | unable(journal, source.workload))
    documents = source.documents(options.seed, journal.left_out(source.workload))
    baseline = BASELINE if BASELINE in able else next(iter(able), "")
    return replace(job, kind=source.kind, documents=documents, codecs=able, baseline=baseline)


def _keep(names: list[str], without: set[str]) -> list[str]:
    """Leave out what is not to be measured."""
    return [name for name in names if name not in without]


def unable(journal: Journal, workload: str) -> set[str]:
    """List the codecs that get no figure on a workload: they refused too much, changed a body, or crash."""
    counts: dict[str, dict[str, float]] = {}
    for row in (row for cell in journal.cells.values() for row in cell.rows):
        if row.workload == workload and row.operation == "parity":
            counts.setdefault(row.codec, {})[row.metric] = row.value
    return {codec for codec, found in counts.items() if why_unmeasured(found)}


# Raw times as pyperf suites: one file per codec, the same benchmark names in each.
#
# So `pyperf compare_to pyperf/orjson.json pyperf/msgpack.json`, `pyperf stats` and `pyperf hist` work on a run. Every
# run carries the metadata that its own worker collected, or pyperf refuses to merge them.

FOLDER = "pyperf"


def write_suites(directory: Path, cells: Iterable[Finished]) -> list[Path]:
    """Write a run's suites.

    Args:
        directory: the results folder.
        cells: what the journal holds.

    Returns:
        The files, `pyperf/CODEC.json`; the baseline's second arm and the floors are codecs of their own here.

    Raises:
        ResultsError: the disk is full or the folder cannot be written.
    """
    runs: dict[Case, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        for batches in cell.pyperf:
            runs[_case_in(batches)][batches["name"]].append(_run_of(batches, directory))
    written, taken = [], set[str]()
    for case, benchmarks in sorted(runs.items()):
        name = _file_stem(case)
        taken.add(name := file_name(name, taken))
        suite = pyperf.BenchmarkSuite([pyperf.Benchmark(benchmark) for benchmark in benchmarks.values()])
        written.append(write_inside(directory, f"{FOLDER}/{name}.json", _suite_bytes(suite)))
    return written


def _file_stem(case: Case) -> str:
    """Name a codec in the name of a file."""
    parts = case.ran.replace(": ", "-"), "base" * (case.role in ELSEWHERE), "control" * case.is_again
    return "-".join(filter(None, parts))


def _case_in(batches: Mapping[str, Any]) -> Case:
    """Return whose batches a journal has; an older one has only the name."""
    return Case(batches["codec"], batches["role"]) if "role" in batches else case_of(batches["codec"])


def _run_of(batches: dict[str, Any], directory: Path) -> Any:
    """Make a pyperf run of one worker's batches.

    Raises:
        ResultsError: pyperf does not take them; no worker sends such.
    """
    loops, items = batches["loops"]
    metadata = {**batches["metadata"], "name": batches["name"], "unit": "second", "loops": loops, "inner_loops": items}
    if "codec_version" not in metadata:
        metadata["codec_version"] = version_of(_case_in(batches)) or "unknown"
    try:
        return pyperf.Run([value / 1e9 for value in batches["values"]], metadata=metadata, collect_metadata=False)
    except (ValueError, TypeError) as error:
        raise ResultsError(
            f"{directory}: its journal holds times that pyperf does not take: {error}; start a new run elsewhere"
        ) from error


def _suite_bytes(suite: Any) -> bytes:
    """Write a suite as JSON; pyperf takes a text stream."""
    stream = io.StringIO()
    suite.dump(stream)
    return stream.getvalue().encode()


Progress = Callable[[Cell], None]
"""Called when a cell is finished, or found finished already."""

LOCK = ".lock"


def measure(plan: Plan, directory: Path, resume: bool, progress: Progress) -> pd.DataFrame:
    """Measure all cells of a plan that the folder does not hold yet, or not whole, then write the results.

    Args:
        plan: what to measure.
        directory: the results folder; made if it is missing.
        resume: go on with a run that was stopped.
        progress: called after each cell.

    Returns:
        The tidy table.

    Raises:
        ResultsError: the folder holds a run and `resume` is false, or none and it is true, or a run that was made
            otherwise, or other files; or it is in use, or cannot be written.
        MissingPackageError: an experiment needs a package that is not installed.
    """
    plan.check_installed()
    with locked(directory):
        run = _begin(plan, directory, resume)
        journal = Journal(directory)
        for cell in plan.cells():
            if _is_open(plan, cell, journal):
                # Its results would be those of the run before, until the new ones are written.
                (directory / PARQUET).unlink(missing_ok=True)
                _keep_better(journal, _finish(plan, cell, run, journal))
            progress(cell)
        write_suites(directory, journal.cells.values())
        return write_results(directory, journal.cells.values())


def _keep_better(journal: Journal, found: Finished) -> None:
    """Write a cell down, unless trouble cost it more than it had cost the one that was there."""
    before = journal.cells.get(found.key)
    if before is None or not _unmeasured(found) or len(found.rows) >= len(before.rows):
        journal.append(found)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep two runs from writing into one folder."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with appending(directory, LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise ResultsError(
            f"{directory}: another serlab is writing there; wait for it or choose another folder"
        ) from error
    except OSError as error:
        raise ResultsError(f"{directory}: cannot be written: {error.strerror}") from error


def _begin(plan: Plan, directory: Path, resume: bool) -> str:
    """Write the environment of a new run, or check that a stopped one may go on here; give the run's id."""
    refuse_folder(directory, resume)
    record = environment(plan)
    if not resume:
        write_inside(directory, ENVIRONMENT, json.dumps(record, indent=1).encode())
        return str(record["run"])
    old = load_environment(directory)
    found = differences(old, record)
    if found:
        listed = "; ".join(found)
        raise ResultsError(
            f"{directory}: cannot go on, since it was made otherwise ({listed}); start another with -o DIR"
        )
    return str(old["run"])


def refuse_folder(directory: Path, resume: bool) -> None:
    """Refuse a folder that a run cannot go into: what is somebody else's there would be written over.

    Args:
        directory: the results folder, which need not be there yet.
        resume: go on with a run that was stopped.

    Raises:
        ResultsError: it holds a run, or what is none; with `resume`, it holds no run.
    """
    try:
        has_run = (directory / ENVIRONMENT).exists()
        # Hidden files are no reason: the lock of a run that was stopped at its very start is one.
        others = sorted(path.name for path in directory.glob("[!.]*"))
    except OSError as error:
        raise ResultsError(f"{directory}: cannot be read: {error.strerror}") from error
    if resume and not has_run:
        raise ResultsError(f"{directory}: no run there was stopped; name its folder, or start one without --resume")
    if has_run and not resume:
        raise ResultsError(f"{directory}: holds a run already; --resume goes on with it, -o DIR starts another")
    if others and not has_run:
        shown = ", ".join(others[:3]) + (", …" if others[3:] else "")
        raise ResultsError(f"{directory}: expected a new or an empty folder, got one with {shown}; choose another")
