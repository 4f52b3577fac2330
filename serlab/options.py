"""The options of the command, each named once."""

from pathlib import Path
from typing import Annotated

import typer

Codecs = Annotated[list[str] | None, typer.Option("--codec", metavar="NAME", help="A codec; may be repeated.")]
Workloads = Annotated[list[str] | None, typer.Option("--workload", metavar="NAME", help="A built-in workload; repeat.")]
Corpora = Annotated[
    list[str] | None, typer.Option("--corpus", metavar="FILE", help="Recorded traffic, - for standard input; repeat.")
]
Operations = Annotated[list[str] | None, typer.Option("--operation", metavar="NAME", help="See `serlab list`; repeat.")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer processes and batches: minutes, wider intervals.")]
Rigorous = Annotated[bool, typer.Option("--rigorous", help="More processes: narrower intervals.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="The results folder.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run that was stopped: the one in DIR, or the last.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of workloads, samples and the order of batches.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first corpus line that cannot be read.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
MaxBodyMb = Annotated[
    int,
    typer.Option(
        "--max-body-mb", metavar="MIB", min=1, max=1 << 20, help="Length of a body that is taken; a line: 4 times."
    ),
]
Gc = Annotated[str, typer.Option("--gc", metavar="frozen|on", help="Python's collector while timing.")]
Pin = Annotated[bool, typer.Option("--pin", help="Keep each timing worker on one processor.")]
BatchMs = Annotated[float, typer.Option("--batch-ms", metavar="MS", help="Length of a batch; 0: as the effort says.")]
TimeLimit = Annotated[float, typer.Option("--time-limit", metavar="S", help="A worker may be at one step so long.")]
MemoryLimit = Annotated[int, typer.Option("--memory-limit", metavar="MB", help="Of a worker; 0: the machine's memory.")]
Flamegraph = Annotated[bool, typer.Option("--flamegraph", help="Write memray's flame graphs to DIR/flamegraphs.")]
Base = Annotated[
    str, typer.Option("--base", metavar="VENV", help="Another environment: time its codecs in pairs with these.")
]
Parts = Annotated[list[str] | None, typer.Option("--part", metavar="NAME", help="size, memory, time or wire; repeat.")]
Load = Annotated[bool, typer.Option("--load", help="Throughput and event-loop lag as well; takes much longer.")]
