"""From a run and a scenario to a decision."""

import json
import math
import shlex
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serlab.cases import AA, Case
from serlab.console import literal
from serlab.decide import wording
from serlab.decide.cost import (
    COMPRESSORS,
    MEMORY,
    NS_PER_HOUR,
    LatencyShare,
    candidates,
    counted,
    figures_of,
    latency_share,
    parts,
    per_call,
    resolve,
    share_of,
)
from serlab.decide.ranking import DOCUMENT, Ranking, Run, Standing, rank, read_run, stand_in
from serlab.decide.scenarios import Scenario, load_scenario, override
from serlab.decide.sensitivity import breakeven, sensitivity
from serlab.records import COMMON, OUTCOMES
from serlab.report import show, three_digits
from serlab.stats import Estimate

# A ranking and what it rests on as tables, with units in the column names.

MILLION = 1e6
EVIDENCE = ["workload", "message", "operation", "metric", "codec", "rows", "run"]


def _ranking_frame(scenario: Scenario, ranking: Ranking) -> pd.DataFrame:
    """Lay out a ranking.

    Args:
        scenario: resolved.
        ranking: of that scenario.

    Returns:
        One row for each codec, the best first. Times, sizes and memory are per message; core-hours, 10^9 bytes over the
        wire and money per million messages; `ratio` is to the baseline and
        `to_leader` to the cheapest, in what the scenario ranks by, with 95 % intervals; `latency_share` is codec and
        wire of the whole latency of a call with the baseline. `rank` is None for what cannot be recommended, and `note`
        says why.
    """
    ranks = {one.codec: 1 if one.ties else place for place, one in enumerate(ranking.open, 1)}
    table = pd.DataFrame([_record(scenario, ranking, one, ranks.get(one.codec)) for one in ranking.standings])
    # As a column of numbers the ranks would become 1.0, and the missing ones not a number.
    return table.assign(rank=pd.Series([ranks.get(one.codec) for one in ranking.standings], dtype=object))


def _record(scenario: Scenario, ranking: Ranking, one: Standing, place: int | None) -> dict[str, Any]:
    """Lay out one codec."""
    costs = one.cost._asdict() if one.cost else {}
    base = next((other.cost for other in ranking.standings if other.codec == ranking.baseline), None)
    whole = one.cost.time_ns * per_call(scenario) if one.cost else math.nan
    cells: dict[str, Any] = {"rank": place, "codec": one.codec, "verdict": _verdict(ranking, one, place)}
    cells |= {name: costs.get(name, math.nan) for name in ("time_ns", "cpu_ns", "wire_ns", "size_bytes")}
    cells["core_hours_per_million"] = cells["cpu_ns"] * MILLION / NS_PER_HOUR
    cells["wire_gb_per_million"] = cells["size_bytes"] * scenario.wire.crossings * MILLION / 1e9
    cells[_money_column(scenario)] = costs.get("cost_per_million", math.nan)
    for name, estimate in (("ratio", one.to_baseline), ("to_leader", one.to_leader)):
        cells |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    cells["latency_share"] = share_of(scenario, base, whole) if base else math.nan
    cells |= {name: costs.get(name, math.nan) for name in MEMORY.values()}
    return cells | {"processes": one.to_baseline.n, "note": one.barred}


def _money_column(scenario: Scenario) -> str:
    """Name the column of money."""
    return f"{scenario.prices.currency.lower()}_per_million"


def _verdict(ranking: Ranking, one: Standing, place: int | None) -> str:
    """Say what a codec is in a ranking."""
    if one.codec == ranking.recommended:
        return "recommended"
    if one.cost is None:
        return "not measured"
    if place is None:
        return "reference" if one.barred.startswith("reference") else "barred"
    return ("tie" if len(ranking.tied) > 1 else "cheapest") if one.ties else "dearer"


