"""The serlab command: one thin function per subcommand.

Exit status: 0 fine; 1 a finding (a body refused or changed, a line that cannot be read, a worker that died, a figure
that became worse at the gate); 2 usage, or input that cannot be used; 130 interrupted.
"""

import asyncio
import json
import math
import sys
from dataclasses import asdict
from errno import EDQUOT, EFBIG, ENOMEM, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serlab.__main__ import SHORT, is_out_of_memory
from serlab.cli_options import (
    FINDING,
    INTERRUPTED,
    USAGE,
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
    print_sizes,
    refuse_small,
    run,
    show_page,
    shown,
    split,
    split_files,
    workloads_for,
)
from serlab.console import complain, console, is_unicode, literal, settle
from serlab.errors import ScenarioError, SerlabError
from serlab.folders import agreeing
from serlab.visible import visible

if TYPE_CHECKING:
    from serlab.decide import Decision, Run
    from serlab.wire import Addresses


# The subcommand that answers: which codec at this boundary, what does it buy, or stay with the baseline?
#
# Exit status: 0 answered; 2 a scenario, a setting or a folder that cannot be used.

Directory = Annotated[Path | None, typer.Argument(metavar="DIR", help="A results folder of `serlab compare`.")]
Scenarios = Annotated[
    list[str] | None, typer.Option("--scenario", metavar="NAME|FILE.toml", help="A boundary; may be repeated.")
]
Bandwidth = Annotated[str, typer.Option("--bandwidth", metavar="BITS", help="Of the wire: 140Mbit, 10Gbit.")]
Compression = Annotated[str, typer.Option("--compression", metavar="none|gzip|zstd", help="On the wire.")]
ModelLatency = Annotated[str, typer.Option("--model-latency", metavar="TIME", help="Until the first token: 800ms.")]
TokensPerS = Annotated[float | None, typer.Option("--tokens-per-s", help="The model's rate after the first token.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Any setting of the scenario; repeat.")
]
Record = Annotated[Path | None, typer.Option("--adr", metavar="FILE", help="Write a decision record in Markdown.")]
Copy = Annotated[str, typer.Option("--copy", metavar="NAME", help="Print a built-in scenario's file, to be edited.")]
Listing = Annotated[bool, typer.Option("--list", help="List the built-in scenarios.")]


def decide(
    directory: Directory = None,
    scenario: Scenarios = None,
    bandwidth: Bandwidth = "",
    compression: Compression = "",
    model_latency: ModelLatency = "",
    tokens_per_s: TokensPerS = None,
    setting: Settings = None,
    adr: Record = None,
    copy: Copy = "",
    listing: Listing = False,
    as_json: AsJson = False,
) -> None:
    """Say which codec to use at a boundary, what it buys, or to stay with the baseline.

    Without --scenario, one line for each built-in one.
    """
    from serlab.decide import scenario_text

    if copy:
        print(scenario_text(copy), end="")
        return
    if listing:
        _print_scenarios(as_json)
        return
    if directory is None:
        raise typer.BadParameter("expected DIR, a results folder; make one with `serlab compare -o DIR`")
    if adr is not None and len(scenario or ()) != 1:
        raise typer.BadParameter("--adr writes one decision: expected one --scenario")
    overrides = _given(bandwidth, compression, model_latency, tokens_per_s, setting or [])
    with agreeing(directory):
        if not scenario:
            _overview(directory, overrides, as_json)
            return
        found = _decisions(directory, scenario, overrides)
        if adr is not None:
            _write_record(adr, found[0])
        _print_decisions(found, as_json)


def _print_decisions(found: "list[Decision]", as_json: bool) -> None:
    """Print decisions for people, or one list for a program."""
    from serlab.decide import show_decision

    if as_json:
        print(json.dumps([one.to_dict() for one in found], allow_nan=False))
        return
    for one in found:
        show_decision(console(), one)


