"""The experiments of `serlab wire`: what a codec, a transport or reuse is worth on a whole call path.

One module an experiment, each with `run(job, emit)`, called in a fresh worker process; `serlab.measure.wire` names them
and says what each stands on. Arms are timed side by side in random order, as everywhere in serlab; what differs is that
an arm here is a whole call to a real server in a process of its own.
"""

from importlib import import_module
from typing import Any

from serlab.measure.load import Emit


def run(job: dict[str, Any], emit: Emit) -> None:
    """Run the experiment that a job names.

    Args:
        job: experiment, workload, kind, seed, process, documents, codecs, baseline, gc, effort.
        emit: receives rows and findings.
    """
    module = job["experiment"].replace("-", "_")
    import_module(f"serlab.service.experiments.{module}").run(job, emit)
