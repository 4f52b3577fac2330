"""The tables as Markdown, CSV, LaTeX, HTML and JSON.

CSV and JSON carry full figures with units in the headers; the others are for reading. Each bears a caption with the
machine, the versions and the number of processes, but CSV, which has no place for one: there it is a text of its own.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serlab.folders import write_inside
from serlab.report.cells import is_number, lines, readable
from serlab.report.latex import NOTHING, to_tex
from serlab.report.load import TITLES as LOAD_TITLES
from serlab.report.tables import build_tables, without_figures
from serlab.report.webpage import to_html
from serlab.report.wire import TITLE as WIRE_TITLE
from serlab.results import MACHINE, load_environment, load_results
from serlab.visible import inline, visible

TITLES = {
    "size": "Mean bytes per message",
    "time": "Median time per message",
    "memory": "Memory per operation",
    "summary": "Summary: ratios below 1 are smaller or faster than the baseline",
    "paired": "Head against base: ratios below 1 are faster in this environment than in the other",
    **LOAD_TITLES,
    "wire": WIRE_TITLE,
}
FORMULA = re.compile(r"[=+@\uff1d\uff0b\uff20]|[-\uff0d](?!\d+(\.\d+)?$)")
"""What a spreadsheet computes, in either width; a minus before digits alone is a number's."""
Writer = Callable[[pd.DataFrame, str, Sequence[str] | None], str]
"""Table, caption and columns (None: all) → the file's text."""


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
    environment = load_environment(folder, MACHINE)
    rows = load_results(folder)
    reason = without_figures(rows)
    written = []
    for name, table in build_tables(rows).items():
        caption = titled(name, environment) + (f" Of this run {reason}." if reason else "")
        for suffix, write in FORMATS.items():
            text = write(table, caption, None)
            written.append(write_inside(folder, f"tables/{name}.{suffix}", text.encode()))
    return written


def titled(name: str, environment: dict[str, Any]) -> str:
    """Write a table's caption: what it shows, then where that comes from."""
    return f"{TITLES[name]}. {visible(caption_of(environment))}"


def caption_of(environment: dict[str, Any]) -> str:
    """Say on what machine and with what versions a run was made, and on how many processes and samples it rests."""
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    rounds = environment.get("effort", {}).get("rounds")
    samples = f", up to {rounds} samples in each" if rounds else ""
    return (
        f"Run {environment['run']} on {environment['cpu']}, {environment['cores']} cores, {environment['os']}, "
        f"{environment['python']}; {environment['processes']} processes per figure{samples}; {versions}."
    )


def to_markdown(table: pd.DataFrame, caption: str, columns: Sequence[str] | None = None) -> str:
    """Write GitHub's Markdown."""
    if table.empty:
        return f"{inline(caption)}\n\n{NOTHING}\n"
    shown = readable(table, columns)
    head = [column.heading for column in shown]
    rule = ["---:" if column.is_number else "---" for column in shown]
    rows = [[escaped(cell) for cell in row] for row in [head, *lines(shown)]]
    return "\n".join([inline(caption), "", *(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])), ""])


def escaped(cell: str) -> str:
    """Keep a cell as it is: a bar would end it, stars and backquotes would vanish; no tag, no link."""
    return inline(re.sub(r"[\\|*`]", r"\\\g<0>", cell))


def to_csv(table: pd.DataFrame, caption: str, columns: Sequence[str] | None = None) -> str:
    """Write CSV with units in the headers; no caption, since CSV has no comments."""
    if not len(table.columns):
        return ""
    cut = chosen(table, columns)
    texts = {name: cut[name].map(inert) for name in cut.columns if not is_number(cut[name])}
    return cut.assign(**texts).rename(columns=visible).to_csv(index=False)


def inert(value: Any) -> Any:
    """Keep a text from being a formula in a spreadsheet, which is what CSV is for: an apostrophe shows it as it is.

    Source: OWASP, "CSV Injection".
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if FORMULA.match(text) else text


def to_json(table: pd.DataFrame, caption: str, columns: Sequence[str] | None = None) -> str:
    """Write an object with the caption and the rows."""
    cut = chosen(table, columns)
    rows = json.loads(cut.to_json(orient="records"))
    return json.dumps({"caption": caption, "rows": rows}, indent=1) + "\n"


def chosen(table: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    """Pick columns."""
    return table if columns is None else table[list(columns)]


FORMATS: dict[str, Writer] = {
    "md": to_markdown,
    "csv": to_csv,
    "tex": to_tex,
    "html": to_html,
    "json": to_json,
}
"""File suffix → writer."""
