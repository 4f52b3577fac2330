"""Both matrices for a terminal: a mark for each cell, and under each table what came back where it was changed."""

import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serlab.codecs import codec_info
from serlab.console import literal
from serlab.fidelity.cells import (
    CHANGED,
    FAILED,
    FOREIGN,
    KEPT,
    LIBRARY,
    LIBRARY_FOREIGN,
    LOSES,
    MISREADS,
    MISSING,
    NO_CASE,
    READS,
    REFUSED,
    REFUSES,
    ROUND_TRIP,
    Cell,
    EvolutionCell,
)
from serlab.fidelity.evolution import ALLOWED, CONDITIONAL, FORBIDDEN, NEW_READER, OLD_READER
from serlab.folders import write_inside
from serlab.report import FORMATS

Cells = Sequence[Cell] | Sequence[EvolutionCell]
MARKS = {
    KEPT: Text("·"),
    REFUSED: Text("R", "yellow"),
    CHANGED: Text("C", "bold red"),
    NO_CASE: Text(""),
    FAILED: Text("F", "bold red"),
    MISSING: Text("?"),
    READS: Text("·"),
    REFUSES: Text("R", "yellow"),
    LOSES: Text("L", "red"),
    MISREADS: Text("M", "bold red"),
}
TOLD = {CHANGED, FAILED, LOSES, MISREADS}
"""Outcomes whose details are listed."""

FIDELITY_KEY = "· kept   R refused   C changed   F failed   ? package missing   blank: the format has no such case"
EVOLUTION_KEY = (
    "· reads   R refuses   L loses a value   M misreads: a wrong value, no error   ? package missing   "
    "(): the format's own rules forbid the change"
)
TITLES = {
    ROUND_TRIP: "Message → bytes → message",
    FOREIGN: "Foreign bytes → message",
    LIBRARY: "The library by itself, value → bytes → value: where it differs from serlab's codec",
    LIBRARY_FOREIGN: "The library by itself, foreign bytes → value: where it differs from serlab's codec",
    OLD_READER: "The schema changes: old reader, new bytes",
    NEW_READER: "The schema changes: new reader, old bytes",
}


def show_matrices(console: Console, fidelity: Sequence[Cell], evolution: Sequence[EvolutionCell]) -> None:
    """Show both matrices.

    Args:
        console: where they are shown.
        fidelity: cells of `fidelity_cells`.
        evolution: cells of `evolution_cells`.
    """
    console.print(FIDELITY_KEY, highlight=False)
    for direction in (ROUND_TRIP, FOREIGN):
        _show_direction(console, [cell for cell in fidelity if cell.direction == direction], "trap")
    for direction, codecs in ((LIBRARY, ROUND_TRIP), (LIBRARY_FOREIGN, FOREIGN)):
        _show_direction(console, _differing(fidelity, direction, codecs), "trap")
    console.print(f"\n{EVOLUTION_KEY}", highlight=False)
    for direction in (OLD_READER, NEW_READER):
        _show_direction(console, [cell for cell in evolution if cell.direction == direction], "change")
    console.print(f"\n{_misread_line(evolution)}", markup=False, highlight=False)


def _misread_line(cells: Sequence[EvolutionCell]) -> str:
    """Say how many misreadings follow changes that the formats' rules allow, allow on a condition, or forbid."""
    counts = Counter(cell.rule for cell in cells if cell.outcome == MISREADS)
    return (
        f"Misread after changes that the format's own rules allow: {counts[ALLOWED]}; that they allow on a condition: "
        f"{counts[CONDITIONAL]}; that they forbid: {counts[FORBIDDEN]}."
    )


def _differing(cells: Sequence[Cell], direction: str, codecs: str) -> list[Cell]:
    """Pick the rows in which a library has another outcome than its codec."""
    outcomes = {(cell.trap, cell.codec): cell.outcome for cell in cells if cell.direction == codecs}
    found = [cell for cell in cells if cell.direction == direction]
    rows = {
        cell.trap for cell in found if cell.outcome not in (NO_CASE, outcomes.get((cell.trap, cell.codec), NO_CASE))
    }
    return [cell for cell in found if cell.trap in rows]


