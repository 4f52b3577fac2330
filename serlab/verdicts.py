"""What changed between two runs, and whether a change may go in."""

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from serlab.cases import AA, BOUNDS, COMPARED, Case
from serlab.errors import ResultsError
from serlab.report import baseline_of, is_wire, paired_table
from serlab.results import load_environment, load_results
from serlab.rows import by_case
from serlab.stats import Estimate, band, margin, paired_ratio, spread, unpaired_ratio, verdict

# Two runs side by side: whether they can be compared at all, and which versions changed between them.

MACHINE = ("cpu", "cores", "os", "python")
"""What must be the same before times are compared. Of the system only its name counts and of Python only the
implementation and minor version: a patch is an upgrade like that of a library, while another minor version has another
interpreter loop and another allocator, so that every codec changes by an amount of its own."""

INPUT = ("seed", "corpora")
"""What must be the same, or the bodies are others."""

EXACT = ("python",)
"""What must be the same before sizes and allocation counts are compared."""


class Run(NamedTuple):
    """A results folder that was read."""

    directory: Path
    rows: pd.DataFrame
    environment: dict[str, Any]


class Version(NamedTuple):
    """Something whose version differs between two runs; "" where a run does not have it."""

    name: str
    old: str
    new: str


def load_run(directory: str | Path) -> Run:
    """Read a results folder.

    Raises:
        ResultsError: it holds no results.
    """
    return Run(Path(directory), load_results(directory), load_environment(directory, MACHINE))


def _require_same(old: Run, new: Run, keys: tuple[str, ...]) -> None:
    """Refuse two runs that must not be compared.

    Args:
        old: the run before.
        new: the run after.
        keys: what of the machine must be the same.

    Raises:
        ResultsError: the machines or the bodies differ; the text names what.
    """
    machine = [line for key in keys for line in _differing(key, _named(key, old), _named(key, new))]
    if machine:
        raise ResultsError(
            f"{old.directory} and {new.directory}: not of one machine ({'; '.join(machine)}); "
            "measure both on one, or measure two environments in one run: serlab time --base OTHER_VENV"
        )
    plans = old.environment.get("plan", {}), new.environment.get("plan", {})
    bodies = [line for key in INPUT for line in _differing(key, plans[0].get(key), plans[1].get(key))]
    if bodies:
        raise ResultsError(
            f"{old.directory} and {new.directory}: not of the same bodies ({'; '.join(bodies)}); "
            "measure both with the same --seed and --corpus"
        )


def _named(key: str, run: Run) -> Any:
    """Return what counts of one key of the environment."""
    value = run.environment.get(key)
    if key == "os":
        return str(value).partition(" ")[0]
    return str(value).rpartition(".")[0] if key == "python" else value


def _differing(key: str, old: Any, new: Any) -> list[str]:
    """Say what a key was and is, if that differs."""
    return [] if old == new else [f"{key}: {old!r:.200} and {new!r:.200}"]


