"""Fixtures that several test modules share."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serlab.codecs.info import BUILT_IN
from tests.support.commands import Commands

pytest_plugins = ["tests.support.skips", "tests.support.alone"]

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would every command that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 120.0
"""How long a test waits for an event, or for a moment at which the machine is free enough to show a fact."""
WIRE_CODECS = tuple(info.name for info in BUILT_IN.values() if info.verifies and not info.variant_of)
"""What is compared on the wire where nothing is named."""

PLANTED = '''
from serlab.codecs import JSON, CodecInfo


def planted(make):
    """Give a codec its record, named as its function is."""
    make.info = CodecInfo(name=make.__name__, format=JSON, package="planted-codecs", make=make)
    return make
'''
"""Of codecs' source: what makes their records, `NAME.info`."""

LATE = '''
def late(info, kind, act):
    """Does something bad at the 20th decode, when parity and calibration are over."""
    codec, calls = open_codec("json", kind), [0]

    def deserialize(data):
        calls[0] += 1
        if calls[0] > 20:
            act()
        return codec.deserialize(data)

    return replace(codec, name=info.name, deserialize=deserialize)
'''
"""Of codecs' source: what makes one that turns bad in the middle of a run."""

CODECS = '''
import os, signal, time
from dataclasses import replace
from serlab.codecs import open_codec


@planted
def lossy(info, kind):
    """Drops the sampling temperature."""
    codec = open_codec("json", kind)

    def populate(message):
        document = codec.populate(message)
        document.pop("temperature", None)
        return document

    return replace(codec, name=info.name, populate=populate)


@planted
def crash(info, kind):
    """Kills its own process."""
    codec = open_codec("json", kind)
    return replace(codec, name=info.name, deserialize=lambda data: os.kill(os.getpid(), signal.SIGKILL))


@planted
def wild(info, kind):
    """Raises what no codec may raise."""
    def serialize(document):
        raise ZeroDivisionError("planted")

    return replace(open_codec("json", kind), name=info.name, serialize=serialize)


@planted
def slow(info, kind):
    """Decodes like orjson and then waits for nine times as long, by the clock."""
    return delayed(info, kind, 9.0)


@planted
def slower20(info, kind):
    """Decodes like orjson and then waits for a fifth as long."""
    return delayed(info, kind, 0.2)


def delayed(info, kind, share):
    codec = open_codec("orjson", kind)

    def deserialize(data):
        start = time.perf_counter_ns()
        found = codec.convert(codec.deserialize(data))
        end = time.perf_counter_ns() + share * (time.perf_counter_ns() - start)
        while time.perf_counter_ns() < end:
            continue
        return found

    return replace(codec, name=info.name, convert=lambda found: found, deserialize=deserialize)


@planted
def twin(info, kind):
    """Is orjson."""
    return replace(open_codec("orjson", kind), name=info.name)


'''
CODECS = PLANTED + CODECS
CODECS += (
    LATE
    + '''


@planted
def late_crash(info, kind):
    return late(info, kind, lambda: os.kill(os.getpid(), signal.SIGSEGV))


@planted
def late_hang(info, kind):
    return late(info, kind, lambda: time.sleep(1000))


@planted
def late_stop(info, kind):
    return late(info, kind, lambda: os.kill(os.getpid(), signal.SIGSTOP))


@planted
def late_hog(info, kind):
    return late(info, kind, lambda: bytes(10**10))


@planted
def misreads(info, kind):
    """Has a view that reads another model, and a gateway that drops the temperature."""
    codec = open_codec("json", kind)

    def view(data):
        message = codec.decode(data)
        message.model = "other"
        return message

    def reroute(data, route):
        document = codec.deserialize(data)
        document.pop("temperature", None)
        return codec.serialize(document | {"model": route(document["model"], None)})

    return replace(codec, name=info.name, view=view, reroute=reroute)
'''
)


@pytest.fixture(scope="session")
def plugin_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with an installed distribution that brings codecs by entry points."""
    home = tmp_path_factory.mktemp("plugins")
    (home / "planted_codecs.py").write_text(CODECS)
    info = home / "planted_codecs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted-codecs\nVersion: 1.0\n")
    names = ("lossy", "crash", "wild", "slow", "slower20", "twin", "late_crash", "late_hang", "late_stop", "late_hog")
    names += ("misreads",)
    points = "".join(f"{name} = planted_codecs:{name}.info\n" for name in names)
    (info / "entry_points.txt").write_text(f"[serlab.codecs]\n{points}")
    return home


def moments(seconds: float = PATIENCE_S) -> Iterator[float]:
    """Yield the time again and again, until patience is at an end."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        yield time.monotonic()


def children(pid: int) -> list[int]:
    """List a process's children, those of all its threads."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found


QUICK = ("--quick", "--workload", "tool-call-response", "--operation", "encode,decode", "--codec", "orjson,msgpack")
"""Options of `serlab compare`: of the run that the whole suite shares."""


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first who asks for it has filled, among all workers of a session."""
    base = factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    home.mkdir(exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / ".made").exists():
            make(home)
            (home / ".made").touch()
    return home


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run with `QUICK`, to be read only; who changes it works on a copy.

    Beside it stands what the command printed, in `told.txt`.
    """

    def measure(home: Path) -> None:
        command = [str(Path(sys.executable).with_name("serlab")), "compare", *QUICK, "-o", "out"]
        environment = {**os.environ, "COLUMNS": "80"}
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr
        (home / "told.txt").write_text(done.stdout)

    return once(tmp_path_factory, "quick", measure) / "out"


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Return what runs the command without loading everything anew."""
    running = Commands()
    yield running
    running.close()


@pytest.fixture
def serlab(tmp_path: Path, commands: Commands) -> Run:
    """Return a function that runs the command in an empty folder; with options of `subprocess`, the installed one."""
    program = Path(sys.executable).with_name("serlab")

    def run(*arguments: str, plugins: Path | None = None, **options: Any) -> "subprocess.CompletedProcess[str]":
        # What is tested may itself stand on the path, in a checkout that is not the installed one.
        path = [str(plugins), *filter(None, [os.environ.get("PYTHONPATH")])] if plugins else []
        environment = {**os.environ, "COLUMNS": "80"} | ({"PYTHONPATH": os.pathsep.join(path)} if path else {})
        settings = {"cwd": tmp_path, "env": environment, "timeout": 1200} | options
        if settings.keys() == {"cwd", "env", "timeout"} and starts_alike(settings["env"]):
            return commands.run(arguments, **settings)
        return subprocess.run([str(program), *arguments], capture_output=True, text=True, **settings)

    return run


def starts_alike(environment: dict[str, str]) -> bool:
    """Return whether an interpreter would start with these variables as it does with those of the tests."""
    names = {name for name in {*environment, *os.environ} if name.startswith(("PYTHON", "LC_", "LANG", "MALLOC"))}
    return all(environment.get(name) == os.environ.get(name) for name in names - {"PYTHONPATH"})
