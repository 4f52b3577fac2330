"""The messages of a workload, as a worker needs them."""

import platform
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from serlab import workloads
from serlab.codecs import Codec, applicable_limits, codec_info, open_codec
from serlab.limits import MAX_BODY_MB, Limits, limits_for
from serlab.messages import from_document
from serlab.stats import CONTROL, FLOOR
from serlab.workloads import read_one

ABSENT = (LookupError, AttributeError, TypeError)
"""What a reader raises where something on the way to its field is absent."""

Emit = Callable[[dict[str, Any]], None]
"""Sends one record from a worker to the run."""


class Bound(NamedTuple):
    """A codec with the encoded messages of a workload."""

    name: str
    codec: Codec
    encoded: list[bytes]


def load_messages(job: dict[str, Any]) -> list[Any]:
    """Build a job's messages: a built-in workload, or the sample that came with the job."""
    if job["documents"] is None:
        return workloads.build(job["workload"], job["seed"])
    return [from_document(job["kind"], document) for document in job["documents"]]


def named_reader(kind: str, messages: list[Any]) -> Callable[[Any], Any] | None:
    """Give the kind's field reader, if a message has the field; where some lack it, one that finds out."""
    reader = read_one(kind)
    there = [has_field(reader, message) for message in messages] if reader else []
    if not reader or not any(there):
        return None
    return reader if all(there) else partial(read_if_there, reader)


def has_field(reader: Callable[[Any], Any], message: Any) -> bool:
    """Tell whether a message has the named field."""
    try:
        reader(message)
    except ABSENT:
        return False
    return True


def read_if_there(reader: Callable[[Any], Any], message: Any) -> Any:
    """Read a field as a program does whose messages may lack it; None then."""
    try:
        return reader(message)
    except ABSENT:
        return None


def row(job: dict[str, Any], codec: str, operation: str, metric: str, unit: str, value: float) -> dict[str, Any]:
    """Make the record of one figure."""
    place = {"workload": job["workload"], "message": job["kind"]}
    return {"row": {**place, "codec": codec, "operation": operation, "metric": metric, "unit": unit, "value": value}}


def finding(job: dict[str, Any], codec: str, outcome: str, reason: str) -> dict[str, Any]:
    """Make the record of something amiss."""
    return {"finding": {"workload": job["workload"], "codec": codec, "outcome": outcome, "reason": reason}}


def limits_of(job: dict[str, Any]) -> Limits:
    """Give the limits that a job asks for."""
    return limits_for(job.get("max_body_mb", MAX_BODY_MB))


def bind(job: dict[str, Any], name: str, messages: list[Any]) -> Bound:
    """Open a codec and encode a workload."""
    codec = open_codec(name, job["kind"], applicable_limits(name, limits_of(job)))
    teach(codec, messages)
    return Bound(name, codec, [codec.encode(message) for message in messages])


def teach(codec: Codec, messages: Sequence[Any]) -> None:
    """Let a codec that learns meet each message as often as it takes, so that what follows is its full speed."""
    for _ in range(codec.learns):
        for message in messages:
            codec.encode(message)


def version_of(arm: str) -> str:
    """Tell the version of an arm's library; a floor is Python's own."""
    return platform.python_version() if arm.startswith(FLOOR) else codec_info(arm.removesuffix(CONTROL)).version


def read_field(opened: Callable[[bytes], Any], reader: Any, data: bytes) -> Any:
    """Open a message and read its named field."""
    return reader(opened(data))
