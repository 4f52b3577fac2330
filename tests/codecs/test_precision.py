"""How many processes are enough, on rows whose noise is known; and the table of repeated answers."""

import numpy as np
import pandas as pd
import pytest

from serlab.notebook.overview import (
    COUNTS,
    control_ratios,
    enough,
    process_ratios,
    reach_by_processes,
    reach_interval,
    variation,
)
from serlab.report.figures.points import repeats_figure, repeats_table
from serlab.rows import frame
from tests.support.rows import named_row
from tests.support.scenes import shown

REPEATS = pd.DataFrame(
    {
        "tool": ["steady"] * 3 + ["wild"] * 3,
        "ratio": [1.19, 1.20, 1.21, 0.5, 1.2, 1.9],
        "low": [1.18, 1.19, 1.205] + [np.nan] * 3,
        "high": [1.21, 1.21, 1.22] + [np.nan] * 3,
        "seconds": [6.0] * 6,
    }
)


def rows_with_noise(noise: float, processes: int = 20) -> pd.DataFrame:
    """Make the times of two codecs, an A/A arm and a floor."""
    random = np.random.default_rng(0)
    arms = {"orjson": 100.0, "orjson (A/A)": 100.0, "msgpack": 130.0, "floor: copy": 5.0}
    return frame(
        named_row("r", codec, "1", f"w{group}", "ChatRequest", "encode", "time", "ns", process, value * factor)
        for group in range(20)
        for codec, value in arms.items()
        for process, factor in enumerate(np.exp(random.normal(0, noise if codec != "orjson" else 0, processes)))
    )


def test_ratios_leave_out_floors_and_the_baseline() -> None:
    """What is left is what a table shows an interval for; the control is the A/A arm alone."""
    rows = rows_with_noise(0.01)
    assert set(process_ratios(rows).index.get_level_values("codec")) == {"msgpack", "orjson (A/A)"}
    assert set(control_ratios(rows).index.get_level_values("codec")) == {"orjson (A/A)"}


def test_reach_of_one_process_is_that_of_the_noise() -> None:
    """Of normal noise of 1 %, 95 % stay inside 1.96 %."""
    assert reach_by_processes(process_ratios(rows_with_noise(0.01)))[1] == pytest.approx(0.0196, rel=0.1)


def test_more_processes_reach_less_far() -> None:
    """By about the square root of their number; the median of 20 varies by 1.25 / √20 of one's deviation."""
    reaches = reach_by_processes(process_ratios(rows_with_noise(0.01)))
    assert list(reaches) == sorted(reaches, reverse=True)
    assert reaches[20] == pytest.approx(0.0196 * 1.25 / 20**0.5, rel=0.15)


def test_the_reach_has_an_interval_that_grows_with_the_difference_between_workloads() -> None:
    """Workloads that are all as noisy leave little to chance; one noisy among quiet ones leaves much."""
    even = process_ratios(rows_with_noise(0.01))
    found = reach_interval(even, [1])
    assert found["low"][1] < 0.0196 < found["high"][1] < 0.025
    uneven = even.copy()
    uneven.loc["w0"] = uneven.loc["w0"].to_numpy() ** 20
    assert reach_interval(uneven, [1])["high"][1] > 2 * reach_interval(uneven, [1])["low"][1]
    assert reach_interval(process_ratios(rows_with_noise(0.01, processes=1))).isna().all(axis=None)


def test_the_variation_of_repeated_answers_has_an_interval() -> None:
    """Around the value itself, and wider where one answer is far off."""
    steady, wild = variation([1.19, 1.20, 1.21, 1.2, 1.2]), variation([1.2, 1.1, 1.3, 1.2, 3.4])
    assert steady.low <= steady.value <= steady.high < wild.value <= wild.high
    assert steady.value == pytest.approx(np.std([1.19, 1.20, 1.21, 1.2, 1.2], ddof=1) / 1.2)


def test_one_process_tells_nothing_of_the_others() -> None:
    """Its deviation from itself is 0, which must not pass for precision."""
    assert reach_by_processes(process_ratios(rows_with_noise(0.01, processes=1))).isna().all()


def test_enough_is_the_smallest_number_that_tells_a_difference() -> None:
    """None where even the largest number does not."""
    reaches = list(zip(COUNTS, [0.1, 0.05, 0.02, 0.01, 0.005, 0.002], strict=True))
    assert enough(reaches, 0.03) == 5
    assert enough(reaches, 0.001) is None


def test_repeats_are_summed_up_by_tool() -> None:
    """A tool without intervals has no count of them, and one whose answers turn round is found out."""
    table = repeats_table(REPEATS)
    assert table.loc["steady", "intervals that hold the median"] == 2
    assert np.isnan(table.loc["wild", "intervals that hold the median"])
    assert table.loc["wild", "other codec ahead"] == 1
    assert table.loc["steady", "other codec ahead"] == 0
    assert table.loc["wild", "variation"] > 10 * table.loc["steady", "variation"]


def test_repeats_figure_draws_every_answer() -> None:
    """One mark for each repetition of each tool."""
    figure = repeats_figure(REPEATS)
    assert [len(shown(figure, codec=tool)) for tool in ("steady", "wild")] == [3, 3]
