"""What the tests of the experiments on the wire share: a worker's job that takes next to no time."""

from typing import Any

from serlab import workloads

EFFORT = {"processes": 1, "rounds": 2, "batch_ns": 100_000, "arm_ns": 1_000_000}


def job_of(experiment: str, workload: str = "chat-turn", codecs: tuple[str, ...] = ("orjson",), **changed: Any) -> Any:
    """Make a worker's job on a built-in workload."""
    place = {"experiment": experiment, "workload": workload, "kind": workloads.kind(workload), "documents": None}
    measured = {"codecs": list(codecs), "baseline": "orjson", "seed": 1, "process": 0, "gc": "on", "effort": EFFORT}
    return {**place, **measured, **changed}
