"""Ratios, intervals and ties."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serlab.stats import (
    Estimate,
    band,
    geometric_mean,
    is_tie,
    median_of,
    paired_difference,
    paired_ratio,
    spread,
    stretch,
    verdict,
)


def test_the_ratio_is_the_median_over_processes() -> None:
    """Each process gives one ratio; what only one arm measured is left out."""
    values = {0: 2.0, 1: 9.0, 2: 4.0, 3: 7.0}
    baseline = {0: 1.0, 1: 3.0, 2: 2.0, 4: 1.0}
    estimate = paired_ratio(values, baseline)
    assert (estimate.value, estimate.n) == (2.0, 3)
    assert 1.0 < estimate.low <= estimate.value <= estimate.high


def test_a_common_factor_of_a_process_cancels() -> None:
    """A process on a slow machine slows both arms."""
    baseline = {i: 10.0**i for i in range(8)}
    estimate = paired_ratio({i: 1.5 * value for i, value in baseline.items()}, baseline)
    assert estimate.low == pytest.approx(1.5) and estimate.high == pytest.approx(1.5)


@pytest.mark.slow
@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("n", [5, 7, 10, 20])
def test_the_interval_covers_the_truth_as_often_as_it_says(n: int, heavy: bool) -> None:
    """Of 1,000 runs with a true median ratio of 1, at least 92 % cover it, also with few processes and heavy tails."""
    random = np.random.default_rng(1)
    noise = random.standard_t(3, (1000, n)) if heavy else random.normal(0, 1, (1000, n))
    baseline = dict.fromkeys(range(n), 1.0)
    estimates = [paired_ratio(dict(enumerate(np.exp(0.01 * run))), baseline) for run in noise]
    assert sum(estimate.low <= 1.0 <= estimate.high for estimate in estimates) >= 920


def unstretched(estimate: Estimate) -> tuple[float, float]:
    """Return the percentile interval that an estimate was stretched from."""
    value, back = estimate.value, 1 / stretch(estimate.n)
    return value * (estimate.low / value) ** back, value * (estimate.high / value) ** back


def test_few_processes_stretch_the_interval_more() -> None:
    """Student's t over the normal quantile, times √(n / (n − 1)); one process has no interval."""
    assert stretch(5) == pytest.approx(2.776 / 1.96 * math.sqrt(5 / 4))
    assert stretch(10) == pytest.approx(2.262 / 1.96 * math.sqrt(10 / 9))
    assert 1.0 < stretch(100) < stretch(14) < stretch(10) and stretch(1) == 1.0


DATA = {
    5: [1.0513, 1.0607, 1.0427, 1.0236, 1.037],
    10: [1.0205, 1.0532, 1.0944, 1.0359, 1.0319, 1.0668, 1.0626, 1.0546, 1.0223, 1.0503],
    20: [
        1.0734,
        1.0097,
        1.0369,
        0.993,
        1.0114,
        0.9948,
        1.0439,
        1.012,
        1.0599,
        1.0562,
        1.0454,
        0.9748,
        1.0344,
        1.0497,
        1.0549,
        1.0041,
        1.0363,
        1.0209,
        1.0261,
        1.0853,
    ],
}
SCIPY = {5: (1.0236, 1.0607), 10: (1.0291, 1.0626), 20: (1.0117, 1.04755)}
"""scipy 1.17.1: bootstrap((x,), np.median, n_resamples=99999, method="percentile"), rounded to 5 places."""


@pytest.mark.parametrize("n", DATA)
def test_intervals_agree_with_scipy(n: int) -> None:
    """Within a fifteenth of the interval's width; scipy resampled fifty times as often."""
    estimate = paired_ratio(dict(enumerate(DATA[n])), dict.fromkeys(range(n), 1.0))
    low, high = SCIPY[n]
    assert estimate.value == pytest.approx(np.median(DATA[n]))
    assert unstretched(estimate) == pytest.approx((low, high), abs=(high - low) / 15)


def test_the_interval_of_five_processes_is_that_of_all_resamples() -> None:
    """All 5⁵ resamples, each equally likely, have the same percentiles as the drawn ones."""
    medians = [sorted(draw)[2] for draw in product(DATA[5], repeat=5)]
    estimate = paired_ratio(dict(enumerate(DATA[5])), dict.fromkeys(range(5), 1.0))
    assert unstretched(estimate) == pytest.approx(tuple(np.percentile(medians, [2.5, 97.5])))


def test_no_common_process_gives_no_figure() -> None:
    """It is not a number, and a tie."""
    estimate = paired_ratio({0: 1.0}, {1: 1.0})
    assert math.isnan(estimate.value) and is_tie(estimate, estimate)


@pytest.mark.parametrize(
    ("estimate", "control", "tie"),
    [
        (Estimate(1.1, 1.05, 1.2, 10), Estimate(1.0, 0.98, 1.02, 10), False),
        (Estimate(1.1, 0.99, 1.2, 10), Estimate(1.0, 0.98, 1.02, 10), True),
        (Estimate(1.03, 1.02, 1.04, 10), Estimate(1.0, 0.95, 1.05, 10), True),
        (Estimate(0.97, 0.96, 0.98, 10), Estimate(0.96, 0.95, 0.97, 10), True),
        (Estimate(1.1, 1.05, 1.2, 10), Estimate(math.nan, math.nan, math.nan, 0), False),
    ],
)
def test_a_difference_inside_the_noise_is_a_tie(estimate: Estimate, control: Estimate, tie: bool) -> None:
    """A tie's interval holds 1, or its ratio lies inside what the machine shows between equal things."""
    assert is_tie(estimate, control) is tie


