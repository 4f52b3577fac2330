"""Tables and sentences of the notebook that asks what a codec is of a whole call."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from serlab.report.cells import percent
from serlab.report.cells import readable as read_cells
from serlab.report.units import TIME, scaled, three_digits
from serlab.report.wirearms import wire_arms
from serlab.report.wirecalls import NOTICED, is_noticed
from serlab.report.wirewaits import STALL
from serlab.stats import FASTER, FLOOR, TIE

BEHIND, NEAR, NOWHERE = "yes, behind a model as well", "yes, but not behind a model", "hardly"
KEPT_PACE = 0.95
"""Share of the fastest pace below which a codec is said not to have kept up."""


def share_texts(calls: pd.DataFrame) -> pd.Series:
    """Write the codec's share of each call with its interval, and `=` where it is a tie with no codec at all.

    Args:
        calls: from `serlab.report.wirecalls.call_table`.
    """
    cells = read_cells(calls, ["codec_share"])[0].cells
    ties = [" =" * (verdict == TIE) for verdict in calls["part_verdict"]]
    return pd.Series([cell + tie for cell, tie in zip(cells, ties, strict=True)], calls.index, dtype=object)


def parts_of(calls: pd.DataFrame, workload: str, transport: str = "http") -> pd.DataFrame:
    """Give the calls of a workload over a transport, each split into its bytes alone and coding them, for display.

    Args:
        calls: from `serlab.report.wirecalls.call_table`.
        workload: whose.
        transport: http, http2 or grpc.
    """
    here = calls[(calls["workload"] == workload) & (calls["transport"] == transport)].set_index("codec")
    columns = {"call_ns": "call", "transport_ns": "bytes alone", "codec_ns": "coding"}
    shown = {columns[name]: read_cells(here, [name])[0].cells for name in columns}
    ratios = read_cells(here, ["ratio"])[0].cells
    return pd.DataFrame({**shown, "codec's share": share_texts(here), "ratio of calls": ratios}, here.index)


def said_of(call: Mapping[Any, Any]) -> str:
    """Say what of a call is codec.

    Args:
        call: a record of `serlab.report.wirecalls.call_table`.
    """
    share = f"{call['codec_share']:.0%} {percent(call['codec_share_low'], call['codec_share_high'])}"
    end = ", a tie with no codec at all." if call["part_verdict"] == TIE else "."
    return f"Of a call of `{call['workload']}`, {scaled(call['call_ns'], TIME)} on loopback, {share} is codec{end}"


def worth(saving: Mapping[Any, Any], baseline: str, wait_ns: float) -> str:
    """Say whether another codec would be noticed.

    Args:
        saving: a record of `serlab.report.wirecalls.saving_table`.
        baseline: the codec that is there.
        wait_ns: what a call waits for its model.
    """
    name, codec = saving["workload"], saving["codec"]
    if saving["verdict"] != FASTER:
        return f"**`{name}`: no.** No codec is measurably faster than `{baseline}` (a tie)."
    saved, longest = (scaled(saving[column], TIME) for column in ("saved_ns", "noticed_ns"))
    answer = BEHIND if is_noticed(saving, wait_ns) else NEAR if is_noticed(saving) else NOWHERE
    return f"**`{name}`: {answer}.** `{codec}` saves {saved}, which is {NOTICED:.0%} of any call up to {longest}."


def stall_sentences(rows: pd.DataFrame, stalls: pd.DataFrame, workload: str, baseline: str) -> list[str]:
    """Say who stalls an event loop, and whether a thread helps.

    Args:
        rows: the tidy table of a run with the experiment `loop-stall`.
        stalls: from `serlab.report.wirewaits.stall_table`.
        workload: of which.
        baseline: the codec that the others are compared with.
    """
    loop = stalls[stalls["workload"] == workload].set_index("codec")
    floor = wire_arms(rows, STALL, workload).versus(f"{baseline} inline", f"{FLOOR}bytes inline", "stall-p99")
    waits: dict[Any, str] = {name: scaled(float(value), TIME) for name, value in loop["inline_ns"].items()}
    return [
        f"With `{baseline}` on `{workload}` others wait {waits[baseline]}, with bytes alone {waits[FLOOR + 'bytes']}, "
        f"and on an idle loop {waits[FLOOR + 'idle']}. Coding against bytes alone: {floor.words('shorter', 'longer')}.",
        *stalls_told_apart(loop, baseline),
    ]


def stalls_told_apart(loop: pd.DataFrame, baseline: str) -> list[str]:
    """Say which codecs stall a loop otherwise than the baseline, or by a thread otherwise than inline."""
    pace = loop["bodies_per_s"]
    found = {
        f"Measurably shorter than with `{baseline}`": loop.index[loop["inline_verdict"] == "faster"],
        f"Measurably longer than with `{baseline}`": loop.index[loop["inline_verdict"] == "slower"],
        "A thread measurably shortens the wait for": loop.index[loop["to_inline_verdict"] == "less"],
        "A thread measurably lengthens it for": loop.index[loop["to_inline_verdict"] == "more"],
    }
    said = [f"{what}: {', '.join(names)}." for what, names in found.items() if len(names)]
    behind = loop.index[pace < KEPT_PACE * pace.max()]
    return [
        *(said or ["Codecs and threads all tie: by whom they stall, this run cannot tell them apart."]),
        *([f"The pace was not kept with: {', '.join(behind)}."] if len(behind) else []),
    ]


def times_codec(savings: pd.DataFrame, at_most_ns: float) -> list[str]:
    """Compare what something saves with the most that a codec may save.

    Args:
        savings: with `saved_ns_low`, which makes the answer "at least", and `verdict`.
        at_most_ns: what a codec may save.

    Returns:
        "81.3×" for each; "–" where nothing is saved measurably, or a codec cannot save anything.
    """
    pairs = zip(savings["saved_ns_low"], savings["verdict"], strict=True)
    is_told = [verdict == FASTER and min(low, at_most_ns) > 0 for low, verdict in pairs]
    ratios = [
        three_digits(low / at_most_ns) if told else ""
        for low, told in zip(savings["saved_ns_low"], is_told, strict=True)
    ]
    return [f"{ratio}×" if ratio else "–" for ratio in ratios]


def kept_sentence(reuse: pd.DataFrame, at_most_ns: Mapping[str, float]) -> str:
    """Say what a kept connection saves at the longest distance, beside what a codec may save.

    Args:
        reuse: what new connections of one protocol take more than kept ones, from
            `serlab.report.wirewaits.connection_table`.
        at_most_ns: workload → what a codec may save of a call.
    """
    far = reuse[reuse["rtt_ms"] == reuse["rtt_ms"].max()]
    one = far.iloc[0]
    if one["verdict"] != FASTER:
        return "**A kept connection did not measurably save anything here.**"
    times = {name: times_codec(far, most)[0] for name, most in at_most_ns.items()}
    beside = [
        f"{ratio} the most that a codec may save of a call of `{name}`" for name, ratio in times.items() if ratio != "–"
    ]
    said = (
        f"At a round trip of {one['rtt_ms']:g} ms a kept one ({one['protocol']}) saves {scaled(one['saved_ns'], TIME)}"
    )
    return f"**Keep connections.** {said}{', at least ' if beside else ''}{' and '.join(beside)}."


def even_at_ms(connections: pd.DataFrame, protocol: str, at_most_ns: float) -> float:
    """Calculate the round trip from which on a kept connection saves more than a codec may.

    Args:
        connections: from `serlab.report.wirewaits.connection_table`.
        protocol: which.
        at_most_ns: what a codec may save.

    Returns:
        Milliseconds; 0 where the connection saves more even without distance, by the lower end of its interval.
    """
    own = connections[connections["protocol"] == protocol]
    near = own[(own["arm"] == "new") & (own["rtt_ms"] == 0)]["saved_ns_low"].clip(lower=0).iloc[0]
    trips = own.dropna(subset=["formula_trips"]).drop_duplicates("arm").set_index("arm")["formula_trips"]
    return max(0.0, float(max(at_most_ns, 0.0) - near) / float(trips["new"] - trips["kept"]) / 1e6)
