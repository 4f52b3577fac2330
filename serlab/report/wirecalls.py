"""What a call is made of: the transport alone, and the codec; what another codec would save of it, and who notices.

From the experiment `transport`: a message goes to a server and comes back, beside the same bytes that nobody decodes.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from serlab.report.wire import wire_table
from serlab.stats import CONTROL, FASTER, FLOOR, Estimate, verdict

TRANSPORT = "transport"
TRANSPORTS = {"http": "HTTP/1.1", "http2": "HTTP/2", "grpc": "gRPC"}
"""As rows name them → as people do."""
NOTICED = 0.01
"""Share of a call below which nobody is said to notice a difference."""
BASELINE = "baseline"
IDENTITY = ("workload", "transport", "codec")
COMPARED = ("ratio", "ratio_low", "ratio_high", "verdict", "aa_low", "aa_high")
SHARE = ("codec_share", "codec_share_low", "codec_share_high")


def call_table(rows: pd.DataFrame, inflight: int = 1) -> pd.DataFrame:
    """Split each call into what its bytes cost alone and what coding them adds.

    Args:
        rows: the tidy table of a run.
        inflight: calls at a time.

    Returns:
        One row for each workload, transport and codec: `call_ns` with its interval; `codec_share` with its interval and
        `part_verdict`, a tie where a call and its bytes alone are the same within the A/A spread; the call's
        `transport_ns` and `codec_ns` by that share; ratio to the baseline's call with verdict and A/A interval. Empty
        where the run lacks the experiment.
    """
    table = wire_table(rows)
    if table.empty:
        return table
    under = f"inflight={inflight}"
    here = (table["experiment"] == TRANSPORT) & (table["metric"] == "latency")
    is_arm = ~table["codec"].str.startswith(FLOOR) & ~table["codec"].str.endswith(CONTROL)
    found = table[here & is_arm].to_dict("records")
    return pd.DataFrame([call_of(row) for row in found if under in row["conditions"].split(", ")])


def call_of(row: dict[Any, Any]) -> dict[str, Any]:
    """Make a call's record."""
    record: dict[str, Any] = {"workload": row["workload"], "transport": row["conditions"].partition(", ")[0]}
    record |= {"codec": row["codec"], "call_ns": row["value"]}
    record |= {"call_ns_low": row["value_low"], "call_ns_high": row["value_high"]}
    record |= {name: row[name] for name in SHARE} | {"part_verdict": part_verdict(row)}
    record |= {"codec_ns": row["value"] * row["codec_share"], "transport_ns": row["value"] * (1 - row["codec_share"])}
    return record | {name: row[name] for name in COMPARED}


def part_verdict(row: Mapping[Any, Any]) -> str:
    """Say whether a codec is to be seen in a call at all: against the A/A spread, as any other difference."""
    share, low, high = (row[name] for name in SHARE)
    if share != share:
        return ""
    alone = Estimate(1 - share, 1 - high, 1 - low, int(row["processes"]))
    control = Estimate(1.0, row["aa_low"], row["aa_high"], int(row["aa_low"] == row["aa_low"]))
    return verdict(alone, control, below="more", above="less")


def saving_table(calls: pd.DataFrame) -> pd.DataFrame:
    """Tell what a change from the baseline to the fastest codec saves of a call.

    Args:
        calls: from `call_table`.

    Returns:
        One row for each workload and transport: the fastest codec that is measurably faster than the baseline, or
        where there is none the one with the lowest ratio, whose verdict is then no `faster`; `saved_ns` with its
        interval; `noticed_ns`, the longest call of which that is `NOTICED`, 0 where nothing is saved measurably.
    """
    if calls.empty:
        return calls
    groups = calls.groupby(["workload", "transport"], sort=False)
    return pd.DataFrame([saving_of(group) for _, group in groups if (group["verdict"] == BASELINE).any()])


def saving_of(group: pd.DataFrame) -> dict[str, Any]:
    """Make the record of one workload and transport."""
    base = group[group["verdict"] == BASELINE].iloc[0]
    others = group[(group["verdict"] != BASELINE) & group["ratio"].notna()]
    found = others[others["verdict"] == FASTER]
    found = (found if len(found) else others).sort_values("ratio", kind="stable")
    best: Any = found.iloc[0] if len(found) else base
    names = ("saved_ns", "saved_ns_high", "saved_ns_low")
    saved = {name: base["call_ns"] * (1 - best[ratio]) for name, ratio in zip(names, COMPARED[:3], strict=True)}
    noticed = saved["saved_ns"] / NOTICED if best["verdict"] == FASTER else 0.0
    place = {name: str(best[name]) for name in IDENTITY}
    return {**place, "verdict": best["verdict"], **saved, "noticed_ns": noticed, "call_ns": base["call_ns"]}


def is_noticed(saving: Mapping[Any, Any], wait_ns: float = 0.0) -> bool:
    """Tell whether a change of codec is noticed in a call, even if it saves as little as its interval allows.

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
