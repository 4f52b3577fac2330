"""Timing two environments in one run: their workers live side by side and measure by turns, round by round.

Two interpreters cannot share a process, so three workers are started for each pair: one of this environment (head), one
of the other (base), and one more of this one (again). Whoever has the turn measures one round of batches, about as long
as one batch of each codec, while the others sleep; the order is random. What the machine does to its guests from one
second to the next meets all three alike. What stays is what differs between two processes of one program, above all the
layout of their memory. It is as large as a small change of a library, so it is measured as well: again against head is
the A/A control of every figure.

The figure of a process is the first decile of its batches, not their median: with more processes at work than cores,
half of the batches are interrupted in one process and not in the other. Between two equal environments on two cores
under a load of four, the ratio of a pair had a standard deviation of 2.4 % by the decile and of 8 to 18 % by the
median (`serlab time --base` over five workloads and six codecs, twice).
"""

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache, partial
from pathlib import Path
from random import Random
from statistics import quantiles
from threading import Lock
from typing import NamedTuple, cast

from msgspec.structs import replace

import serlab
from serlab import records, workloads
from serlab.cases import BOUNDS, Case
from serlab.errors import InterpreterError
from serlab.measure import time
from serlab.measure.inputs import row
from serlab.measure.job import Batches, Emit, Figure, Finding, Job, Record
from serlab.measure.process import SILENCE_S, Interpreter, WorkerDied, is_stopped, run_worker
from serlab.stats import AGAIN, PAIRED

# Measuring by turns, the worker's side: the same as in `time`, but a round of batches only when it is our turn.
#
# A worker says its process id on the socket that it inherited, and waits for a byte. From then on it has the machine,
# until it says how many operations it has finished and waits for the next byte. When it is done it says -1 and waits
# until the socket is closed. What it says are decimal numbers, one a line.

PROTOCOL = 3
"""Goes up when what is said on the socket, a job or a record changes; both sides of a pair must have the same."""


DONE = -1


class _Turns:
    """One worker's place among those that take turns."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.finished = 0

    def wait(self, word: int) -> None:
        """Say something and sleep until it is our turn.

        Raises:
            ConnectionError: the run is gone, or has given the pair up.
        """
        self.channel.sendall(f"{word}\n".encode())
        if not self.channel.recv(1):
            raise ConnectionError("the other worker of the pair is gone")

    def pass_on(self) -> None:
        """Let the others measure."""
        self.wait(self.finished)


def run(job: Job, emit: Emit) -> None:
    """Time every operation of a workload by turns.

    Args:
        job: what `time.run` takes, and the descriptor of the socket.
        emit: receives rows, findings and the batches for pyperf.
    """
    with socket.socket(fileno=job.turns) as channel:
        turns = _Turns(channel)

        def watch(record: Record) -> None:
            turns.finished += isinstance(record, Batches)
            emit(record)

        turns.wait(os.getpid())
        time.run(job, watch, turns.pass_on)
        # Ending a process takes the machine's time, so all end together: when the run closes the sockets.
        with suppress(ConnectionError):
            turns.wait(DONE)


# Another environment to measure with: what is installed there, and how its workers start.
#
# What is installed there is measured and nothing else: the PYTHONPATH of this process is not handed on. An environment
# without serlab gets the one that runs here, so that two versions of a library are compared by the same code.

PROBE = """
import json, platform
from importlib import metadata
import serlab
from serlab.codecs import codec_info, codec_names
try:
    from serlab.measure.paired import PROTOCOL
except ImportError:
    PROTOCOL = 0
from serlab.measure import time
infos = [codec_info(name) for name in codec_names()]
packages = {info.package for info in infos if info.package and info.version} | {"msgspec", "numpy", "pyperf"}
try:
    version = metadata.version("serlab")
except metadata.PackageNotFoundError:
    version = ""
print(json.dumps({
    "protocol": PROTOCOL,
    "home": serlab.__path__[0],
    "python": f"{platform.python_implementation()} {platform.python_version()}",
    "serlab": version,
    "codecs": {info.name: info.version for info in infos if info.version},
    "versions": {name: metadata.version(name) for name in sorted(packages)},
}))
"""
"""Asks an environment what it has; it is written so that an older serlab there understands it."""

PROBE_S = 60.0
UNINSTALLED = "No module named 'serlab'"
VARIABLES = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""What would make another Python look for its packages here."""


