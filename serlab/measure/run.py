"""A whole run: cell after cell, each in a fresh process, each kept as soon as it is finished.

What a kill leaves is a journal of finished cells. A resumed run measures the others, so that it ends with the rows
that an undisturbed run has. A worker that dies costs the codec that it was at, on that workload; the rest of the cell
is measured again without it.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.errors import ResultsError
from serlab.folders import appending, write_inside
from serlab.measure.base import base_of
from serlab.measure.environment import differences, environment
from serlab.measure.load import version_of
from serlab.measure.pairing import run_paired
from serlab.measure.plan import BASELINE, Cell, Plan, Source
from serlab.measure.process import WorkerDied, run_worker
from serlab.measure.suites import write_suites
from serlab.measure.wire import WIRE
from serlab.outcomes import why_unmeasured
from serlab.results import ENVIRONMENT, Finished, Journal, Row, load_environment, write_results
from serlab.stats import BASE

Progress = Callable[[Cell], None]
"""Called when a cell is finished, or found finished already."""

FAILED = "failed"
"""The outcome of a codec whose worker died."""

WHOLE_OPERATIONS = ("time", WIRE)
"""Parts whose workers send all rows of an operation before those of the next, so that those are complete."""

LOCK = ".lock"


def measure(plan: Plan, directory: Path, resume: bool, progress: Progress) -> pd.DataFrame:
    """Measure all cells of a plan that the folder does not hold yet, then write the results.

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
        record = begin(plan, directory, resume)
        journal = Journal(directory)
        for cell in plan.cells():
            if cell.key not in journal.cells:
                journal.append(finish(plan, cell, record["run"], journal, directory))
            progress(cell)
        write_suites(directory, journal.cells.values())
        return write_results(directory, journal.cells.values())


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


def begin(plan: Plan, directory: Path, resume: bool) -> dict[str, Any]:
    """Write the environment of a new run, or check that a stopped one may go on here."""
    refuse_folder(directory, resume)
    record = environment(plan)
    if not resume:
        write_inside(directory, ENVIRONMENT, json.dumps(record, indent=1).encode())
        return record
    old = load_environment(directory)
    found = differences(old, record)
    if found:
        listed = "; ".join(found)
        raise ResultsError(
            f"{directory}: cannot go on, since it was made otherwise ({listed}); start another with -o DIR"
        )
    return old


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


def finish(plan: Plan, cell: Cell, run: str, journal: Journal, directory: Path) -> Finished:
    """Measure one cell; again without a codec that killed its worker."""
    lost: list[Finished] = []
    without: set[str] = set()
    while True:
        collector = Collector(cell, run)
        job = job_of(plan, cell, journal, without) | {"folder": str(directory)}
        if not any(job["codecs"]):
            return merge(cell, lost)
        try:
            if plan.options.base and cell.part == "time":
                run_paired(base_of(plan.options.base), job, collector.record, plan.options.time_limit_s)
            else:
                run_worker(job, collector.record, plan.options.time_limit_s)
        except WorkerDied as error:
            lost.append(failure(plan, cell, run, error))
            codec = error.at.removesuffix(BASE)
            if codec and codec not in without:
                without.add(codec)
                continue
            collector.keep_finished()
        return merge(cell, [*lost, collector.finished()])


def merge(cell: Cell, parts: list[Finished]) -> Finished:
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
        self.findings: list[dict[str, Any]] = []
        self.batches: list[dict[str, Any]] = []
        self.metadata: dict[str, Any] = {}
        self.left_out: dict[str, list[int]] = {}

    def record(self, sent: dict[str, Any]) -> None:
        """Take one record in."""
        if "row" in sent:
            self.rows.append(row_of(self.run, self.cell.process, sent["row"]))
        elif "finding" in sent:
            self.findings.append({"part": self.cell.part, **sent["finding"]})
        elif "left_out" in sent:
            self.left_out[sent["left_out"]["workload"]] = sent["left_out"]["bodies"]
        elif "metadata" in sent:
            self.metadata = sent["metadata"]
        elif "batches" in sent:
            name = f"{self.cell.unit}/{sent['batches']['operation']}"
            self.batches.append({"metadata": self.metadata, **sent["batches"], "name": name})

    def keep_finished(self) -> None:
        """After a death that was no codec's, keep what stands by itself: the operations before the last one."""
        last = self.rows[-1].operation if self.rows and self.cell.part in WHOLE_OPERATIONS else None
        self.rows = [row for row in self.rows if last and row.operation != last]
        kept = {row.operation for row in self.rows}
        self.batches = [batches for batches in self.batches if batches["operation"] in kept]

    def finished(self) -> Finished:
        """Give the cell."""
        return Finished(self.cell.key, self.rows, self.findings, self.batches, self.left_out)


