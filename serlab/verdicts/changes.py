"""One figure before and after; and those that are compared exactly: sizes, allocation counts and parity."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from serlab.stats import BASE, CONTROL

WORSE = ("slower", "larger", "lost", "gone")
BETTER = ("faster", "smaller", "gained", "new")
SAME = ("tie", "equal")

SIZES = ("raw", "gzip", "zstd")
PLACE = ("workload", "operation", "codec", "metric")

Key = tuple[str, str, str, str]


class Change(NamedTuple):
    """One figure before and after.

    Attributes:
        workload: its name.
        operation: encode, decode, …; size or parity.
        codec: its name.
        metric: time, raw, gzip, zstd, allocations, or equal (bodies that came back equal).
        verdict: one of `WORSE`, `BETTER` or `SAME`.
        old: the figure before; of a time, its ratio to the reference. Not a number where there was none.
        new: the figure after.
        ratio: after against before.
        low: the lower end of the ratio's interval; the ratio itself where the figures are exact.
        high: the upper end.
        margin: how far a ratio of equal things strays, as a factor of at least 1; 1 where figures are exact.
    """

    workload: str
    operation: str
    codec: str
    metric: str
    verdict: str
    old: float
    new: float
    ratio: float
    low: float
    high: float
    margin: float = 1.0

    @property
    def name(self) -> str:
        """Name the figure: what patterns are matched against."""
        return f"{self.workload}/{self.operation}/{self.codec}/{self.metric}"

    @property
    def effect(self) -> float:
        """Say how large the change is, up or down alike; what was lost, gained or is missing comes first."""
        return math.inf if math.isnan(self.ratio) or not self.ratio else abs(math.log(self.ratio))


def exact_changes(old: pd.DataFrame, new: pd.DataFrame) -> list[Change]:
    """Compare what repeats exactly.

    Args:
        old: the rows of the run before.
        new: those of the run after.

    Returns:
        A change for each figure of either run, the equal ones too.
    """
    before, after = exact_figures(old), exact_figures(new)
    return [change_of(key, before.get(key, math.nan), after.get(key, math.nan)) for key in {**before, **after}]


def exact_figures(rows: pd.DataFrame) -> dict[Key, float]:
    """Collect sizes, allocation counts and bodies that came back equal, by their place."""
    own = rows[~rows["codec"].str.endswith((BASE, CONTROL))]
    figures = own[((own["operation"] == "size") & own["metric"].isin(SIZES)) | (own["metric"] == "allocations")]
    return {**dict(figure_items(figures)), **equal_bodies(own[own["operation"] == "parity"])}


def figure_items(rows: pd.DataFrame) -> Iterator[tuple[Key, float]]:
    """Give rows as place and figure."""
    for row in rows.to_dict("records"):
        yield (row["workload"], row["operation"], row["codec"], row["metric"]), float(row["value"])


def equal_bodies(parity: pd.DataFrame) -> dict[Key, float]:
    """Count the bodies that came back equal; none of a codec that killed its process."""
    counts = dict(figure_items(parity[parity["metric"] == "equal"]))
    failed = dict(figure_items(parity[parity["metric"] == "failed"]))
    return counts | {(*key[:3], "equal"): 0.0 for key in failed}


def change_of(key: Key, old: float, new: float) -> Change:
    """Judge one exact figure."""
    ratio = new / old if old else math.nan
    if old == new:
        ratio = 1.0
    return Change(*key, verdict_of(key[3], old, new), old, new, ratio, ratio, ratio)


def verdict_of(metric: str, old: float, new: float) -> str:
    """Say what became of an exact figure."""
    if math.isnan(new):
        return "gone"
    if math.isnan(old):
        return "new"
    # A count is a slope between two sums: it repeats exactly but for the last bit of the division.
    if math.isclose(old, new, rel_tol=1e-12):
        return "equal"
    if metric == "equal":
        return "gained" if new > old else "lost"
    return "larger" if new > old else "smaller"
