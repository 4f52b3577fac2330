"""Who is fastest on each workload, and who cannot be told apart from it.

The other tables compare with the baseline. That two codecs are both faster than it does not say which of them is ahead,
so here each is compared with the leader, in pairs within a process.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

import pandas as pd

from serlab.cases import Case
from serlab.report.figures import (
    BITS_NS,
    SHARES,
    Values,
    arms,
    chosen,
    control_of,
    is_codec,
    middle,
    names_of,
    sizes,
    sums,
)
from serlab.report.tables import baseline_of
from serlab.stats import FASTER, SLOWER, TIE, Estimate, is_tie, paired_ratio, verdict

COLUMNS = ("workload", "fastest", "ties", "time_ns", "ratio", "ratio_low", "ratio_high", "verdict")


def leader_table(
    rows: pd.DataFrame,
    operations: Sequence[str] = ("encode", "decode"),
    bandwidth_bit_per_s: float = inf,
    *,
    size: str = "raw",
    workloads: Sequence[str] | None = None,
    codecs: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Find the fastest codec of each workload and all that tie with it.

    Args:
        rows: the tidy table of a run.
        operations: whose times are added up.
        bandwidth_bit_per_s: of a wire that the bytes cross, whose time is added; infinite: there is none.
        size: of the bytes on the wire: raw, gzip or zstd.
        workloads: which; None: all that were timed.
        codecs: which; None: all. The baseline takes part in any case.

    Returns:
        A row for each workload: `fastest`, `ties` (the codecs that tie with it, separated by commas), its `time_ns`,
        the ratio to the baseline with its interval, and `verdict`: faster, tie or baseline.

    Raises:
        UnknownNameError: the run has no such workload or codec.
    """
    kept = chosen(rows, workloads, codecs)
    records = [
        {"workload": workload, **_leader_of(found, baseline_of(rows))}
        for workload in workloads or names_of(kept, "workload")
        if (found := _costs_of(kept, workload, operations, bandwidth_bit_per_s, size))
    ]
    return pd.DataFrame(records, columns=COLUMNS)


def _costs_of(
    rows: pd.DataFrame, workload: str, operations: Sequence[str], bandwidth: float, size: str
) -> dict[Case, Values]:
    """Return case → process → nanoseconds per message, the wire's included; the A/A arm sends the baseline's bytes."""
    found = sums(rows, workload, operations)
    if bandwidth == inf:
        return found
    bytes_of = sizes(rows, workload, size)
    return {
        arm: {process: time + bytes_of[codec] * BITS_NS / bandwidth for process, time in values.items()}
        for arm, values in found.items()
        if (codec := arm.first) in bytes_of
    }


def _leader_of(found: Mapping[Case, Values], baseline: str) -> dict[str, Any]:
    """Describe the leader of one group."""
    codecs = {codec: values for codec, values in found.items() if is_codec(codec)}
    base = codecs.get(Case(baseline), {})
    first = min(codecs, key=lambda codec: _standing(codecs[codec], base))
    ties = list(_tied(found, first, baseline))
    ratio = paired_ratio(codecs[first], base)
    return {
        "fastest": str(first),
        "ties": ", ".join(ties),
        "time_ns": middle(codecs[first]),
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "verdict": "baseline" if first == baseline else TIE if baseline in ties else FASTER,
    }


def _standing(values: Values, base: Values) -> float:
    """Return what codecs are ordered by: the ratio to the baseline, which the machine's drift leaves alone."""
    ratio = paired_ratio(values, base)
    return ratio.value if ratio.n else middle(values)


def _tied(found: Mapping[Case, Values], first: Case, baseline: str) -> Iterator[str]:
    """Name the codecs that cannot be told apart from the first."""
    control = control_of(found, baseline)
    for codec, values in found.items():
        if is_codec(codec) and codec != first and is_tie(paired_ratio(values, found[first]), control):
            yield codec


# Until which share of the fields is it cheaper to read through a view than to decode the whole message first?
#
# Decoding whole costs the decode once, and then next to nothing for each field: all codecs decode to the same plain
# objects, and what reading those costs is what the access curve of the fastest codec without a view shows beyond its
# decode. A view opens for less and pays at every field.
#
# Whether a view pays is told like any other difference, by its ratio to the whole decode and the A/A ratio beside it:
# first with one field read, since a view that is only opened gives nothing, then with all of them.

