"""What docs/service.md says of the cache and the pools: `python scripts/cache_and_pools.py WHAT`.

WHAT is cache, pools or sharing: times, in fresh processes; a ratio is the median over them, with its interval
(`serlab.stats`). Or hits: hit rates by capacity, which are the same in every process; or growth: bytes a use.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

from serlab.measure.settings import settle_gc
from serlab.results import Row
from serlab.service.cache import costs, zipf
from serlab.service.pools import growth, pairs, sharing
from serlab.stats import CONTROL, paired_ratio

PROCESSES = 10
WORKLOADS = ("chat-turn", "agent-request")


def cache(process: int) -> list[Row]:
    """Time the parts of a hit."""
    return costs.experiment(process=process)


def pools(process: int) -> list[Row]:
    """Time the pairs."""
    return [row for workload in WORKLOADS for row in pairs.experiment(workload, process=process)]


def share(process: int) -> list[Row]:
    """Time pools and counters that are shared."""
    return sharing.experiment(process=process)


EXPERIMENTS: dict[str, Callable[[int], list[Row]]] = {"cache": cache, "pools": pools, "sharing": share}
BASELINES: dict[str, Callable[[Row], tuple[str, str]]] = {
    "cache": lambda row: ("orjson", "cache/decode"),
    "pools": lambda row: (row.codec.removesuffix(CONTROL), row.operation.rpartition("/")[0] + "/fresh"),
    "sharing": lambda row: ("", "share/list/" + row.operation.rpartition("/")[2]),
}


def main() -> None:
    """Run one experiment, or, as a child, one process of it."""
    name, *child = sys.argv[1:]
    if child:
        settle_gc("frozen")
        print(json.dumps(EXPERIMENTS[name](int(child[0]))))
    elif name in EXPERIMENTS:
        compare(name)
    else:
        rows = zipf.experiment() if name == "hits" else [row for one in WORKLOADS for row in growth.experiment(one)]
        for row in rows:
            print(f"{row.workload} {row.codec} {row.operation:40}{row.value:12.3f} {row.unit}")


def compare(name: str) -> None:
    """Run one experiment in fresh processes and print its ratios."""
    figures: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    bases = {}
    for process in range(PROCESSES):
        command = [sys.executable, str(Path(__file__)), name, str(process)]
        for row in map(Row._make, json.loads(subprocess.check_output(command))):
            place = (row.workload, row.codec, row.operation)
            figures[place][process] = row.value
            bases[place] = (row.workload, *BASELINES[name](row))
    for place, values in figures.items():
        ratio = paired_ratio(values, figures[bases[place]])
        shown = f"{ratio.value:7.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
        print(f"{' '.join(place):64}{shown}{median(values.values()):12.0f} ns")


if __name__ == "__main__":
    main()
