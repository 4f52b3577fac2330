"""Rows → the four tables: size, time, memory, summary; and those of the load parts where they were measured."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from serlab import records as outcomes
from serlab.cases import AA, BOUNDS, COMPARED, CONTROLS, ELSEWHERE, FLOOR_COPY, FLOOR_STRINGS, Case
from serlab.codecs import codec_for
from serlab.records import COMMON, COMPRESSION, FAILED, UNMEASURED, body_count, why_unmeasured
from serlab.report.formatting import three_digits
from serlab.report.load_test import METRICS, load_tables
from serlab.report.wire_tables import is_wire, wire_table
from serlab.rows import by_case
from serlab.stats import AGAIN, PAIRED, Estimate, geometric_mean, margin, paired_ratio, verdict

# How far from the limit: which lower bound an operation has, if it has one.
#
# | operation | bound |
# | --- | --- |
# | encode, serialize, relay | the copy: that many bytes have to be written |
# | decode, and the access curve where it reads something | the strings: each text that is given out has to be made |
# | stream | both: each chunk is encoded and decoded |
#
# Only an operation that cannot leave the work out has a bound. Others may: a stage leaves it to the next one (populate
# and convert of a library that works on messages themselves, deserialize of a view), a view gives a part of the
# message that it has not read (read-one, where the field is no text), vectors are arrays on the bytes, compression
# writes less.

Values = Mapping[int, float]
"""Process → nanoseconds per message."""

WRITES = ("encode", "serialize", "relay")
UNBOUND_READS = ("read-one", "read-0%")


def floor_values(operation: str, arms: Mapping[Case, Values]) -> dict[int, float]:
    """Return the lower bound of a group.

    Args:
        operation: of the group.
        arms: case → its figures; of an older run also floors that are no bound of the operation.

    Returns:
        Process → nanoseconds per message; empty where the operation has no bound or it was not measured.
    """
    copy, strings = arms.get(FLOOR_COPY, {}), arms.get(FLOOR_STRINGS, {})
    if operation in WRITES:
        return dict(copy)
    if operation == "decode" or (operation.startswith("read-") and operation not in UNBOUND_READS):
        return dict(strings)
    if operation != "stream":
        return {}
    return {process: copy[process] + strings[process] for process in copy.keys() & strings.keys()}


# Rows of two environments, timed by turns in one run → one table: head against base.
#
# The margin is how far this environment strays from itself between two processes of a pair (A/A), as a factor: the end
# of that interval that is farther from 1.


def paired_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare the two environments of a run.

    Args:
        rows: the tidy table.

    Returns:
        One row for each workload, operation and codec that both timed, the largest effects first; empty where the run
        had one environment only.
    """
    times = rows[rows["metric"] == PAIRED]
    codecs = times[times["role"].isin(ELSEWHERE)]["codec"].unique()
    wanted = times[times["case"].isin(codecs)].drop_duplicates(["workload", "place", "case"])
    records = [_record_of(rows, *place) for place in wanted[["workload", "place", "codec"]].itertuples(index=False)]
    table = pd.DataFrame([record for record in records if record["pairs"]])
    if table.empty:
        return table
    effect = table["ratio"].map(lambda ratio: max(ratio, 1 / ratio))
    ranked = table.assign(_tie=table["verdict"] == "tie", _effect=-effect)
    return ranked.sort_values(["_tie", "_effect"], kind="stable", ignore_index=True).drop(columns=["_tie", "_effect"])


def _record_of(rows: pd.DataFrame, workload: str, operation: str, codec: str) -> dict[str, Any]:
    """Compare one codec in one group."""
    group = rows[(rows["workload"] == workload) & (rows["place"] == operation)]
    other = Case(codec).elsewhere
    head, base = _arm(group, codec, PAIRED), _arm(group, other, PAIRED)
    estimate = paired_ratio(head, base)
    control = paired_ratio(_arm(group, codec, AGAIN), head)
    return {
        "workload": workload,
        "operation": operation,
        "codec": codec,
        "base_version": _version_of(group, other),
        "head_version": _version_of(group, codec),
        "base_ns": pd.Series(base, dtype=float).median(),
        "head_ns": pd.Series(head, dtype=float).median(),
        "ratio": estimate.value,
        "ratio_low": estimate.low,
        "ratio_high": estimate.high,
        "margin": margin(control),
        "verdict": verdict(estimate, control),
        "pairs": estimate.n,
    }


