"""Figures of a decision as people read them."""

import math

from serlab.report.units import SIZE, TIME, scaled, three_digits
from serlab.stats import Estimate

BITS = ((1e12, "Tbit/s"), (1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s"))
LEAST_SHARE = 0.00001
LEAST_MONEY = 0.001
WIRED = (1e5, 1e12)
"""Bandwidths that there are, in bit/s: a break-even outside of them is of no use to anybody."""


def percent(share: float) -> str:
    """Write a share with two digits that count, and the smallest ones only as such."""
    if math.isnan(share):
        return "–"
    return (
        f"{two_digits(share * 100)} %"
        if abs(share) >= LEAST_SHARE or not share
        else f"less than {LEAST_SHARE * 100:g} %"
    )


def two_digits(value: float) -> str:
    """Write a number with two digits that count and no exponent."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def money(amount: float, currency: str) -> str:
    """Write an amount, and the smallest ones only as such."""
    if 0 < abs(amount) < LEAST_MONEY:
        return f"less than {LEAST_MONEY} {currency}"
    return f"{three_digits(amount)} {currency}"


def bandwidth(bits_per_s: float) -> str:
    """Write a bandwidth."""
    return scaled(bits_per_s, BITS)


def duration(seconds: float) -> str:
    """Write a duration in the largest unit that keeps it at 1 or more."""
    return scaled(seconds * 1e9, TIME)


def size(byte_count: float) -> str:
    """Write a number of bytes."""
    return scaled(byte_count, SIZE)


def times(estimate: Estimate) -> str:
    """Write a ratio with its interval."""
    if estimate.n == 0:
        return "–"
    return f"{three_digits(estimate.value)} [{three_digits(estimate.low)}, {three_digits(estimate.high)}]"


def value_of(weight: str, value: object) -> str:
    """Write a weight's value in its unit."""
    if not isinstance(value, int | float):
        return str(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "any"
    return bandwidth(value) if weight.endswith("bit_per_s") else f"{value:.3g}"


def listed(names: list[str]) -> str:
    """Write names as a list with `and`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
