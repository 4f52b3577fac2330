"""The command through its real entry point."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serlab.corpus import MAX_LEVELS
from serlab.results import load_results
from tests.conftest import ROOT, Run
from tests.support.corpora import line as line_of
from tests.support.corpora import nested

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "temperature": 1, "novel": {"deep": [1]}}
FILES = {
    f"{name}.{suffix}"
    for name in ("size", "time", "memory", "summary")
    for suffix in ("md", "csv", "tex", "html", "json")
}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write three good lines, one of them a document, and a broken one."""
    path = tmp_path / "traffic.jsonl"
    lines = [json.dumps(CHAT), "{broken", json.dumps({"anything": 1}), json.dumps(CHAT)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_list_names_codecs_messages_and_workloads(serlab: Run) -> None:
    """`list` shows what there is, also as JSON."""
    text = serlab("list").stdout
    found = json.loads(serlab("list", "--json").stdout)
    names = [codec["name"] for codec in found["codecs"]]
    assert names[:5] == ["json", "orjson", "msgpack", "protobuf", "flatbuffers"]
    assert all(codec["version"] for codec in found["codecs"])
    assert len(found["workloads"]) == 13 and found["messages"][-1] == "document"
    assert all(name in text for name in [*names, "mooncake-conv", "GenerateResponse"])


def test_check_counts_outcomes_unknown_fields_and_the_share_of_extra(serlab: Run, corpus: Path) -> None:
    """`check --json` has the documented shape, and a line that is not JSON is a finding."""
    done = serlab("check", "--corpus", str(corpus), "--json")
    report = json.loads(done.stdout)
    assert report["bodies"] == 3 and report["kinds"] == {"ChatRequest": 2, "document": 1}
    assert report["codecs"]["orjson"] == {"equal": 3, "refused": 0, "changed": 0, "no_schema": 0}
    assert report["codecs"]["protobuf"] == {"equal": 2, "refused": 0, "changed": 0, "no_schema": 1}
    assert report["unknown_fields"] == {"/novel": 2}
    assert 0.1 < report["extra_share"]["ChatRequest"] < 0.3
    assert report["unreadable"][0]["line"] == 2 and report["unreadable_lines"] == 1
    assert done.returncode == 1


def test_check_is_fine_on_good_lines(serlab: Run, tmp_path: Path) -> None:
    """The exit status is 0 where every body came back."""
    (tmp_path / "good.jsonl").write_text(json.dumps(CHAT))
    done = serlab("check", "--corpus", "good.jsonl", "--codec", "json,orjson")
    assert done.returncode == 0 and "/novel" in done.stdout and done.stderr == ""


def test_check_names_file_and_line_of_a_changed_body(serlab: Run, corpus: Path, plugin_home: Path) -> None:
    """A codec that drops a field is found out, and the place is named."""
    done = serlab("check", "--corpus", str(corpus), "--codec", "lossy", plugins=plugin_home)
    assert done.returncode == 1
    text = "".join(done.stdout.split())
    assert f"changed: {corpus}:1: lossy: /temperature: expected int 1, got nothing".replace(" ", "") in text


def test_check_of_deep_bodies_reports_what_cannot_carry_them(serlab: Run, tmp_path: Path) -> None:
    """A body of many levels is refused by some codecs, or is a line that cannot be read; the others are checked."""
    levels = (330, 404, MAX_LEVELS, 600, 960)
    text = (
        b"".join(map(nested, levels)) + line_of({**CHAT, "metadata": {"odd": "\ud83d", "deep": [[]]}}) + line_of(CHAT)
    )
    (tmp_path / "deep.jsonl").write_bytes(text)
    done = serlab("check", "--json", "--corpus", "deep.jsonl", "--codec", "json,orjson,protobuf,flatbuffers")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert found["bodies"] == 5 and [error["line"] for error in found["unreadable"]] == [4, 5]
    assert {name: counts["equal"] for name, counts in found["codecs"].items()}["json"] == 5
    refused = {finding["line"] for finding in found["findings"] if finding["codec"] == "orjson"}
    assert refused == {1, 2, 3} and found["codecs"]["orjson"]["refused"] == 4


def test_strict_stops_at_the_first_broken_line(serlab: Run, corpus: Path) -> None:
    """`--strict` names file and line and measures nothing."""
    for command in ("check", "size", "compare"):
        done = serlab(command, "--strict", "--corpus", str(corpus))
        assert done.returncode == 2 and f"{corpus}:2: not JSON" in done.stderr


def test_size_json_has_a_line_for_each_body_and_codec(serlab: Run, corpus: Path) -> None:
    """The sizes agree with the standard library's on the file's own bytes."""
    done = serlab("size", "--json", "--corpus", str(corpus), "--codec", "json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    data = json.dumps(CHAT, separators=(",", ":")).encode()
    assert [line["line"] for line in lines] == [1, 3, 4]
    expected = {"file": str(corpus), "line": 1, "kind": "ChatRequest", "codec": "json", "raw": len(data)}
    assert lines[0] == {**expected, "gzip": len(gzip.compress(data, 6)), "zstd": lines[0]["zstd"]}
    assert done.returncode == 1 and "not JSON" in done.stderr


@pytest.mark.slow
def test_compare_leaves_rows_suites_and_tables(serlab: Run, corpus: Path, tmp_path: Path) -> None:
    """The main job writes the documented folder, and pyperf reads its suites."""
    done = serlab(
        "compare", "--quick", "--corpus", str(corpus), "--codec", "orjson", "--codec", "protobuf", "-o", "out"
    )
    assert done.returncode == 1, done.stderr
    out = tmp_path / "out"
    rows = load_results(out)
    assert set(rows["place"]) == {"parity", "size", "encode", "decode", "read-one"}
    assert set(rows["workload"]) == {"traffic.jsonl:ChatRequest", "traffic.jsonl:document"}
    assert {path.name for path in (out / "tables").iterdir()} == FILES
    assert json.loads((out / "environment.json").read_bytes())["versions"]["orjson"]
    suites = [str(out / "pyperf" / f"{name}.json") for name in ("orjson", "protobuf")]
    assert "traffic.jsonl:ChatRequest/decode" in pyperf("compare_to", *suites)
    assert "Total number of run: 5" in pyperf("stats", suites[0]) and "###" in pyperf("hist", suites[0])
    for line in ("no schema", "traffic.jsonl:ChatRequest", "not JSON"):
        assert line in done.stdout


@pytest.mark.slow
def test_a_run_in_which_every_codec_refuses_is_shown_as_such(serlab: Run, tmp_path: Path) -> None:
    """By every command that reads it; a finding is status 1, and what cannot be answered says why."""
    (tmp_path / "odd.jsonl").write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "\ud83d"}]}))
    for done in (
        serlab("compare", "--quick", "--codec", "orjson,msgpack", "--corpus", "odd.jsonl", "-o", "out"),
        serlab("report", "out"),
    ):
        assert done.returncode == 1 and "Traceback" not in done.stderr and "failed" not in done.stdout
        assert "No codec has a figure." in done.stdout and "refused: odd.jsonl: 1 of 1 bodies refused" in done.stdout
        assert [line.split() for line in done.stdout.splitlines() if line.startswith("    ") and line.strip()] == [
            ["msgpack", "refused"], ["orjson", "refused"],
        ]  # fmt: skip
    assert "no codec has a figure: msgpack refused, orjson refused" in (tmp_path / "out/tables/size.md").read_text()
    for arguments in (
        ("export", "out", "--table", "size"),
        ("figures", "out"),
        ("decide", "out", "--scenario", "edge"),
    ):
        done = serlab(*arguments)
        assert done.returncode == 2 and "refused" in done.stderr and done.stderr.count("\n") == 1
    assert serlab("export", "out").returncode == serlab("decide", "out").returncode == 0