def _version_changes(old: dict[str, Any], new: dict[str, Any]) -> list[Version]:
    """List what was upgraded.

    Args:
        old: the environment record of the run before.
        new: that of the run after.

    Returns:
        Libraries, Python, the system, serlab and its commit, where they differ.
    """
    before, after = _listed(old), _listed(new)
    names = sorted(before.keys() | after.keys())
    return [
        Version(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _listed(environment: dict[str, Any]) -> dict[str, str]:
    """Collect every version of an environment record."""
    names = {"python": "Python", "os": "system", "serlab": "serlab", "git_commit": "serlab's commit"}
    others = {title: str(environment[key]) for key, title in names.items() if environment.get(key)}
    return {**environment.get("versions", {}), **others}


# One figure before and after; and those that are compared exactly: sizes, allocation counts and parity.

WORSE = ("slower", "larger", "lost", "gone")
BETTER = ("faster", "smaller", "gained", "new")
SAME = ("tie", "equal")

SIZES = ("raw", "gzip", "zstd")
PLACE = ("workload", "operation", "codec", "metric")
OWN = (*COMPARED, *BOUNDS)
"""Roles of what this environment ran, the first time."""

Key = tuple[str, str, str, str]


class Change(NamedTuple):
    """One figure before and after.

    Attributes:
        workload: its name.
        operation: encode, decode, …; size or parity.
        codec: its name.
        metric: time, raw, gzip, zstd, allocations, or equal (bodies that came back equal).
        verdict: one of `WORSE`, `BETTER` or `SAME`.
        old: the figure before; of a time, its ratio to the reference. Not a number where there was none.
        new: the figure after.
        ratio: after against before.
        low: the lower end of the ratio's interval; the ratio itself where the figures are exact.
        high: the upper end.
        margin: how far a ratio of equal things strays, as a factor of at least 1; 1 where figures are exact.
    """

    workload: str
    operation: str
    codec: str
    metric: str
    verdict: str
    old: float
    new: float
    ratio: float
    low: float
    high: float
    margin: float = 1.0

    @property
    def name(self) -> str:
        """Name the figure: what patterns are matched against."""
        return f"{self.workload}/{self.operation}/{self.codec}/{self.metric}"

    @property
    def effect(self) -> float:
        """Say how large the change is, up or down alike; what was lost, gained or is missing comes first."""
        return math.inf if math.isnan(self.ratio) or not self.ratio else abs(math.log(self.ratio))


def _exact_changes(old: pd.DataFrame, new: pd.DataFrame) -> list[Change]:
    """Compare what repeats exactly.

    Args:
        old: the rows of the run before.
        new: those of the run after.

    Returns:
        A change for each figure of either run, the equal ones too.
    """
    before, after = _exact_figures(old), _exact_figures(new)
    return [_change_of(key, before.get(key, math.nan), after.get(key, math.nan)) for key in {**before, **after}]


def _exact_figures(rows: pd.DataFrame) -> dict[Key, float]:
    """Collect sizes, allocation counts and bodies that came back equal, by their place."""
    own = rows[rows["role"].isin(OWN)]
    figures = own[((own["place"] == "size") & own["metric"].isin(SIZES)) | (own["metric"] == "allocations")]
    return {**dict(_figure_items(figures)), **_equal_bodies(own[own["place"] == "parity"])}


def _figure_items(rows: pd.DataFrame) -> Iterator[tuple[Key, float]]:
    """Yield rows as place and figure."""
    for row in rows.to_dict("records"):
        yield (row["workload"], row["place"], row["case"], row["metric"]), float(row["value"])


def _equal_bodies(parity: pd.DataFrame) -> dict[Key, float]:
    """Count the bodies that came back equal; none of a codec that killed its process."""
    counts = dict(_figure_items(parity[parity["metric"] == "equal"]))
    failed = dict(_figure_items(parity[parity["metric"] == "failed"]))
    return counts | {(*key[:3], "equal"): 0.0 for key in failed}


def _change_of(key: Key, old: float, new: float) -> Change:
    """Judge one exact figure."""
    ratio = new / old if old else math.nan
    if old == new:
        ratio = 1.0
    return Change(*key, _verdict_of(key[3], old, new), old, new, ratio, ratio, ratio)


def _verdict_of(metric: str, old: float, new: float) -> str:
    """Say what became of an exact figure."""
    if math.isnan(new):
        return "gone"
    if math.isnan(old):
        return "new"
    # A count is a slope between two sums: it repeats exactly but for the last bit of the division.
    if math.isclose(old, new, rel_tol=1e-12):
        return "equal"
    if metric == "equal":
        return "gained" if new > old else "lost"
    return "larger" if new > old else "smaller"


# What changed between two runs of one machine, made at different moments.
#
# Times of different moments cannot be compared: a shared machine is faster on one day than on the next. What can is
# the ratio of a codec to a reference that did not change, measured side by side in each run; the figure is the new
# ratio against the old one, with an interval that resamples the processes of both runs. A change inside the A/A spread
# of both is a tie.

SHARED = ("msgspec", "serlab", "serlab's commit", "Python")
"""What lies under every codec, so that a change of it does not show in a ratio between two of them."""

Figures = dict[Case, dict[int, float]]
Arms = dict[tuple[str, str], Figures]
"""Workload and operation → codec → process → nanoseconds per message."""


class Diff(NamedTuple):
    """What changed between two runs.

    Attributes:
        old: the id of the run before.
        new: the id of the run after.
        versions: what was upgraded.
        reference: the codec that times are ratios to; "" where none is unchanged, and no time is compared.
        notes: what a reader must know of the comparison.
        changes: every figure of either run, the largest effects first.
    """

    old: str
    new: str
    versions: list[Version]
    reference: str
    notes: list[str]
    changes: list[Change]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        lists = {
            "versions": [one._asdict() for one in self.versions],
            "changes": [one._asdict() for one in self.changes],
        }
        return {**self._asdict(), **lists}


def compare_runs(old_directory: Any, new_directory: Any) -> Diff:
    """Compare two results folders.

    Args:
        old_directory: the run before.
        new_directory: the run after.

    Raises:
        ResultsError: one holds no results, or they are not of one machine or not of the same bodies.
    """
    old, new = load_run(old_directory), load_run(new_directory)
    _require_same(old, new, MACHINE)
    versions = _version_changes(old.environment, new.environment)
    reference, notes = _choose_reference(old, new)
    notes += [f"{one.name} changed: it lies under every codec, and what it does to all alike does not show in a ratio; "
              "serlab time --base shows it" for one in versions if one.name in SHARED]  # fmt: skip
    if is_wire(new.rows).any():
        notes.append("what was measured on the wire is not compared: its times hold within a run only")
    changes = _exact_changes(old.rows, new.rows) + (_time_changes(old.rows, new.rows, reference) if reference else [])
    changes.sort(key=lambda change: (-change.effect, change.name))
    return Diff(str(old.environment["run"]), str(new.environment["run"]), versions, reference, notes, changes)


def _choose_reference(old: Run, new: Run) -> tuple[str, list[str]]:
    """Choose the codec that times are ratios to: the baseline, or another one if its library was upgraded.

    Returns:
        Its name and what to say about it; "" where there is none.
    """
    before, after = _timed_versions(old.rows), _timed_versions(new.rows)
    if not before or not after:
        return "", []
    baseline = baseline_of(new.rows)
    same = [codec for codec in after if before.get(codec) == after[codec]]
    if baseline in same:
        return baseline, []
    change = f"the baseline {baseline} went from {before.get(baseline, 'nothing')} to {after.get(baseline, 'nothing')}"
    if not same:
        return "", [f"{change} and no other codec is unchanged: no time is compared; measure with serlab time --base"]
    widest = max(same, key=lambda codec: len(_groups_with(new.rows, codec) & _groups_with(old.rows, codec)))
    return widest, [f"{change}: times are ratios to {widest}, which is unchanged"]


def _timed_versions(rows: pd.DataFrame) -> dict[str, str]:
    """Map each timed codec to its version, controls and other environments aside."""
    times = rows[(rows["metric"] == "time") & rows["role"].isin(OWN)]
    return dict(zip(times["case"], times["version"], strict=True))


def _groups_with(rows: pd.DataFrame, codec: str) -> set[tuple[str, str]]:
    """List the workloads and operations that a codec was timed in."""
    times = rows[(rows["metric"] == "time") & (rows["case"] == codec)]
    return set(zip(times["workload"], times["place"], strict=True))


def _time_changes(old: pd.DataFrame, new: pd.DataFrame, reference: str) -> list[Change]:
    """Compare the ratios to the reference."""
    before, after = _arms_of(old), _arms_of(new)
    changes: list[Change] = []
    for group in before.keys() & after.keys():
        control = spread(*(_control_of(run[group]) for run in (after, before)))
        ratios = [_ratios_to(run[group], reference) for run in (before, after)]
        codecs = ratios[0].keys() & ratios[1].keys()
        changes += [_time_change(group, codec, ratios[0][codec], ratios[1][codec], control) for codec in codecs]
    return changes


def _arms_of(rows: pd.DataFrame) -> Arms:
    """Sort times by group, codec and process."""
    arms: Arms = {}
    for (workload, place), group in rows[rows["metric"] == "time"].groupby(["workload", "place"], sort=False):
        arms[str(workload), str(place)] = by_case(group)
    return arms


def _control_of(arms: Figures) -> Estimate:
    """Estimate the baseline against itself in one group, with the band of noise for an interval: alike both ways."""
    control = next((case for case in arms if case.role == AA), Case(""))
    found = paired_ratio(arms.get(control, {}), arms.get(control.first, {}))
    low, high = band(found.low, found.high)
    return found._replace(low=low, high=high)


def _ratios_to(arms: Figures, reference: str) -> Figures:
    """Divide each codec's times by the reference's in the same process."""
    base = arms.get(Case(reference), {})
    names = [case for case in arms if case != reference and case.role in OWN]
    found = {name: {i: value / base[i] for i, value in arms[name].items() if i in base} for name in names}
    return {name: ratios for name, ratios in found.items() if ratios}


def _time_change(
    group: tuple[str, str], codec: str, old: dict[int, float], new: dict[int, float], control: Estimate
) -> Change:
    """Judge one codec in one group."""
    estimate = unpaired_ratio(new, old)
    medians = pd.Series(old).median(), pd.Series(new).median()
    return Change(*group, codec, "time", verdict(estimate, control), *medians, *estimate[:3], margin(control))


# May a change go in? The form of a comparison for continuous integration.
#
# Sizes, allocation counts and parity repeat exactly, so any growth and any loss fails. Time is judged only where head
# and base were measured by turns in one run (`--base`): a codec fails where the whole interval of its ratio is slower
# than the margin, which is what this environment shows against itself in the same run. Times of two runs are never
# compared.

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
        """Return it as JSON values."""
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
    times = _paired_changes(head.rows)
    changes, versions, notes = times, _versions_of(head), []
    if len(runs) == 2:
        _require_same(runs[0], head, EXACT)
        changes = _exact_changes(runs[0].rows, head.rows) + times
        versions = _version_changes(runs[0].environment, head.environment)
        notes = [] if times else [NO_PAIRS]
    if not changes:
        raise ResultsError(f"{head.directory}: {NO_PAIRS}, or name two folders: serlab gate BASE HEAD")
    return _sort_out(changes, versions, notes + _unpaired(head), allow)


def _sort_out(changes: list[Change], versions: list[Version], notes: list[str], allow: tuple[str, ...]) -> Gate:
    """Part what fails from what may, and from what became better."""
    ranked = sorted(changes, key=lambda change: (-change.effect, change.name))
    worse = [change for change in ranked if change.verdict in WORSE]
    allowed = [change for change in worse if any(fnmatchcase(change.name, pattern) for pattern in allow)]
    idle = [pattern for pattern in allow if not any(fnmatchcase(change.name, pattern) for change in worse)]
    notes = notes + [f"--allow {pattern}: nothing that became worse matches" for pattern in idle]
    failures = [change for change in worse if change not in allowed]
    better = [change for change in ranked if change.verdict in BETTER]
    return Gate(failures, allowed, better, len(changes), versions, notes)


def _paired_changes(rows: pd.DataFrame) -> list[Change]:
    """Judge every figure that was timed in pairs."""
    return [_paired_change(row) for row in paired_table(rows).to_dict("records")]


def _paired_change(row: dict[Any, Any]) -> Change:
    """Judge one: slower or faster only where the whole interval is beyond the margin."""
    ratio, margin = Estimate(row["ratio"], row["ratio_low"], row["ratio_high"], row["pairs"]), row["margin"]
    said = verdict(ratio, Estimate(1.0, 1 / margin, margin, row["pairs"]), whole=True)
    place = row["workload"], row["operation"], row["codec"], "time"
    return Change(*place, said, row["base_ns"], row["head_ns"], *ratio[:3], margin)


def _versions_of(head: Run) -> list[Version]:
    """List what differs between the two environments of one run."""
    base = head.environment.get("base", {})
    common = head.environment.get("versions", {}).keys() & base.get("versions", {}).keys()
    here = {name: head.environment["versions"][name] for name in common}
    place = {key: head.environment.get(key) for key in ("python", "serlab", "git_commit")}
    return _version_changes({**base, "versions": {name: base["versions"][name] for name in common}} if base else place,
                           {**place, "versions": here})  # fmt: skip


def _unpaired(head: Run) -> list[str]:
    """Name the codecs of a paired run that have no pair, or no figure since they lost a body."""
    if "base" not in head.environment:
        return []
    table = paired_table(head.rows)
    judged = set(zip(table["workload"], table["codec"], strict=True)) if len(table) else set()
    places = {(key[0], key[2]): value for key, value in _exact_figures(head.rows).items() if key[1] == "parity"}
    lacking = [f"{codec} on {workload}" for (workload, codec) in places if (workload, codec) not in judged]
    return [f"not timed in pairs: {', '.join(sorted(lacking))}"] if lacking else []
