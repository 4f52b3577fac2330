"""What is in a corpus: kinds, sizes, the lines that cannot be read, and what becomes of its bodies in each codec."""

from collections.abc import Sequence
from itertools import islice

import pandas as pd

from serlab.measure.bodies import recorded
from serlab.measure.check import Report, json_size

MOST = 2000
"""Bodies that are looked at: each goes through every codec, so a long file would take long."""

QUANTILES = (0.5, 0.9, 0.99)


def take_stock(corpus: str, codecs: Sequence[str], most: int = MOST) -> tuple[Report, pd.DataFrame]:
    """Read a corpus and send each body through codecs.

    Args:
        corpus: the file.
        codecs: names.
        most: bodies that are read, from the start of the file.

    Returns:
        The report of `serlab check`, and one row for each body: line, kind and its bytes as compact JSON. No text of
        any body is kept.

    Raises:
        CorpusError: the file cannot be opened.
    """
    report = Report(codecs)
    records = []
    for body in islice(recorded(corpus, False, report.cannot_read), most):
        report.add(body)
        records.append({"line": body.line, "kind": body.kind, "json_bytes": json_size(body.document)})
    return report, pd.DataFrame(records, columns=["line", "kind", "json_bytes"])


def sizes_by_kind(bodies: pd.DataFrame) -> pd.DataFrame:
    """Sum up the bodies of each kind.

    Args:
        bodies: of `take_stock`.

    Returns:
        For each kind: how many, quantiles and the largest of their bytes, and its share of all bytes; the kind with
        the most bytes first.
    """
    groups = bodies.astype({"json_bytes": float}).groupby("kind")["json_bytes"]
    table = pd.DataFrame({"bodies": groups.size()})
    for quantile in QUANTILES:
        table[f"{quantile:.0%}_bytes"] = groups.quantile(quantile, interpolation="lower")
    table["largest_bytes"] = groups.max()
    table["share of bytes"] = groups.sum() / max(bodies["json_bytes"].sum(), 1)
    return table.sort_values("share of bytes", ascending=False)


def outcomes(report: Report) -> pd.DataFrame:
    """Count what became of the bodies in each codec.

    Returns:
        For each codec: equal, refused, changed and no schema.
    """
    return pd.DataFrame(report.codecs).T.rename(columns={"no_schema": "no schema"}).rename_axis("codec")
