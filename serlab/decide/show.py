"""What the command shows to people: the answer, and the codecs in order."""

from collections.abc import Hashable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from serlab.console import literal
from serlab.decide.decision import Decision
from serlab.decide.frames import money_column
from serlab.report.units import show, three_digits
from serlab.stats import Estimate

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
    console.print(table_of(decision))
    console.print()


def table_of(decision: Decision) -> Table:
    """Lay out the ranking: what can be used, then what cannot."""
    look = {"title_justify": "left", "title_style": "", "padding": (0, 1, 0, 0), "pad_edge": False}
    table = Table(title=Text(legend(decision)), box=None, **look)  # type: ignore[arg-type]
    currency = decision.scenario.prices.currency
    ratio = f"{RANKED[decision.scenario.objective]} × {decision.order.baseline}"
    for head in ("  codec", "CPU", "wire", "size", f"{currency}/M", ratio):
        table.add_column(Text(head), justify="left" if head == "  codec" else "right", no_wrap=True)
    for row in decision.ranking.to_dict("records"):
        style = "bold" if row["verdict"] == "recommended" else "dim" if row["rank"] is None else ""
        table.add_row(*map(literal, cells(decision, row)), style=style)
    return table


def cells(decision: Decision, row: Mapping[Hashable, Any]) -> list[str]:
    """Write one codec's cells."""
    columns = ("cpu_ns", "wire_ns", "size_bytes", money_column(decision.scenario))
    mark = MARKS.get(row["verdict"], "×" if row["rank"] is None else " ")
    figures = (show(column, row[column]) for column in columns)
    return [f"{mark} {row['codec']}", *figures, ratio_of(decision.order.of(row["codec"]).to_baseline)]


def ratio_of(estimate: Estimate) -> str:
    """Write a ratio and the ends of its interval."""
    if estimate.n == 0:
        return "–"
    return f"{three_digits(estimate.value)}  {three_digits(estimate.low)}–{three_digits(estimate.high)}"


def legend(decision: Decision) -> str:
    """Explain the figures and the marks."""
    currency, baseline = decision.scenario.prices.currency, decision.order.baseline
    text = f"Per message; {currency}/M: per million of them, at the scenario's prices, which are assumptions.\n"
    text += f"{baseline} against itself (A/A): {ratio_of(decision.order.control)}.\n→ recommended"
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
