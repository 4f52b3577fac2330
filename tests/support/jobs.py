"""Jobs as a run makes them, which take next to no time, and what a worker sent for them."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from serlab import workloads
from serlab.measure.job import Figure, Job, Record
from serlab.measure.options import EFFORTS
from serlab.measure.plan import BASELINE

EFFORT = EFFORTS["quick"]._replace(processes=1, rounds=2, batch_ns=100_000, arm_ns=1_000_000)
"""It says nothing of speed."""

Sent = TypeVar("Sent", bound=Record)


def job_of(part: str, workload: str = "chat-turn", codecs: Sequence[str] = ("orjson",), **fields: Any) -> Job:
    """Make the job of a cell, by default on all of a built-in workload."""
    baseline = BASELINE if BASELINE in codecs else next(iter(codecs), "")
    given = {"kind": fields.get("kind") or workloads.kind(workload), "baseline": baseline}
    return Job(part=part, workload=workload, codecs=list(codecs), **({"effort": EFFORT} | given | fields))


def wire_job(experiment: str, workload: str = "chat-turn", codecs: Sequence[str] = ("orjson",), **fields: Any) -> Job:
    """Make the job of an experiment on the wire."""
    return job_of("wire", workload, codecs, **({"experiment": experiment, "seed": 1, "gc": "on"} | fields))


def all_of(kind: type[Sent], sent: Iterable[Record]) -> list[Sent]:
    """Return a worker's records of one type."""
    return [one for one in sent if isinstance(one, kind)]


def figures_of(sent: Iterable[Record]) -> dict[tuple[str, str, str], float]:
    """Index a worker's figures by operation, codec and metric, each of which stands once."""
    figures = all_of(Figure, sent)
    found = {(one.place.name, str(one.case), one.metric): one.value for one in figures}
    assert len(found) == len(figures)
    return found
