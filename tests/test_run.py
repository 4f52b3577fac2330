"""Runs: kills, resumption, workers that die, folders that fill up."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from serlab import compare, load_findings, load_results
from serlab.errors import ResultsError
from serlab.measure.plan import Options, make_plan
from serlab.results import Row
from tests.conftest import Run
from tests.test_cli import wait_for_lines

KEY = [name for name in Row._fields if name not in ("run", "value")]
COMMAND = ("compare", "--quick", "--workload", "tool-call-response", "--codec", "orjson,msgpack")


def keys(directory: Path) -> list[tuple[object, ...]]:
    """List what identifies the rows of a run."""
    return sorted(load_results(directory)[KEY].itertuples(index=False, name=None))


def test_a_killed_run_resumes_to_the_same_rows(serlab: Run, tmp_path: Path) -> None:
    """SIGKILL after any number of cells, twice, costs nothing but the cell that was under way."""
    assert serlab(*COMMAND, "-o", "whole").returncode == 0
    expected = keys(tmp_path / "whole")
    program = str(Path(sys.executable).with_name("serlab"))
    for cells in (0, 1, 3, 6):
        out = tmp_path / f"killed-{cells}"
        for count in (cells, cells + 1):
            process = subprocess.Popen(
                [program, *COMMAND, "--resume", "-o", str(out)], cwd=tmp_path, stderr=subprocess.DEVNULL
            )
            if count:
                wait_for_lines(out / "journal.jsonl", count)
            process.kill()
            process.wait()
        if (out / "journal.jsonl").exists():
            with (out / "journal.jsonl").open("ab") as journal:
                journal.write(b'{"key": "time/torn')
        assert serlab("compare", *COMMAND[1:], "--resume", "-o", str(out)).returncode == 0
        assert keys(out) == expected


def test_resume_alone_takes_the_options_of_the_stopped_run(serlab: Run, tmp_path: Path) -> None:
    """`--resume -o DIR` needs no other option."""
    program = str(Path(sys.executable).with_name("serlab"))
    process = subprocess.Popen([program, *COMMAND, "-o", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for_lines(tmp_path / "out/journal.jsonl", 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert serlab("compare", "--resume", "-o", "out").returncode == 0
    assert set(load_results(tmp_path / "out")["codec"]) == {"orjson", "msgpack", "orjson (A/A)"}


def test_a_killed_run_leaves_no_worker(tmp_path: Path) -> None:
    """A worker whose run is gone ends by itself."""
    program = str(Path(sys.executable).with_name("serlab"))
    process = subprocess.Popen([program, *COMMAND, "-o", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for_lines(tmp_path / "out/journal.jsonl", 3)
    children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    process.kill()
    process.wait()
    for child in children:
        status = subprocess.run(["timeout", "10", "tail", f"--pid={child}", "-f", "/dev/null"])
        assert status.returncode == 0, f"worker {child} is still there"


def test_a_worker_that_dies_costs_its_codec_only(serlab: Run, tmp_path: Path, plugin_home: Path) -> None:
    """A codec that kills its process gets a finding; the others get their figures."""
    work = ("--workload", "tool-call-response", "--codec", "crash,orjson,lossy,wild")
    done = serlab("compare", "--quick", *work, "-o", "out", plugins=plugin_home)
    assert done.returncode == 1, done.stderr
    rows = load_results(tmp_path / "out")
    assert set(rows[rows["metric"] == "time"]["codec"]) == {"orjson", "orjson (A/A)", "lossy"}
    outcomes = {finding["codec"]: finding["outcome"] for finding in load_findings(tmp_path / "out")}
    assert outcomes == {"crash": "failed", "wild": "refused"}
    assert "worker killed by SIGKILL" in done.stdout and "planted" in done.stdout
    summary = json.loads((tmp_path / "out/tables/summary.json").read_bytes())["rows"]
    assert {row["codec"]: row["parity"] for row in summary}["crash"] == "failed"


def test_a_codec_that_changes_a_body_gets_no_figure(serlab: Run, tmp_path: Path, plugin_home: Path) -> None:
    """Only the reason is shown, in every part."""
    work = ("--workload", "chat-turn", "--codec", "lossy,orjson")
    done = serlab("compare", "--quick", *work, "-o", "out", plugins=plugin_home)
    rows = load_results(tmp_path / "out")
    assert done.returncode == 1 and set(rows[rows["codec"] == "lossy"]["operation"]) == {"parity"}
    assert "lossy: /temperature: expected float 0.7, got nothing" in " ".join(done.stdout.split())


def test_a_planted_delay_is_found(serlab: Run, tmp_path: Path, plugin_home: Path) -> None:
    """A codec that waits in decode is slower there and ties in encode."""
    work = ("--workload", "agent-request", "--codec", "orjson,slow")
    assert serlab("time", "--quick", *work, "-o", "out", plugins=plugin_home).returncode == 0
    rows = json.loads((tmp_path / "out/tables/time.json").read_bytes())["rows"]
    found = {(row["operation"], row["codec"]): row for row in rows}
    assert found["decode", "slow"]["verdict"] == "slower" and found["decode", "slow"]["ratio"] > 1.2
    assert 0.8 < found["encode", "slow"]["ratio"] < 1.25


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
    assert isinstance(table, pd.DataFrame) and list(table.columns) == list(Row._fields)
    assert table.attrs["findings"] == [] and table.attrs["environment"]["cores"] == len(os.sched_getaffinity(0))
    assert capsys.readouterr().out == ""
    compare(codecs=["orjson", "json"], workloads="chat-turn", parts=["size"], directory=tmp_path / "kept")
    assert "parity/chat-turn" in capsys.readouterr().out
    with pytest.raises(ResultsError, match="holds a run already"):
        compare("orjson", "chat-turn", parts=["size"], directory=tmp_path / "kept", progress=False)


def test_variants_stand_only_where_they_differ() -> None:
    """Without a choice the variants join for vectors only; asked for by name they join everywhere."""
    plan = make_plan(Options(workloads=("chat-turn", "embeddings")))
    assert "msgpack-bin" in plan.codecs_for("EmbeddingResponse") and "msgpack-bin" not in plan.codecs_for("ChatRequest")
    assert make_plan(Options(codecs=("msgpack-bin",))).codecs_for("ChatRequest") == ["msgpack-bin"]
