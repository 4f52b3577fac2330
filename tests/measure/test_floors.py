"""Lower bounds: only of what cannot leave the work out, and never beaten in a run that is published."""

from pathlib import Path

import pandas as pd
import pytest

from serlab.report import build_tables
from serlab.report.formatting import readable
from serlab.report.tables import floor_values
from serlab.report.wire_calls import TRANSPORTS, call_table
from serlab.results import load_results
from serlab.rows import frame
from tests.support.rows import named_row

STORED = Path(__file__).parents[2] / "notebooks" / "stored"
BOTH = {"floor: copy": {0: 5.0}, "floor: strings": {0: 20.0}}


@pytest.mark.parametrize("operation", ["populate", "convert", "deserialize", "read-one", "read-0%", "gzip", "unzstd"])
def test_what_can_leave_the_work_out_has_no_bound(operation: str) -> None:
    """Also in an older run, which has the arms."""
    assert floor_values(operation, BOTH) == {}


@pytest.mark.slow
def test_no_row_of_the_stored_run_is_measurably_below_its_bound() -> None:
    """Each encode, decode, relay, stream and step of the access curve of every codec, outside the A/A band."""
    time = build_tables(load_results(STORED))["time"]
    told = time[time["times_floor"].notna() & ~time["codec"].str.startswith("floor")]
    assert {"encode", "serialize", "relay", "decode", "read-100%", "stream"} <= set(told["operation"])
    below = told[told["times_floor_verdict"] == "less"]
    assert below.empty, below[["workload", "operation", "codec", "times_floor"]].to_string()
    unbound = time[time["operation"].isin(["populate", "convert", "deserialize", "read-one", "read-0%"])]
    assert len(unbound) and unbound["times_floor"].isna().all()


@pytest.mark.slow
def test_no_call_of_the_stored_run_is_measurably_faster_than_its_bytes_alone() -> None:
    """The same bytes over the same way, coded or not."""
    calls = call_table(load_results(STORED / "wire"))
    assert set(calls["transport"]) == set(TRANSPORTS) and "more" in set(calls["part_verdict"])
    below = calls[calls["part_verdict"] == "less"]
    assert below.empty, below[["workload", "transport", "codec", "codec_share"]].to_string()


def timed(**arms_ns: float) -> pd.DataFrame:
    """Make the times of a group, with an A/A of 4 % and a floor of 100 ns."""
    named = {"orjson": 400.0, "orjson (A/A)": 416.0, "floor: copy": 100.0, **arms_ns}
    rows = [
        named_row("r", codec, "1", "w", "ChatRequest", "encode", "time", "ns", process, value * factor)
        for codec, value in named.items()
        for process, factor in enumerate((1.0, 1.01, 0.99, 1.0, 1.0))
    ]
    return build_tables(frame(rows))["time"].set_index("codec")


def test_what_cannot_be_told_from_its_bound_bears_the_mark_of_a_tie() -> None:
    """By the interval and the A/A band, above and below alike; what is beyond both is said to be so."""
    table = timed(near=103.0, under=97.5, far=120.0, beaten=80.0)
    said = table["times_floor_verdict"]
    assert (said["near"], said["under"], said["far"], said["beaten"]) == ("tie", "tie", "more", "less")
    assert said["floor: copy"] == "" and table["times_floor"]["floor: copy"] == 1.0
    cells = dict(zip(table.index, readable(table, ["times_floor"])[0].cells, strict=True))
    assert cells["near"] == "1.03 =" and cells["far"] == "1.20"