def row_of(run: str, process: int, fields: dict[str, Any]) -> Row:
    """Complete a worker's row with what the worker does not know."""
    version = fields.get("codec_version")
    if version is None:
        version = version_of(fields["codec"].removesuffix(BASE))
    return Row(**{**fields, "run": run, "process": process, "codec_version": version})


def failure(plan: Plan, cell: Cell, run: str, error: WorkerDied) -> Finished:
    """Record that a codec killed its worker, on each workload of the cell; "" stands for all codecs."""
    sources = sources_of(plan, cell)
    reason = f"{cell.key}: {error}"
    findings = [{"part": cell.part, "workload": source.workload, "codec": error.at, "outcome": FAILED, "reason": reason}
                for source in sources]  # fmt: skip
    fields = [
        {"workload": source.workload, "message": source.kind, "codec": error.at} for source in sources if error.at
    ]
    count = {"operation": "parity", "metric": FAILED, "unit": "bodies", "value": 1}
    return Finished(cell.key, [row_of(run, cell.process, {**place, **count}) for place in fields], findings, [])


def sources_of(plan: Plan, cell: Cell) -> list[Source]:
    """List the workloads of a cell: one, or for the parity of a corpus one for each kind in it."""
    if cell.part == "parity" and cell.unit in plan.corpora:
        return [source for source in plan.sources.values() if source.corpus is plan.corpora[cell.unit]]
    return [plan.sources[cell.workload]]


def job_of(plan: Plan, cell: Cell, journal: Journal, without: set[str]) -> dict[str, Any]:
    """Tell a worker what to do."""
    options = plan.options
    job = {"part": cell.part, "unit": cell.unit, "seed": options.seed, "process": cell.process}
    job |= {"gc": options.gc, "pin": options.pin, "flamegraph": options.flamegraph}
    job |= {"memory_bytes": options.memory_limit_mb * 10**6} if options.memory_limit_mb else {}
    job |= {"max_body_mb": options.max_body_mb}
    sources = sources_of(plan, cell)
    chosen = {source.kind: keep(plan.codecs_for(source.kind, cell.part), without) for source in sources}
    if cell.part == "parity":
        corpus = sources[0].corpus
        places = {source.kind: source.workload for source in sources}
        size = "size" in plan.options.parts
        file = {"file": corpus.given.path, "name": corpus.given.file} if corpus else {"file": None}
        return job | file | {"workloads": places, "codecs": chosen, "size": size}
    source = sources[0]
    able = keep(chosen[source.kind], without | unable(journal, source.workload))
    job |= {
        "experiment": cell.experiment,
        "workload": source.workload,
        "kind": source.kind,
        "documents": source.documents(options.seed, journal.left_out(source.workload)),
        "codecs": able,
    }
    baseline = BASELINE if BASELINE in able else next(iter(able), "")
    return job | {"operations": plan.effort.operations, "baseline": baseline, "effort": plan.effort._asdict()}


def keep(names: list[str], without: set[str]) -> list[str]:
    """Leave out what is not to be measured."""
    return [name for name in names if name not in without]


def unable(journal: Journal, workload: str) -> set[str]:
    """List the codecs that get no figure on a workload: they refused too much, changed a body, or killed a worker."""
    counts: dict[str, dict[str, float]] = {}
    for row in (row for cell in journal.cells.values() for row in cell.rows):
        if row.workload == workload and row.operation == "parity":
            counts.setdefault(row.codec.removesuffix(BASE), {})[row.metric] = row.value
    return {codec for codec, found in counts.items() if why_unmeasured(found)}
