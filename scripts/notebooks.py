"""Execute the notebooks from their text sources: `make notebooks`, or `python scripts/notebooks.py [NAME …] [--check]`.

The source of a notebook is `notebooks/NAME.py`, in jupytext's percent format; `NAME.ipynb` is what comes out. With
`--check` nothing is written: an output that differs from the committed one is an error. Either way a number in the
prose that no cell above it has produced is one, too.
"""

import argparse
import base64
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import jupytext
import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from serlab.report.figures.picture import pixels

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
CELL_SECONDS = 120
QUIET = ["--IPKernelApp.log_level=ERROR"]
"""Each kernel warns that it listens on loopback without encryption."""
NUMBER = re.compile(r"(?<![\w./^−-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w^])")
"""A number by itself: not part of a name (float32, UTF-8), a power (2^53) or a version."""

NO_FIGURE = re.compile(r"`[^`]*`|\]\([^)]*\)|^#+ .*|^\s*\d+\.\s|RFC \d+|\d+ %(?= interval)", re.MULTILINE)
"""Where numbers are no figures: code, links, headings, list marks, standards, the name of an interval."""

PIXEL_TOLERANCE = 0.02
"""Share of the bytes in which two pictures may differ: another machine's rounding shifts the edges of letters."""


class CellFailed(Exception):
    """A cell raised, took too long or killed its kernel."""


def main(names: list[str], check: bool, jobs: int) -> int:
    """Execute notebooks and report each.

    Args:
        names: of notebooks; none means all.
        check: compare with what is committed instead of writing it.
        jobs: how many at once.

    Returns:
        0, or 1 if a notebook failed.
    """
    sources = [path for path in sorted(FOLDER.glob("[0-9]*.py")) if not names or path.stem in names]
    if not sources:
        print(
            f"no notebook of that name; there are {', '.join(path.stem for path in sorted(FOLDER.glob('[0-9]*.py')))}"
        )
        return 2
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda path: report(path, check), sources))
    return 0 if all(results) else 1


def report(source: Path, check: bool) -> bool:
    """Execute one notebook and print what is wrong with it."""
    start = monotonic()
    try:
        faults = list(faults_of(source, check))
    except CellFailed as error:
        faults = [str(error)]
    print(f"{source.stem}: {'ok' if not faults else 'FAILED'}, {monotonic() - start:.0f} s", flush=True)
    for fault in faults:
        print(f"  {fault}", flush=True)
    return not faults


def faults_of(source: Path, check: bool) -> Iterator[str]:
    """Execute one notebook and find what is wrong with it; write it unless it is only checked."""
    notebook = execute(source)
    yield from unproduced_numbers(notebook)
    target = source.with_suffix(".ipynb")
    if check:
        yield from stale_outputs(notebook, target)
    else:
        nbformat.write(notebook, target)


def execute(source: Path) -> Any:
    """Run a source from top to bottom in a fresh kernel.

    Raises:
        CellFailed: a cell raised, took too long or killed the kernel.
    """
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, extra_arguments=QUIET, resources={"metadata": {"path": str(source.parent)}}
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise CellFailed(failure(notebook, error)) from error
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [clean(output) for output in cell.outputs]
    return nbformat.from_dict(notebook)


def failure(notebook: Any, error: Exception) -> str:
    """Say which cell failed and why; it is the last that was begun."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    number = max((i for i, cell in enumerate(code, 1) if cell.outputs or cell.execution_count), default=1)
    raised = [output for output in code[number - 1].outputs if output.output_type == "error"]
    reason = f"{raised[0].ename}: {raised[0].evalue}" if raised else f"{type(error).__name__}: {error}"
    return f"cell In [{number}], {code[number - 1].source.strip()[:70]!r}: {reason}"


def clean(output: Any) -> Any:
    """Drop what changes from run to run and says nothing."""
    output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
    if "text/html" in output.get("data", {}):
        # GitHub shows HTML tables; pandas' own ids would change each time.
        output.data["text/html"] = re.sub(r' id="T_\w+"', "", output.data["text/html"])
    return output


def unproduced_numbers(notebook: Any) -> Iterator[str]:
    """Find numbers in the prose that neither a cell's output above nor its code holds."""
    known: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            known |= {*NUMBER.findall(cell.source), *NUMBER.findall("\n".join(texts_of(cell)))}
            continue
        for number in NUMBER.findall(NO_FIGURE.sub(" ", cell.source)):
            if number not in known:
                yield f"the prose says {number}, which no cell above has produced: {cell.source.strip()[:70]!r}"


def texts_of(cell: Any) -> Iterator[str]:
    """List the texts that a cell put out."""
    for output in cell.outputs:
        yield output.get("text", "")
        # Sorted, since a file holds them in another order than the kernel sends them.
        yield from (str(value) for kind, value in sorted(output.get("data", {}).items()) if kind.startswith("text/"))


def stale_outputs(notebook: Any, target: Path) -> Iterator[str]:
    """Compare outputs with the committed ones: texts exactly, pictures but for rounding."""
    if not target.exists():
        yield f"{target.name} is missing: run `make notebooks` and commit it"
        return
    old = nbformat.read(target, as_version=4).cells
    if [cell.source for cell in old] != [cell.source for cell in notebook.cells]:
        yield f"{target.name} was made of another source: run `make notebooks` and commit it"
        return
    for was, now in zip(old, notebook.cells, strict=True):
        if was.cell_type == "code" and not same_outputs(was, now):
            yield f"stale output, run `make notebooks` and look at what changed: {now.source.strip()[:70]!r}"


def same_outputs(was: Any, now: Any) -> bool:
    """Return whether two executions of a cell show the same."""
    if list(texts_of(was)) != list(texts_of(now)):
        return False
    old, new = (
        [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        for cell in (was, now)
    )
    return len(old) == len(new) and all(map(same_picture, old, new))


def same_picture(was: str, now: str) -> bool:
    """Return whether two PNG pictures look the same."""
    (*old, before), (*new, after) = (pixels(base64.b64decode(text)) for text in (was, now))
    if old != new or len(before) != len(after):
        return False
    changed = np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8)
    return float(changed.mean()) <= PIXEL_TOLERANCE


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where an output is stale")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks at once")
    given = parser.parse_args()
    sys.exit(main(given.names, given.check, given.jobs))
