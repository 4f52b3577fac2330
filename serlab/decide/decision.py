"""From a run and a scenario to a decision."""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from serlab.decide import answer
from serlab.decide.breakeven import breakeven
from serlab.decide.frames import evidence, ranking_frame
from serlab.decide.latency import LatencyShare, latency_share
from serlab.decide.model import resolve
from serlab.decide.ranking import Ranking, rank
from serlab.decide.run import Run, read_run
from serlab.decide.scenarios import load_scenario
from serlab.decide.sensitivity import sensitivity
from serlab.decide.settings import override
from serlab.decide.types import Scenario
from serlab.decide.untyped import DOCUMENT, stand_in


@dataclass(frozen=True)
class Decision:
    """Which codec, what it buys, and what that rests on; each table is worked out when it is first asked for.

    Attributes:
        scenario: with the workloads that the run holds.
        given: the scenario as it was given.
        order: the ranking with its formats and estimates.
        run: the run.
        source: where the scenario came from: a name or a path.
        overrides: the settings that were changed.
        kinds: the scenario's kinds that bodies without a type stand for.
    """

    scenario: Scenario
    given: Scenario
    order: Ranking
    run: Run = field(repr=False)
    source: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)

    @property
    def command(self) -> str:
        """Give the command that decides the same again; "" for a table in memory."""
        if not self.run.place:
            return ""
        changed = [word for path, value in self.overrides.items() for word in ("--set", f"{path}={value}")]
        return shlex.join(["serlab", "decide", self.run.place, "--scenario", self.source, *changed])

    @property
    def recommended(self) -> str:
        """Name the codec to use; "" for none."""
        return self.order.recommended

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """Give the codecs in order, see `serlab.decide.frames.ranking_frame`."""
        return ranking_frame(self.scenario, self.order)

    @cached_property
    def breakeven(self) -> pd.DataFrame:
        """Give the points at which codecs overtake each other, see `serlab.decide.breakeven.breakeven`."""
        return breakeven(self.run, self.scenario, self.order)

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """Give what each weight does to the answer, see `serlab.decide.sensitivity.sensitivity`."""
        return sensitivity(self.run, self.scenario, self.order)

    @cached_property
    def latency_share(self) -> LatencyShare | None:
        """Give codec and wire beside the whole latency; None where nobody waits or there is no baseline."""
        costs = {one.codec: one.cost for one in self.order.standings}
        base, leader = costs.get(self.order.baseline), costs.get(self.order.leader)
        if self.scenario.latency is None or base is None or leader is None:
            return None
        return latency_share(self.scenario, base, leader)

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """Give the rows that the answer rests on, see `serlab.decide.frames.evidence`."""
        return evidence(self.run, self.scenario)

    @cached_property
    def verdict(self) -> str:
        """Say in one sentence what to do."""
        return answer.verdict(self.scenario, self.order, self.latency_share)

    @cached_property
    def notes(self) -> list[str]:
        """Say what the answer leaves out, and what of the run stands for what."""
        return list(answer.notes(self.run, self.given, self.scenario, self.kinds))

    @cached_property
    def reasons(self) -> list[str]:
        """Say what the verdict rests on, a sentence each."""
        return [
            *answer.costs(self.scenario, self.order),
            *answer.barred(self.order),
            *answer.refusing(self.run, self.scenario, self.order),
            *answer.waiting(self.scenario, self.order, self.latency_share),
            *answer.overtaking(self.scenario, self.order, self.breakeven),
            *(answer.changing(self.sensitivity) if self.recommended else ()),
            answer.resting(self.evidence),
        ]

    @property
    def answer(self) -> str:
        """Say it all in a paragraph, the verdict first."""
        return " ".join([self.verdict, *self.notes, *self.reasons])

    def to_markdown(self) -> str:
        """Write an architecture decision record."""
        from serlab.decide.adr import record

        return record(self)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as JSON values; a figure that is missing, and a range without an end, is None."""
        tables = ("ranking", "breakeven", "sensitivity", "evidence")
        share = self.latency_share
        found = {
            "scenario": msgspec.to_builtins(self.scenario),
            "run": sorted(map(str, self.run.rows["run"].unique())),
            "recommended": self.recommended,
            "baseline": self.order.baseline,
            "leader": self.order.leader,
            "tied": self.order.tied,
            "control": self.order.control._asdict(),
            "answer": self.answer,
            "notes": self.notes,
            "latency_share": share._asdict() if share else None,
            **{name: getattr(self, name).to_dict("records") for name in tables},
        }
        return {key: plain(value) for key, value in found.items()}

    def to_json(self) -> str:
        """Write everything as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def _repr_markdown_(self) -> str:
        """Show the answer and the ranking in a notebook."""
        from serlab.report.export import to_markdown

        return to_markdown(self.ranking, f"**{self.verdict}** {' '.join([*self.notes, *self.reasons])}")


def plain(value: Any) -> Any:
    """Put None for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "item"):
        return plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decide(results: str | Path | pd.DataFrame | Run, scenario: str | Path | Scenario, **overrides: Any) -> Decision:
    """Rank the codecs of a run for a scenario.

    Args:
        results: a results folder, or the table that `serlab.compare` or `serlab.load_results` gave.
        scenario: the name of a built-in one, the path of a TOML file, or a scenario.
        overrides: settings by name, such as `bandwidth_bit_per_s=140e6` or `compression="zstd"`; what stands deeper by
            its path, as in `**{"messages.ChatChunk.operations.encode": 2}`.

    Returns:
        The decision.

    Raises:
        ResultsError: there are no results.
        UnknownNameError: there is no built-in scenario of that name.
        ScenarioError: a setting is wrong, or the run has not measured what the scenario needs.
    """
    run = read_run(results)
    given = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    late = {path: value for path, value in overrides.items() if path.startswith(f"messages.{DOCUMENT}.")}
    early = {path: value for path, value in overrides.items() if path not in late}
    given, kinds = stand_in(run.inputs, override(given, early) if early else given)
    given = override(given, late) if late else given
    resolved = resolve(run.inputs, given, run.option("corpora"))
    source = given.name if isinstance(scenario, Scenario) else str(scenario)
    return Decision(resolved, given, rank(run, resolved), run, source, overrides, kinds)
