"""Ratios between codecs, with intervals.

A worker process measures all codecs side by side and gives one median for each, so that a ratio within a process is
free of what the machine did between processes. The figure is the median of these ratios; its interval resamples the
processes, since batches within one process are not independent.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13 (percentile interval).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

CONTROL = " (A/A)"
"""Ends the name of the baseline's second arm."""

FLOOR = "floor: "
"""Begins the name of an arm that is no codec: what no codec can beat."""

FLOOR_COPY = FLOOR + "copy"
FLOOR_STRINGS = FLOOR + "strings"

BASE = " (base)"
"""Ends the name of a codec that another environment ran, before `CONTROL`."""

PAIRED = "time-paired"
"""The metric of the times that two environments are compared by."""

AGAIN = "time-again"
"""The metric of the same in a second process of this environment: the A/A control of the pairs."""

RESAMPLES = 2000
CONFIDENCE = 95
"""Percent of the resampled medians inside the interval."""


class Estimate(NamedTuple):
    """A ratio with its 95 % interval and the number of processes it rests on.

    With fewer than six processes the interval is about the range of the ratios and covers the truth less often than
    95 % of the time.
    """

    value: float
    low: float
    high: float
    n: int


def paired_ratio(values: Mapping[int, float], baseline: Mapping[int, float], seed: int = 0) -> Estimate:
    """Estimate how a codec stands to the baseline.

    Args:
        values: process → the codec's figure.
        baseline: process → the baseline's figure, same unit.
        seed: of the resampling.

    Returns:
        The median ratio of the processes that measured both; not a number where there is none.
    """
    both = sorted(values.keys() & baseline.keys())
    if not both:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    ratios = np.array([values[process] / baseline[process] for process in both])
    draws = np.random.default_rng(seed).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    medians = np.median(ratios[draws], axis=1)
    tail = (100 - CONFIDENCE) / 2
    low, high = np.percentile(medians, [tail, 100 - tail])
    return Estimate(float(np.median(ratios)), float(low), float(high), len(ratios))


def unpaired_ratio(new: Mapping[int, float], old: Mapping[int, float], seed: int = 0) -> Estimate:
    """Estimate how two runs stand to each other, whose processes have nothing to do with each other.

    Args:
        new: process → figure in one run; between runs at different moments only ratios to a reference can be compared.
        old: process → figure in the other run.
        seed: of the resampling.

    Returns:
        The ratio of the medians, with an interval that resamples the processes of both runs; `n` is the smaller number
        of processes. Not a number where a run has none.
    """
    if not new or not old:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    random = np.random.default_rng(seed)
    arms = [np.array([run[process] for process in sorted(run)]) for run in (new, old)]
    above, below = (np.median(arm[random.integers(0, len(arm), (RESAMPLES, len(arm)))], axis=1) for arm in arms)
    tail = (100 - CONFIDENCE) / 2
    low, high = np.percentile(above / below, [tail, 100 - tail])
    return Estimate(float(np.median(arms[0]) / np.median(arms[1])), float(low), float(high), min(map(len, arms)))


def spread(new: Estimate, old: Estimate) -> Estimate:
    """Give the A/A spread of the ratio between two runs: the widest that the two runs' own A/A intervals allow."""
    return Estimate(new.value / old.value, new.low / old.high, new.high / old.low, min(new.n, old.n))


def is_tie(estimate: Estimate, control: Estimate) -> bool:
    """Tell whether a ratio is no difference.

    Args:
        estimate: a codec against the baseline.
        control: the baseline against itself (A/A), in the same group.

    Returns:
        True where the interval holds 1, or the whole difference is inside the A/A interval, which is what the machine
        shows between two equal things; also where there is no figure.
    """
    if estimate.n == 0 or estimate.low <= 1.0 <= estimate.high:
        return True
    return control.n > 0 and control.low <= estimate.value <= control.high


def geometric_mean(ratios: list[float]) -> float:
    """Average ratios so that twice as fast and half as fast cancel out; not a number for none."""
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")
