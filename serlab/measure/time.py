"""Time per message: all codecs of one workload side by side in one process, in short batches in random order.

The figure of a process is the median of its batches, see `serlab.measure.interleave`.
"""

import os
from collections.abc import Callable, Iterator
from random import Random
from statistics import median
from time import monotonic

import pyperf

from serlab.cases import AA, Case
from serlab.codecs import reason
from serlab.measure.inputs import Bound, bind, load_messages, row
from serlab.measure.interleave import DESCRIPTIONS, Arm, calibrate, interleaved, pin, settle_gc
from serlab.measure.job import At, Batches, Emit, Finding, Job, Metadata
from serlab.measure.operations import Work, arm_of, floors_of, group_by_output, has_stage, verify_operation
from serlab.measure.options import COMPRESSION_SHARE
from serlab.measure.parity import carries
from serlab.measure.process import open_heartbeat, reraise_passing
from serlab.records import COMPRESSION

Turn = Callable[[], object]
"""Called before each round of batches; another process may measure until it returns."""


def run(job: Job, emit: Emit, turn: Turn | None = None) -> None:
    """Time every operation of a workload.

    Args:
        job: what to time.
        emit: receives rows, findings and the batches for pyperf.
        turn: waits for this process's turn, where several measure by turns.
    """
    if job.pin:
        pin(job.process)
    messages = load_messages(job)
    codecs = [bind(job, name, messages) for name in job.codecs if carries(job, name, messages, emit)]
    work = Work(job.kind, messages, codecs, job.seed)
    settle_gc(job.gc)
    random = Random(f"{job.seed}/{job.process}/{job.workload}")
    mark = _marker(job)
    about = metadata(job.gc)
    for operation in (name for wanted in job.operations for name in work.names(wanted)):
        arms, same = _arms_of(job, operation, work, emit)
        for name, values in interleaved(arms, random, mark, turn).items():
            for case in (name, *map(Case, same.get(name, ()))):
                emit(row(job, case, operation, "time", "ns", median(values)))
                emit(Batches(about, case.codec, case.role, operation, _loops_of(arms, name), values))


def _marker(job: Job) -> Callable[[Case | None], None]:
    """Return the function that notes whose batch comes next, by the codec's own name; a floor's death is nobody's."""
    mark = open_heartbeat(job.mark)
    return lambda case: mark("" if case is None or case.is_bound else case.codec)


def _arms_of(job: Job, operation: str, work: Work, emit: Emit) -> tuple[list[Arm[Case]], dict[str, list[str]]]:
    """Prepare and calibrate each codec and the floors; the baseline enters twice, under two names.

    Returns:
        The arms, and for each the other codecs that its figure stands for: in compression those that write the same.
    """
    able = list(_does_right(job, operation, work, emit))
    same = group_by_output(able) if operation in COMPRESSION else {}
    # Compression gets its share of the time.
    share = COMPRESSION_SHARE if operation in COMPRESSION else 1.0
    effort = job.effort._replace(arm_ns=round(job.effort.arm_ns * share))
    arms = []
    for bound in (bound for bound in able if bound.name in same or not same):
        arm = calibrate(effort, arm_of(operation, bound, work))
        arms.append(arm)
        if job.baseline in (bound.name, *same.get(bound.name, ())):
            arms.append(arm._replace(name=Case(job.baseline, AA)))
    emit(At(""))
    return arms + [calibrate(effort, arm) for arm in floors_of(operation, work) if arms], same


def _does_right(job: Job, operation: str, work: Work, emit: Emit) -> Iterator[Bound]:
    """Yield the codecs that do an operation as they should; what another does becomes a finding."""
    for bound in (bound for bound in work.codecs if has_stage(operation, bound.codec)):
        emit(At(bound.name))
        try:
            outcome, wrong = "changed", verify_operation(operation, bound, work)
        except Exception as error:  # A codec from elsewhere may raise anything; it costs that codec only.
            reraise_passing(error)
            outcome, wrong = "refused", reason(error)
        if not wrong:
            yield bound
        else:
            emit(Finding(job.workload, bound.name, outcome, f"{bound.name}: {operation}: {wrong}"))


def _loops_of(arms: list[Arm[Case]], name: Case) -> tuple[int, int]:
    """Return an arm's passes and the messages in a pass."""
    arm = next(arm for arm in arms if arm.name == name)
    return arm.loops, arm.messages


def metadata(gc_mode: str) -> Metadata:
    """Collect what pyperf records about this process, and what it does not: the state of the collector, the seed."""
    # pyperf tells it by the wall clock: less than nothing where that was set back, which it refuses.
    uptime = {"uptime": monotonic()}
    collected = dict(pyperf.Run([1.0], metadata=uptime, collect_metadata=True).get_metadata())
    return {**collected, "gc": DESCRIPTIONS[gc_mode], "hash_seed": os.environ.get("PYTHONHASHSEED", "random")}
