"""The page as one file: template, style, script, data, and the library that draws.

Nothing is loaded: the policy in the head forbids it, and allows only the two scripts whose hashes it names. Vega would
compile expressions by `new Function`; `ast: true` has them interpreted, so that the policy can forbid that too.
"""

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any

import msgspec
import pandas as pd

from serlab.decide import Decision, Run, Scenario, decide, load_scenario, plain, read_run, scenario_names, stand_in
from serlab.errors import ScenarioError
from serlab.folders import write_inside
from serlab.page.data import calculator, looks, panels, tables
from serlab.records import MOST_REFUSED_SHARE
from serlab.report import (
    SIZE,
    Block,
    Digest,
    baseline_of,
    blocks,
    build_tables,
    caption_of,
    common_lines,
    digests,
    names_of,
    own,
    page_figures,
    scaled,
)
from serlab.results import ENVIRONMENT
from serlab.rows import PARQUET
from serlab.visible import visible

# The page's parts that need no script, as HTML: answers, method, environment and files.

METHOD = (
    "Each message is encoded and decoded by every codec first. A codec that changes one gets no figure, nor does one "
    "that refuses more than {share:.0%} of a workload's messages; what a codec with figures refuses is left out for "
    "all.",
    "Time: a fresh process measures all codecs of a workload by turns, in short batches and in random order; several "
    "processes make a run.",
    "A figure is a ratio to {baseline} within each process, and the median of these; absolute times are medians.",
    "Intervals are 95 % bootstrap intervals that resample processes, widened for their small number.",
    "{baseline} is measured twice (A/A). How it differs from itself is the machine's noise: less than that is a tie.",
    "Size: each message by itself, raw, by gzip 6 and by zstd 3.",
    "Memory: in processes of its own, as the slope between N and 2 N passes, so that counts repeat exactly.",
    "Cost at a boundary: processor time of what is done to a message, plus its bytes divided by the bandwidth; a price "
    "for each core-hour, byte moved and byte kept. Round trips, headers and congestion are not in it.",
    "The answer is the cheapest codec that the boundary's constraints allow. What ties with it and is simpler goes "
    "first, and where the saving would not be noticed the answer is to stay with {baseline}.",
    "What is measured is this machine with these versions. Ratios carry over to others only roughly, times do not.",
)
WORDS = {
    "codec": "one wire format with the library that writes it",
    "encode, decode": "message to bytes, bytes to message",
    "read-one": "bytes to one field",
    "read-10%": "bytes to a tenth of the fields",
    "relay": "read model and stream, write another model, pass the rest on",
    "floor": "copying the bytes, making the strings: the least that an encode or a decode has to do",
    "A/A": "the baseline against itself",
}
FIELDS: tuple[str, ...] = ("run", "cpu", "cores", "memory_bytes", "os", "python", "processes", "gc", "load_average")
FIELDS += ("seed", "serlab", "git_commit")
WHEN = ("before", "during", "after")
"""When the load of other processes is read, where a run is published; see scripts/attempts.py."""
FILES = {
    PARQUET: "every figure as a row, with codec, workload, operation, metric, unit and process",
    ENVIRONMENT: "machine, versions and options",
    "tables": "each table as Markdown, CSV, LaTeX, HTML and JSON",
    "pyperf": "raw times, for pyperf's own tools",
    "figures": "the figures as PNG and SVG",
}


def _items(texts: Iterable[str]) -> str:
    """Write list items."""
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _overview(answers: Sequence[Mapping[str, Any]]) -> str:
    """Write a line for each boundary."""
    return "".join(
        f'<tr><th scope="row">{escape(one["scenario"]["name"])}</th><td class="wide">{escape(one["verdict"])}</td></tr>'
        for one in answers
    )


def _method(baseline: str, left_out: Iterable[str]) -> str:
    """Write the method as list items.

    Args:
        baseline: the codec that ratios stand on.
        left_out: what says that figures of this run are not over all bodies.
    """
    lines = (line.format(baseline=baseline, share=MOST_REFUSED_SHARE) for line in METHOD)
    return _items([*lines, *left_out])


def _words() -> str:
    """Explain the words of the tables."""
    return "; ".join(f"<strong>{escape(word)}</strong>: {escape(text)}" for word, text in WORDS.items()) + "."


def title_of(environment: Mapping[str, Any]) -> str:
    """Name the run and the machine in a line."""
    parts = [f"run {environment['run']}"] if "run" in environment else []
    parts += [str(environment[key]) for key in ("cpu", "os", "python") if key in environment]
    return ", ".join(parts)


