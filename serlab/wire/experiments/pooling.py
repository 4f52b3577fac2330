"""What reuse gains over new buffers, Packers, Builders and messages, and what it costs to share.

    wire/pooling/PAIR                 fresh, kept, pooled, copied: the same messages written or read
    wire/pooling/message-decode       also by how much a protobuf message grows with each use, and what stays of that
                                      when it is deleted (`released`)
    wire/pooling/share/threads=N      a lease from a list, under a lock, from a queue; the list without a lease
    wire/pooling/share/tasks=N        the same among tasks, and a pool for which they wait; floor: no pool
    wire/pooling/count/threads=N      a number that no other gets

Each arm is set against the first of its group: `fresh`, `list`, `itertools`. What is shared are empty objects, so it is
measured with one workload only.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from serlab.cases import CallArm, Case, call_place
from serlab.measure import EXPERIMENTS, Emit, Finding, Job, load_messages
from serlab.wire.experiments import pool_costs, pool_growth
from serlab.wire.experiments.base import WireArm, row, timed

THREADS, TASKS = (1, 4), (1, 16)
GROWING = "message-decode"
"""The pair whose message grows."""


def run(job: Job, emit: Emit) -> None:
    """Time pairs and pools, then measure growth; see `serlab.wire.experiments.run`."""
    with ExitStack() as stack:
        arms = list(_pair_arms(job, emit))
        grows = any(arm.name.place.conditions.part == GROWING for arm in arms)
        arms += _shared_arms(stack) if _shares(job) else []
        timed(job, emit, arms, batches=1)
    if grows:
        _send_growth(job, emit)


def _pair_arms(job: Job, emit: Emit) -> Iterator[WireArm]:
    """Make the arms of all pairs; one whose codec cannot carry the messages is left out and told, once a run."""
    messages = load_messages(job)
    for pair, (codec, _) in pool_costs.PAIRS.items():
        lost = pool_costs.lost(codec, job.kind, messages)
        if lost is None:
            yield from pool_costs.arms_of(pair, job.kind, messages)
        elif job.process == 0:
            emit(Finding(job.workload, codec, lost.outcome, f"{call_place('pooling', part=pair).name}: {lost.reason}"))


def _shares(job: Job) -> bool:
    """Return whether this is the workload with which sharing is measured."""
    return job.workload == EXPERIMENTS["pooling"].workloads[0]


def _shared_arms(stack: ExitStack) -> list[WireArm]:
    """Make the arms that share among threads and among tasks."""
    executor = stack.enter_context(ThreadPoolExecutor(max(THREADS)))
    runner = stack.enter_context(asyncio.Runner())
    arms = [arm for count in THREADS for arm in pool_costs.thread_arms(executor, count)]
    return arms + [arm for count in TASKS for arm in pool_costs.task_arms(runner, count)]


def _send_growth(job: Job, emit: Emit) -> None:
    """Send what a use leaves behind; the A/A is measured in a second process."""
    place = call_place("pooling", part=GROWING)
    figures = {CallArm(Case(name), place): value for name, value in pool_growth.measured(job).items()}
    figures[CallArm(Case("fresh"), place).second] = pool_growth.measured(job)["fresh"]
    for name, value in figures.items():
        emit(row(job, name, "growth-per-use", "bytes", value))
