"""Rows that were made up, and scenarios on them, for what decides."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from serlab.decide import Scenario
from serlab.decide.scenarios import from_dict
from serlab.rows import Row, frame
from tests.support.rows import named_row

MACHINE = (1.0, 1.5, 0.8, 1.2, 1.1, 0.9)
"""How slow the machine is in each process, which meets all codecs alike."""

NOISE = (0.99, 1.01, 1.0, 1.005, 0.995, 1.0)
"""What the baseline's second arm takes, as a share of the first."""

Times = Mapping[str, Mapping[str, float]]
KINDS = {
    "chat-turn": "ChatRequest", "chat-response": "ChatResponse", "stream": "ChatChunk",
    "embeddings": "EmbeddingResponse", "token-ids": "GenerateRequest",
}  # fmt: skip
EVERYWHERE = {
    "orjson": {"encode": 1000.0, "decode": 2000.0, "read-one": 2000.0, "relay": 2500.0},
    "msgspec-json": {"encode": 999.0, "decode": 2003.0, "read-one": 2000.0, "relay": 2500.0},
    "msgpack": {"encode": 1200.0, "decode": 2600.0, "read-one": 2600.0, "relay": 3000.0},
    "protobuf": {"encode": 3000.0, "decode": 5000.0, "read-one": 5000.0, "relay": 8000.0},
    "flatbuffers-unverified": {"encode": 900.0, "decode": 800.0, "read-one": 100.0, "relay": 2000.0},
    "flatbuffers-official": {"encode": 90.0, "decode": 80.0, "read-one": 10.0, "relay": 20.0},
}
BYTES = {"orjson": 1000, "msgspec-json": 1000, "msgpack": 700, "protobuf": 400, "flatbuffers-unverified": 1100,
         "flatbuffers-official": 1100}  # fmt: skip


def table(
    times: Times = EVERYWHERE,
    sizes: Mapping[str, float] = BYTES,
    kinds: Mapping[str, str] = KINDS,
    failures: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Make the rows of a run: every codec with the same figures on every workload."""
    return frame(
        row
        for workload, kind in kinds.items()
        for codec in times
        for row in rows_of(workload, kind, codec, times[codec], sizes[codec], (failures or {}).get(codec, ""))
    )


def rows_of(workload: str, kind: str, codec: str, times: Mapping[str, float], size: float, failure: str) -> list[Row]:
    """Make the rows of one codec on one workload."""

    def row(name: str, operation: str, metric: str, value: float, process: int = 0) -> Row:
        return named_row("r1", name, "1.0", workload, kind, operation, metric, "u", process, value)

    found = [row(codec, "parity", failure or "equal", 3.0)]
    if failure:
        return found
    shares = {"raw": 1.0, "gzip": 0.5, "zstd": 0.4}
    found += [row(codec, "size", metric, size * share) for metric, share in shares.items()]
    for operation, value in times.items():
        found += [row(codec, operation, "bytes", value * 2), row(codec, operation, "peak", value * 3)]
        found += [row(codec, operation, "time", value * slow, i) for i, slow in enumerate(MACHINE)]
        if codec == "orjson":
            arm = zip(MACHINE, NOISE, strict=True)
            found += [row("orjson (A/A)", operation, "time", value * a * b, i) for i, (a, b) in enumerate(arm)]
    return found


def scenario(**changes: Any) -> Scenario:
    """Make a scenario of one kind of message over a wire of one byte per nanosecond."""
    values: dict[str, Any] = {
        "name": "made-up",
        "question": "Which?",
        "messages": {"ChatRequest": {"operations": {"encode": 1, "decode": 1}}},
        "wire": {"bandwidth_bit_per_s": 8e9},
    }
    return from_dict({**values, **changes})