def pyperf(*arguments: str) -> str:
    """Run one of pyperf's own commands."""
    done = subprocess.run([sys.executable, "-m", "pyperf", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_report_writes_the_tables_again(serlab: Run, tmp_path: Path) -> None:
    """`report` needs nothing but the folder."""
    serlab("size", "--workload", "chat-turn", "--codec", "orjson", "-o", "out")
    before = (tmp_path / "out/tables/size.md").read_text()
    (tmp_path / "out/tables/size.md").unlink()
    done = serlab("report", "out")
    assert done.returncode == 0 and (tmp_path / "out/tables/size.md").read_text() == before


def test_json_output_is_rows(serlab: Run) -> None:
    """`memory --json` prints the tidy rows and nothing else."""
    done = serlab("memory", "--json", "--workload", "tool-call-response", "--codec", "msgpack", "-o", "out")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["metric"] for row in rows} >= {"allocations", "bytes", "peak"}
    assert all(set(row) >= {"codec", "version", "role", "unit", "process", "value"} for row in rows)
    assert {row["case"] for row in rows} == {"msgpack"} and all(row["conditions"] == {} for row in rows)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("compare", "--codec", "orjsn"), "did you mean 'orjson'?"),
        (("compare", "--workload", "chat"), "no workload named 'chat'"),
        (("time", "--operation", "decod"), "did you mean 'decode'?"),
        (("check", "--corpus", "missing.jsonl"), "missing.jsonl: cannot be read: No such file or directory"),
        (("compare", "--corpus", "."), "cannot be read: Is a directory"),
        (("report", "."), ".: expected a results folder, which has environment.json; make one with"),
        (("report", "absent"), "serlab: absent: no such folder; expected a results folder: make one with"),
        (("export", "absent"), "serlab: absent: no such folder; expected a results folder: make one with"),
        (("compare", "--quick", "--rigorous"), "exclude each other"),
        (("compare", "--resume"), "no run there was stopped"),
        (("time", "--batch-ms", "nan"), "batch_ms: expected 0 to 1,000,000, got nan"),
        (("wire", "--time-limit", "inf"), "time_limit_s: expected 0 to 1,000,000, got inf"),
        (("memory", "--memory-limit", "-1"), "memory_limit_mb: expected 0 to"),
        (("frobnicate",), "No such command"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(serlab: Run, arguments: tuple[str, ...], complaint: str) -> None:
    """What the user got wrong is said, with the remedy, without a traceback."""
    done = serlab(*arguments)
    assert done.returncode == 2 and complaint in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_a_folder_with_a_run_is_not_written_over(serlab: Run) -> None:
    """A second run into the same folder is refused; with `--resume` it finds all done."""
    size = ("size", "--workload", "chat-turn", "--codec", "orjson", "-o", "out")
    assert serlab(*size).returncode == 0
    again = serlab(*size)
    assert again.returncode == 2 and "--resume goes on with it" in again.stderr
    assert serlab(*size, "--resume").returncode == 0
    other = serlab("size", "--workload", "stream", "--codec", "orjson", "-o", "out", "--resume")
    assert other.returncode == 2 and "made otherwise" in other.stderr


def test_a_folder_is_refused_before_it_is_promised(serlab: Run, tmp_path: Path) -> None:
    """Nobody's files are written over, and a name with a slip starts no second run."""
    size = ("size", "--workload", "chat-turn", "--codec", "orjson", "-o")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/report.html").write_text("mine")
    foreign, slip = serlab(*size, "mine"), serlab(*size, "slip", "--resume")
    assert foreign.returncode == slip.returncode == 2
    assert "mine: expected a new or an empty folder, got one with report.html" in foreign.stderr
    assert "slip: no run there was stopped" in slip.stderr
    assert serlab(*size, "out").returncode == 0
    for refused in (foreign, slip, serlab(*size, "out")):
        assert refused.stderr.count("\n") == 1 and "results go to" not in refused.stderr
    assert (tmp_path / "mine/report.html").read_text() == "mine" and not (tmp_path / "slip").exists()


def test_an_empty_folder_is_as_good_as_a_new_one(serlab: Run, tmp_path: Path) -> None:
    """Also one with the lock of a run that was stopped at once."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.lock").touch()
    assert serlab("size", "--workload", "chat-turn", "--codec", "orjson", "-o", "out").returncode == 0


def test_a_corpus_without_bodies_is_no_success(serlab: Run, tmp_path: Path) -> None:
    """Neither is a table of zeros."""
    (tmp_path / "empty.jsonl").write_text("\n\n")
    for command in (("check",), ("check", "--json"), ("size", "--json")):
        done = serlab(*command, "--corpus", "empty.jsonl")
        assert done.returncode == 2 and "serlab: empty.jsonl: holds no bodies" in done.stderr and not done.stdout


@pytest.mark.slow
def test_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    """Ctrl-C ends at once with status 130 and the command that resumes; no worker is left."""
    command = [str(Path(sys.executable).with_name("serlab")), "time", "--workload", "chat-turn", "-o", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_lines(tmp_path / "out/journal.jsonl", 2)
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=300)
    assert process.returncode == 130 and "serlab time --resume -o out" in complaint and "Traceback" not in complaint


def test_a_closed_pipe_is_no_traceback(serlab: Run, tmp_path: Path) -> None:
    """`serlab size --json | head -1` ends quietly."""
    command = f"{Path(sys.executable).with_name('serlab')} size --json --codec orjson | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert json.loads(done.stdout)["codec"] == "orjson" and done.stderr == ""


def test_the_module_is_the_command() -> None:
    """`python -m serlab` works from any folder."""
    done = subprocess.run([sys.executable, "-m", "serlab", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("serlab ")


def wait_for_lines(path: Path, count: int) -> None:
    """Wait until a journal holds so many cells."""
    deadline = time.monotonic() + 600
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, f"{path} did not grow to {count} lines"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["decide", "--list"]])
def test_full_standard_output_is_one_line(arguments: list[str]) -> None:
    """Whether the output is written at once or at the end."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "serlab", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2 and "disk is full" in done.stderr and len(done.stderr.splitlines()) == 1
