"""Trouble that passes: signals to workers, clocks that are set, memory that is short. It costs no row and no codec."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from serlab import load_findings, load_results
from serlab.measure.process import BEAT_SIZE, CRASHES, SIZE, is_passing, is_passing_end
from serlab.measure.time import metadata
from serlab.rows import ORDER
from tests.cli.test_cli import wait_for_lines
from tests.conftest import LATE, PLANTED, QUICK, Run, children, moments
from tests.measure.test_pairing import install

KEY = [name for name in ORDER if name != "run"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by Linux's /proc"),
]
COMPILER = shutil.which("g++")
PROGRAM = str(Path(sys.executable).with_name("serlab"))
WORK = QUICK[: QUICK.index("--codec")]

CODECS = (
    '''
import os, re, signal
from dataclasses import replace
from serlab.codecs import open_codec


def act():
    """Do what the environment asks for, so often as it has marks left to use up."""
    for number in range(int(os.environ.get("TROUBLE_TIMES", "0"))):
        try:
            os.close(os.open(f"{os.environ['TROUBLE']}.{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        what = os.environ["TROUBLE_WHAT"]
        if what == "memory":
            raise MemoryError
        if what == "hold":
            re.match("(a*)*$", "a" * 60 + "b")
        os.kill(os.getpid(), signal.Signals[what])


@planted
def hit(info, kind):
    """Meets with trouble when it is timed."""
    return late(info, kind, act)


@planted
def early(info, kind):
    """Meets with it at once, when parity is checked."""
    codec = open_codec("json", kind)

    def deserialize(data):
        act()
        return codec.deserialize(data)

    return replace(codec, name=info.name, deserialize=deserialize)


'''
    + LATE
)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with codecs that meet with trouble."""
    points = "hit = troubled_codecs:hit.info\nearly = troubled_codecs:early.info"
    return install(tmp_path_factory.mktemp("troubled"), "troubled_codecs", points, PLANTED + CODECS)


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, troubled: Path, quick_run: Path
) -> Callable[..., list[tuple[object, ...]]]:
    """Return a function that lists what a run without trouble measures, each run once."""

    @cache
    def run(*command: str) -> list[tuple[object, ...]]:
        if command == ("compare", *QUICK):
            return keys(quick_run)
        out = tmp_path_factory.mktemp("whole") / "out"
        path = os.pathsep.join([str(troubled), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        subprocess.run([PROGRAM, *command, "-o", str(out)], env=environment, check=True, capture_output=True)
        return keys(out)

    return run


@pytest.fixture
def measure(serlab: Run, tmp_path: Path, troubled: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs the command beside so much trouble."""

    def run(*arguments: str, what: str = "", times: int = 0) -> "subprocess.CompletedProcess[str]":
        path = os.pathsep.join([str(troubled), *filter(None, [os.environ.get("PYTHONPATH")])])
        told = {"TROUBLE": str(tmp_path / f"mark-{what}"), "TROUBLE_WHAT": what, "TROUBLE_TIMES": str(times)}
        return serlab(*arguments, env={**os.environ, "COLUMNS": "80", "PYTHONPATH": path, **told})

    return run


def keys(directory: Path) -> list[tuple[object, ...]]:
    """List what identifies the rows of a run."""
    return sorted(load_results(directory)[KEY].itertuples(index=False, name=None))


def mark_of(pid: int) -> str:
    """Read a worker's mark from outside: the codec that it is at, "" where there is none."""
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            if path.stat().st_size == SIZE + BEAT_SIZE:
                return path.read_bytes()[:SIZE].rstrip(b"\0").decode()
        except OSError:
            continue
    return ""


def workers_at_work(process: "subprocess.Popen[bytes]") -> Iterator[int]:
    """Yield each worker whose mark says that it measures, as long as the run lasts."""
    seen: set[int] = set()
    for _ in moments(600):
        if process.poll() is not None:
            return
        for pid in set(children(process.pid)) - seen:
            if mark_of(pid):
                seen.add(pid)
                yield pid
        time.sleep(0.002)


@pytest.mark.parametrize("trouble", ["SIGINT", "SIGKILL", "SIGSEGV", "memory"])
def test_trouble_that_passes_costs_nothing(measure: Any, whole: Any, tmp_path: Path, trouble: str) -> None:
    """The worker is started again; no finding, and the rows of a run without it. A single crash is no verdict."""
    work = ("time", *WORK, "--codec", "orjson,hit")
    done = measure(*work, "-o", "out", what=trouble, times=1)
    assert (tmp_path / f"mark-{trouble}.0").exists(), "there was no trouble"
    assert done.returncode == 0, done.stdout
    assert load_findings(tmp_path / "out") == [] and keys(tmp_path / "out") == whole(*work)


def test_what_stays_unmeasured_says_so_and_is_measured_by_resume(measure: Any, whole: Any, tmp_path: Path) -> None:
    """Three deaths at one codec leave it out and measure the others; it has not failed, in any table."""
    work = ("time", *WORK, "--codec", "orjson,hit,msgpack")
    done = measure(*work, "-o", "out", what="SIGKILL", times=3)
    assert done.returncode == 1, done.stdout
    rows, findings = load_results(tmp_path / "out"), load_findings(tmp_path / "out")
    assert {(one["codec"], one["outcome"]) for one in findings} == {("hit", "unmeasured")}
    assert "worker killed by SIGKILL" in findings[0]["reason"] and "(3 times)" in findings[0]["reason"]
    assert not (rows["metric"] == "failed").any()
    timed = rows[rows["metric"] == "time"]
    assert "hit" not in set(timed["codec"]) and timed[timed["codec"] == "msgpack"]["process"].nunique() == 5
    told = " ".join(done.stderr.split())
    assert "--resume -o out" in told
    table = (tmp_path / "out/tables/time.csv").read_text()
    assert re.search(r"hit.*unmeasured", table) and "failed" not in table
    again = measure("time", "--resume", "-o", "out")
    assert again.returncode == 0, again.stdout
    assert load_findings(tmp_path / "out") == [] and keys(tmp_path / "out") == whole(*work)


def test_what_stands_on_an_unmeasured_parity_is_measured_by_resume(measure: Any, whole: Any, tmp_path: Path) -> None:
    """Also by one that is killed when the parity is there and the rest is not."""
    work = ("compare", *WORK, "--codec", "orjson,early")
    assert measure(*work, "-o", "out", what="memory", times=3).returncode == 1
    rows, findings = load_results(tmp_path / "out"), load_findings(tmp_path / "out")
    assert {one["part"] for one in findings} == {"parity", "memory", "time"}
    assert set(rows[rows["codec"] == "early"]["metric"]) == {"unmeasured"}
    summary = (tmp_path / "out/tables/summary.csv").read_text()
    assert re.search(r"early,unmeasured", summary)
    # The parity anew, and a kill after it.
    lines = (tmp_path / "out/journal.jsonl").read_bytes().splitlines(keepends=True)
    assert measure("compare", "--resume", "-o", "out").returncode == 0
    grown = (tmp_path / "out/journal.jsonl").read_bytes().splitlines(keepends=True)
    assert len(grown) == 2 * len(lines)
    (tmp_path / "out/journal.jsonl").write_bytes(b"".join(grown[: len(lines) + 1]))
    assert measure("compare", "--resume", "-o", "out").returncode == 0
    assert load_findings(tmp_path / "out") == [] and keys(tmp_path / "out") == whole(*work)


def test_a_resume_that_cannot_measure_it_either_keeps_what_was_there(measure: Any, tmp_path: Path) -> None:
    """And does not measure again what waits for it."""
    work = ("compare", *WORK, "--codec", "orjson,early")
    assert measure(*work, "-o", "out", what="SIGTERM", times=100).returncode == 1
    before = keys(tmp_path / "out")
    lines = (tmp_path / "out/journal.jsonl").read_bytes().count(b"\n")
    assert measure("compare", "--resume", "-o", "out", what="SIGTERM", times=100).returncode == 1
    assert keys(tmp_path / "out") == before
    assert (tmp_path / "out/journal.jsonl").read_bytes().count(b"\n") == lines + 1


WIRED = ("wire", "--quick", "--workload", "chat-turn", "--codec", "orjson,msgpack", "transport")
needs_service = pytest.mark.skipif(find_spec("granian") is None, reason="needs the extra service")
COMMANDS = [
    pytest.param(("compare", *QUICK), id="compare"),
    pytest.param(WIRED, id="wire", marks=needs_service),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_signals_to_workers_that_measure_cost_no_row(whole: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Each to a worker whose mark says that it measures, of a cell of its own; nothing is left of any of them."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [PROGRAM, *command, "-o", "out"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    )
    signals, hit = [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL], []
    journal = tmp_path / "out/journal.jsonl"
    for pid in workers_at_work(process):
        if not signals:
            break
        cells = journal.read_bytes().count(b"\n")
        os.kill(pid, signals.pop())
        hit.append(pid)
        wait_for_lines(journal, cells + 1)
    assert process.wait() == 0 and len(hit) == 4
    assert load_findings(tmp_path / "out") == [] and keys(tmp_path / "out") == whole(*command)
    assert not list(temporary.iterdir())
    assert not any(Path(f"/proc/{pid}").exists() for pid in hit)


def test_a_killed_run_leaves_no_process_though_a_codec_holds_the_interpreter(tmp_path: Path, troubled: Path) -> None:
    """No thread of the worker could notice that its run is gone. What it kept goes with the next run."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    path = os.pathsep.join([str(troubled), *filter(None, [os.environ.get("PYTHONPATH")])])
    told = {"TROUBLE": str(tmp_path / "mark"), "TROUBLE_WHAT": "hold", "TROUBLE_TIMES": "1"}
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary), **told}
    work = [PROGRAM, "time", *WORK, "--codec", "orjson,hit"]
    process = subprocess.Popen([*work, "-o", "out"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    assert any((tmp_path / "mark.0").exists() or time.sleep(0.01) for _ in moments())
    workers = children(process.pid)
    assert workers and list(temporary.iterdir())
    process.kill()
    process.wait()
    for pid in workers:
        assert any(is_gone(pid) or time.sleep(0.01) for _ in moments()), f"worker {pid} is still there"
    done = subprocess.run([*work, "--resume", "-o", "out"], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert not list(temporary.iterdir())


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, even where nobody has waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.skipif(not COMPILER, reason="needs g++")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_wall_clock_that_is_set_costs_no_row(whole: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Back and forward by hours and years, all the time: below every library, in the run, its workers and servers."""
    library, shift = tmp_path / "wall.so", tmp_path / "shift"
    source = Path(__file__).with_name("wall.cpp")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    shift.write_bytes(bytes(8))
    environment = {**os.environ, "LD_PRELOAD": str(library), "WALL_SHIFT": str(shift)}
    show = [sys.executable, "-c", "import time; print(time.time())"]
    process = subprocess.Popen(
        [PROGRAM, *command, "-o", "out"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    )
    steps = cycle((-3600, 3600, -400 * 86_400, 0, 90 * 86_400))
    while process.poll() is None:
        with shift.open("r+b") as file:
            file.write(next(steps).to_bytes(8, sys.byteorder, signed=True))
        time.sleep(0.2)
    assert process.returncode == 0
    assert load_findings(tmp_path / "out") == [] and keys(tmp_path / "out") == whole(*command)
    with shift.open("r+b") as file:
        file.write((-3600).to_bytes(8, sys.byteorder, signed=True))
    told = subprocess.run(show, env=environment, capture_output=True, text=True, check=True).stdout
    assert time.time() - 3700 < float(told) < time.time() - 3500, "the clock was not set"


def test_metadata_of_a_process_do_not_mind_a_clock_before_the_start_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a step back: pyperf reckons the uptime from it and refuses what is less than nothing."""
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert metadata("frozen")["uptime"] > 0


def test_errors_and_endings_are_told_apart() -> None:
    """A refusal for want of memory is the machine's however deep it sits; a crash and an error are the codec's."""
    try:
        try:
            raise MemoryError
        except MemoryError as error:
            raise ValueError("planted") from error
    except ValueError as error:
        assert is_passing(error)
    assert is_passing(ConnectionResetError()) and is_passing(OSError(28, "planted"))
    assert not is_passing(ValueError()) and not is_passing(FileNotFoundError(2, "planted"))
    ends = {one for one in signal.Signals if is_passing_end(-one, "")}
    assert ends == set(signal.Signals) - CRASHES and signal.SIGKILL in ends
    assert not is_passing_end(1, "") and is_passing_end(-signal.SIGABRT, "terminate called: std::bad_alloc")
    assert is_passing_end(-signal.SIGABRT, "memory allocation of 10000000000 bytes failed")
