"""The tables as Markdown, CSV, LaTeX, HTML and JSON files.

CSV and JSON carry full figures with units in the headers; the others are for reading. Each bears a caption with the
machine, the versions and the number of processes.
"""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.report.load import TITLES as LOAD_TITLES
from serlab.report.tables import build_tables
from serlab.report.units import show
from serlab.results import load_environment, load_results, write_atomically

NOTHING = "Not measured in this run."
TITLES = {
    "size": "Mean bytes per message",
    "time": "Median time per message",
    "memory": "Memory per operation",
    "summary": "Summary: ratios below 1 are smaller or faster than the baseline",
    "paired": "Head against base: ratios below 1 are faster in this environment than in the other",
    **LOAD_TITLES,
}
TEX_SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "µ": r"\textmu{}",
    "–": "--",
    "×": r"$\times$",
}
STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .8rem; }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #8884; white-space: nowrap; }
td.number { text-align: right; }
thead th { position: sticky; top: 0; background: Canvas; border-bottom: 2px solid; }
tr:hover { background: #8882; }
"""


def write_tables(directory: str | Path) -> list[Path]:
    """Write all tables of a run in all formats.

    Args:
        directory: a results folder.

    Returns:
        The files, `tables/NAME.FORMAT`.

    Raises:
        ResultsError: the folder holds no results or cannot be written.
    """
    folder = Path(directory)
    environment = load_environment(folder)
    tables = build_tables(load_results(folder))
    written = []
    for name, table in tables.items():
        for suffix, write in FORMATS.items():
            path = folder / "tables" / f"{name}.{suffix}"
            text = write(table, f"{TITLES[name]}. {caption_of(environment)}")
            write_atomically(path, text.encode())
            written.append(path)
    return written


def caption_of(environment: dict[str, Any]) -> str:
    """Say on what machine and with what versions a run was made."""
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return (
        f"Run {environment['run']} on {environment['cpu']}, {environment['cores']} cores, {environment['os']}, "
        f"{environment['python']}; {environment['processes']} processes per figure; {versions}."
    )


def shown(table: pd.DataFrame) -> list[list[str]]:
    """Give a table's cells as people read them."""
    columns = list(table.columns)
    return [[show(column, value) for column, value in zip(columns, row, strict=True)] for row in table.values.tolist()]


def heading(column: str) -> str:
    """Write a column's name for reading: the unit stands in the cells."""
    return "× floor" if column == "times_floor" else column.removesuffix("_ns").replace("_", " ")


def to_markdown(table: pd.DataFrame, caption: str) -> str:
    """Write GitHub's Markdown."""
    if table.empty:
        return f"{caption}\n\n{NOTHING}\n"
    head = [heading(column) for column in table.columns]
    rule = ["---:" if is_number(table[column]) else "---" for column in table.columns]
    rows = [[cell.replace("|", "\\|") for cell in row] for row in shown(table)]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
    return "\n".join([caption, "", *lines, ""])


def is_number(column: pd.Series) -> bool:
    """Tell whether a column holds figures."""
    return bool(pd.api.types.is_numeric_dtype(column))


def to_csv(table: pd.DataFrame, caption: str) -> str:
    """Write CSV with units in the headers; no caption, since CSV has no comments."""
    return table.to_csv(index=False) if len(table.columns) else ""


def to_json(table: pd.DataFrame, caption: str) -> str:
    """Write an object with the caption and the rows."""
    rows = json.loads(table.to_json(orient="records"))
    return json.dumps({"caption": caption, "rows": rows}, indent=1, ensure_ascii=False) + "\n"


def to_tex(table: pd.DataFrame, caption: str) -> str:
    """Write a LaTeX table in the style of booktabs, to be included by a document that loads booktabs and longtable."""
    if table.empty:
        return f"% {tex(caption)}\n{NOTHING}\n"
    align = "".join("r" if is_number(table[column]) else "l" for column in table.columns)
    head = " & ".join(tex(heading(column)) for column in table.columns) + r" \\"
    rows = [" & ".join(map(tex, row)) + r" \\" for row in shown(table)]
    lines = [rf"\begin{{longtable}}{{{align}}}", rf"\caption{{{tex(caption)}}} \\", r"\toprule", head]
    lines += [r"\midrule", r"\endhead", *rows, r"\bottomrule", r"\end{longtable}", ""]
    return "\n".join(lines)


def tex(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(TEX_SPECIAL.get(character, character) for character in text)


def to_html(table: pd.DataFrame, caption: str) -> str:
    """Write a page of its own, without scripts or anything from elsewhere."""
    body = f"<p>{html.escape(caption)}</p><p>{NOTHING}</p>" if table.empty else html_table(table, caption)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    title = html.escape(caption.split(".")[0])
    return f'<!doctype html><html lang="en"><head>{head}<title>{title}</title></head><body>{body}</body></html>\n'


def html_table(table: pd.DataFrame, caption: str) -> str:
    """Write the table element."""
    head = "".join(f'<th scope="col">{html.escape(heading(column))}</th>' for column in table.columns)
    numbers = [is_number(table[column]) for column in table.columns]
    rows = "".join(f"<tr>{html_cells(row, numbers)}</tr>\n" for row in shown(table))
    parts = f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f"<div><table>{parts}</table></div>"


def html_cells(row: list[str], numbers: list[bool]) -> str:
    """Write the cells of a row; the first names it."""
    cells = [
        f"<td{' class=number' if number else ''}>{html.escape(cell)}</td>"
        for cell, number in zip(row, numbers, strict=True)
    ]
    return f'<th scope="row">{html.escape(row[0])}</th>' + "".join(cells[1:])


FORMATS: dict[str, Callable[[pd.DataFrame, str], str]] = {
    "md": to_markdown,
    "csv": to_csv,
    "tex": to_tex,
    "html": to_html,
    "json": to_json,
}
"""File suffix → writer."""
