"""Corpora as they are given: files, pipes, standard input, and the names that they get."""

import gc
import gzip
import json
import lzma
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from serlab import workloads
from serlab.corpus import read
from serlab.errors import CorpusError
from serlab.limits import DEFAULT_LIMITS, MAX_BODY_MB, limits_for, longest_line
from serlab.measure.inputs import Given, given, named, scan
from serlab.measure.plan import make_plan
from serlab.streams import MAX_LINE
from tests.support.corpora import ANSWER, CHAT, kinds, line

COMMAND = [sys.executable, "-m", "serlab"]


def fifo(path: Path, data: bytes) -> threading.Thread:
    """Make a named pipe and write into it as soon as somebody reads."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    return writer


def test_pipe_is_copied_once_and_the_copy_goes_with_its_holder(tmp_path: Path) -> None:
    """It can be read several times, under its own name."""
    writer = fifo(tmp_path / "pipe", line(CHAT) + b"{\n")
    held = given(str(tmp_path / "pipe"))
    writer.join()
    for _ in range(2):
        errors: list[CorpusError] = []
        assert kinds(list(read(held.path, name=held.file, on_error=errors.append))) == ["ChatRequest"]
        assert [(error.file, error.line) for error in errors] == [(str(tmp_path / "pipe"), 2)]
    copy = Path(held.path)
    assert copy.exists()
    del held
    gc.collect()
    assert not copy.exists()


PACKED = {
    "xz": (lzma.compress(line(CHAT)), "; … | xz -dc | serlab check --corpus -"),
    "utf-16": (line(CHAT).decode().encode("utf-16"), "; … | iconv -f UTF-16 -t UTF-8 > bodies-utf8.jsonl"),
    "zip": (b"PK\x03\x04" + bytes(30), "; … > bodies.archive && unzip -p bodies.archive | serlab check --corpus -"),
    "gzipped-xz": (gzip.compress(lzma.compress(line(CHAT))), "; … | gzip -dc | xz -dc | serlab check --corpus -"),
    "array": (json.dumps([CHAT], indent=1).encode(), ": … | jq -c '.[]' > bodies.jsonl"),
    "gzipped-array": (
        gzip.compress(json.dumps([CHAT], indent=1).encode()),
        ": … | gzip -dc | jq -c '.[]' > bodies.jsonl",
    ),
}


@pytest.mark.parametrize(("data", "remedy"), PACKED.values(), ids=PACKED)
def test_remedy_for_a_pipe_names_no_file(tmp_path: Path, data: bytes, remedy: str) -> None:
    """Neither the copy, which is gone by then, nor the pipe, which is empty."""
    writer = fifo(tmp_path / "pipe", data)
    held = given(str(tmp_path / "pipe"))
    writer.join()
    with pytest.raises(CorpusError) as caught:
        list(read(held.path, name=held.file, strict=True))
    assert caught.value.file == held.file
    assert caught.value.reason.endswith(remedy)


def test_file_is_not_copied(tmp_path: Path) -> None:
    """It is read where it lies."""
    (tmp_path / "c.jsonl").write_bytes(line(CHAT))
    assert given(str(tmp_path / "c.jsonl")) == Given(str(tmp_path / "c.jsonl"), str(tmp_path / "c.jsonl"))


@pytest.mark.parametrize(
    ("path", "reason"), [("/dev/zero", "is a device"), ("/", "Is a directory"), ("/none", "No such file")]
)
def test_what_is_neither_file_nor_pipe_is_refused(path: str, reason: str) -> None:
    """By name and reason, before anything is read."""
    with pytest.raises(CorpusError, match=reason):
        given(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("is_file", [True, False], ids=["file", "pipe"])
def test_run_reads_standard_input(tmp_path: Path, name: str, is_file: bool) -> None:
    """Workers, whose standard input is another one, measure what the command was given; no copy is left."""
    (tmp_path / "c.jsonl").write_bytes(line(CHAT) + line(ANSWER) + b"{\n")
    (tmp_path / "tmp").mkdir()
    command = [*COMMAND, "compare", "--quick", "--part", "size", "--codec", "orjson", "--corpus", name, "--json"]
    with (tmp_path / "c.jsonl").open("rb") as stream:
        done = subprocess.run(
            [*command, "-o", str(tmp_path / "run")],
            **({"stdin": stream} if is_file else {"input": (tmp_path / "c.jsonl").read_bytes()}),
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
            capture_output=True,
            check=False,
        )
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert {row["workload"] for row in rows} == {"stdin:ChatRequest", "stdin:ChatResponse"}
    findings = json.loads((tmp_path / "run" / "environment.json").read_text())["plan"]["corpora"]
    assert list(findings) == ["stdin"] and done.returncode == 1
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("command", ["check", "size"])
def test_command_in_one_process_reads_standard_input(command: str) -> None:
    """Its lines are named as standard input's."""
    done = subprocess.run(
        [*COMMAND, command, "--json", "--codec", "orjson", "--corpus", "-"],
        input=line(CHAT) + b"{\n",
        capture_output=True,
        check=False,
    )
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 1 and "stdin" in text and "not JSON" in text


