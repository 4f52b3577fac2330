"""Processes that do not outlive their parent, even where a library holds the interpreter and nothing else can run."""

import ctypes
import signal
from contextlib import suppress

PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it is gone; nothing where it cannot, as on macOS.

    A process that has children calls it in those too: they would not hear of its death otherwise.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
