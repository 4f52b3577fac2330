"""Results folders that were made up, for what compares runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serlab.rows import Row, frame, write_table
from tests.support.rows import named_row

PROCESSES = 10
NOISE = 0.01
"""Standard deviation of a time in one process, as a share of it."""

TIMES = {"orjson": 100.0, "msgpack": 130.0, "json": 300.0}
VERSIONS = {"orjson": "3.0", "msgpack": "1.0", "json": "3.11.7"}
SIZES = {"orjson": 200.0, "msgpack": 150.0, "json": 200.0}
ENVIRONMENT = {
    "run": "r", "cpu": "a CPU", "cores": 2, "os": "Linux 6.1", "python": "CPython 3.11.7", "processes": PROCESSES,
    "serlab": "0.1.0", "git_commit": "", "versions": {"orjson": "3.0", "msgpack": "1.0", "msgspec": "0.22.0"},
    "seed": 0, "plan": {"seed": 0, "corpora": {}},
}  # fmt: skip


def noisy(value: float, seed: str, noise: float = NOISE) -> list[float]:
    """Draw one figure for each process; the machine is slower in some, which meets all arms of a process alike."""
    random = np.random.default_rng(list(seed.encode()))
    machine = np.random.default_rng(7).uniform(1, 2, PROCESSES)
    return list(value * machine * np.exp(random.normal(0, noise, PROCESSES)))


def rows_of(
    seed: str,
    times: Mapping[str, float] = TIMES,
    sizes: Mapping[str, float] = SIZES,
    allocations: Mapping[str, float] = SIZES,
    equal: Mapping[str, float] | None = None,
    versions: Mapping[str, str] = VERSIONS,
) -> list[Row]:
    """Make the rows of a run over two workloads."""
    return [
        row
        for workload in ("w1", "w2")
        for codec in times
        for row in codec_rows(seed, workload, codec, times, sizes, allocations, equal or {}, versions)
    ]


def codec_rows(
    seed: str, workload: str, codec: str, times: Any, sizes: Any, allocations: Any, equal: Any, versions: Any
) -> list[Row]:
    """Make the rows of one codec on one workload."""

    def row(name: str, operation: str, metric: str, value: float, process: int = 0) -> Row:
        return named_row("r", name, versions[codec], workload, "ChatRequest", operation, metric, "u", process, value)

    found = [row(codec, "size", metric, sizes[codec]) for metric in ("raw", "gzip", "zstd")]
    found += [row(codec, "decode", "allocations", allocations[codec]), row(codec, "decode", "peak", 5.0)]
    found += [
        row(codec, "parity", "equal", equal.get(codec, 3)),
        row(codec, "parity", "changed", 3 - equal.get(codec, 3)),
    ]
    names = [codec, "orjson (A/A)"] if codec == "orjson" else [codec]
    for name in names:
        values = noisy(times[codec], f"{seed}{workload}{name}")
        found += [row(name, "decode", "time", value, i) for i, value in enumerate(values)]
    return found


def paired_rows(seed: str, factors: Mapping[str, float], noise: float = NOISE) -> list[Row]:
    """Make the rows of two environments that were timed by turns; head is slower by a factor for each codec."""
    found = []
    for codec, factor in factors.items():
        arms = ((codec, "time-paired", factor), (codec, "time-again", factor), (f"{codec} (base)", "time-paired", 1.0))
        for name, metric, times in arms:
            values = noisy(TIMES[codec] * times, f"{seed}{name}{metric}", noise)
            place = ("r", name, VERSIONS[codec], "w1", "ChatRequest", "decode", metric, "ns")
            found += [named_row(*place, i, value) for i, value in enumerate(values)]
    return found


def write(directory: Path, rows: list[Row], **changed: Any) -> Path:
    """Write a results folder; what is given stands in its environment in place of the usual."""
    directory.mkdir()
    (directory / "environment.json").write_text(json.dumps({**ENVIRONMENT, **changed}))
    write_table(directory, frame(rows))
    return directory
