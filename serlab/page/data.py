"""What the page holds, as JSON values: the calculator's figures, the boundaries and the tables."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from serlab.cases import CONTROL, Case
from serlab.decide import COMPRESSORS, VECTORS, Inputs, Run, substitute_of
from serlab.report import (
    CUT,
    IDLE,
    SIZE,
    STEPS,
    TIME,
    TITLES,
    WAYS,
    arms,
    baseline_of,
    control_of,
    curves_of,
    floor_of,
    floor_time,
    front_of,
    group_of,
    heading,
    is_codec,
    is_number,
    look_of,
    middle,
    names_of,
    own,
    points_of,
    scaled,
    show,
    size_of,
    spread_of,
    stands_elsewhere,
    steps_of,
    three_digits,
)
from serlab.stats import RESAMPLES, band, stretch

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
        `inputs`, the fields of `serlab.decide.cost.Inputs`; `processes`: workload → codec → operation → nanoseconds of
        each process, null where it has none; `draws`: number of processes → which of them each resample takes, so that
        intervals, and with them ties, are those of `decide`; and the constants of the model.
    """
    processes, formats = list(run.processes.values()), run.inputs.formats
    counts = _sizes_of(processes)
    return {
        "inputs": msgspec.to_builtins(run.inputs) | {"formats": {name: one._asdict() for name, one in formats.items()}},
        "processes": _by_process(processes),
        "count": len(processes),
        "draws": {n: _draws(n) for n in counts},
        "stretch": {n: stretch(n) for n in counts},
        "resamples": RESAMPLES,
        "control": CONTROL,
        "compressors": COMPRESSORS,
        "stems": _stems(formats),
        "vectors": VECTORS,
    }


def _by_process(processes: Sequence[Inputs]) -> dict[str, dict[str, dict[str, list[float | None]]]]:
    """Lay the times of the processes side by side; twelve digits, far beyond what is measured, keep the page small."""
    found: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for i, inputs in enumerate(processes):
        for workload, place in inputs.workloads.items():
            for codec, figures in place.codecs.items():
                timed = found.setdefault(workload, {}).setdefault(codec, {})
                for operation, value in figures.time_ns.items():
                    timed.setdefault(operation, [None] * len(processes))[i] = float(f"{value:.12g}")
    return found


def _sizes_of(processes: Sequence[Inputs]) -> list[int]:
    """List how many processes a ratio may rest on: all, or where one of them lacks something any smaller number."""
    arms = _by_process(processes)
    whole = all(
        None not in values for codecs in arms.values() for timed in codecs.values() for values in timed.values()
    )
    return [len(processes)] if whole else list(range(1, len(processes) + 1))


def _draws(n: int) -> str:
    """Write the resamples that `serlab.stats.paired_ratio` takes of n processes, a character for each draw."""
    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    return "".join(chr(ZERO + int(one)) for one in drawn.ravel())


def _stems(codecs: Iterable[str]) -> dict[str, str]:
    """Say which codec's figures stand in for a variant's on messages without vectors."""
    return {name: other for name in codecs if (other := substitute_of(name))}


