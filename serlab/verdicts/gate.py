"""May a change go in? The form of a comparison for continuous integration.

Sizes, allocation counts and parity repeat exactly, so any growth and any loss fails. Time is judged only where head and
base were measured by turns in one run (`--base`): a codec fails where the whole interval of its ratio is slower than
the margin, which is what this environment shows against itself in the same run. Times of two runs are never compared.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from serlab.errors import ResultsError
from serlab.report.paired import paired_table
from serlab.stats import Estimate, verdict
from serlab.verdicts.changes import BETTER, WORSE, Change, exact_changes, exact_figures
from serlab.verdicts.runs import EXACT, Run, Version, load_run, require_same, version_changes

NO_PAIRS = "time is not judged: no codec was timed in pairs; measure head with --base BASE_VENV"


class Gate(NamedTuple):
    """What a gate found.

    Attributes:
        failures: figures that became worse.
        allowed: figures that became worse and may.
        improvements: figures that became better.
        judged: how many figures were compared.
        versions: what differs between the two environments.
        notes: what was not judged, and patterns that matched nothing.
    """

    failures: list[Change]
    allowed: list[Change]
    improvements: list[Change]
    judged: int
    versions: list[Version]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        lists = {
            name: [one._asdict() for one in getattr(self, name)]
            for name in ("failures", "allowed", "improvements", "versions")
        }
        return {"passed": not self.failures, **self._asdict(), **lists}


def judge(directories: list[Path], allow: tuple[str, ...] = ()) -> Gate:
    """Judge a change.

    Args:
        directories: the results folders of base and head; or one whose codecs were timed in pairs.
        allow: patterns of figures that may become worse, such as `*/size/protobuf/*`.

    Raises:
        ResultsError: there is nothing to judge, or the runs are not of the same bodies or the same Python.
    """
    runs = [load_run(directory) for directory in directories]
    head = runs[-1]
    times = paired_changes(head.rows)
    changes, versions, notes = times, versions_of(head), []
    if len(runs) == 2:
        require_same(runs[0], head, EXACT)
        changes = exact_changes(runs[0].rows, head.rows) + times
        versions = version_changes(runs[0].environment, head.environment)
        notes = [] if times else [NO_PAIRS]
    if not changes:
        raise ResultsError(f"{head.directory}: {NO_PAIRS}, or name two folders: serlab gate BASE HEAD")
    return sort_out(changes, versions, notes + unpaired(head), allow)


def sort_out(changes: list[Change], versions: list[Version], notes: list[str], allow: tuple[str, ...]) -> Gate:
    """Part what fails from what may, and from what became better."""
    ranked = sorted(changes, key=lambda change: (-change.effect, change.name))
    worse = [change for change in ranked if change.verdict in WORSE]
    allowed = [change for change in worse if any(fnmatchcase(change.name, pattern) for pattern in allow)]
    idle = [pattern for pattern in allow if not any(fnmatchcase(change.name, pattern) for change in worse)]
    notes = notes + [f"--allow {pattern}: nothing that became worse matches" for pattern in idle]
    failures = [change for change in worse if change not in allowed]
    better = [change for change in ranked if change.verdict in BETTER]
    return Gate(failures, allowed, better, len(changes), versions, notes)


def paired_changes(rows: pd.DataFrame) -> list[Change]:
    """Judge every figure that was timed in pairs."""
    return [paired_change(row) for row in paired_table(rows).to_dict("records")]


def paired_change(row: dict[Any, Any]) -> Change:
    """Judge one: slower or faster only where the whole interval is beyond the margin."""
    ratio, margin = Estimate(row["ratio"], row["ratio_low"], row["ratio_high"], row["pairs"]), row["margin"]
    said = verdict(ratio, Estimate(1.0, 1 / margin, margin, row["pairs"]), whole=True)
    place = row["workload"], row["operation"], row["codec"], "time"
    return Change(*place, said, row["base_ns"], row["head_ns"], *ratio[:3], margin)


def versions_of(head: Run) -> list[Version]:
    """List what differs between the two environments of one run."""
    base = head.environment.get("base", {})
    common = head.environment.get("versions", {}).keys() & base.get("versions", {}).keys()
    here = {name: head.environment["versions"][name] for name in common}
    place = {key: head.environment.get(key) for key in ("python", "serlab", "git_commit")}
    return version_changes({**base, "versions": {name: base["versions"][name] for name in common}} if base else place,
                           {**place, "versions": here})  # fmt: skip


def unpaired(head: Run) -> list[str]:
    """Name the codecs of a paired run that have no pair, or no figure since they lost a body."""
    if "base" not in head.environment:
        return []
    table = paired_table(head.rows)
    judged = set(zip(table["workload"], table["codec"], strict=True)) if len(table) else set()
    places = {(key[0], key[2]): value for key, value in exact_figures(head.rows).items() if key[1] == "parity"}
    lacking = [f"{codec} on {workload}" for (workload, codec) in places if (workload, codec) not in judged]
    return [f"not timed in pairs: {', '.join(sorted(lacking))}"] if lacking else []
