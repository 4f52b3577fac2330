"""serlab time --base: two environments in one run."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace

import serlab as package
from serlab import load_environment, load_findings, load_results
from serlab.codecs import codec_info, codec_names
from serlab.errors import InterpreterError
from serlab.measure.job import At, Figure, Job, Record
from serlab.measure.options import EFFORTS
from serlab.measure.paired import base_of, run_paired
from serlab.measure.process import WorkerDied
from tests.conftest import PLANTED, Run, children
from tests.support.jobs import all_of, job_of

pytestmark = [pytest.mark.slow, pytest.mark.alone]

OTHER = '''
import os, signal, time
from dataclasses import replace
from serlab.codecs import open_codec


@planted
def slow(info, kind):
    """Decodes like orjson and waits for nothing."""
    return replace(open_codec("orjson", kind), name=info.name)


@planted
def hang(info, kind):
    """Never decodes, once parity was checked."""
    codec = open_codec("orjson", kind)
    calls = []

    def deserialize(data):
        calls.append(data)
        if len(calls) > 1:
            time.sleep(10_000)
        return codec.deserialize(data)

    return replace(codec, name=info.name, deserialize=deserialize)


@planted
def crash(info, kind):
    """Kills its own process."""
    codec = open_codec("json", kind)
    return replace(codec, name=info.name, deserialize=lambda data: os.kill(os.getpid(), signal.SIGKILL))
'''


WELL = """
from serlab.codecs import open_codec


@planted
def crash(info, kind):
    return open_codec("json", kind)
"""


def install(home: Path, module: str, points: str, code: str) -> Path:
    """Make a folder with an installed distribution, planted-codecs 0.9, that brings codecs by entry points."""
    info = home / "planted_codecs-0.9.dist-info"
    info.mkdir(parents=True)
    (home / f"{module}.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted-codecs\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text(f"[serlab.codecs]\n{points}\n")
    return home


def make_environment(folder: Path, *paths: Path | str) -> Path:
    """Make a virtual environment that sees the given folders, and serlab only if it is in one of them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "paths.pth").write_text("".join(f"{path}\n" for path in paths))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with this serlab, its libraries, and codecs of its own; version 0.9 of the planted ones."""
    points = "\n".join(f"{name} = other_codecs:{name}.info" for name in ("slow", "hang", "crash"))
    home = install(tmp_path_factory.mktemp("other"), "other_codecs", points, PLANTED + OTHER)
    libraries = sysconfig.get_paths()["purelib"]
    return make_environment(home / "venv", home, Path(package.__path__[0]).parent, libraries)


@pytest.fixture(scope="module")
def job() -> Job:
    """Make the job of one small cell."""
    return job_of("time", operations=("decode",), effort=EFFORTS["quick"]._replace(rounds=3))


def test_a_codec_that_is_slower_here_is_found_and_fails_the_gate(
    serlab: Run, tmp_path: Path, plugin_home: Path, base: Path
) -> None:
    """The same name in two environments, and a library that takes twice as long here."""
    work = ("--quick", "--workload", "agent-request", "--codec", "orjson,slow", "--operation", "decode")
    done = serlab("time", *work, "--base", str(base), "-o", "out", plugins=plugin_home)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    rows = load_results(out)
    found = {(row["operation"], row["codec"]): row for row in read_paired(out)}
    slower = found["decode", "slow"]
    assert slower["verdict"] == "slower" and slower["ratio"] > 1.15 and slower["pairs"] == 5
    assert (slower["base_version"], slower["head_version"]) == ("0.9", "1.0")
    assert set(rows["case"]) >= {"slow", "slow (base)", "orjson (A/A)", "orjson (base) (A/A)"}
    assert load_environment(out)["base"]["codecs"]["slow"] == "0.9"
    assert (out / "pyperf/slow-base.json").exists()
    assert "slower: agent-request decode slow 0.9 → 1.0" in " ".join(done.stdout.split())
    assert "(base)" not in (out / "tables/summary.md").read_text()
    gate = serlab("gate", "out")
    assert gate.returncode == 1 and "FAIL: agent-request/decode/slow/time slower" in gate.stdout
    assert "version: planted-codecs 0.9 → 1.0" in gate.stdout
    assert serlab("gate", "out", "--allow", "*/decode/slow/time", "--allow", "*/orjson/*").returncode == 0
    again = serlab("time", "--resume", "--base", str(base), "-o", "out", plugins=plugin_home)
    assert again.returncode == 0 and pd.DataFrame.equals(load_results(out), rows)


def read_paired(directory: Path) -> list[dict[str, object]]:
    """Read the table of pairs."""
    rows: list[dict[str, object]] = json.loads((directory / "tables/paired.json").read_bytes())["rows"]
    return rows


def test_a_codec_that_dies_in_the_other_environment_costs_itself_only(
    serlab: Run, tmp_path: Path, plugin_home: Path, base: Path
) -> None:
    """The finding names the environment; the others have their pairs."""
    home = tmp_path / "well"
    install(home, "well", "crash = well:crash.info", PLANTED + WELL)
    work = ("--quick", "--workload", "chat-turn", "--codec", "crash,orjson", "--operation", "encode")
    done = serlab("time", *work, "--base", str(base), "-o", "out", plugins=home)
    assert done.returncode == 1, done.stderr
    findings = load_findings(tmp_path / "out")
    assert {(one["codec"].removesuffix(" (base)"), one["outcome"]) for one in findings} == {("crash", "unmeasured")}
    assert "worker killed by SIGKILL" in findings[0]["reason"] and "(base)" in findings[0]["reason"]
    assert {row["codec"] for row in read_paired(tmp_path / "out")} == {"orjson"}


def test_both_environments_measure_the_same_documents_by_turns(base: Path, job: Job) -> None:
    """Each arm has a figure for the pairs, and the second process of this environment as well."""
    sent: list[Record] = []
    run_paired(base_of(str(base)), job, sent.append)
    assert sorted((str(one.case), one.metric) for one in all_of(Figure, sent)) == [
        ("orjson", "time"), ("orjson", "time-again"), ("orjson", "time-paired"),
        ("orjson (A/A)", "time"), ("orjson (A/A)", "time-paired"),
        ("orjson (base)", "time"), ("orjson (base)", "time-paired"),
        ("orjson (base) (A/A)", "time"), ("orjson (base) (A/A)", "time-paired"),
    ]  # fmt: skip


def test_a_worker_that_holds_its_turn_too_long_is_killed_and_named(base: Path, job: Job) -> None:
    """The others, who only waited for it, are not blamed."""
    other = base_of(str(base))
    with pytest.raises(WorkerDied, match=r"no sign of life for 12 s, killed \(base\) at hang") as error:
        run_paired(other, replace(job, codecs=["orjson", "hang"]), lambda sent: None, silence_s=12.0)
    assert error.value.at == "hang (base)" and not error.value.passing


@pytest.fixture
def hangup() -> Iterator[None]:
    """Let a hang-up end who gets it: a suite under nohup ignores it, and what it starts would as well."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize(("number", "ending"), [("SIGHUP", "killed by SIGHUP"), ("SIGSTOP", "no sign of life for")])
