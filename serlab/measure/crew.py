"""A crew: processes that hold the same codecs and messages and load the machine on command.

They start afresh (spawn), not as copies of a process with threads. Each waits on a pipe of its own, so that it ends
when its captain does.
"""

import gc
import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from time import perf_counter_ns
from types import TracebackType
from typing import Any, NamedTuple, Self

from serlab.codecs import open_codec
from serlab.codecs.base import reason
from serlab.errors import WorkerError
from serlab.measure.gil import FLOORS, floor
from serlab.measure.load import load_messages, teach
from serlab.measure.trouble import PassingError, is_passing, is_passing_end
from serlab.measure.window import Marks, Team, Work, alone
from serlab.orphans import die_with_parent
from serlab.stats import CONTROL

LEAD_NS = 2_000_000
"""From the command until work begins: enough for every process to be awake."""
FLOOR_CALL_NS = 200_000
"""What one call of a floor takes."""


class Order(NamedTuple):
    """What a process is to do in one window.

    Attributes:
        codec: its name, with `CONTROL` for the baseline's second arm, or one of `FLOORS`.
        operation: encode or decode.
        loops: passes over the messages in a batch.
        threads: how many; 0 is the process's main thread.
        window_ns: how long; 0 is one batch.
        begin_ns: when, on the machine's clock; threads begin at once.
    """

    codec: str
    operation: str
    loops: int = 1
    threads: int = 0
    window_ns: int = 0
    begin_ns: int = 0


class Complaint(NamedTuple):
    """What a process answers that could not do its work.

    Attributes:
        reason: why.
        passing: whether that says nothing of the codec.
    """

    reason: str
    passing: bool


class Crew:
    """Starts processes and gives them orders; a context manager.

    Args:
        job: the worker's job: workload, kind, seed, documents, codecs.
        size: how many processes.
    """

    def __init__(self, job: dict[str, Any], size: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipes: list[Connection] = []
        self.processes = []
        for _ in range(size):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=serve, args=(theirs, job), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def __enter__(self) -> Self:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            receive(pipe, process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.join()

    def run(self, order: Order, processes: int) -> list[Marks]:
        """Let some processes work at the same time.

        Args:
            order: what each does; its start is set here.
            processes: how many.

        Returns:
            The marks of every thread of every process.

        Raises:
            WorkerError: a process died, or the work raised an error; a `PassingError` where that is no codec's.
        """
        timed = order._replace(begin_ns=perf_counter_ns() + LEAD_NS)
        for pipe in self.pipes[:processes]:
            with suppress(BrokenPipeError):  # Whoever is dead is noticed when it is read from.
                pipe.send(timed)
        members = list(zip(self.pipes, self.processes, strict=True))[:processes]
        return [marks for found in [receive(*member) for member in members] for marks in found]


def receive(pipe: Connection, process: SpawnProcess) -> list[Marks]:
    """Take a process's answer.

    Raises:
        WorkerError: it is dead, or answers with a complaint; a `PassingError` where that is no codec's.
    """
    try:
        found: list[Marks] | Complaint = pipe.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        status = process.exitcode or 0
        kind = PassingError if is_passing_end(status, "") else WorkerError
        # Not from the error of the pipe: it is a broken connection, which would pass.
        raise kind(f"a process of the crew died ({ended_by(status)})") from None
    if isinstance(found, Complaint):
        raise PassingError(found.reason) if found.passing else WorkerError(found.reason)
    return found


def ended_by(status: int) -> str:
    """Say how a process ended, by its exit code."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def serve(pipe: Connection, job: dict[str, Any]) -> None:
    """Take orders until the captain is gone: what a process of the crew runs."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    works = prepare(job)
    gc.collect()
    gc.freeze()
    gc.disable()
    with suppress(EOFError, BrokenPipeError):
        pipe.send([])
        while True:
            order = pipe.recv()
            try:
                pipe.send(follow(works, order))
            except Exception as error:  # A codec may raise anything under load; the captain must hear of it.
                pipe.send(Complaint(reason(error), is_passing(error)))


def prepare(job: dict[str, Any]) -> dict[tuple[str, str], Work]:
    """Make everything that can be ordered: (codec or floor, operation) → work."""
    messages = load_messages(job)
    works = {}
    for operation in job["operations"]:
        for name in job["codecs"]:
            works[name, operation] = work_of(name, job["kind"], operation, messages)
        for name in FLOORS[1:]:
            call, item = floor(name, FLOOR_CALL_NS)
            works[name, operation] = Work(call, [item])
    return works


def work_of(codec: str, kind: str, operation: str, messages: Sequence[Any]) -> Work:
    """Make a codec's work."""
    bound = open_codec(codec, kind)
    teach(bound, messages)
    items = messages if operation == "encode" else list(map(bound.encode, messages))
    return Work(getattr(bound, operation), items)


def follow(works: dict[tuple[str, str], Work], order: Order) -> list[Marks]:
    """Do what was ordered."""
    work = works[order.codec.removesuffix(CONTROL), order.operation]._replace(loops=order.loops)
    if order.threads:
        return Team(work, order.threads, order.window_ns).run()
    return [alone(work, order.begin_ns, order.window_ns)]
