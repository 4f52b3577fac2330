"""What the records of a results folder hold, by type.

A folder may come from another version, or from somebody else: what is of another type is refused here, once, with its
place, so that whoever reads a record need not look. What serlab does not know of stays as it is.
"""

import json
from typing import Annotated, Any, TypedDict

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
