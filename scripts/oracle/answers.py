"""What serlab makes of stored folders and of itself: tables, pages, decisions, records, verdicts and lists."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

from scripts.oracle import normal
from scripts.oracle.rows import leaves
from scripts.oracle.shell import Run, item_of, serlab, together
from scripts.oracle.store import Item, Record, bulky, full

STORED = normal.ROOT / "notebooks/stored"
MADE_UP = Path(__file__).with_name("folders")
SOURCES = {
    "stored": STORED, "wire": STORED / "wire", "own": MADE_UP / "stopped",
    **{name: MADE_UP / name for name in ("paired", "old", "new", "stopped")},
}  # fmt: skip
REPORTED = ("stored", "wire", "paired", "stopped")
LARGE = ("time.csv", "lag.csv", "throughput.csv", "fidelity.csv", "evolution.csv", "wire.csv")
"""CSV of which digests are kept, too: of all CSV else the whole is, and in the other forms the same figures stand."""

SCENARIOS = (
    "edge", "embeddings", "engine-ipc", "gateway", "log-archive", "response-cache", "service-hop", "streaming-hop",
)  # fmt: skip
OWN_SCENARIO = "mine.toml"

ASKED: dict[str, tuple[str, ...]] = {
    "decide, as in docs/decide.md": ("stored", "--scenario", "streaming-hop", "--bandwidth", "140Mbit"),
    "decide, compressed": ("stored", "--scenario", "service-hop", "--compression", "zstd", "--bandwidth", "1Gbit"),
    "decide, model": ("stored", "--scenario", "edge", "--model-latency", "800ms", "--tokens-per-s", "50"),
    "decide, slow wire": ("stored", "--scenario", "gateway", "--bandwidth", "1Mbit", "--compression", "gzip"),
    "decide, own scenario": ("stored", "--scenario", OWN_SCENARIO),
    "decide, all": ("stored",),
    "decide, all, for a program": ("stored", "--json"),
    "decide, all, fast wire": ("stored", "--bandwidth", "100Gbit"),
    "decide, wire alone": ("wire",),
    "decide, made up": ("old",),
    "decide, a stopped run": ("stopped", "--json"),
    "decide, list": ("--list",),
    "decide, list for a program": ("--list", "--json"),
}
"""Decisions, besides those of each scenario by itself."""

SELECTED = ("--select", "workload=chat-turn", "--select", "operation=decode,encode")
SHOWN: dict[str, tuple[str, ...]] = {
    "export, as in the README": (
        "export",
        "stored",
        "--table",
        "time",
        *SELECTED,
        "--columns",
        "codec,time_ns,ratio",
        "--format",
        "tex",
        "--standalone",
    ),
    **{
        f"export, {form}": ("export", "stored", "--table", "time", *SELECTED, "--format", form)
        for form in ("md", "csv", "html", "json")
    },
    "export, summary": ("export", "paired"),
    "export, size": ("export", "paired", "--table", "size", "--format", "tex"),
    "export, wire": ("export", "wire", "--table", "wire", "--select", "experiment=transport", "--format", "md"),
    "export, paired": ("export", "paired", "--table", "time", "--format", "csv"),
    "diff": ("diff", "old", "new"),
    "diff, for a program": ("diff", "old", "new", "--json"),
    "diff, the other way": ("diff", "new", "old"),
    "diff, wire": ("diff", "wire", "wire"),
    "gate": ("gate", "old", "new"),
    "gate, for a program": ("gate", "old", "new", "--json"),
    "gate, for GitHub": ("gate", "old", "new", "--github"),
    "gate, allowed": ("gate", "old", "new", "--allow", "*/*/msgpack/*", "--allow", "*/parity/*/*"),
    "gate, paired": ("gate", "paired"),
    "gate, paired, for a program": ("gate", "paired", "--json", "--allow", "w1/*/*/*"),
    "list": ("list",),
    "list, for a program": ("list", "--json"),
    "fidelity": ("fidelity",),
    "fidelity, for a program": ("fidelity", "--json"),
    "check": ("check",),
    "check, for a program": ("check", "--json", "--workload", "chat-turn,embeddings,token-ids,stream"),
    "check, own traffic": ("check", "--corpus", "own.jsonl"),
    "check, own traffic, for a program": ("check", "--json", "--corpus", "own.jsonl"),
    "size, own traffic": ("size", "--json", "--corpus", "own.jsonl"),
    "size": ("size", "--json", "--workload", "chat-turn,agent-request,tool-call-response,embeddings,token-ids"),
}
"""Other commands → their arguments."""

BULKY = {
    "fidelity, for a program", "size", "check, for a program", "diff, wire", "list, for a program", "export, wire",
}  # fmt: skip


def make(work: Path) -> Record:
    """Make everything, each folder's report beside the others."""
    for name, source in SOURCES.items():
        if source.is_dir() and name != "own":
            shutil.copytree(source, work / name, ignore=shutil.ignore_patterns("wire", "tables", "*.html"))
    for file in ("own.jsonl", OWN_SCENARIO):
        shutil.copyfile(MADE_UP / file, work / file)
    return together(steps(work))


