"""memray's flame graphs: where the memory of one operation's peak comes from.

The call stacks are real, so the interpreter's profile hook stays in: each Python call allocates a frame that it does
not allocate otherwise, and the figures are not those of the tables.

Source: memray's documentation, "Flame Graph Reporter".
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import memray

from serlab.errors import ResultsError


def write_flamegraph(call: Callable[[Any], Any], items: Iterable[Any], path: Path) -> None:
    """Trace an operation and write its flame graph.

    Args:
        call: what is traced.
        items: its arguments, one per call.
        path: an .html file, which loads nothing from elsewhere; its folder is made.

    Raises:
        ResultsError: memray cannot write it.
    """
    # Brings memray's terminal programs along, which only this needs.
    from memray.commands import main as memray_command

    capture = path.with_suffix(".bin")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with memray.Tracker(capture, trace_python_allocators=True):
            for item in items:
                call(item)
        status = memray_command(["flamegraph", "--no-web", "--force", "--output", str(path), str(capture)])
    finally:
        capture.unlink(missing_ok=True)
    if status:
        raise ResultsError(f"{path}: memray flamegraph ended with status {status}")
