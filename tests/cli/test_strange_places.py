"""Where the command runs: a folder with modules of a stranger, closed streams, little memory."""

import os
import resource
import subprocess
import sys
from errno import EDQUOT, EFBIG, ENOMEM, ENOSPC
from functools import partial
from pathlib import Path

import pytest

from serlab import cli
from serlab.__main__ import MIB, ROOM, THREAD, blas_threads
from serlab.measure.process import run_worker
from serlab.wire.process import command_of
from tests.conftest import ROOT, Run
from tests.support.jobs import job_of

SERLAB = (sys.executable, "-P", "-m", "serlab")
TRAP = "import os\nopen(os.environ['TRAPPED'], 'a').write(__name__)\nraise SystemExit(99)\n"


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder whose modules write a file when they are imported; give the file."""
    for name in ("json", "serlab", "random", "numpy", "asyncio", "msgspec", "orjson", "memray", "pyperf", "lmdb"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAPPED", str(tmp_path / "trapped"))
    # As many a shell leaves it: an empty entry, which is the current folder, with another.
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}")
    return tmp_path / "trapped"


def test_a_worker_imports_nothing_from_where_it_stands(trap: Path) -> None:
    """Nor do the processes that it starts."""
    rows = []  # type: list[object]
    run_worker(job_of("throughput", operations=("decode",)), rows.append)
    assert rows and not trap.exists()


@pytest.mark.parametrize("module", ["serlab.wire.process", "serlab.wire.delay"])
def test_servers_and_relays_import_nothing_from_where_they_stand(
    trap: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that starts them ends at what it is not told, not at a module of the folder."""
    monkeypatch.delenv("PYTHONPATH")
    done = subprocess.run(command_of(module), input=b"\n", capture_output=True, timeout=120)
    assert done.returncode == 1 and b"DecodeError" in done.stderr and not trap.exists()


def test_every_python_that_serlab_starts_has_a_safe_path() -> None:
    """Whoever adds another is told here."""
    found = [
        (path.name, text)
        for path in (ROOT / "serlab").rglob("*.py")
        for text in path.read_text().splitlines()
        if "[sys.executable" in text or "[interpreter.executable" in text
    ]
    assert len(found) >= 4 and [one for one in found if '"-P"' not in one[1]] == []


@pytest.mark.slow
def test_a_comparison_imports_nothing_from_where_it_stands(
    serlab: Run, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of it: parity, memory and time."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    work = ("--quick", "--workload", "chat-turn", "--codec", "orjson", "--operation", "decode", "--batch-ms", "0.1")
    done = serlab("compare", *work, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert not trap.exists()


def test_a_closed_output_is_one_line(tmp_path: Path) -> None:
    """Of the standard streams each; nothing else takes its place."""
    command = " ".join(SERLAB)
    run = lambda text: subprocess.run(["sh", "-c", text], capture_output=True, text=True, cwd=tmp_path, timeout=120)  # noqa: E731
    done = run(f"{command} decide --list >&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("serlab: the output cannot be written: standard output is closed")
    assert done.stderr.count("\n") == 1
    assert run(f"{command} decide --list 2>&-").stdout == run(f"{command} decide --list <&-").stdout != ""
    done = run(f"{command} decide nothing 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libx.so: failed to map segment from shared object"),
        OSError(ENOMEM, "Cannot allocate memory"),
        ImportError("Unable to import required dependency numpy"),
    ],
    ids=repr,
)
def test_lack_of_memory_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While something is read as well as while a library is loaded, which some say in words of their own."""

    def short() -> None:
        if "numpy" in str(error):
            raise error from MemoryError()
        raise error

    monkeypatch.setattr(cli, "app", short)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.startswith("serlab: out of memory; allow more") and said.count("\n") == 1


@pytest.mark.parametrize(("number", "why"), [(EFBIG, "(ulimit -f)"), (EDQUOT, "quota"), (ENOSPC, "disk is full")])
def test_an_output_that_takes_no_more_is_one_line(
    number: int, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do about it."""

    def full() -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cli, "app", full)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert said.startswith("serlab: the output cannot be written: ") and why in said and said.count("\n") == 1
    assert ended.value.code == 2


def test_another_failure_to_import_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no lack of memory."""

    def broken() -> None:
        raise ImportError("no such name")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ImportError, match="no such name"):
        cli.main()


@pytest.mark.slow
@pytest.mark.parametrize("name", ROOM)
def test_a_small_limit_of_memory_is_one_line(name: str, tmp_path: Path) -> None:
    """Whatever it leaves room for: where Python itself starts, the command says what it needs, or does its work."""
    more = THREAD * (blas_threads() - 1)
    _, command, least, page = ROOM[name]
    needs = {("list",): (least + more) * MIB, ("report", str(tmp_path)): (page + more) * MIB}
    started = 0
    for arguments, need in needs.items():
        for size in (20_000_000, 40_000_000, 80_000_000, 120_000_000, 160_000_000, 300_000_000, need - 1):
            if size < need and not bounded(name, size, "-c", "import serlab").returncode:
                done = bounded(name, size, "-m", "serlab", *arguments)
                started += 1
                assert done.returncode == 2 and done.stderr.count("\n") == 1, (size, done.stderr)
                assert done.stderr.startswith("serlab: cannot start: expected a limit of at least "), done.stderr
                assert f"got {size // MIB} MiB ({command} {size // 1024}); raise it" in done.stderr
    assert started > 4
    done = bounded(name, (least + more) * MIB, "-m", "serlab", "list")
    assert done.returncode == 0 and "flatbuffers" in done.stdout, done.stderr


def bounded(name: str, size: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python under a limit of memory."""
    limit = partial(resource.setrlimit, getattr(resource, name), (size, size))
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, preexec_fn=limit, timeout=300)


@pytest.mark.parametrize(
    ("given", "most"), [("1", 1), ("0", 64), ("x", 64), ("", 64), ("9999999", 64)], ids=lambda value: f"{value}"
)
def test_threads_that_take_room_are_counted(given: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the library counts them: by a variable, else by the cores."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert blas_threads() == min(most, len(os.sched_getaffinity(0)), 64)