def _show_direction(console: Console, cells: Cells, head: str) -> None:
    """Show the table of one direction: its codecs are numbered, and named above it."""
    if not cells:
        return
    codecs = list(dict.fromkeys(cell.codec for cell in cells))
    marks: dict[str, dict[str, Text]] = {}
    for cell in cells:
        codec, name, _, outcome = cell[:4]
        forbidden = isinstance(cell, EvolutionCell) and cell.rule == FORBIDDEN and outcome in TOLD
        mark = Text.assemble("(", MARKS[outcome], ")") if forbidden else MARKS[outcome]
        marks.setdefault(name, {})[codec] = mark
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(head, overflow="fold")
    for number in range(1, len(codecs) + 1):
        table.add_column(str(number), justify="right")
    for name, row in marks.items():
        table.add_row(literal(name), *(row[codec] for codec in codecs))
    console.print(Text.assemble("\n", (TITLES[cells[0].direction], "bold")))
    console.print(literal("   ".join(f"{i} {codec}" for i, codec in enumerate(codecs, 1))))
    console.print(table)
    for note in _notes(cells):
        console.print(literal(note))


def _notes(cells: Cells) -> list[str]:
    """Say what came back, once for all codecs that gave the same."""
    everyone = len({cell.codec for cell in cells})
    found: dict[tuple[str, str, str], list[str]] = {}
    for cell in cells:
        codec, name, _, outcome, detail = cell[:5]
        if outcome in TOLD:
            found.setdefault((name, outcome, detail), []).append(codec)
    return [
        f"{name}: {outcome} by {'all' if len(codecs) == everyone else ', '.join(codecs)}: {detail}"
        for (name, outcome, detail), codecs in found.items()
    ]


# Both matrices as files: fidelity and evolution as Markdown, CSV, LaTeX, HTML and JSON.
#
# Those for reading have a column for each codec; CSV and JSON have one row for each cell, with the whole detail.

TIDY = ("csv", "json")
NO_DETAIL = {KEPT, READS, NO_CASE, REFUSED, REFUSES, MISSING}
"""Outcomes that say enough where there is little room."""

SHORT = 60
FILE_TITLES = {
    "fidelity": "Fidelity: what becomes of a value",
    "evolution": "Evolution: what becomes of a value when the schema changes",
}


def write_matrices(directory: Path, fidelity: Sequence[Cell], evolution: Sequence[EvolutionCell]) -> list[Path]:
    """Write both matrices in all formats.

    Args:
        directory: a folder; it is made where it is missing.
        fidelity: cells of `fidelity_cells`.
        evolution: cells of `evolution_cells`.

    Returns:
        The files.

    Raises:
        ResultsError: the folder cannot be written.
    """
    written = []
    versions = _caption_of(list(dict.fromkeys(cell.codec for cell in fidelity)))
    for name, cells in (("fidelity", fidelity), ("evolution", evolution)):
        tidy, wide = _tidy_table(cells), _wide_table(cells)
        for suffix, write in FORMATS.items():
            text = write(tidy if suffix in TIDY else wide, f"{FILE_TITLES[name]}. {versions}", None)
            written.append(write_inside(directory, f"{name}.{suffix}", text.encode()))
    return written


def _caption_of(codecs: Sequence[str]) -> str:
    """Say with what versions the cells were computed."""
    found = {info.package: info.version for info in map(codec_info, codecs) if info.package and info.version}
    libraries = "".join(f", {name} {version}" for name, version in found.items())
    return f"{platform.python_implementation()} {platform.python_version()}{libraries}."


def _tidy_table(cells: Sequence[Cell] | Sequence[EvolutionCell]) -> pd.DataFrame:
    """Return one row for each cell."""
    return pd.DataFrame([cell._asdict() for cell in cells])


def _wide_table(cells: Sequence[Cell] | Sequence[EvolutionCell]) -> pd.DataFrame:
    """Return one row for each trap or change and direction, one column for each codec."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        codec, name, direction, outcome, detail = cell[:5]
        row = rows.setdefault((direction, name), {"direction": direction, "what": name})
        row[codec] = _mark_rule(cell, _short(outcome, detail))
    return pd.DataFrame(list(rows.values())).fillna("")


def _mark_rule(cell: Cell | EvolutionCell, text: str) -> str:
    """Write behind an outcome that is no right reading that the format's rules forbid the change, or on what terms."""
    said = isinstance(cell, EvolutionCell) and cell.outcome in (LOSES, MISREADS) and cell.rule != ALLOWED
    return f"{text} ({cell.rule})" if said and isinstance(cell, EvolutionCell) else text


def _short(outcome: str, detail: str) -> str:
    """Write a cell where there is little room."""
    if outcome in NO_DETAIL or not detail:
        return "" if outcome == NO_CASE else outcome
    text = f"{outcome}: {detail}"
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"
