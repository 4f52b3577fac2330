"""What the page holds, as JSON values: the calculator's figures, the boundaries and the tables."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from serlab.decide.formats import VECTORS, stand_in
from serlab.decide.model import COMPRESSORS
from serlab.decide.run import Run
from serlab.report.cells import heading, is_number, stands_elsewhere
from serlab.report.export import TITLES
from serlab.report.figures.look import look_of
from serlab.stats import CONTROL, RESAMPLES, stretch

DARK = {"#000000": "#FFFFFF", "#0072B2": "#56A6DC"}
"""Colour of a codec → the one on a dark page, where it could not be seen."""
ZERO = 48
"""Character that stands for 0 in the draws; the next one stands for 1."""
ORDER = ("summary", "size", "time", "memory", "paired", "throughput", "lag", "wire")


def calculator(run: Run) -> dict[str, Any]:
    """Gather what the calculator reads.

    Args:
        run: the run.

    Returns:
        `inputs` as `serlab.decide.model.inputs` gives them; `processes`: workload → codec → operation → nanoseconds of
        each process, null where it has none; `draws`: number of processes → which of them each resample takes, so that
        intervals, and with them ties, are those of `decide`; and the constants of the model.
    """
    processes = list(run.processes.values())
    counts = sizes_of(processes)
    return {
        "inputs": run.inputs,
        "processes": by_process(processes),
        "count": len(processes),
        "draws": {n: draws(n) for n in counts},
        "stretch": {n: stretch(n) for n in counts},
        "resamples": RESAMPLES,
        "control": CONTROL,
        "compressors": COMPRESSORS,
        "stems": stems(run.inputs["formats"]),
        "vectors": VECTORS,
    }


def by_process(processes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, list[float | None]]]]:
    """Lay the times of the processes side by side; twelve digits, far beyond what is measured, keep the page small."""
    found: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for i, inputs in enumerate(processes):
        for workload, place in inputs["workloads"].items():
            for codec, figures in place["codecs"].items():
                timed = found.setdefault(workload, {}).setdefault(codec, {})
                for operation, value in figures["time_ns"].items():
                    timed.setdefault(operation, [None] * len(processes))[i] = float(f"{value:.12g}")
    return found


def sizes_of(processes: Sequence[Mapping[str, Any]]) -> list[int]:
    """List how many processes a ratio may rest on: all, or where one of them lacks something any smaller number."""
    arms = by_process(processes)
    whole = all(
        None not in values for codecs in arms.values() for timed in codecs.values() for values in timed.values()
    )
    return [len(processes)] if whole else list(range(1, len(processes) + 1))


def draws(n: int) -> str:
    """Write the resamples that `serlab.stats.paired_ratio` takes of n processes, a character for each draw."""
    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    return "".join(chr(ZERO + int(one)) for one in drawn.ravel())


def stems(codecs: Iterable[str]) -> dict[str, str]:
    """Say which codec's figures stand in for a variant's on messages without vectors."""
    return {name: other for name in codecs if (other := stand_in(name))}


def looks(codecs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Tell how codecs are drawn: colours on a light and a dark page, and whether the mark is hollow."""
    found = {name: look_of(name) for name in codecs}
    return {
        name: {"light": look.colour, "dark": DARK.get(look.colour, look.colour), "hollow": look.is_variant}
        for name, look in found.items()
    }


def tables(built: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Lay out the tables that have rows.

    Args:
        built: what `serlab.report.build_tables` gave.

    Returns:
        For each its name, its title, its columns as they stand in the CSV, and what is shown of them.
    """
    return [
        {"name": name, "title": TITLES[name], "rows": len(built[name]), "columns": columns(built[name])}
        for name in ORDER
        if name in built and len(built[name])
    ]


def columns(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Lay out the columns of a table; texts that repeat are written once."""
    return [{"name": str(name), **look_of_column(table, str(name)), **values(table[name])} for name in table.columns]


def look_of_column(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Say how a column is shown: under what heading, with which other columns in its cells, or not by itself."""
    known = set(table.columns)
    if stands_elsewhere(table, name):
        return {"heading": ""}
    base = name.removesuffix("_low")
    alone = base != name and base not in known and f"{base}_high" in known
    ends = [name, f"{base}_high"] if alone else [f"{name}_low", f"{name}_high"]
    verdict = name.removesuffix("ratio") + "verdict" if name.endswith("ratio") else f"{name}_verdict"
    said = verdict if verdict in known else ""
    return {
        "heading": heading(base if alone else name),
        "number": is_number(table[name]),
        "interval": ends if set(ends) <= known else [],
        "alone": alone,
        "verdict": said,
    }


def values(column: pd.Series) -> dict[str, Any]:
    """Write the values of a column."""
    if is_number(column):
        return {"values": [plain(value) for value in column.tolist()]}
    texts = [None if isinstance(value, float) and math.isnan(value) else str(value) for value in column.tolist()]
    words = list(dict.fromkeys(texts))
    places = {word: i for i, word in enumerate(words)}
    return {"words": words, "codes": [places[text] for text in texts]}


def plain(value: Any) -> Any:
    """Put None for what JSON cannot say."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