def _arm(group: pd.DataFrame, codec: str, metric: str) -> dict[int, float]:
    """Map process to figure."""
    rows = group[(group["case"] == codec) & (group["metric"] == metric)]
    return dict(zip(rows["process"], rows["value"], strict=True))


def _version_of(group: pd.DataFrame, codec: str) -> str:
    """Look up the version of a codec's library."""
    versions = group[group["case"] == codec]["version"]
    return str(versions.iloc[0]) if len(versions) else ""


def own(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out the other environment and the wire, whose figures have tables of their own."""
    return rows[~rows["role"].isin(ELSEWHERE) & ~is_wire(rows)]


def paired_lines(rows: pd.DataFrame) -> list[str]:
    """Say how two environments stand to each other: a line for each difference and one for the ties.

    Args:
        rows: the tidy table.

    Returns:
        The lines; none where the run had one environment only.
    """
    table = paired_table(rows)
    if table.empty:
        return []
    lines = [_line_of(row) for row in table[table["verdict"] != "tie"].to_dict("records")]
    ties = int((table["verdict"] == "tie").sum())
    return ["Head against base, the largest differences first:", *lines, f"{ties} of {len(table)} figures tie"]


def _line_of(row: dict[Any, Any]) -> str:
    """Write one difference with its interval and margin."""
    low, value, high, margin = (three_digits(row[name]) for name in ("ratio_low", "ratio", "ratio_high", "margin"))
    versions = f"{row['base_version']} → {row['head_version']}"
    place = f"{row['workload']} {row['operation']} {row['codec']} {versions}"
    return f"{row['verdict']}: {place}: {value} [{low}, {high}], A/A margin {margin}"


NAMES = ("size", "time", "memory", "summary")
OUTCOMES = {name: name.replace("_", " ") for name in (*outcomes.OUTCOMES, UNMEASURED)}
"""Outcome that costs a codec its figures → how it is shown."""

MEMORY = {
    "allocations": "allocations_per_op",
    "bytes": "bytes_per_op",
    "peak": "peak_bytes",
    "retained": "retained_bytes",
    "growth": "growth_bytes_per_op",
}
"""Metric → column of the memory table."""


def baseline_of(rows: pd.DataFrame) -> str:
    """Name the codec that the ratios stand on: the one with an A/A arm, else the usual one, else the first."""
    again = rows[rows["role"].isin(CONTROLS)]
    if len(again):
        return str(Case(again["codec"].iloc[0], again["role"].iloc[0]).first)
    codecs = [str(name) for name in rows[~rows["role"].isin(BOUNDS)]["case"].unique()]
    usual = codec_for("baseline")
    return usual if usual in codecs or not codecs else codecs[0]


def build_tables(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Build all tables.

    Args:
        rows: the tidy table.

    Returns:
        Table name → table, with units in the column names; empty where nothing was measured. `paired` is there only if
        two environments were timed, `throughput`, `lag` and `wire` only where they were measured.
    """
    paired = paired_table(rows)
    every, rows = rows, own(rows)
    baseline = baseline_of(rows)
    size, time, memory = _size_table(rows, baseline), _time_table(rows, baseline), memory_table(rows)
    summary = _summary_table(rows[~rows["metric"].isin(METRICS)], size, time, memory)
    wired = wire_table(every)
    tables = {"size": size, "time": time, "memory": memory, "summary": summary, **load_tables(rows, baseline)}
    more = {"paired": paired, "wire": wired}
    return tables | {name: table for name, table in more.items() if not table.empty}


def _parity_of(rows: pd.DataFrame, workload: str, codec: str) -> str:
    """Return what became of a workload's bodies in a codec.

    Returns:
        "equal"; what costs the codec its figures, one of the values of `OUTCOMES`; or how many of the bodies a codec
        refused that has figures.
    """
    parity = rows[(rows["place"] == "parity") & (rows["workload"] == workload) & (rows["case"] == codec)]
    counts = dict(zip(parity["metric"], parity["value"], strict=True))
    if bad := why_unmeasured(counts):
        return OUTCOMES[bad]
    return _refused_of(counts) if counts.get("refused") else "equal"


def _refused_of(counts: Mapping[str, float]) -> str:
    """Say how many bodies of how many were refused."""
    return f"{counts['refused']:,.0f} of {body_count(counts):,} refused"


def common_lines(rows: pd.DataFrame) -> list[str]:
    """Say of each workload whose figures are not over all of its bodies, over how many, and who refused the others."""
    parity = rows[rows["place"] == "parity"]
    lines = []
    for workload, group in parity.groupby("workload", sort=False):
        counts = {
            str(codec): dict(zip(one["metric"], one["value"], strict=True)) for codec, one in group.groupby("case")
        }
        measured = {codec: one for codec, one in counts.items() if COMMON in one}
        if not measured:
            continue
        one = next(iter(measured.values()))
        refusing = [f"{codec} {found['refused']:,.0f}" for codec, found in measured.items() if found.get("refused")]
        lines.append(
            f"{workload}: figures are over {one[COMMON]:,.0f} of {body_count(one):,} bodies, those that all codecs "
            f"with figures carry; refused: {', '.join(refusing)}."
        )
    return lines


def without_figures(rows: pd.DataFrame) -> str:
    """Say that no codec of a run has a figure, and why; "" if one has."""
    counts = rows[rows["place"] == "parity"]
    if len(counts) < len(rows) or counts.empty:
        return ""
    pairs = counts[["workload", "case"]].drop_duplicates().itertuples(index=False)
    said = {(str(codec), _parity_of(rows, str(workload), str(codec))) for workload, codec in pairs}
    if {what for _, what in said} == {"equal"}:
        return ""  # Nothing but parity was asked for.
    return f"no codec has a figure: {', '.join(f'{codec} {what}' for codec, what in sorted(said))}"


def _size_table(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Mean bytes per message, raw and compressed, and the raw size against the baseline."""
    sizes = rows[rows["place"] == "size"]
    if sizes.empty:
        return pd.DataFrame()
    wide = sizes.pivot_table(index=["workload", "case"], columns="metric", values="value", sort=False)
    records: list[dict[str, Any]] = []
    for workload, group in wide.groupby(level=0, sort=False):
        base = group["raw"].get((workload, baseline), float("nan"))
        for key, row in group.iterrows():
            cells = {f"{name}_bytes": row[name] for name in ("raw", "gzip", "zstd")}
            records.append({"workload": workload, "codec": key[1], **cells, "raw_ratio": row["raw"] / base})  # type: ignore[index]
    return _ordered(pd.DataFrame(records), "raw_bytes")


def _time_table(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Median time per message, its ratio to the baseline with interval and verdict, and to its lower bound, if any."""
    times = rows[rows["metric"] == "time"]
    if times.empty:
        return pd.DataFrame()
    records = []
    for (workload, operation), group in times.groupby(["workload", "place"], sort=False):
        arms = by_case(group)
        base = arms.get(Case(baseline), {})
        control = paired_ratio(arms.get(Case(baseline, AA), {}), base)
        floor = floor_values(str(operation), arms)
        for codec, values in sorted(arms.items()):
            estimate = paired_ratio(values, base)
            record = {"workload": workload, "operation": operation, "codec": str(codec)}
            record["time_ns"] = pd.Series(values).median()
            record |= _ratio_columns(estimate, control, codec, baseline)
            # What an older run measured beside the bound of an operation is compared with nothing.
            above = paired_ratio({} if codec.is_bound and values != floor else values, floor)
            said = "" if codec.is_bound else verdict(above, control, "less", "more")
            records.append(record | {"times_floor": above.value, "times_floor_verdict": said})
        records += [
            {"workload": workload, "operation": operation, "codec": codec, "verdict": said}
            for codec, said in _died(rows, str(workload)).items()
            if codec not in arms
        ]
    return _ordered(pd.DataFrame(records), "time_ns", ["workload", "operation"])


def _died(rows: pd.DataFrame, workload: str) -> dict[str, str]:
    """Name the codecs whose worker died on a workload, and whether that was their failure."""
    here = rows[rows["metric"].isin([FAILED, UNMEASURED]) & (rows["workload"] == workload) & (rows["value"] > 0)]
    return {str(codec): FAILED if FAILED in set(one["metric"]) else UNMEASURED for codec, one in here.groupby("case")}


def _ratio_columns(estimate: Estimate, control: Estimate, codec: Case, baseline: str) -> dict[str, Any]:
    """Spell out a ratio, and the A/A ratio of its group beside it."""
    names = {Case(baseline): "baseline", Case(baseline, AA): "A/A"}
    said = "floor" if codec.is_bound else names.get(codec) or verdict(estimate, control)
    return {
        "ratio": estimate.value,
        "ratio_low": estimate.low,
        "ratio_high": estimate.high,
        "verdict": said,
        "aa_low": control.low,
        "aa_high": control.high,
        "processes": estimate.n,
    }


def memory_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Allocations, bytes and peak per operation, what its result keeps, and what it leaves behind."""
    figures = rows[rows["metric"].isin(MEMORY)]
    if figures.empty:
        return pd.DataFrame()
    index = ["workload", "operation", "codec"]
    figures = figures[["workload", "place", "case", "metric", "value"]].set_axis([*index, "metric", "value"], axis=1)
    wide = figures.pivot_table(index=index, columns="metric", values="value", sort=False).reset_index()
    wide = wide.rename(columns=MEMORY)
    columns = [*index, *(name for name in MEMORY.values() if name in wide.columns)]
    return _ordered(wide[columns].rename_axis(columns=None), "bytes_per_op", ["workload", "operation"])


def _summary_table(rows: pd.DataFrame, size: pd.DataFrame, time: pd.DataFrame, memory: pd.DataFrame) -> pd.DataFrame:
    """One row per workload and codec, and the geometric mean over the workloads that every codec carries.

    Compression is left out: it is no codec's own work, and the size table has its gain.
    """
    time = time if time.empty else time[~time["operation"].isin(COMPRESSION)]
    codecs = rows[rows["role"].isin(COMPARED)]["case"].unique()
    pairs = rows[["workload", "case"]].drop_duplicates()
    records = []
    for workload in pairs["workload"].unique():
        present = set(pairs[pairs["workload"] == workload]["case"])
        for codec in (codec for codec in codecs if codec in present):
            record = {"workload": workload, "codec": codec, "parity": _parity_of(rows, workload, codec)}
            records.append(record | _summary_cells(workload, codec, size, time, memory))
    table = pd.DataFrame(records)
    return pd.concat([table, _means(table)], ignore_index=True) if len(table) else table


def _summary_cells(
    workload: str, codec: str, size: pd.DataFrame, time: pd.DataFrame, memory: pd.DataFrame
) -> dict[str, Any]:
    """Pick one codec's figures on one workload out of the other tables."""
    cells: dict[str, Any] = {}
    for row in _pick(size, workload, codec):
        cells |= {"raw_bytes": row.raw_bytes, "size_ratio": row.raw_ratio}
    for row in _pick(time, workload, codec):
        name = row.operation.replace("-", "_")
        cells |= {f"{name}_ns": row.time_ns, f"{name}_ratio": row.ratio, f"{name}_verdict": row.verdict}
    for row in _pick(memory, workload, codec):
        cells[f"{row.operation}_allocations"] = row.allocations_per_op
    return cells


def _pick(table: pd.DataFrame, workload: str, codec: str) -> Any:
    """Return a table's rows for one workload and codec."""
    if table.empty:
        return ()
    return table[(table["workload"] == workload) & (table["codec"] == codec)].itertuples()


def _means(table: pd.DataFrame) -> pd.DataFrame:
    """Average each codec's ratios over the workloads that all full codecs carry.

    An operation that some workload does not have, such as `stream`, has no mean.
    """
    by_workload = table.groupby("workload")
    everywhere = [column for column in table.columns if by_workload[column].count().min() > 0]
    ratios = [column for column in everywhere if column.endswith("_ratio")]
    counts = table.dropna(subset=ratios).groupby("codec")["workload"].nunique() if ratios else pd.Series(dtype=int)
    if counts.empty or counts.max() < 2:
        return pd.DataFrame()
    full = counts[counts == counts.max()].index
    records = []
    for codec in (codec for codec in table["codec"].unique() if codec in full):
        rows = table[table["codec"] == codec]
        record: dict[str, Any] = {"workload": f"geometric mean of {counts.max()}", "codec": codec, "parity": ""}
        records.append(record | {column: geometric_mean(list(rows[column].dropna())) for column in ratios})
    return pd.DataFrame(records)


def _ordered(table: pd.DataFrame, by: str, groups: list[str] | None = None) -> pd.DataFrame:
    """Order rows inside each group by a figure, groups as they came."""
    keys = groups or ["workload"]
    rank = table.groupby(keys, sort=False).ngroup()
    return (
        table.assign(_group=rank).sort_values(["_group", by], kind="stable", ignore_index=True).drop(columns="_group")
    )
