"""The experiments on the wire for a terminal: block by block, or, where these are many, a line each."""

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from serlab.report.wireblocks import Block, blocks
from serlab.report.wiredigest import Digest, digests

MOST_LINES = 60
"""Of all blocks together that are shown; of more a reader sees the end only."""


def wire_summaries(table: pd.DataFrame) -> list[Table]:
    """Build what rich prints of the table of the wire; empty if nothing was measured there."""
    found = blocks(table)
    if sum(len(block.lines) for block in found) <= MOST_LINES:
        return [table_of(block) for block in found]
    return [digest_table(digests(table))]


def digest_table(found: list[Digest]) -> Table:
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
        shown.add_row(name, f"{one.ties} of {one.compared}", percent(one.noise), Text(ends), end_section=True)
    return shown


def percent(noise: float) -> str:
    """Write how far a baseline strays from itself at most."""
    return "–" if noise != noise else f"≤ {100 * noise:.0f} %"


def table_of(block: Block) -> Table:
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
