"""Ratios between codecs, with intervals.

A worker process measures all codecs side by side and gives one median for each, so that a ratio within a process is
free of what the machine did between processes. The figure is the median of these ratios; its interval resamples the
processes, since batches within one process are not independent.

The plain percentile interval of so few processes is too narrow: simulated, that of 5 to 10 covers the truth in 88 to
94 % of runs instead of 95. So it is stretched about the median as Student's t is wider than the normal distribution,
which gives 93 to 98 % (`tests/measure/test_stats.py`).

Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13 (percentile interval); Hesterberg, What
Teachers Should Know About the Bootstrap, section 4.3 (why it is too narrow, and by what factor).
"""

from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

PAIRED = "time-paired"
"""The metric of the times that two environments are compared by."""

AGAIN = "time-again"
"""The metric of the same in a second process of this environment: the A/A control of the pairs."""

FASTER, SLOWER, TIE = "faster", "slower", "tie"
"""What `verdict` says of times."""

ROUNDING = 1e-12
"""Part of a ratio that may be lost when a figure is divided twice."""

RESAMPLES = 2000
CONFIDENCE = 95
"""Percent of the resampled medians inside the interval, before it is stretched."""

NORMAL_QUANTILE = 1.96
T_QUANTILES = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228}
T_QUANTILES |= {12: 2.179, 15: 2.131, 20: 2.086, 30: 2.042, 60: 2.000}
"""97.5 % quantiles of Student's t by degrees of freedom, from any table of it. Between two, the wider one is taken."""


class Estimate(NamedTuple):
    """A ratio with its 95 % interval and the number of processes it rests on; one process has no interval."""

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
    medians = np.median(ratios[_draws(len(ratios), seed)], axis=1)
    return estimate(float(np.median(ratios)), medians, len(ratios))


def paired_difference(values: Mapping[int, float], others: Mapping[int, float], seed: int = 0) -> Estimate:
    """Estimate by how much one figure is above another, process by process: what the other saves.

    The difference of two medians is not the median difference, and the ends of two intervals are no interval of it.

    Args:
        values: process → figure.
        others: process → what is taken off, same unit.
        seed: of the resampling.

    Returns:
        The median difference of the processes that measured both, which may be negative, with its interval; not a
        number where there is none.
    """
    return median_of({process: values[process] - others[process] for process in values.keys() & others.keys()}, seed)


@lru_cache(maxsize=64)
def _draws(n: int, seed: int) -> np.ndarray:
    """Return which of n processes each resample holds; the same for every figure, so that it is drawn once."""
    found = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    found.flags.writeable = False
    return found


def estimate(value: float, resampled: np.ndarray, n: int) -> Estimate:
    """Return a figure with its interval.

    Args:
        value: the figure.
        resampled: the figure of each resample.
        n: the number of processes.
    """
    tail = (100 - CONFIDENCE) / 2
    ends = np.percentile(resampled, [tail, 100 - tail])
    if value > 0 and min(ends) > 0:
        # Ratios are stretched as ratios, so that twice as fast and half as fast are equally far from 1.
        low, high = (value * (float(end) / value) ** stretch(n) for end in ends)
    else:
        # A difference, such as memory after and before, may be less than nothing.
        low, high = (value + (float(end) - value) * stretch(n) for end in ends)
    return Estimate(value, low, high, n)


def stretch(n: int) -> float:
    """Say by how much the percentile interval of n processes is too narrow; 1 where there is none."""
    if n < 2:
        return 1.0
    degrees = list(T_QUANTILES)
    place = bisect_left(degrees, n - 1)
    exact = place < len(degrees) and degrees[place] == n - 1
    quantile = T_QUANTILES[degrees[place if exact else place - 1]]
    return quantile / NORMAL_QUANTILE * sqrt(n / (n - 1))


def median_of(values: Mapping[int, float], seed: int = 0) -> Estimate:
    """Estimate a figure by itself, where there is nothing to compare it with.

    Args:
        values: process → figure.
        seed: of the resampling.

    Returns:
        The median with its interval; not a number where there is none.
    """
    if not values:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    found = np.array([values[process] for process in sorted(values)])
    return estimate(float(np.median(found)), np.median(found[_draws(len(found), seed)], axis=1), len(found))


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
    return estimate(float(np.median(arms[0]) / np.median(arms[1])), above / below, min(map(len, arms)))


def spread(new: Estimate, old: Estimate) -> Estimate:
    """Return the A/A spread of the ratio between two runs: the widest that the two runs' own A/A intervals allow."""
    return Estimate(new.value / old.value, new.low / old.high, new.high / old.low, min(new.n, old.n))


def margin(control: Estimate) -> float:
    """Return how far equal things stray from each other, as a factor of at least 1.

    Which of the baseline's two arms is called the control is chance, so the end of the A/A interval that is farther
    from 1 counts in both directions: the band of noise is [1 / margin, margin].

    Args:
        control: the baseline against itself (A/A).
    """
    if not control.n:
        return 1.0
    return max(control.high, 1 / control.low if control.low > 0 else inf, 1.0)


def band(low: float, high: float) -> tuple[float, float]:
    """Return the band inside which a ratio is a tie; not numbers where A/A was not measured.

    Args:
        low: the lower end of the A/A interval.
        high: the upper end.
    """
    if low != low or high != high:
        return low, high
    most = margin(Estimate(1.0, low, high, 1))
    return 1 / most, most


def verdict(
    estimate: Estimate, control: Estimate, below: str = FASTER, above: str = SLOWER, *, whole: bool = False
) -> str:
    """Say what a ratio is: below 1, above 1, or a tie. Everything that serlab prints or draws is decided here.

    A difference has to pass two tests: its interval leaves 1 out, so that it is there in (nearly) every process; and
    the ratio is outside the band of noise, [1 / margin, margin], so that it is more than the machine makes of two equal
    things. A ratio and its reciprocal are judged alike.

    Args:
        estimate: one thing against another.
        control: the baseline against itself (A/A), in the same group.
        below: the word for less than 1.
        above: the word for more than 1.
        whole: ask that the whole interval be outside the band, as a gate does, which stops somebody's change.

    Returns:
        `below`, `above` or "tie"; "" where there is no figure.
    """
    if not estimate.n:
        return ""
    if estimate.low <= 1.0 <= estimate.high:
        return TIE
    is_below = estimate.value < 1.0
    judged = (estimate.high if is_below else estimate.low) if whole else estimate.value
    # Of a difference that is rounded, such as 1 / (1 / m), the last bit must not decide.
    if judged > 0 and max(judged, 1 / judged) <= margin(control) * (1 + ROUNDING):
        return TIE
    return below if is_below else above


def is_tie(estimate: Estimate, control: Estimate) -> bool:
    """Return whether a ratio is no difference; also where there is no figure.

    Args:
        estimate: a codec against the baseline.
        control: the baseline against itself (A/A), in the same group.
    """
    return verdict(estimate, control) in ("", TIE)


def geometric_mean(ratios: list[float]) -> float:
    """Average ratios so that twice as fast and half as fast cancel out; not a number for none."""
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")