RATIOS = st.floats(0.001, 1000, allow_nan=False)
ESTIMATES = st.builds(
    lambda ends, n: Estimate(sorted(ends)[1], sorted(ends)[0], sorted(ends)[2], n),
    st.tuples(RATIOS, RATIOS, RATIOS), st.integers(0, 10),
)  # fmt: skip
TURNED = {"less": "more", "more": "less", "tie": "tie", "": ""}


def turned(one: Estimate) -> Estimate:
    """Swap what is compared with what it is compared with."""
    return Estimate(1 / one.value, 1 / one.high, 1 / one.low, one.n)


@given(ESTIMATES, ESTIMATES, ESTIMATES, st.booleans())
def test_a_ratio_and_its_reciprocal_are_judged_alike(
    estimate: Estimate, control: Estimate, other: Estimate, whole: bool
) -> None:
    """Whichever of the two is the base, and whichever arm of A/A is the control; also between two runs."""
    for judge in (control, spread(control, other), spread(other, control)):
        said = verdict(estimate, judge, "less", "more", whole=whole)
        assert verdict(turned(estimate), judge, "less", "more", whole=whole) == TURNED[said]
        assert is_tie(turned(estimate), judge) == is_tie(estimate, judge)
    assert verdict(estimate, turned(control), whole=whole) == verdict(estimate, control, whole=whole)


@given(ESTIMATES.filter(lambda one: one.n > 0))
def test_the_ends_of_the_control_are_ties_on_both_sides(control: Estimate) -> None:
    """The last bit of a division does not decide."""
    for end in (control.low, 1 / control.low, control.high, 1 / control.high):
        for judge in (control, turned(control)):
            assert is_tie(Estimate(end, end, end, 5), judge)


def test_noise_counts_in_both_directions() -> None:
    """Where the baseline is up to 14 times as slow as itself, neither a fifth less nor 12 times as much says much."""
    control = Estimate(1.1, 1.06, 14.0, 5)
    for ratio in (0.81, 1 / 0.81, 12.2, 1 / 12.2):
        assert verdict(Estimate(ratio, 0.99 * ratio, 1.01 * ratio, 5), control) == "tie"
    assert verdict(Estimate(15.0, 14.9, 15.1, 5), control) == "slower"
    assert verdict(Estimate(1 / 15, 1 / 15.1, 1 / 14.9, 5), control) == "faster"
    assert (
        band(1.06, 14.0) == (1 / 14, 14)
        and band(1 / 14, 1.06) == (1 / 14, 14)
        and math.isnan(band(math.nan, math.nan)[0])
    )


def test_a_gate_asks_for_the_whole_interval() -> None:
    """A ratio outside the band whose interval reaches into it is a difference, and no reason to stop a change."""
    control, estimate = Estimate(1.0, 0.95, 1.05, 5), Estimate(1.1, 1.03, 1.2, 5)
    assert verdict(estimate, control) == "slower" and verdict(estimate, control, whole=True) == "tie"
    assert verdict(Estimate(1.1, 1.06, 1.2, 5), control, whole=True) == "slower"


def test_no_figure_has_no_verdict() -> None:
    """Neither faster nor slower nor a tie."""
    assert verdict(Estimate(math.nan, math.nan, math.nan, 0), Estimate(1.0, 0.9, 1.1, 5)) == ""


def test_twice_as_fast_and_half_as_fast_cancel_out() -> None:
    """The mean of ratios is geometric."""
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0) and math.isnan(geometric_mean([]))


def test_a_saving_is_the_median_of_differences() -> None:
    """Process by process: where the machine is slow in one, it is slow for both; not the difference of two medians."""
    base, other = {0: 10.0, 1: 20.0, 2: 60.0, 3: 30.0}, {0: 8.0, 1: 17.0, 2: 15.0, 4: 1.0}
    found = paired_difference(base, other)
    assert (found.value, found.n) == (3.0, 3) and found.low <= 2.0 and found.high >= 45.0
    assert np.median([10, 20, 60]) - np.median([8, 17, 15]) == 5.0
    assert paired_difference(other, base).value == -3.0 and paired_difference(base, {}).n == 0


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 10])
def test_the_interval_of_a_saving_covers_the_truth_as_often_as_it_says(n: int) -> None:
    """Of 1,000 runs in which nothing is saved, at least 92 % say so, whatever the machine does to a process."""
    random = np.random.default_rng(2)
    machine = random.normal(100, 20, (1000, n))
    runs = machine + random.normal(0, 1, (1000, n)), machine + random.normal(0, 1, (1000, n))
    found = [paired_difference(dict(enumerate(one)), dict(enumerate(other))) for one, other in zip(*runs, strict=True)]
    assert sum(one.low <= 0.0 <= one.high for one in found) >= 920


def test_difference_that_may_be_negative_has_an_interval_around_it() -> None:
    """Memory after and before can be less than nothing, and one process's can be more."""
    found = median_of({0: -400.0, 1: 100.0, 2: 50.0, 3: -20.0, 4: 300.0})
    assert found.low < -400 < found.value == 50 < 300 < found.high
    assert median_of({0: 0.0, 1: 0.0})[:3] == (0.0, 0.0, 0.0)
