"""HTML tables: a page of its own, without scripts or anything from elsewhere."""

import html
from collections.abc import Sequence

import pandas as pd

from serlab.report.cells import Column, lines, readable

NOTHING = "Not measured in this run."
STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .8rem; }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #8884; white-space: nowrap; }
th.number, td.number { text-align: right; }
thead th { position: sticky; top: 0; background: Canvas; border-bottom: 2px solid; }
tr:hover { background: #8882; }
"""


def to_html(table: pd.DataFrame, caption: str, columns: Sequence[str] | None = None) -> str:
    """Write a page with one table."""
    shown = readable(table, columns)
    body = f"<p>{html.escape(caption)}</p><p>{NOTHING}</p>" if table.empty else html_table(shown, caption)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    title = html.escape(caption.split(".")[0])
    return f'<!doctype html><html lang="en"><head>{head}<title>{title}</title></head><body>{body}</body></html>\n'


def html_table(columns: Sequence[Column], caption: str) -> str:
    """Write the table element."""
    head = "".join(f'<th scope="col"{kind(column)}>{html.escape(column.heading)}</th>' for column in columns)
    rows = "".join(f"<tr>{html_cells(row, columns)}</tr>\n" for row in lines(columns))
    parts = f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f"<div><table>{parts}</table></div>"


def html_cells(row: Sequence[str], columns: Sequence[Column]) -> str:
    """Write the cells of a row; the first names it."""
    cells = [f"<td{kind(column)}>{html.escape(cell)}</td>" for cell, column in zip(row, columns, strict=True)]
    return f'<th scope="row"{kind(columns[0])}>{html.escape(row[0])}</th>' + "".join(cells[1:])


def kind(column: Column) -> str:
    """Give the class of a cell."""
    return " class=number" if column.is_number else ""
