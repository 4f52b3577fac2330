"""Throughput: messages and bytes per second with one and with N processes and threads, N being the cores.

All codecs, operations and modes take turns in short windows in random order. Every mode runs in the same processes, so
that a ratio between modes (scaling) or between codecs is one of like with like. Two floors run beside the codecs: work
that releases the interpreter lock shows what the machine gives, work that holds it shows what threads cannot.
"""

from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from serlab.cases import AA, Case, Conditions, Place
from serlab.measure.inputs import bind, load_messages, row
from serlab.measure.job import At, Emit, Job
from serlab.measure.load_workers import HOLDS, RELEASES, Order, WorkerGroup, codec_of, rate_per_s
from serlab.measure.options import LOAD_OPERATIONS, usable_cores, window_ns, windows
from serlab.measure.parity import carries
from serlab.measure.process import PassingError

LEAST_BATCH_NS = 200_000
"""So long that reading the clock between batches costs nothing."""
TRIES = 10
"""Windows that are tried, each twice as long as the last, before a machine counts as too busy to let N processes work
at the same time."""


class Mode(NamedTuple):
    """How the load is spread: so many processes, each with so many threads; 0 threads is the main one."""

    name: str
    processes: int
    threads: int

    @property
    def conditions(self) -> Conditions:
        """Return what its figures are measured under."""
        return Conditions(threads=self.threads) if self.threads else Conditions(processes=self.processes)


@dataclass(slots=True)
class _Arm:
    """A codec or a floor in an operation and a mode.

    Attributes:
        codec: whose work.
        operation: encode or decode.
        mode: how the load is spread.
        messages: in a pass.
        size_bytes: mean of an encoded message; 0 for a floor.
        loops: passes in a batch.
        window_ns: at least two batches.
        rates: messages per second, one for each window.
    """

    codec: Case
    operation: str
    mode: Mode
    messages: int
    size_bytes: float
    loops: int
    window_ns: int
    rates: list[float] = field(default_factory=list)


def modes(cores: int) -> list[Mode]:
    """List how the load is spread; on one core there is nothing to spread it over."""
    counts = (1, cores) if cores > 1 else (1,)
    spread = [Mode(f"processes={count}", count, 0) for count in counts]
    return spread + [Mode(f"threads={count}", 1, count) for count in counts]


def run(job: Job, emit: Emit) -> None:
    """Load the machine with every codec on one workload.

    Args:
        job: what to load.
        emit: receives rows and findings.

    Raises:
        WorkerError: a codec killed or failed in a process of the group.
    """
    messages = load_messages(job)
    able = [name for name in job.codecs if carries(job, name, messages, emit)]
    sizes = {name: sum(map(len, bind(job, name, messages).encoded)) / len(messages) for name in able}
    operations = tuple(name for name in LOAD_OPERATIONS if name in job.operations)
    random = Random(f"{job.seed}/{job.process}/{job.workload}/throughput")
    emit(At(""))
    with WorkerGroup(replace(job, codecs=able, operations=operations), usable_cores()) as group:
        arms = [arm for operation in operations for arm in _arms_of(job, group, operation, sizes, len(messages), emit)]
        for _ in range(windows(job.effort)):
            random.shuffle(arms)
            for arm in arms:
                emit(At(codec_of(arm.codec)))
                arm.rates.append(_one_window(group, arm))
    for arm in sorted(arms, key=lambda arm: (arm.operation, arm.mode.name, arm.codec)):
        _emit_arm(job, arm, emit)


def _arms_of(
    job: Job, group: WorkerGroup, operation: str, sizes: dict[str, float], messages: int, emit: Emit
) -> list[_Arm]:
    """Calibrate each codec in each mode; the baseline enters twice, and the floors join."""
    arms = []
    control = [Case(job.baseline, AA)] if job.baseline in sizes else []
    for name in (*map(Case, sizes), *control, RELEASES, HOLDS):
        emit(At(codec_of(name)))
        count = messages if codec_of(name) else 1
        size = sizes.get(codec_of(name), 0.0)
        elapsed = min(_batch_ns(group, Order(name, operation)) for _ in range(2))
        loops = max(1, round(LEAST_BATCH_NS / elapsed))
        length = max(window_ns(job.effort), 2 * loops * elapsed)
        arms += [_Arm(name, operation, mode, count, size, loops, length) for mode in modes(usable_cores())]
    return arms


def _batch_ns(group: WorkerGroup, order: Order) -> int:
    """Time one pass in every process, which also warms them up; the first one's time counts."""
    marks = group.run(order, len(group.pipes))[0]
    return max(1, marks[-1] - marks[0])


def _one_window(group: WorkerGroup, arm: _Arm) -> float:
    """Load the machine for one window; for a longer one where a process began only when the others were done.

    Returns:
        Messages per second.

    Raises:
        WorkerError: the processes were never all at work.
    """
    order = Order(arm.codec, arm.operation, arm.loops, arm.mode.threads)
    for attempt in range(TRIES):
        order = order._replace(window_ns=arm.window_ns << attempt)
        rate = rate_per_s(group.run(order, arm.mode.processes), arm.loops * arm.messages)
        if rate is not None:
            return rate
    raise PassingError(f"{arm.mode.name}: never at work at the same time in {TRIES} windows; the machine is too busy")


def _emit_arm(job: Job, arm: _Arm, emit: Emit) -> None:
    """Send an arm's figures: the median over its windows."""
    place, rate = Place(arm.operation, "", arm.mode.conditions), median(arm.rates)
    emit(row(job, arm.codec, place, "rate", "messages/s", rate))
    if arm.size_bytes:
        emit(row(job, arm.codec, place, "byte-rate", "bytes/s", rate * arm.size_bytes))
