"""What changed between two runs, and whether a change may go in."""

from serlab.verdicts.diff import Diff, compare_runs
from serlab.verdicts.gate import Gate, judge

__all__ = ["Diff", "Gate", "compare_runs", "judge"]
