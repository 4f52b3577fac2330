"""What changed between two runs of one machine, made at different moments.

Times of different moments cannot be compared: a shared machine is faster on one day than on the next. What can is the
ratio of a codec to a reference that did not change, measured side by side in each run; the figure is the new ratio
against the old one, with an interval that resamples the processes of both runs. A change inside the A/A spread of both
is a tie.
"""

from typing import Any, NamedTuple

import pandas as pd

from serlab.report.tables import baseline_of
from serlab.report.wire import is_wire
from serlab.stats import BASE, CONTROL, Estimate, band, margin, paired_ratio, spread, unpaired_ratio, verdict
from serlab.verdicts.changes import Change, exact_changes
from serlab.verdicts.runs import MACHINE, Run, Version, load_run, require_same, version_changes

SHARED = ("msgspec", "serlab", "serlab's commit", "Python")
"""What lies under every codec, so that a change of it does not show in a ratio between two of them."""

Arms = dict[tuple[str, str], dict[str, dict[int, float]]]
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
        """Give it as JSON values."""
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
    require_same(old, new, MACHINE)
    versions = version_changes(old.environment, new.environment)
    reference, notes = choose_reference(old, new)
    notes += [f"{one.name} changed: it lies under every codec, and what it does to all alike does not show in a ratio; "
              "serlab time --base shows it" for one in versions if one.name in SHARED]  # fmt: skip
    if is_wire(new.rows).any():
        notes.append("what was measured on the wire is not compared: its times hold within a run only")
    changes = exact_changes(old.rows, new.rows) + (time_changes(old.rows, new.rows, reference) if reference else [])
    changes.sort(key=lambda change: (-change.effect, change.name))
    return Diff(str(old.environment["run"]), str(new.environment["run"]), versions, reference, notes, changes)


def choose_reference(old: Run, new: Run) -> tuple[str, list[str]]:
    """Choose the codec that times are ratios to: the baseline, or another one if its library was upgraded.

    Returns:
        Its name and what to say about it; "" where there is none.
    """
    before, after = timed_versions(old.rows), timed_versions(new.rows)
    if not before or not after:
        return "", []
    baseline = baseline_of(new.rows)
    same = [codec for codec in after if before.get(codec) == after[codec]]
    if baseline in same:
        return baseline, []
    change = f"the baseline {baseline} went from {before.get(baseline, 'nothing')} to {after.get(baseline, 'nothing')}"
    if not same:
        return "", [f"{change} and no other codec is unchanged: no time is compared; measure with serlab time --base"]
    widest = max(same, key=lambda codec: len(groups_with(new.rows, codec) & groups_with(old.rows, codec)))
    return widest, [f"{change}: times are ratios to {widest}, which is unchanged"]


def timed_versions(rows: pd.DataFrame) -> dict[str, str]:
    """Map each timed codec to its version, controls and other environments aside."""
    times = rows[(rows["metric"] == "time") & ~rows["codec"].str.endswith((BASE, CONTROL))]
    return dict(zip(times["codec"], times["codec_version"], strict=True))


def groups_with(rows: pd.DataFrame, codec: str) -> set[tuple[str, str]]:
    """List the workloads and operations that a codec was timed in."""
    times = rows[(rows["metric"] == "time") & (rows["codec"] == codec)]
    return set(zip(times["workload"], times["operation"], strict=True))


def time_changes(old: pd.DataFrame, new: pd.DataFrame, reference: str) -> list[Change]:
    """Compare the ratios to the reference."""
    before, after = arms_of(old), arms_of(new)
    changes: list[Change] = []
    for group in before.keys() & after.keys():
        control = spread(*(control_of(run[group]) for run in (after, before)))
        ratios = [ratios_to(run[group], reference) for run in (before, after)]
        codecs = ratios[0].keys() & ratios[1].keys()
        changes += [time_change(group, codec, ratios[0][codec], ratios[1][codec], control) for codec in codecs]
    return changes


def arms_of(rows: pd.DataFrame) -> Arms:
    """Sort times by group, codec and process."""
    arms: Arms = {}
    for row in rows[rows["metric"] == "time"].itertuples():
        group = arms.setdefault((str(row.workload), str(row.operation)), {})
        group.setdefault(str(row.codec), {})[int(str(row.process))] = float(str(row.value))
    return arms


def control_of(arms: dict[str, dict[int, float]]) -> Estimate:
    """Estimate the baseline against itself in one group, with the band of noise for an interval: alike both ways."""
    control = next((name for name in arms if name.endswith(CONTROL) and BASE not in name), "")
    found = paired_ratio(arms.get(control, {}), arms.get(control.removesuffix(CONTROL), {}))
    low, high = band(found.low, found.high)
    return found._replace(low=low, high=high)


def ratios_to(arms: dict[str, dict[int, float]], reference: str) -> dict[str, dict[int, float]]:
    """Divide each codec's times by the reference's in the same process."""
    base = arms.get(reference, {})
    names = [name for name in arms if name != reference and not name.endswith((BASE, CONTROL))]
    found = {name: {i: value / base[i] for i, value in arms[name].items() if i in base} for name in names}
    return {name: ratios for name, ratios in found.items() if ratios}


def time_change(
    group: tuple[str, str], codec: str, old: dict[int, float], new: dict[int, float], control: Estimate
) -> Change:
    """Judge one codec in one group."""
    estimate = unpaired_ratio(new, old)
    medians = pd.Series(old).median(), pd.Series(new).median()
    return Change(*group, codec, "time", verdict(estimate, control), *medians, *estimate[:3], margin(control))