def environment_rows(environment: Mapping[str, Any]) -> str:
    """Write the environment as rows of a table."""
    shown = {key: _value_of(key, environment[key]) for key in FIELDS if environment.get(key) not in (None, "")}
    shown |= {f"version of {name}": str(version) for name, version in environment.get("versions", {}).items()}
    if stored := environment.get("stored"):
        shown |= {f"other processes, {when}": _cores_of(stored.get(f"busy_cores_{when}")) for when in WHEN}
    if command := environment.get("command"):
        shown["measured by"] = shlex.join(map(_shareable, command))
    named = {key.removesuffix("_bytes").replace("_", " "): text for key, text in shown.items()}
    cells = (f'<tr><th scope="row">{escape(key)}</th><td>{escape(text)}</td></tr>' for key, text in named.items())
    return "".join(cells)


def _cores_of(cores: float | None) -> str:
    """Say how many cores other processes kept busy."""
    return "unknown" if cores is None else f"{cores:.2f} cores busy"


def _shareable(argument: str) -> str:
    """Return the name of a file without the folders above it: a page is sent to people who need not know them."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _value_of(key: str, value: Any) -> str:
    """Write one entry of the environment."""
    if key.endswith("_bytes"):
        return scaled(float(value), SIZE)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _files(directory: Path) -> str:
    """Link to what lies beside the page, of what is there, and say how the rows are read."""
    there = {name: text for name, text in FILES.items() if (directory / name).exists()}
    links = [f'<a href="{escape(name)}">{escape(name)}</a>: {escape(text)}' for name, text in there.items()]
    read = escape(f"serlab.load_results({_shareable(str(directory))!r})")
    text = "The figures of this page come from the files beside it. " + "; ".join(links)
    return f"{text}. In Python, <code>{read}</code> gives the rows as a table."


# What `decide` says of each boundary, as the page's first lines.

FIRST = ("service-hop", "streaming-hop", "gateway", "edge", "engine-ipc", "embeddings", "response-cache", "log-archive")
"""The order of the built-in boundaries: the common ones first."""


def boundaries(own: Sequence[str | Path] = ()) -> list[Scenario]:
    """List the boundaries that the page knows.

    Args:
        own: scenario files, which stand first; one that bears a built-in one's name takes its place.

    Returns:
        The scenarios.

    Raises:
        ScenarioError: a file cannot be read, or something in it is wrong.
        UnknownNameError: there is no built-in scenario of that name.
    """
    first = [load_scenario(source) for source in own]
    known = sorted(scenario_names(), key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    found = {scenario.name: scenario for scenario in [*first, *map(load_scenario, known)]}
    return list({**found, **{scenario.name: scenario for scenario in first}}.values())


def answers(run: Run, scenarios: Sequence[Scenario]) -> list[dict[str, Any]]:
    """Decide each scenario.

    Args:
        run: the run.
        scenarios: what `boundaries` gave.

    Returns:
        For each: the scenario as JSON values, the verdict, notes and reasons; of one that the run cannot answer the
        reason as the verdict, and `answered` is false.
    """
    shown = _without_folders(run)
    return [answer(shown, scenario) for scenario in scenarios]


def answer(run: Run, scenario: Scenario) -> dict[str, Any]:
    """Decide one scenario; on bodies without a type the page holds it as they stand in it."""
    shown = stand_in(run.inputs, scenario).scenario
    record: dict[str, Any] = {"scenario": msgspec.to_builtins(shown), "notes": [], "reasons": []}
    try:
        found = decide(run, scenario)
    except ScenarioError as error:
        text = str(error).removeprefix(f"scenario {scenario.name}: ")
        return {**record, "verdict": f"No answer: {text}.", "answered": False, "recommended": ""}
    return {**record, **_said(found), "answered": True}


def _without_folders(run: Run) -> Run:
    """Name the run's corpora without the folders above them, before a command quotes them: a page is sent around."""
    corpora = list(map(_shareable, run.option("corpora")))
    if corpora == run.option("corpora"):
        return run
    options = {**run.environment.get("options", {}), "corpora": corpora}
    return Run(run.rows, {**run.environment, "options": options}, run.place)


def _said(found: Decision) -> dict[str, Any]:
    """Return a decision's sentences."""
    return {
        "verdict": found.verdict,
        "notes": found.notes,
        "reasons": found.reasons,
        "recommended": found.recommended,
    }


# What was measured on the wire, as HTML: a question, its conditions and a table for each experiment.

ALONE = (
    "This run timed no codec by itself, so the page names no format for a boundary: <code>serlab compare</code> does."
)


