"""What the command's functions share: reading the options, measuring, and showing what came out."""

import json
import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import typer

from serlab.__main__ import too_small
from serlab.console import complain, console, literal
from serlab.errors import ResultsError
from serlab.records import UNMEASURED
from serlab.visible import visible

RESULTS = Path("results")
FINDING, USAGE, INTERRUPTED = 1, 2, 130


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
    **settings: Any,
) -> None:
    """Measure some parts and show the results."""
    from serlab.cases import facts_of
    from serlab.cli_show import show_results
    from serlab.comparison import run_plan
    from serlab.measure import WIRE, Options, make_plan, refuse_folder
    from serlab.page import write_page

    if quick and rigorous:
        raise typer.BadParameter("--quick and --rigorous exclude each other")
    # An answer takes sizes and times; of a run without them `serlab report` writes a page all the same.
    has_page = {"size", "time"} <= set(parts) or WIRE in parts
    if has_page:
        refuse_small()
    effort = "quick" if quick else "rigorous" if rigorous else "default"
    names = (split(codec), split(workload), split_files(corpus), split(operation))
    options = Options(*names, parts, effort, seed, strict, **settings)
    if wrong := options.beyond_bounds():
        raise typer.BadParameter(wrong)
    directory = _choose_folder(output, resume)
    refuse_folder(directory, resume)
    if resume:
        options = recorded_options(directory, options, parts)
    plan = make_plan(options)
    plan.check_installed()
    if WIRE in parts and plan.idle():
        complain(f"left out, no message of a kind that they take: {', '.join(plan.idle())}")
    for hint in plan.hints():
        complain(f"hint: {hint}")
    complain(f"results go to {directory}")
    try:
        table = run_plan(plan, directory, resume, console(stderr=True))
    except KeyboardInterrupt:
        again = _going_on(directory, options)
        print(f"\nserlab: stopped; what is measured is kept, go on with: {again}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    page = write_page(directory) if has_page else None
    if as_json:
        shown = table.assign(conditions=table["conditions"].map(facts_of))
        print(shown.to_json(orient="records", lines=True), end="")
    else:
        show_results(console(), table, directory)
        show_page(page)
    if any(finding["outcome"] == UNMEASURED for finding in table.attrs["findings"]):
        again = _going_on(directory, options)
        complain(f"trouble kept something from being measured, which is no codec's failure: {again}")
    if any(finding["outcome"] != "no_schema" for finding in table.attrs["findings"]):
        raise typer.Exit(FINDING)


def refuse_small() -> None:
    """End the command where there is no room to write a page: before anything is measured, not after it."""
    if lacking := too_small(page=True):
        complain(lacking)
        raise typer.Exit(USAGE)


def _going_on(directory: Path, options: Any) -> str:
    """Return the command that measures what a run has not."""
    return visible(shlex.join(["serlab", sys.argv[1], "--resume", "-o", str(directory), *_outside(options)]))


def show_page(page: Path | None) -> None:
    """Say where the page is."""
    if page is not None:
        console().print(literal(f"The answer, a calculator and all figures: {page}"), soft_wrap=True)


def shown(bodies: Iterable[Any]) -> Iterable[Any]:
    """Show how many bodies were read, in a terminal; their number is not known beforehand."""
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    where = console(stderr=True)
    columns = (SpinnerColumn("line"), MofNCompleteColumn(), TextColumn("bodies"), TimeElapsedColumn())
    with Progress(*columns, console=where, transient=True, disable=not where.is_terminal) as progress:
        yield from progress.track(bodies)


def split(names: Iterable[str] | None) -> tuple[str, ...]:
    """Take `--codec a,b` as well as `--codec a --codec b`."""
    return tuple(name for given in names or () for name in given.split(",") if name)


def split_files(files: list[str] | None) -> tuple[str, ...]:
    """Return the paths as they are, since a comma may be part of one."""
    return tuple(files or ())


def workloads_for(workload: list[str] | None, corpus: list[str] | None) -> tuple[str, ...]:
    """Return the built-in workloads: those that were named, or all where there is no corpus either."""
    from serlab import workloads

    return split(workload) or (() if corpus else tuple(workloads.names()))


def _choose_folder(output: Path | None, resume: bool) -> Path:
    """Return the results folder: the one that was named, the last unfinished one, or a new one."""
    if output is not None:
        return output
    if not resume:
        return unused(RESULTS / datetime.now().strftime("%Y%m%d-%H%M%S"))
    from serlab.results import unfinished

    found = unfinished(RESULTS)
    if found is None:
        raise ResultsError(f"{RESULTS}: no run there was stopped; name its folder with -o DIR")
    return found


def unused(folder: Path) -> Path:
    """Return a folder that is not there yet: a clock that was set back gives a second twice."""
    others = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], others) if not path.exists())


def recorded_options(directory: Path, given: Any, parts: tuple[str, ...]) -> Any:
    """Return a stopped run's own options, where the command line names none but files and the other environment.

    What a folder says is read, never opened or run: it may come from somebody else. So corpora and the environment to
    compare with are those of the command line.

    Raises:
        ResultsError: the run had a corpus or another environment, and the command line names none.
    """
    from serlab.measure import Options
    from serlab.results import ENVIRONMENT, load_environment
    from serlab.rows import other_format

    if replace(given, corpora=(), base="") != Options(parts=parts) or not (directory / ENVIRONMENT).exists():
        return given
    record = load_environment(directory).get("options")
    if not isinstance(record, dict):
        raise other_format(directory, f"{ENVIRONMENT} with the options of the run", "one without them")
    try:
        options = Options.from_record(record)
    except ResultsError as error:
        raise ResultsError(f"{directory / ENVIRONMENT}: {error}; give the options of the run again") from error
    if lacking := _outside(options, given):
        raise ResultsError(
            f"{directory}: was made with {shlex.join(lacking)}, which is not taken from a folder, since that would "
            "open or run what its author names; give it again beside --resume, by your own name for it"
        )
    return replace(options, corpora=given.corpora, base=given.base)


def _outside(options: Any, given: Any = None) -> list[str]:
    """List the options that name files and programs.

    Args:
        options: of a run.
        given: leave out what these name as well.
    """
    named = [word for corpus in options.corpora for word in ("--corpus", corpus)]
    found = [] if given and given.corpora else named
    return found + (["--base", options.base] if options.base and not (given and given.base) else [])


def print_sizes(
    codec: list[str] | None,
    workload: list[str] | None,
    corpus: list[str] | None,
    seed: int,
    strict: bool,
    max_body_mb: int,
) -> None:
    """Print one line of JSON for each body and codec that brought it back equal; tell the others on standard error."""
    from serlab.measure import Report, bodies_of, chosen_codecs, weigh

    names = chosen_codecs(split(codec))
    report = Report(names, max_body_mb)
    found = False
    for body in shown(bodies_of(split_files(corpus), workloads_for(workload, corpus), seed, strict, report)):
        for line, problem in weigh(body, names, report.limits):
            print(json.dumps(line)) if line else complain(str(problem))
            found = found or not line
    for error in report.unreadable:
        complain(str(error))
    for hint in report.hints:
        complain(f"hint: {hint}")
    if found or report.unreadable:
        raise typer.Exit(FINDING)


# The options of the command, each named once.

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
