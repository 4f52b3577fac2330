"""What a cache costs and saves a request, from the experiment `cache` on the wire.

Without a cache, every request is a call. With one, every request has its key made and is looked up; a hit is decoded; a
miss is called, and its answer put. A look-up that misses is taken to cost what one that finds its bytes costs, which is
more than it does: there is nothing to check.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from serlab.cases import AA, ZSTD, Case
from serlab.report.formatting import three_digits
from serlab.report.wire_forms import TIME_WORDS
from serlab.report.wire_tables import Arms, Values, Versus, of_experiment, ratio, wire_arms
from serlab.stats import Estimate, median_of

PARTS = ("get", "hit", "put")
KEY, CALL = "key key", "call"


class Costs(NamedTuple):
    """Nanoseconds of the parts.

    Attributes:
        key: of a request.
        get: the bytes, checked.
        hit: a message: look-up and decode.
        put: encode and keep.
        call: what a hit saves.
    """

    key: float
    get: float
    hit: float
    put: float
    call: float

    def mean(self, hit_rate: float) -> float:
        """Return what a request costs on average, in nanoseconds.

        Args:
            hit_rate: the share of requests that hit, 0 to 1.
        """
        return self.key + hit_rate * self.hit + (1 - hit_rate) * (self.get + self.call + self.put)

    def break_even(self) -> float:
        """Return the hit rate from which the cache saves time; infinite where a hit costs as much as it saves.

        It is above 1 where no hit rate is enough.
        """
        gained = self.mean(0) - self.mean(1)
        return (self.mean(0) - self.call) / gained if gained > 0 else float("inf")


def _costs_of(arms: Arms, backend: str, codec: str, process: int, model_ns: float = 0.0) -> Costs:
    """Read the costs as one worker measured them.

    Args:
        arms: of the experiment.
        backend: memory, lmdb or redis.
        codec: of the answers.
        process: the worker's number.
        model_ns: what a model takes, beside a call to one that takes no time.
    """
    found = arms.figures["latency"]
    get, hit, put = (found[f"{codec} {backend}/{part}"][process] for part in PARTS)
    return Costs(found[KEY][process], get, hit, put, found[_call_of(arms, codec)][process] + model_ns)


def _call_of(arms: Arms, codec: str) -> str:
    """Name the call that a hit saves: how the answer is kept is no matter to it."""
    plain = {f"{name}{ZSTD}": name for name in arms.codecs(CALL)}
    return f"{plain.get(codec, codec)} {CALL}"


def backends_of(arms: Arms) -> list[str]:
    """List the backends that were measured, in the order of the rows."""
    found = (arm.conditions for arm in arms.of())
    return list(dict.fromkeys(one.backend for one in found if one.backend and one.part == "get"))


def _workers_of(arms: Arms, backend: str, codec: str) -> list[int]:
    """List the workers that measured all that a cache costs."""
    names = [KEY, _call_of(arms, codec), *(f"{codec} {backend}/{part}" for part in PARTS)]
    found = [set(arms.figures["latency"].get(name, {})) for name in names]
    return sorted(set.intersection(*found))


def break_even_table(arms: Arms, model_ns: float = 0.0) -> pd.DataFrame:
    """Return from which hit rate each backend and codec saves time.

    Args:
        arms: of the experiment.
        model_ns: what a model takes, beside a call to one that takes no time.

    Returns:
        One row for each backend and codec: the medians of the parts in ns, what a hit saves, and the hit rate with its
        interval over the workers; above 1 it never pays.
    """
    return pd.DataFrame(list(_records_of(arms, model_ns)))


def _records_of(arms: Arms, model_ns: float) -> Iterator[dict[str, Any]]:
    """Yield the rows."""
    for backend in backends_of(arms):
        for codec in arms.codecs(f"{backend}/get"):
            workers = _workers_of(arms, backend, codec)
            if not workers:
                continue
            costs = {worker: _costs_of(arms, backend, codec, worker, model_ns) for worker in workers}
            parts = {f"{part}_ns": median_of({i: getattr(each, part) for i, each in costs.items()}) for part in PARTS}
            saved = median_of({i: each.call - each.key - each.hit for i, each in costs.items()})
            even = median_of({i: each.break_even() for i, each in costs.items()})
            record = {"backend": backend, "codec": str(codec), **{name: one.value for name, one in parts.items()}}
            record |= {"saved_ns": saved.value, "break_even_share": even.value}
            yield record | {"break_even_share_low": even.low, "break_even_share_high": even.high}


def baseline_way(arms: Arms) -> str:
    """Name the codec that the others are compared with."""
    return str(next((arm.case.first for arm in arms.of("hit-rate") if arm.case.is_again), ""))


def hit_rates(arms: Arms) -> pd.DataFrame:
    """Tabulate the hit rates.

    Args:
        arms: of the experiment.

    Returns:
        One row for each capacity, as a share of the baseline's bytes for all answers; one column for each codec, the
        baseline first, with the median over the workers, each of which drew requests of its own.
    """
    found = arms.of("hit-rate")
    capacities = {arm.under: arm.conditions.capacity for arm in found if arm.conditions.part == "hits"}
    rates = {
        capacity: {str(codec): arms.value(f"{codec} {under}", "hit-rate") for codec in arms.codecs(under, "hit-rate")}
        for under, capacity in capacities.items()
    }
    table = pd.DataFrame(rates).T.rename_axis("capacity").sort_index()
    return table.sort_index(axis="columns", key=lambda codecs: codecs != baseline_way(arms))


def mean_costs(arms: Arms, backend: str, capacity: str, model_ns: float = 0.0) -> pd.DataFrame:
    """Return what a request costs on average, with hit rates and times together.

    Args:
        arms: of the experiment.
        backend: memory, lmdb or redis.
        capacity: as the rows name it, as in "10%".
        model_ns: what a model takes, beside a call to one that takes no time.

    Returns:
        One row for each codec, with its name as the index, the cheapest first: hit rate, nanoseconds a request, and
        their ratio to the baseline's with interval and verdict.
    """
    baseline = baseline_way(arms)
    base, second = Case(baseline), Case(baseline, AA)
    costs = {
        codec: _request_costs(arms, backend, codec, capacity, model_ns)
        for codec in (*arms.codecs(f"{backend}/get"), second)
    }
    control = ratio(costs.pop(second), costs[base])
    records = {}
    for codec, values in costs.items():
        found = Versus(ratio(values, costs[base]), control)
        share = arms.value(f"{codec} hits/capacity={capacity}", "hit-rate")
        record = {"hit_share": share, "request_ns": median_of(values).value}
        record |= dict(zip(("ratio", "ratio_low", "ratio_high"), found.ratio[:3], strict=True))
        records[str(codec)] = record | {"verdict": "baseline" if codec == baseline else found.verdict}
    return pd.DataFrame(records).T.infer_objects().sort_values("ratio")


def _request_costs(arms: Arms, backend: str, codec: str, capacity: str, model_ns: float) -> Values:
    """Return the mean nanoseconds of a request by worker; none where something was not measured."""
    rates = arms.figures.get("hit-rate", {}).get(f"{codec} hits/capacity={capacity}", {})
    workers = [worker for worker in _workers_of(arms, backend, codec) if worker in rates]
    return {worker: _costs_of(arms, backend, codec, worker, model_ns).mean(rates[worker]) for worker in workers}


# What reuse gains and sharing costs, from the experiment `pooling` on the wire, as tables that are easy to read.

POOLING, FRESH = "pooling", "fresh"
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
    own = rows[of_experiment(rows, POOLING)]["workload"].unique()
    sizes = rows[(rows["place"] == "size") & (rows["metric"] == "raw") & rows["workload"].isin(own)]
    ordered = list(sizes.groupby("workload")["value"].median().sort_values().index) or sorted(own)
    return list(dict.fromkeys((str(ordered[0]), str(ordered[-1]))))


def pairs_of(arms: Arms) -> list[str]:
    """List what was measured fresh."""
    return [arm.under for arm in arms.of() if arm.case == FRESH]


def _pooled(rows: pd.DataFrame) -> Iterator[tuple[str, str, str, Versus]]:
    """Yield workload, pair, variant, and how it stands to a fresh object."""
    for workload in workloads_of(rows):
        arms = wire_arms(rows, POOLING, workload)
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
    for workload, pair, variant, found in _pooled(rows):
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
        arms = wire_arms(rows, POOLING, workload)
        fresh, kept, released = (arms.estimate(f"{name} {GROWING}", GROWTH) for name in (FRESH, "kept", "released"))
        if kept.n:
            record = {"fresh_bytes": fresh.value, "kept_bytes": kept.value, "released_bytes": released.value}
            records[workload] = record | {"growth": _growth_is(fresh, kept, released)}
    return pd.DataFrame(records).T.infer_objects()


def _growth_is(fresh: Estimate, kept: Estimate, released: Estimate) -> str:
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
    arms = [wire_arms(rows, f"{POOLING}/{part}") for part in (SHARE, COUNT)]
    return pd.DataFrame(dict(record for one in arms for record in _wirepooling_records_of(one))).T.infer_objects()


def _wirepooling_records_of(arms: Arms) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of one part of the experiment."""
    for label, way, base in ways_of(arms):
        found = arms.versus(way, base)
        value, low, high, _ = found.ratio
        record = {"time_ns": arms.value(way), "ratio": value, "ratio_low": low}
        said = "baseline" if way == base else TIME_WORDS.get(found.verdict, found.verdict)
        yield label, record | {"ratio_high": high, "verdict": said}


def ways_of(arms: Arms) -> Iterator[tuple[str, str, str]]:
    """Yield each way to share with its name for people, its arm, and the arm of the plain way."""
    what = "count by " if arms.experiment == f"{POOLING}/{COUNT}" else ""
    for conditions in _crowded(arms):
        base = next(name for name in (FREE, COUNTER) if name in arms.codecs(conditions))
        for way in arms.codecs(conditions):
            yield f"{what}{way}, {conditions.replace('=', ' ')}", f"{way} {conditions}", f"{base} {conditions}"


def _crowded(arms: Arms) -> list[str]:
    """List the conditions with the most threads and the most tasks."""
    numbers: dict[str, int] = {}
    for arm in arms.of():
        for what, number in arm.conditions.counts.items():
            numbers[what] = max(numbers.get(what, 0), number)
    return [f"{what}={number}" for what, number in numbers.items()]
