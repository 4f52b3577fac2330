"""The worker: one fresh process that measures one cell.

A `Job` comes as one line of JSON on standard input, records (`serlab.measure.job`) leave as lines of JSON on standard
output; the last one is `Done` or `Failed`. Standard input stays open: when it closes, the run is gone, and the worker
goes too; where a library holds the interpreter, the kernel sees to it.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module

from serlab.codecs import reason
from serlab.errors import SerlabError
from serlab.measure.job import At, Done, Failed, Record, read_job, written
from serlab.measure.process import is_passing
from serlab.scratch import die_with_parent

PARTS = {
    "parity": "serlab.measure.parity:run",
    "memory": "serlab.measure.memory:run",
    "time": "serlab.measure.time:run",
    "turns": "serlab.measure.paired:run",
    "throughput": "serlab.measure.throughput:run",
    "lag": "serlab.measure.lag:run",
    # By name only: measuring must not need what the service does.
    "wire": "serlab.wire:run_experiment",
}
"""Part of a run → the module and its function that measures it."""


def main() -> int:
    """Measure the job on standard input.

    Returns:
        The exit status: 0 done, 1 failed.
    """
    die_with_parent()
    # A signal ends a worker at once: as an exception it could come up inside of a library that takes it for its own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What a codec prints must not get between the records.
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def emit(record: Record) -> None:
        channel.write(written(record))
        channel.flush()

    job = read_job(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _limit_memory(job.memory_bytes)
    try:
        # Each part imports its own tools, so that a timed process never holds a tracer.
        module, _, name = PARTS[job.part].partition(":")
        run = getattr(import_module(module), name)
        # The first word: from now on the time limit holds, which importing on a busy machine must not meet.
        emit(At(""))
        run(job, emit)
    except Exception as error:  # The run must hear of any failure; it is a finding there.
        told = str(error) if isinstance(error, SerlabError) else reason(error)
        emit(Failed(told, is_passing(error)))
        return 1
    emit(Done())
    return 0


def _leave_with_parent() -> None:
    """Wait until standard input closes, then end at once: nobody would read what is measured.

    The processes that a load part started are in the worker's group and go with it.
    """
    while os.read(0, 4096):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _limit_memory(size: int) -> None:
    """Make a runaway allocation a MemoryError here before the machine has to kill something."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))


if __name__ == "__main__":
    sys.exit(main())
