"""The page as one file: template, style, script, data, and the library that draws.

Nothing is loaded: the policy in the head forbids it, and allows only the two scripts whose hashes it names. Vega would
compile expressions by `new Function`; `ast: true` has them interpreted, so that the policy can forbid that too.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from serlab.decide.decision import plain
from serlab.decide.run import Run, read_run
from serlab.folders import write_inside
from serlab.page import charts, sections, wire
from serlab.page.answers import answers, boundaries
from serlab.page.data import calculator, looks, tables
from serlab.page.panels import panels
from serlab.report import build_tables
from serlab.report.export import caption_of
from serlab.report.figures.data import names_of
from serlab.report.paired import own
from serlab.report.tables import baseline_of, common_lines
from serlab.visible import visible

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
    data = held(run, scenarios, built)
    shown = next(one for one in data["answers"] if one["scenario"]["name"] == data["first"])
    alone = wire.is_alone(wired, data["answers"])
    program = script_of(asset(f"{name}.js") for name in SCRIPTS)
    parts = {
        "title": escape(f"serlab: run {run.environment.get('run', '')}"),
        "run": escape(sections.title_of(run.environment)),
        "question": escape(shown["scenario"]["question"]),
        "verdict": escape(shown["verdict"]),
        "reasons": sections.items([*shown["notes"], *shown["reasons"]]),
        "hidden": " hidden" if alone else "",
        "wire": wire.section(wired, run.environment, alone),
        "wirelink": wire.link(wired),
        "overview": sections.overview(data["answers"]),
        "words": sections.words(),
        "method": sections.method(data["calculator"]["inputs"]["baseline"], common_lines(own(run.rows))),
        "files": sections.files(Path(run.place)),
        "environment": sections.environment_rows(run.environment),
    }
    return Template(asset("page.html")).substitute(
        # Names, questions and errors come from elsewhere, and none of them may turn the text around it.
        {name: visible(part, keep="\n") for name, part in parts.items()},
        policy=policy(library(), program),
        style=asset("page.css"),
        data=embedded(data),
        library=library(),
        program=program,
    )


def held(run: Run, scenarios: Sequence[str | Path], built: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Gather all that the page holds as JSON."""
    rows = own(run.rows)
    found = answers(run, boundaries(scenarios))
    return {
        "directory": sections.shareable(run.place),
        "caption": caption_of(run.environment),
        "answers": [{**one, "source": source_of(one["scenario"]["name"], scenarios)} for one in found],
        "first": first_of(found, bool(scenarios)),
        "calculator": calculator(run),
        "codecs": looks(names_of(rows, "codec")),
        "workloads": names_of(rows, "workload"),
        "tables": tables(built),
        "figures": drawn(run, built),
    }


def source_of(name: str, scenarios: Sequence[str | Path]) -> str:
    """Say what `serlab decide --scenario` takes for a boundary: its name, or the file it came from."""
    return next((Path(source).name for source in scenarios if Path(source).stem == name), name)


def first_of(found: Sequence[dict[str, Any]], is_asked: bool) -> str:
    """Name the boundary that the page opens with: the one that was asked for, or the first with an answer."""
    answered = [one for one in found if is_asked or one["answered"]]
    return str((answered or found)[0]["scenario"]["name"])


def drawn(run: Run, built: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Join the specifications with what they show; a figure of nothing is left out."""
    shown = panels(run.rows, built)
    figures = [{**figure, "panels": shown.get(figure["name"], [])} for figure in charts.figures(baseline_of(run.rows))]
    return [figure for figure in figures if figure["panels"] or figure["name"] == "crossover"]


@cache
def library() -> str:
    """Give Vega-Lite and what it needs as one script; that takes a second, so it is kept."""
    import vl_convert

    return script_of([vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")])


@cache
def asset(name: str) -> str:
    """Read one of the page's own files."""
    return resources.files("serlab.page").joinpath("assets", name).read_text(encoding="utf-8")


def script_of(sources: Iterable[str]) -> str:
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
    text = json.dumps(seen(plain(data)), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def seen(value: Any) -> Any:
    """Make all texts visible; a scenario's may have several lines."""
    if isinstance(value, dict):
        return {seen(key): seen(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [seen(one) for one in value]
    return visible(value, keep="\n") if isinstance(value, str) else value


def policy(*scripts: str) -> str:
    """Forbid all but the page's own scripts, its styles, and images made on the spot."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    rules = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    return f"{rules}; base-uri 'none'; form-action 'none'"