class Base(NamedTuple):
    """An environment that was asked what it has.

    Attributes:
        interpreter: how its workers start.
        record: Python's version and serlab's, the codecs' and the other libraries' versions.
        home: the folder that its serlab lies in.
    """

    interpreter: Interpreter
    record: records.Base
    home: Path

    @property
    def codecs(self) -> dict[str, str]:
        """Return codec → version of what is installed there."""
        return dict(self.record["codecs"])


@cache
def base_of(place: str) -> Base:
    """Ask an environment what it has.

    Args:
        place: the folder of a virtual environment, or a Python.

    Raises:
        InterpreterError: there is no Python, or its serlab is too old, or a library that serlab needs is missing.
    """
    executable = _python_in(place)
    bare = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    bare |= {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}
    interpreter = Interpreter(executable, bare)
    status, found = _ask(interpreter)
    if status and UNINSTALLED in found:
        interpreter = Interpreter(executable, {**bare, "PYTHONPATH": str(Path(serlab.__path__[0]).parent)})
        status, found = _ask(interpreter)
    if status:
        raise InterpreterError(
            f"--base {place}: cannot import what serlab needs: {found}; "
            f"install it there: {executable} -m pip install serlab"
        )
    record = json.loads(found)
    if record.pop("protocol") != PROTOCOL:
        raise InterpreterError(
            f"--base {place}: its serlab {record['serlab']} does not measure by turns as this one does; install the "
            "same there, or uninstall it there, and this one is used"
        )
    home = Path(record.pop("home")).parent
    return Base(interpreter, cast(records.Base, {"place": place, **record}), home)


def _python_in(place: str) -> str:
    """Find the Python of a virtual environment.

    Raises:
        InterpreterError: there is none.
    """
    path = Path(place).absolute()
    found = path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python") if path.is_dir() else path
    if not os.access(found, os.X_OK):
        raise InterpreterError(
            f"--base {place}: expected a virtual environment, found no Python at {found}; make one: "
            f"python3 -m venv {place}"
        )
    return str(found)