def _given(
    bandwidth: str, compression: str, model_latency: str, tokens_per_s: float | None, settings: list[str]
) -> dict[str, Any]:
    """Gather the settings of the command line."""
    from serlab.decide import parse_bandwidth, parse_seconds, parse_setting

    found: dict[str, Any] = dict(map(parse_setting, settings))
    found |= {"bandwidth_bit_per_s": parse_bandwidth(bandwidth)} if bandwidth else {}
    found |= {"compression": compression} if compression else {}
    found |= {"time_to_first_token_s": parse_seconds(model_latency)} if model_latency else {}
    return found | ({"tokens_per_s": tokens_per_s} if tokens_per_s is not None else {})


def _decisions(directory: Path, scenarios: list[str], overrides: dict[str, Any]) -> "list[Decision]":
    """Decide each scenario on one reading of the folder."""
    from serlab.decide import decide as decide_
    from serlab.decide import read_run

    run = read_run(directory)
    return [decide_(run, scenario, **overrides) for scenario in scenarios]


def _overview(directory: Path, overrides: dict[str, Any], as_json: bool) -> None:
    """Print one line for each built-in scenario."""
    from serlab.decide import read_run, scenario_names, show_overview

    run = read_run(directory)
    lines = {name: _line(run, name, overrides) for name in scenario_names()}
    print(json.dumps(lines)) if as_json else show_overview(console(), lines)


def _line(run: "Run", name: str, overrides: dict[str, Any]) -> str:
    """Answer a scenario in one sentence, or say why the run cannot."""
    from serlab.decide import decide as decide_

    try:
        return decide_(run, name, **overrides).verdict
    except ScenarioError as error:
        return f"No answer: {str(error).removeprefix(f'scenario {name}: ')}."


def _print_scenarios(as_json: bool) -> None:
    """List the built-in scenarios with their questions."""
    from serlab.decide import load_scenario, scenario_names, show_overview

    questions = {name: load_scenario(name).question for name in scenario_names()}
    print(json.dumps(questions)) if as_json else show_overview(console(), questions)


def _write_record(path: Path, decision: "Decision") -> None:
    """Write a decision record."""
    from serlab.folders import write_atomically

    write_atomically(path, visible(decision.to_markdown(), keep="\n").encode())


# The subcommands that compare runs: diff and gate.
#
# Exit status of diff: 0 whatever it found, since a difference between two versions is information and not a fault; 2
# if the runs cannot be compared. Exit status of gate: 0 nothing became worse, 1 something did, 2 it cannot be judged.

JudgingAsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
JUDGING_FINDING = 1


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The results folder before.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The results folder after.")],
    as_json: JudgingAsJson = False,
) -> None:
    """Show what changed between two runs on one machine: sizes, allocations, parity, and times as ratios."""
    from serlab.verdicts import compare_runs
    from serlab.verdicts_show import show_diff

    with agreeing(old, new):
        found = compare_runs(old, new)
        print(_dump(found.to_dict())) if as_json else show_diff(console(), found)


def gate(
    directories: Annotated[
        list[Path], typer.Argument(metavar="BASE HEAD | DIR", help="Two results folders, or one timed with --base.")
    ],
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="PATTERN", help="WORKLOAD/OPERATION/CODEC/METRIC that may be worse; repeat."),
    ] = None,
    github: Annotated[bool, typer.Option("--github", help="Also write annotations for GitHub Actions.")] = False,
    as_json: JudgingAsJson = False,
) -> None:
    """Fail if anything became larger, allocates more, lost parity, or is slower than base in the same run."""
    from serlab.verdicts import judge
    from serlab.verdicts_show import gate_lines, github_lines

    if len(directories) > 2:
        raise typer.BadParameter("expected BASE and HEAD, or one folder")
    with agreeing(*directories):
        found = judge(directories, tuple(allow or ()))
        lines = (
            [_dump(found.to_dict())]
            if as_json
            else [*map(visible, (*gate_lines(found), *(github_lines(found) if github else ())))]
        )
    print("\n".join(lines))
    if found.failures:
        raise typer.Exit(JUDGING_FINDING)


