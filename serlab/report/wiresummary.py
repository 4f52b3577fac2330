"""The experiments on the wire for a terminal."""

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from serlab.report.wireblocks import Block, blocks


def wire_summaries(rows: pd.DataFrame) -> list[Table]:
    """Build what rich prints; empty if nothing was measured on the wire."""
    return [table_of(block) for block in blocks(rows)]


def table_of(block: Block) -> Table:
    """Lay out one block."""
    title = Text(f"{block.experiment}, {block.workload}", style="bold")
    for sentence in block.legend:
        title.append(f"\n{sentence}", "not bold")
    shown = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    shown.add_column("", overflow="fold")
    for head in block.heads:
        shown.add_column(head.replace(", ", "\n"), justify="right")
    for name, cells in block.lines:
        shown.add_row(Text(name, style="" if cells else "bold"), *map(Text, cells))
    return shown
