"""Throughput and event-loop lag: the instrument on work whose behaviour is known."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import pytest

from serlab import compare, load_results
from serlab.cases import Case
from serlab.errors import UnknownNameError, WorkerError
from serlab.measure import lag, options, throughput, ticker
from serlab.measure.inputs import bind, load_messages
from serlab.measure.interleave import Arm, batch, calibrate
from serlab.measure.load_workers import HOLDS, IDLE, RELEASES, Order, Team, Work, WorkerGroup, floor, rate_per_s
from serlab.measure.options import EFFORTS, LOAD_PARTS, LOAD_WORKLOADS, TICK_NS, Options, usable_cores
from serlab.measure.plan import make_plan
from serlab.measure.process import is_passing
from serlab.rows import Row
from tests.cli.test_cli import wait_for_lines
from tests.conftest import PATIENCE_S, Run, moments
from tests.support.jobs import job_of

pytestmark = [pytest.mark.slow, pytest.mark.alone]

MS = 1_000_000
BUFFER = bytes(1 << 19)


@pytest.fixture(scope="module")
def group() -> Iterator[WorkerGroup]:
    """Start two processes that hold orjson and a small workload."""
    with WorkerGroup(job_of("throughput", "tool-call-response", operations=("encode", "decode")), 2) as group:
        yield group


def rate(group: WorkerGroup, codec: Case, processes: int = 1, threads: int = 0, window_ns: int = 30 * MS) -> float:
    """Measure one window in which all were at work."""
    for _ in moments():
        found = rate_per_s(group.run(Order(codec, "decode", 1, threads, window_ns), processes), 1)
        if found is not None:
            return found
    raise AssertionError(f"{processes} processes were never at work at the same time")


def test_the_rate_counts_what_falls_into_the_common_window() -> None:
    """Batches at an edge count by their share: here 10 to 40 ns, 3 batches of one and 1.5 of the other."""
    assert rate_per_s([[0, 10, 20, 30, 40], [10, 30, 50]], 2) == pytest.approx(4.5 * 2 * 1e9 / 30)


def test_workers_that_were_never_at_it_together_have_no_rate() -> None:
    """One that began when another had finished."""
    assert rate_per_s([[0, 10], [10, 20]], 1) is None


def test_every_thread_of_a_team_covers_the_window() -> None:
    """The window opens when the last has begun, and all go on to its end."""
    marks = Team(Work(sha256, [BUFFER]), 3, 5 * MS).run()
    assert min(one[-1] for one in marks) >= max(one[0] for one in marks) + 5 * MS


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    """A codec that fails under threads is no silent zero."""
    with pytest.raises(ZeroDivisionError):
        Team(Work(lambda item: 1 // item, [0]), 2, MS).run()


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
def test_floors_show_who_releases_the_lock(group: WorkerGroup) -> None:
    """Over two threads, hashing gains most of what it gains over two processes; a Python loop gains less than half.

    How much two processes do hangs on the machine, whose two cores may be two halves of one. All are taken at their
    best, since a busy machine only makes them worse; the windows are short, so that some fall between two turns of
    whoever else is at work.
    """
    best: dict[tuple[str, int, int], float] = {}
    for _ in moments(5 * PATIENCE_S):
        for way in ((name, *spread) for name in (RELEASES, HOLDS) for spread in ((1, 1), (1, 2), (1, 0), (2, 0))):
            best[way] = max(best.get(way, 0.0), rate(group, *way, window_ns=5 * MS))
        given = [best[name, 2, 0] / best[name, 1, 0] for name in (RELEASES, HOLDS)]
        scaling = {name: best[name, 1, 2] / best[name, 1, 1] for name in (RELEASES, HOLDS)}
        if min(given) > 1.25 and scaling[RELEASES] > (1 + given[0]) / 2 and scaling[HOLDS] < (1 + given[1]) / 2:
            return
    pytest.fail(f"two processes gave {given} times the work of one, two threads {scaling}")


def test_floors_hold_the_lock_or_let_others_work() -> None:
    """Where threads are never made to give it up, another one runs during a hash, and not during a Python loop."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        assert any(runs_beside(*floor(RELEASES, 20 * MS)) for _ in moments())
        assert not any(runs_beside(*floor(HOLDS, 20 * MS)) for _ in range(5))
    finally:
        sys.setswitchinterval(usual)


def runs_beside(call: Callable[[Any], None], item: Any) -> bool:
    """Return whether a thread that was just told to begin has begun when a call of some time has returned."""
    told, begun = Lock(), Event()
    with told:
        thread = Thread(target=lambda: (told.acquire(), begun.set()))
        thread.start()
    call(item)
    found = begun.is_set()
    thread.join()
    return found