def test_a_signal_to_one_of_the_pair_is_nobodys_failure(base: Path, job: Job, number: str, ending: str) -> None:
    """Whoever it hit, dead or stopped; the two others are ended and no file of theirs is left."""
    other, hit, before = base_of(str(base)), [], set(children(os.getpid()))

    def record(sent: Record) -> None:
        if isinstance(sent, At) and sent.codec and not hit:
            hit.append(max(set(children(os.getpid())) - before))
            os.kill(hit[0], signal.Signals[number])

    with pytest.raises(WorkerDied, match=ending) as error:
        # An hour is left to do when the first codec is named, however late that is read.
        work = replace(job, effort=EFFORTS["quick"]._replace(rounds=1_000_000, arm_ns=10**15))
        run_paired(other, work, record, silence_s=12.0)
    assert error.value.passing and set(children(os.getpid())) <= before


def test_an_environment_without_serlab_gets_this_one(tmp_path: Path) -> None:
    """So that two versions of a library are compared by the same code."""
    place = make_environment(tmp_path / "bare", sysconfig.get_paths()["purelib"])
    found = base_of(str(place))
    assert found.home == Path(package.__path__[0]).parent
    assert found.codecs == {name: info.version for name in codec_names() if (info := codec_info(name)).version}


def test_an_environment_that_cannot_measure_is_refused_with_the_remedy(serlab: Run, tmp_path: Path) -> None:
    """No Python, no libraries, a serlab that is too old."""
    with pytest.raises(InterpreterError, match=r"found no Python at .*; make one: python3 -m venv"):
        base_of(str(tmp_path / "missing"))
    with pytest.raises(InterpreterError, match=r"cannot import what serlab needs: .*; install it there: .*pip install"):
        base_of(str(make_environment(tmp_path / "empty")))
    old = tmp_path / "old/serlab"
    (old / "codecs").mkdir(parents=True)
    (old / "measure").mkdir()
    (old / "__init__.py").touch()
    (old / "codecs/__init__.py").write_text("def codec_names():\n    return []\n\n\ndef codec_info(name): ...\n")
    for name in ("__init__", "time"):
        (old / f"measure/{name}.py").touch()
    place = make_environment(tmp_path / "venv", old.parent, sysconfig.get_paths()["purelib"])
    with pytest.raises(InterpreterError, match="does not measure by turns as this one does; install the same there"):
        base_of(str(place))
    done = serlab("time", "--base", "missing", "--codec", "orjson")
    assert done.returncode == 2 and "expected a virtual environment" in done.stderr and "Traceback" not in done.stderr
