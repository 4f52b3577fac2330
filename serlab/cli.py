"""The serlab command: one thin function per subcommand.

Exit status: 0 fine; 1 a finding (a body refused or changed, a line that cannot be read, a worker that died);
2 usage, or input that cannot be used; 130 interrupted.
"""

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from serlab.errors import ResultsError, SerlabError

app = typer.Typer(
    help="Which wire format, at which boundary of an LLM service, and what does it buy?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Codecs = Annotated[list[str] | None, typer.Option("--codec", metavar="NAME", help="A codec; may be repeated.")]
Workloads = Annotated[list[str] | None, typer.Option("--workload", metavar="NAME", help="A built-in workload; repeat.")]
Corpora = Annotated[
    list[str] | None, typer.Option("--corpus", metavar="FILE", help="Recorded traffic, .jsonl[.gz|.zst]; repeat.")
]
Operations = Annotated[
    list[str] | None, typer.Option("--operation", metavar="NAME", help="encode, decode, read-one or a stage; repeat.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer processes and batches: minutes, wider intervals.")]
Rigorous = Annotated[bool, typer.Option("--rigorous", help="More processes: narrower intervals.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="The results folder.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run that was stopped: the one in DIR, or the last.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of workloads, samples and the order of batches.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first corpus line that cannot be read.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
RESULTS = Path("results")
FINDING, USAGE, INTERRUPTED = 1, 2, 130


def main() -> None:
    """Run the command; an error that serlab raises on purpose is one line and status 2."""
    try:
        app()
    except SerlabError as error:
        print(f"serlab: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        print("serlab: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain when it flushes at exit.
        sys.stdout = None
        sys.exit(INTERRUPTED)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Show the version, or go on to the subcommand."""
    if version:
        from importlib import metadata

        print(f"serlab {metadata.version('serlab')}")
        raise typer.Exit


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List codecs with versions and capabilities, messages and workloads."""
    from serlab.terminal import inventory, show_inventory

    found = inventory()
    print(json.dumps(found)) if as_json else show_inventory(Console(), found)


@app.command()
def check(
    codec: Codecs = None,
    corpus: Corpora = None,
    workload: Workloads = None,
    seed: Seed = 0,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Send every body through every codec and compare what comes back; then list what the types do not know."""
    from serlab.measure.check import Report, bodies_of
    from serlab.measure.plan import chosen_codecs
    from serlab.terminal import show_check

    report = Report(chosen_codecs(split(codec)))
    for body in shown(bodies_of(split_files(corpus), workloads_for(workload, corpus), seed, strict, report)):
        report.add(body)
    print(json.dumps(report.to_dict())) if as_json else show_check(Console(), report)
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
    as_json: AsJson = False,
) -> None:
    """Measure bytes per message: raw, gzip, zstd. With --json, one line for each body and codec."""
    if as_json:
        print_sizes(codec, workload, corpus, seed, strict)
        return
    run(("size",), codec, workload, corpus, (), quick, rigorous, output, resume, seed, strict, False)


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
    as_json: AsJson = False,
) -> None:
    """Measure time per message and its ratio to the baseline. With --json, one line for each figure."""
    run(("time",), codec, workload, corpus, operation, quick, rigorous, output, resume, seed, strict, as_json)


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
    as_json: AsJson = False,
) -> None:
    """Count allocations, bytes and peak per operation. With --json, one line for each figure."""
    run(("memory",), codec, workload, corpus, (), quick, rigorous, output, resume, seed, strict, as_json)


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
    as_json: AsJson = False,
) -> None:
    """Measure size, time and memory together: the main job. With --json, one line for each figure."""
    parts = ("size", "memory", "time")
    run(parts, codec, workload, corpus, operation, quick, rigorous, output, resume, seed, strict, as_json)


@app.command()
def report(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A results folder.")]) -> None:
    """Write the tables of a results folder again, and show the summary."""
    from serlab.report import terminal_tables, write_tables
    from serlab.results import load_results

    written = write_tables(directory)
    console = Console()
    for table in terminal_tables(load_results(directory)):
        console.print(table)
    console.print(f"{len(written)} files in {directory / 'tables'}", highlight=False)


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
        show_matrices(Console(), cells, evolution)


def run(
    parts: tuple[str, ...],
    codec: list[str] | None,
    workload: list[str] | None,
    corpus: list[str] | None,
    operation: Iterable[str] | None,
    quick: bool,
    rigorous: bool,
    output: Path | None,
    resume: bool,
    seed: int,
    strict: bool,
    as_json: bool,
) -> None:
    """Measure some parts and show the results."""
    from serlab.comparison import run_plan
    from serlab.measure.plan import DEFAULT_OPERATIONS, Options, make_plan
    from serlab.terminal import show_results

    if quick and rigorous:
        raise typer.BadParameter("--quick and --rigorous exclude each other")
    effort = "quick" if quick else "rigorous" if rigorous else "default"
    names = (split(codec), split(workload), split_files(corpus), split(operation) or DEFAULT_OPERATIONS)
    options = Options(*names, parts, effort, seed, strict)
    directory = choose_folder(output, resume)
    if resume:
        options = recorded_options(directory, options, parts)
    plan = make_plan(options)
    print(f"serlab: results go to {directory}", file=sys.stderr)
    try:
        table = run_plan(plan, directory, resume, Console(stderr=True))
    except KeyboardInterrupt:
        again = f"serlab {sys.argv[1]} --resume -o {directory}"
        print(f"\nserlab: stopped; what is measured is kept, go on with: {again}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if as_json:
        print(table.to_json(orient="records", lines=True), end="")
    else:
        show_results(Console(), table, directory)
    if any(finding["outcome"] != "no_schema" for finding in table.attrs["findings"]):
        raise typer.Exit(FINDING)


def shown(bodies: Iterable[Any]) -> Iterable[Any]:
    """Show how many bodies were read, in a terminal; their number is not known beforehand."""
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), MofNCompleteColumn(), TextColumn("bodies"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(bodies)


def split(names: Iterable[str] | None) -> tuple[str, ...]:
    """Take `--codec a,b` as well as `--codec a --codec b`."""
    return tuple(name for given in names or () for name in given.split(",") if name)


def split_files(files: list[str] | None) -> tuple[str, ...]:
    """Give the paths as they are, since a comma may be part of one."""
    return tuple(files or ())


def workloads_for(workload: list[str] | None, corpus: list[str] | None) -> tuple[str, ...]:
    """Give the built-in workloads: those that were named, or all where there is no corpus either."""
    from serlab import workloads

    return split(workload) or (() if corpus else tuple(workloads.names()))


def choose_folder(output: Path | None, resume: bool) -> Path:
    """Give the results folder: the one that was named, the last unfinished one, or a new one."""
    if output is not None:
        return output
    if not resume:
        return RESULTS / datetime.now().strftime("%Y%m%d-%H%M%S")
    from serlab.results import unfinished

    found = unfinished(RESULTS)
    if found is None:
        raise ResultsError(f"{RESULTS}: no run there was stopped; name its folder with -o DIR")
    return found


def recorded_options(directory: Path, given: Any, parts: tuple[str, ...]) -> Any:
    """Give a stopped run's own options, where the command line names none."""
    from serlab.measure.plan import Options
    from serlab.results import ENVIRONMENT, load_environment

    if given != Options(parts=parts) or not (directory / ENVIRONMENT).exists():
        return given
    return Options.from_record(load_environment(directory)["options"])


def print_sizes(
    codec: list[str] | None, workload: list[str] | None, corpus: list[str] | None, seed: int, strict: bool
) -> None:
    """Print one line of JSON for each body and codec that brought it back equal; tell the others on standard error."""
    from serlab.measure.bodies import weigh
    from serlab.measure.check import Report, bodies_of
    from serlab.measure.plan import chosen_codecs

    names = chosen_codecs(split(codec))
    report = Report(names)
    found = False
    for body in shown(bodies_of(split_files(corpus), workloads_for(workload, corpus), seed, strict, report)):
        for line, problem in weigh(body, names):
            print(json.dumps(line)) if line else print(f"serlab: {problem}", file=sys.stderr)
            found = found or not line
    for error in report.unreadable:
        print(f"serlab: {error}", file=sys.stderr)
    if found or report.unreadable:
        raise typer.Exit(FINDING)
