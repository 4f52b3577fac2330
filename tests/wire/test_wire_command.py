"""`serlab wire` as a person runs it: a kill, what is resumed, what is left, and that no process stays behind."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from serlab import compare, load_results
from serlab.measure import wire
from serlab.rows import ORDER
from tests.cli.test_cli import wait_for_lines
from tests.conftest import Run
from tests.wire.conftest import needs_service

KEY = [name for name in ORDER if name != "run"]
OPTIONS = ("--quick", "--workload", "chat-turn", "--codec", "orjson,protobuf")
GONE_S = 120.0
"""When a process that has not ended counts as left behind, also on a busy machine."""
WAYS = pytest.mark.parametrize("experiment", ["pooling", pytest.param("transport", marks=needs_service)])
"""One experiment without a server and one with; only the latter needs the extra."""


def keys(directory: Path) -> list[tuple[object, ...]]:
    """List what identifies the rows of a run."""
    return sorted(load_results(directory)[KEY].itertuples(index=False, name=None))


def living_in(folder: Path) -> list[str]:
    """List the processes that work in a folder: a run's, its workers and their servers inherit it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if path.readlink() == folder:
                found.append(path.parent.name)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
@WAYS
def test_killed_run_resumes_and_leaves_no_server_behind(serlab: Run, tmp_path: Path, experiment: str) -> None:
    """SIGKILL in the middle of it; then the same rows as an undisturbed run, and nothing of the first goes on."""
    program = str(Path(sys.executable).with_name("serlab"))
    command = [program, "wire", experiment, *OPTIONS, "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path)
    wait_for_lines(tmp_path / "out/journal.jsonl", 2)
    # Between two cells there is no worker.
    while len(living_in(tmp_path)) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    deadline = time.monotonic() + GONE_S
    while living_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living_in(tmp_path) == []
    assert serlab("wire", "--resume", "-o", "out").returncode == 0
    assert serlab("wire", experiment, *OPTIONS, "-o", "whole").returncode == 0
    assert keys(tmp_path / "out") == keys(tmp_path / "whole")


@pytest.mark.slow
@WAYS
def test_run_leaves_table_page_and_conditions(serlab: Run, tmp_path: Path, experiment: str) -> None:
    """In the same places as any run; `--json` has a line for each figure."""
    done = serlab("wire", experiment, *OPTIONS, "-o", "out")
    assert done.returncode == 0 and f"{experiment}, chat-turn" in done.stdout and "Ratios to " in done.stdout
    record = json.loads((tmp_path / "out/environment.json").read_text())
    assert record["wire"][experiment] == wire.conditions([experiment])[experiment]
    needed = {wire.package_of(module) for module in wire.EXPERIMENTS[experiment].needs}
    assert needed <= set(record["versions"])
    assert "On the wire" in (tmp_path / "out/report.html").read_text()
    text = serlab("export", "out", "--table", "wire", "--format", "csv").stdout
    assert f"{experiment},chat-turn" in text and os.linesep in text
    lines = serlab("wire", "--resume", "-o", "out", "--json").stdout.splitlines()
    metrics = {json.loads(line)["metric"] for line in lines}
    assert {"latency", "client-cpu" if needed else "growth-per-use"} <= metrics


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "workload", "operations"),
    [
        ("pooling", "tool-call-response", {"wire/pooling/message-decode"}),
        pytest.param(
            "vectors", "embeddings", {"wire/vectors/list", "wire/vectors/packed"}, marks=needs_service, id="vectors"
        ),
    ],
)
def test_compare_takes_the_wire_as_a_part(tmp_path: Path, experiment: str, workload: str, operations: set[str]) -> None:
    """One run, one page: codecs by themselves and on the wire."""
    chosen = {"codecs": ("orjson", "protobuf"), "workloads": workload, "operations": ("encode",)}
    settings = {"parts": ("size", "time", "wire"), "experiments": (experiment,), "directory": tmp_path}
    rows = compare(**chosen, **settings, progress=False)
    assert {"encode", "size"} | operations <= set(rows["place"])
    assert {experiment} == set(rows.attrs["environment"]["wire"])


def test_what_takes_no_message_of_the_run_is_named(serlab: Run) -> None:
    """Where all are asked for, the others run; here none does, which is told before anything is measured."""
    done = serlab("wire", "vectors", "cache", "--workload", "token-ids")
    assert done.returncode == 2 and "expected messages of EmbeddingResponse, got GenerateRequest" in done.stderr
