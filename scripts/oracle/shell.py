"""Run the command as its users do: in a process of its own, with an environment that says nothing."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.oracle import normal
from scripts.oracle.store import Item, Record, full

COLUMNS = "100"
COMPILED = Path(tempfile.gettempdir()) / "serlab-oracle-compiled"
"""Where byte code is kept: else some hundred processes compile everything, if the environment says to write none."""
SECONDS = 600.0
"""After which a command hangs."""


@dataclass(frozen=True)
class Run:
    """A command to run.

    Attributes:
        name: of its item.
        arguments: after `serlab`.
        stdin: what it reads.
        variables: of its environment, besides the usual ones.
        stdout: a file to write to in place of the record.
    """

    name: str
    arguments: Sequence[str]
    stdin: bytes = b""
    variables: Mapping[str, str] = field(default_factory=dict)
    stdout: str = ""


@dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int | str
    stdout: str
    stderr: str


def environment(work: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that all commands have."""
    usual = {
        "PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(normal.ROOT), "HOME": str(work),
        "LANG": "C.UTF-8", "TZ": "UTC", "COLUMNS": COLUMNS, "TERM": "dumb", "NO_COLOR": "1",
        "PYTHONPYCACHEPREFIX": str(COMPILED),
    }  # fmt: skip
    return usual | dict(more)


def serlab(run: Run, work: Path, seconds: float = SECONDS) -> Done:
    """Run a command in a scratch folder; places in what it prints have names."""
    command = [sys.executable, "-P", "-m", "serlab", *run.arguments]
    with Path(run.stdout or os.devnull).open("wb") as file:
        # In a session of its own, so that a command that hangs is ended with all that it started.
        process = subprocess.Popen(
            command,
            cwd=work,
            env=environment(work, run.variables),
            stdin=subprocess.PIPE,
            stdout=file if run.stdout else subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            written = process.communicate(run.stdin, seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Done("none: it did not end", "", "")
    said = [(one or b"").decode("utf-8", "backslashreplace") for one in written]
    return Done(process.returncode, *(normal.text(one, work) for one in said))


def item_of(run: Run, done: Done) -> Item:
    """Lay out what a command did: the command, its status, and each line that it printed."""
    told = [f"{name}={value}" for name, value in run.variables.items()]
    where = [">", run.stdout] if run.stdout else []
    head = [f"$ {' '.join([*told, 'serlab', *run.arguments, *where])}", f"status {done.status}"]
    lines = [f"out: {line}" for line in done.stdout.removesuffix("\n").split("\n") if done.stdout]
    lines += [f"err: {line}" for line in done.stderr.removesuffix("\n").split("\n") if done.stderr]
    return full("\n".join([*head, *lines]))


def together(steps: Iterable[Callable[[], Record]]) -> Record:
    """Take steps, as many at once as there are cores or as `ORACLE_JOBS` says, and join what they make."""
    with ThreadPoolExecutor(int(os.environ.get("ORACLE_JOBS") or os.cpu_count() or 1)) as pool:
        made = [pool.submit(step) for step in steps]
        return {name: item for one in made for name, item in one.result().items()}
