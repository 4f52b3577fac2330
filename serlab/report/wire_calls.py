"""What a call is made of: the transport alone, and the codec; what another codec would save of it, and who notices.

From the experiment `transport`: a message goes to a server and comes back, beside the same bytes that nobody decodes.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from serlab.cases import FORMULA, NO_CONDITIONS, Case, Conditions
from serlab.report.wire_tables import (
    CONTROL,
    FLOOR,
    ArmFacts,
    Arms,
    Versus,
    is_wire,
    of_experiment,
    wire_arms,
    wire_table,
)
from serlab.stats import FASTER, Estimate, median_of, verdict

TRANSPORT = "transport"
TRANSPORTS = {"http": "HTTP/1.1", "http2": "HTTP/2", "grpc": "gRPC"}
"""As rows name them → as people do."""
NOTICED = 0.01
"""Share of a call below which nobody is said to notice a difference."""
BASELINE = "baseline"
IDENTITY = ("workload", "transport", "codec")
COMPARED = ("ratio", "ratio_low", "ratio_high", "verdict", "aa_low", "aa_high")
SAVED = ("saved_ns", "saved_ns_low", "saved_ns_high")
SHARE = ("codec_share", "codec_share_low", "codec_share_high")


def call_table(rows: pd.DataFrame, inflight: int = 1) -> pd.DataFrame:
    """Split each call into what its bytes cost alone and what coding them adds.

    Args:
        rows: the tidy table of a run.
        inflight: calls at a time.

    Returns:
        One row for each workload, transport and codec: `call_ns` with its interval; `codec_share` with its interval and
        `part_verdict`, a tie where a call and its bytes alone are the same within the A/A spread; the call's
        `transport_ns` and `codec_ns` by that share; ratio to the baseline's call with verdict and A/A interval;
        `saved_ns` of the baseline's call with its interval. Empty where the run lacks the experiment.
    """
    table = wire_table(rows)
    if table.empty:
        return table
    here = (table["experiment"] == TRANSPORT) & (table["metric"] == "latency")
    found = table[here & ~table["verdict"].isin((FLOOR, CONTROL))].to_dict("records")
    conditions = {", ".join(one.texts): one for one in rows[of_experiment(rows, TRANSPORT)]["conditions"].unique()}
    own = [
        (row, under)
        for row in found
        if (under := conditions.get(row["conditions"], NO_CONDITIONS)).inflight == inflight
    ]
    arms = {row["workload"]: wire_arms(rows, TRANSPORT, row["workload"]) for row, _ in own}
    return pd.DataFrame([_call_of(row, under) | _saved_of(row, under, arms[row["workload"]]) for row, under in own])


def _saved_of(row: Mapping[Any, Any], conditions: Conditions, arms: Arms) -> dict[str, float]:
    """Say what a codec saves of the baseline's call, worker by worker; nothing where a group has no baseline."""
    under = conditions.text
    calls = arms.figures["latency"]
    base = next((name for name in arms.codecs(under) if f"{name.second} {under}" in calls), "")
    return dict(zip(SAVED, arms.saved(f"{row['codec']} {under}", f"{base} {under}")[:3], strict=True))


def _call_of(row: dict[Any, Any], conditions: Conditions) -> dict[str, Any]:
    """Make a call's record."""
    record: dict[str, Any] = {"workload": row["workload"], "transport": conditions.transport}
    record |= {"codec": row["codec"], "call_ns": row["value"]}
    record |= {"call_ns_low": row["value_low"], "call_ns_high": row["value_high"]}
    record |= {name: row[name] for name in SHARE} | {"part_verdict": _part_verdict(row)}
    record |= {"codec_ns": row["value"] * row["codec_share"], "transport_ns": row["value"] * (1 - row["codec_share"])}
    return record | {name: row[name] for name in COMPARED}


def _part_verdict(row: Mapping[Any, Any]) -> str:
    """Say whether a codec is to be seen in a call at all: against the A/A spread, as any other difference."""
    share, low, high = (row[name] for name in SHARE)
    if share != share:
        return ""
    alone = Estimate(1 - share, 1 - high, 1 - low, int(row["processes"]))
    control = Estimate(1.0, row["aa_low"], row["aa_high"], int(row["aa_low"] == row["aa_low"]))
    return verdict(alone, control, below="more", above="less")


