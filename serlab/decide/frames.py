"""A ranking and what it rests on as tables, with units in the column names."""

import math
from typing import Any

import pandas as pd

from serlab.decide.gather import MEMORY
from serlab.decide.latency import per_call, share_of
from serlab.decide.model import COMPRESSORS, NS_PER_HOUR, candidates, counted, figures_of, parts
from serlab.decide.ranking import Ranking, Standing
from serlab.decide.run import Run
from serlab.decide.types import Scenario
from serlab.outcomes import COMMON, OUTCOMES
from serlab.stats import CONTROL

MILLION = 1e6
EVIDENCE = ["workload", "message", "operation", "metric", "codec", "rows", "run"]


def ranking_frame(scenario: Scenario, ranking: Ranking) -> pd.DataFrame:
    """Lay out a ranking.

    Args:
        scenario: resolved.
        ranking: of that scenario.

    Returns:
        One row for each codec, the best first. Times, sizes and memory are per message; core-hours, 10^9 bytes over the
        wire and money per million messages; `ratio` is to the baseline and
        `to_leader` to the cheapest, in what the scenario ranks by, with 95 % intervals; `latency_share` is codec and
        wire of the whole latency of a call with the baseline. `rank` is None for what cannot be recommended, and `note`
        says why.
    """
    ranks = {one.codec: 1 if one.ties else place for place, one in enumerate(ranking.open, 1)}
    table = pd.DataFrame([record(scenario, ranking, one, ranks.get(one.codec)) for one in ranking.standings])
    # As a column of numbers the ranks would become 1.0, and the missing ones not a number.
    return table.assign(rank=pd.Series([ranks.get(one.codec) for one in ranking.standings], dtype=object))


def record(scenario: Scenario, ranking: Ranking, one: Standing, place: int | None) -> dict[str, Any]:
    """Lay out one codec."""
    costs = one.cost._asdict() if one.cost else {}
    base = next((other.cost for other in ranking.standings if other.codec == ranking.baseline), None)
    whole = one.cost.time_ns * per_call(scenario) if one.cost else math.nan
    cells: dict[str, Any] = {"rank": place, "codec": one.codec, "verdict": verdict(ranking, one, place)}
    cells |= {name: costs.get(name, math.nan) for name in ("time_ns", "cpu_ns", "wire_ns", "size_bytes")}
    cells["core_hours_per_million"] = cells["cpu_ns"] * MILLION / NS_PER_HOUR
    cells["wire_gb_per_million"] = cells["size_bytes"] * scenario.wire.crossings * MILLION / 1e9
    cells[money_column(scenario)] = costs.get("cost_per_million", math.nan)
    for name, estimate in (("ratio", one.to_baseline), ("to_leader", one.to_leader)):
        cells |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    cells["latency_share"] = share_of(scenario, base, whole) if base else math.nan
    cells |= {name: costs.get(name, math.nan) for name in MEMORY.values()}
    return cells | {"processes": one.to_baseline.n, "note": one.barred}


def money_column(scenario: Scenario) -> str:
    """Name the column of money."""
    return f"{scenario.prices.currency.lower()}_per_million"


def verdict(ranking: Ranking, one: Standing, place: int | None) -> str:
    """Say what a codec is in a ranking."""
    if one.codec == ranking.recommended:
        return "recommended"
    if one.cost is None:
        return "not measured"
    if place is None:
        return "reference" if one.barred.startswith("reference") else "barred"
    return ("tie" if len(ranking.tied) > 1 else "cheapest") if one.ties else "dearer"


def evidence(run: Run, scenario: Scenario) -> pd.DataFrame:
    """List the rows that an answer rests on.

    Args:
        run: the run.
        scenario: resolved.

    Returns:
        One line for each selector of rows: workload, message, operation, metric, codec; how many rows it gives, and of
        which runs.
    """
    rows = run.rows.merge(selectors(run, scenario), on=EVIDENCE[:1] + EVIDENCE[2:5], how="inner")
    grouped = rows.groupby(EVIDENCE[:5], sort=True)["run"].agg(["size", "unique"]).reset_index()
    grouped["run"] = grouped["unique"].map(lambda runs: ", ".join(map(str, runs)))
    return grouped.rename(columns={"size": "rows"})[EVIDENCE]


def selectors(run: Run, scenario: Scenario) -> pd.DataFrame:
    """Say which figures the model reads, of each codec and of the baseline's second arm."""
    of = parts(run.inputs, scenario)
    counts = counted(run.inputs, scenario, of)
    size = scenario.wire.compression.replace("none", "raw")
    squeezed = {*COMPRESSORS.get(scenario.wire.compression, ())}
    found = []
    for part in of:
        timed = [name for name, _ in counts[part.workload]]
        wanted = [("size", size), *(("parity", name) for name in ("equal", *OUTCOMES[:3], COMMON))]
        wanted += [(name, "time") for name in timed]
        wanted += [(name, metric) for name in timed if name not in squeezed for metric in MEMORY]
        found += [(part.workload, *one, codec) for one in wanted for codec in rowed(run, scenario, part.workload)]
    return pd.DataFrame(found, columns=[EVIDENCE[0], *EVIDENCE[2:5]]).drop_duplicates()


def rowed(run: Run, scenario: Scenario, workload: str) -> set[str]:
    """Name the codecs whose rows on a workload are read: a variant may have its stem's read."""
    names = candidates(run.inputs, parts(run.inputs, scenario))
    held = run.inputs["workloads"][workload]["codecs"]
    used = {codec for codec in names if codec in held}
    used |= {codec for codec in held if any(figures_of(run.inputs, workload, name) is held[codec] for name in names)}
    return used | {run.inputs["baseline"] + CONTROL}
