"""What the experiments share: timing arms, and making rows of them.

An arm is told by its case and its place. The case is a codec's, or of what else is compared: "kept", "lock". In each
group (one place) one arm is measured twice, once more as a control (A/A): it is the baseline, and what it differs by
from itself is the noise of the group.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from statistics import median
from typing import Any

from serlab.cases import MEASURED, CallArm, Case
from serlab.codecs import codec_info, codec_names
from serlab.measure import Arm, Emit, Figure, Job, calibrate, interleaved, open_heartbeat, settle_gc

BATCHES = 3
"""How many times as long a batch is as that of a codec alone: a call goes through two processes and the kernel, and
each may wait for a processor."""


WireArm = Arm[CallArm]


def again(arm: WireArm) -> WireArm:
    """Return an arm's second one (A/A)."""
    return arm._replace(name=arm.name.second)


def awaited(
    runner: asyncio.Runner, name: CallArm, work: Callable[[Any], Awaitable[Any]], items: list[Any], messages: int = 0
) -> WireArm:
    """Make an arm of a coroutine function, which is called with one item after another in one go of the event loop.

    Args:
        runner: whose loop it runs in.
        name: of the arm.
        work: what is awaited with each item.
        items: at least one.
        messages: how many messages a pass handles; 0 for one an item.
    """

    async def each(given: list[Any]) -> None:
        for item in given:
            await work(item)

    return Arm(name, lambda given: runner.run(each(given)), [items], messages or len(items))


def timed(
    job: Job, emit: Emit, arms: Sequence[WireArm], metric: str = "latency", batches: int = BATCHES
) -> dict[CallArm, float]:
    """Time arms by turns and send a row for each: the median of its batches.

    Args:
        job: of the worker.
        emit: receives the rows.
        arms: not calibrated yet.
        metric: of the rows, in ns a message.
        batches: how many times as long a batch is as that of a codec alone; 1 where no arm leaves the process.

    Returns:
        Arm's name → its figure.
    """
    mark = open_heartbeat(job.mark)
    effort = job.effort._replace(batch_ns=batches * job.effort.batch_ns)
    ready = [calibrate(effort, arm) for arm in arms]
    settle_gc(job.gc)
    random = Random(f"{job.seed}/{job.process}/{job.workload}/{job.experiment}")
    times = interleaved(ready, random, lambda name: mark(codec_in(name.case) if name else ""))
    figures = {name: median(values) for name, values in times.items()}
    for name, value in figures.items():
        emit(row(job, name, metric, "ns", value))
    return figures


def codec_in(case: Case) -> str:
    """Name the codec that a death in an arm costs; "" for an arm that is none."""
    return case.codec if case.codec in codec_names() and case.first.role == MEASURED else ""


def row(job: Job, name: CallArm, metric: str, unit: str, value: float) -> Figure:
    """Make the record of one figure.

    Args:
        job: of the worker.
        name: of the arm.
        metric: one of `serlab.measure.wire.METRICS`.
        unit: of the value.
        value: the figure.
    """
    whose = (job.workload, job.kind, name.case.codec, name.case.role)
    return Figure(*whose, *name.place, metric, unit, float(value), _version_of(name.case))


def _version_of(case: Case) -> str:
    """Look up a version; "" for what is no codec."""
    return codec_info(case.codec).version if case.codec in codec_names() and not case.is_bound else ""
