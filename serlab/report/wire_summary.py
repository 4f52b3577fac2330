"""The experiments on the wire for a terminal: block by block, or, where these are many, a line each."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from serlab.cases import BYTES, Case
from serlab.report.formatting import in_unit, three_digits
from serlab.report.wire_tables import CONTROL
from serlab.stats import band

# The experiments on the wire as blocks that a terminal and a page can show: one for each experiment and workload.
#
# Where arms meet under several conditions, conditions are the columns. Where each condition has arms of its own, as
# the forms of a stream do, or several metrics, every arm has a line.

WIDEST = 6
"""Conditions that fit beside each other."""
BUSY = 0.9
"""Share of a core above which the client is said to be the bottleneck."""


class Block(NamedTuple):
    """One experiment on one workload.

    Attributes:
        experiment: its name.
        workload: the messages' workload.
        legend: sentences that explain the figures.
        heads: of the columns after the first.
        lines: the first column's text and the cells; no cells where the line heads those below it.
    """

    experiment: str
    workload: str
    legend: list[str]
    heads: list[str]
    lines: list[tuple[str, list[str]]]


def blocks(table: pd.DataFrame) -> list[Block]:
    """Build the blocks.

    Args:
        table: what `serlab.report.wire_tables.wire_table` gave.

    Returns:
        One for each experiment and workload; empty if nothing was measured on the wire.
    """
    if table.empty:
        return []
    alone = {Case(str(name), BYTES) for name in table["codec"].unique()}
    kept = table[(table["verdict"] != CONTROL) & ~table["codec"].isin(alone)]
    groups = kept.groupby(["experiment", "workload"], sort=False)
    return [_block(str(experiment), str(workload), group) for (experiment, workload), group in groups]


def _block(experiment: str, workload: str, group: pd.DataFrame) -> Block:
    """Lay out one experiment on one workload."""
    metrics = [str(name) for name in group["metric"].unique()]
    conditions = [str(name) for name in group["conditions"].unique()]
    # What holds under all conditions, such as the size of a body, is a column beside theirs.
    crossing = group[group["conditions"] != ""]
    is_crossed = crossing["metric"].nunique() == 1 and 1 < len(conditions) <= WIDEST
    is_crossed = is_crossed and group["codec"].nunique() * 2 <= len(group)
    heads = [name or _metric_without_conditions(group) for name in conditions] if is_crossed else metrics
    lines = _crossed(group, conditions) if is_crossed else _listed(group, metrics)
    return Block(experiment, workload, _legend(group), heads, list(lines))


def _metric_without_conditions(group: pd.DataFrame) -> str:
    """Name the metric of the rows that hold under all conditions."""
    return str(group[group["conditions"] == ""]["metric"].iloc[0])


def _legend(group: pd.DataFrame) -> list[str]:
    """Explain the figures, and say where the client was what was waited for."""
    said = []
    bases = [str(name) for name in group[group["verdict"] == "baseline"]["codec"].unique()]
    if bases:
        said.append(f"Ratios to {' or '.join(bases)}, whose own figures stand there; = is a tie.")
    if group["codec_share"].notna().any():
        said.append("% is the codec's share of the call, on both sides of it.")
    busiest = group[group["verdict"] != "floor"]["client_cpu_share"].max()
    if busiest >= BUSY:
        said.append(f"The client's core is busy up to {100 * busiest:.0f} % of the time: it is the limit there.")
    return said


def _crossed(group: pd.DataFrame, conditions: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Put conditions side by side."""
    cells = {(row["codec"], row["conditions"]): row for row in group.to_dict("records")}
    for codec in group["codec"].unique():
        found = [cells.get((codec, condition)) for condition in conditions]
        yield str(codec), ["–" if row is None else _short(row) for row in found]


