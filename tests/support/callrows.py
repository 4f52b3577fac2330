"""Rows of experiments on the wire whose figures are known."""

import numpy as np
import pandas as pd

from serlab.rows import Row, frame
from tests.support.rows import named_row

PROCESSES = 6
MS = 1e6


def noise(name: str) -> np.ndarray:
    """Return a factor near 1 for each worker."""
    return 1 + 0.004 * np.random.default_rng(list(name.encode())).standard_normal(PROCESSES)


def arm(codec: str, operation: str, value: float, metric: str = "latency", unit: str = "ns", **place: str) -> list[Row]:
    """Make one arm of an experiment, with a little noise."""
    workload, message = place.get("workload", "chat-turn"), "ChatRequest"
    factors = noise(workload + operation + codec + metric)
    where = ("r", codec, "1", workload, message, f"wire/{operation}", metric, unit)
    return [named_row(*where, i, value * factor) for i, factor in enumerate(factors)]


def calls(workload: str = "chat-turn", alone_ms: float = 1.0, **coding_ms: float) -> list[Row]:
    """Make calls over HTTP/1.1, orjson's twice: what each codec takes beyond its bytes alone, in milliseconds."""
    rows = []
    for codec, ms in {**coding_ms, "orjson (A/A)": coding_ms["orjson"]}.items():
        rows += arm(codec, "transport/http/inflight=1", (alone_ms + ms) * MS, workload=workload)
        if not codec.endswith("(A/A)"):
            rows += arm(f"floor: bytes of {codec}", "transport/http/inflight=1", alone_ms * MS, workload=workload)
    return rows


def connections(distances: tuple[int, ...] = (0, 10)) -> list[Row]:
    """Make connections over TLS 1.3 that take a millisecond, a new one two, and the round trips of the standard."""
    rows = []
    for ms in distances:
        under = f"connection/tls1.3/rtt={ms}ms"
        for name, near, trips in (("kept", 1, 1), ("kept (A/A)", 1, 1), ("new", 2, 3), ("resumed", 2, 3)):
            rows += arm(name, under, (near + trips * ms) * MS)
            if ms:
                rows += arm(name, under, float(trips), "round-trips", "1")
                rows += [] if "A/A" in name else arm(f"formula: {name}", under, float(trips), "round-trips", "1")
    return rows


def stalls(thread: float = 0.2, floor_ms: float = 1.0) -> list[Row]:
    """Make stalls of 10 ms inline with orjson, of 30 with json, and by a thread a share of them."""
    rows = []
    for way, share in (("inline", 1.0), ("thread", thread)):
        for name, ms in (("orjson", 10), ("orjson (A/A)", 10), ("json", 30)):
            rows += arm(name, f"loop-stall/{way}", ms * share * MS, "stall-p99")
            rows += arm(name, f"loop-stall/{way}", 10.0 if name == "json" else 20.0, "body-rate", "1/s")
        for name, ms in (("floor: bytes", floor_ms), ("floor: idle", 0.1)):
            rows += arm(name, f"loop-stall/{way}", ms * MS, "stall-p99") + arm(
                name, f"loop-stall/{way}", 20.0, "body-rate", "1/s"
            )
    return rows


def table(*parts: list[Row]) -> pd.DataFrame:
    """Make the table of a run."""
    return frame(row for part in parts for row in part)
