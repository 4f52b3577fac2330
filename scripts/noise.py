"""Measure one ratio again and again on a busy machine, by serlab and by two usual tools: who finds the same twice?

Another process keeps one core busy. Each repetition asks every tool once, so that what else the machine does meets all
of them: msgpack / orjson, decode, `chat-response`, the same objects and calls for each.

- serlab: `serlab.compare`, with its bootstrap interval over processes.
- timeit: `python -m timeit`, the best of its repeats, one codec after the other; it gives no interval.
- pyperf: `python -m pyperf timeit`, the ratio of means, with the interval that follows from the standard error of the
  values, which is what the t-test of `pyperf compare_to` takes them for.

`python scripts/noise.py --repeat 10` prints a Markdown table; `--csv FILE` also keeps every repetition, which is what
the notebook on noise draws, see `serlab.report.figures.repeats`.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median, stdev
from time import perf_counter

import pyperf

import serlab
from serlab.stats import Estimate, paired_ratio

CODECS = ("msgpack", "orjson")
WORKLOAD = "chat-response"
SETUP = """
from serlab import workloads
from serlab.codecs import open_codec
codec = open_codec({codec!r}, workloads.kind({workload!r}))
decode, data = codec.decode, [codec.encode(message) for message in workloads.build({workload!r})]
"""
STATEMENT = "for one in data: decode(one)"
NORMAL_95 = 1.96
"""Standard errors on each side that hold 95 % of a normal distribution."""


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core busy by a process that counts."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def by_serlab(effort: str) -> Estimate:
    """Ask serlab."""
    table = serlab.compare(
        ["orjson", "msgpack"], WORKLOAD, operations=["decode"], parts=["time"], effort=effort, progress=False
    )
    times = table[(table["metric"] == "time") & (table["operation"] == "decode")]
    values, baseline = (
        dict(zip(arm["process"].astype(int), arm["value"].astype(float), strict=True))
        for arm in (times[times["codec"] == name] for name in CODECS)
    )
    return paired_ratio(values, baseline)


def by_timeit() -> Estimate:
    """Ask timeit, one codec after the other."""
    best = []
    for codec in CODECS:
        said = run("timeit", "-u", "nsec", "-s", SETUP.format(codec=codec, workload=WORKLOAD), STATEMENT)
        # 50 loops, best of 5: 1.23e+05 nsec per loop
        best.append(float(said.split("best of ")[1].split(": ")[1].split()[0]))
    return Estimate(best[0] / best[1], float("nan"), float("nan"), 1)


def by_pyperf(processes: int) -> Estimate:
    """Ask pyperf, one codec after the other."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for codec in CODECS:
            file = str(Path(folder, f"{codec}.json"))
            setup = SETUP.format(codec=codec, workload=WORKLOAD)
            options = ["-q", "-p", str(processes), "--inherit-environ", "PYTHONPATH", "-o", file]
            run("pyperf", "timeit", *options, "-s", setup, STATEMENT)
            found.append(pyperf.Benchmark.load(file).get_values())
    ratio = fmean(found[0]) / fmean(found[1])
    error = ratio * sum((stdev(one) / fmean(one)) ** 2 / len(one) for one in found) ** 0.5
    return Estimate(ratio, ratio - NORMAL_95 * error, ratio + NORMAL_95 * error, processes)


def run(*arguments: str) -> str:
    """Run a module of this Python and give what it printed."""
    return subprocess.run([sys.executable, "-m", *arguments], check=True, capture_output=True, text=True).stdout


def line(name: str, found: list[Estimate], seconds: list[float]) -> str:
    """Make one line of the table."""
    ratios = [one.value for one in found]
    middle = median(ratios)
    covers = sum(one.low <= middle <= one.high for one in found)
    shown = "no interval" if found[0].low != found[0].low else f"{covers} of {len(found)}"
    spread = f"{min(ratios):.3f}–{max(ratios):.3f} | {stdev(ratios) / fmean(ratios):.1%}"
    return f"| {name} | {len(found)} | {middle:.3f} | {spread} | {shown} | {median(seconds):.0f} s |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Repeat one ratio on a busy machine, by serlab, timeit and pyperf.")
    parser.add_argument("--repeat", type=int, default=10, help="repetitions of each tool, at least 2")
    parser.add_argument("--effort", default="default", choices=("quick", "default", "rigorous"), help="serlab's")
    parser.add_argument("--pyperf-processes", type=int, default=6, help="pyperf's own default is 20")
    parser.add_argument("--csv", type=Path, help="a file for every repetition")
    parser.add_argument("--no-neighbour", action="store_true", help="keep no core busy")
    given = parser.parse_args()
    tools: dict[str, Callable[[], Estimate]] = {
        f"serlab, effort {given.effort}": lambda: by_serlab(given.effort),
        "timeit, best of 5": by_timeit,
        f"pyperf, {given.pyperf_processes} processes": lambda: by_pyperf(given.pyperf_processes),
    }
    found: dict[str, list[Estimate]] = {name: [] for name in tools}
    seconds: dict[str, list[float]] = {name: [] for name in tools}
    loads: list[float] = []
    if given.no_neighbour:
        measure_all(given.repeat, tools, found, seconds, loads)
    else:
        with busy_core():
            measure_all(given.repeat, tools, found, seconds, loads)
    if given.csv:
        write_csv(given.csv, found, seconds, loads)
    print(
        f"msgpack / orjson, decode, {WORKLOAD}; {os.cpu_count()} cores, load average {min(loads):.1f}–{max(loads):.1f}"
    )
    print(
        "\n| tool | repetitions | median | range | coefficient of variation | intervals that cover the median | takes |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in tools:
        print(line(name, found[name], seconds[name]))


def write_csv(
    path: Path, found: dict[str, list[Estimate]], seconds: dict[str, list[float]], loads: list[float]
) -> None:
    """Write one line for each repetition of each tool, in the order in which they were asked."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("repetition", "tool", "ratio", "low", "high", "seconds", "load_average"))
        for number, tools in enumerate(zip(*found.values(), strict=True)):
            for place, (name, one) in enumerate(zip(found, tools, strict=True)):
                ends = ("", "") if one.low != one.low else (f"{one.low:.5f}", f"{one.high:.5f}")
                load = loads[number * len(found) + place]
                line = (f"{one.value:.5f}", *ends, f"{seconds[name][number]:.2f}", f"{load:.2f}")
                writer.writerow((number + 1, name, *line))


def measure_all(
    repeat: int,
    tools: dict[str, Callable[[], Estimate]],
    found: dict[str, list[Estimate]],
    seconds: dict[str, list[float]],
    loads: list[float],
) -> None:
    """Ask every tool in turn, again and again; progress goes to standard error."""
    for number in range(repeat):
        for name, ask in tools.items():
            start = perf_counter()
            found[name].append(ask())
            seconds[name].append(perf_counter() - start)
            loads.append(os.getloadavg()[0])
            value, low, high, _ = found[name][-1]
            print(f"{number + 1}/{repeat} {name}: {value:.3f} [{low:.3f}, {high:.3f}]", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
