"""The experiments of `serlab wire`: what a codec, a transport or reuse is worth on a whole call path.

One module an experiment, each with `run(job, emit)`, called in a fresh worker process; `serlab.measure.wire` names them
and says what each stands on. Arms are timed side by side in random order, as everywhere in serlab; what differs is that
an arm here is a whole call to a real server in a process of its own.

The server, its clients and the cache take only codecs that verify what they read, as those of a service must. Another
that was asked for is left out, and the run says so.
"""

from importlib import import_module

from msgspec.structs import replace

from serlab.codecs import codec_for, verifying_codecs
from serlab.errors import ServiceError
from serlab.measure import Emit, Finding, Job

CODED = ("transport", "loop-stall", "stream", "vectors", "cache")
"""Experiments that take a run's codecs to a server or a cache; to the others its codecs mean nothing."""


def run(job: Job, emit: Emit) -> None:
    """Run the experiment that a job names.

    Args:
        job: of the worker.
        emit: receives rows and findings.
    """
    module = job.experiment.replace("-", "_")
    import_module(f"serlab.wire.experiments.{module}").run(_verified(job, emit), emit)


def _verified(job: Job, emit: Emit) -> Job:
    """Leave out the codecs that no server takes, and tell it once a run.

    Raises:
        ServiceError: none is left.
    """
    taken = [name for name in job.codecs if name in verifying_codecs()]
    if job.experiment not in CODED or taken == job.codecs:
        return job
    left = ", ".join(name for name in job.codecs if name not in taken)
    if not taken:
        expected = f"expected a codec that verifies what it reads, got {left}; add {codec_for('baseline')}"
        raise ServiceError(f"{job.experiment}: {expected}")
    if job.process == 0:
        text = f"{job.experiment}: left out, as a server takes only codecs that verify what they read"
        for name in (name for name in job.codecs if name not in taken):
            emit(Finding(job.workload, name, "refused", text))
    return replace(job, codecs=taken, baseline=job.baseline if job.baseline in taken else taken[0])
