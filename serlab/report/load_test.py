"""Rows → the two tables of the load parts, throughput and lag, and their summaries for a terminal."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from serlab.cases import AA, BOUND, Case, Conditions, conditions_from
from serlab.console import literal
from serlab.report.formatting import show
from serlab.rows import by_case
from serlab.stats import Estimate, paired_ratio, verdict

METRICS = ("rate", "byte-rate", "lag-p50", "lag-p99", "lag-max", "lag-rate")
TITLES = {
    "throughput": "Throughput by processes and threads; scaling is the ratio to one of the same",
    "lag": "Lag of an event loop on which 40 bodies per second are coded, seen by a ticker every 1 ms; "
    "ratios are those of the 99th percentile, and a rate below 40 means that the loop could not keep up",
}
CEILING, IDLE = Case("releases GIL", BOUND), Case("idle", BOUND)
"""The floor that scales as far as the machine has free cores."""
ENOUGH = 0.8
"""Share of N that the floor must reach, or the machine is said to be too busy or too small for a claim."""
QUIET_NS = 1_000_000
"""Lag of a loop without any coding above which the machine is said to be too busy; an idle one gave about 150 µs."""

Arms = dict[Case, dict[int, float]]
"""Codec → worker → figure."""


def load_tables(rows: pd.DataFrame, baseline: str) -> dict[str, pd.DataFrame]:
    """Build the tables of the load parts.

    Args:
        rows: the tidy table.
        baseline: the codec that the ratios stand on.

    Returns:
        Name → table, only of what was measured.
    """
    tables = {"throughput": _throughput_table(rows, baseline), "lag": _lag_table(rows, baseline)}
    return {name: table for name, table in tables.items() if not table.empty}


def _groups(rows: pd.DataFrame, metric: str) -> Iterator[tuple[str, str, Conditions, Arms]]:
    """Yield each workload, operation and conditions with its arms, in the order of the rows."""
    chosen = rows[rows["metric"] == metric]
    for (workload, _), group in chosen.groupby(["workload", "place"], sort=False):
        yield str(workload), str(group["operation"].iloc[0]), group["conditions"].iloc[0], by_case(group)


def _throughput_table(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Messages and megabytes per second, the ratio to the baseline, and the ratio of N to one."""
    found = {group[:3]: group[3] for group in _groups(rows, "rate")}
    volumes = {group[:3]: group[3] for group in _groups(rows, "byte-rate")}
    records: list[dict[str, Any]] = []
    for (workload, operation, mode), arms in found.items():
        alone = conditions_from(dict.fromkeys(mode.counts, 1))
        ones = found.get((workload, operation, alone), {})
        place = {"workload": workload, "operation": operation, "mode": mode.text}
        for codec, values in sorted(arms.items(), key=lambda arm: (arm[0].is_bound, -_middle(arm[1]))):
            volume = _middle(volumes.get((workload, operation, mode), {}).get(codec, {})) / 1e6
            record = {**place, "codec": str(codec), "rate_per_s": _middle(values), "megabytes_per_s": volume}
            record |= _ratio_columns(arms, codec, baseline, more_is_better=True)
            records.append(record | _scaling_columns({} if mode == alone else values, ones.get(codec, {})))
    return pd.DataFrame(records)