def steps(work: Path) -> Iterator[Callable[[], Record]]:
    """List what is made, the longest first."""
    for name in REPORTED:
        yield partial(reported, name, work)
    for name, arguments in ASKED.items():
        yield partial(told, Run(name, ("decide", *arguments)), work)
    yield partial(told, Run("decide, each, for a program", ("decide", "stored", *each(SCENARIOS), "--json")), work)
    yield partial(told, Run("decide, each", ("decide", "stored", *each(SCENARIOS))), work)
    for name in SCENARIOS:
        yield partial(recorded, name, work)
        yield partial(told, Run(f"decide, copy {name}", ("decide", "--copy", name)), work)
    for name, arguments in SHOWN.items():
        yield partial(told, Run(name, arguments), work)
    yield partial(matrices, work)


def each(scenarios: Iterable[str]) -> list[str]:
    """Return the options that ask for scenarios."""
    return [word for name in scenarios for word in ("--scenario", name)]


def reported(name: str, work: Path) -> Record:
    """Write the tables and the page of a folder; record them, and what the terminal shows."""
    run = Run(f"report {name}", ("report", name))
    done = item_of(run, serlab(run, work))
    made = {path.name: path.read_text(encoding="utf-8") for path in sorted((work / name / "tables").glob("*"))}
    page = work / name / "report.html"
    return {
        run.name: bulky(done.lines) if len(done.lines) > 200 else done,
        **{f"{name}/tables/{file}": table(file, text) for file, text in made.items()},
        **(paged(name, page.read_text(encoding="utf-8")) if page.exists() else {}),
    }


def table(file: str, text: str) -> Item:
    """Keep a table: one form in full, of the others the digests of lines, or of rows where a row has many lines."""
    if file.endswith(".csv") and file not in LARGE:
        return full(text)
    if file.endswith(".json"):
        return bulky(leaves_of_rows(json.loads(text)))
    return bulky(text.split("\n"))


def leaves_of_rows(value: object) -> list[str]:
    """Write JSON with a line for each row of a table."""
    if isinstance(value, list):
        return [json.dumps(row, ensure_ascii=False) for row in value]
    if isinstance(value, dict):
        return [f"{key}: {line}" for key, part in value.items() for line in leaves_of_rows(part)]
    return [json.dumps(value, ensure_ascii=False)]


class Shown(HTMLParser):
    """What a page says without its script, and the data that it holds.

    Attributes:
        texts: between the tags, without styles and scripts.
        data: the JSON of the element `data`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.data = ""
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note in what a text stands."""
        self.inside = "data" if ("id", "data") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self.inside = ""

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        if self.inside == "data":
            self.data += data
        elif data.strip() and self.inside not in ("script", "style"):
            self.texts.append(" ".join(data.split()))


def paged(name: str, page: str) -> Record:
    """Keep a page's texts and its data, part by part; its script and its library are no answer."""
    shown = Shown()
    shown.feed(page)
    parts = json.loads(shown.data)
    return {
        f"{name}/page, text": full("\n".join(shown.texts)),
        **{f"{name}/page, {part}": bulky(leaves(value)) for part, value in parts.items()},
    }


def told(run: Run, work: Path) -> Record:
    """Record what a command prints."""
    done = item_of(run, serlab(run, work))
    if run.name in BULKY or run.name.startswith("decide, each, for"):
        return {run.name: bulky(line for text in done.lines for line in parted(text))}
    return {run.name: done}


def parted(line: str) -> list[str]:
    """Part a line of JSON into its leaves."""
    text = line.removeprefix("out: ")
    if not text.startswith(("{", "[")):
        return [line]
    return leaves(json.loads(text))


def recorded(scenario: str, work: Path) -> Record:
    """Write a decision record."""
    file = f"{scenario}.md"
    done = serlab(Run("", ("decide", "stored", "--scenario", scenario, "--adr", file)), work)
    text = (work / file).read_text(encoding="utf-8") if (work / file).exists() else f"none: {done.stderr}"
    return {f"decision record, {scenario}": full(text)}


def matrices(work: Path) -> Record:
    """Write the tables of what formats keep."""
    serlab(Run("", ("fidelity", "-o", "kept")), work)
    files = [path for path in sorted((work / "kept").rglob("*")) if path.is_file()]
    return {str(path.relative_to(work)): table(path.name, path.read_text(encoding="utf-8")) for path in files}