def _dump(found: dict[str, object]) -> str:
    """Write JSON, where a figure that is missing, or beyond all numbers, is null."""
    return json.dumps(_finite(found), allow_nan=False)


def _finite(value: object) -> object:
    """Put None for what is no finite number, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# The subcommands that show a run to others: report, export and figures.

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A results folder.")]
PublishingScenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario", metavar="NAME|FILE.toml", help="A boundary for the page to begin with; may be repeated."
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="COLUMN=VALUE,…", help="Keep the rows with one of the values; repeat."),
]


def report(directory: Folder, scenario: PublishingScenarios = None) -> None:
    """Write the tables and the page of a results folder again, and show the summary; status 1 as the run itself."""
    from serlab.cli_show import is_amiss, show_summary
    from serlab.page import write_page
    from serlab.records import UNMEASURED
    from serlab.report import write_tables
    from serlab.results import is_finished, load_findings, load_results

    refuse_small()
    where = console()
    with agreeing(directory):
        written = write_tables(directory)
        page = write_page(directory, scenario or ())
        rows, findings = load_results(directory), load_findings(directory)
        show_summary(where, rows, findings)
    if not is_finished(directory):
        stopped = f"This run was stopped: what it has measured is shown; go on with --resume -o {directory}"
        where.print(literal(stopped), soft_wrap=True)
    elif any(one["outcome"] == UNMEASURED for one in findings):
        where.print(literal(f"What is unmeasured is measured by --resume -o {directory}"), soft_wrap=True)
    where.print(literal(f"{len(written)} files in {directory / 'tables'}"), soft_wrap=True)
    show_page(page)
    if is_amiss(rows, findings):
        raise typer.Exit(FINDING)


def export(
    directory: Folder,
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="size, time, memory, summary, …")] = "summary",
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="md, csv, tex, html or json.")] = "md",
    selections: Select = None,
    columns: Annotated[
        list[str] | None, typer.Option("--columns", metavar="NAME,…", help="As in the CSV's header; repeat.")
    ] = None,
    standalone: Annotated[bool, typer.Option("--standalone", help="A LaTeX document, ready to compile.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="In place of stdout.")] = None,
    caption_file: Annotated[
        Path | None, typer.Option("--caption-file", metavar="FILE", help="The caption, which CSV has no place for.")
    ] = None,
) -> None:
    """Write one table of a results folder, or a part of it, for a paper, a page or a spreadsheet."""
    from serlab.folders import write_atomically
    from serlab.report import export_table

    if standalone and format_ != "tex":
        raise typer.BadParameter(f"--standalone is for --format tex, got {format_}")
    with agreeing(directory):
        text, caption = export_table(directory, table, format_, selections or (), split(columns), standalone)
    if caption_file is not None:
        write_atomically(caption_file, f"{caption}\n".encode())
    if output is None:
        print(_written_for(text, format_), end="")
    else:
        write_atomically(output, text.encode())


def _written_for(text: str, format_: str) -> str:
    """Write a table so that a standard output which has not every character loses none of HTML's."""
    if format_ != "html" or is_unicode(getattr(sys.stdout, "encoding", None)):
        return text
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def figures(directory: Folder) -> None:
    """Draw what a results folder holds, as DIR/figures/*.png and *.svg."""
    from serlab.report import write_figures

    with agreeing(directory):
        count = sum(1 for _ in write_figures(directory))
    console().print(literal(f"{count} files in {directory / 'figures'}"), soft_wrap=True)


# The subcommand that runs the model server: serve.
#
# Exit status: 0 when it was stopped by Ctrl-C or SIGTERM, 2 if it cannot start as asked.

Port = Annotated[int, typer.Option(metavar="PORT", help="0: a free one.")]
Ms = Annotated[float, typer.Option(metavar="MS")]
Share = Annotated[float, typer.Option(metavar="SHARE", help="Of the requests, 0 to 1.")]