def looks(codecs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return how codecs are drawn: colours on a light and a dark page, and whether the mark is hollow."""
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
        {"name": name, "title": TITLES[name], "rows": len(built[name]), "columns": _columns(built[name])}
        for name in ORDER
        if name in built and len(built[name])
    ]


def _columns(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Lay out the columns of a table; texts that repeat are written once."""
    return [{"name": str(name), **_look_of_column(table, str(name)), **values(table[name])} for name in table.columns]


def _look_of_column(table: pd.DataFrame, name: str) -> dict[str, Any]:
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
        return {"values": [_plain(value) for value in column.tolist()]}
    texts = [None if isinstance(value, float) and math.isnan(value) else str(value) for value in column.tolist()]
    words = list(dict.fromkeys(texts))
    places = {word: i for i, word in enumerate(words)}
    return {"words": words, "codes": [places[text] for text in texts]}


def _plain(value: Any) -> Any:
    """Put None for what JSON cannot say."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


# What the page's figures show: small rows for each workload, of the same figures as `serlab.report.figures` draws.

Panel = dict[str, Any]
"""`workload` ("": of the whole run), `title` and `rows` of one small figure."""

RATIOS = ("encode", "decode", "read-one")
WORK = ("encode", "decode")
MEASURES = {"bytes_per_op": "bytes allocated", "allocations_per_op": "allocations"}


def panels(rows: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> dict[str, list[Panel]]:
    """Gather the panels of every figure.

    Args:
        rows: the tidy table of a run.
        tables: what `serlab.report.build_tables` gave.

    Returns:
        Name of the figure → its panels; none where nothing was measured.
    """
    kept = own(rows)
    makers: dict[str, Callable[[str], Iterator[Panel]]] = {
        "ratios": lambda name: _ratio_panels(tables["time"], name),
        "pareto": lambda name: _pareto_panels(kept, name),
        "access": lambda name: _access_panels(kept, name),
        "memory": lambda name: _memory_panels(tables["memory"], name),
    }
    names = names_of(kept, "workload")
    found = {figure: [panel for name in names for panel in make(name)] for figure, make in makers.items()}
    return found | {"lag": list(_lag_panels(kept))}


def _panel(workload: str, title: str, rows: list[dict[str, Any]]) -> Panel:
    """Make a panel; six digits are more than a screen can show."""
    return {"workload": workload, "title": title, "rows": [_rounded(row) for row in rows]}


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Round a row's figures; one that is not a number is left out."""
    kept = {key: value for key, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in kept.items()}


def _span(low: float, high: float) -> str:
    """Write an interval."""
    return f"{three_digits(low)} to {three_digits(high)}"


def _ratio_panels(time: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Yield the ratios to the baseline, the fastest codec on top."""
    for operation in RATIOS:
        group = group_of(time, workload, operation) if len(time) else time
        floor = floor_of(time, workload, operation) if len(group) else math.nan
        if len(group):
            rows = [_ratio_row(row) for row in group.iloc[::-1].to_dict("records")]
            low = min(row["low"] for row in rows)
            yield _panel(
                workload, operation, [{**row, "floor": floor if floor > low / 4 else math.nan} for row in rows]
            )


def _ratio_row(row: Any) -> dict[str, Any]:
    """Return one bar."""
    low, high = band(row["aa_low"], row["aa_high"])
    tie = " =" if row["verdict"] == "tie" else ""
    return {
        "codec": row["codec"],
        "ratio": row["ratio"],
        "low": row["ratio_low"],
        "high": row["ratio_high"],
        "aa_low": low,
        "aa_high": high,
        "text": f"{three_digits(row['ratio'])}×{tie}",
        "interval": _span(row["ratio_low"], row["ratio_high"]),
        "time": scaled(row["time_ns"], TIME),
    }


def _pareto_panels(rows: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Yield size against the time of encode and decode together."""
    if not {*WORK} <= set(rows[rows["workload"] == workload]["place"]):
        return
    points = points_of(rows, workload, WORK, "raw", baseline_of(rows))
    front = front_of(points)
    found = [
        {
            "codec": codec,
            "bytes": float(size),
            "ns": time.value,
            "low": time.low,
            "high": time.high,
            "front": codec in front,
            "size": scaled(size, SIZE),
            "time": scaled(time.value, TIME),
        }
        for codec, (size, time) in points.items()
    ]
    if found:
        yield _panel(workload, "encode + decode", found)


def _access_panels(rows: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Yield the time to open a message and read a share of its fields."""
    steps = steps_of(rows, workload)
    if len(steps) < 2:
        return
    texts = [STEPS[step].replace("\n", "_") for step in steps]
    found = [
        {"codec": codec, "step": text, "read": text.replace("_", " "), "place": i, "ns": one.value, "low": one.low,
         "high": one.high, "time": scaled(one.value, TIME)}
        for codec, curve in curves_of(rows, workload, baseline_of(rows)).items()
        for i, (text, one) in enumerate(zip(texts, curve, strict=True))
    ]  # fmt: skip
    if found:
        yield _panel(workload, "", found + list(_access_limits(rows, workload, steps, texts)))


def _access_limits(rows: pd.DataFrame, workload: str, steps: list[str], texts: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the baseline's A/A interval and the floor at each step."""
    baseline = baseline_of(rows)
    for i, (step, text) in enumerate(zip(steps, texts, strict=True)):
        group = arms(rows, workload, step)
        control, base = control_of(group, baseline), middle(group.get(Case(baseline), {}))
        low, high = (end * base for end in band(control.low, control.high))
        yield {"kind": "A/A", "step": text, "place": i, "low": low, "high": high}
        yield {"kind": "floor", "step": text, "place": i, "ns": floor_time(group, step)}


def _memory_panels(memory: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Yield what is allocated per operation, what allocates least on top."""
    for operation in WORK if len(memory) else ():
        group = memory[(memory["workload"] == workload) & (memory["operation"] == operation)]
        for column, title in MEASURES.items():
            if column in group and len(group):
                yield _panel(workload, f"{operation}: {title}", _bars(group.sort_values(column, kind="stable"), column))


def _bars(group: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    """Return the bars; one that would leave the others no room is cut off and its figure bears an arrow."""
    values = group[column].fillna(0)
    short = values[values <= CUT * values.median()]
    limit = float(short.max()) if len(short) and short.max() > 0 else 1.0
    found = []
    for codec, value in zip(group["codec"], group[column], strict=True):
        text = show(column, value) if "bytes" in column else three_digits(value)
        length = 0.0 if value != value else float(min(max(value, 0.0), limit * 1.05))
        found.append({"codec": codec, "length": length, "text": f"▸ {text}" if value > limit else text})
    return found


def _lag_panels(rows: pd.DataFrame) -> Iterator[Panel]:
    """Yield how late an event loop is, a panel for each operation and place where bodies are coded."""
    names = names_of(rows[rows["metric"] == "lag-p99"], "workload")
    names.sort(key=lambda name: (size_of(rows, name, baseline_of(rows)), name))
    for way in WAYS:
        for operation in WORK:
            found = [row for name in names for row in _lag_rows(rows, name, f"{operation}/{way}")]
            if found:
                yield _panel("", f"{operation} {WAYS[way]}", found)


def _lag_rows(rows: pd.DataFrame, workload: str, operation: str) -> Iterator[dict[str, Any]]:
    """Yield one workload's lags: of the codecs, of the baseline's second arm, and of a loop without any coding."""
    found = {name: arms(rows, workload, operation, f"lag-{name}") for name in ("p50", "p99", "max")}
    place = {"workload": workload, "size": scaled(size_of(rows, workload, baseline_of(rows)), SIZE)}
    for codec, values in found["p99"].items():
        one = spread_of(values)
        limits = {"low": one.low, "high": one.high}
        if codec == IDLE:
            yield {**place, "kind": "idle", "ns": one.value}
        elif codec.is_again:
            yield {**place, "kind": "A/A", **limits}
        elif is_codec(codec):
            ends = {"median": middle(found["p50"].get(codec, {})), "maximum": middle(found["max"].get(codec, {}))}
            texts = {name: scaled(value, TIME) for name, value in {"time": one.value, **ends}.items()}
            yield {**place, "codec": codec, "ns": one.value, **limits, **texts}