@pytest.mark.slow
def test_hint_is_told_by_every_command(tmp_path: Path) -> None:
    """On standard error, in what `check --json` prints and in the run's environment; it is no finding."""
    (tmp_path / "log.jsonl").write_bytes(line({"ts": 1, "payload": CHAT}))
    plan = ["--codec", "orjson", "--corpus", str(tmp_path / "log.jsonl")]
    done = [
        subprocess.run([*COMMAND, *arguments, *plan], capture_output=True, check=True, text=True)
        for arguments in (
            ["check", "--json"],
            ["size", "--json"],
            ["compare", "--quick", "--part", "size", "-o", str(tmp_path / "run")],
        )
    ]
    said = json.loads(done[0].stdout)["hints"]
    assert len(said) == 1 and "looks like a log with the bodies inside" in said[0]
    assert all(one.stderr.count(f"hint: {said[0]}") == 1 for one in done[1:])
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["hints"] == said


def test_corpus_that_cannot_be_read_at_all_names_the_reason(tmp_path: Path) -> None:
    """So that nobody has to run another command to hear it."""
    (tmp_path / "c.json").write_text(json.dumps(ANSWER, indent=1))
    with pytest.raises(CorpusError, match=r"no body that can be read.*lines 1 to 12 are one JSON value"):
        scan((str(tmp_path / "c.json"),), 5, 1000, 0, False)


def test_names_of_corpora_are_unique_and_can_be_shown(tmp_path: Path) -> None:
    """None is lost to another corpus, to a built-in workload, or to a line end in its name."""
    built_in = next(iter(workloads.names()))
    files = [f"a/{built_in}", "a/two\nlines.jsonl", "a/two\\nlines.jsonl", "a/x.jsonl", "b/x.jsonl", "a/raw\udcff"]
    files += ["a/x.jsonl:ChatRequest", "/dev/fd/63"]
    names = named(Given(file, file) for file in files)
    assert [one.file for one in names.values()] == files
    assert not {*names} & {*workloads.names()} and all(name.isprintable() for name in names)
    assert [*names][3:5] == ["a/x.jsonl", "b/x.jsonl"]
    woman = "\U0001f469\u200d\U0001f4bb"
    assert [*named([Given(woman, woman)])] == [woman]
    assert [*names][-1] == "pipe" and [*names][-2] == "x.jsonl:ChatRequest (file)"


def test_corpus_with_the_name_of_a_workload_is_measured_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both stand in the plan."""
    from serlab.measure.options import Options

    monkeypatch.chdir(tmp_path)
    Path("chat-turn").write_bytes(line(ANSWER))
    plan = make_plan(Options(codecs=("orjson",), workloads=("chat-turn",), corpora=("chat-turn",), effort="quick"))
    assert {name: source.kind for name, source in plan.sources.items()} == {
        "chat-turn": "ChatRequest",
        "chat-turn (file)": "ChatResponse",
    }


@pytest.mark.slow
def test_limit_of_bodies_can_be_set(tmp_path: Path) -> None:
    """Every command takes the option and refuses what is longer, naming it; a body within the limit is measured."""
    body = {**CHAT, "user": "x" * (2 << 20)}
    (tmp_path / "c.jsonl").write_bytes(line(body))
    plan = ["--json", "--codec", "msgpack", "--corpus", str(tmp_path / "c.jsonl"), "--max-body-mb"]
    for command in (["check"], ["size"], ["compare", "--quick", "--part", "size"], ["memory", "--quick"]):
        for mib, status in ((1, 1), (3, 0)):
            place = ["-o", str(tmp_path / f"{command[0]}-{mib}")] if "--quick" in command else []
            arguments = [*COMMAND, *command, *plan, str(mib), *place]
            done = subprocess.run(arguments, capture_output=True, text=True, check=False)
            assert done.returncode == status, done.stderr
            assert ("with --max-body-mb" in done.stdout + done.stderr) == (mib == 1 and not place)
            assert mib == 1 or done.stdout


def test_larger_bodies_may_have_longer_lines_and_more_items() -> None:
    """In proportion; a smaller length leaves the other bounds as they are."""
    assert limits_for(MAX_BODY_MB) == DEFAULT_LIMITS
    assert limits_for(2 * MAX_BODY_MB).max_items == 2 * DEFAULT_LIMITS.max_items
    assert limits_for(1) == replace(DEFAULT_LIMITS, max_bytes=2**20)
    assert longest_line(MAX_BODY_MB) == MAX_LINE and longest_line(2 * MAX_BODY_MB) == 2 * MAX_LINE
