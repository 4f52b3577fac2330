"""The rows of a run without their values: which figures there are, in what unit, and how many of each."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.oracle import normal
from scripts.oracle.shell import Run, serlab
from scripts.oracle.store import Item, Record, full
from serlab import load_results

COMMANDS = {"compare": ("compare", "--quick"), "wire": ("wire", "all", "--quick")}
FOLDER = "run"
SECONDS = 3600.0
CODEC, OPERATION = ("case", "codec"), ("place", "operation")
"""The name of whose figure it is, and of what was measured; in rows without it, the column that was the name."""
VERSION = ("version", "codec_version")
NO_KEY = (
    "run",
    "process",
    "value",
    "role",
    "form",
    "lifetime",
    "experiment",
    "conditions",
    *CODEC,
    *OPERATION,
    *VERSION,
)
"""What is no key, or stands in the names."""


def make(kind: str, work: Path) -> Record:
    """Run a job and record its rows, its environment record, its files and its status."""
    done = serlab(Run(kind, [*COMMANDS[kind], "-o", FOLDER]), work, SECONDS)
    status = f"$ serlab {' '.join(COMMANDS[kind])}\nstatus {done.status}"
    if done.status not in (0, 1):
        return {"status": full(f"{status}\n{done.stderr}")}
    folder = work / FOLDER
    return {"status": full(status), **record_of(folder)}


def record_of(folder: Path) -> Record:
    """Record a results folder."""
    rows = load_results(folder)
    environment = json.loads((folder / "environment.json").read_text())
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {
        "rows": Item(tuple(keys(rows))),
        "versions": Item(tuple(versions(rows))),
        "columns": full("\n".join(f"{name}: {rows[name].dtype}" for name in rows.columns)),
        "environment": Item(tuple(leaves(normal.environment(environment)))),
        "files": Item(tuple(files)),
    }


def keys(rows: pd.DataFrame) -> list[str]:
    """List what rows there are: a line for each case, place, metric, unit and number of rows, with its workloads."""
    parts = {"codec": named(rows, CODEC), "operation": named(rows, OPERATION)}
    known = {*NO_KEY, "metric", "unit", "workload", "message"}
    others = {str(name): rows[name].astype(str) for name in rows.columns if name not in known}
    place = pd.DataFrame({**parts, **others, "metric": rows["metric"], "unit": rows["unit"]})
    where = rows["message"].astype(str) + " " + rows["workload"].astype(str)
    counts = Counter(zip(place.itertuples(index=False, name=None), where, strict=True))
    found: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for (key, workload), count in counts.items():
        found[(*key, f"{count} rows")].append(workload)
    return sorted(f"{' | '.join(map(str, key))} | {', '.join(sorted(at))}" for key, at in found.items())


def named(rows: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """Return the texts of the first of some columns that the table has."""
    return list(rows[next(name for name in columns if name in rows.columns)].astype(str))


def versions(rows: pd.DataFrame) -> list[str]:
    """List which version each codec's rows bear."""
    column = next(name for name in VERSION if name in rows.columns)
    pairs = zip(named(rows, CODEC), rows[column].astype(str), strict=True)
    return sorted({f"{codec}: {normal.version(version)}".rstrip() for codec, version in pairs})


def leaves(value: Any, path: str = "") -> list[str]:
    """List what stands in a JSON value: a line for each leaf, for a list of leaves, and for each record of a list."""
    if isinstance(value, dict) and value:
        return [line for key in sorted(value) for line in leaves(value[key], f"{path}/{key}")]
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        if not any(isinstance(part, dict | list) for one in value for part in parts(one)):
            return [f"{path}/{i}: {json.dumps(one, ensure_ascii=False, sort_keys=True)}" for i, one in enumerate(value)]
        return [line for i, one in enumerate(value) for line in leaves(one, f"{path}/{i}")]
    return [f"{path}: {json.dumps(value, ensure_ascii=False)}"]


def parts(value: Any) -> Iterable[Any]:
    """Return what stands in a JSON value; nothing in a leaf."""
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