def serve(
    http_port: Port = 0,
    https_port: Port = 0,
    grpc_port: Port = 0,
    grpcs_port: Port = 0,
    host: Annotated[str, typer.Option(metavar="HOST", help="Loopback, unless --exposed.")] = "127.0.0.1",
    exposed: Annotated[bool, typer.Option("--exposed", help="Listen beyond loopback, without access control.")] = False,
    seed: Annotated[int, typer.Option(help="Of answers and faults.")] = 0,
    tokens: Annotated[int, typer.Option(metavar="N", help="Length of an answer.")] = 128,
    dimensions: Annotated[int, typer.Option(metavar="N", help="Length of a vector.")] = 1536,
    first_token_ms: Ms = 0.0,
    token_ms: Ms = 0.0,
    batch_base_ms: Ms = 0.0,
    batch_item_ms: Ms = 0.0,
    batch_limit: Annotated[int, typer.Option(metavar="N", help="Items in a batch at most.")] = 64,
    busy: Annotated[bool, typer.Option("--busy", help="Spend these times as CPU on the event loop.")] = False,
    errors: Share = 0.0,
    rate_limits: Share = 0.0,
    stalls: Share = 0.0,
    cuts: Share = 0.0,
    stall_s: Annotated[float, typer.Option(metavar="S", help="Length of a stall.")] = 5.0,
    retry_after_s: Annotated[float, typer.Option(metavar="S", help="What a 429 asks for.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Run a model server on loopback, with a stated latency and seeded faults, until Ctrl-C or SIGTERM."""
    from serlab.wire import Faults, Latency, Settings, run_until_signal

    times = (first_token_ms / 1e3, token_ms / 1e3, batch_base_ms / 1e3, batch_item_ms / 1e3)
    faults = Faults(errors, rate_limits, stalls, cuts, stall_s, retry_after_s)
    ports = (http_port, https_port, grpc_port, grpcs_port)
    latency = Latency(*times, batch_limit=batch_limit, busy=busy)
    settings = Settings(host, exposed, *ports, seed, tokens, dimensions, latency, faults)
    asyncio.run(run_until_signal(settings, lambda addresses: _show(addresses, as_json)))


def _show(addresses: "Addresses", as_json: bool) -> None:
    """Print where the server listens, at once, since whoever reads it may be waiting for it."""
    found: dict[str, Any] = asdict(addresses)
    lines = [json.dumps(found)] if as_json else [f"{name:<8} {where}" for name, where in found.items() if name != "pid"]
    print("\n".join(lines), flush=True)


# The subcommand that measures whole call paths: wire.

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
    from serlab.measure import WIRE

    names = tuple(experiments or ())
    chosen = () if "all" in names else names
    more = {"gc": gc, "time_limit_s": time_limit, "memory_limit_mb": memory_limit, "experiments": chosen}
    # Sizes cost next to nothing, and what is sent is half of the story.
    run(("size", WIRE), codec, workload, corpus, (), quick, rigorous, output, resume, seed, strict, as_json, **more)


app = typer.Typer(
    help="Which wire format, at which boundary of an LLM service, and what does it buy?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


NO_ROOM = {
    ENOSPC: "the disk is full; make room",
    EDQUOT: "the quota of the disk is used up; make room",
    EFBIG: "a file may not be that large; allow more (ulimit -f)",
}
"""Why a file takes no more, and what to do about it."""


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
        if error.errno == ENOMEM:
            complain(SHORT)
            sys.exit(USAGE)
        if error.errno not in NO_ROOM:
            raise
        sys.stdout = None
        complain(f"the output cannot be written: {NO_ROOM[error.errno]} or choose another place")
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
    from serlab.cli_show import inventory, show_inventory

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
    from serlab.cli_show import show_check
    from serlab.measure import Report, bodies_of, chosen_codecs

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
    from serlab.measure import LOAD_OPERATIONS, LOAD_PARTS, check_names

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
    from serlab.measure import LOAD_PARTS, PARTS, WIRE, check_names

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


app.command()(diff)
app.command()(gate)
app.command()(report)
app.command()(export)
app.command()(figures)
app.command()(decide)
app.command()(serve)
app.command()(wire)
