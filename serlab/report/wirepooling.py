"""What reuse gains and sharing costs, from the experiment `pooling` on the wire, as tables that are easy to read."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from serlab.report.units import three_digits
from serlab.report.wire import PREFIX
from serlab.report.wirearms import Arms, Versus, wire_arms
from serlab.report.wirestreams import TIME_WORDS
from serlab.stats import Estimate

EXPERIMENT, FRESH = "pooling", "fresh"
VARIANTS = ("kept", "pooled", "copied")
SHARE, COUNT = "share", "count"
FREE, COUNTER = "list", "itertools"
GROWING, GROWTH = "message-decode", "growth-per-use"
LEAST_GROWTH = 1.0
"""Bytes a use that are called growth: resident memory comes in pages and is never exactly still."""
LEAK_SHARE = 0.1
"""What must stay of an object's growth when it is gone, to be called a leak: an allocator keeps some pages."""
GROWS, NOT_DELETED, LEAKS, STILL = "arena", "not deleted", "leak", "still"
"""What growth is: it comes back with the object; nobody looked; it stays; there is none."""


def workloads_of(rows: pd.DataFrame) -> list[str]:
    """List the workload of the smallest and that of the largest messages; one where there is one."""
    own = rows[rows["operation"].str.startswith(f"{PREFIX}{EXPERIMENT}/")]["workload"].unique()
    sizes = rows[(rows["operation"] == "size") & (rows["metric"] == "raw") & rows["workload"].isin(own)]
    ordered = list(sizes.groupby("workload")["value"].median().sort_values().index) or sorted(own)
    return list(dict.fromkeys((str(ordered[0]), str(ordered[-1]))))


def pairs_of(arms: Arms) -> list[str]:
    """List what was measured fresh."""
    names = [name.rpartition(" ") for name in arms.figures.get("latency", {})]
    return [pair for who, _, pair in names if who == FRESH]


def pooled(rows: pd.DataFrame) -> Iterator[tuple[str, str, str, Versus]]:
    """Give workload, pair, variant, and how it stands to a fresh object."""
    for workload in workloads_of(rows):
        arms = wire_arms(rows, EXPERIMENT, workload)
        for pair in pairs_of(arms):
            for variant in VARIANTS:
                found = arms.versus(f"{variant} {pair}", f"{FRESH} {pair}")
                if found.ratio.n:
                    yield workload, pair, variant, found


def pooling_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate reuse for the smallest and the largest messages.

    Args:
        rows: the tidy table of a run with the experiment `pooling`.

    Returns:
        One row for each pair, one column for each variant and workload: the ratio to a fresh object; `=` is a tie.

    Raises:
        NotMeasuredError: the run lacks the experiment.
    """
    cells: dict[str, dict[str, str]] = {}
    for workload, pair, variant, found in pooled(rows):
        mark = " =" if found.verdict == "tie" else ""
        cells.setdefault(pair, {})[f"{workload}: {variant}"] = f"{three_digits(found.ratio.value)}×{mark}"
    columns = [f"{workload}: {variant}" for workload in workloads_of(rows) for variant in VARIANTS]
    table = pd.DataFrame(cells).T.fillna("–").sort_index()
    return table[[name for name in columns if name in table.columns]]


def growth_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate by how much a process grows with each protobuf message that is parsed.

    Returns:
        One row for the smallest and one for the largest messages, with the workload as the index: bytes a use with a
        new message each time (`fresh`), with one for all (`kept`), and what stays of that when the one is deleted
        (`released`, not a number in a run that did not measure it); and `growth`: "still" where the one is not surely
        more than the other, "arena" where it is and what it took comes back, "leak" where it stays, "not deleted"
        where that was not measured. Empty where nothing was.
    """
    records = {}
    for workload in workloads_of(rows):
        arms = wire_arms(rows, EXPERIMENT, workload)
        fresh, kept, released = (arms.estimate(f"{name} {GROWING}", GROWTH) for name in (FRESH, "kept", "released"))
        if kept.n:
            record = {"fresh_bytes": fresh.value, "kept_bytes": kept.value, "released_bytes": released.value}
            records[workload] = record | {"growth": growth_is(fresh, kept, released)}
    return pd.DataFrame(records).T.infer_objects()


def growth_is(fresh: Estimate, kept: Estimate, released: Estimate) -> str:
    """Say what the growth of a kept object is, in one of the words above."""
    if kept.low <= max(fresh.high, LEAST_GROWTH):
        return STILL
    if not released.n:
        return NOT_DELETED
    return LEAKS if released.high > LEAK_SHARE * kept.value else GROWS


def sharing_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what sharing costs, under the conditions with the most threads and tasks.

    Returns:
        One row for each way, with name and condition as the index: time, and its ratio to a list without a lock, or to
        a number from `itertools.count`, with interval and verdict.

    Raises:
        NotMeasuredError: the run lacks it.
    """
    arms = [wire_arms(rows, f"{EXPERIMENT}/{part}") for part in (SHARE, COUNT)]
    return pd.DataFrame(dict(record for one in arms for record in records_of(one))).T.infer_objects()


def records_of(arms: Arms) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the rows of one part of the experiment."""
    for label, way, base in ways_of(arms):
        found = arms.versus(way, base)
        value, low, high, _ = found.ratio
        record = {"time_ns": arms.value(way), "ratio": value, "ratio_low": low}
        said = "baseline" if way == base else TIME_WORDS.get(found.verdict, found.verdict)
        yield label, record | {"ratio_high": high, "verdict": said}


def ways_of(arms: Arms) -> Iterator[tuple[str, str, str]]:
    """Give each way to share with its name for people, its arm, and the arm of the plain way."""
    what = "count by " if arms.experiment.endswith(COUNT) else ""
    for conditions in crowded(arms):
        base = next(name for name in (FREE, COUNTER) if name in arms.codecs(conditions))
        for way in arms.codecs(conditions):
            yield f"{what}{way}, {conditions.replace('=', ' ')}", f"{way} {conditions}", f"{base} {conditions}"


def crowded(arms: Arms) -> list[str]:
    """List the conditions with the most threads and the most tasks."""
    numbers: dict[str, int] = {}
    for name in arms.figures.get("latency", {}):
        what, _, number = name.rpartition(" ")[2].partition("=")
        numbers[what] = max(numbers.get(what, 0), int(number))
    return [f"{what}={number}" for what, number in numbers.items()]