def test_rates_agree_with_times(group: WorkerGroup) -> None:
    """One process decodes at 1/time within 25 %, both at their best; a busy machine only makes them worse."""
    job = job_of("throughput", "tool-call-response")
    bound = bind(job, "orjson", load_messages(job))
    arm = calibrate(SMALL._replace(batch_ns=MS), Arm("orjson", bound.codec.decode, bound.encoded, len(bound.encoded)))
    rates, fastest = [0.0], [float("inf")]
    for _ in moments():
        fastest.append(batch(arm) / arm.loops)
        found = rate_per_s(group.run(Order(Case("orjson"), "decode", 20, 0, 10 * MS), 1), 20)
        rates.append(found or 0.0)
        if len(rates) > 20 and 0.8 < max(rates) * min(fastest) / 1e9 < 1.25:
            return
    raise AssertionError(f"{max(rates)} messages/s, but {min(fastest)} ns per message")


def test_a_group_that_cannot_work_says_so(group: WorkerGroup) -> None:
    """An error under load arrives with its reason, and every process follows the next order."""
    with pytest.raises(WorkerError, match="KeyError"):
        group.run(Order(Case("nowhere"), "decode"), 2)
    assert rate(group, Case("orjson"), processes=2) > 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_is_noticed(number: signal.Signals) -> None:
    """The order fails; nobody waits for the dead, and no codec is blamed unless it was a crash."""
    with WorkerGroup(job_of("throughput", codecs=[], operations=("decode",)), 1) as group:
        os.kill(group.processes[0].pid or 0, number)
        with pytest.raises(WorkerError, match=f"a load worker died \\({number.name}\\)") as error:
            group.run(Order(HOLDS, "decode"), 1)
    assert is_passing(error.value) == (number is not signal.SIGSEGV)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV])
def test_a_pool_that_dies_is_noticed(number: signal.Signals) -> None:
    """As a group is."""
    told = f"the process of the pool died \\({number.name}\\)"
    with pytest.raises(WorkerError, match=told) as error, lag.pool_of_one() as pool:
        pool.submit(signal.raise_signal, number).result()
    assert is_passing(error.value) == (number is not signal.SIGSEGV)


def test_one_core_has_nothing_to_spread_over() -> None:
    """No row claims how a codec scales there."""
    assert [mode.name for mode in throughput.modes(1)] == ["processes=1", "threads=1"]
    assert [mode.name for mode in throughput.modes(4)] == ["processes=1", "processes=4", "threads=1", "threads=4"]


def block(duration_ns: int) -> None:
    """Hash for so long, without the lock."""
    end = time.perf_counter_ns() + duration_ns
    while time.perf_counter_ns() < end:
        sha256(BUFFER)


def lags(way: str, duration_ns: int) -> lag.Arm:
    """Measure one window with bodies that take so long."""
    arm = lag.Arm("planted", "decode", way, block, [duration_ns])
    with ProcessPoolExecutor(1) as pool, asyncio.Runner(loop_factory=ticker.fine_loop) as runner:
        runner.run(lag.one_window(arm, pool, [0] * 5))
    return arm


def test_a_body_that_blocks_for_20_ms_is_seen_whole_inline() -> None:
    """The first tick that it hides is due at most one period after its start."""
    assert max(lags("inline", 20 * MS + TICK_NS).lags) >= 20 * MS


def test_missed_ticks_count_each_with_its_own_lag() -> None:
    """Five bodies of 20 ms hide about a hundred ticks, whose lags fall from 20 ms to none."""
    found = lags("inline", 20 * MS).lags
    assert sum(value > 10 * MS for value in found) >= 5 * 9 and sum(value > 2 * MS for value in found) >= 5 * 17


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
def test_a_thread_that_releases_the_lock_leaves_the_loop_alone() -> None:
    """The same body in a thread makes less than a quarter as many ticks late by 10 ms as it does inline."""
    inline = sum(value > 10 * MS for value in lags("inline", 20 * MS).lags)
    for _ in moments():
        late = sum(value > 10 * MS for value in lags("thread", 20 * MS).lags)
        if late < inline / 4:
            return
    pytest.fail(f"{late} late ticks by a thread, {inline} inline")


def test_a_loop_that_cannot_keep_up_says_so() -> None:
    """Bodies of 50 ms are done at 20 per second at most, though 40 come."""
    assert lags("inline", 50 * MS).rates[0] <= 20.5
    assert 0 < lags("inline", 0).rates[0] <= options.BODIES_PER_S


