"""An architecture decision record: what was decided, against what, on what evidence, and what it costs.

Source: Nygard, Documenting Architecture Decisions (title, status, context, decision, consequences).
"""

import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from serlab.decide.formats import NAMES, Format
from serlab.decide.text import bandwidth, duration, percent, value_of
from serlab.report.export import to_markdown
from serlab.visible import inline

if TYPE_CHECKING:
    from serlab.decide.decision import Decision


def record(decision: "Decision") -> str:
    """Write the record.

    Args:
        decision: the decision.

    Returns:
        Markdown.
    """
    sections = {
        "Status": ["Proposed."],
        "Context": [inline(decision.scenario.question), *context(decision)],
        "Options considered": options(decision),
        "Decision": [inline(decision.verdict), *bullets(decision.reasons)],
        "Consequences": list(bullets(consequences(decision))),
        "Break-even points": [to_markdown(decision.breakeven, caption_of_breakeven())],
        "Sensitivity": [to_markdown(shown(decision.sensitivity), caption_of_sensitivity(decision))],
        "Evidence": evidence(decision),
        "Scenario": ["```json", scenario_json(decision), "```"],
    }
    text = "\n\n".join(f"## {title}\n\n" + "\n".join(lines).strip() for title, lines in sections.items())
    title = inline(f"{decision.recommended or 'No codec'} at the boundary “{decision.scenario.name}”")
    return f"# {title}\n\n{text}\n"


def scenario_json(decision: "Decision") -> str:
    """Write the scenario as it was decided."""
    return json.dumps(msgspec.to_builtins(decision.scenario), indent=1, ensure_ascii=False)


def bullets(lines: list[str]) -> list[str]:
    """Write a list."""
    return ["", *(f"- {inline(line)}" for line in lines)] if lines else []


def context(decision: "Decision") -> Iterator[str]:
    """Describe the boundary."""
    scenario = decision.scenario
    lines = [f"{kind}: {described(message)}" for kind, message in scenario.messages.items()]
    count = scenario.wire.crossings
    crossings = f"{count:g} {'crossing' if count == 1 else 'crossings'}"
    lines.append(
        f"Wire: {bandwidth(scenario.wire.bandwidth_bit_per_s)}, {crossings} per message, "
        f"compression {scenario.wire.compression}"
    )
    if scenario.storage.copies:
        lines.append(f"Stored: {scenario.storage.copies:g} copies per message for {scenario.storage.days:g} days")
    wanted = [name.replace("_", " ") for name in NAMES if getattr(scenario.constraints, name)]
    lines.append(f"Constraints: {', '.join(wanted) or 'none'}")
    if share := decision.latency_share:
        lines.append(
            f"A call waits {duration(share.other_s)} beside codec and wire, which with {decision.order.baseline} are "
            f"{percent(share.baseline_share)} of the whole"
        )
    prices = msgspec.to_builtins(scenario.prices)
    lines.append("Prices (assumptions): " + ", ".join(f"{key} {value}" for key, value in prices.items()))
    yield from bullets([*lines, *decision.notes])


def described(message: msgspec.Struct) -> str:
    """Describe what is done to a kind of message."""
    values = msgspec.to_builtins(message)
    operations = ", ".join(f"{name} × {times:g}" for name, times in values["operations"].items()) or "no operation"
    shares = ", ".join(f"{name} × {share:g}" for name, share in values["workloads"].items())
    return f"{values['per_call']:g} per call; {operations}; from {shares}"


def options(decision: "Decision") -> list[str]:
    """List every codec with every figure."""
    control = decision.order.control
    ranked = "time" if decision.scenario.objective == "time" else "money"
    caption = (
        f"Per message, ranked by {ranked}; ratio: to {decision.order.baseline}, to leader: to {decision.order.leader}, "
        f"medians over processes with 95 % intervals. The baseline against itself (A/A): "
        f"[{control.low:.3f}, {control.high:.3f}]."
    )
    return [to_markdown(decision.ranking, caption)]


def consequences(decision: "Decision") -> list[str]:
    """Say what the choice brings with it."""
    if not decision.recommended:
        return ["Measure other codecs, or drop a constraint."]
    base = decision.order.of(decision.order.baseline).format if has_baseline(decision) else None
    mine = decision.order.of(decision.recommended).format
    found = list(losses(mine))
    if decision.recommended == decision.order.baseline:
        return ["Nothing changes.", *found]
    same = base is not None and base.wire == mine.wire
    change = "The bytes keep their format; only the library changes" if same else f"The bytes become {mine.wire}"
    return [f"{change}{'' if same else '; both ends change together, or speak both for a while'}.", *found]


def has_baseline(decision: "Decision") -> bool:
    """Tell whether the baseline was measured."""
    return any(one.codec == decision.order.baseline for one in decision.order.standings)


def losses(format_: Format) -> Iterator[str]:
    """Say what a format cannot do."""
    texts = {
        "browser": "A browser needs a library to read it.",
        "person": "Nobody reads it with a pager: debugging needs a tool.",
        "other_languages": "Other languages cannot read it.",
        "unknown_fields": "A field that a service's types do not know is lost when it passes the message on.",
        "untrusted_bytes": "Bytes from strangers must not reach it.",
    }
    yield from (text for name, text in texts.items() if getattr(format_, name) is False)
    if format_.schema:
        yield "Both ends share a schema, whose changes need rules; see `serlab fidelity`."


def caption_of_breakeven() -> str:
    """Explain the table of break-even points."""
    return "The value at which two codecs cost the same; – where one is cheaper whatever the value."


def caption_of_sensitivity(decision: "Decision") -> str:
    """Explain the table of sensitivities."""
    return (
        f"Each weight halved and doubled; {decision.order.leader or 'no codec'} stays the cheapest from `stays from` "
        "to `stays to`, apart from ties."
    )


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Write weights in their units."""
    columns = ("value", "tried", "stays_from", "stays_to")
    written = {
        name: [value_of(weight, value) for weight, value in zip(table["weight"], table[name], strict=True)]
        for name in columns
    }
    return table.assign(**written)


def evidence(decision: "Decision") -> list[str]:
    """Name the run, the machine, the versions, the commands and the rows."""
    environment = decision.run.environment
    lines = [f"Run {', '.join(sorted(decision.run.rows['run'].astype(str).unique()))}"]
    if environment:
        versions = ", ".join(f"{name} {version}" for name, version in environment.get("versions", {}).items())
        machine = ", ".join(str(environment.get(key, "")) for key in ("cpu", "os", "python"))
        lines += [f"Machine: {machine}, {environment.get('cores')} cores", f"Versions: {versions}"]
        lines.append(f"serlab {environment.get('serlab', '')} {environment.get('git_commit', '')}".rstrip())
        lines += [f"Measured by `{shlex.join(environment['command'])}`"] if environment.get("command") else []
    lines += [f"Decided by `{decision.command}`"] if decision.command else []
    table = decision.evidence.groupby(["workload", "message", "operation", "metric"], as_index=False)
    grouped = table.agg(rows=("rows", "sum"), codecs=("codec", ", ".join))
    return [
        *bullets(lines),
        "",
        to_markdown(grouped, "The rows of results.parquet, by the columns of `serlab.results.Row`."),
    ]
