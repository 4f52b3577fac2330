"""What else a call may wait for: a connection, and an event loop that another one's body stalls.

From the experiments `connection` and `loop-stall`.
"""

from typing import Any

import pandas as pd

from serlab.report.wire import FORMULA, is_wire, wire_table
from serlab.report.wirearms import Arms, Versus, wire_arms
from serlab.stats import CONTROL, FLOOR, median_of

CONNECTION, STALL = "connection", "loop-stall"
KEPT, NEW, RESUMED = "kept", "new", "resumed"
ARMS = (KEPT, NEW, RESUMED)


def connection_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Give what a call takes on each kind of connection, by distance, measured and by formula.

    Args:
        rows: the tidy table of a run.

    Returns:
        One row for each protocol, distance and arm (kept, new, resumed): `rtt_ms`, `call_ns` with its interval,
        `formula_ns` and round trips as measured and by formula, not a number at distance 0; `saved_ns` by the kept
        connection with its interval, and the verdict on that. Empty where the run lacks the experiment.
    """
    if not has(rows, CONNECTION):
        return pd.DataFrame()
    arms = wire_arms(rows, CONNECTION)
    names = [name.rpartition(" ") for name in arms.figures["latency"]]
    places = dict.fromkeys((under, arm) for arm, _, under in names if arm in ARMS)
    records = [connection_of(arms, under, arm) for under, arm in places]
    places_of = sorted(records, key=lambda one: (one["protocol"], one["rtt_ms"], ARMS.index(str(one["arm"]))))
    return pd.DataFrame(places_of)


def connection_of(arms: Arms, under: str, arm: str) -> dict[str, Any]:
    """Make the record of one arm."""
    protocol, _, distance = under.partition("/")
    call, trips = arms.estimate(f"{arm} {under}"), arms.estimate(f"{arm} {under}", "round-trips")
    kept, own = f"{KEPT} {under}", f"{arm} {under}"
    against = arms.versus(kept, own)
    record = {"protocol": protocol, "rtt_ms": float(distance.removeprefix("rtt=").removesuffix("ms")), "arm": arm}
    record |= {"call_ns": call.value, "call_ns_low": call.low, "call_ns_high": call.high}
    record |= {"formula_ns": arms.value(f"{FORMULA}{arm} {under}")}
    record |= {"trips": trips.value, "trips_low": trips.low, "trips_high": trips.high}
    record |= {"formula_trips": arms.value(f"{FORMULA}{arm} {under}", "round-trips")}
    record |= dict(zip(("saved_ns", "saved_ns_low", "saved_ns_high"), arms.saved(kept, own)[:3], strict=True))
    return record | {"verdict": {"less": "faster", "more": "slower"}.get(against.verdict, against.verdict)}


def stall_table(rows: pd.DataFrame, metric: str = "stall-p99") -> pd.DataFrame:
    """Give how late an event loop is while bodies are coded on it, in the coroutine and by a thread.

    Args:
        rows: the tidy table of a run.
        metric: stall-p50, stall-p99 or stall-max.

    Returns:
        One row for each workload and codec, the floors last: `inline_ns` and `thread_ns`, each with an interval and the
        verdict against the baseline in the same way; `to_inline_ratio` of a thread to inline, and the verdict on that,
        not for floors; the lower `bodies_per_s` of the two. Empty where the run lacks the experiment.
    """
    table = wire_table(rows) if is_wire(rows).any() else pd.DataFrame()
    if not has(rows, STALL):
        return pd.DataFrame()
    kept = table[(table["experiment"] == STALL) & ~table["codec"].str.endswith(CONTROL)]
    records = []
    for (workload, codec), group in kept.groupby(["workload", "codec"], sort=False):
        found = {row["conditions"]: row for row in group[group["metric"] == metric].to_dict("records")}
        versus = wire_arms(rows, STALL, str(workload)).versus(f"{codec} thread", f"{codec} inline", metric)
        rates = group[group["metric"] == "body-rate"]["value"]
        records.append(stall_of(str(workload), str(codec), found, versus) | {"bodies_per_s": rates.min()})
    order = pd.DataFrame(records)
    order["is_floor"] = order["codec"].str.startswith(FLOOR)
    sorted_rows = order.sort_values(["workload", "is_floor", "inline_ns"], kind="stable", ignore_index=True)
    return sorted_rows.drop(columns="is_floor")


def stall_of(workload: str, codec: str, found: dict[str, dict[Any, Any]], thread: Versus) -> dict[str, Any]:
    """Make the record of one codec."""
    record: dict[str, Any] = {"workload": workload, "codec": codec}
    for way, row in found.items():
        record |= {f"{way}_ns": row["value"], f"{way}_ns_low": row["value_low"], f"{way}_ns_high": row["value_high"]}
        record |= {f"{way}_verdict": row["verdict"]}
    if codec.startswith(FLOOR):
        # Nobody codes there, so both ways are one.
        return record
    record |= dict(
        zip(("to_inline_ratio", "to_inline_ratio_low", "to_inline_ratio_high"), thread.ratio[:3], strict=True)
    )
    return record | {"to_inline_verdict": thread.verdict}


def left_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Give what cancelled calls leave behind and what they still cost.

    Args:
        rows: the tidy table of a run with the experiment `cancel`.

    Returns:
        One row for each transport, arm and metric, its A/A a row of its own: the median with its least and most over
        the workers, since what is left is counted and mostly 0. Empty where the run lacks the experiment.
    """
    if not has(rows, "cancel"):
        return pd.DataFrame()
    arms = wire_arms(rows, "cancel")
    return pd.DataFrame(
        {"transport": name.rpartition(" ")[2], "arm": name.rpartition(" ")[0], "metric": metric}
        | {"value": median_of(values).value, "least": min(values.values()), "most": max(values.values())}
        for metric, found in arms.figures.items()
        for name, values in found.items()
    )


def has(rows: pd.DataFrame, experiment: str) -> bool:
    """Tell whether a run holds an experiment."""
    return bool(rows["operation"].str.startswith(f"wire/{experiment}/").any())
