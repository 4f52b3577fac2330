"""Rows of a run with all that makes an answer hard: ties, variants, a failed codec, one that lacks a process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from serlab.rows import Row, frame, write_table
from tests.support.folders import ENVIRONMENT
from tests.support.rows import named_row

PROCESSES = 7
WORKLOADS = {
    "chat-turn": "ChatRequest", "agent-request": "ChatRequest", "rag-request": "ChatRequest",
    "chat-response": "ChatResponse", "tool-call-response": "ChatResponse", "stream": "ChatChunk",
    "embeddings": "EmbeddingResponse", "token-ids": "GenerateRequest", "a.corpus.jsonl": "ChatRequest",
}  # fmt: skip
SPEED = {
    "orjson": 1.0, "json": 2.5, "msgpack": 1.003, "msgspec-json": 0.999, "msgspec-msgpack": 0.55, "protobuf": 1.6,
    "flatbuffers": 0.537, "flatbuffers-official": 60.0, "orjson-base64": 0.4, "msgpack-bin": 0.2, "elsewhere": 0.5,
    "broken": 0.3, "partly": 0.9,
}  # fmt: skip
"""Codec → time against orjson's. `broken` changes messages, `partly` lacks one process."""
SIZES = {"msgpack": 0.8, "msgspec-msgpack": 0.8, "protobuf": 0.5, "flatbuffers": 0.8, "msgpack-bin": 0.3}
FUSSY = ("msgspec-msgpack", "chat-turn")
"""A codec that refuses one body of 200 there."""
OPERATIONS: tuple[str, ...] = ("encode", "decode", "read-one", "relay", "gzip", "gunzip", "zstd", "unzstd")
OPERATIONS += ("read-0%", "read-10%", "read-100%")
VECTORS = ("orjson-base64", "msgpack-bin")
"""Measured on embeddings alone."""


def factors(name: str) -> np.ndarray:
    """Return a factor near 1 for each process."""
    return np.exp(0.012 * np.random.default_rng(list(name.encode())).standard_normal(PROCESSES))


def rows_of(workload: str, kind: str, length: float, run: str) -> Iterator[Row]:
    """Make the rows of one workload."""
    machine = np.random.default_rng(len(workload)).uniform(1, 2, PROCESSES)
    codecs = [codec for codec in SPEED if codec not in VECTORS or kind == "EmbeddingResponse"]
    for codec in [*codecs, "orjson (A/A)"]:
        place = (run, codec, "1.0", workload, kind)
        name = codec.removesuffix(" (A/A)")
        if name == codec:
            for outcome, count in outcomes_of(codec, workload).items():
                yield named_row(*place, "parity", outcome, "u", 0, count)
            for metric, share in {"raw": 1.0, "gzip": 0.4, "zstd": 0.35}.items():
                yield named_row(*place, "size", metric, "B", 0, length * share * SIZES.get(codec, 1.0))
        for operation in OPERATIONS:
            base = 0.7 * length * SPEED[name] * (1 + OPERATIONS.index(operation) / 7)
            values = base * machine * factors(workload + operation + codec)
            kept = range(PROCESSES - (codec == "partly"))
            yield from (named_row(*place, operation, "time", "ns", i, float(values[i])) for i in kept)
            if name == codec:
                yield named_row(*place, operation, "bytes", "B", 0, base * 3)
                yield named_row(*place, operation, "peak", "B", 0, base * 2)
                yield named_row(*place, operation, "allocations", "u", 0, 10 * SPEED[codec])


def outcomes_of(codec: str, workload: str) -> dict[str, float]:
    """Say how the bodies fared."""
    if workload != FUSSY[1]:
        return {"changed" if codec == "broken" else "equal": 3.0}
    refused = float(codec == FUSSY[0])
    common = {} if codec == "broken" else {"common": 199.0}
    return {"equal": 200.0 - refused, "refused": refused, "changed": float(codec == "broken"), **common}


def write(directory: Path, workloads: dict[str, str] | None = None, **changed: Any) -> Path:
    """Write a results folder."""
    directory.mkdir(parents=True, exist_ok=True)
    kinds = WORKLOADS if workloads is None else workloads
    lengths = {name: 900.0 * (i + 1) for i, name in enumerate(kinds)}
    rows = [row for name, kind in kinds.items() for row in rows_of(name, kind, lengths[name], "r")]
    (directory / "environment.json").write_text(json.dumps({**ENVIRONMENT, "processes": PROCESSES, **changed}))
    write_table(directory, frame(rows))
    return directory
