"""Rows of a run whose figures are known, for what is drawn and exported."""

import numpy as np
import pandas as pd

from serlab.codecs.info import BUILT_IN
from serlab.rows import Row, frame
from tests.support.rows import named_row

PROCESSES = 6
SPEED = {
    "orjson": 1.0, "orjson (A/A)": 1.0, "json": 3.0, "msgpack": 0.99, "protobuf": 2.0, "flatbuffers": 2.1,
    "flatbuffers-unverified": 2.08, "msgspec-json": 0.8, "msgspec-msgpack": 0.5, "novel": 0.79,
    "floor: copy": 0.05, "floor: strings": 0.2,
}  # fmt: skip
"""Arm → time against orjson's."""
SIZES = {
    "orjson": 2000.0, "json": 2000.0, "msgpack": 1900.0, "protobuf": 1500.0, "flatbuffers": 1950.0,
    "flatbuffers-unverified": 1950.0, "msgspec-json": 2000.0, "msgspec-msgpack": 1901.0, "novel": 2010.0,
}  # fmt: skip
COLOURS = {info.name: info.colour for info in BUILT_IN.values() if info.colour}
CODECS = tuple(SIZES)
SHARES = {"read-0%": 0.0, "read-1": 0.02, "read-10%": 0.1, "read-50%": 0.5, "read-100%": 1.0}
VIEW = "flatbuffers-unverified"
"""Opens at once and pays for each field; it is as fast as orjson where a quarter of them is read."""


def noise(name: str) -> np.ndarray:
    """Return a factor near 1 for each process."""
    return 1 + 0.02 * np.random.default_rng(list(name.encode())).standard_normal(PROCESSES)


def timed(workload: str, operation: str, arm: str, value: float) -> list[Row]:
    """Make the times of one arm."""
    place = ("r", arm, "1", workload, "ChatRequest", operation, "time", "ns")
    return [named_row(*place, i, value * factor) for i, factor in enumerate(noise(workload + operation + arm))]


def one(workload: str, operation: str, codec: str, metric: str, value: float) -> Row:
    """Make a row that needs no process."""
    return named_row("r", codec, "1", workload, "ChatRequest", operation, metric, "u", 0, value)


def rows_of(workload: str = "chat-turn", codecs: tuple[str, ...] = CODECS) -> list[Row]:
    """Make the rows of one workload: encode, decode, the access curve, sizes, memory and lag."""
    arms = [arm for arm in SPEED if arm in codecs or arm.endswith("(A/A)") or arm.startswith("floor")]
    rows = [row for arm in arms for op in ("encode", "decode") for row in timed(workload, op, arm, 1e4 * SPEED[arm])]
    for arm in arms:
        for step, share in SHARES.items():
            value = 1e4 * (0.1 + 3.6 * share if arm == VIEW else SPEED[arm])
            rows += timed(workload, step, arm, value)
    for codec in codecs:
        rows += [one(workload, "size", codec, metric, SIZES[codec]) for metric in ("raw", "gzip", "zstd")]
        for operation in ("encode", "decode"):
            figures = {"allocations": 10 * SPEED[codec], "bytes": SIZES[codec], "peak": 2 * SIZES[codec]}
            rows += [one(workload, operation, codec, metric, value) for metric, value in figures.items()]
        rows.append(one(workload, "parity", codec, "equal", 3))
    return [*rows, *lags(workload, codecs)]


def lags(workload: str, codecs: tuple[str, ...]) -> list[Row]:
    """Make the lag of a loop on which some codecs work."""
    scales = {"lag-p50": 0.5, "lag-p99": 1.0, "lag-max": 2.0, "lag-rate": 4e-5}
    rows = []
    for arm in (*codecs, "orjson (A/A)", "floor: idle"):
        base = 1e5 if arm == "floor: idle" else 1e6 * SPEED[arm]
        for metric, scale in scales.items():
            place = ("r", arm, "1", workload, "ChatRequest", "decode/inline", metric, "ns")
            rows += [named_row(*place, i, base * scale * factor) for i, factor in enumerate(noise(arm + metric))]
    return rows


def run(*workloads: str, codecs: tuple[str, ...] = CODECS) -> pd.DataFrame:
    """Make the table of a run."""
    return frame(row for workload in workloads or ("chat-turn",) for row in rows_of(workload, codecs))
