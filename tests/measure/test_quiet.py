"""The load of other processes: how it is read, and waiting until it is small."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import quiet
from scripts.quiet import Load, Reading, between, wait_until_quiet

pytestmark = pytest.mark.alone

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def process(proc: Path, pid: int, name: str, user: int, system: int) -> None:
    """Write what /proc says of a process; times are in ticks."""
    (proc / str(pid)).mkdir(exist_ok=True)
    before = " ".join(["S", "1", "1", "1", "0", "-1", "0", "0", "0", "0", "0"])
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {before} {user} {system} 0 0 20 0 1 0\n")


def test_reading_takes_busy_time_and_not_idle_or_waiting(tmp_path: Path) -> None:
    """user, nice, system, irq and softirq count; a name may hold spaces and brackets; a process may just have ended."""
    (tmp_path / "stat").write_text("cpu  100 20 30 4000 500 6 7 0 0 0\ncpu0 1 1 1 1\n")
    process(tmp_path, 7, "a) b (c", 40, 2)
    (tmp_path / "8").mkdir()
    (tmp_path / "self").mkdir()
    found = quiet.read(tmp_path)
    assert found.busy_s == pytest.approx(163 * TICK_S) and found.own_s > 0
    assert found.processes == {7: ("a) b (c", pytest.approx(42 * TICK_S))}


def test_load_is_what_others_used() -> None:
    """What this process used is taken off; those that used most are named, new ones too, and this one is not."""
    first = Reading(10.0, 1000.0, 5.0, {1: ("init", 3.0), 2: ("make", 50.0), 3: ("me", 5.0)})
    last = Reading(20.0, 1016.0, 7.0, {1: ("init", 3.0), 2: ("make", 58.0), 3: ("me", 7.0), 4: ("cc", 6.0)})
    assert between(first, last, own=3) == Load(1.4, [("make (2)", 0.8), ("cc (4)", 0.6)])


def test_load_is_never_less_than_nothing() -> None:
    """The counters are coarse."""
    assert between(Reading(0, 0, 0, {}), Reading(1, 0.5, 0.6, {})).cores == 0


def measured(*cores: float | None) -> Callable[[], Load | None]:
    """Return a measurement that finds these loads one after another."""
    left = iter(cores)

    def measure() -> Load | None:
        found = next(left)
        return None if found is None else Load(found, [("cc (4)", found)])

    return measure


def minutes(each: float) -> Callable[[], float]:
    """Return a clock that goes on by some minutes with each call."""
    calls = iter(range(1000))
    return lambda: 60 * each * next(calls)


def test_waiting_ends_when_others_are_quiet_and_names_them_before() -> None:
    """Below a quarter of a core, not at it."""
    said: list[str] = []
    waited = wait_until_quiet(said.append, measured(1.5, 0.25, 0.24, 0.0), minutes(1))
    assert waited == (0.24, True, 180)
    assert len(said) == 2 and "1.50 cores (cc (4) 1.50)" in said[0]


def test_waiting_has_an_end() -> None:
    """After 20 minutes it goes on, and says what it found."""
    said: list[str] = []
    waited = wait_until_quiet(said.append, measured(*[2.0] * 10), minutes(5))
    assert waited == (2.0, False, 1200) and len(said) == 4 and "not quiet after 20 minutes" in said[-1]


def test_load_that_cannot_be_read_is_not_waited_for() -> None:
    """It is unknown, and not quiet."""
    said: list[str] = []
    assert wait_until_quiet(said.append, measured(None), minutes(1)) == (None, False, 60)
    assert "cannot be read" in said[0]


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs /proc")
def test_this_system_can_be_read() -> None:
    """The counters only grow, and this process is among those that are counted."""
    first, last = quiet.read(), quiet.read()
    assert last.busy_s >= first.busy_s > 0 and last.own_s >= first.own_s > 0
    assert os.getpid() in last.processes
