"""The attempts at a run that is published: each on a quiet machine if it becomes so, judged by its A/A ratios.

DIR/NAME-1            the results folder of the first attempt
DIR/NAME-1.json       the load of other processes before, during and after it
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from scripts import quiet
from serlab.folders import write_atomically
from serlab.report import build_tables
from serlab.results import ENVIRONMENT, is_finished, load_environment, load_results
from serlab.rows import PARQUET

ROOT = Path(__file__).resolve().parents[1]
MOST_ATTEMPTS = 3
NOISY_SHARE = 0.1
"""A run is measured again where more of its groups than this are beyond the limit."""


class Job(NamedTuple):
    """A run of serlab that is published.

    Attributes:
        name: the part's.
        arguments: of serlab.
        table: whose A/A rows tell its noise. Load has a spread of its own, which its table shows.
        limit: how far an A/A ratio may be from 1, as a share.
        target: the folder that it is published in.
    """

    name: str
    arguments: tuple[str, ...]
    table: str
    limit: float
    target: Path


class Noise(NamedTuple):
    """What the A/A ratios of a run say: how many there are, the share beyond the limit, and the worst."""

    groups: int
    beyond: float
    worst: float
    worst_group: str


class Attempt(NamedTuple):
    """A finished run: its folder, the load of others around it, and its noise."""

    folder: Path
    load: dict[str, Any]
    noise: Noise


def say(text: str) -> None:
    """Return what is done; to standard error, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run_serlab(arguments: Sequence[str]) -> int:
    """Run serlab of this checkout."""
    # A run records its command, which is published: no folder of this machine stands in it.
    command = [sys.executable, "-m", "serlab", *(argument.removeprefix(f"{ROOT}/") for argument in arguments)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode


def attempts_at(
    job: Job,
    work: Path,
    run: Callable[[Sequence[str]], int] = run_serlab,
    wait: Callable[[Callable[[str], None]], quiet.Waited] = quiet.wait_until_quiet,
    look: Callable[[], quiet.Load | None] = quiet.look,
) -> list[Attempt]:
    """Measure a run until one attempt is good enough, or as often as is allowed.

    Args:
        job: what to run.
        work: the folder that keeps the attempts; those that it holds are picked up.
        run: runs serlab with these arguments.
        wait: waits for a quiet machine.
        look: measures the load of others.

    Returns:
        The attempts; none where serlab failed.
    """
    made: list[Attempt] = []
    for number in range(1, MOST_ATTEMPTS + 1):
        folder = work / f"{job.name}-{number}"
        if not is_finished(folder) and not make_attempt(job, folder, run, wait, look):
            return []
        made.append(Attempt(folder, load_of(folder), noise_of(load_results(folder), job)))
        noise = made[-1].noise
        say(f"{job.name}: attempt {number}: {described(noise, job.limit)}")
        if noise.beyond <= NOISY_SHARE:
            break
    return made


def make_attempt(
    job: Job,
    folder: Path,
    run: Callable[[Sequence[str]], int],
    wait: Callable[[Callable[[str], None]], quiet.Waited],
    look: Callable[[], quiet.Load | None],
) -> bool:
    """Measure once, or go on with what was stopped; note the load of others. Tell whether the run is whole."""
    waited = wait(say)
    load: dict[str, Any] = {"busy_cores_before": rounded(waited.cores), "quiet": waited.quiet}
    resume = ["--resume"] if (folder / ENVIRONMENT).exists() else []
    if resume and (earlier := load_of(folder)):
        # Both halves are of one run: the noisier beginning counts.
        cores = (load["busy_cores_before"], earlier["busy_cores_before"])
        load = {
            "busy_cores_before": None if None in cores else max(cores),
            "quiet": earlier["quiet"] and waited.quiet,
            "resumed": earlier.get("resumed", 0) + 1,
        }
    note(folder, load)
    first = reading()
    # 1 is a finding, such as a codec that refuses a workload: the run is whole, and shows it.
    if run([*job.arguments, "-o", str(folder), *resume]) not in (0, 1) or not is_finished(folder):
        return False
    last = reading()
    load["busy_cores_during"] = rounded(quiet.between(first, last).cores if first and last else None)
    after = look()
    note(folder, load | {"busy_cores_after": rounded(after.cores if after else None)})
    return True


def rounded(cores: float | None) -> float | None:
    """Round a load to what can be told apart."""
    return None if cores is None else round(cores, 2)


def reading() -> quiet.Reading | None:
    """Read the counters; None where there are none."""
    try:
        return quiet.read()
    except OSError:
        return None


def note(folder: Path, load: dict[str, Any]) -> None:
    """Keep the load of others beside a run's folder."""
    write_atomically(folder.with_suffix(".json"), json.dumps(load).encode())


def load_of(folder: Path) -> dict[str, Any]:
    """Read what was noted beside a run's folder; nothing where a kill came before that."""
    path = folder.with_suffix(".json")
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def noise_of(rows: pd.DataFrame, job: Job) -> Noise:
    """Judge a run by the A/A ratios that its table shows; a group without a ratio is left out."""
    table = build_tables(rows)[job.table]
    again = table[(table["verdict"] == "A/A") & table["ratio"].gt(0)]
    if again.empty:
        return Noise(0, 1.0, 1.0, "")
    # As far below 1 as above it, as ratios: half is as far as double.
    distance = again["ratio"].where(again["ratio"] > 1, 1 / again["ratio"])
    worst = again.iloc[int(distance.argmax())]
    names = ("experiment", "workload", "operation", "conditions", "metric", "codec")
    group = ", ".join(str(worst[name]) for name in names if name in again and worst[name])
    return Noise(len(again), float((distance > 1 + job.limit).mean()), float(worst["ratio"]), group)


def described(noise: Noise, limit: float) -> str:
    """Say how noisy a run is."""
    if not noise.groups:
        return "no group has an A/A ratio"
    share = f"A/A is beyond ±{limit:.0%} in {noise.beyond:.1%} of {noise.groups} groups"
    return f"{share}; the worst is {noise.worst:.3f} ({noise.worst_group})"


def best_of(attempts: Sequence[Attempt]) -> Attempt:
    """Choose the attempt with the fewest groups beyond the limit; of equal ones that whose worst is nearest to 1."""
    return min(attempts, key=lambda one: (one.noise.beyond, max(one.noise.worst, 1 / one.noise.worst)))


def publish(job: Job, best: Attempt, attempts: Sequence[Attempt]) -> None:
    """Copy a run's rows and its environment, with the load and the noise of every attempt."""
    tried = [{**one.load, "aa": one.noise._asdict(), "kept": one is best} for one in attempts]
    stored = {**best.load, "aa_limit": job.limit, "attempts": tried}
    environment = load_environment(best.folder) | {"stored": stored}
    write_atomically(job.target / PARQUET, (best.folder / PARQUET).read_bytes())
    write_atomically(job.target / ENVIRONMENT, json.dumps(environment, indent=1).encode())
