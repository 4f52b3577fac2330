"""Trouble that passes, and what is a codec's own.

A signal, a full memory, a connection that broke say nothing of what was being measured: it is measured again. A codec's
own are a crash in native code, an error that it raises, and a call without end; each has to happen again before it
counts, since the first time may have been the machine's.
"""

import errno
import signal
from concurrent.futures import BrokenExecutor

from serlab.errors import WorkerError

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
    """Tell whether an error is the machine's: it, or one that it came of."""
    seen: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if seen is None:
            break
        if is_machines(seen):
            return True
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return False


def is_machines(error: BaseException) -> bool:
    """Tell whether this very error is the machine's."""
    if isinstance(error, OSError) and error.errno in SCARCE:
        return True
    return isinstance(error, MemoryError | ConnectionError | BrokenExecutor) or getattr(error, "passing", False)


def is_passing_end(status: int, said: str) -> bool:
    """Tell whether a process came to its end by what passes.

    Args:
        status: as of `subprocess`: below 0 it is a signal.
        said: its last words.
    """
    return (status < 0 and -status not in CRASHES) or any(word in said for word in MEMORY_WORDS)


def reraise_passing(error: BaseException) -> None:
    """Raise an error again that is no codec's, where what a codec raises becomes a finding."""
    if is_passing(error):
        raise error