def evidence(run: Run, scenario: Scenario) -> pd.DataFrame:
    """List the rows that an answer rests on.

    Args:
        run: the run.
        scenario: resolved.

    Returns:
        One line for each selector of rows: workload, message, operation, metric, codec; how many rows it gives, and of
        which runs.
    """
    named = run.rows[["workload", "message", "place", "metric", "case", "run"]].set_axis([*EVIDENCE[:5], "run"], axis=1)
    rows = named.merge(_selectors(run, scenario), on=EVIDENCE[:1] + EVIDENCE[2:5], how="inner")
    grouped = rows.groupby(EVIDENCE[:5], sort=True)["run"].agg(["size", "unique"]).reset_index()
    grouped["run"] = grouped["unique"].map(lambda runs: ", ".join(map(str, runs)))
    return grouped.rename(columns={"size": "rows"})[EVIDENCE]


def _selectors(run: Run, scenario: Scenario) -> pd.DataFrame:
    """Say which figures the model reads, of each codec and of the baseline's second arm."""
    of = parts(run.inputs, scenario)
    counts = counted(run.inputs, scenario, of)
    size = scenario.wire.compression.replace("none", "raw")
    squeezed = {*COMPRESSORS.get(scenario.wire.compression, ())}
    found = []
    for part in of:
        timed = [name for name, _ in counts[part.workload]]
        wanted = [("size", size), *(("parity", name) for name in ("equal", *OUTCOMES[:3], COMMON))]
        wanted += [(name, "time") for name in timed]
        wanted += [(name, metric) for name in timed if name not in squeezed for metric in MEMORY]
        found += [(part.workload, *one, codec) for one in wanted for codec in _rowed(run, scenario, part.workload)]
    return pd.DataFrame(found, columns=[EVIDENCE[0], *EVIDENCE[2:5]]).drop_duplicates()