SMALL = EFFORTS["quick"]._replace(processes=1, batch_ns=500_000, arm_ns=1_000_000)


def loaded(folder: Path, stop: int, monkeypatch: pytest.MonkeyPatch, resume: bool = False) -> None:
    """Measure both load parts with little effort; stop after some cells as Ctrl-C does."""
    monkeypatch.setitem(EFFORTS, "quick", SMALL)
    cells: list[Any] = []

    def finished(ticker: object, cell: Any) -> None:
        cells.append(cell)
        if len(cells) == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr("serlab.comparison.Ticker.finished", finished)
    work = {"codecs": "orjson", "workloads": "tool-call-response", "operations": ["decode"], "parts": LOAD_PARTS}
    compare(**work, directory=folder, resume=resume, progress=False)  # type: ignore[arg-type]


def test_a_stopped_run_resumes_to_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both load parts go on cell by cell; every arm of every mode has its rows, and the tables are there."""
    loaded(tmp_path / "whole", 0, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        loaded(tmp_path / "cut", 2, monkeypatch)
    loaded(tmp_path / "cut", 0, monkeypatch, resume=True)
    key = [name for name in Row._fields if name not in ("run", "value")]
    whole, cut = (load_results(tmp_path / name) for name in ("whole", "cut"))
    assert whole[key].equals(cut[key])
    rates = whole[whole["metric"] == "rate"]
    assert set(rates["case"]) == {"orjson", "orjson (A/A)", RELEASES, HOLDS}
    assert set(rates["place"]) == {f"decode/{mode.name}" for mode in throughput.modes(usable_cores())}
    assert set(rates["unit"]) == {"messages/s"} and (rates["value"] > 0).all()
    late = whole[whole["metric"] == "lag-p99"]
    assert set(late["case"]) == {"orjson", "orjson (A/A)", IDLE, RELEASES, HOLDS} and set(late["unit"]) == {"ns"}
    assert set(late["place"]) == {"decode/inline", "decode/thread", "decode/pool"}
    assert {path.stem for path in (tmp_path / "cut/tables").iterdir()} > {"throughput", "lag"}


def test_load_is_measured_on_request_only() -> None:
    """The main job has no load cells; the load parts alone take a selection of the workloads."""
    assert not {cell.part for cell in make_plan(Options()).cells()} & {*LOAD_PARTS}
    plan = make_plan(Options(parts=LOAD_PARTS))
    assert tuple(plan.sources) == LOAD_WORKLOADS and {cell.part for cell in plan.cells()} == {"parity", *LOAD_PARTS}
    beside = make_plan(Options(parts=("time", *LOAD_PARTS))).cells()
    assert {cell.unit for cell in beside if cell.part in LOAD_PARTS} == {*LOAD_WORKLOADS}
    with pytest.raises(UnknownNameError, match="no part named 'load'"):
        compare("orjson", "chat-turn", parts=["load"])


def test_the_command_can_be_stopped_reported_and_leaves_nobody(serlab: Run, tmp_path: Path) -> None:
    """Killed in a throughput cell, it takes worker and load workers along; what was measured is shown by `report`."""
    program = str(Path(sys.executable).with_name("serlab"))
    command = [program, "throughput", "--quick", "--workload", "chat-turn", "--codec", "orjson"]
    process = subprocess.Popen([*command, "--operation", "decode", "-o", "out"], cwd=tmp_path, stderr=subprocess.PIPE)
    wait_for_lines(tmp_path / "out/journal.jsonl", 2)
    # Between two cells there is no worker.
    while len(family := descendants(process.pid)) <= usable_cores():
        assert process.poll() is None, "the command ended before it had a worker and load workers"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for pid in family:
        status = subprocess.run(["timeout", "300", "tail", f"--pid={pid}", "-f", "/dev/null"])
        assert status.returncode == 0, f"process {pid} is still there"
    done = serlab("report", "out")
    assert done.returncode == 0 and (tmp_path / "out/tables/throughput.md").exists()
    assert "×proc" in done.stdout and "…" not in done.stdout


def descendants(pid: int) -> list[int]:
    """List the processes under one."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = [int(child) for child in path.read_text().split()] if path.exists() else []
    return children + [below for child in children for below in descendants(child)]


def test_the_command_refuses_an_operation_that_it_does_not_load(serlab: Run) -> None:
    """Only encode and decode are run under load."""
    done = serlab("throughput", "--operation", "read-one")
    assert done.returncode == 2 and "no operation under load named 'read-one'" in done.stderr
