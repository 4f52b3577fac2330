"""The serlab command: one thin function per subcommand.

Exit status: 0 fine; 1 a finding (a body refused or changed, a line that cannot be read, a worker that died, a figure
that became worse at the gate); 2 usage, or input that cannot be used; 130 interrupted.
"""

import json
import sys
from errno import ENOMEM, ENOSPC
from typing import Annotated, Any

import typer

from serlab import deciding, judging, publishing, serving, wiring
from serlab.__main__ import SHORT, is_out_of_memory
from serlab.console import complain, console, settle
from serlab.errors import SerlabError
from serlab.options import (
    AsJson,
    Base,
    BatchMs,
    Codecs,
    Corpora,
    Flamegraph,
    Gc,
    Load,
    MaxBodyMb,
    MemoryLimit,
    Operations,
    Output,
    Parts,
    Pin,
    Quick,
    Resume,
    Rigorous,
    Seed,
    Strict,
    TimeLimit,
    Workloads,
)
from serlab.running import FINDING, INTERRUPTED, USAGE, print_sizes, run, shown, split, split_files, workloads_for

app = typer.Typer(
    help="Which wire format, at which boundary of an LLM service, and what does it buy?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command; an error that serlab raises on purpose is one line and status 2."""
    if not settle():
        complain("the output cannot be written: standard output is closed; send it to /dev/null to have none")
        sys.exit(USAGE)
    try:
        try:
            app()
        finally:
            # Here and not at exit, where nobody could say what went wrong.
            if sys.stdout is not None:
                sys.stdout.flush()
    except SerlabError as error:
        complain(str(error))
        sys.exit(USAGE)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain when it flushes at exit.
        sys.stdout = None
        sys.exit(INTERRUPTED)
    except (MemoryError, ImportError, SystemError) as error:
        if not is_out_of_memory(error):
            raise
        complain(SHORT)
        sys.exit(USAGE)
    except OSError as error:
        if error.errno not in (ENOMEM, ENOSPC):
            raise
        if error.errno == ENOMEM:
            complain(SHORT)
            sys.exit(USAGE)
        sys.stdout = None
        complain("the output cannot be written: the disk is full; make room or choose another place")
        sys.exit(USAGE)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Show the version, or go on to the subcommand."""
    if version:
        from importlib import metadata

        print(f"serlab {metadata.version('serlab')}")
        raise typer.Exit


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List codecs with versions and capabilities, messages, workloads and experiments on the wire."""
    from serlab.terminal import inventory, show_inventory

    found = inventory()
    print(json.dumps(found)) if as_json else show_inventory(console(), found)


@app.command()
def check(
    codec: Codecs = None,
    corpus: Corpora = None,
    workload: Workloads = None,
    seed: Seed = 0,
    strict: Strict = False,
    max_body_mb: MaxBodyMb = 64,
    as_json: AsJson = False,
) -> None:
    """Send every body through every codec and compare what comes back; then list what the types do not know."""
    from serlab.measure.check import Report, bodies_of
    from serlab.measure.plan import chosen_codecs
    from serlab.terminal import show_check

    report = Report(chosen_codecs(split(codec)), max_body_mb)
    for body in shown(bodies_of(split_files(corpus), workloads_for(workload, corpus), seed, strict, report)):
        report.add(body)
    print(json.dumps(report.to_dict())) if as_json else show_check(console(), report)
    if not report.is_clean:
        raise typer.Exit(FINDING)


@app.command()
def size(
    codec: Codecs = None,
    workload: Workloads = None,
    corpus: Corpora = None,
    quick: Quick = False,
    rigorous: Rigorous = False,
    output: Output = None,
    resume: Resume = False,
    seed: Seed = 0,
    strict: Strict = False,
    max_body_mb: MaxBodyMb = 64,
    as_json: AsJson = False,
) -> None:
    """Measure bytes per message: raw, gzip, zstd. With --json, one line for each body and codec."""
    if as_json:
        print_sizes(codec, workload, corpus, seed, strict, max_body_mb)
        return
    more: dict[str, Any] = {"max_body_mb": max_body_mb}
    run(("size",), codec, workload, corpus, (), quick, rigorous, output, resume, seed, strict, False, **more)


@app.command()
def time(
    codec: Codecs = None,
    workload: Workloads = None,
    corpus: Corpora = None,
    operation: Operations = None,
    quick: Quick = False,
    rigorous: Rigorous = False,
    output: Output = None,
    resume: Resume = False,
    seed: Seed = 0,
    strict: Strict = False,
    max_body_mb: MaxBodyMb = 64,
    gc: Gc = "frozen",
    pin: Pin = False,
    batch_ms: BatchMs = 0.0,
    time_limit: TimeLimit = 300.0,
    memory_limit: MemoryLimit = 0,
    base: Base = "",
    as_json: AsJson = False,
) -> None:
    """Measure time per message and its ratio to the baseline. With --json, one line for each figure."""
    more: dict[str, Any] = {"gc": gc, "pin": pin, "batch_ms": batch_ms, "base": base, "max_body_mb": max_body_mb}
    more |= {"time_limit_s": time_limit, "memory_limit_mb": memory_limit}
    run(("time",), codec, workload, corpus, operation, quick, rigorous, output, resume, seed, strict, as_json, **more)


@app.command()
def memory(
    codec: Codecs = None,
    workload: Workloads = None,
    corpus: Corpora = None,
    quick: Quick = False,
    rigorous: Rigorous = False,
    output: Output = None,
    resume: Resume = False,
    seed: Seed = 0,
    strict: Strict = False,
    max_body_mb: MaxBodyMb = 64,
    flamegraph: Flamegraph = False,
    time_limit: TimeLimit = 300.0,
    memory_limit: MemoryLimit = 0,
    as_json: AsJson = False,
) -> None:
    """Count allocations, bytes and peak per operation, and what a result keeps. With --json, a line for each figure."""
    more: dict[str, Any] = {"flamegraph": flamegraph, "time_limit_s": time_limit, "memory_limit_mb": memory_limit}
    more |= {"max_body_mb": max_body_mb}
    run(("memory",), codec, workload, corpus, (), quick, rigorous, output, resume, seed, strict, as_json, **more)


@app.command()
def throughput(
    codec: Codecs = None,
    workload: Workloads = None,
    corpus: Corpora = None,
    operation: Operations = None,
    quick: Quick = False,
    rigorous: Rigorous = False,
    output: Output = None,
    resume: Resume = False,
    seed: Seed = 0,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Measure messages/s by processes and threads, and the lag of an event loop. With --json, one line per figure."""
    from serlab.measure.pace import LOAD_OPERATIONS, LOAD_PARTS
    from serlab.measure.plan import check_names

    check_names("operation under load", split(operation), LOAD_OPERATIONS)
    run(LOAD_PARTS, codec, workload, corpus, operation, quick, rigorous, output, resume, seed, strict, as_json)


@app.command()
def compare(
    codec: Codecs = None,
    workload: Workloads = None,
    corpus: Corpora = None,
    operation: Operations = None,
    quick: Quick = False,
    rigorous: Rigorous = False,
    output: Output = None,
    resume: Resume = False,
    seed: Seed = 0,
    strict: Strict = False,
    max_body_mb: MaxBodyMb = 64,
    gc: Gc = "frozen",
    pin: Pin = False,
    batch_ms: BatchMs = 0.0,
    flamegraph: Flamegraph = False,
    time_limit: TimeLimit = 300.0,
    memory_limit: MemoryLimit = 0,
    base: Base = "",
    part: Parts = None,
    load: Load = False,
    as_json: AsJson = False,
) -> None:
    """Measure size, time and memory together: the main job. With --json, one line for each figure."""
    from serlab.measure.options import PARTS
    from serlab.measure.pace import LOAD_PARTS
    from serlab.measure.plan import check_names
    from serlab.measure.wire import WIRE

    parts = split(part) or (*PARTS, *(LOAD_PARTS if load else ()))
    check_names("part", parts, (*PARTS, *LOAD_PARTS, WIRE))
    more: dict[str, Any] = {"gc": gc, "pin": pin, "batch_ms": batch_ms, "flamegraph": flamegraph, "base": base}
    more |= {"time_limit_s": time_limit, "memory_limit_mb": memory_limit, "max_body_mb": max_body_mb}
    run(parts, codec, workload, corpus, operation, quick, rigorous, output, resume, seed, strict, as_json, **more)


@app.command()
def fidelity(codec: Codecs = None, output: Output = None, as_json: AsJson = False) -> None:
    """Try what each codec keeps, refuses or changes, and what each format makes of a changed schema."""
    from serlab.fidelity import chosen, evolution_cells, fidelity_cells, show_matrices, write_matrices

    names = chosen(split(codec))
    cells, evolution = fidelity_cells(names), evolution_cells(names)
    if output is not None:
        write_matrices(output, cells, evolution)
    if as_json:
        found = {"fidelity": [cell._asdict() for cell in cells], "evolution": [cell._asdict() for cell in evolution]}
        print(json.dumps(found))
    else:
        show_matrices(console(), cells, evolution)


app.command()(judging.diff)
app.command()(judging.gate)
app.command()(publishing.report)
app.command()(publishing.export)
app.command()(publishing.figures)
app.command()(deciding.decide)
app.command()(serving.serve)
app.command()(wiring.wire)