def _listed(group: pd.DataFrame, metrics: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Return a line for each arm, with a column for each metric."""
    for condition, part in group.groupby("conditions", sort=False):
        if condition:
            yield str(condition), []
        cells = {(row["codec"], row["metric"]): row for row in part.to_dict("records")}
        for codec in part["codec"].unique():
            found = [cells.get((codec, metric)) for metric in metrics]
            yield f"  {codec}", ["–" if row is None else _full(row) for row in found]


def _short(row: dict[Any, Any]) -> str:
    """Write a ratio, or the figure itself where there is none, with the codec's share."""
    has_ratio = row["ratio"] == row["ratio"] and row["verdict"] != "baseline"
    text = _ratio_of(row) if has_ratio else in_unit(row["value"], row["unit"])
    share = row["codec_share"]
    return text if share != share else f"{text} {100 * share:.0f}%"


def _full(row: dict[Any, Any]) -> str:
    """Write a figure, and its ratio where that says something."""
    text = in_unit(row["value"], row["unit"])
    if row["ratio"] != row["ratio"] or row["verdict"] in ("baseline", "floor", "formula"):
        return text
    return f"{text}  {_ratio_of(row)}"


def _ratio_of(row: dict[Any, Any]) -> str:
    """Write a ratio, marked where it is a tie."""
    return f"{three_digits(row['ratio'])}×" + ("=" if row["verdict"] == "tie" else " ")


# The experiments on the wire in a line each: how much ties, and what differs most either way.

FIRST = ("latency", "stall-p99", "stop-lag")
"""The metric that an experiment is told by: the first of these that it has."""
COMPARED = ("tie", "faster", "slower", "less", "more")


class Digest(NamedTuple):
    """One experiment on one workload.

    Attributes:
        experiment: its name.
        workload: the messages' workload.
        baseline: what is compared with; several where groups differ.
        compared: how many figures have a verdict.
        ties: how many of them are ties.
        least: the arm with the smallest ratio that is no tie, with its conditions; "" where all tie.
        most: the one with the largest.
        share: the codec's share of a call, from the smallest to the largest; "" where it was not measured.
        noise: by how much the baseline differs from itself (A/A), as a share, in the group where it does so most.
        noisiest: that group's conditions.
    """

    experiment: str
    workload: str
    baseline: str
    compared: int
    ties: int
    least: str
    most: str
    share: str
    noise: float
    noisiest: str


def digests(table: pd.DataFrame) -> list[Digest]:
    """Sum up each experiment on each workload.

    Args:
        table: what `serlab.report.wire_tables.wire_table` gave.

    Returns:
        The lines; empty if nothing was measured on the wire.
    """
    if table.empty:
        return []
    groups = table.groupby(["experiment", "workload"], sort=False)
    return [_digest(str(experiment), str(workload), group) for (experiment, workload), group in groups]


def _digest(experiment: str, workload: str, group: pd.DataFrame) -> Digest:
    """Sum up one experiment by its first metric."""
    metrics = set(group["metric"])
    metric = next((name for name in FIRST if name in metrics), min(metrics))
    chosen = group[group["metric"] == metric]
    compared = chosen[chosen["verdict"].isin(COMPARED)]
    differs = compared[compared["verdict"] != "tie"].sort_values("ratio", kind="stable").to_dict("records")
    below = [row for row in differs if row["ratio"] < 1]
    above = [row for row in differs if row["ratio"] > 1]
    bases = ", ".join(map(str, chosen[chosen["verdict"] == "baseline"]["codec"].unique()))
    texts = (_named(below[0]) if below else "", _named(above[-1]) if above else "")
    counts = (len(compared), len(compared) - len(differs))
    return Digest(experiment, workload, bases, *counts, *texts, _share_of(chosen), *_noise_of(compared))


def _noise_of(compared: pd.DataFrame) -> tuple[float, str]:
    """Return how far a baseline strays from itself where it does so most among what is compared, and where that is."""
    found = compared.dropna(subset=["aa_low"]).to_dict("records")
    off = [(band(row["aa_low"], row["aa_high"])[1] - 1, str(row["conditions"])) for row in found]
    return max(off, default=(float("nan"), ""))


def _named(row: dict[Any, Any]) -> str:
    """Name an arm with its ratio."""
    ends = f"[{three_digits(row['ratio_low'])}, {three_digits(row['ratio_high'])}]"
    where = f" ({row['conditions']})" if row["conditions"] else ""
    return f"{row['codec']} {three_digits(row['ratio'])}× {ends}{where}"


def _share_of(chosen: pd.DataFrame) -> str:
    """Write the range of the codec's share of a call; what cannot be seen is 0."""
    found = chosen[chosen["verdict"] != CONTROL]["codec_share"].dropna().clip(lower=0)
    if found.empty:
        return ""
    low, high = (f"{100 * value:.0f}" for value in (found.min(), found.max()))
    return f"{low} %" if low == high else f"{low} to {high} %"


MOST_LINES = 60
"""Of all blocks together that are shown; of more a reader sees the end only."""


def wire_summaries(table: pd.DataFrame) -> list[Table]:
    """Build what rich prints of the table of the wire; empty if nothing was measured there."""
    found = blocks(table)
    if sum(len(block.lines) for block in found) <= MOST_LINES:
        return [_table_of(block) for block in found]
    return [_digest_table(digests(table))]


def _digest_table(found: list[Digest]) -> Table:
    """Lay out a line for each experiment and workload, and what differs most below it."""
    text = Text("On the wire: what differs most from each experiment's baseline, beyond the noise\n", style="bold")
    text.append("Each experiment in full: serlab export DIR --table wire --select experiment=NAME", "not bold")
    shown = Table(title=text, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    for head, style in (("experiment, workload", "left"), ("ties", "right"), ("A/A", "right")):
        shown.add_column(head, justify=style, overflow="fold")  # type: ignore[arg-type]
    shown.add_column("smallest ratio, largest ratio", overflow="fold")
    for one in found:
        name = Text(f"{one.experiment}\n", style="bold").append(f"{one.workload}, against {one.baseline}", "not bold")
        share = f"codec's share of a call: {one.share}" if one.share else ""
        noisiest = f"A/A is widest in: {one.noisiest}" if one.noisiest else ""
        ends = "\n".join([*filter(None, (one.least, one.most, share))] or ["nothing"])
        ends = f"{ends}\n{noisiest}" if noisiest else ends
        shown.add_row(name, f"{one.ties} of {one.compared}", _percent(one.noise), Text(ends), end_section=True)
    return shown


def _percent(noise: float) -> str:
    """Write how far a baseline strays from itself at most."""
    return "–" if noise != noise else f"≤ {100 * noise:.0f} %"


def _table_of(block: Block) -> Table:
    """Lay out one block."""
    title = Text(f"{block.experiment}, {block.workload}", style="bold")
    for sentence in block.legend:
        title.append(f"\n{sentence}", "not bold")
    shown = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    # Names of codecs stay whole; conditions, which head lines, are long enough to take the room of the figures.
    shown.add_column("", overflow="fold", no_wrap=all(cells for _, cells in block.lines))
    for head in block.heads:
        shown.add_column(Text(head.replace(", ", "\n").replace("=", "\n=")), justify="right", overflow="fold")
    for name, cells in block.lines:
        shown.add_row(Text(name, style="" if cells else "bold"), *map(Text, cells))
    return shown
