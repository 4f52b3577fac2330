"""The tables as Markdown, CSV, LaTeX, HTML and JSON.

CSV and JSON carry full figures with units in the headers; the others are for reading. Each bears a caption with the
machine, the versions and the number of processes, but CSV, which has no place for one: there it is a text of its own.
"""

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from serlab.errors import NotMeasuredError, UnknownNameError
from serlab.folders import write_inside
from serlab.report.formatting import Column, is_number, lines, readable
from serlab.report.load_test import TITLES as LOAD_TITLES
from serlab.report.tables import build_tables, without_figures
from serlab.report.wire_tables import TITLE as WIRE_TITLE
from serlab.results import MACHINE, load_environment, load_results
from serlab.visible import inline, visible

# HTML tables: a page of its own, without scripts or anything from elsewhere.

NOTHING = "Not measured in this run."
# The page scrolls and not the table, or its heading could not stay in sight.
STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; width: fit-content; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { position: sticky; left: 1rem; max-width: min(66rem, 100vw - 3rem); text-align: left; padding-bottom: .8rem; }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #8884; white-space: nowrap; }
th.number, td.number { text-align: right; }
thead th { position: sticky; top: 0; background: Canvas; border-bottom: 2px solid; }
tr:hover { background: #8882; }
"""


def _to_html(table: pd.DataFrame, caption: str, columns: Sequence[str] | None = None) -> str:
    """Write a page with one table."""
    shown = readable(table, columns)
    body = f"<p>{html.escape(caption)}</p><p>{NOTHING}</p>" if table.empty else _html_table(shown, caption)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    title = html.escape(caption.split(".")[0])
    return f'<!doctype html><html lang="en"><head>{head}<title>{title}</title></head><body>{body}</body></html>\n'


def _html_table(columns: Sequence[Column], caption: str) -> str:
    """Write the table element."""
    head = "".join(f'<th scope="col"{_kind(column)}>{html.escape(column.heading)}</th>' for column in columns)
    rows = "".join(f"<tr>{_html_cells(row, columns)}</tr>\n" for row in lines(columns))
    parts = f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f"<table>{parts}</table>"


def _html_cells(row: Sequence[str], columns: Sequence[Column]) -> str:
    """Write the cells of a row; the first names it."""
    cells = [f"<td{_kind(column)}>{html.escape(cell)}</td>" for cell, column in zip(row, columns, strict=True)]
    return f'<th scope="row"{_kind(columns[0])}>{html.escape(row[0])}</th>' + "".join(cells[1:])


def _kind(column: Column) -> str:
    """Return the class of a cell."""
    return " class=number" if column.is_number else ""


# LaTeX tables in the style of booktabs, which break over pages and fit on them.
#
# A table takes the largest letters with which it fits on an upright page of A4, then on one on its side; what is wider
# still goes on in a second table with the same first columns. A fragment needs booktabs, longtable and pdflscape;
# `standalone` gives a document that any LaTeX compiles. Fonts are Computer Modern in its oldest encoding, since every
# TeX has it: an accent is a command, what the encoding lacks is written in mathematics, and what no font of it has as
# its Unicode number. So the text is ASCII.
#
# Source: LaTeX's reference manual, "Accents" and `\\`, which takes what follows for its argument if that begins with
# `[` or `*`; so do the rules of booktabs.

SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': "''",
    "µ": r"$\mu$",
    "–": "--",
    "…": r"\dots{}",
    "’": "'",
}
SPECIAL |= {character: f"${character}$" for character in "<>|"}
SPECIAL |= {"×": r"$\times$", "→": r"$\to$", "≤": r"$\le$", "≥": r"$\ge$", "≈": r"$\approx$", "−": "$-$"}
SPECIAL |= {"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}"}
SPECIAL |= {"ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}"}
ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0323\u0327", "`'^~=u.\"rHvdc", strict=True)
)
"""Combining mark → the command that sets it over or under a letter."""


def _accented(character: str) -> str:
    """Write a letter with one mark; "" if it is none, or the mark has no command."""
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) != 1 or marks[0] not in ACCENTS or not base.isascii():
        return ""
    # An i gives up its dot for a mark above it.
    return f"\\{ACCENTS[marks[0]]}{{{base if base not in 'ij' else chr(92) + base}}}"


LATIN = {one: text for one in map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))) if (text := _accented(one))}
"""Letters that LaTeX builds from others in any encoding, and how."""
SPECIAL |= LATIN
ARGUMENTS = ("[", "*")
"""What a cell must not begin with: the command before it would take that for its argument."""

MARGIN_MM = 15
POINTS_PER_MM = 72.27 / 25.4
UPRIGHT, ASIDE = (210 - 2 * MARGIN_MM) * POINTS_PER_MM, (297 - 2 * MARGIN_MM) * POINTS_PER_MM
"""Points between the margins of A4."""
LETTERS = {"normalsize": 5.2, "small": 4.8, "footnotesize": 4.45, "scriptsize": 4.15}
"""Size → a letter's width in points with a little to spare: a digit of Computer Modern takes 5.0, 4.6, 4.3 and 4.0.
Smaller ones cannot be read in print."""
TIED = " ="
UNTIED = r"\phantom{ =}"
"""Stands in for the mark, so that the figures above and below a tie are in line with its own."""
GAP = 3.0
"""Points at each side of a cell."""
PREAMBLE = rf"""\documentclass[a4paper]{{article}}
\usepackage[margin={MARGIN_MM}mm]{{geometry}}
\usepackage{{booktabs,longtable,pdflscape}}
\pagestyle{{empty}}
\begin{{document}}
"""
END = "\\end{document}\n"


class _Fit(NamedTuple):
    """How a table is set.

    Attributes:
        letters: name of the size.
        aside: whether the page lies on its side.
        parts: the columns of each table.
    """

    letters: str
    aside: bool
    parts: list[list[Column]]


def to_tex(table: pd.DataFrame, caption: str, columns: Sequence[str] | None = None) -> str:
    """Write a LaTeX table, to be included by a document that loads booktabs, longtable and pdflscape."""
    if table.empty:
        return f"% {_tex(caption)}\n{NOTHING}\n"
    fit = _fit_of([
        column._replace(heading=_spelled(column.heading), cells=[*map(_spelled, column.cells)])
        for column in readable(table, columns)
    ])  # fmt: skip
    parts = [_part(some, caption, i) for i, some in enumerate(fit.parts)]
    start = [r"\begin{landscape}"] if fit.aside else []
    settings = [
        rf"\begingroup\{fit.letters}",
        rf"\setlength{{\tabcolsep}}{{{GAP:g}pt}}\setlength{{\LTcapwidth}}{{\linewidth}}",
    ]
    end = [r"\end{landscape}"] if fit.aside else []
    return "\n".join([*start, *settings, *parts, r"\endgroup", *end, ""])


def standalone(text: str) -> str:
    """Make a whole document of a fragment."""
    return f"{PREAMBLE}{text}{END}"


def _fit_of(columns: list[Column]) -> _Fit:
    """Choose letters, the page's side and how many tables."""
    for aside, room in ((False, UPRIGHT), (True, ASIDE)):
        for letters, size in LETTERS.items():
            if sum(_width(column, size) for column in columns) <= room:
                return _Fit(letters, aside, [columns])
    letters, size = list(LETTERS.items())[-1]
    return _Fit(letters, True, _split(columns, size))


def _split(columns: list[Column], size: float) -> list[list[Column]]:
    """Spread columns over tables that fit on a page on its side, each beginning with those that name the rows."""
    count = next((i for i, column in enumerate(columns) if column.is_number), len(columns))
    # Where nothing but names stands, there is nothing to repeat.
    keys, rest = (columns[:count], columns[count:]) if count < len(columns) else ([], columns)
    parts = [list(keys)]
    for column in rest:
        if len(parts[-1]) > len(keys) and sum(_width(one, size) for one in [*parts[-1], column]) > ASIDE:
            parts.append(list(keys))
        parts[-1].append(column)
    return parts


def _width(column: Column, size: float) -> float:
    """Estimate a column's width in points."""
    longest = max(map(len, [*_head_lines(column), *column.cells]), default=0)
    return longest * size + 2 * GAP


def _head_lines(column: Column) -> list[str]:
    """Break a heading into lines that are no longer than the cells, where it has spaces."""
    room = max(map(len, column.cells), default=0)
    found = [""]
    for word in column.heading.split():
        if len(found[-1]) > 1 and len(found[-1]) + 1 + len(word) > room:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


def _part(columns: list[Column], caption: str, number: int) -> str:
    """Write one table."""
    align = "".join("r" if column.is_number else "l" for column in columns)
    head = " & ".join(map(_head_of, columns)) + r" \\"
    title = rf"\caption{{{_tex(caption)}}} \\" if not number else r"\caption[]{(continued)} \\"
    cells = lines([column._replace(cells=_aligned(column)) for column in columns])
    rows = [" & ".join(row) + r" \\" for row in cells]
    starts = _starts_of(columns)
    rows = ["\\addlinespace\n" * start + row for start, row in zip(starts, rows, strict=True)]
    first = [title, r"\toprule", head, r"\midrule", r"\endfirsthead"]
    later = [r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endlastfoot"]
    return "\n".join([rf"\begin{{longtable}}{{@{{}}{align}@{{}}}}", *first, *later, *rows, r"\end{longtable}"])


def _starts_of(columns: list[Column]) -> list[bool]:
    """Return which rows begin a group: what stands left of the codec differs from the row above."""
    left = list(takewhile(lambda column: column.heading != "codec" and not column.is_number, columns))
    keys = lines(left) or [()] * max(len(column.cells) for column in columns)
    return [i > 0 and key != keys[i - 1] for i, key in enumerate(keys)]


def _aligned(column: Column) -> list[str]:
    """Write a column's cells, in line with each other where some bear the mark of a tie."""
    has_ties = any(cell.endswith(TIED) for cell in column.cells)
    return [_tex(cell) + UNTIED * (has_ties and not cell.endswith(TIED)) for cell in column.cells]


def _head_of(column: Column) -> str:
    """Write a heading."""
    found = list(map(_tex, _head_lines(column)))
    side = "r" if column.is_number else "l"
    return found[0] if len(found) == 1 else rf"\shortstack[{side}]{{" + r"\\".join(found) + "}"


def _tex(text: str) -> str:
    """Escape what LaTeX would read as a command, and write what its fonts lack."""
    shown = "".join(SPECIAL.get(one, one) for one in _spelled(text))
    return f"{{}}{shown}" if shown.lstrip().startswith(ARGUMENTS) else shown


def _spelled(text: str) -> str:
    """Write what no font has as its number, so that the width can be estimated; letters with marks as one."""
    return "".join(one if _has(one) else f"[U+{ord(one):04X}]" for one in unicodedata.normalize("NFC", visible(text)))


def _has(character: str) -> bool:
    """Return whether a character can be set."""
    return character in SPECIAL or (character.isascii() and character.isprintable())


TITLES = {
    "size": "Mean bytes per message",
    "time": "Median time per message",
    "memory": "Memory per operation",
    "summary": "Summary: ratios below 1 are smaller or faster than the baseline",
    "paired": "Head against base: ratios below 1 are faster in this environment than in the other",
    **LOAD_TITLES,
    "wire": WIRE_TITLE,
}
FORMULA = re.compile(r'(?:^|(?<=[;\t]))(?="*(?:[=+@\uff1d\uff0b\uff20]|[-\uff0d](?!\d+(\.\d+)?$)))')
"""Where what a spreadsheet computes begins, in either width; a minus before digits alone is a number's. In many places
a spreadsheet parts cells at semicolons, and quotes in the middle of a line do not keep it from that."""
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
        caption = _titled(name, environment) + (f" Of this run {reason}." if reason else "")
        for suffix, write in FORMATS.items():
            text = write(table, caption, None)
            written.append(write_inside(folder, f"tables/{name}.{suffix}", text.encode()))
    return written


def _titled(name: str, environment: dict[str, Any]) -> str:
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
    cut = _chosen(table, columns)
    texts = {name: cut[name].map(_inert) for name in cut.columns if not is_number(cut[name])}
    return cut.assign(**texts).rename(columns=_inert).to_csv(index=False)


def _inert(value: Any) -> Any:
    """Keep a text from being a formula in a spreadsheet, which is what CSV is for: an apostrophe shows it as it is.

    Source: OWASP, "CSV Injection".
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return FORMULA.sub("'", text)


def _to_json(table: pd.DataFrame, caption: str, columns: Sequence[str] | None = None) -> str:
    """Write an object with the caption and the rows."""
    cut = _chosen(table, columns)
    rows = json.loads(cut.to_json(orient="records"))
    return json.dumps({"caption": caption, "rows": rows}, indent=1) + "\n"


def _chosen(table: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    """Pick columns."""
    return table if columns is None else table[list(columns)]


FORMATS: dict[str, Writer] = {
    "md": to_markdown,
    "csv": to_csv,
    "tex": to_tex,
    "html": _to_html,
    "json": _to_json,
}
"""File suffix → writer."""


# One table of a run, cut to some rows and columns, as a text.


class Exported(NamedTuple):
    """A table as a text.

    Attributes:
        text: in the format that was asked for.
        caption: what stands above it, and with CSV has to stand elsewhere.
    """

    text: str
    caption: str


def export_table(
    directory: str | Path,
    name: str,
    format_: str = "md",
    selections: Sequence[str] = (),
    columns: Sequence[str] = (),
    whole: bool = False,
) -> Exported:
    """Write one table of a run.

    Args:
        directory: a results folder.
        name: of the table: size, time, memory, summary, paired, throughput, lag.
        format_: md, csv, tex, html or json.
        selections: `COLUMN=VALUE,VALUE`; a row stays if every selection holds it.
        columns: which, in this order; none: all. For reading, a figure brings its interval along.
        whole: a LaTeX document in place of a fragment.

    Returns:
        The text and the caption.

    Raises:
        ResultsError: the folder holds no results.
        NotMeasuredError: the run has no such table, or no row is left.
        UnknownNameError: there is no such table, format, column or value.
    """
    if format_ not in FORMATS:
        raise UnknownNameError.of("format", format_, FORMATS)
    table = select(_table_of(directory, name), selections)
    for column in columns:
        _check("column", column, table.columns)
    caption = _titled(name, load_environment(directory, MACHINE))
    text = FORMATS[format_](table, caption, list(columns) or None)
    return Exported(standalone(text) if whole and format_ == "tex" else text, caption)


def _table_of(directory: str | Path, name: str) -> pd.DataFrame:
    """Build a table that has rows.

    Raises:
        UnknownNameError: there is no such table.
        NotMeasuredError: the run has no rows for it.
    """
    _check("table", name, TITLES)
    rows = load_results(directory)
    tables = build_tables(rows)
    table = tables.get(name, pd.DataFrame())
    if table.empty and (reason := without_figures(rows)):
        raise NotMeasuredError(f"the table {name}: {reason}; `serlab check` lists the bodies")
    if table.empty:
        raise NotMeasuredError.of(
            f"the table {name}", "its rows", _held_by(tables), f"serlab {COMMANDS.get(name, 'compare')}"
        )
    return table


def _held_by(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Name the tables that have rows."""
    return [name for name, table in tables.items() if not table.empty]


COMMANDS = {
    "size": "size",
    "time": "time",
    "memory": "memory",
    "paired": "time --base VENV",
    "throughput": "throughput",
    "lag": "throughput",
    "wire": "wire all",
}
"""Table → the subcommand that measures its rows, `compare` aside."""


def select(table: pd.DataFrame, selections: Iterable[str]) -> pd.DataFrame:
    """Keep the rows that every selection holds.

    Args:
        table: with a column for each selection.
        selections: `COLUMN=VALUE,VALUE`.

    Raises:
        UnknownNameError: no such column or value, or a selection of another form.
        NotMeasuredError: each value is there, but not all together.
    """
    kept = table
    for selection in selections:
        column, sign, text = selection.partition("=")
        if not sign:
            raise UnknownNameError(f"selection {selection!r}: expected COLUMN=VALUE[,VALUE]; "
                                   f"columns are {', '.join(table.columns)}")  # fmt: skip
        _check("column", column, table.columns)
        known = table[column].astype(str)
        values = _values_of(text, set(known))
        for value in values:
            _check(f"{column} in this table", value, known.unique())
        kept = kept[kept[column].astype(str).isin(values)]
    if kept.empty:
        raise NotMeasuredError(f"the selection {' '.join(selections)}: expected rows that hold all of it, got none; "
                               f"leave one out")  # fmt: skip
    return kept.reset_index(drop=True)


def _values_of(text: str, known: set[str]) -> list[str]:
    """Split values at commas, unless the whole is one: a corpus may have a comma in its name."""
    return [text] if text in known else [value.strip() for value in text.split(",")]


def _check(what: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not there.

    Raises:
        UnknownNameError: with what is there.
    """
    names = [str(one) for one in known]
    if name not in names:
        raise UnknownNameError.of(what, name, names)
