"""What the page's figures show: small rows for each workload, of the same figures as `serlab.report.figures` draws."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from serlab.report.figures.access import STEPS, curves_of, steps_of
from serlab.report.figures.data import arms, control_of, floor_time, is_codec, middle, names_of
from serlab.report.figures.lag import IDLE, WAYS, size_of, spread_of
from serlab.report.figures.memory import CUT
from serlab.report.figures.pareto import front_of, points_of
from serlab.report.figures.ratios import floor_of, group_of
from serlab.report.paired import own
from serlab.report.tables import baseline_of
from serlab.report.units import SIZE, TIME, scaled, show, three_digits
from serlab.stats import CONTROL, band

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
        "ratios": lambda name: ratio_panels(tables["time"], name),
        "pareto": lambda name: pareto_panels(kept, name),
        "access": lambda name: access_panels(kept, name),
        "memory": lambda name: memory_panels(tables["memory"], name),
    }
    names = names_of(kept, "workload")
    found = {figure: [panel for name in names for panel in make(name)] for figure, make in makers.items()}
    return found | {"lag": list(lag_panels(kept))}


def panel(workload: str, title: str, rows: list[dict[str, Any]]) -> Panel:
    """Make a panel; six digits are more than a screen can show."""
    return {"workload": workload, "title": title, "rows": [rounded(row) for row in rows]}


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Round a row's figures; one that is not a number is left out."""
    kept = {key: value for key, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in kept.items()}


def span(low: float, high: float) -> str:
    """Write an interval."""
    return f"{three_digits(low)} to {three_digits(high)}"


def ratio_panels(time: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Give the ratios to the baseline, the fastest codec on top."""
    for operation in RATIOS:
        group = group_of(time, workload, operation) if len(time) else time
        floor = floor_of(time, workload, operation) if len(group) else math.nan
        if len(group):
            rows = [ratio_row(row) for row in group.iloc[::-1].to_dict("records")]
            low = min(row["low"] for row in rows)
            yield panel(workload, operation, [{**row, "floor": floor if floor > low / 4 else math.nan} for row in rows])


def ratio_row(row: Any) -> dict[str, Any]:
    """Give one bar."""
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
        "interval": span(row["ratio_low"], row["ratio_high"]),
        "time": scaled(row["time_ns"], TIME),
    }


def pareto_panels(rows: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Give size against the time of encode and decode together."""
    if not {*WORK} <= set(rows[rows["workload"] == workload]["operation"]):
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
        yield panel(workload, "encode + decode", found)


def access_panels(rows: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Give the time to open a message and read a share of its fields."""
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
        yield panel(workload, "", found + list(access_limits(rows, workload, steps, texts)))


def access_limits(rows: pd.DataFrame, workload: str, steps: list[str], texts: list[str]) -> Iterator[dict[str, Any]]:
    """Give the baseline's A/A interval and the floor at each step."""
    baseline = baseline_of(rows)
    for i, (step, text) in enumerate(zip(steps, texts, strict=True)):
        group = arms(rows, workload, step)
        control, base = control_of(group, baseline), middle(group.get(baseline, {}))
        low, high = (end * base for end in band(control.low, control.high))
        yield {"kind": "A/A", "step": text, "place": i, "low": low, "high": high}
        yield {"kind": "floor", "step": text, "place": i, "ns": floor_time(group, step)}


def memory_panels(memory: pd.DataFrame, workload: str) -> Iterator[Panel]:
    """Give what is allocated per operation, what allocates least on top."""
    for operation in WORK if len(memory) else ():
        group = memory[(memory["workload"] == workload) & (memory["operation"] == operation)]
        for column, title in MEASURES.items():
            if column in group and len(group):
                yield panel(workload, f"{operation}: {title}", bars(group.sort_values(column, kind="stable"), column))


def bars(group: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    """Give the bars; one that would leave the others no room is cut off and its figure bears an arrow."""
    values = group[column].fillna(0)
    short = values[values <= CUT * values.median()]
    limit = float(short.max()) if len(short) and short.max() > 0 else 1.0
    found = []
    for codec, value in zip(group["codec"], group[column], strict=True):
        text = show(column, value) if "bytes" in column else three_digits(value)
        length = 0.0 if value != value else float(min(max(value, 0.0), limit * 1.05))
        found.append({"codec": codec, "length": length, "text": f"▸ {text}" if value > limit else text})
    return found


def lag_panels(rows: pd.DataFrame) -> Iterator[Panel]:
    """Give how late an event loop is, a panel for each operation and place where bodies are coded."""
    names = names_of(rows[rows["metric"] == "lag-p99"], "workload")
    names.sort(key=lambda name: (size_of(rows, name, baseline_of(rows)), name))
    for way in WAYS:
        for operation in WORK:
            found = [row for name in names for row in lag_rows(rows, name, f"{operation}/{way}")]
            if found:
                yield panel("", f"{operation} {WAYS[way]}", found)


def lag_rows(rows: pd.DataFrame, workload: str, operation: str) -> Iterator[dict[str, Any]]:
    """Give one workload's lags: of the codecs, of the baseline's second arm, and of a loop without any coding."""
    found = {name: arms(rows, workload, operation, f"lag-{name}") for name in ("p50", "p99", "max")}
    place = {"workload": workload, "size": scaled(size_of(rows, workload, baseline_of(rows)), SIZE)}
    for codec, values in found["p99"].items():
        one = spread_of(values)
        limits = {"low": one.low, "high": one.high}
        if codec == IDLE:
            yield {**place, "kind": "idle", "ns": one.value}
        elif codec.endswith(CONTROL):
            yield {**place, "kind": "A/A", **limits}
        elif is_codec(codec):
            ends = {"median": middle(found["p50"].get(codec, {})), "maximum": middle(found["max"].get(codec, {}))}
            texts = {name: scaled(value, TIME) for name, value in {"time": one.value, **ends}.items()}
            yield {**place, "codec": codec, "ns": one.value, **limits, **texts}
