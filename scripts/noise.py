"""Measure one ratio again and again on a busy machine, by serlab and by two usual tools: who finds the same twice?

The neighbours are processes that do nothing but count: one for each core, unless `--neighbours` says otherwise. Each
repetition asks every tool once, so that what else the machine does meets all of them: msgpack / orjson, decode,
`chat-response`, the same objects and calls for each.

- serlab: `serlab.compare`, with its bootstrap interval over processes.
- timeit: `python -m timeit`, the best of its repeats, one codec after the other; it gives no interval.
- pyperf: `python -m pyperf timeit`, the ratio of means, with the interval that follows from the standard error of the
  values, which is what the t-test of `pyperf compare_to` takes them for.

`python scripts/noise.py --repeat 10` prints a Markdown table; `--csv FILE` also keeps every repetition, which is what
the notebook on noise draws, see `serlab.report.figures.points`. `--minutes M` begins no repetition that would not end
in that time, but makes two at least.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from statistics import fmean, median, stdev
from time import perf_counter
from typing import NamedTuple

import pyperf

import serlab
from serlab.folders import write_atomically
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
LEAST_REPEATS = 2
"""Fewer have no spread."""

NORMAL_95 = 1.96
"""Standard errors on each side that hold 95 % of a normal distribution."""


COUNTING = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""
"""A neighbour's program: it counts for as long as its parent lives, however that ends."""


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep as many processes busy."""
    started = [subprocess.Popen([sys.executable, "-c", COUNTING]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


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


class Answer(NamedTuple):
    """What a tool said once, and how long it took; the load average when it had."""

    estimate: Estimate
    seconds: float
    load_average: float


Answers = dict[str, list[Answer]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Repeat one ratio on a busy machine, by serlab, timeit and pyperf.")
    parser.add_argument("--repeat", type=int, default=10, help="repetitions of each tool, at least 2")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin no repetition that would not end then"
    )
    parser.add_argument("--effort", default="default", choices=("quick", "default", "rigorous"), help="serlab's")
    parser.add_argument("--pyperf-processes", type=int, default=6, help="pyperf's own default is 20")
    parser.add_argument("--csv", type=Path, help="a file for every repetition")
    parser.add_argument("--neighbours", type=int, default=os.cpu_count() or 1, help="busy processes; one for each core")
    given = parser.parse_args()
    tools: dict[str, Callable[[], Estimate]] = {
        f"serlab, effort {given.effort}": lambda: by_serlab(given.effort),
        "timeit, best of 5": by_timeit,
        f"pyperf, {given.pyperf_processes} processes": lambda: by_pyperf(given.pyperf_processes),
    }
    with neighbours(given.neighbours):
        found = measure_all(given.repeat, 60 * given.minutes, tools)
    if given.csv:
        write_csv(given.csv, found, given.neighbours)
    loads = [answer.load_average for answers in found.values() for answer in answers]
    print(
        f"msgpack / orjson, decode, {WORKLOAD}; {os.cpu_count()} cores, busy processes beside: {given.neighbours}, "
        f"load average {min(loads):.1f}–{max(loads):.1f}"
    )
    print(
        "\n| tool | repetitions | median | range | coefficient of variation | intervals that cover the median | takes |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, answers in found.items():
        print(line(name, [one.estimate for one in answers], [one.seconds for one in answers]))


def write_csv(path: Path, found: Answers, busy_processes: int) -> None:
    """Write one line for each repetition of each tool, in the order in which they were asked; whole or not at all."""
    with StringIO(newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        heads = ("repetition", "tool", "ratio", "low", "high", "seconds", "load_average", "busy_processes")
        writer.writerow(heads)
        for number, answers in enumerate(zip(*found.values(), strict=True), 1):
            for name, (one, seconds, load) in zip(found, answers, strict=True):
                ends = ("", "") if one.low != one.low else (f"{one.low:.5f}", f"{one.high:.5f}")
                line = (f"{one.value:.5f}", *ends, f"{seconds:.2f}", f"{load:.2f}", busy_processes)
                writer.writerow((number, name, *line))
        write_atomically(path, text.getvalue().encode())


def measure_all(
    repeat: int, limit_s: float, tools: dict[str, Callable[[], Estimate]], clock: Callable[[], float] = perf_counter
) -> Answers:
    """Ask every tool in turn, again and again; progress goes to standard error."""
    found: Answers = {name: [] for name in tools}
    start = clock()
    for number in range(1, repeat + 1):
        begun = clock()
        for name, ask in tools.items():
            before = clock()
            estimate = ask()
            found[name].append(Answer(estimate, clock() - before, os.getloadavg()[0]))
            value, low, high, _ = estimate
            print(f"{number}/{repeat} {name}: {value:.3f} [{low:.3f}, {high:.3f}]", file=sys.stderr, flush=True)
        now = clock()
        if number >= LEAST_REPEATS and now - start + (now - begun) > limit_s:
            break
    return found


if __name__ == "__main__":
    main()
