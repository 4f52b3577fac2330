"""Print how much faster `flatbuffers` is than Google's Builder and accessors, and than orjson.

Every ratio is the median over rounds in which the two are timed one after the other, in random order, so that what
else the machine does falls on both; what counts is processor time, not waiting.

`python scripts/flatbuffers_ratios.py [ROUNDS]`
"""

import gc
import random
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from serlab import workloads
from serlab.codecs import Codec, open_codec
from serlab.messages import from_document

Call = Callable[[], Any]
BATCH_NS = 2_000_000


def batch(call: Call, count: int) -> float:
    """Time calls in nanoseconds each."""
    start = time.process_time_ns()
    for _ in range(count):
        call()
    return (time.process_time_ns() - start) / count


def ratio(slow: Call, fast: Call, rounds: int) -> tuple[float, float, float]:
    """Compare two calls: the median of slow / fast, and both medians in µs."""
    for call in (slow, fast):
        batch(call, 40)  # until what is compiled at the 16th use is
    arms = [(call, max(1, int(BATCH_NS / batch(call, 5)))) for call in (slow, fast)]
    found = []
    for _ in range(rounds):
        times = {}
        for i in random.sample((0, 1), 2):
            times[i] = batch(*arms[i])
        found.append((times[0] / times[1], times[0] / 1000, times[1] / 1000))
    return tuple(median(column) for column in zip(*found, strict=True))  # type: ignore[return-value]


def show(name: str, slow: Call, fast: Call, rounds: int) -> None:
    """Print one comparison."""
    factor, before, after = ratio(slow, fast, rounds)
    print(f"{name:64} {factor:8.2f} ×  {before:10.2f} µs → {after:8.2f} µs", flush=True)


def coded(workload: str) -> tuple[Any, dict[str, tuple[Codec, bytes]]]:
    """Return a workload's first message, and each codec with its bytes."""
    kind, message = workloads.kind(workload), workloads.build(workload)[0]
    names = ("flatbuffers", "flatbuffers-unverified", "flatbuffers-official", "orjson")
    codecs = [open_codec(name, kind) for name in names]
    return message, {codec.name: (codec, codec.encode(message)) for codec in codecs}


def whole(workload: str, rounds: int) -> None:
    """Compare encode and decode with the official library."""
    message, found = coded(workload)
    (new, data), (old, old_data) = found["flatbuffers"], found["flatbuffers-official"]
    trusting = found["flatbuffers-unverified"][0]
    show(f"encode {workload}, official / new", lambda: old.encode(message), lambda: new.encode(message), rounds)
    show(f"decode {workload}, official / new", lambda: old.decode(old_data), lambda: new.decode(data), rounds)
    show(f"decode {workload}, verified / unverified", lambda: new.decode(data), lambda: trusting.decode(data), rounds)


def one_field(workload: str, rounds: int) -> None:
    """Compare reading one field from bytes with orjson's decode."""
    read = workloads.read_one(workloads.kind(workload))
    assert read is not None
    found = coded(workload)[1]
    (json, text), (codec, data), (trusting, _) = (
        found[name] for name in ("orjson", "flatbuffers", "flatbuffers-unverified")
    )
    view, name = codec.open(data), f"one field of {workload}, orjson /"
    show(f"{name} flatbuffers-unverified", lambda: json.decode(text), lambda: read(trusting.open(data)), rounds)
    show(f"{name} flatbuffers", lambda: json.decode(text), lambda: read(codec.open(data)), rounds)
    show(f"{name} verified once", lambda: json.decode(text), lambda: read(view), rounds)


def lengths(rounds: int) -> None:
    """Compare reading the last message of long and short requests."""
    codec = open_codec("flatbuffers-unverified", "ChatRequest")
    turns = [{"role": "user", "content": f"question {i}"} for i in range(2000)]
    short, long = (codec.encode(from_document("ChatRequest", {"model": "m", "messages": turns[:n]})) for n in (3, 2000))
    read = lambda data: codec.open(data).messages[-1].content  # noqa: E731
    show("one field unverified, 2,000 messages / 3", lambda: read(long), lambda: read(short), rounds)


def main() -> None:
    """Print all comparisons."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 31
    gc.collect()
    gc.freeze()
    for workload in ("chat-turn", "agent-request", "logprobs-response", "embeddings"):
        whole(workload, rounds)
    for workload in ("agent-request", "embeddings"):
        one_field(workload, rounds)
    lengths(rounds)


if __name__ == "__main__":
    main()
