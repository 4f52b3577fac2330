"""Until which share of the fields is it cheaper to read through a view than to decode the whole message first?

Decoding whole costs the decode once, and then next to nothing for each field: all codecs decode to the same plain
objects, and what reading those costs is what the access curve of the fastest codec without a view shows beyond its
decode. A view opens for less and pays at every field.

Whether a view pays is told like any other difference, by its ratio to the whole decode and the A/A ratio beside it:
first with one field read, since a view that is only opened gives nothing, then with all of them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from serlab.report.figures.access import SHARES
from serlab.report.figures.data import Values, arms, chosen, control_of, names_of
from serlab.report.leaders import standing
from serlab.report.tables import baseline_of
from serlab.stats import FASTER, SLOWER, Estimate, paired_ratio, verdict

STEPS = tuple(SHARES)
"""The steps of the access curve whose share is known."""
ONE = "read-1"
"""The step that reads one field."""
COLUMNS = ("workload", "codec", "whole", "opens_ratio", "one_ratio", "share", "share_low", "share_high", "verdict")
NOWHERE = Estimate(float("nan"), float("nan"), float("nan"), 0)


class Curves(NamedTuple):
    """Step → process → nanoseconds: through the view, with the whole decode, and the A/A ratio at each step."""

    lazy: dict[str, Values]
    eager: dict[str, Values]
    control: dict[str, Estimate]

    def ratio(self, step: str) -> Estimate:
        """Give the view against the whole decode."""
        return paired_ratio(self.lazy[step], self.eager[step])

    def verdict(self, step: str) -> str:
        """Say faster, slower or tie, of the view."""
        return verdict(self.ratio(step), self.control[step])


def lazy_table(rows: pd.DataFrame, views: Sequence[str], whole: str | Sequence[str] = ()) -> pd.DataFrame:
    """Compare reading through views with decoding whole.

    Args:
        rows: the tidy table of a run.
        views: the codecs that open a view.
        whole: the codec that decodes whole; of several the fastest on each workload; none: each view's own.

    Returns:
        A row for each workload and view: `whole`, the codec that decodes whole; `opens_ratio` and `one_ratio`, opening,
        and reading one field, against decoding whole; `share` of the fields up to which the view is cheaper, with its
        interval, where there is such a place; `verdict`: never (one field costs more already), unsure (one field ties),
        always (all fields cost less) or up to a share. Empty where no access curve was measured.

    Raises:
        UnknownNameError: the run has no such codec.
    """
    rivals = [whole] if isinstance(whole, str) and whole else list(whole)
    chosen(rows, None, [*views, *rivals])  # refuses a name that is not there
    kept = chosen(rows, None, None)
    kept.attrs = {}  # pandas copies them deeply at each selection
    records: list[dict[str, Any]] = []
    for workload in names_of(kept, "workload"):
        plain = fastest(kept, workload, [name for name in names_of(kept, "codec") if name not in views])
        for view in views:
            rival = fastest(kept, workload, rivals or [view])
            curves = curves_of(kept, workload, view, rival, plain)
            steps = [step for step in STEPS if step in curves.lazy and step in curves.eager]
            if len(steps) > 1:
                records.append({"workload": workload, "codec": view, "whole": rival, **verdict_of(curves, steps)})
    return pd.DataFrame(records, columns=COLUMNS)


def fastest(rows: pd.DataFrame, workload: str, codecs: Sequence[str]) -> str:
    """Name the codec that decodes fastest; "" for none."""
    decode = arms(rows, workload, "decode")
    base = decode.get(baseline_of(rows), {})
    return min((one for one in codecs if one in decode), key=lambda one: standing(decode[one], base), default="")


def curves_of(rows: pd.DataFrame, workload: str, view: str, rival: str, plain: str) -> Curves:
    """Give the curves of a view and of a codec that decodes whole to the objects that `plain` decodes to."""
    baseline = baseline_of(rows)
    controls = {step: control_of(arms(rows, workload, step), baseline) for step in (*STEPS, ONE)}
    return Curves(curve(rows, workload, view), whole_curve(rows, workload, rival, plain), controls)


def curve(rows: pd.DataFrame, workload: str, codec: str) -> dict[str, Values]:
    """Give step → process → nanoseconds to open and to read that share."""
    found = {step: arms(rows, workload, step).get(codec, {}) for step in (*STEPS, ONE)}
    return {step: values for step, values in found.items() if values}


def whole_curve(rows: pd.DataFrame, workload: str, codec: str, plain: str) -> dict[str, Values]:
    """Give the same for a codec that decodes whole: another's curve, with this codec's decode in place of its own."""
    decode = arms(rows, workload, "decode")
    own, other = decode.get(codec, {}), decode.get(plain, {})
    return {
        step: {i: own[i] + values[i] - other[i] for i in sorted(own.keys() & values.keys() & other.keys())}
        for step, values in curve(rows, workload, plain).items()
        if own and other
    }


def verdict_of(curves: Curves, steps: Sequence[str]) -> dict[str, Any]:
    """Say whether a view pays, and up to which share."""
    first = ONE if ONE in curves.lazy and ONE in curves.eager else steps[0]
    one, all_ = curves.verdict(first), curves.verdict(steps[-1])
    if one != FASTER:
        named, share = "never" if one == SLOWER else "unsure", NOWHERE
    elif all_ == FASTER:
        named, share = "always", NOWHERE
    else:
        named, share = "up to a share", share_of(curves, steps)
    return {
        "opens_ratio": curves.ratio(steps[0]).value,
        "one_ratio": curves.ratio(first).value,
        "share": share.value,
        "share_low": max(share.low, 0.0) if share.n else share.low,
        "share_high": min(share.high, 1.0) if share.n else share.high,
        "verdict": named,
    }


def share_of(curves: Curves, steps: Sequence[str]) -> Estimate:
    """Estimate the share at which the two curves cross; 1 in a process where they do not."""
    processes = sorted(set.intersection(*(set(curves.lazy[step]) & set(curves.eager[step]) for step in steps)))
    gaps = {i: [curves.lazy[step][i] - curves.eager[step][i] for step in steps] for i in processes}
    return paired_ratio({i: crossing(gap, steps) for i, gap in gaps.items()}, dict.fromkeys(processes, 1.0))


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
