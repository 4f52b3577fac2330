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
from serlab.results import Row
from tests.conftest import Run
from tests.test_cli import wait_for_lines

KEY = [name for name in Row._fields if name not in ("run", "value")]
COMMAND = ("wire", "transport", "--quick", "--workload", "chat-turn", "--codec", "orjson,protobuf")


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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
def test_killed_run_resumes_and_leaves_no_server_behind(serlab: Run, tmp_path: Path) -> None:
    """SIGKILL in the middle of a call; then the same rows as an undisturbed run, and nothing of the first goes on."""
    program = str(Path(sys.executable).with_name("serlab"))
    command = [program, *COMMAND, "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path)
    wait_for_lines(tmp_path / "out/journal.jsonl", 2)
    assert len(living_in(tmp_path)) > 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while living_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living_in(tmp_path) == []
    assert serlab("wire", "--resume", "-o", "out").returncode == 0
    assert serlab(*COMMAND, "-o", "whole").returncode == 0
    assert keys(tmp_path / "out") == keys(tmp_path / "whole")


def test_run_leaves_table_page_and_conditions(serlab: Run, tmp_path: Path) -> None:
    """In the same places as any run; `--json` has a line for each figure."""
    done = serlab(*COMMAND, "-o", "out")
    assert done.returncode == 0 and "transport, chat-turn" in done.stdout and "Ratios to orjson" in done.stdout
    record = json.loads((tmp_path / "out/environment.json").read_text())
    assert "HTTP/1.1 by aiohttp" in record["wire"]["transport"]["conditions"]
    assert {"granian", "aiohttp", "grpcio", "h2", "httpx2"} <= set(record["versions"])
    assert "On the wire" in (tmp_path / "out/report.html").read_text()
    text = serlab("export", "out", "--table", "wire", "--format", "csv").stdout
    assert "transport,chat-turn" in text and os.linesep in text
    lines = serlab("wire", "--resume", "-o", "out", "--json").stdout.splitlines()
    assert {"latency", "client-cpu"} <= {json.loads(line)["metric"] for line in lines}


def test_compare_takes_the_wire_as_a_part(tmp_path: Path) -> None:
    """One run, one page: codecs by themselves and on the wire."""
    parts, experiments = ("size", "time", "wire"), ("vectors",)
    chosen = {"codecs": ("orjson", "protobuf"), "workloads": "embeddings", "operations": ("encode",)}
    rows = compare(**chosen, parts=parts, experiments=experiments, directory=tmp_path, progress=False)
    assert {"encode", "size", "wire/vectors/list", "wire/vectors/packed"} <= set(rows["operation"])
    assert {"vectors"} == set(rows.attrs["environment"]["wire"])


def test_what_takes_no_message_of_the_run_is_named(serlab: Run) -> None:
    """Where all are asked for, the others run; here none does, which is told before anything is measured."""
    done = serlab("wire", "vectors", "cache", "--workload", "token-ids")
    assert done.returncode == 2 and "expected messages of EmbeddingResponse, got GenerateRequest" in done.stderr
