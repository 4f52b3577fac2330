"""Rows of a run on the wire: parts that are missing come from the stored run; what they say of a small cache, of reuse.

A user's traffic cannot take every experiment. What is said of a cache stands in two notebooks, from the same rows in
the same words.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from serlab.notebook.claims import Claim, compare_arms, most_among
from serlab.report.units import three_digits
from serlab.report.wire import PREFIX
from serlab.report.wirearms import Arms, wire_arms
from serlab.report.wirecache import baseline_of, mean_costs
from serlab.report.wirepooling import COUNT, EXPERIMENT, FRESH, SHARE, VARIANTS, pairs_of, ways_of, workloads_of
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


def small_cache(
    rows: pd.DataFrame, cache: Arms, store: str, capacity: str, model_ns: float
) -> tuple[pd.DataFrame, str]:
    """Tell how to keep answers in a cache that has no room for all of them.

    Args:
        rows: the tidy table of the run.
        cache: the experiment `cache`.
        store: memory, lmdb or redis.
        capacity: of the bytes that all answers take as the baseline, as the rows name it: "10%".
        model_ns: what a miss waits for beside the call.

    Returns:
        What a request costs on average (`mean_costs`), and what that says.
    """
    base, table = baseline_of(cache), mean_costs(cache, store, capacity, model_ns)
    arms = {str(name): f"{name} hits/capacity={capacity}" for name in table.index}
    hits = {name: compare_arms(rows, cache, arm, metric="hit-rate") for name, arm in arms.items()}
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
            f"It hits {hits[first]:.0%}, `{base}` {hits[base]:.0%}."
        )
    packed = arms.get(base + ZSTD)
    if packed is None:
        return table, f"{said} Compressed answers are not measured in this run."
    best = most_among(hit for name, hit in hits.items() if not name.endswith(ZSTD))
    against = compare_arms(rows, cache, packed, arms[best.codec], "hit-rate")
    return table, (
        f"{said} Compressed, `{base}` hits {hits[base + ZSTD]:.0%}, "
        f"{against.words('less than', 'more than', 'as often as')} {best:codec}, the best without compression "
        f"({best:.0%})."
    )


def reuse_claims(rows: pd.DataFrame) -> dict[str, list[Claim]]:
    """Claim how each variant of reuse stands to a fresh object, by pair, for the smallest and the largest messages.

    Args:
        rows: the tidy table of a run with the experiment `pooling`.

    Returns:
        Variant → its claims; without the variants that were not measured.
    """
    found: dict[str, list[Claim]] = {}
    for workload in workloads_of(rows):
        arms = wire_arms(rows, EXPERIMENT, workload)
        for variant in VARIANTS:
            claims = [compare_arms(rows, arms, f"{variant} {pair}", f"{FRESH} {pair}") for pair in pairs_of(arms)]
            found.setdefault(variant, []).extend(claim for claim in claims if claim.workloads)
    return {variant: claims for variant, claims in found.items() if claims}


def sharing_claims(rows: pd.DataFrame) -> dict[str, tuple[Claim, Claim]]:
    """Claim what each way to share takes, and how that stands to the plain way.

    Args:
        rows: the tidy table of a run with the parts `share` and `count` of the experiment `pooling`.

    Returns:
        The name of each way that is not the plain one → its time and its ratio.
    """
    return {
        label: (compare_arms(rows, arms, way), compare_arms(rows, arms, way, plain))
        for arms in (wire_arms(rows, f"{EXPERIMENT}/{part}") for part in (SHARE, COUNT))
        for label, way, plain in ways_of(arms)
        if way != plain
    }
