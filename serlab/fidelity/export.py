"""Both matrices as files: fidelity and evolution as Markdown, CSV, LaTeX, HTML and JSON.

Those for reading have a column for each codec; CSV and JSON have one row for each cell, with the whole detail.
"""

import platform
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from serlab.codecs import codec_info
from serlab.fidelity.cells import KEPT, LOSES, MISREADS, MISSING, NO_CASE, READS, REFUSED, REFUSES, Cell, EvolutionCell
from serlab.fidelity.changes import ALLOWED
from serlab.folders import write_inside
from serlab.report import FORMATS

TIDY = ("csv", "json")
NO_DETAIL = {KEPT, READS, NO_CASE, REFUSED, REFUSES, MISSING}
"""Outcomes that say enough where there is little room."""

SHORT = 60
TITLES = {
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
    versions = caption_of(list(dict.fromkeys(cell.codec for cell in fidelity)))
    for name, cells in (("fidelity", fidelity), ("evolution", evolution)):
        tidy, wide = tidy_table(cells), wide_table(cells)
        for suffix, write in FORMATS.items():
            text = write(tidy if suffix in TIDY else wide, f"{TITLES[name]}. {versions}", None)
            written.append(write_inside(directory, f"{name}.{suffix}", text.encode()))
    return written


def caption_of(codecs: Sequence[str]) -> str:
    """Say with what versions the cells were computed."""
    found = {info.package: info.version for info in map(codec_info, codecs) if info.package and info.version}
    libraries = "".join(f", {name} {version}" for name, version in found.items())
    return f"{platform.python_implementation()} {platform.python_version()}{libraries}."


def tidy_table(cells: Sequence[Cell] | Sequence[EvolutionCell]) -> pd.DataFrame:
    """Give one row for each cell."""
    return pd.DataFrame([cell._asdict() for cell in cells])


def wide_table(cells: Sequence[Cell] | Sequence[EvolutionCell]) -> pd.DataFrame:
    """Give one row for each trap or change and direction, one column for each codec."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        codec, name, direction, outcome, detail = cell[:5]
        row = rows.setdefault((direction, name), {"direction": direction, "what": name})
        row[codec] = mark_rule(cell, short(outcome, detail))
    return pd.DataFrame(list(rows.values())).fillna("")


def mark_rule(cell: Cell | EvolutionCell, text: str) -> str:
    """Write behind an outcome that is no right reading that the format's rules forbid the change, or on what terms."""
    said = isinstance(cell, EvolutionCell) and cell.outcome in (LOSES, MISREADS) and cell.rule != ALLOWED
    return f"{text} ({cell.rule})" if said and isinstance(cell, EvolutionCell) else text


def short(outcome: str, detail: str) -> str:
    """Write a cell where there is little room."""
    if outcome in NO_DETAIL or not detail:
        return "" if outcome == NO_CASE else outcome
    text = f"{outcome}: {detail}"
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"
