"""What the commands diff and gate show: a table for people, lines for a log, annotations for GitHub."""

import re
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serlab.console import literal
from serlab.report import TIME, scaled, three_digits
from serlab.verdicts import SAME, WORSE, Change, Diff, Gate, Version

HEADS = ("workload", "operation", "codec", "figure", "before", "after", "ratio", "verdict")
FIGURES = {"time": "time", "equal": "equal bodies"}


def show_diff(console: Console, diff: Diff) -> None:
    """Show what changed, the largest effects first, and what did not."""
    for line in (*_version_lines(diff.versions), *(f"note: {note}" for note in diff.notes)):
        console.print(literal(_told(line)))
    changed = [change for change in diff.changes if change.verdict not in SAME]
    if changed:
        console.print(_diff_table(changed, diff.reference))
    for line in _summary_lines(diff.changes):
        console.print(literal(_told(line)))


def _diff_table(changes: list[Change], reference: str) -> Table:
    """Build the table of changes."""
    title = Text("Before and after; ratios below 1 are smaller or faster")
    if reference:
        title += f"\nA time is a ratio to {_told(reference)} in its own run, with the 95 % interval of their ratio."
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="right" if head in HEADS[4:7] else "left", overflow="fold")
    for change in changes:
        style = "red" if change.verdict in WORSE else "green"
        cells = (
            *change[:3],
            FIGURES.get(change.metric, change.metric),
            _before(change),
            _after(change),
            _interval(change),
        )
        table.add_row(*(literal(_told(cell)) for cell in cells), Text(change.verdict, style))
    return table


def _before(change: Change) -> str:
    """Write the figure before."""
    return _figure(change.metric, change.old)


def _after(change: Change) -> str:
    """Write the figure after."""
    return _figure(change.metric, change.new)


def _figure(metric: str, value: float) -> str:
    """Write an exact figure with all its digits, if they are few; a ratio with three."""
    if metric == "time":
        return three_digits(value)
    return "–" if value != value else f"{value:,.12g}"


def _interval(change: Change) -> str:
    """Write a ratio, with its interval if it has one."""
    if change.ratio != change.ratio:
        return ""
    if change.low == change.high:
        return f"{change.ratio:.4f}"
    return f"{three_digits(change.ratio)} [{three_digits(change.low)}, {three_digits(change.high)}]"


def _summary_lines(changes: list[Change]) -> Iterator[str]:
    """Count verdicts, and name the codecs that tie, by workload and operation."""
    counts = {
        verdict: sum(change.verdict == verdict for change in changes)
        for verdict in dict.fromkeys(c.verdict for c in changes)
    }
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "nothing to compare"
    ties: dict[str, list[str]] = {}
    for change in changes:
        if change.verdict == "tie":
            ties.setdefault(f"{change.workload} {change.operation}", []).append(change.codec)
    yield from (f"tie: {place}: {', '.join(codecs)}" for place, codecs in sorted(ties.items()))


def _version_lines(versions: list[Version]) -> list[str]:
    """List what was upgraded."""
    return [f"version: {one.name} {one.old or 'absent'} → {one.new or 'absent'}" for one in versions]


def _told(text: str) -> str:
    """Break what GitHub reads as a command in a log: `::` where a line begins, and `##[` anywhere.

    A table's cell may be folded to several lines, so that any place may be where one begins.
    """
    return re.sub(r":(?=:)", ": ", text).replace("##[", "## [")


def gate_lines(gate: Gate) -> Iterator[str]:
    """Write a gate's findings as lines for a log, the failures last, where a reader looks first."""
    yield from map(_told, _lines_of(gate))


def _lines_of(gate: Gate) -> Iterator[str]:
    """Write them with names as they are."""
    yield from _version_lines(gate.versions)
    yield from (f"note: {note}" for note in gate.notes)
    yield from (f"better: {_sentence(change)}" for change in gate.improvements)
    yield from (f"allowed: {_sentence(change)}" for change in gate.allowed)
    yield from (f"FAIL: {_sentence(change)}" for change in gate.failures)
    verdict = f"{len(gate.failures)} worse" if gate.failures else "passed"
    yield f"gate: {verdict}; {gate.judged} figures, {len(gate.improvements)} better, {len(gate.allowed)} allowed"


def _sentence(change: Change) -> str:
    """Say what became of one figure."""
    if change.metric == "time":
        times = f"{scaled(change.old, TIME)} → {scaled(change.new, TIME)}"
        return (
            f"{change.name} {change.verdict}: {times}, ratio {_interval(change)}, margin {three_digits(change.margin)}"
        )
    return f"{change.name} {change.verdict}: {_before(change)} → {_after(change)}" + (
        f", ratio {_interval(change)}" if _interval(change) else ""
    )


def github_lines(gate: Gate) -> Iterator[str]:
    """Write a gate's findings as annotations of GitHub Actions.

    Source: GitHub's documentation, "Workflow commands for GitHub Actions".
    """
    for level, changes in (("error", gate.failures), ("warning", gate.allowed), ("notice", gate.improvements)):
        for change in changes:
            text = _told(_sentence(change)).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            yield f"::{level} title=serlab gate::{text}"
