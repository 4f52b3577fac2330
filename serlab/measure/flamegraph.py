"""memray's flame graphs: where the memory of one operation's peak comes from.

The call stacks are real, so the interpreter's profile hook stays in: each Python call allocates a frame that it does
not allocate otherwise, and the figures are not those of the tables.

Source: memray's documentation, "Flame Graph Reporter".
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import memray

from serlab.errors import ResultsError
from serlab.folders import write_inside


def write_flamegraph(call: Callable[[Any], Any], items: Iterable[Any], folder: Path, name: str) -> None:
    """Trace an operation and write its flame graph.

    Args:
        call: what is traced.
        items: its arguments, one per call.
        folder: the results folder.
        name: of an .html file in it, which loads nothing from elsewhere.

    Raises:
        ResultsError: memray cannot write it.
    """
    # Brings memray's terminal programs along, which only this needs.
    from memray.commands import main as memray_command

    with TemporaryDirectory(prefix="serlab-") as temporary:
        # Elsewhere first: memray would write through a link that the folder came with.
        capture, graph = Path(temporary, "trace.bin"), Path(temporary, "graph.html")
        with memray.Tracker(capture, trace_python_allocators=True):
            for item in items:
                call(item)
        if status := memray_command(["flamegraph", "--no-web", "--output", str(graph), str(capture)]):
            raise ResultsError(f"{folder / name}: memray flamegraph ended with status {status}")
        write_inside(folder, name, graph.read_bytes())
