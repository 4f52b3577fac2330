"""What was measured on the wire, as HTML: a question, its conditions and a table for each experiment."""

from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby
from typing import Any

import pandas as pd

from serlab.report.wireblocks import Block, blocks
from serlab.report.wiredigest import Digest, digests

ALONE = (
    "This run timed no codec by itself, so the page names no format for a boundary: <code>serlab compare</code> does."
)


def link(table: pd.DataFrame) -> str:
    """Give the way to the section; nothing where there is none."""
    return '<a class="jump" href="#wire-experiments">On the wire</a>\n' if len(table) else ""


def is_alone(table: pd.DataFrame, answers: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether the wire is all there is to show: no boundary has an answer, for nothing else was timed."""
    return bool(len(table)) and not any(answer["answered"] for answer in answers)


def section(shown: pd.DataFrame, environment: Mapping[str, Any], alone: bool = False) -> str:
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
    parts = [experiment(name, asked.get(name, {}), lines[name], list(group)) for name, group in groups]
    if not parts:
        return ""
    head = (
        '<h2 id="wire-title">On the wire</h2>\n<p class="note">Whole calls to real servers on loopback. Every figure '
    )
    head += 'with its interval and its A/A stands in the table <a class="jump" href="#wire">wire</a> below.</p>'
    head += f'\n<p class="note">{ALONE}</p>' if alone else ""
    opening = '<section id="wire-experiments" aria-labelledby="wire-title" tabindex="-1">'
    return "\n".join([opening, head, *parts, "</section>\n"])


def experiment(name: str, asked: Mapping[str, str], lines: list[Digest], found: list[Block]) -> str:
    """Write one experiment: what differs most, and behind a fold all of it."""
    question = escape(asked.get("question", name))
    conditions = escape(asked.get("conditions", ""))
    head = f'<h3>{question}</h3>\n<p class="note"><code>serlab wire {escape(name)}</code>: {conditions}.</p>'
    told = f"<ul>{''.join(f'<li>{escape(sentence(one))}</li>' for one in lines)}</ul>"
    rest = "\n".join(map(table, found))
    return f"{head}\n{told}\n<details><summary>All arms of {escape(name)}</summary>\n{rest}\n</details>"


def sentence(one: Digest) -> str:
    """Say how an experiment came out on a workload."""
    text = f"{one.workload}: {one.ties} of {one.compared} figures tie with {one.baseline}"
    least = f"; the smallest ratio is that of {one.least}" if one.least else ""
    most = f"; the largest ratio is that of {one.most}" if one.most else ""
    share = f" The codec's share of a call: {one.share}." if one.share else ""
    where = f", {one.noisiest}" if one.noisiest else ""
    strays = f" The baseline strays from itself by up to {100 * one.noise:.0f} % (A/A{where})."
    strays = strays if one.noise == one.noise else ""
    return f"{text}{least}{most}.{share}{strays}"


def table(block: Block) -> str:
    """Write one block."""
    caption = escape(f"{block.workload}. " + " ".join(block.legend))
    heads = "".join(f'<th scope="col" class="number">{escape(head)}</th>' for head in block.heads)
    body = "".join(line(name, cells, len(block.heads)) for name, cells in block.lines)
    label = escape(f"{block.experiment}, {block.workload}")
    shown = f"<table><caption>{caption}</caption><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{shown}</div>'


def line(name: str, cells: list[str], width: int) -> str:
    """Write one line, or the heading of those below it."""
    if not cells:
        return f'<tr><th scope="rowgroup" colspan="{width + 1}">{escape(name)}</th></tr>'
    shown = "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(name.strip())}</th>{shown}</tr>'
