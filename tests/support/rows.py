"""Rows by the names that tables show: of a case, "orjson (A/A)", and of a place, "encode/threads=2"."""

import pandas as pd

from serlab.cases import case_of, place_of
from serlab.rows import Row, frame, make_row


def named_row(
    run: str,
    case: str,
    version: str,
    workload: str,
    message: str,
    place: str,
    metric: str,
    unit: str,
    process: int,
    value: float,
) -> Row:
    """Make a row of the facts that two names were made of."""
    whose = (run, case_of(case), version, workload, message)
    return make_row(*whose, place_of(place), metric, unit, process, value)


def rows_in(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a tidy table."""
    return [Row(*values) for values in table[[*Row._fields]].itertuples(index=False, name=None)]


def renamed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a tidy table whose facts are those of its names, where a test has changed these."""
    rows = rows_in(table)
    whose = [case_of(name) for name in table["case"]]
    places = [place_of(name) for name in table["place"]]
    found = (
        row._replace(codec=case.codec, role=case.role, **place._asdict())
        for row, case, place in zip(rows, whose, places, strict=True)
    )
    return frame(found)