def saving_table(calls: pd.DataFrame) -> pd.DataFrame:
    """Return what a change from the baseline to the fastest codec saves of a call.

    Args:
        calls: from `call_table`.

    Returns:
        One row for each workload and transport: the fastest codec that is measurably faster than the baseline, or
        where there is none the one with the lowest ratio, whose verdict is then no `faster`; `saved_ns` with its
        interval; `noticed_ns`, the longest call of which that is `NOTICED`, 0 where nothing is saved measurably; the
        baseline's `call_ns` and `codec_ns`.
    """
    if calls.empty:
        return calls
    groups = calls.groupby(["workload", "transport"], sort=False)
    return pd.DataFrame([_saving_of(group) for _, group in groups if (group["verdict"] == BASELINE).any()])


def _saving_of(group: pd.DataFrame) -> dict[str, Any]:
    """Make the record of one workload and transport."""
    base = group[group["verdict"] == BASELINE].iloc[0]
    others = group[(group["verdict"] != BASELINE) & group["ratio"].notna()]
    found = others[others["verdict"] == FASTER]
    found = (found if len(found) else others).sort_values("ratio", kind="stable")
    best: Any = found.iloc[0] if len(found) else base
    saved = {name: best[name] for name in SAVED}
    noticed = saved["saved_ns"] / NOTICED if best["verdict"] == FASTER else 0.0
    record: dict[str, Any] = {name: str(best[name]) for name in IDENTITY} | {"verdict": best["verdict"], **saved}
    return record | {"noticed_ns": noticed, "call_ns": base["call_ns"], "codec_ns": base["codec_ns"]}


def one_way(savings: pd.DataFrame) -> pd.DataFrame:
    """Count what of a saving is one way's: real calls carry a large body in one direction only.

    In the experiment a body is encoded and decoded on its way to the server, and the same body once more on its way
    back. So one way saves half, and such a call takes half of the coding less; arithmetic, nothing is measured.

    Args:
        savings: from `saving_table`.
    """
    halves = {name: savings[name] / 2 for name in (*SAVED, "noticed_ns", "codec_ns")}
    return savings.assign(**halves, call_ns=savings["call_ns"] - savings["codec_ns"] / 2)


def is_noticed(saving: Mapping[Any, Any], wait_ns: float = 0.0) -> bool:
    """Return whether a change of codec is noticed in a call, even if it saves as little as its interval allows.

    Args:
        saving: a record of `saving_table`.
        wait_ns: what the call waits for beside what it takes on loopback.
    """
    return bool(saving["verdict"] == FASTER and saving["saved_ns_low"] >= NOTICED * (saving["call_ns"] + wait_ns))


def delayed(calls: pd.DataFrame, waits_ms: Mapping[str, float]) -> pd.DataFrame:
    """Calculate a codec's share of a call that waits for other things too; arithmetic, nothing is measured.

    Args:
        calls: from `call_table`.
        waits_ms: a name → what the call takes longer than on loopback, milliseconds.

    Returns:
        A column for each, shares of 1, on the rows of `calls`.
    """
    return pd.DataFrame({name: calls["codec_ns"] / (calls["call_ns"] + ms * 1e6) for name, ms in waits_ms.items()})


# What else a call may wait for: a connection, and an event loop that another one's body stalls.
#
# From the experiments `connection` and `loop-stall`.

CONNECTION, STALL = "connection", "loop-stall"
KEPT, NEW, RESUMED = "kept", "new", "resumed"
ARMS = (KEPT, NEW, RESUMED)


