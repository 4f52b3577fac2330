"""The subcommand that measures whole call paths: wire."""

from typing import Annotated

import typer

from serlab.options import (
    AsJson,
    Codecs,
    Corpora,
    Gc,
    MemoryLimit,
    Output,
    Quick,
    Resume,
    Rigorous,
    Seed,
    Strict,
    TimeLimit,
    Workloads,
)
from serlab.running import run

Names = Annotated[
    list[str] | None, typer.Argument(metavar="EXPERIMENT...", help="See `serlab list`; all for every one.")
]


def wire(
    experiments: Names = None,
    codec: Codecs = None,
    workload: Workloads = None,
    corpus: Corpora = None,
    quick: Quick = False,
    rigorous: Rigorous = False,
    output: Output = None,
    resume: Resume = False,
    seed: Seed = 0,
    strict: Strict = False,
    gc: Gc = "frozen",
    time_limit: TimeLimit = 300.0,
    memory_limit: MemoryLimit = 0,
    as_json: AsJson = False,
) -> None:
    """Measure whole calls on real servers on loopback: what codec, transport and reuse are worth end to end."""
    from serlab.measure.wire import WIRE

    names = tuple(experiments or ())
    chosen = () if "all" in names else names
    more = {"gc": gc, "time_limit_s": time_limit, "memory_limit_mb": memory_limit, "experiments": chosen}
    # Sizes cost next to nothing, and what is sent is half of the story.
    run(("size", WIRE), codec, workload, corpus, (), quick, rigorous, output, resume, seed, strict, as_json, **more)
