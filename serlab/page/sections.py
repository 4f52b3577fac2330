"""The page's parts that need no script, as HTML: answers, method, environment and files."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from serlab.outcomes import MOST_REFUSED_SHARE
from serlab.report.units import SIZE, scaled
from serlab.results import ENVIRONMENT, PARQUET

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


def items(texts: Iterable[str]) -> str:
    """Write list items."""
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def overview(answers: Sequence[Mapping[str, Any]]) -> str:
    """Write a line for each boundary."""
    return "".join(
        f'<tr><th scope="row">{escape(one["scenario"]["name"])}</th><td class="wide">{escape(one["verdict"])}</td></tr>'
        for one in answers
    )


def method(baseline: str, left_out: Iterable[str]) -> str:
    """Write the method as list items.

    Args:
        baseline: the codec that ratios stand on.
        left_out: what says that figures of this run are not over all bodies.
    """
    lines = (line.format(baseline=baseline, share=MOST_REFUSED_SHARE) for line in METHOD)
    return items([*lines, *left_out])


def words() -> str:
    """Explain the words of the tables."""
    return "; ".join(f"<strong>{escape(word)}</strong>: {escape(text)}" for word, text in WORDS.items()) + "."


def title_of(environment: Mapping[str, Any]) -> str:
    """Name the run and the machine in a line."""
    parts = [f"run {environment['run']}"] if "run" in environment else []
    parts += [str(environment[key]) for key in ("cpu", "os", "python") if key in environment]
    return ", ".join(parts)


def environment_rows(environment: Mapping[str, Any]) -> str:
    """Write the environment as rows of a table."""
    shown = {key: value_of(key, environment[key]) for key in FIELDS if environment.get(key) not in (None, "")}
    shown |= {f"version of {name}": str(version) for name, version in environment.get("versions", {}).items()}
    if stored := environment.get("stored"):
        shown |= {f"other processes, {when}": cores_of(stored.get(f"busy_cores_{when}")) for when in WHEN}
    if command := environment.get("command"):
        shown["measured by"] = shlex.join(map(shareable, command))
    named = {key.removesuffix("_bytes").replace("_", " "): text for key, text in shown.items()}
    cells = (f'<tr><th scope="row">{escape(key)}</th><td>{escape(text)}</td></tr>' for key, text in named.items())
    return "".join(cells)


def cores_of(cores: float | None) -> str:
    """Say how many cores other processes kept busy."""
    return "unknown" if cores is None else f"{cores:.2f} cores busy"


def shareable(argument: str) -> str:
    """Give the name of a file without the folders above it: a page is sent to people who need not know them."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def value_of(key: str, value: Any) -> str:
    """Write one entry of the environment."""
    if key.endswith("_bytes"):
        return scaled(float(value), SIZE)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def files(directory: Path) -> str:
    """Link to what lies beside the page, of what is there, and say how the rows are read."""
    there = {name: text for name, text in FILES.items() if (directory / name).exists()}
    links = [f'<a href="{escape(name)}">{escape(name)}</a>: {escape(text)}' for name, text in there.items()]
    read = escape(f"serlab.load_results({shareable(str(directory))!r})")
    text = "The figures of this page come from the files beside it. " + "; ".join(links)
    return f"{text}. In Python, <code>{read}</code> gives the rows as a table."
