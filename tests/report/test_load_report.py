"""The tables of the load parts, on rows whose figures are known."""

import io

import pandas as pd
import pytest
from rich.console import Console

from serlab.measure.options import BODIES_PER_S, TICK_NS
from serlab.report import build_tables, terminal_tables
from serlab.report.load_test import TITLES
from serlab.report.terminal import noise_of
from serlab.rows import Row, frame
from tests.support.rows import named_row

SPREAD = (0.99, 1.0, 1.01, 1.0, 0.98, 1.02)


def arm(codec: str, operation: str, metric: str, value: float, noise: float = 0.0) -> list[Row]:
    """Make one row for each of six workers; `noise` sets the second arm of the baseline apart from the first."""
    values = [value * share + noise * value * (-1) ** i for i, share in enumerate(SPREAD)]
    place = ("w", "ChatRequest", operation, metric, "u")
    return [named_row("r", codec, "1", *place, i, one) for i, one in enumerate(values)]


def rates(processes: int, floor: float) -> pd.DataFrame:
    """Make a run with one and N processes: orjson scales with the floor, `stuck` not at all."""
    rows = []
    for codec, one, scaling in (("orjson", 100.0, floor), ("stuck", 200.0, 1.0), ("floor: releases GIL", 1e4, floor)):
        counts = {1: one} if processes == 1 else {1: one, processes: one * scaling}
        rows += [row for n, value in counts.items() for row in arm(codec, f"decode/processes={n}", "rate", value)]
    twice = {1: 100.0, processes: 100.0 * floor} if processes > 1 else {1: 100.0}
    for n, value in twice.items():
        rows += arm("orjson (A/A)", f"decode/processes={n}", "rate", value, 0.05)
    return frame([*rows, *arm("orjson", "decode/processes=1", "byte-rate", 5e6)])


def text_of(rows: pd.DataFrame) -> str:
    """Render the terminal's summaries in 80 columns."""
    console = Console(width=80, record=True, file=io.StringIO())
    for table in terminal_tables(rows):
        console.print(table)
    return console.export_text()


def test_scaling_is_n_against_one_and_the_ratio_is_to_the_baseline() -> None:
    """More is better here; a floor gets no verdict and no bytes."""
    table = build_tables(rates(4, 3.8))["throughput"].set_index(["mode", "codec"])
    assert table.loc[("processes=4", "orjson"), "scaling"] == pytest.approx(3.8)
    assert table.loc[("processes=4", "stuck"), "scaling"] == pytest.approx(1.0)
    assert pd.isna(table.loc[("processes=1", "orjson"), "scaling"])
    assert table.loc[("processes=1", "stuck"), "ratio"] == pytest.approx(2.0)
    assert table.loc[("processes=1", "stuck"), "verdict"] == "better"
    assert table.loc[("processes=4", "stuck"), "verdict"] == "worse"
    assert table.loc[("processes=1", "floor: releases GIL"), "verdict"] == ""
    assert table.loc[("processes=1", "orjson"), "megabytes_per_s"] == pytest.approx(5.0)


def test_disturbed_run_says_so_in_its_summary() -> None:
    """Where the baseline strays from itself by a quarter; a calm run says nothing."""

    def told(noise: float) -> str:
        sizes = [row for metric in ("raw", "gzip", "zstd") for row in arm("orjson", "size", metric, 100)]
        rows = [*sizes, *arm("orjson", "encode", "time", 9)]
        return text_of(frame([*rows, *arm("orjson (A/A)", "encode", "time", 9, noise)]))

    assert "The machine was busy" in told(0.25) and "The machine was busy" not in told(0.01)


def test_noise_is_that_of_the_worst_group_and_names_it() -> None:
    """Calm groups do not hide one in which the baseline is 14 times as slow; what is not shown does not count."""
    calm = {(f"w{i}", operation): 0.01 for i in range(4) for operation in ("encode", "decode")}
    times = pd.DataFrame(
        {"workload": workload, "operation": operation, "aa_low": 1 / (1 + off), "aa_high": 1.0}
        for (workload, operation), off in {**calm, ("agent", "decode"): 13.0, ("agent", "gzip"): 99.0}.items()
    )
    said = noise_of(times)
    assert "by up to 1300 % (A/A; agent, decode) and by 15 % or more in 1 of 9 groups" in said
    assert noise_of(times[times["workload"] != "agent"]) == ""


def test_a_machine_with_too_few_free_cores_is_named() -> None:
    """The floor tells: near to N is fine, far from it is no ground for a claim, and one core says so."""
    assert "gives: 3.80×." in text_of(rates(4, 3.8))
    assert "gives: 1.90×, too few free cores" in " ".join(text_of(rates(4, 1.9)).split())
    assert "one core" in text_of(rates(1, 1.0))


def lagging(idle_ns: float) -> pd.DataFrame:
    """Make a run in which the baseline blocks for 2 ms and another for 20 ms."""
    arms = (("orjson", 2e6), ("orjson (A/A)", 2e6), ("slow", 2e7), ("floor: idle", idle_ns))
    metrics = ("lag-p50", "lag-p99", "lag-max", "lag-rate")
    return frame(
        row for codec, value in arms for metric in metrics for row in arm(codec, "decode/inline", metric, value)
    )


def test_more_lag_is_worse() -> None:
    """The ratio is that of the 99th percentile."""
    table = build_tables(lagging(1e5))["lag"].set_index("codec")
    assert table.loc["slow", "ratio"] == pytest.approx(10) and table.loc["slow", "verdict"] == "worse"
    assert list(table.index)[-1] == "floor: idle"


def test_a_busy_machine_is_named_beside_the_lag() -> None:
    """A loop that is late without any coding cannot show a shorter lag."""
    assert "no shorter lag" not in text_of(lagging(1e5))
    assert "delay the loop by 5.00 ms: no shorter lag" in " ".join(text_of(lagging(5e6)).split())


def test_load_rows_stay_out_of_the_other_tables() -> None:
    """A floor is no codec of the summary, and a run without load has no load tables."""
    tables = build_tables(
        pd.concat([rates(4, 3.8), frame([named_row("r", "orjson", "1", "w", "m", "parity", "equal", "bodies", 0, 1)])])
    )
    assert list(tables["summary"]["codec"]) == ["orjson"] and "lag" not in tables


def test_titles_state_the_pace() -> None:
    """What is written beside the figures is what was done."""
    assert f"{BODIES_PER_S} bodies per second" in TITLES["lag"] and f"every {TICK_NS // 1_000_000} ms" in TITLES["lag"]