def _link(table: pd.DataFrame) -> str:
    """Return the way to the section; nothing where there is none."""
    return '<a class="jump" href="#wire-experiments">On the wire</a>\n' if len(table) else ""


def _is_alone(table: pd.DataFrame, answers: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the wire is all there is to show: no boundary has an answer, for nothing else was timed."""
    return bool(len(table)) and not any(answer["answered"] for answer in answers)


def _section(shown: pd.DataFrame, environment: Mapping[str, Any], alone: bool = False) -> str:
    """Write the section.

    Args:
        shown: the table of the wire.
        environment: of the run; `wire` tells each experiment's question and conditions.
        alone: whether the page has nothing else to show, and must say so.

    Returns:
        HTML; nothing where nothing was measured on the wire.
    """
    asked: Mapping[str, Mapping[str, str]] = environment.get("wire", {})
    lines = {name: list(found) for name, found in groupby(digests(shown), key=lambda one: one.experiment)}
    # As the run lists them: the broad question first, not the alphabet.
    order = {name: place for place, name in enumerate(asked)}
    found = sorted(blocks(shown), key=lambda block: order.get(block.experiment, len(order)))
    groups = groupby(found, key=lambda block: block.experiment)
    parts = [_experiment(name, asked.get(name, {}), lines[name], list(group)) for name, group in groups]
    if not parts:
        return ""
    head = (
        '<h2 id="wire-title">On the wire</h2>\n<p class="note">Whole calls to real servers on loopback. Every figure '
    )
    head += 'with its interval and its A/A stands in the table <a class="jump" href="#wire">wire</a> below.</p>'
    head += f'\n<p class="note">{ALONE}</p>' if alone else ""
    opening = '<section id="wire-experiments" aria-labelledby="wire-title" tabindex="-1">'
    return "\n".join([opening, head, *parts, "</section>\n"])


def _experiment(name: str, asked: Mapping[str, str], lines: list[Digest], found: list[Block]) -> str:
    """Write one experiment: what differs most, and behind a fold all of it."""
    question = escape(asked.get("question", name))
    conditions = escape(asked.get("conditions", ""))
    head = (
        f'<h3>{question}</h3>\n<p class="note"><code>serlab wire {escape(shlex.quote(name))}</code>: {conditions}.</p>'
    )
    told = f"<ul>{''.join(f'<li>{escape(_sentence(one))}</li>' for one in lines)}</ul>"
    rest = "\n".join(map(_table, found))
    return f"{head}\n{told}\n<details><summary>All arms of {escape(name)}</summary>\n{rest}\n</details>"


def _sentence(one: Digest) -> str:
    """Say how an experiment came out on a workload."""
    text = f"{one.workload}: {one.ties} of {one.compared} figures tie with {one.baseline}"
    least = f"; the smallest ratio is that of {one.least}" if one.least else ""
    most = f"; the largest ratio is that of {one.most}" if one.most else ""
    share = f" The codec's share of a call: {one.share}." if one.share else ""
    where = f", {one.noisiest}" if one.noisiest else ""
    strays = f" The baseline strays from itself by up to {100 * one.noise:.0f} % (A/A{where})."
    strays = strays if one.noise == one.noise else ""
    return f"{text}{least}{most}.{share}{strays}"


def _table(block: Block) -> str:
    """Write one block."""
    caption = escape(f"{block.workload}. " + " ".join(block.legend))
    heads = "".join(f'<th scope="col" class="number">{escape(head)}</th>' for head in block.heads)
    body = "".join(_line(name, cells, len(block.heads)) for name, cells in block.lines)
    label = escape(f"{block.experiment}, {block.workload}")
    shown = f"<table><caption>{caption}</caption><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{shown}</div>'


def _line(name: str, cells: list[str], width: int) -> str:
    """Write one line, or the heading of those below it."""
    if not cells:
        return f'<tr><th scope="rowgroup" colspan="{width + 1}">{escape(name)}</th></tr>'
    shown = "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(name.strip())}</th>{shown}</tr>'


PAGE = "report.html"
SCRIPTS: tuple[str, ...] = ("units", "statistics", "model", "ranking", "wording", "elements", "state", "controls")
SCRIPTS += ("answer", "tables", "figures", "main")
"""The files of the page's script, in the order in which they need each other."""


def write_page(directory: str | Path, scenarios: Sequence[str | Path] = ()) -> Path:
    """Write the page of a run.

    Args:
        directory: a results folder.
        scenarios: names or files of boundaries that stand first.

    Returns:
        The file, `report.html` in the folder.

    Raises:
        ResultsError: the folder holds no results or cannot be written.
        ScenarioError: a scenario cannot be read.
        UnknownNameError: there is no scenario of that name.
    """
    return write_inside(directory, PAGE, page_of(read_run(directory), scenarios).encode())


def page_of(run: Run, scenarios: Sequence[str | Path] = ()) -> str:
    """Build the page of a run that was read from a folder; see `write_page`."""
    built = build_tables(run.rows)
    wired = built.get("wire", pd.DataFrame())
    data = _held(run, scenarios, built)
    shown = next(one for one in data["answers"] if one["scenario"]["name"] == data["first"])
    alone = _is_alone(wired, data["answers"])
    program = _script_of(asset(f"{name}.js") for name in SCRIPTS)
    parts = {
        "title": escape(f"serlab: run {run.environment.get('run', '')}"),
        "run": escape(title_of(run.environment)),
        "question": escape(shown["scenario"]["question"]),
        "verdict": escape(shown["verdict"]),
        "reasons": _items([*shown["notes"], *shown["reasons"]]),
        "hidden": " hidden" if alone else "",
        "wire": _section(wired, run.environment, alone),
        "wirelink": _link(wired),
        "overview": _overview(data["answers"]),
        "words": _words(),
        "method": _method(data["calculator"]["inputs"]["baseline"], common_lines(own(run.rows))),
        "files": _files(Path(run.place)),
        "environment": environment_rows(run.environment),
    }
    return Template(asset("page.html")).substitute(
        # Names, questions and errors come from elsewhere, and none of them may turn the text around it.
        {name: visible(part, keep="\n") for name, part in parts.items()},
        policy=_policy(_library(), program),
        style=asset("page.css"),
        data=embedded(data),
        library=_library(),
        program=program,
    )


def _held(run: Run, scenarios: Sequence[str | Path], built: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Gather all that the page holds as JSON."""
    rows = own(run.rows)
    found = answers(run, boundaries(scenarios))
    return {
        "directory": _shareable(run.place),
        "caption": caption_of(run.environment),
        "answers": [{**one, "source": _source_of(one["scenario"]["name"], scenarios)} for one in found],
        "first": _first_of(found, bool(scenarios)),
        "calculator": calculator(run),
        "codecs": looks(names_of(rows, "codec")),
        "workloads": names_of(rows, "workload"),
        "tables": tables(built),
        "figures": _drawn(run, built),
    }


def _source_of(name: str, scenarios: Sequence[str | Path]) -> str:
    """Say what `serlab decide --scenario` takes for a boundary: its name, or the file it came from."""
    return next((Path(source).name for source in scenarios if Path(source).stem == name), name)


def _first_of(found: Sequence[dict[str, Any]], is_asked: bool) -> str:
    """Name the boundary that the page opens with: the one that was asked for, or the first with an answer."""
    answered = [one for one in found if is_asked or one["answered"]]
    return str((answered or found)[0]["scenario"]["name"])


def _drawn(run: Run, built: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Join the specifications with what they show; a figure of nothing is left out."""
    shown = panels(run.rows, built)
    figures = [{**figure, "panels": shown.get(figure["name"], [])} for figure in page_figures(baseline_of(run.rows))]
    return [figure for figure in figures if figure["panels"] or figure["name"] == "crossover"]


@cache
def _library() -> str:
    """Return Vega-Lite and what it needs as one script; that takes a second, so it is kept."""
    import vl_convert

    return _script_of([vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")])


@cache
def asset(name: str) -> str:
    """Read one of the page's own files."""
    return resources.files("serlab.page").joinpath("assets", name).read_text(encoding="utf-8")


def _script_of(sources: Iterable[str]) -> str:
    """Make a script whose names stay its own, and in whose text nothing can end the element.

    Source: HTML, "Restrictions for contents of script elements"; `<` may be written as an escape in a string only, and
    the sources here have these marks nowhere else.
    """
    text = "\n".join(sources)
    for mark in ("</script", "<script", "<!--"):
        text = text.replace(mark, mark.replace("<", "\\x3c"))
    return f'(() => {{\n"use strict";\n{text}\n}})();'


def embedded(data: Any) -> str:
    """Write JSON that cannot end its element, whatever the names of workloads are."""
    text = json.dumps(_seen(plain(data)), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _seen(value: Any) -> Any:
    """Make all texts visible; a scenario's may have several lines."""
    if isinstance(value, dict):
        return {_seen(key): _seen(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_seen(one) for one in value]
    return visible(value, keep="\n") if isinstance(value, str) else value


def _policy(*scripts: str) -> str:
    """Forbid all but the page's own scripts, its styles, and images made on the spot."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    rules = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    return f"{rules}; base-uri 'none'; form-action 'none'"
