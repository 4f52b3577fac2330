"""Rows of a run on the wire, whose figures are known."""

import pandas as pd

from serlab.rows import Row, frame
from tests.support.rows import named_row

SPREAD = (0.99, 1.0, 1.01, 1.0, 0.98, 1.02)
HTTP, GRPC = "wire/transport/http/inflight=1", "wire/transport/grpc/inflight=1"


def arm(codec: str, operation: str, value: float, metric: str = "latency", unit: str = "ns") -> list[Row]:
    """Make one row for each of six workers, who are all as fast as each other within 2 %."""
    return [
        named_row("r", codec, "1", "chat-turn", "ChatRequest", operation, metric, unit, i, value * share)
        for i, share in enumerate(SPREAD)
    ]


def noisy(codec: str, operation: str, value: float) -> list[Row]:
    """Make the second arm of a baseline that strays by 5 % from the first, either way."""
    rows = arm(codec, operation, value)
    return [row._replace(value=row.value * (1.05 if i % 2 else 0.95)) for i, row in enumerate(rows)]


def transport() -> list[Row]:
    """Make a transport experiment: protobuf is 3 % slower, which is noise, json takes twice as long."""
    rows = []
    for operation, bytes_ns in ((HTTP, 600_000.0), (GRPC, 700_000.0)):
        for codec, value in (("orjson", 8e5), ("protobuf", 8.24e5), ("json", 16e5)):
            rows += arm(codec, operation, value) + arm(f"floor: bytes of {codec}", operation, bytes_ns)
            rows += arm(codec, operation, 0.95 if codec == "json" else 0.5, "client-cpu", "share")
        rows += noisy("orjson (A/A)", operation, 8e5)
    return rows


def stream() -> list[Row]:
    """Make a stream experiment, whose second form has no baseline of its own."""
    full, slim = "wire/stream/http/sse/full/every=1", "wire/stream/http/sse/slim/every=1"
    rows = arm("orjson", full, 4e4) + noisy("orjson (A/A)", full, 4e4) + arm("orjson", slim, 2e4)
    return rows + arm("orjson", full, 250, "token-bytes", "bytes/token")


def cancel() -> list[Row]:
    """Make counts of nothing left, and one of something."""
    rows = []
    for name in ("client", "client (A/A)"):
        rows += arm(name, "wire/cancel/http", 0, "left-tasks", "1")
    return rows + arm("server", "wire/cancel/http", 3, "left-tasks", "1")


def connection() -> list[Row]:
    """Make a connection experiment with a formula beside it."""
    rows = []
    for rtt in (25, 5):
        operation = f"wire/connection/tcp/rtt={rtt}ms"
        rows += arm("kept", operation, rtt * 1e6) + noisy("kept (A/A)", operation, rtt * 1e6)
        rows += arm("new", operation, 2.1e6 * rtt) + arm("formula: new", operation, 2e6 * rtt)
    return rows


def run() -> pd.DataFrame:
    """Make a whole run."""
    return frame([*transport(), *stream(), *cancel(), *connection()])
