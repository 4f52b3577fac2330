"""Until which share of the fields is it cheaper to read through a view than to decode the whole message first?

Decoding whole costs the decode once, and then next to nothing for each field: that of the baseline's plain objects,
which the access curve shows after its first step. A view opens for less and pays at every field.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from serlab.report.figures.access import SHARES
from serlab.report.figures.data import Values, arms, chosen, middle, names_of
from serlab.report.tables import baseline_of
from serlab.stats import Estimate, paired_ratio

STEPS = tuple(SHARES)
"""The steps of the access curve whose share is known."""
COLUMNS = ("workload", "codec", "opens_ratio", "share", "share_low", "share_high", "verdict")


def lazy_table(rows: pd.DataFrame, views: Sequence[str], whole: str = "") -> pd.DataFrame:
    """Compare reading through views with decoding whole.

    Args:
        rows: the tidy table of a run.
        views: the codecs that open a view.
        whole: the codec that decodes whole; "": each view's own.

    Returns:
        A row for each workload and view: `opens_ratio`, opening against decoding whole; `share` of the fields up to
        which the view is cheaper, with `share_low` and `share_high` where all processes agree that there is such a
        place; `verdict`: up to a share, always, never or unsure. Empty where no access curve was measured.

    Raises:
        UnknownNameError: the run has no such codec.
    """
    kept = chosen(rows, None, [*views, *([whole] if whole else [])])
    records: list[dict[str, Any]] = []
    for workload in names_of(kept, "workload"):
        for view in views:
            lazy, eager = curve(kept, workload, view), whole_curve(kept, workload, whole or view)
            steps = [step for step in STEPS if step in lazy and step in eager]
            if len(steps) > 1:
                records.append({"workload": workload, "codec": view, **verdict_of(lazy, eager, steps)})
    return pd.DataFrame(records, columns=COLUMNS)


def curve(rows: pd.DataFrame, workload: str, codec: str) -> dict[str, Values]:
    """Give step → process → nanoseconds to open and to read that share."""
    found = {step: arms(rows, workload, step).get(codec, {}) for step in STEPS}
    return {step: values for step, values in found.items() if values}


def whole_curve(rows: pd.DataFrame, workload: str, codec: str) -> dict[str, Values]:
    """Give the same for a codec that decodes whole and reads from the plain message that comes out."""
    decode, plain = arms(rows, workload, "decode").get(codec, {}), curve(rows, workload, baseline_of(rows))
    opened = plain.get(STEPS[0], {})
    return {
        step: {i: decode[i] + values[i] - opened[i] for i in sorted(decode.keys() & values.keys() & opened.keys())}
        for step, values in plain.items()
        if decode and opened
    }


def verdict_of(lazy: dict[str, Values], eager: dict[str, Values], steps: Sequence[str]) -> dict[str, Any]:
    """Say where a view stops to be cheaper, process by process."""
    processes = sorted(set.intersection(*(set(lazy[step]) & set(eager[step]) for step in steps)))
    shares = {i: crossing([lazy[step][i] - eager[step][i] for step in steps], steps) for i in processes}
    opens = middle({i: lazy[steps[0]][i] / eager[steps[0]][i] for i in processes})
    ends = set(shares.values())
    if ends & {0.0, 1.0}:
        named = {frozenset({0.0}): "never", frozenset({1.0}): "always"}.get(frozenset(ends), "unsure")
        return columns(opens, Estimate(float("nan"), float("nan"), float("nan"), 0), named)
    return columns(opens, paired_ratio(shares, dict.fromkeys(shares, 1.0)), "up to a share")


def crossing(gaps: Sequence[float], steps: Sequence[str]) -> float:
    """Give the share at which a view's curve comes up through the other; 0 if it starts above, 1 if it stays below.

    Between two steps both are straight lines, fixed cost plus cost per field.
    """
    if gaps[0] >= 0:
        return 0.0
    after = next((i for i, gap in enumerate(gaps) if gap >= 0), None)
    if after is None:
        return 1.0
    below, above = gaps[after - 1], gaps[after]
    left, right = SHARES[steps[after - 1]], SHARES[steps[after]]
    return left + (right - left) * below / (below - above)


def columns(opens: float, share: Estimate, verdict: str) -> dict[str, Any]:
    """Spell out a comparison."""
    return {
        "opens_ratio": opens,
        "share": share.value,
        "share_low": share.low,
        "share_high": min(share.high, 1.0) if share.n else share.high,
        "verdict": verdict,
    }
