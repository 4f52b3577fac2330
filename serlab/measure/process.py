"""Starting a worker, reading what it sends, and noticing how it ended."""

import errno
import os
import selectors
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from mmap import mmap
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, NamedTuple

from msgspec.structs import replace

import serlab
from serlab.cases import Case
from serlab.errors import WorkerError
from serlab.measure.job import At, Done, Emit, Failed, Job, Record, read_record, written
from serlab.scratch import Scratch

# Where a worker is, in a byte range that it shares with the run.
#
# A record on standard output would disturb the batch after it: the run wakes up on the other core and reads. A store
# into shared memory takes less than 1 µs, outside of what is timed, wakes nobody, and is still there when the worker
# has been killed.

SIZE = 256
"""Bytes of a name; longer ones are cut, and then belong to no codec."""
BEAT_SIZE = 8
"""Bytes behind the name, for a number that goes up with every mark: a worker that goes on is not one that hangs."""

Heartbeat = Callable[[str], None]
"""Notes the codec that is about to run; "" for none."""


@contextmanager
def shared_heartbeat() -> Iterator[int]:
    """Make an empty mark.

    Yields:
        A file descriptor, to be inherited by the worker.
    """
    with TemporaryFile() as file:
        file.truncate(SIZE + BEAT_SIZE)
        yield file.fileno()


def read_heartbeat(descriptor: int) -> str:
    """Read what a worker noted last, "" if nothing; the worker may be dead."""
    return os.pread(descriptor, SIZE, 0).rstrip(b"\0").decode("utf-8", "replace")


def _read_beat(descriptor: int) -> bytes:
    """Read what changes with every mark."""
    return os.pread(descriptor, BEAT_SIZE, SIZE)


def open_heartbeat(descriptor: int | None) -> Heartbeat:
    """Return the function that writes a worker's mark; one that does nothing where no run listens."""
    if descriptor is None:
        return lambda name: None
    shared, beats = mmap(descriptor, SIZE + BEAT_SIZE), count(1)

    def mark(name: str) -> None:
        shared[:] = _padded(name) + next(beats).to_bytes(BEAT_SIZE, "little")

    return mark


@cache
def _padded(name: str) -> bytes:
    """Fill a name up to the size of a mark."""
    return name.encode()[:SIZE].ljust(SIZE, b"\0")


# Trouble that passes, and what is a codec's own.
#
# A signal, a full memory, a connection that broke say nothing of what was being measured: it is measured again. A
# codec's own are a crash in native code, an error that it raises, and a call without end; each has to happen again
# before it counts, since the first time may have been the machine's.

CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)
"""Signals of a process that its own code killed; any other one came from elsewhere, SIGKILL from a machine without
memory."""
MEMORY_WORDS = ("MemoryError", "bad_alloc", "memory allocation of", "out of memory", "Cannot allocate memory")
"""What Python, C++, Rust and the C library say before they abort for want of memory."""
SCARCE = frozenset({errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN})
"""Errors of a system that has run out of something."""
LONGEST_CHAIN = 100


class PassingError(WorkerError):
    """Measuring failed for what passes: a signal, a busy machine, a full memory."""

    passing = True


def is_passing(error: BaseException) -> bool:
    """Return whether an error is the machine's: it, or one that it came of."""
    seen: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if seen is None:
            break
        if _is_machines(seen):
            return True
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return False


def _is_machines(error: BaseException) -> bool:
    """Return whether this very error is the machine's."""
    if isinstance(error, OSError) and error.errno in SCARCE:
        return True
    return isinstance(error, MemoryError | ConnectionError | BrokenExecutor) or getattr(error, "passing", False)


def is_passing_end(status: int, said: str) -> bool:
    """Return whether a process came to its end by what passes.

    Args:
        status: as of `subprocess`: below 0 it is a signal.
        said: its last words.
    """
    return (status < 0 and -status not in CRASHES) or any(word in said for word in MEMORY_WORDS)


def reraise_passing(error: BaseException) -> None:
    """Raise an error again that is no codec's, where what a codec raises becomes a finding."""
    if is_passing(error):
        raise error


SILENCE_S = 300.0
"""How long a worker may make no progress before it counts as hung; see `Pulse`."""


class WorkerDied(WorkerError):
    """A worker ended without having finished.

    Args:
        reason: how it ended.
        at: whose turn it was, by name or as a case; "" if it had said nothing.
        passing: whether it ended by what says nothing of the codec, see `serlab.measure.process`.
    """

    def __init__(self, reason: str, at: str, passing: bool = False) -> None:
        super().__init__(f"{reason} at {at}" if at else reason)
        self.reason = reason
        self.at = at if isinstance(at, Case) else Case(at)
        self.passing = passing


class Interpreter(NamedTuple):
    """A Python that runs workers, with the environment variables that they get."""

    executable: str
    environment: dict[str, str]


