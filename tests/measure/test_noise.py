"""The experiment on noise: what it asks, how long, and what it keeps."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from scripts import noise
from serlab.report.figures.points import repeats_table
from serlab.stats import Estimate


def ticking(*seconds: float) -> Callable[[], float]:
    """Return a clock that goes on by these steps, call by call."""
    left: Iterator[float] = iter(seconds)
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += next(left)
        return now

    return clock


def test_no_repetition_begins_that_would_not_end_in_time() -> None:
    """Each takes 100 s here: the third ends after 300 s, and a fourth would not end before 350."""
    step = (0, 50, 50, 0)
    found = noise.measure_all(10, 350, {"a": lambda: Estimate(1.0, 0.9, 1.1, 3)}, ticking(0, *step * 10))
    assert [answer.seconds for answer in found["a"]] == [50, 50, 50]


def test_two_repetitions_are_made_however_long_they_take() -> None:
    """One has no spread."""
    found = noise.measure_all(10, 1, {"a": lambda: Estimate(1.0, 0.9, 1.1, 3)}, ticking(0, *(0, 50, 50, 0) * 10))
    assert len(found["a"]) == 2


def test_file_states_the_busy_processes_and_the_load(tmp_path: Path) -> None:
    """Beside each answer, in the order in which they were asked; no interval is an empty cell."""
    none = float("nan")
    asked = {
        "serlab": [(1.2, 1.1, 1.3, 10), (1.3, 1.2, 1.4, 10)],
        "timeit": [(1.5, none, none, 1), (0.9, none, none, 1)],
    }
    loads = {"serlab": [2.5, 3.0], "timeit": [2.75, 3.25]}
    found = {
        name: [noise.Answer(Estimate(*one), 9.0, load) for one, load in zip(estimates, loads[name], strict=True)]
        for name, estimates in asked.items()
    }
    noise.write_csv(tmp_path / "noise.csv", found, 2)
    table = pd.read_csv(tmp_path / "noise.csv")
    assert list(table["tool"]) == ["serlab", "timeit"] * 2 and list(table["repetition"]) == [1, 1, 2, 2]
    assert set(table["busy_processes"]) == {2} and list(table["load_average"]) == [2.5, 2.75, 3, 3.25]
    assert list(table["low"].isna()) == [False, True] * 2
    assert repeats_table(table).loc["timeit", "other codec ahead"] == 1


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_neighbours_are_there_and_are_ended() -> None:
    """As many as were asked for, as children of this process, and none afterwards."""

    def children() -> set[int]:
        found = set()
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == os.getpid():
                found.add(int(path.parent.name))
        return found

    before = children()
    with noise.neighbours(2):
        assert len(children() - before) == 2
    assert children() <= before
