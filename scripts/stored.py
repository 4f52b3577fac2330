"""Remake everything that is published: `make stored`, or one part of it, `make stored ARGS="--only wire"`.

    compare    the run that the README and the notebooks show           → notebooks/stored
    wire       the run on the wire                                      → notebooks/stored/wire
    noise      one ratio, measured again and again on a busy machine    → notebooks/stored/noise.csv
    readme     the table and the plot of README.md
    decide     the example in docs/decide.md
    notebooks  executed on these runs
    page       the picture of the page                                  → docs/page.png

Each measurement waits for a quiet machine first. A run whose A/A ratios are too often too far from 1 is measured again,
and the best attempt is published, with the load of other processes and the noise of each attempt in environment.json.
What is finished is kept in results/stored until all of it is published, so that a run that was stopped goes on.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from scripts import quiet, readme
from scripts.attempts import ROOT, Attempt, Job, attempts_at, best_of, described, load_of, noise_of, publish, say
from serlab.folders import write_atomically
from serlab.measure.options import OPERATIONS
from serlab.page import write_page
from serlab.results import ENVIRONMENT, is_finished, load_results
from serlab.rows import PARQUET

STORED, PICTURE, EXAMPLE = ROOT / "notebooks/stored", ROOT / "docs/page.png", ROOT / "docs/decide.md"
EXAMPLE_MARK, EXAMPLE_END = "<!-- example: written by scripts/stored.py -->", "<!-- end of example -->"
WORK, PUBLISHED = ROOT / "results/stored", ROOT / "results/published"
SCRIPTS = tuple(ROOT / f"scripts/{name}.py" for name in ("stored", "attempts", "quiet", "noise"))
PARTS = ("compare", "wire", "noise", "readme", "decide", "notebooks", "page")
NOISE_REPEATS, NOISE_MINUTES = 10, 6
WIDTH, HEIGHT = 1280, 810
"""Of the picture, in pixels."""

JOBS = {
    "compare": Job(
        "compare", ("compare", "--quick", "--load", "--operation", ",".join(OPERATIONS)), "time", 0.03, STORED
    ),
    "wire": Job("wire", ("wire", "all", "--quick"), "wire", 0.06, STORED / "wire"),
}


def main(parts: Sequence[str]) -> int:
    """Remake some parts, in their order.

    Returns:
        0; 1 if a part failed, then what was measured is kept for the next time; 2 if a tool is missing.
    """
    if "page" in parts and not (shutil.which("chromium") and shutil.which("chromedriver")):
        others = ",".join(part for part in parts if part != "page")
        say(f"the picture of the page needs the Debian packages chromium and chromium-driver; without: --only {others}")
        return 2
    work = WORK / fingerprint([*(ROOT / "serlab").rglob("*.py"), *ROOT.glob("requirements*.lock"), *SCRIPTS])
    work.mkdir(parents=True, exist_ok=True)
    steps: dict[str, Callable[[], bool]] = {
        **{name: partial(measure, job, work) for name, job in JOBS.items()},
        "noise": lambda: measure_noise(work / "noise.csv"),
        "readme": lambda: write_readme(STORED),
        "decide": lambda: write_example(STORED, EXAMPLE),
        "notebooks": execute_notebooks,
        "page": lambda: write_picture(STORED, work / "page", PICTURE),
    }
    chosen = [part for part in PARTS if part in parts]
    measured = [part for part in chosen if part in (*JOBS, "noise")]
    for part in chosen:
        say(f"{part}: begins")
        if not steps[part]():
            say(f"{part}: failed; what is measured is kept in {work}, and the next `make stored` goes on with it")
            return 1
        if measured and part == measured[-1]:
            publish_all(measured, work)
    keep(work, PUBLISHED / time.strftime("%Y%m%d-%H%M%S"), chosen)
    say(f"done: {', '.join(chosen)}")
    return 0


def fingerprint(files: Iterable[Path]) -> str:
    """Name the code and the versions that runs rest on: runs of other code are not picked up."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def measure(job: Job, work: Path) -> bool:
    """Make the attempts at a run; tell whether there is one to publish."""
    return bool(attempts_at(job, work))


def publish_all(parts: Sequence[str], work: Path) -> None:
    """Put what was measured in its place. Only when all is, for a run records whether the checkout was changed."""
    for job in (JOBS[part] for part in parts if part in JOBS):
        folders = [path for path in sorted(work.glob(f"{job.name}-[0-9]")) if is_finished(path)]
        made = [Attempt(path, load_of(path), noise_of(load_results(path), job)) for path in folders]
        best = best_of(made)
        publish(job, best, made)
        say(f"{job.name}: published attempt {made.index(best) + 1} of {len(made)}: {described(best.noise, job.limit)}")
    if "noise" in parts:
        write_atomically(STORED / "noise.csv", (work / "noise.csv").read_bytes())


def measure_noise(path: Path) -> bool:
    """Measure one ratio again and again beside busy processes, unless that is done."""
    if path.exists():
        return True
    quiet.wait_until_quiet(say)
    options = ["--repeat", str(NOISE_REPEATS), "--minutes", str(NOISE_MINUTES), "--csv", str(path)]
    return subprocess.run([sys.executable, "-m", "scripts.noise", *options], cwd=ROOT).returncode == 0


def write_readme(run: Path) -> bool:
    """Put the run's table and plot into the README."""
    readme.main(run)
    return True


def write_example(run: Path, page: Path) -> bool:
    """Put what `serlab decide` answers into its page, between the two marks."""
    asked = ["decide", str(run.relative_to(ROOT)), "--scenario", "streaming-hop", "--bandwidth", "140Mbit"]
    command = [sys.executable, "-m", "serlab", *asked]
    answer = subprocess.run(command, cwd=ROOT, env={**os.environ, "COLUMNS": "80"}, capture_output=True, text=True)
    head, _, rest = page.read_text().partition(EXAMPLE_MARK)
    _, _, tail = rest.partition(EXAMPLE_END)
    lines = "\n".join(line.rstrip() for line in answer.stdout.strip().splitlines())
    write_atomically(page, f"{head}{EXAMPLE_MARK}\n```text\n{lines}\n```\n{EXAMPLE_END}{tail}".encode())
    return answer.returncode == 0


def execute_notebooks() -> bool:
    """Execute all notebooks."""
    from scripts import notebooks

    return notebooks.main([], check=False, jobs=2) == 0


def write_picture(run: Path, folder: Path, picture: Path) -> bool:
    """Photograph the page of a run as it opens, but with the reasons folded, so that the codecs are in the picture."""
    from tests.support.browser import browser, open_page

    folder.mkdir(exist_ok=True)
    for name in (ENVIRONMENT, PARQUET):
        shutil.copyfile(run / name, folder / name)
    page = write_page(folder)
    with browser(folder) as driver:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        open_page(driver, page)
        driver.execute_script("document.getElementById('why').open = false")
        return bool(driver.save_screenshot(str(picture)))


def keep(work: Path, folder: Path, parts: Iterable[str]) -> None:
    """Move what is published out of the way, so that the next time measures anew."""
    for path in [path for part in parts for path in work.glob(f"{part}*")]:
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)


def parts_of(given: str) -> list[str]:
    """Read the option that names parts."""
    parts = given.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(PARTS)}, got {unknown[0]!r}")
    return parts


if __name__ == "__main__":
    # A child is ended with this process; its finished cells are in its journal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", type=parts_of, default=list(PARTS), metavar="PART,…", help=", ".join(PARTS))
    sys.exit(main(parser.parse_args().only))
