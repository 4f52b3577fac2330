"""Typed, checked decode against `orjson.loads` on recorded bodies: `python scripts/decode_ratio.py FILE.jsonl …`.

All arms take turns in random order in one process; a figure is the median over 30 passes of the ratio
within a pass. `again` is `orjson.loads` under a second name: what it differs from 1 is noise.
"""

import gc
import random
import sys
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import Any

import orjson

from serlab import open_codec
from serlab.corpus import read_all

CODECS = ("orjson", "msgspec-json")
BASE, AGAIN = "orjson.loads", "again"
PASSES = 30


def main(files: list[str]) -> None:
    """Print a ratio for each kind of chat body and for all together."""
    bodies: dict[str, list[bytes]] = defaultdict(list)
    for body in read_all(files):
        if body.kind.startswith("Chat"):
            bodies[body.kind].append(orjson.dumps(body.document))
    gc.collect()
    gc.freeze()
    gc.disable()
    totals: dict[str, list[int]] = defaultdict(lambda: [0] * PASSES)
    for kind, encoded in bodies.items():
        arms = {BASE: orjson.loads, AGAIN: orjson.loads, **{name: open_codec(name, kind).decode for name in CODECS}}
        times = measure(arms, encoded)
        show(f"{kind}, {len(encoded)} bodies", times)
        for name, values in times.items():
            totals[name] = [one + other for one, other in zip(totals[name], values, strict=True)]
    show("all", totals)


def measure(arms: dict[str, Callable[[bytes], Any]], encoded: list[bytes]) -> dict[str, list[int]]:
    """Return each arm's nanoseconds for all bodies, pass by pass."""
    found: dict[str, list[int]] = {name: [] for name in arms}
    names = list(arms)
    for _ in range(PASSES):
        random.shuffle(names)
        for name in names:
            start = perf_counter_ns()
            for data in encoded:
                arms[name](data)
            found[name].append(perf_counter_ns() - start)
    return found


def show(title: str, times: dict[str, list[int]]) -> None:
    """Print the median ratios to `orjson.loads`."""
    ratios = {
        name: median(one / base for one, base in zip(times[name], times[BASE], strict=True))
        for name in (*CODECS, AGAIN)
    }
    print(f"{title}: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
