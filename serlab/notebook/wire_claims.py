"""Tables and sentences of the notebook that asks what a codec is of a whole call."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.cases import BOUND, BYTES, ZSTD, Case
from serlab.notebook.claims import Claim, compare_arms, most_among
from serlab.report import (
    CONNECTION,
    COUNT,
    FRESH,
    NOTICED,
    POOLING,
    SHARE,
    STALL,
    TRANSPORT,
    VARIANTS,
    Arms,
    baseline_way,
    is_noticed,
    mean_costs,
    of_experiment,
    pairs_of,
    percent,
    three_digits,
    ways_of,
    wire_arms,
    workloads_of,
)
from serlab.report import readable as read_cells
from serlab.results import load_results
from serlab.stats import FASTER, TIE

BEHIND, NEAR, NOWHERE = "yes, behind a model as well", "yes, but not behind a model", "hardly"
ALONE = "http/inflight=1"
"""Conditions of one call at a time over HTTP/1.1."""
KEPT_PACE = 0.95
"""Share of the fastest pace below which a codec is said not to have kept up."""


def share_texts(calls: pd.DataFrame) -> pd.Series:
    """Write the codec's share of each call with its interval, and `=` where it is a tie with no codec at all.

    Args:
        calls: from `serlab.report.wire_calls.call_table`.
    """
    cells = read_cells(calls, ["codec_share"])[0].cells
    ties = [" =" * (verdict == TIE) for verdict in calls["part_verdict"]]
    return pd.Series([cell + tie for cell, tie in zip(cells, ties, strict=True)], calls.index, dtype=object)


def parts_of(calls: pd.DataFrame, workload: str, transport: str = "http") -> pd.DataFrame:
    """Return the calls of a workload over a transport, each split into its bytes alone and coding them, for display.

    Args:
        calls: from `serlab.report.wire_calls.call_table`.
        workload: whose.
        transport: http, http2 or grpc.
    """
    here = calls[(calls["workload"] == workload) & (calls["transport"] == transport)].set_index("codec")
    columns = {"call_ns": "call", "transport_ns": "bytes alone", "codec_ns": "coding"}
    shown = {columns[name]: read_cells(here, [name])[0].cells for name in columns}
    ratios = read_cells(here, ["ratio"])[0].cells
    return pd.DataFrame({**shown, "codec's share": share_texts(here), "ratio of calls": ratios}, here.index)


def said_of(rows: pd.DataFrame, workload: str, codec: str) -> str:
    """Say what of a call over HTTP/1.1 is codec.

    Args:
        rows: the tidy table of a run with the experiment `transport`.
        workload: what is sent.
        codec: that codes it.
    """
    arms = wire_arms(rows, TRANSPORT, workload)
    call = compare_arms(rows, arms, f"{codec} {ALONE}")
    bytes_alone = compare_arms(rows, arms, f"{Case(codec, BYTES)} {ALONE}", f"{codec} {ALONE}")
    share = f"{bytes_alone:1-.0%} {percent(1 - bytes_alone.high, 1 - bytes_alone.low)}"
    end = bytes_alone.words(".", ", for the bytes alone took longer.", ", a tie with no codec at all.")
    return f"Of a call of `{workload}`, {call:ns} on loopback, {share} is codec{end}"


def saved_one_way(rows: pd.DataFrame, saving: Mapping[Any, Any], baseline: str) -> Claim:
    """Claim what a codec saves of a call over HTTP/1.1 that carries its body in one direction: half of an echo's.

    Args:
        rows: the tidy table of a run with the experiment `transport`.
        saving: a record of `serlab.report.wire_calls.saving_table`.
        baseline: the codec that is there.
    """
    arms = wire_arms(rows, TRANSPORT, saving["workload"])
    return compare_arms(rows, arms, f"{saving['codec']} {ALONE}", f"{baseline} {ALONE}", saved=0.5)


def worth(saving: Mapping[Any, Any], baseline: str, wait_ns: float, saved: Claim) -> str:
    """Say whether another codec would be noticed.

    Args:
        saving: a record of `serlab.report.wire_calls.saving_table`.
        baseline: the codec that is there.
        wait_ns: what a call waits for its model.
        saved: what the saving is.
    """
    name, codec = saving["workload"], saving["codec"]
    if saving["verdict"] != FASTER:
        tie = saved.words("", "", " (a tie)")
        return f"**`{name}`: no.** No codec is measurably faster than `{baseline}`{tie}."
    answer = BEHIND if is_noticed(saving, wait_ns) else NEAR if is_noticed(saving) else NOWHERE
    longest = saved._replace(value=saved.value / NOTICED, saved=saved.saved / NOTICED)
    verb = saved.words("saves", "costs", "does not measurably save")
    said = f"`{codec}` {verb} {saved:ns}, at least {saved:low ns}, against `{baseline}`"
    return f"**`{name}`: {answer}.** {said}; {saved:ns} is {NOTICED:.0%} of any call up to {longest:ns}."


def stall_sentences(rows: pd.DataFrame, stalls: pd.DataFrame, workload: str, baseline: str) -> list[str]:
    """Say who stalls an event loop, and whether a thread helps.

    Args:
        rows: the tidy table of a run with the experiment `loop-stall`.
        stalls: from `serlab.report.wire_calls.stall_table`.
        workload: of which.
        baseline: the codec that the others are compared with.
    """
    loop, arms = stalls[stalls["workload"] == workload].set_index("codec"), wire_arms(rows, STALL, workload)

    def stall(name: str, other: str = "") -> Claim:
        """Claim how late the loop is, or its ratio."""
        return compare_arms(rows, arms, name, other, "stall-p99")

    alone, idle_loop = (f"{Case(name, BOUND)} inline" for name in ("bytes", "idle"))
    coding = stall(f"{baseline} inline", alone)
    timed = set(arms.codecs("inline", "stall-p99"))
    codecs = [str(name) for name in loop.index if name in timed]
    inline = {name: stall(f"{name} inline", f"{baseline} inline") for name in codecs if name != baseline}
    thread = {name: stall(f"{name} thread", f"{name} inline") for name in codecs}
    idle = stall(idle_loop)
    return [
        f"With `{baseline}` on `{workload}` others wait {stall(f'{baseline} inline'):ns}, with bytes alone "
        f"{stall(alone):ns}, and on an idle loop {idle:ns}. Coding against bytes alone: "
        f"{coding.words('shorter', 'longer', 'a tie')} ({coding.between()}).",
        *_stalls_told_apart(inline, thread, baseline),
        *_pace_said(loop["bodies_per_s"]),
    ]


def _stalls_told_apart(inline: Mapping[str, Claim], thread: Mapping[str, Claim], baseline: str) -> list[str]:
    """Say which codecs stall a loop otherwise than the baseline, or by a thread otherwise than inline."""
    texts = {
        "shorter": f"Measurably shorter than with `{baseline}`",
        "longer": f"Measurably longer than with `{baseline}`",
        "shortens": "A thread measurably shortens the wait for",
        "lengthens": "A thread measurably lengthens it for",
    }
    words = {f"{name} ": one.words("shorter", "longer", "") for name, one in inline.items()}
    words |= {name: one.words("shortens", "lengthens", "") for name, one in thread.items()}
    found = {text: [name.strip() for name, said in words.items() if said == word] for word, text in texts.items()}
    said = [f"{text}: {', '.join(names)}." for text, names in found.items() if names]
    return said or ["Codecs and threads all tie: by whom they stall, this run cannot tell them apart."]


def _pace_said(pace: pd.Series) -> list[str]:
    """Say with which codecs the pace was not kept."""
    behind = pace.index[pace < KEPT_PACE * pace.max()]
    return [f"The pace was not kept with: {', '.join(behind)}."] if len(behind) else []


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


def kept_sentence(rows: pd.DataFrame, reuse: pd.DataFrame, at_most_ns: Mapping[str, float]) -> str:
    """Say what a kept connection saves at the longest distance, beside what a codec may save.

    Args:
        rows: the tidy table of a run with the experiment `connection`.
        reuse: what new connections of one protocol take more than kept ones, from
            `serlab.report.wire_calls.connection_table`.
        at_most_ns: workload → what a codec may save of a call.
    """
    far = reuse[reuse["rtt_ms"] == reuse["rtt_ms"].max()]
    one = far.iloc[0]
    under = f"{one['protocol']}/rtt={one['rtt_ms']:g}ms"
    saved = compare_arms(rows, wire_arms(rows, CONNECTION), f"kept {under}", f"new {under}", saved=1.0)
    verb = saved.words("saves", "", "")
    if not verb:
        return "**A kept connection did not measurably save anything here.**"
    times = {name: times_codec(far, most)[0] for name, most in at_most_ns.items()}
    beside = [
        f"{ratio} the most that a codec may save of a call of `{name}`" for name, ratio in times.items() if ratio != "–"
    ]
    said = f"At a round trip of {one['rtt_ms']:g} ms a kept one ({one['protocol']}) {verb} {saved:ns}"
    return f"**Keep connections.** {said}{', at least ' if beside else ''}{' and '.join(beside)}."


def even_at_ms(connections: pd.DataFrame, protocol: str, at_most_ns: float) -> float:
    """Calculate the round trip from which on a kept connection saves more than a codec may.

    Args:
        connections: from `serlab.report.wire_calls.connection_table`.
        protocol: which.
        at_most_ns: what a codec may save.

    Returns:
        Milliseconds; 0 where the connection saves more even without distance, by the lower end of its interval.
    """
    own = connections[connections["protocol"] == protocol]
    near = own[(own["arm"] == "new") & (own["rtt_ms"] == 0)]["saved_ns_low"].clip(lower=0).iloc[0]
    trips = own.dropna(subset=["formula_trips"]).drop_duplicates("arm").set_index("arm")["formula_trips"]
    return max(0.0, float(max(at_most_ns, 0.0) - near) / float(trips["new"] - trips["kept"]) / 1e6)


# Rows of a run on the wire: parts that are missing come from the stored run; what they say of a small cache, of reuse.
#
# A user's traffic cannot take every experiment. What is said of a cache stands in two notebooks, from the same rows in
# the same words.


def filled_in(
    rows: pd.DataFrame, wanted: Sequence[str], stored: str | Path = "stored/wire"
) -> tuple[pd.DataFrame, list[str]]:
    """Add from the stored run what this one lacks, so that an argument has all its parts.

    Args:
        rows: of a run.
        wanted: experiments, or parts of them as in "pooling/share"; a part stands behind its experiment.
        stored: the folder of the stored run.

    Returns:
        The rows, and the names of what was added: the notebook has to tell. What the stored run lacks, too, is still
        missing.
    """
    missing: list[str] = []
    for name in wanted:
        if not _is_part(rows, name).any():
            rows = _with_part(rows, load_results(Path(stored)), name)
            missing.append(name)
    return rows, missing


def _is_part(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return which rows are of an experiment, or of a part of one."""
    return of_experiment(rows, name)


