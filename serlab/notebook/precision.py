"""How many processes are enough: what the figures of a run would vary by with fewer or more of them.

And how far repeated answers to one question stray. Both with intervals, since both are found from few of them.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from serlab.report.tables import baseline_of
from serlab.stats import CONTROL, FLOOR, Estimate, estimate

RESAMPLES = 20_000
COUNTS = (1, 3, 5, 10, 20, 40)
DRAWS, REDRAWS = 200, 1_000
"""Resamples of the workloads, and medians drawn in each."""


def process_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Give each process's ratio to the baseline against the median of all processes.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each workload, operation and codec, A/A arm included and floors left out; one column for each
        process; 1.01 means 1 % above the median of the processes.
    """
    baseline = baseline_of(rows)
    times = rows[(rows["metric"] == "time") & ~rows["codec"].str.startswith(FLOOR)]
    group = ["workload", "operation"]
    wide = times.pivot_table(index=[*group, "codec"], columns="process", values="value").dropna()
    base = wide.xs(baseline, level="codec")
    others = wide.drop(index=baseline, level="codec")
    places = [(workload, operation) for workload, operation, _ in others.index]
    ratios = pd.DataFrame(others.to_numpy() / base.reindex(places).to_numpy(), others.index, others.columns)
    return ratios.div(ratios.median(axis=1), axis=0)


def control_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the same for the A/A arm alone."""
    ratios = process_ratios(rows)
    names = ratios.index.get_level_values("codec")
    return ratios[names == baseline_of(rows) + CONTROL]


def reach_by_processes(ratios: pd.DataFrame, counts: Sequence[int] = COUNTS, seed: int = 0) -> pd.Series:
    """Estimate how far the median of so many processes lies from the truth, in 95 of 100 runs at most.

    Each group keeps the deviation that its processes show, and medians of so many normal values are drawn. To draw
    from the processes themselves, as a bootstrap does, reaches too far for few of them: an outlier comes twice.

    Args:
        ratios: of `process_ratios`.
        counts: numbers of processes.
        seed: of the draws.

    Returns:
        Number of processes → share, 0.01 for 1 %; not a number for a run of one process.
    """
    values = np.log(ratios.to_numpy())
    if values.shape[1] < 2 or not len(values):
        return pd.Series(np.nan, index=list(counts))
    random = np.random.default_rng(seed)
    deviations = values.std(axis=1, ddof=1)[random.integers(0, len(values), RESAMPLES)]
    return pd.Series({count: reach(deviations, count, random) for count in counts})


def reach(deviations: np.ndarray, count: int, random: np.random.Generator) -> float:
    """Draw a median of so many normal values for each deviation, and give what 95 % of them stay inside of."""
    medians = np.median(random.normal(0, 1, (len(deviations), count)), axis=1)
    return float(np.exp(np.percentile(np.abs(medians * deviations), 95)) - 1)


def reach_interval(ratios: pd.DataFrame, counts: Sequence[int] = COUNTS, seed: int = 0) -> pd.DataFrame:
    """Give `reach_by_processes` its 95 % interval: what it would be with other workloads.

    Workloads are resampled and not groups, since the groups of one workload share its messages and its hour.

    Args:
        ratios: of `process_ratios`.
        counts: numbers of processes.
        seed: of the draws.

    Returns:
        One row for each number of processes; `low` and `high`, not numbers for a run of one process or workload.
    """
    names = list(dict.fromkeys(ratios.index.get_level_values("workload")))
    if ratios.shape[1] < 2 or len(names) < 2:
        return pd.DataFrame(np.nan, index=list(counts), columns=["low", "high"])
    logs = np.log(ratios)
    spread = logs.std(axis=1, ddof=1)
    groups = [spread.xs(name, level="workload").to_numpy() for name in names]
    random = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        pool = np.concatenate([groups[place] for place in random.integers(0, len(groups), len(groups))])
        deviations = pool[random.integers(0, len(pool), REDRAWS)]
        found.append([reach(deviations, count, random) for count in counts])
    ends = np.percentile(found, [2.5, 97.5], axis=0)
    return pd.DataFrame(ends.T, index=list(counts), columns=["low", "high"])


def variation(ratios: Sequence[float], seed: int = 0) -> Estimate:
    """Estimate the coefficient of variation of repeated answers, with the interval of resampled repetitions.

    Args:
        ratios: one for each repetition.
        seed: of the resampling.
    """
    values = np.asarray(ratios, dtype=float)
    draws = values[np.random.default_rng(seed).integers(0, len(values), (RESAMPLES // 10, len(values)))]
    own, resampled = (found.std(axis=-1, ddof=1) / found.mean(axis=-1) for found in (values, draws))
    return estimate(float(own), resampled, len(values))


def enough(reaches: Iterable[tuple[int, float]], difference: float) -> int | None:
    """Give the smallest number of processes whose reach is inside a difference; None if none of them is."""
    return next((count for count, share in reaches if share < difference), None)