STEPS = tuple(SHARES)
"""The steps of the access curve whose share is known."""
ONE = "read-1"
"""The step that reads one field."""
LAZY_COLUMNS = ("workload", "codec", "whole", "opens_ratio", "one_ratio", "share", "share_low", "share_high", "verdict")
NOWHERE = Estimate(float("nan"), float("nan"), float("nan"), 0)


class _Curves(NamedTuple):
    """Step → process → nanoseconds: through the view, with the whole decode, and the A/A ratio at each step."""

    lazy: dict[str, Values]
    eager: dict[str, Values]
    control: dict[str, Estimate]

    def ratio(self, step: str) -> Estimate:
        """Return the view against the whole decode."""
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
        plain = _fastest(kept, workload, [name for name in names_of(kept, "codec") if name not in views])
        for view in views:
            rival = _fastest(kept, workload, rivals or [view])
            curves = _curves_of(kept, workload, view, rival, plain)
            steps = [step for step in STEPS if step in curves.lazy and step in curves.eager]
            if len(steps) > 1:
                records.append({"workload": workload, "codec": view, "whole": rival, **_verdict_of(curves, steps)})
    return pd.DataFrame(records, columns=LAZY_COLUMNS)


def _fastest(rows: pd.DataFrame, workload: str, codecs: Sequence[str]) -> str:
    """Name the codec that decodes fastest; "" for none."""
    decode = arms(rows, workload, "decode")
    base = decode.get(Case(baseline_of(rows)), {})
    return min((one for one in codecs if one in decode), key=lambda one: _standing(decode[Case(one)], base), default="")


def _curves_of(rows: pd.DataFrame, workload: str, view: str, rival: str, plain: str) -> _Curves:
    """Return the curves of a view and of a codec that decodes whole to the objects that `plain` decodes to."""
    baseline = baseline_of(rows)
    controls = {step: control_of(arms(rows, workload, step), baseline) for step in (*STEPS, ONE)}
    return _Curves(_curve(rows, workload, view), _whole_curve(rows, workload, rival, plain), controls)


def _curve(rows: pd.DataFrame, workload: str, codec: str) -> dict[str, Values]:
    """Return step → process → nanoseconds to open and to read that share."""
    found = {step: arms(rows, workload, step).get(Case(codec), {}) for step in (*STEPS, ONE)}
    return {step: values for step, values in found.items() if values}


def _whole_curve(rows: pd.DataFrame, workload: str, codec: str, plain: str) -> dict[str, Values]:
    """Return the same for a codec that decodes whole: another's curve, with this codec's decode in place of its own."""
    decode = arms(rows, workload, "decode")
    own, other = decode.get(Case(codec), {}), decode.get(Case(plain), {})
    return {
        step: {i: own[i] + values[i] - other[i] for i in sorted(own.keys() & values.keys() & other.keys())}
        for step, values in _curve(rows, workload, plain).items()
        if own and other
    }


def _verdict_of(curves: _Curves, steps: Sequence[str]) -> dict[str, Any]:
    """Say whether a view pays, and up to which share."""
    first = ONE if ONE in curves.lazy and ONE in curves.eager else steps[0]
    one, all_ = curves.verdict(first), curves.verdict(steps[-1])
    if one != FASTER:
        named, share = "never" if one == SLOWER else "unsure", NOWHERE
    elif all_ == FASTER:
        named, share = "always", NOWHERE
    else:
        named, share = "up to a share", _share_of(curves, steps)
    return {
        "opens_ratio": curves.ratio(steps[0]).value,
        "one_ratio": curves.ratio(first).value,
        "share": share.value,
        "share_low": max(share.low, 0.0) if share.n else share.low,
        "share_high": min(share.high, 1.0) if share.n else share.high,
        "verdict": named,
    }


def _share_of(curves: _Curves, steps: Sequence[str]) -> Estimate:
    """Estimate the share at which the two curves cross; 1 in a process where they do not."""
    processes = sorted(set.intersection(*(set(curves.lazy[step]) & set(curves.eager[step]) for step in steps)))
    gaps = {i: [curves.lazy[step][i] - curves.eager[step][i] for step in steps] for i in processes}
    return paired_ratio({i: crossing(gap, steps) for i, gap in gaps.items()}, dict.fromkeys(processes, 1.0))


def crossing(gaps: Sequence[float], steps: Sequence[str]) -> float:
    """Return the share at which a view's curve comes up through the other; 0 if it starts above, 1 if it stays below.

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