def _rowed(run: Run, scenario: Scenario, workload: str) -> set[str]:
    """Name the codecs whose rows on a workload are read: a variant may have its stem's read."""
    names = candidates(run.inputs, parts(run.inputs, scenario))
    held = run.inputs.workloads[workload].codecs
    used = {codec for codec in names if codec in held}
    used |= {codec for codec in held if any(figures_of(run.inputs, workload, name) is held[codec] for name in names)}
    return used | {str(Case(run.inputs.baseline, AA))}


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
        """Return the command that decides the same again; "" for a table in memory."""
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
        """Return the codecs in order, see `serlab.decide.decision._ranking_frame`."""
        return _ranking_frame(self.scenario, self.order)

    @cached_property
    def breakeven(self) -> pd.DataFrame:
        """Return the points at which codecs overtake each other, see `serlab.decide.sensitivity.breakeven`."""
        return breakeven(self.run, self.scenario, self.order)

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """Return what each weight does to the answer, see `serlab.decide.sensitivity.sensitivity`."""
        return sensitivity(self.run, self.scenario, self.order)

    @cached_property
    def latency_share(self) -> LatencyShare | None:
        """Return codec and wire beside the whole latency; None where nobody waits or there is no baseline."""
        costs = {one.codec: one.cost for one in self.order.standings}
        base, leader = costs.get(self.order.baseline), costs.get(self.order.leader)
        if self.scenario.latency is None or base is None or leader is None:
            return None
        return latency_share(self.scenario, base, leader)

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """Return the rows that the answer rests on, see `serlab.decide.decision.evidence`."""
        return evidence(self.run, self.scenario)

    @cached_property
    def verdict(self) -> str:
        """Say in one sentence what to do."""
        return wording.verdict(self.scenario, self.order, self.latency_share)

    @cached_property
    def notes(self) -> list[str]:
        """Say what the answer leaves out, and what of the run stands for what."""
        return list(wording.notes(self.run, self.given, self.scenario, self.kinds))

    @cached_property
    def reasons(self) -> list[str]:
        """Say what the verdict rests on, a sentence each."""
        return [
            *wording.costs(self.scenario, self.order),
            *wording.barred(self.order),
            *wording.refusing(self.run, self.scenario, self.order),
            *wording.waiting(self.scenario, self.order, self.latency_share),
            *wording.overtaking(self.scenario, self.order, self.breakeven),
            *(wording.changing(self.sensitivity) if self.recommended else ()),
            wording.resting(self.evidence),
        ]

    @property
    def answer(self) -> str:
        """Say it all in a paragraph, the verdict first."""
        return " ".join([self.verdict, *self.notes, *self.reasons])

    def to_markdown(self) -> str:
        """Write an architecture decision record."""
        from serlab.decide.wording import record

        return record(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; a figure that is missing, and a range without an end, is None."""
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
        from serlab.report import to_markdown

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


# What the command shows to people: the answer, and the codecs in order.

RANKED = {"time": "time", "money": "cost"}
"""Objective → heading of the ratio."""

MARKS = {"recommended": "→", "tie": "="}


def show_decision(console: Console, decision: Decision) -> None:
    """Show a decision: the verdict first, for somebody with two minutes."""
    console.print(literal(decision.scenario.question, "dim"))
    console.print(literal(decision.verdict, "bold"))
    for line in (*decision.notes, *decision.reasons):
        console.print(literal(f"· {line}"))
    console.print()
    console.print(_table_of(decision))
    console.print()


def _table_of(decision: Decision) -> Table:
    """Lay out the ranking: what can be used, then what cannot."""
    look = {"title_justify": "left", "title_style": "", "padding": (0, 1, 0, 0), "pad_edge": False}
    table = Table(title=Text(_legend(decision)), box=None, **look)  # type: ignore[arg-type]
    currency = decision.scenario.prices.currency
    ratio = f"{RANKED[decision.scenario.objective]} × {decision.order.baseline}"
    for head in ("  codec", "CPU", "wire", "size", f"{currency}/M", ratio):
        table.add_column(Text(head), justify="left" if head == "  codec" else "right", no_wrap=True)
    for row in decision.ranking.to_dict("records"):
        style = "bold" if row["verdict"] == "recommended" else "dim" if row["rank"] is None else ""
        table.add_row(*map(literal, _cells(decision, row)), style=style)
    return table


def _cells(decision: Decision, row: Mapping[Hashable, Any]) -> list[str]:
    """Write one codec's cells."""
    columns = ("cpu_ns", "wire_ns", "size_bytes", _money_column(decision.scenario))
    mark = MARKS.get(row["verdict"], "×" if row["rank"] is None else " ")
    figures = (show(column, row[column]) for column in columns)
    return [f"{mark} {row['codec']}", *figures, _ratio_of(decision.order.of(row["codec"]).to_baseline)]


def _ratio_of(estimate: Estimate) -> str:
    """Write a ratio and the ends of its interval."""
    if estimate.n == 0:
        return "–"
    return f"{three_digits(estimate.value)}  {three_digits(estimate.low)}–{three_digits(estimate.high)}"


def _legend(decision: Decision) -> str:
    """Explain the figures and the marks."""
    currency, baseline = decision.scenario.prices.currency, decision.order.baseline
    text = f"Per message; {currency}/M: per million of them, at the scenario's prices, which are assumptions.\n"
    text += f"{baseline} against itself (A/A): {_ratio_of(decision.order.control)}.\n→ recommended"
    text += "; = ties with the cheapest" if len(decision.order.tied) > 1 else ""
    barred: dict[str, list[str]] = {}
    for one in (one for one in decision.order.standings if one.barred):
        reason = one.barred.replace(f"reference: {one.format.reference}", "a reference")
        barred.setdefault(reason, []).append(one.codec)
    listed = "; ".join(f"{', '.join(codecs)} ({reason})" for reason, codecs in barred.items())
    return text + (f"; × not to be used here: {listed}." if barred else ".")


def show_overview(console: Console, lines: dict[str, str]) -> None:
    """Show one line for each scenario."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, line in lines.items():
        table.add_row(literal(name, "bold"), literal(line))
    console.print(table)
