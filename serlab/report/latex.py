r"""LaTeX tables in the style of booktabs, which break over pages and fit on them.

A table takes the largest letters with which it fits on an upright page of A4, then on one on its side; what is wider
still goes on in a second table with the same first columns. A fragment needs booktabs, longtable and pdflscape;
`standalone` gives a document that any LaTeX compiles. Fonts are Computer Modern in its oldest encoding, since every TeX
has it: an accent is a command, what the encoding lacks is written in mathematics, and what no font of it has as its
Unicode number. So the text is ASCII.

Source: LaTeX's reference manual, "Accents" and `\\`, which takes what follows for its argument if that begins with `[`
or `*`; so do the rules of booktabs.
"""

import unicodedata
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import pandas as pd

from serlab.report.cells import Column, lines, readable
from serlab.visible import visible

NOTHING = "Not measured in this run."
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


def accented(character: str) -> str:
    """Write a letter with one mark; "" if it is none, or the mark has no command."""
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) != 1 or marks[0] not in ACCENTS or not base.isascii():
        return ""
    # An i gives up its dot for a mark above it.
    return f"\\{ACCENTS[marks[0]]}{{{base if base not in 'ij' else chr(92) + base}}}"


LATIN = {one: text for one in map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))) if (text := accented(one))}
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


class Fit(NamedTuple):
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
        return f"% {tex(caption)}\n{NOTHING}\n"
    fit = fit_of([
        column._replace(heading=spelled(column.heading), cells=[*map(spelled, column.cells)])
        for column in readable(table, columns)
    ])  # fmt: skip
    parts = [part(some, caption, i) for i, some in enumerate(fit.parts)]
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


def fit_of(columns: list[Column]) -> Fit:
    """Choose letters, the page's side and how many tables."""
    for aside, room in ((False, UPRIGHT), (True, ASIDE)):
        for letters, size in LETTERS.items():
            if sum(width(column, size) for column in columns) <= room:
                return Fit(letters, aside, [columns])
    letters, size = list(LETTERS.items())[-1]
    return Fit(letters, True, split(columns, size))


def split(columns: list[Column], size: float) -> list[list[Column]]:
    """Spread columns over tables that fit on a page on its side, each beginning with those that name the rows."""
    count = next((i for i, column in enumerate(columns) if column.is_number), len(columns))
    # Where nothing but names stands, there is nothing to repeat.
    keys, rest = (columns[:count], columns[count:]) if count < len(columns) else ([], columns)
    parts = [list(keys)]
    for column in rest:
        if len(parts[-1]) > len(keys) and sum(width(one, size) for one in [*parts[-1], column]) > ASIDE:
            parts.append(list(keys))
        parts[-1].append(column)
    return parts


def width(column: Column, size: float) -> float:
    """Estimate a column's width in points."""
    longest = max(map(len, [*head_lines(column), *column.cells]), default=0)
    return longest * size + 2 * GAP


def head_lines(column: Column) -> list[str]:
    """Break a heading into lines that are no longer than the cells, where it has spaces."""
    room = max(map(len, column.cells), default=0)
    found = [""]
    for word in column.heading.split():
        if len(found[-1]) > 1 and len(found[-1]) + 1 + len(word) > room:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


def part(columns: list[Column], caption: str, number: int) -> str:
    """Write one table."""
    align = "".join("r" if column.is_number else "l" for column in columns)
    head = " & ".join(map(head_of, columns)) + r" \\"
    title = rf"\caption{{{tex(caption)}}} \\" if not number else r"\caption[]{(continued)} \\"
    cells = lines([column._replace(cells=aligned(column)) for column in columns])
    rows = [" & ".join(row) + r" \\" for row in cells]
    starts = starts_of(columns)
    rows = ["\\addlinespace\n" * start + row for start, row in zip(starts, rows, strict=True)]
    first = [title, r"\toprule", head, r"\midrule", r"\endfirsthead"]
    later = [r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endlastfoot"]
    return "\n".join([rf"\begin{{longtable}}{{@{{}}{align}@{{}}}}", *first, *later, *rows, r"\end{longtable}"])


def starts_of(columns: list[Column]) -> list[bool]:
    """Tell which rows begin a group: what stands left of the codec differs from the row above."""
    left = list(takewhile(lambda column: column.heading != "codec" and not column.is_number, columns))
    keys = lines(left) or [()] * max(len(column.cells) for column in columns)
    return [i > 0 and key != keys[i - 1] for i, key in enumerate(keys)]


def aligned(column: Column) -> list[str]:
    """Write a column's cells, in line with each other where some bear the mark of a tie."""
    has_ties = any(cell.endswith(TIED) for cell in column.cells)
    return [tex(cell) + UNTIED * (has_ties and not cell.endswith(TIED)) for cell in column.cells]


def head_of(column: Column) -> str:
    """Write a heading."""
    found = list(map(tex, head_lines(column)))
    side = "r" if column.is_number else "l"
    return found[0] if len(found) == 1 else rf"\shortstack[{side}]{{" + r"\\".join(found) + "}"


def tex(text: str) -> str:
    """Escape what LaTeX would read as a command, and write what its fonts lack."""
    shown = "".join(SPECIAL.get(one, one) for one in spelled(text))
    return f"{{}}{shown}" if shown.lstrip().startswith(ARGUMENTS) else shown


def spelled(text: str) -> str:
    """Write what no font has as its number, so that the width can be estimated; letters with marks as one."""
    return "".join(one if has(one) else f"[U+{ord(one):04X}]" for one in unicodedata.normalize("NFC", visible(text)))


def has(character: str) -> bool:
    """Tell whether a character can be set."""
    return character in SPECIAL or (character.isascii() and character.isprintable())
