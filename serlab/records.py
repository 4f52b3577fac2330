"""What the records of a results folder hold, by type.

A folder may come from another version, or from somebody else: what is of another type is refused here, once, with its
place, so that whoever reads a record need not look. What serlab does not know of stays as it is.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

Number = Annotated[float, msgspec.Meta(ge=0, le=1e18)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
Texts = dict[str, str]


class Effort(TypedDict, total=False):
    """How much was measured, as far as it is read again."""

    processes: Count
    rounds: Count
    operations: list[str]


class Plan(TypedDict, total=False):
    """What was measured, as far as it is read again."""

    seed: int
    corpora: Texts
    parts: list[str]


class Options(TypedDict, total=False):
    """What the user asked for, as far as it is read again without going on with the run."""

    corpora: list[str]
    workloads: list[str]
    codecs: list[str]
    operations: list[str]
    parts: list[str]
    experiments: list[str]
    base: str


class Base(TypedDict, total=False):
    """The other environment of a run that timed two."""

    place: str
    python: str
    serlab: str
    git_commit: str
    codecs: Texts
    versions: Texts


class Stored(TypedDict, total=False):
    """The load of other processes, where a run was published."""

    busy_cores_before: Number | None
    busy_cores_during: Number | None
    busy_cores_after: Number | None


class Environment(TypedDict, total=False):
    """The environment record."""

    format: int
    run: str
    cpu: str
    cores: Count
    memory_bytes: Count
    os: str
    python: str
    versions: Texts
    serlab: str
    git_commit: str
    load_average: list[float]
    gc: str
    effort: Effort
    seed: int
    processes: Count
    command: list[str]
    options: Options
    plan: Plan
    hints: list[str]
    base: Base
    wire: dict[str, Texts]
    stored: Stored


class Batches(TypedDict):
    """The raw times of one codec and operation in one worker, for pyperf."""

    codec: str
    role: NotRequired[Literal["measured", "aa", "bound", "other_env", "other_env_aa"]]
    name: str
    loops: tuple[Count, Count]
    values: list[float]
    metadata: dict[str, Any]


def read_json(data: bytes) -> Any:
    """Read a record's JSON.

    Raises:
        ValueError: it is none, or nested too deep.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def misfit(value: Any, kind: Any) -> str:
    """Say where a value is of another type than a record has there; "" where it fits.

    Args:
        value: JSON values.
        kind: one of the types here.
    """
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error).replace("`", "").replace("$.", "")
    except RecursionError:
        return "nested too deep"
    except OverflowError:
        return "a number that is too large"
    return ""


# What became of a workload's bodies in a codec, and whether the codec gets figures there.
#
# Figures (size, time, memory, load) are over the bodies that all codecs with figures carry, so that ratios compare
# like with like. A codec that refuses a few bodies keeps its figures, and those bodies are left out for all. A codec
# that refuses more, or that changes one body, gets no figures, and what it refuses stays in for the others.

COMPRESSION = ("gzip", "gunzip", "zstd", "unzstd")
"""Operations on a codec's bytes, which are no work of the codec's own."""

OUTCOMES = ("refused", "changed", "no_schema", "failed")
"""Metrics of parity that count what did not come back equal."""

FAILED = OUTCOMES[3]
"""The outcome of a codec that killed its worker, in a way that is its own, whenever it was tried."""

UNMEASURED = "unmeasured"
"""The outcome of what trouble kept from being measured, which says nothing of the codec; `--resume` measures it."""

COMMON = "common"
"""Metric of parity: how many bodies a codec's figures are over, where some codec with figures refused one."""

MOST_REFUSED_SHARE = 0.01
"""Share of a workload's bodies that a codec may refuse and still get figures."""


def why_unmeasured(counts: Mapping[str, float]) -> str:
    """Say which outcome costs a codec its figures on a workload.

    Args:
        counts: metric of parity → bodies.

    Returns:
        One of `OUTCOMES`; `UNMEASURED` where its parity is not known; "" for a codec that gets figures.
    """
    if counts.get(UNMEASURED) and not body_count(counts) and not counts.get(FAILED):
        return UNMEASURED
    if _refused_share(counts) > MOST_REFUSED_SHARE:
        return "refused"
    return next((name for name in OUTCOMES[1:] if counts.get(name)), "")


def _refused_share(counts: Mapping[str, float]) -> float:
    """Return the share of its bodies that a codec refused."""
    bodies = body_count(counts)
    return counts.get("refused", 0) / bodies if bodies else 0.0


def body_count(counts: Mapping[str, float]) -> int:
    """Count the bodies that were sent through a codec."""
    return round(sum(counts.get(name, 0) for name in ("equal", "refused", "changed", "no_schema")))