def connection_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a call takes on each kind of connection, by distance, measured and by formula.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each protocol, distance and arm (kept, new, resumed): `rtt_ms`, `call_ns` with its interval,
        `formula_ns` and round trips as measured and by formula, not a number at distance 0; `saved_ns` by the kept
        connection with its interval, and the verdict on that. Empty where the run lacks the experiment.
    """
    if not _has(rows, CONNECTION):
        return pd.DataFrame()
    arms = wire_arms(rows, CONNECTION)
    records = [_connection_of(arms, arm) for arm in arms.of() if arm.case in ARMS]
    places_of = sorted(records, key=lambda one: (one["protocol"], one["rtt_ms"], ARMS.index(str(one["arm"]))))
    return pd.DataFrame(places_of)


def _connection_of(arms: Arms, arm: ArmFacts) -> dict[str, Any]:
    """Make the record of one arm."""
    call, trips = arms.estimate(arm.name), arms.estimate(arm.name, "round-trips")
    kept, own = f"{KEPT} {arm.under}", arm.name
    formula = arm._replace(case=Case(arm.case, FORMULA)).name
    against = arms.versus(kept, own)
    record: dict[str, Any] = {"protocol": arm.conditions.protocol, "rtt_ms": arm.conditions.rtt_ms}
    record |= {"arm": str(arm.case)}
    record |= {"call_ns": call.value, "call_ns_low": call.low, "call_ns_high": call.high}
    record |= {"formula_ns": arms.value(formula)}
    record |= {"trips": trips.value, "trips_low": trips.low, "trips_high": trips.high}
    record |= {"formula_trips": arms.value(formula, "round-trips")}
    record |= dict(zip(("saved_ns", "saved_ns_low", "saved_ns_high"), arms.saved(kept, own)[:3], strict=True))
    return record | {"verdict": {"less": "faster", "more": "slower"}.get(against.verdict, against.verdict)}


def stall_table(rows: pd.DataFrame, metric: str = "stall-p99") -> pd.DataFrame:
    """Return how late an event loop is while bodies are coded on it, in the coroutine and by a thread.

    Args:
        rows: the tidy table of a run.
        metric: stall-p50, stall-p99 or stall-max.

    Returns:
        One row for each workload and codec, the floors last: `inline_ns` and `thread_ns`, each with an interval and the
        verdict against the baseline in the same way; `to_inline_ratio` of a thread to inline, and the verdict on that,
        not for floors; the lower `bodies_per_s` of the two. Empty where the run lacks the experiment.
    """
    table = wire_table(rows) if is_wire(rows).any() else pd.DataFrame()
    if not _has(rows, STALL):
        return pd.DataFrame()
    kept = table[(table["experiment"] == STALL) & (table["verdict"] != CONTROL)]
    floors = set(kept[kept["verdict"] == FLOOR]["codec"])
    records = []
    for (workload, codec), group in kept.groupby(["workload", "codec"], sort=False):
        found = {row["conditions"]: row for row in group[group["metric"] == metric].to_dict("records")}
        versus = wire_arms(rows, STALL, str(workload)).versus(f"{codec} thread", f"{codec} inline", metric)
        rates = group[group["metric"] == "body-rate"]["value"]
        # Nobody codes in a floor, so both ways are one.
        thread = None if codec in floors else versus
        records.append(_stall_of(str(workload), str(codec), found, thread) | {"bodies_per_s": rates.min()})
    order = pd.DataFrame(records)
    order["is_floor"] = order["codec"].isin(floors)
    sorted_rows = order.sort_values(["workload", "is_floor", "inline_ns"], kind="stable", ignore_index=True)
    return sorted_rows.drop(columns="is_floor")


def _stall_of(workload: str, codec: str, found: dict[str, dict[Any, Any]], thread: Versus | None) -> dict[str, Any]:
    """Make the record of one codec."""
    record: dict[str, Any] = {"workload": workload, "codec": codec}
    for way, row in found.items():
        record |= {f"{way}_ns": row["value"], f"{way}_ns_low": row["value_low"], f"{way}_ns_high": row["value_high"]}
        record |= {f"{way}_verdict": row["verdict"]}
    if thread is None:
        return record
    record |= dict(
        zip(("to_inline_ratio", "to_inline_ratio_low", "to_inline_ratio_high"), thread.ratio[:3], strict=True)
    )
    return record | {"to_inline_verdict": thread.verdict}


def left_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what cancelled calls leave behind and what they still cost.

    Args:
        rows: the tidy table of a run with the experiment `cancel`.

    Returns:
        One row for each transport, arm and metric, its A/A a row of its own: the median with its least and most over
        the workers, since what is left is counted and mostly 0. Empty where the run lacks the experiment.
    """
    if not _has(rows, "cancel"):
        return pd.DataFrame()
    arms = wire_arms(rows, "cancel")
    return pd.DataFrame(
        {"transport": arm.under, "arm": str(arm.case), "metric": metric}
        | {"value": median_of(values).value, "least": min(values.values()), "most": max(values.values())}
        for metric, found in arms.figures.items()
        for arm, values in zip(arms.of(metric), found.values(), strict=True)
    )


def _has(rows: pd.DataFrame, experiment: str) -> bool:
    """Return whether a run holds an experiment."""
    return bool(of_experiment(rows, experiment).any())
