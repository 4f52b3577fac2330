"""Runs: kills, resumption, workers that die, folders that fill up."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyperf
import pytest

from serlab import compare, load_findings, load_results
from serlab.cases import FLOOR, FLOOR_COPY, FLOOR_STRINGS, Place
from serlab.errors import ResultsError
from serlab.measure.job import Batches, Figure, Finding
from serlab.measure.options import Options
from serlab.measure.plan import Cell, make_plan
from serlab.measure.run import Collector
from serlab.rows import NAMES, ORDER, Row
from tests.cli.test_cli import wait_for_lines
from tests.conftest import QUICK, Run

pytestmark = pytest.mark.slow

KEY = [name for name in ORDER if name != "run"]
COMMAND = ("compare", *QUICK)


def keys(directory: Path) -> list[tuple[object, ...]]:
    """List what identifies the rows of a run."""
    return sorted(load_results(directory)[KEY].itertuples(index=False, name=None))


def test_a_killed_run_resumes_to_the_same_rows(serlab: Run, tmp_path: Path, quick_run: Path) -> None:
    """SIGKILL after any number of cells, again and again, costs nothing but the cell that was under way."""
    program, out = str(Path(sys.executable).with_name("serlab")), tmp_path / "killed"
    for count in (0, 1, 3, 4, 6):
        how = ["--resume"] if (out / "environment.json").exists() else []
        process = subprocess.Popen([program, *COMMAND, *how, "-o", str(out)], cwd=tmp_path, stderr=subprocess.DEVNULL)
        if count:
            wait_for_lines(out / "journal.jsonl", count)
        process.kill()
        process.wait()
        if (out / "journal.jsonl").exists():
            with (out / "journal.jsonl").open("ab") as journal:
                journal.write(b'{"key": "time/torn')
    assert serlab(*COMMAND, "--resume", "-o", str(out)).returncode == 0
    assert keys(out) == keys(quick_run)


def test_resume_alone_takes_the_options_of_the_stopped_run(serlab: Run, tmp_path: Path) -> None:
    """`--resume -o DIR` needs no other option."""
    program = str(Path(sys.executable).with_name("serlab"))
    process = subprocess.Popen([program, *COMMAND, "-o", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for_lines(tmp_path / "out/journal.jsonl", 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert serlab("compare", "--resume", "-o", "out").returncode == 0
    assert set(load_results(tmp_path / "out")["case"]) == {
        "orjson",
        "msgpack",
        "orjson (A/A)",
        FLOOR_COPY,
        FLOOR_STRINGS,
    }


def test_a_killed_run_leaves_no_worker(tmp_path: Path) -> None:
    """A worker whose run is gone ends by itself."""
    program = str(Path(sys.executable).with_name("serlab"))
    process = subprocess.Popen([program, *COMMAND, "-o", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for_lines(tmp_path / "out/journal.jsonl", 3)
    children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    process.kill()
    process.wait()
    for child in children:
        status = subprocess.run(["timeout", "300", "tail", f"--pid={child}", "-f", "/dev/null"])
        assert status.returncode == 0, f"worker {child} is still there"


def test_a_worker_that_dies_costs_its_codec_only(serlab: Run, tmp_path: Path, plugin_home: Path) -> None:
    """A codec that gets its process killed has a finding, though it may not be its fault; the others their figures."""
    work = ("--workload", "tool-call-response", "--codec", "crash,orjson,lossy,wild")
    done = serlab("compare", "--quick", *work, "-o", "out", plugins=plugin_home)
    assert done.returncode == 1, done.stderr
    rows = load_results(tmp_path / "out")
    timed = {name for name in rows[rows["metric"] == "time"]["case"] if not name.startswith(FLOOR)}
    assert timed == {"orjson", "orjson (A/A)", "lossy"}
    outcomes = {finding["codec"]: finding["outcome"] for finding in load_findings(tmp_path / "out")}
    assert outcomes == {"crash": "unmeasured", "wild": "refused"}
    told = " ".join(done.stdout.split())
    assert "worker killed by SIGKILL" in told and "planted" in told
    summary = json.loads((tmp_path / "out/tables/summary.json").read_bytes())["rows"]
    assert {row["codec"]: row["parity"] for row in summary}["crash"] == "unmeasured"


def test_a_codec_that_changes_a_body_gets_no_figure(serlab: Run, tmp_path: Path, plugin_home: Path) -> None:
    """Only the reason is shown, in every part."""
    work = ("--workload", "chat-turn", "--codec", "lossy,orjson")
    done = serlab("compare", "--quick", *work, "-o", "out", plugins=plugin_home)
    rows = load_results(tmp_path / "out")
    assert done.returncode == 1 and set(rows[rows["codec"] == "lossy"]["operation"]) == {"parity"}
    assert "lossy: /temperature: expected float 0.7, got nothing" in " ".join(done.stdout.split())


@pytest.mark.alone
def test_a_planted_delay_is_found_and_a_twin_ties(serlab: Run, tmp_path: Path, plugin_home: Path) -> None:
    """A codec that waits in decode is slower there; the same codec under another name is a tie.

    Beside a load a wait may be a tie only where the run itself shows noise of that size, in its A/A or the interval.
    """
    work = ("--workload", "agent-request", "--codec", "orjson,slow,slower20,twin")
    assert serlab("time", "--quick", *work, "-o", "out", plugins=plugin_home).returncode == 0
    rows = json.loads((tmp_path / "out/tables/time.json").read_bytes())["rows"]
    found = {(row["operation"], row["codec"]): row for row in rows}
    slow, slower20, control = (found["decode", name] for name in ("slow", "slower20", "orjson (A/A)"))
    assert slow["ratio_low"] < 12 and slow["ratio_high"] > 8
    assert slower20["ratio_low"] < 1.4 and slower20["ratio_high"] > 1.08
    for row, factor in ((slow, 10), (slower20, 1.2)):
        noise = max(control["ratio_high"], 1 / control["ratio_low"], row["ratio_high"] / row["ratio_low"])
        assert row["verdict"] == "slower" or (row["verdict"] == "tie" and noise > factor ** (1 / 3))
    # An interval of 95 % misses the truth in some of these six; most of them must hold it.
    equal = [found["encode", name] for name in ("slow", "slower20", "twin")]
    equal += [found[name, "twin"] for name in ("encode", "decode", "read-one")]
    assert sum(row["verdict"] == "tie" for row in equal) >= 4
    assert all(row["ratio_low"] < 1.25 and row["ratio_high"] > 0.8 for row in equal)


@pytest.mark.parametrize(
    ("codec", "ending", "outcome"),
    [
        ("late_crash", "worker killed by SIGSEGV", "failed"),
        ("late_hang", "no sign of life for 12 s, killed", "failed"),
        ("late_stop", "no sign of life for 12 s, killed", "unmeasured"),
        ("late_hog", "MemoryError", "unmeasured"),
    ],
)
def test_a_death_in_the_timed_rounds_costs_its_codec_only(
    serlab: Run, tmp_path: Path, plugin_home: Path, codec: str, ending: str, outcome: str
) -> None:
    """Each has a name, the others get their figures, and the table says so.

    A codec that crashes or hangs has failed; one that was stopped or found no memory has not, and may be tried again.
    """
    work = ("--workload", "tool-call-response", "--codec", f"orjson,{codec},msgpack", "--operation", "encode,decode")
    limits = ("--time-limit", "12", "--memory-limit", "4000")
    done = serlab("time", "--quick", *work, *limits, "-o", "out", plugins=plugin_home)
    assert done.returncode == 1, done.stderr
    findings = load_findings(tmp_path / "out")
    assert {(one["codec"], one["outcome"]) for one in findings} == {(codec, outcome)}
    assert (len(findings) == 1) == (outcome == "failed"), "who is unmeasured says so in each cell"
    assert ending in findings[0]["reason"] and f"at {codec}" in findings[0]["reason"]
    rows = json.loads((tmp_path / "out/tables/time.json").read_bytes())["rows"]
    found = {(row["operation"], row["codec"]): row for row in rows}
    assert {found[name, codec]["verdict"] for name in ("encode", "decode")} == {outcome}
    assert all(found[name, "msgpack"]["processes"] == 5 for name in ("encode", "decode"))


@pytest.mark.parametrize(("part", "kept"), [("wire", ["one", "one"]), ("memory", [])])
def test_a_death_that_is_no_codecs_keeps_what_stands_by_itself(part: str, kept: list[str]) -> None:
    """The operations that were finished before the one that was under way; none where they are not sent by turns."""
    collector = Collector(Cell(part, "chat-turn", experiment="x"), "run")
    for operation in ("one", "one", "two"):
        collector.record(
            Figure("chat-turn", "ChatRequest", "orjson", "measured", *Place(operation), "latency", "ns", 1.0, "1")
        )
        collector.record(Batches({}, "orjson", "measured", operation, (1, 1), []))
    collector.record(Finding("chat-turn", "", "refused", "no Redis"))
    collector.keep_finished()
    found = collector.finished()
    assert [row.operation for row in found.rows] == [one["operation"] for one in found.pyperf] == kept
    assert len(found.findings) == 1


def test_settings_that_bias_results_are_recorded(tmp_path: Path) -> None:
    """They stand in the environment, and a run with others may not go on."""
    given = {"gc": "on", "pin": True, "batch_ms": 0.1, "time_limit_s": 60.0, "memory_limit_mb": 8000}
    table = compare("orjson", "chat-turn", parts=["time"], directory=tmp_path / "out", progress=False, **given)
    record = table.attrs["environment"]
    assert record["gc"].startswith("enabled") and record["affinity"].startswith("each timing worker on one")
    assert record["effort"]["batch_ns"] == 100_000 and record["warm_up_batches"] == 2 and record["hash_seed"] == 0
    assert (record["time_limit_s"], record["memory_limit_bytes"]) == (60.0, 8 * 10**9)
    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "out/pyperf/orjson.json"))
    affinities = [one.get_metadata()["cpu_affinity"] for one in suite.get_benchmarks()[0].get_runs()]
    assert set(affinities) == set(map(str, os.sched_getaffinity(0)))
    with pytest.raises(ResultsError, match="made otherwise"):
        compare("orjson", "chat-turn", parts=["time"], directory=tmp_path / "out", progress=False, resume=True)


def test_a_codec_that_misreads_gets_no_figure_for_that(serlab: Run, tmp_path: Path, plugin_home: Path) -> None:
    """What a view reads and what a gateway passes on is compared before it is timed."""
    work = ("--workload", "chat-turn", "--codec", "orjson,misreads", "--operation", "encode,read-k,relay")
    done = serlab("time", "--quick", *work, "-o", "out", plugins=plugin_home)
    assert done.returncode == 1
    rows = load_results(tmp_path / "out")
    timed = rows[(rows["codec"] == "misreads") & (rows["metric"] == "time")]["operation"].unique()
    assert set(timed) < {"encode", "read-0%", "read-1", "read-10%", "read-50%"}
    reasons = " ".join(finding["reason"] for finding in load_findings(tmp_path / "out"))
    assert "misreads: read-100%: model: expected 'gpt-4o-2024-08-06', got 'other'" in reasons
    assert "misreads: relay: /temperature: expected float 0.7, got nothing" in reasons
    told = " ".join(done.stdout.split())
    assert told.count("expected float 0.7, got nothing") == 1 and "got nothing (in 5 processes)" in told


def test_a_full_disk_is_one_line_and_loses_nothing(serlab: Run, tmp_path: Path) -> None:
    """A write that fails names the file; what was finished before is kept, and the run goes on later."""
    size = ("size", "--workload", "chat-turn", "--workload", "stream", "--codec", "orjson", "-o", "out")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = serlab(*size, preexec_fn=small_files)
    assert done.returncode == 2 and "cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert serlab(*size, "--resume").returncode == 0
    assert len(load_results(tmp_path / "out")) == 14


def test_two_runs_do_not_share_a_folder(serlab: Run, tmp_path: Path) -> None:
    """The second is refused while the first is at it."""
    program = str(Path(sys.executable).with_name("serlab"))
    process = subprocess.Popen([program, *COMMAND, "-o", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for_lines(tmp_path / "out/journal.jsonl", 1)
    done = serlab(*COMMAND, "--resume", "-o", "out")
    process.kill()
    process.wait()
    assert done.returncode == 2 and "another serlab is writing there" in done.stderr


def test_compare_gives_a_tidy_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The function does what the command does, takes one name or several, and shows progress unless told not to."""
    (tmp_path / "one.jsonl").write_text(json.dumps({"model": "m", "messages": []}))
    table = compare("orjson", corpus=tmp_path / "one.jsonl", parts=["size"], progress=False)
    assert isinstance(table, pd.DataFrame) and list(table.columns) == [*Row._fields, *NAMES]
    assert table.attrs["findings"] == [] and table.attrs["environment"]["cores"] == len(os.sched_getaffinity(0))
    assert capsys.readouterr().out == ""
    compare(codecs=["orjson", "json"], workloads="chat-turn", parts=["size"], directory=tmp_path / "kept")
    assert "parity/chat-turn" in capsys.readouterr().out
    with pytest.raises(ResultsError, match="holds a run already"):
        compare("orjson", "chat-turn", parts=["size"], directory=tmp_path / "kept", progress=False)


def test_variants_stand_only_where_they_differ() -> None:
    """Without a choice the variants join for vectors only; asked for by name they join everywhere."""
    plan = make_plan(Options(workloads=("chat-turn", "embeddings")))
    # The variants that keep nothing differ in time only.
    assert "msgpack-fresh" not in plan.codecs_for("EmbeddingResponse")
    assert "msgpack-bin" in plan.codecs_for("EmbeddingResponse") and "msgpack-bin" not in plan.codecs_for("ChatRequest")
    assert make_plan(Options(codecs=("msgpack-bin",))).codecs_for("ChatRequest") == ["msgpack-bin"]


def test_report_of_a_stopped_run_says_so(serlab: Run, tmp_path: Path, quick_run: Path) -> None:
    """What is there is shown, and how to go on."""
    shutil.copytree(quick_run, tmp_path / "out")
    assert "was stopped" not in serlab("report", "out").stdout
    (tmp_path / "out/results.parquet").unlink()
    done = serlab("report", "out")
    assert done.returncode == 0 and "was stopped" in done.stdout and "--resume -o out" in done.stdout