def _with_part(rows: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """Add a part of another run, with the sizes of the workloads that only the other run has."""
    part = other[_is_part(other, name)]
    new = set(part["workload"]) - set(rows["workload"])
    sizes = other[(other["place"] == "size") & other["workload"].isin(new)]
    return pd.concat([rows, sizes, part], ignore_index=True)


def small_cache(
    rows: pd.DataFrame, cache: Arms, store: str, capacity: str, model_ns: float
) -> tuple[pd.DataFrame, str]:
    """Return how to keep answers in a cache that has no room for all of them.

    Args:
        rows: the tidy table of the run.
        cache: the experiment `cache`.
        store: memory, lmdb or redis.
        capacity: of the bytes that all answers take as the baseline, as the rows name it: "10%".
        model_ns: what a miss waits for beside the call.

    Returns:
        What a request costs on average (`mean_costs`), and what that says.
    """
    base, table = baseline_way(cache), mean_costs(cache, store, capacity, model_ns)
    arms = {str(name): f"{name} hits/capacity={capacity}" for name in table.index}
    hits = {name: compare_arms(rows, cache, arm, metric="hit-rate") for name, arm in arms.items()}
    cheaper = table[table["verdict"] == "less"]
    if cheaper.empty:
        said = f"No way to keep the answers makes a request measurably cheaper than `{base}`."
    else:
        first = str(cheaper.index[0])
        ratio, low, high = (
            three_digits(float(table[name].to_dict()[first])) for name in ("ratio", "ratio_low", "ratio_high")
        )
        said = (
            f"A request costs least with `{first}`: {ratio} [{low}, {high}] of its cost with `{base}`. "
            f"It hits {hits[first]:.0%}, `{base}` {hits[base]:.0%}."
        )
    compressed = f"{base}{ZSTD}"
    packed = arms.get(compressed)
    if packed is None:
        return table, f"{said} Compressed answers are not measured in this run."
    squeezed = {f"{name}{ZSTD}" for name in hits}
    best = most_among(hit for name, hit in hits.items() if name not in squeezed)
    against = compare_arms(rows, cache, packed, arms[best.codec], "hit-rate")
    return table, (
        f"{said} Compressed, `{base}` hits {hits[compressed]:.0%}, "
        f"{against.words('less than', 'more than', 'as often as')} {best:codec}, the best without compression "
        f"({best:.0%})."
    )


def reuse_claims(rows: pd.DataFrame) -> dict[str, list[Claim]]:
    """Claim how each variant of reuse stands to a fresh object, by pair, for the smallest and the largest messages.

    Args:
        rows: the tidy table of a run with the experiment `pooling`.

    Returns:
        Variant → its claims; without the variants that were not measured.
    """
    found: dict[str, list[Claim]] = {}
    for workload in workloads_of(rows):
        arms = wire_arms(rows, POOLING, workload)
        for variant in VARIANTS:
            claims = [compare_arms(rows, arms, f"{variant} {pair}", f"{FRESH} {pair}") for pair in pairs_of(arms)]
            found.setdefault(variant, []).extend(claim for claim in claims if claim.workloads)
    return {variant: claims for variant, claims in found.items() if claims}


def sharing_claims(rows: pd.DataFrame) -> dict[str, tuple[Claim, Claim]]:
    """Claim what each way to share takes, and how that stands to the plain way.

    Args:
        rows: the tidy table of a run with the parts `share` and `count` of the experiment `pooling`.

    Returns:
        The name of each way that is not the plain one → its time and its ratio.
    """
    return {
        label: (compare_arms(rows, arms, way), compare_arms(rows, arms, way, plain))
        for arms in (wire_arms(rows, f"{POOLING}/{part}") for part in (SHARE, COUNT))
        for label, way, plain in ways_of(arms)
        if way != plain
    }