def run_worker(
    job: Job,
    record: Emit,
    silence_s: float = SILENCE_S,
    interpreter: Interpreter | None = None,
    descriptors: tuple[int, ...] = (),
) -> None:
    """Measure one cell in a fresh process.

    Args:
        job: what to measure.
        record: called with each record that the worker sends.
        silence_s: seconds without progress after which the worker is killed.
        interpreter: the Python that runs it; None means this one.
        descriptors: open files that it inherits.

    Raises:
        WorkerDied: it died, hung or reported a failure.
    """
    at, finished = "", False
    interpreter = interpreter or Interpreter(sys.executable, _environment())
    with (
        Scratch() as folder,
        TemporaryFile() as complaints,
        shared_heartbeat() as mark,
        _started(complaints, _with_temporary(interpreter, folder), (*descriptors, mark)) as process,
    ):
        _send(process, replace(job, memory_bytes=job.memory_bytes or physical_memory(), mark=mark))
        try:
            pulse = Pulse(process.pid, mark)
            for line in lines(process, silence_s, pulse.changed):
                pulse.started = True
                pulse.changed()
                sent = _parse(line, at)
                at = sent.codec if isinstance(sent, At) else at
                finished = finished or isinstance(sent, Done)
                if isinstance(sent, Failed):
                    raise WorkerDied(sent.reason, read_heartbeat(mark) or at, sent.passing)
                record(sent)
        except TimeoutError as error:
            raise WorkerDied(str(error), read_heartbeat(mark) or at, is_stopped(process.pid)) from error
        status, said = process.wait(), _last_line(complaints)
        passing = is_passing_end(status, said)
        # One that had sent everything before a signal came has lost nothing.
        if not finished or (status and not passing):
            raise WorkerDied(f"{_ending(status)}{said}", read_heartbeat(mark) or at, passing)


def _with_temporary(interpreter: Interpreter, folder: Path) -> Interpreter:
    """Let a worker and its children keep their temporary files in a folder that goes with it, however it ends."""
    return interpreter._replace(environment={**interpreter.environment, "TMPDIR": str(folder)})


@contextmanager
def _started(
    complaints: IO[bytes], interpreter: Interpreter, descriptors: tuple[int, ...]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker in a process group of its own, and leave none of the group behind."""
    # -P, or a folder named serlab where the user stands would be measured in place of what is installed.
    process = subprocess.Popen(
        [interpreter.executable, "-P", "-m", "serlab.measure.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        env=interpreter.environment,
        start_new_session=True,
        pass_fds=descriptors,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def _environment() -> dict[str, str]:
    """Fix the hash seed, and let the worker find the package that this process runs, and nothing where it stands."""
    given = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}
    # An empty entry is the current folder.
    given["PYTHONPATH"] = os.pathsep.join(filter(None, given.get("PYTHONPATH", "").split(os.pathsep)))
    home = str(Path(serlab.__path__[0]).parent)
    if home != sysconfig.get_paths()["purelib"]:
        given["PYTHONPATH"] = os.pathsep.join(filter(None, [home, given["PYTHONPATH"]]))
    return given


def _send(process: subprocess.Popen[bytes], job: Job) -> None:
    """Hand over the job; a worker that is already dead is noticed when it is read from."""
    assert process.stdin
    with suppress(BrokenPipeError):
        process.stdin.write(written(job))
        process.stdin.flush()


class Pulse:
    """Tells whether a worker that sends nothing goes on.

    A batch is a sign of life, and so is the use of a processor until the first record: an interpreter that starts on a
    busy machine has nothing to say for long. Later it is none, for a codec may run in circles.

    Args:
        pid: of the worker.
        mark: the descriptor of its mark.

    Attributes:
        started: whether it has sent a record.
    """

    def __init__(self, pid: int, mark: int) -> None:
        self.pid = pid
        self.mark = mark
        self.started = False
        self.seen = (_read_beat(mark), cpu_ticks(pid))

    def changed(self) -> bool:
        """Return whether it has gone on since this was asked last."""
        before, self.seen = self.seen, (_read_beat(self.mark), 0 if self.started else cpu_ticks(self.pid))
        return before != self.seen


def cpu_ticks(pid: int) -> int:
    """Read how long a process has used a processor; 0 where the system does not tell."""
    fields = _stat_of(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal or a debugger; False where the system does not tell."""
    return _stat_of(pid)[:1] in (["T"], ["t"])


def _stat_of(pid: int) -> list[str]:
    """Read the fields of a process from its state on; none where the system does not tell.

    Source: proc(5), `stat`; the name before them may hold spaces and parentheses.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def lines(
    process: subprocess.Popen[bytes], silence_s: float, goes_on: Callable[[], bool] = lambda: False
) -> Iterator[bytes]:
    """Yield whole lines as they come.

    Args:
        process: what writes them.
        silence_s: how long it may write none.
        goes_on: asked then whether it has done something since it was asked last, and so gets as much time again.

    Raises:
        TimeoutError: none came, and nothing else happened, for too long.
    """
    assert process.stdout
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = monotonic() + silence_s
        while True:
            if not selector.select(max(0.0, deadline - monotonic())):
                if goes_on():
                    deadline = monotonic() + silence_s
                    continue
                raise TimeoutError(f"no sign of life for {silence_s:g} s, killed")
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                return
            deadline = monotonic() + silence_s
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole


def _parse(line: bytes, at: str) -> Record:
    """Read one record."""
    try:
        return read_record(line)
    except ValueError as error:
        raise WorkerDied(f"sent what is no record: {line[:80]!r}", at) from error


def _ending(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"worker ended with status {status}"
    name = signal.Signals(-status).name
    return f"worker killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _last_line(complaints: IO[bytes]) -> str:
    """Quote the last line that a worker wrote to standard error."""
    complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, complaints.tell() - 2000))
    text = complaints.read().decode("utf-8", "replace").strip().splitlines()
    return f": {text[-1].strip()[:200]}" if text else ""


def physical_memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
