"""Rows of experiments on the wire whose figures are known, for the tables and figures made of them."""

from collections.abc import Mapping

import pandas as pd

from serlab.rows import Row, frame
from tests.support.rows import named_row

PROCESSES = 6
NOISE = (1.0, 1.01, 0.99, 1.005, 0.995, 1.0)
"""What the A/A arm takes, as a share of the baseline, by process."""
MACHINE = (1.0, 1.5, 0.8, 1.2, 1.1, 0.9)
"""How slow the machine is in each process, which meets all arms alike."""
FORMS = {
    "orjson http/sse/full/every=1": (237.0, 20e3),
    "json http/sse/full/every=1": (237.0, 30e3),
    "orjson http/sse/slim/every=1": (52.0, 20e3),
    "orjson http/sse/full/every=8": (35.0, 8e3),
    "orjson http/ndjson/full/every=1": (230.0, 19e3),
    "msgpack http/frames/full/every=1": (194.0, 24e3),
    "protobuf http/frames/full/every=1": (109.0, 25e3),
    "protobuf http/frames/slim/every=1": (27.0, 25e3),
    "protobuf grpc/messages/full/every=1": (92.0, 100e3),
    "floor: bytes http/sse/full/every=1": (0.0, 15e3),
    "floor: bytes http/frames/full/every=1": (0.0, 24e3),
}
"""Arm → bytes and nanoseconds a token."""
CACHE = {
    "key key": 5e3,
    "orjson memory/get": 4e3, "orjson memory/hit": 8e3, "orjson memory/put": 10e3, "orjson call": 1e6,
    "protobuf memory/get": 4e3, "protobuf memory/hit": 18e3, "protobuf memory/put": 20e3, "protobuf call": 1e6,
    "orjson redis/get": 2e6, "orjson redis/hit": 2.1e6, "orjson redis/put": 2e6,
}  # fmt: skip
"""Arm → nanoseconds; a Redis that is slower than the call."""
HITS = {"1%": (0.08, 0.1), "10%": (0.4, 0.45), "100%": (0.95, 0.95)}
"""Capacity → hit rate of orjson and of protobuf."""
POOLS = {
    "fresh buffer": 1000.0, "kept buffer": 800.0, "pooled buffer": 1500.0,
    "fresh message-decode": 700.0, "kept message-decode": 700.0,
}  # fmt: skip
SHARES = {
    "list share/threads=1": 700.0, "list share/threads=4": 600.0, "lock share/threads=4": 900.0,
    "itertools count/threads=4": 100.0, "lock count/threads=4": 300.0,
}  # fmt: skip


def rows_of(
    experiment: str, figures: Mapping[str, float], metric: str = "latency", workload: str = "chat-turn"
) -> list[Row]:
    """Make the rows of arms "CODEC CONDITIONS", the slowness of the machine in those of time."""
    found = []
    for name, value in figures.items():
        codec, _, conditions = name.rpartition(" ")
        place = ("r", codec, "1", workload, "ChatRequest", f"wire/{experiment}/{conditions}", metric, "u")
        drift = MACHINE if metric == "latency" else (1.0,) * PROCESSES
        found += [named_row(*place, i, value * drift[i]) for i in range(PROCESSES)]
    return found


def twice(experiment: str, name: str, value: float, metric: str = "latency", workload: str = "chat-turn") -> list[Row]:
    """Make the rows of an A/A arm."""
    codec, _, conditions = name.rpartition(" ")
    rows = rows_of(experiment, {f"{codec} (A/A) {conditions}": value}, metric, workload)
    return [row._replace(value=row.value * NOISE[row.process]) for row in rows]


def stream_rows() -> list[Row]:
    """Make the rows of `stream`; the client uses half of a core."""
    baseline = next(iter(FORMS))
    times = {name: time for name, (_, time) in FORMS.items()}
    sizes = {name: size for name, (size, _) in FORMS.items() if size}
    cores = dict.fromkeys(FORMS, 0.5)
    rows = rows_of("stream", times) + rows_of("stream", sizes, "token-bytes") + rows_of("stream", cores, "client-cpu")
    return rows + twice("stream", baseline, times[baseline])


def cache_rows() -> list[Row]:
    """Make the rows of `cache`."""
    rows = rows_of("cache", CACHE, workload="chat-response")
    again = [name for name in CACHE if name.startswith("orjson") and "redis" not in name]
    for name in again:
        rows += twice("cache", name, CACHE[name], workload="chat-response")
    for capacity, (own, other) in HITS.items():
        where = f"hits/capacity={capacity}"
        rates = {f"orjson {where}": own, f"orjson (A/A) {where}": own, f"json {where}": own, f"protobuf {where}": other}
        rows += rows_of("cache", rates, "hit-rate", "chat-response")
    return rows


def pooling_rows() -> list[Row]:
    """Make the rows of `pooling`: a reused message grows, and gives it back."""
    rows = rows_of("pooling", POOLS) + rows_of("pooling", SHARES)
    for name in ("fresh buffer", "fresh message-decode"):
        rows += twice("pooling", name, POOLS[name])
    for name in ("list share/threads=4", "itertools count/threads=4"):
        rows += twice("pooling", name, SHARES[name])
    grown = {"fresh message-decode": 0.0, "kept message-decode": 4860.0, "released message-decode": 40.0}
    return rows + rows_of("pooling", grown, "growth-per-use")


def run() -> pd.DataFrame:
    """Make a run of all three."""
    return frame([*stream_rows(), *cache_rows(), *pooling_rows()])