def _ask(interpreter: Interpreter) -> tuple[int, str]:
    """Run the probe.

    Returns:
        The status and what it printed, or the last line of its complaint.
    """
    command = [interpreter.executable, "-P", "-c", PROBE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=interpreter.environment, timeout=PROBE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    complaint = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return done.returncode, complaint[-1] if done.returncode else done.stdout


ROLES = ("head", "base", "again")

WAITING_S = 12 * SILENCE_S
"""How long a worker may send nothing: it waits for two others. Whoever holds its turn too long is ended for that."""


def run_paired(base: Base, job: Job, record: Emit, silence_s: float = SILENCE_S) -> None:
    """Measure one cell in both environments.

    Args:
        base: the other environment.
        job: the job of a time cell.
        record: called with each record; those of the other environment have the roles of another environment.
        silence_s: seconds that a worker may hold its turn before it is killed.

    Raises:
        WorkerDied: one of the workers died, hung or reported a failure.
    """
    pair = PairRecords(base, job, record)
    deaths: list[WorkerDied] = []
    futures: list[Future[None]] = []
    peers: list[_Peer] = []
    with ThreadPoolExecutor(len(ROLES)) as pool, ExitStack() as stack:
        for role, told in _jobs_of(base, job).items():
            here, there = socket.socketpair()
            peers.append(_Peer(role, stack.enter_context(here)))
            futures.append(pool.submit(_run_peer, pair, role, told, silence_s, there, deaths))
        hung = _schedule(peers, Random(f"{job.seed}/{job.process}/{job.workload}"), silence_s)
    if deaths:
        # The first; the others were given up because of it.
        first = deaths[0]
        if hung:
            reason = f"no sign of life for {silence_s:g} s, killed ({hung.role})"
            raise WorkerDied(reason, first.at, hung.was_stopped)
        raise first
    for one in futures:
        one.result()


def _run_peer(
    pair: "PairRecords", role: str, job: Job, silence_s: float, channel: socket.socket, deaths: list[WorkerDied]
) -> None:
    """Run one worker; when it is gone and that is noted, close its end of the socket."""
    with channel:
        descriptor = channel.fileno()
        told = replace(job, part="turns", turns=descriptor)
        interpreter = pair.base.interpreter if role == "base" else None
        try:
            run_worker(told, partial(pair.record, role), max(WAITING_S, silence_s), interpreter, (descriptor,))
        except WorkerDied as error:
            at = error.at.elsewhere if error.at and role == "base" else error.at
            deaths.append(WorkerDied(f"{error.reason} ({role})", at, error.passing))


def _jobs_of(base: Base, job: Job) -> dict[str, Job]:
    """Make the three jobs; all get the same documents, which another serlab might build otherwise."""
    documents = workloads.documents(job.workload, job.seed) if job.documents is None else job.documents
    head = replace(job, documents=documents)
    other = replace(head, codecs=[name for name in job.codecs if name in base.codecs])
    return dict(zip(ROLES, (head, other, replace(other, baseline="")), strict=True))


class PairRecords:
    """Tells the records of the three workers apart.

    Args:
        base: the other environment.
        job: the job of the cell.
        record: receives what the run keeps.
    """

    def __init__(self, base: Base, job: Job, record: Emit) -> None:
        self.base = base
        self.job = job
        self.keep = record
        self.lock = Lock()

    def record(self, role: str, sent: Record) -> None:
        """Take one record in; the threads of the three workers call this."""
        with self.lock:
            # An arm that is no codec is no matter of versions.
            if isinstance(sent, Figure | Batches) and sent.role in BOUNDS:
                return
            if isinstance(sent, Batches):
                self.record_figure(role, sent)
            if role == "head":
                self.keep(sent)
            elif role == "base":
                self.record_base(sent)

    def record_figure(self, role: str, batches: Batches) -> None:
        """Sum up an arm's batches for the pairs."""
        value = quantiles(batches.values, n=10, method="inclusive")[0]
        case, metric = Case(batches.codec, batches.role), AGAIN if role == "again" else PAIRED
        figure = row(self.job, case, batches.operation, metric, "ns", value)
        self.record_base(figure) if role == "base" else self.keep(figure)

    def record_base(self, sent: Record) -> None:
        """Name the codecs of the other environment."""
        if isinstance(sent, Finding):
            self.keep(replace(sent, codec=str(Case(sent.codec).elsewhere)))
        elif isinstance(sent, Figure | Batches):
            found = replace(sent, role=Case(sent.codec, sent.role).elsewhere.role)
            version = self.base.codecs[sent.codec]
            if isinstance(found, Figure):
                self.keep(replace(found, codec_version=version))
            else:
                self.keep(replace(found, metadata={**found.metadata, "codec_version": version}))


class _Peer:
    """One worker as the one who gives the turns sees it."""

    def __init__(self, role: str, channel: socket.socket) -> None:
        self.role = role
        self.channel = channel
        self.pid = 0
        self.finished = 0
        self.was_stopped = False

    def hear(self) -> int:
        """Wait for a number.

        Raises:
            TimeoutError: none came.
            ConnectionError: the worker is gone.
        """
        text = b""
        while not text.endswith(b"\n"):
            got = self.channel.recv(16)
            if not got:
                raise ConnectionError(f"{self.role} is gone")
            text += got
        return int(text)

    def play(self) -> None:
        """Let it have its turn, until it passes it on."""
        self.channel.sendall(b"!")
        self.finished = self.hear()

    def kill(self) -> None:
        """End it, and wait until the thread that reads from it has noted that."""
        if self.pid:
            self.was_stopped = self.was_stopped or is_stopped(self.pid)
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(OSError):
                self.channel.recv(16)


def _schedule(peers: list[_Peer], random: Random, silence_s: float) -> _Peer | None:
    """Run the workers in turn, those first that are behind, until all are done or one is gone.

    Args:
        peers: the workers.
        random: shuffles the order of each round.
        silence_s: seconds that a worker may hold its turn.

    Returns:
        A worker that hung; None if none did.
    """
    at: _Peer | None = None
    try:
        for peer in peers:
            # Starting takes as long as it takes; of one that died the channel is closed.
            peer.pid = peer.hear()
            peer.channel.settimeout(silence_s)
        while live := [peer for peer in peers if peer.finished != DONE]:
            due = [peer for peer in live if peer.finished == min(one.finished for one in live)]
            random.shuffle(due)
            for peer in due:
                at = peer
                peer.play()
    except TimeoutError:
        assert at is not None  # Nobody is waited for by the clock before the first turn.
        at.kill()
        return at
    except ConnectionError:
        return None
    finally:
        for peer in peers:
            if peer.finished != DONE:
                peer.kill()
    return None
