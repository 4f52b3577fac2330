"""Rows of a run on the wire: parts that are missing come from the stored run; what they say of a small cache.

A user's traffic cannot take every experiment. What is said of a cache stands in two notebooks, from the same rows in
the same words.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from serlab.report.units import three_digits
from serlab.report.wire import PREFIX
from serlab.report.wirearms import Arms
from serlab.report.wirecache import baseline_of, mean_costs
from serlab.results import load_results
from serlab.stats import ZSTD


def filled_in(
    rows: pd.DataFrame, wanted: Sequence[str], stored: str | Path = "stored/wire"
) -> tuple[pd.DataFrame, list[str]]:
    """Add from the stored run what this one lacks, so that an argument has all its parts.

    Args:
        rows: of a run.
        wanted: experiments, or parts of them as in "pooling/share"; a part stands behind its experiment.
        stored: the folder of the stored run.

    Returns:
        The rows, and the names of what was added: the notebook has to tell. What the stored run lacks, too, is still
        missing.
    """
    missing: list[str] = []
    for name in wanted:
        if not is_part(rows, name).any():
            rows = with_part(rows, load_results(Path(stored)), name)
            missing.append(name)
    return rows, missing


def is_part(rows: pd.DataFrame, name: str) -> pd.Series:
    """Tell which rows are of an experiment, or of a part of one."""
    return rows["operation"].str.startswith(f"{PREFIX}{name}/")


def with_part(rows: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """Add a part of another run, with the sizes of the workloads that only the other run has."""
    part = other[is_part(other, name)]
    new = set(part["workload"]) - set(rows["workload"])
    sizes = other[(other["operation"] == "size") & other["workload"].isin(new)]
    return pd.concat([rows, sizes, part], ignore_index=True)


def small_cache(cache: Arms, store: str, capacity: str, model_ns: float) -> tuple[pd.DataFrame, str]:
    """Tell how to keep answers in a cache that has no room for all of them.

    Args:
        cache: the experiment `cache`.
        store: memory, lmdb or redis.
        capacity: of the bytes that all answers take as the baseline, as the rows name it: "10%".
        model_ns: what a miss waits for beside the call.

    Returns:
        What a request costs on average (`mean_costs`), and what that says.
    """
    base, table = baseline_of(cache), mean_costs(cache, store, capacity, model_ns)
    cheaper = table[table["verdict"] == "less"]
    if cheaper.empty:
        said = f"No way to keep the answers makes a request measurably cheaper than `{base}`."
    else:
        first = str(cheaper.index[0])
        ratio, low, high = (
            three_digits(float(table[name].to_dict()[first])) for name in ("ratio", "ratio_low", "ratio_high")
        )
        said = (
            f"A request costs least with `{first}`: {ratio} [{low}, {high}] of its cost with `{base}`. "
            f"It hits {table['hit_share'][first]:.0%}, `{base}` {table['hit_share'][base]:.0%}."
        )
    return table, f"{said} {compression_said(table['hit_share'], base)}"


def compression_said(hits: "pd.Series[float]", base: str) -> str:
    """Set the baseline's answers, compressed, against the codec that hits most without compression."""
    if base + ZSTD not in hits.index:
        return "Compressed answers are not measured in this run."
    plain = hits[[not str(name).endswith(ZSTD) for name in hits.index]]
    best, own = str(plain.idxmax()), hits[base + ZSTD]
    word = "more than" if own > plain[best] else "less than" if own < plain[best] else "as often as"
    return f"Compressed, `{base}` hits {own:.0%}, {word} `{best}`, the best without compression ({plain[best]:.0%})."