def _lag_table(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Percentiles of the lag, and the ratio of the 99th to the baseline's."""
    other = {metric: {group[:3]: group[3] for group in _groups(rows, metric)} for metric in METRICS[2:]}
    records: list[dict[str, Any]] = []
    for workload, operation, way, arms in _groups(rows, "lag-p99"):
        place = {"workload": workload, "operation": operation, "way": way.text}
        for codec in sorted(arms, key=lambda codec: (codec.is_bound, _middle(arms[codec]))):
            of = {name: found.get((workload, operation, way), {}) for name, found in other.items()}
            figures = {name: _middle(of[name].get(codec, {})) for name in METRICS[2:]}
            named = {f"{name.replace('-', '_')}_ns": figures[name] for name in METRICS[2:5]}
            record = {**place, "codec": str(codec), **named, "rate_per_s": figures["lag-rate"]}
            records.append(record | _ratio_columns(arms, codec, baseline, more_is_better=False))
    return pd.DataFrame(records)


def _middle(values: dict[int, float]) -> float:
    """Return the median over workers; not a number for none."""
    return float(pd.Series(values, dtype=float).median())


def _ratio_columns(arms: Arms, codec: Case, baseline: str, more_is_better: bool) -> dict[str, Any]:
    """Spell out a ratio to the baseline with its interval, and the A/A ratio of its group beside it."""
    base = arms.get(Case(baseline), {})
    estimate, control = paired_ratio(arms[codec], base), paired_ratio(arms.get(Case(baseline, AA), {}), base)
    return {
        "ratio": estimate.value,
        "ratio_low": estimate.low,
        "ratio_high": estimate.high,
        "verdict": _verdict_of(estimate, control, codec, baseline, more_is_better),
        "aa_low": control.low,
        "aa_high": control.high,
        "workers": estimate.n,
    }


def _verdict_of(estimate: Estimate, control: Estimate, codec: Case, baseline: str, more_is_better: bool) -> str:
    """Say what a codec is to the baseline; nothing of a floor."""
    if codec.is_bound or estimate.n == 0:
        return ""
    if codec == baseline or codec.is_again:
        return "baseline" if codec == baseline else "A/A"
    below, above = ("worse", "better") if more_is_better else ("better", "worse")
    return verdict(estimate, control, below, above)


def _scaling_columns(values: dict[int, float], ones: dict[int, float]) -> dict[str, Any]:
    """Spell out how a rate stands to that with one process or thread; nothing where there is only one."""
    estimate = paired_ratio(values, ones)
    return {"scaling": estimate.value, "scaling_low": estimate.low, "scaling_high": estimate.high}


def load_summaries(rows: pd.DataFrame, baseline: str) -> list[Table]:
    """Build the terminal's summaries of the load parts; empty if none was measured."""
    tables = load_tables(rows, baseline)
    shown, modes = [], {one.text: one.counts for one in rows["conditions"].unique()}
    if "throughput" in tables:
        legend = _throughput_legend(tables["throughput"], modes)
        shown.append(_block(tables["throughput"], legend, partial(_rate_cells, modes)))
    if "lag" in tables:
        shown.append(_block(tables["lag"], _lag_legend(tables["lag"]), _lag_cells))
    return shown


def _throughput_legend(table: pd.DataFrame, modes: Mapping[str, Mapping[str, int]]) -> str:
    """Explain the figures, and say where the machine has too few free cores for a claim."""
    text = "Messages/s of one process; ×proc, ×thre: N processes or threads against one."
    counts = {mode: found["processes"] for mode, found in modes.items() if "processes" in found}
    several = table[table["mode"].map(counts) > 1]
    if several.empty:
        return text + "\nThis machine gives one core: how the codecs scale cannot be measured here."
    count = counts[str(several["mode"].iloc[0])]
    given = float(several[several["codec"] == CEILING]["scaling"].median())
    text += f"\nN = {count}. {CEILING} shows what the machine gives: {given:.2f}×"
    return text + ("." if given >= ENOUGH * count else ", too few free cores to judge how the codecs scale.")


def _lag_legend(table: pd.DataFrame) -> str:
    """Explain the figures, and say where the machine delays the loop by itself."""
    text = "p99 of the event loop's lag while 40 bodies per second are coded on it.\n"
    text += "floor: idle is the loop without any coding; the other floors block for 10 ms."
    own = float(table[table["codec"] == IDLE]["lag_p99_ns"].median())
    if own > QUIET_NS:
        text += f"\nOther programs delay the loop by {show('lag_ns', own)}: no shorter lag can be judged here."
    return text


def _rate_cells(modes: Mapping[str, Mapping[str, int]], group: pd.DataFrame) -> dict[str, str]:
    """Pick a codec's rate and scaling out of its rows."""
    cells = {}
    for row in group.itertuples():
        kind, count = next(iter(modes[str(row.mode)].items()), ("", 0))
        if (kind, count) == ("processes", 1):
            cells[f"{row.operation}\nmsg/s"] = show("rate_per_s", row.rate_per_s)
        elif count > 1:
            cells[f"{row.operation}\n×{kind[:4]}"] = show("scaling", row.scaling)
    return cells


def _lag_cells(group: pd.DataFrame) -> dict[str, str]:
    """Pick a codec's 99th percentiles out of its rows."""
    return {f"{row.operation}\n{row.way}": show("lag_p99_ns", row.lag_p99_ns) for row in group.itertuples()}


def _block(table: pd.DataFrame, legend: str, cells_of: Callable[[pd.DataFrame], dict[str, str]]) -> Table:
    """Lay out one summary: a block per workload, a row per codec."""
    heads = list(dict.fromkeys(head for _, group in table.groupby("codec", sort=False) for head in cells_of(group)))
    shown = Table(title=Text(legend), title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    shown.add_column("workload, codec", max_width=26, overflow="fold")
    for head in heads:
        shown.add_column(head, justify="right", no_wrap=True)
    for workload, group in table.groupby("workload", sort=False):
        shown.add_row(literal(workload, "bold"))
        arms = group[group["verdict"] != "A/A"].groupby("codec", sort=False)
        for number, (codec, arm) in enumerate(arms, 1):
            cells = cells_of(arm)
            shown.add_row(
                literal(f"  {codec}"), *(cells.get(head, "–") for head in heads), end_section=number == len(arms)
            )
    return shown
